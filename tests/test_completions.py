"""From sampled ids to a `Completion`: text, program, the token where the program begins."""

from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_models import tiny_tokenizer
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from rlif.completions import completion_from_ids


@cache
def byte_level() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


@cache
def byte_fallback() -> PreTrainedTokenizerFast:
    """Llama-2's way: unknown characters as bytes, each stray byte a replacement character."""
    pieces = ["<unk>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *"abc`\n", "```", "\n```"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = [("`", "`"), ("``", "`"), ("\n", "```")]
    vocabulary["``"] = len(vocabulary)
    bpe = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    bpe.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>", unk_token="<unk>")


def complete(text: str, tokenizer: Any = None, eos: bool = True):
    tokenizer = tokenizer or byte_level()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return completion_from_ids(tokenizer, ids + [tokenizer.eos_token_id] * eos, [tokenizer.eos_token_id])


def test_reasoning_then_code():
    answer = complete("Add one.\n```python\ndef f(x):\n    return x + 1\n```")
    assert answer.code == "def f(x):\n    return x + 1"
    assert answer.finished
    assert answer.token_ids[-1] == byte_level().eos_token_id
    assert answer.text.endswith("```")  # no special token in the text
    assert answer.code_start is not None
    assert byte_level().decode(answer.token_ids[: answer.code_start]) == "Add one.\n"


def test_code_at_once_has_no_reasoning_tokens():
    answer = complete("```python\nprint(1)\n```")
    assert (answer.code_start, answer.reasoning_tokens) == (0, 0)


@pytest.mark.parametrize("text", ["", "No program here.", "Cut off:\n```python\nprint(", "```\n \n```"])
def test_no_program(text: str):
    answer = complete(text)
    assert (answer.code, answer.code_start) == ("", None)


def test_cut_at_the_length_limit():
    assert not complete("```python\nprint(1)\n```", eos=False).finished


def test_what_follows_eos_is_dropped():
    tokenizer = byte_level()
    ids = tokenizer("ok", add_special_tokens=False)["input_ids"]
    padded = [*ids, tokenizer.eos_token_id, tokenizer.pad_token_id, *ids]
    answer = completion_from_ids(tokenizer, padded, {tokenizer.eos_token_id})
    assert answer.text == "ok"
    assert answer.token_ids == (*ids, tokenizer.eos_token_id)


def test_no_tokens_at_all():
    answer = completion_from_ids(byte_level(), [], {1})
    assert (answer.text, answer.token_ids, answer.finished) == ("", (), False)


def test_a_token_that_merges_newline_and_fence_begins_the_code():
    answer = complete("abc\n```\na\n```", byte_fallback())
    pieces = byte_fallback().convert_ids_to_tokens(list(answer.token_ids))
    assert pieces[:4] == ["a", "b", "c", "\n```"]
    assert answer.code_start == 3


def bytes_of_piece(piece: str) -> int:
    """How many bytes a token stands for; a byte-level piece has one character a byte, "<0x80>" is a byte."""
    return 1 if piece.startswith("<0x") else len(piece)


def linear_start(tokenizer: Any, ids: tuple[int, ...], text: str, position: int) -> int:
    """The token of the character at `position`, by counting bytes: an oracle without bisection."""
    offset, target = 0, len(text[:position].encode())
    for i, piece in enumerate(tokenizer.convert_ids_to_tokens(list(ids))):
        offset += bytes_of_piece(piece)
        if offset > target:
            return i
    raise AssertionError("the line is beyond the last token")


# Some bytes of one character decode to as many replacement characters: prefixes longer than the text they are
# prefixes of. The example has three of them right before the fence.
@given(st.text(alphabet="ab.\n `é€😀\ufffd", max_size=30), st.sampled_from([byte_level, byte_fallback]))
@example(reasoning="😀\n", tokenizer_of=byte_fallback)
@example(reasoning="\ufffd\ufffd\n", tokenizer_of=byte_level)
def test_code_start_is_the_token_of_the_fence_line(reasoning: str, tokenizer_of: Any):
    tokenizer = tokenizer_of()
    answer = complete(f"{reasoning.replace('```', '')}```\ncode\n```", tokenizer)
    lines = answer.text.split("\n")
    opening = [i for i, line in enumerate(lines) if "```" in line][-2]
    line_start = sum(len(line) + 1 for line in lines[:opening])
    found = linear_start(tokenizer, answer.token_ids, answer.text, line_start)
    # A fence line that itself begins with a character of several bytes may start at any of its tokens.
    width = len(answer.text[line_start].encode())
    assert answer.code_start is not None
    assert found <= answer.code_start < found + width
