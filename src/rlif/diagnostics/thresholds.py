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
    - share_lost: reasoning share below this fraction of its start alarms.
    - rate_rise: a rise of a failure rate (cut off, no program, syntax error) by this much alarms.
    - starved: at least this share of groups without reward spread alarms: nothing is left to learn from.
    - steady: changes below this fraction of the start are no change.
    - z: changes below this many standard errors are noise.
    - few_steps: with fewer training steps nothing is said about trends.
    """

    collapse_loss: float = 0.2
    collapse_half: float = 0.5
    fall_share: float = 0.25
    margin: float = 0.05
    dead: float = 0.01
    length_low: float = 0.6
    length_high: float = 1.6
    entropy_low: float = 0.25
    entropy_high: float = 2.5
    share_lost: float = 0.5
    rate_rise: float = 0.2
    starved: float = 0.8
    steady: float = 0.1
    z: float = 3.0
    few_steps: int = 5
