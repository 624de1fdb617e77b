"""What the metrics of each tool are called, and which field of `StepRecord` they are.

A name counts only where it means what `StepRecord` says, in the same unit: tokens for lengths, nats a token
for entropies, KL to the reference policy, shares of one. So verl's `actor/ppo_kl` (to the policy before the
update) and the `objective/entropy` of TRL's PPO (summed over a completion) are left alone. Sources:

- TRL 1.16: trl/trainer/grpo_trainer.py and its siblings; W&B, trackio and TensorBoard put "train/"
  before them.
- verl: verl/trainer/ppo/metric_utils.py, verl/workers/actor; names of older versions come
  after the present ones.
- OpenRLHF: openrlhf/trainer/ppo_trainer.py, ppo_utils/experience_maker.py, ray/ppo_actor.py.
"""

import re

from rlif.diagnostics import evidence
from rlif.records import StepRecord

TRL = {
    "reward": ("reward",),
    "reward_std": ("reward_std",),
    "zero_variance_groups": ("frac_reward_zero_std",),
    "length_mean": ("completions/mean_length", "completion_length"),
    "truncated": ("completions/clipped_ratio",),
    "entropy": ("entropy",),
    "kl": ("kl",),
    "clip_ratio": ("clip_ratio/region_mean", "clip_ratio"),
    "loss": ("loss",),
    "grad_norm": ("grad_norm",),
    "learning_rate": ("learning_rate",),
}
VERL = {
    "reward": ("critic/rewards/mean", "critic/score/mean"),
    "length_mean": ("response_length/mean",),
    "truncated": ("response_length/clip_ratio",),
    "entropy": ("actor/entropy", "actor/entropy_loss"),
    "kl": ("actor/kl_loss", "actor/reward_kl_penalty", "critic/kl"),
    "clip_ratio": ("actor/pg_clipfrac",),
    "loss": ("actor/pg_loss",),
    "grad_norm": ("actor/grad_norm",),
    "learning_rate": ("actor/lr",),
}
OPENRLHF = {
    "reward": ("reward", "score"),
    "length_mean": ("response_length",),
    "truncated": ("response_clip_ratio",),
    "entropy": ("entropy_loss",),
    "kl": ("kl",),
    "clip_ratio": ("ppo_clip_ratio",),
    "loss": ("policy_loss",),
    "learning_rate": ("actor_lr",),
}
RLIF = {name: (name,) for name, info in StepRecord.model_fields.items() if info.annotation is float}
TOOLS = {"TRL": TRL, "verl": VERL, "OpenRLHF": OPENRLHF, "rlif": RLIF}

FIELDS = tuple(RLIF)
"""Fields of `StepRecord` that a log can give; `--map` takes these, "step" and "pass_at_1"."""

SHARES = evidence.SHARES | {"clip_ratio"}
"""Fields between 0 and 1."""

STEPS = ("global_step", "training/global_step", "trainer/global_step", "step", "_step", "iteration", "update")
"""Names of the step, in order of preference: W&B and trackio count their own calls in "_step" and "step"."""

EVAL_STEP = "eval/global_step"
"""OpenRLHF's name of the step in rows that hold evaluations only."""

COMPONENT = re.compile(r"rewards/(?P<name>.+)/(?P<part>mean|std)")
"""TRL's names for the components of a reward."""

HELD_OUT = (
    re.compile(r"val-core/.+/mean@(?P<samples>\d{1,6})"),  # verl: data source / metric / mean@samples
    re.compile(r"val/test_score/.+"),  # older verl
    re.compile(r"(eval/)?eval_.+_pass1"),  # OpenRLHF: eval_DATASET_pass1
    re.compile(r"((eval|test|val)[/_])?pass(@|_at_)1"),
)
"""Shares of right answers on held-out problems."""


def plain(name: str) -> str:
    """Return a name without the "train/" that loggers put before it."""
    return name.strip().removeprefix("train/")


def candidates(field: str) -> tuple[str, ...]:
    """Return the names a field may have, in order of preference, over all tools."""
    return tuple(dict.fromkeys(name for tool in TOOLS.values() for name in tool.get(field, ())))
