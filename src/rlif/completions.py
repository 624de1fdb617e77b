"""Turn sampled token ids into a `Completion`: text, program, and where the program begins."""

import bisect
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from rlif.problems.extraction import extract_code
from rlif.rollouts import Completion

_REPLACEMENT = "\ufffd"


class Decoder(Protocol):
    """The part of a transformers tokenizer that completions need."""

    def decode(self, token_ids: Any, /, **options: Any) -> Any:
        """Return the text of token ids."""
        ...


def completion_from_ids(tokenizer: Decoder, ids: Sequence[int], eos_ids: Collection[int]) -> Completion:
    """Decode one sampled answer and take its program.

    Args:
        tokenizer: decodes the ids.
        ids: sampled token ids; whatever follows the first EOS (padding) is dropped.
        eos_ids: the ids that end an answer.
    """
    end = next((i for i, token in enumerate(ids) if token in eos_ids), None)
    tokens = tuple(ids if end is None else ids[: end + 1])
    text = _decode(tokenizer, tokens)
    found = extract_code(text)
    has_code = bool(found.code.strip())
    return Completion(
        text=text,
        token_ids=tokens,
        code=found.code if has_code else "",
        finished=end is not None,
        code_start=_token_at(tokenizer, tokens, found.start)
        if has_code and found.start is not None
        else None,
    )


def _decode(tokenizer: Decoder, ids: Sequence[int]) -> str:
    # Without the cleaning some tokenizers do (" ." -> "."), which would damage programs and shift positions.
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _token_at(tokenizer: Decoder, ids: Sequence[int], position: int) -> int:
    """Return the index of the token that holds the character at `position` of the decoded text.

    Found by bisecting on the length of decoded prefixes: about log2(T) decodings. A prefix may end inside a
    character of several bytes, which then shows as one or more replacement characters that the whole text
    does not have; not counting replacement characters at the end makes the length grow with the prefix.
    """

    def settled(n: int) -> int:
        return len(_decode(tokenizer, ids[:n]).rstrip(_REPLACEMENT))

    # The shortest prefix that holds all characters before `position`. If its last token reaches beyond (a
    # merge of newline and fence), that token is the answer, else the next one.
    n = bisect.bisect_left(range(len(ids)), position, key=settled)
    return n - 1 if settled(n) > position else n
