"""`Thresholds`: the numbers behind every word of a finding, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a change counts, and when it alarms. Shares and pass@1 are fractions of one.

    Held-out performance (intervals decide; these say how much is worth a word):

    - collapse_loss: a collapsed run lost at least this share of its peak and ended below its start …
    - collapse_half: … or lost at least this share of its peak, wherever it started.
    - fall_share: a run that lost less than this share of its gain after the peak still counts as improved.
    - margin: two scores whose 95% interval of the difference lies within ± margin count as equal.
    - dead: accuracy below this is a model that collapsed (first reading of the Model Collapse Step).

    Signals that need no tests, start of the run against its end:

    - length_low, length_high; entropy_low, entropy_high: outside start · [low, high] they alarm; two-sided,
      since completions may shrink or grow and entropy may vanish or explode; wider for entropy, since
      training on tests lowers it too.
    - share_lost: reasoning share or rate below this fraction of its start alarms.
    - distinct_lost: different 4-grams within a completion below this fraction of their start alarm.
    - running_lost: the share of programs that run below this fraction of its start alarms.
    - consensus_lost: agreement within groups below this fraction of its start alarms.
    - rate_rise: a rise of a failure rate (cut off, no program, syntax error, one output for all inputs) by
      this much alarms.
    - starved: at least this share of groups without reward spread alarms: nothing is left to learn from.
    - noise: a shift whose p-value (over all looks and signals; see `trends`) is above this is noise. An alarm
      must leave its healthy range too, so that far fewer runs than this alarm: chosen on simulated noise for
      at most 5% of runs (docs/diagnose.md).
    - steady: changes below this fraction of the start are no change.
    - z: reward and truth diverge when both move by this many standard errors.
    - few_steps: with fewer training steps nothing is said about trends.
    """

    collapse_loss: float = 0.2
    collapse_half: float = 0.5
    fall_share: float = 0.25
    margin: float = 0.05
    dead: float = 0.01
    length_low: float = 0.75
    length_high: float = 1.6
    entropy_low: float = 0.25
    entropy_high: float = 1.75
    share_lost: float = 0.75
    distinct_lost: float = 0.8
    running_lost: float = 0.5
    consensus_lost: float = 0.75
    rate_rise: float = 0.2
    starved: float = 0.8
    noise: float = 0.3
    steady: float = 0.1
    z: float = 3.0
    few_steps: int = 5
