"""Recommendations as Markdown: advice first, then what the runs leave open, and what would decide it."""

import html
import math
import re
from collections.abc import Sequence
from itertools import groupby

from rlif.conclusions.recommendations.types import Recommendation
from rlif.conclusions.recommendations.wording import sentences

LEVELS = (
    "Only complete runs count. An interval of more than 95% is corrected for all that its question asked at "
    "once; one of 90% belongs to the two tests that a difference is smaller than the margin."
)


def markdown(recommendations: Sequence[Recommendation]) -> str:
    """Return a Markdown document; names of arms cannot break out of their sentence."""
    parts = ["# Recommendations", ""]
    if not any(r.decided for r in recommendations):
        parts += ["These runs decide none of the questions asked.", ""]
    for question, group in groupby((r for r in recommendations if r.decided), lambda r: r.question):
        parts += [f"## {question}", "", *_advice(list(group)), ""]
    left_open = [r for r in recommendations if not r.decided]
    if left_open:
        parts += ["## Not decided by these runs", "", *(f"- {_open(r)}" for r in left_open), ""]
    parts += [LEVELS, ""]
    return "\n".join(parts)


def _advice(group: Sequence[Recommendation]) -> list[str]:
    """Return a line for each; what all of them should be read with once, below."""
    shared = group[0].caveat if len({r.caveat for r in group}) == 1 else ""
    lines: list[str] = []
    for r in group:
        beside = sentences(f"{_size(r)}; against: {r.against}.", "" if shared else r.caveat)
        lines.append(f"- **{escaped(r.advice)}** {escaped(beside)}")
    return [*lines, "", escaped(shared)] if shared else lines


def _open(r: Recommendation) -> str:
    interval = f" [{r.low:+.2g}, {r.high:+.2g}]" if math.isfinite(r.low) else ""
    seen = f"Seen: {r.effect:+.2g}{interval} {r.unit} against: {r.against}; {_size(r)}."
    told = sentences(r.needed, "" if math.isnan(r.effect) else seen, r.caveat)
    return f"{r.question} {escaped(told)}"


def _size(r: Recommendation) -> str:
    return f"{r.n_runs} runs, {r.n_problems} problems"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is: no links, code, emphasis or HTML comes out of it."""
    text = re.sub(r"([\\`*~|]|\](?=[(\[]))", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)  # within a word it means nothing
    return html.escape(text, quote=False)
