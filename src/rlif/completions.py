"""Turn a sampled answer into a `Completion`: text, program, and where the program begins."""

import bisect
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from rlif.problems.extraction import Extract, extract_code
from rlif.rollouts import Completion

_REPLACEMENT = "\ufffd"


class Decoder(Protocol):
    """The part of a transformers tokenizer that completions need."""

    def decode(self, token_ids: Any, /, **options: Any) -> Any:
        """Return the text of token ids."""
        ...


def completion_from_ids(
    tokenizer: Decoder,
    ids: Sequence[int],
    eos_ids: Collection[int],
    extract: Extract = extract_code,
    stop: Sequence[str] = (),
) -> Completion:
    """Decode one sampled answer and take its program.

    Args:
        tokenizer: decodes the ids.
        ids: sampled token ids; whatever follows the first EOS or stop string (padding) is dropped.
        eos_ids: the ids that end an answer.
        extract: the rule that finds the program; see `rlif.problems.extraction.extraction_of`.
        stop: texts that end an answer; the text is cut before the first one, the ids after it.
    """
    end = next((i for i, token in enumerate(ids) if token in eos_ids), None)
    tokens = tuple(ids if end is None else ids[: end + 1])
    text = _decode(tokenizer, tokens)
    # Sampling stops when a stop string is complete, so of several the one that ends first counts.
    stopped = min(((text.find(s) + len(s), text.find(s)) for s in stop if s in text), default=None)
    if stopped is not None:
        after, before = stopped
        tokens = tokens[: _tokens_of(tokenizer, tokens, after)]
        text = text[:before]
    code, start = _program(text, extract)
    return Completion(
        text=text,
        token_ids=tokens,
        code=code,
        finished=end is not None or stopped is not None,
        code_start=None if start is None else _token_at(tokenizer, tokens, start),
    )


def completion_from_text(
    text: str, *, finished: bool, length: int | None = None, extract: Extract = extract_code
) -> Completion:
    """Take the program of an answer of which only the text is known, as from a server.

    Where the program begins is then counted in characters, not estimated in tokens.

    Args:
        text: the answer, without special tokens and without the stop string that ended it.
        finished: whether the model ended it, rather than the length limit.
        length: its number of tokens, if the server counted them.
        extract: the rule that finds the program.
    """
    code, start = _program(text, extract)
    return Completion(text, token_ids=(), code=code, finished=finished, code_start=start, length=length)


def _program(text: str, extract: Extract) -> tuple[str, int | None]:
    """Return the program and its first character; white space alone is no program."""
    found = extract(text)
    return (found.code, found.start) if found.code.strip() else ("", None)


def _decode(tokenizer: Decoder, ids: Sequence[int]) -> str:
    # Without the cleaning some tokenizers do (" ." -> "."), which would damage programs and shift positions.
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _token_at(tokenizer: Decoder, ids: Sequence[int], position: int) -> int:
    """Return the index of the token that holds the character at `position` of the decoded text."""
    # The shortest prefix that holds all characters before `position`. If its last token reaches beyond (a
    # merge of newline and fence), that token is the answer, else the next one.
    n = _tokens_of(tokenizer, ids, position)
    return n - 1 if _settled(tokenizer, ids[:n]) > position else n


def _tokens_of(tokenizer: Decoder, ids: Sequence[int], characters: int) -> int:
    """Return how many tokens the first characters of the decoded text take, in about log2(T) decodings."""
    return bisect.bisect_left(range(len(ids)), characters, key=lambda n: _settled(tokenizer, ids[:n]))


def _settled(tokenizer: Decoder, ids: Sequence[int]) -> int:
    """Return the number of characters that more tokens would not change.

    A prefix may end inside a character of several bytes, which then shows as one or more replacement
    characters that the whole text does not have; not counting replacement characters at the end makes the
    length grow with the prefix.
    """
    return len(_decode(tokenizer, ids).rstrip(_REPLACEMENT))
