"""Every signal that a diagnosis follows: its name in a sentence, its healthy range, what leaving it means.

One line a signal, in `SIGNALS`. A range is given for a signal's mean at the start of the run. Ranges are
two-sided where collapsed runs have gone both ways: certainty rewards end short and sure, votes alone long and
unsure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rlif.diagnostics.findings import Mode
from rlif.diagnostics.thresholds import Thresholds

Range = tuple[float, float]
Healthy = Callable[[float, Thresholds], Range]


def _any(start: float, t: Thresholds) -> Range:
    return -math.inf, math.inf


def _length(start: float, t: Thresholds) -> Range:
    return start * t.length_low, start * t.length_high


def _entropy(start: float, t: Thresholds) -> Range:
    return start * t.entropy_low, start * t.entropy_high


def _share(start: float, t: Thresholds) -> Range:
    return start * t.share_lost, math.inf


def _distinct(start: float, t: Thresholds) -> Range:
    return start * t.distinct_lost, math.inf


def _running(start: float, t: Thresholds) -> Range:
    return start * t.running_lost, math.inf


def _consensus(start: float, t: Thresholds) -> Range:
    return start * t.consensus_lost, math.inf


def _failure(start: float, t: Thresholds) -> Range:
    return -math.inf, start + t.rate_rise


def _starved(start: float, t: Thresholds) -> Range:
    return -math.inf, t.starved


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal.

    Attributes:
        name: field of `StepRecord`. words: its name in a sentence; a share is named so.
        healthy: its range, given its mean at the start; `_any`: it cannot alarm by itself.
        below, above: the mode of collapse that leaving the range on this side is.
        level: whether being outside is enough; otherwise it must have moved there beyond noise.
    """

    name: str
    words: str
    healthy: Healthy = _any
    below: Mode = Mode.NONE
    above: Mode = Mode.NONE
    level: bool = False

    @property
    def can_alarm(self) -> bool:
        """Whether it has a healthy range that it can leave."""
        return self.healthy is not _any

    @property
    def edges(self) -> int:
        """How many edges of its range a change-point test can find it beyond."""
        return 0 if self.level else (self.below is not Mode.NONE) + (self.above is not Mode.NONE)

    @property
    def is_share(self) -> bool:
        """Whether people read it as a percentage."""
        return self.words.startswith("share")


_TABLE = (
    Signal(
        "length_mean", "completion length in tokens", _length, Mode.LENGTH_COLLAPSE, Mode.LENGTH_EXPLOSION
    ),
    Signal("entropy", "token entropy in nats", _entropy, Mode.ENTROPY_COLLAPSE, Mode.ENTROPY_EXPLOSION),
    Signal("reasoning_share", "share of tokens spent on reasoning", _share, Mode.LENGTH_COLLAPSE),
    Signal(
        "reasoning_rate", "share of completions that reason before the program", _share, Mode.LENGTH_COLLAPSE
    ),
    Signal(
        "truncated", "share of completions cut at the length limit", _failure, above=Mode.LENGTH_EXPLOSION
    ),
    Signal("no_code", "share of completions without a program", _failure, above=Mode.BROKEN_PROGRAMS),
    Signal("syntax_error", "share of programs that do not parse", _failure, above=Mode.BROKEN_PROGRAMS),
    Signal(
        "executable", "share of completions whose program runs", _running, Mode.BROKEN_PROGRAMS
    ),
    Signal(
        "constant_output",
        "share of programs with one output for all inputs",
        _failure,
        above=Mode.BROKEN_PROGRAMS,
    ),
    Signal("distinct_4", "share of different 4-grams in a completion", _distinct, Mode.REPETITION),
    Signal(
        "zero_variance_groups",
        "share of groups whose rewards are all equal",
        _starved,
        above=Mode.ADVANTAGE_STARVATION,
        level=True,
    ),
    Signal("reward", "reward"),
    Signal("self_certainty", "self-certainty in nats"),
    Signal("logprob", "log-probability of a token in nats"),
    Signal("distinct_programs", "different programs in a group"),
    Signal(
        "majority_share", "share of a group that agrees on the outputs", _consensus, Mode.ENTROPY_EXPLOSION
    ),
    Signal("behaviour_entropy", "entropy of the outputs within a group in nats"),
    Signal("compression_ratio", "compression ratio of a group"),
    Signal("kl", "KL to the reference policy"),
    Signal("pass_rate", "share of training completions that pass"),
    Signal(
        "label_accuracy", "share of groups whose highest-rewarded completion passes"
    ),
)  # fmt: skip

SIGNALS = {signal.name: signal for signal in _TABLE}
"""Signal by its name, in the order in which they are shown."""
