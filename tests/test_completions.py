"""From a sampled answer to a `Completion`: text, program, where the program begins, where the answer ends."""

import math
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_models import tiny_tokenizer
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from rlif.completions import completion_from_ids, completion_from_text
from rlif.diagnostics.health import summarise_completions
from rlif.problems.extraction import extract_continuation


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


def complete(text: str, tokenizer: Any = None, eos: bool = True, **options: Any):
    tokenizer = tokenizer or byte_level()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] * eos
    return completion_from_ids(tokenizer, ids, [tokenizer.eos_token_id], **options)


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


def test_a_style_may_bring_its_own_rule():
    answer = complete("\nprint(1)", extract=extract_continuation)
    assert (answer.code, answer.code_start, answer.reasoning_share) == ("print(1)", 0, 0)


def test_a_stop_string_ends_the_answer():
    answer = complete("print(1)\n### Question\nMore", eos=False, stop=["###"])
    assert answer.text == "print(1)\n"
    assert answer.finished
    # The ids hold what was sampled until it stopped, the stop string included.
    assert byte_level().decode(answer.token_ids) == "print(1)\n###"


def test_the_stop_string_that_is_complete_first_counts():
    assert complete("a--b---c", stop=["---", "b"]).text == "a--"
    assert complete("abc", stop=["abc", "b"]).text == "a"


def test_a_stop_string_that_does_not_occur_changes_nothing():
    text = "```\n# one\n```"
    assert complete(text, stop=["###"]) == complete(text)
    assert not complete("cut", eos=False, stop=["###"]).finished


def test_a_token_that_reaches_beyond_the_stop_string_is_kept_and_its_text_cut():
    tokenizer = byte_fallback()
    answer = complete("ab\n```\nc", tokenizer, stop=["\n`"])
    assert answer.text == "ab"
    assert tokenizer.convert_ids_to_tokens(list(answer.token_ids)) == ["a", "b", "\n```"]


# Whatever the text and the stop string, and however tokens and characters fall.
@given(st.text(alphabet="a#b\né😀", max_size=20), st.sampled_from(["##", "#b", "é", "😀a"]))
def test_text_and_ids_are_cut_together(text: str, stop: str):
    tokenizer = byte_level()
    answer = complete(text, tokenizer, stop=[stop])
    whole = answer.text if stop not in text else answer.text + stop
    assert answer.text == text.split(stop)[0]
    decoded = tokenizer.decode(answer.token_ids, skip_special_tokens=True)
    assert decoded.startswith(whole)
    if stop in text:  # not a token more than needed
        shorter = tokenizer.decode(answer.token_ids[:-1], skip_special_tokens=True).rstrip("\ufffd")
        assert stop not in shorter


def test_of_text_alone_the_place_of_the_program_is_known_in_characters():
    text = "Add one.\n```python\nx = 1\n```"
    answer = completion_from_text(text, finished=True, length=12)
    assert (answer.code, answer.token_ids, answer.tokens) == ("x = 1", (), 12)
    assert answer.code_start == len("Add one.\n")
    assert answer.reasoning_share == len("Add one.\n") / len(text)
    assert math.isnan(answer.reasoning_tokens)


def test_of_text_alone_and_uncounted_the_length_is_unknown():
    answer = completion_from_text("No program.", finished=False)
    assert math.isnan(answer.tokens)
    assert (answer.reasoning_share, answer.reasoning_tokens, answer.finished) == (0, 0, False)


def test_an_empty_answer_has_no_tokens_and_no_share():
    answer = completion_from_text("", finished=True)
    assert answer.tokens == 0
    assert math.isnan(answer.reasoning_share)


def test_uncounted_answers_leave_the_mean_length_open_but_not_the_reasoning():
    answers = [completion_from_text(text, finished=True) for text in ("Hm\n```\nx\n```", "```\nx\n```")]
    found = summarise_completions(answers)
    assert math.isnan(found["length_mean"])
    assert found["reasoning_rate"] == 1 / 2
    assert found["reasoning_share"] == pytest.approx(3 / 12 / 2)
