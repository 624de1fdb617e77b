"""The lines of a run directory: what training writes, diagnostics read and reports show.

    RUN/config.json            resolved configuration; `rlif train RUN/config.json` runs it again
    RUN/metrics.jsonl          one `StepRecord` a training step
    RUN/evals.jsonl            one `EvalRecord` for each evaluation and sampling mode
    RUN/stopping.jsonl         one `StopRecord` each time a stopping rule said stop
    RUN/rollouts/*.parquet     sampled completions, one file for each recorded step
    RUN/status.json            `RunState`
    RUN/checkpoints/…          what a killed run continues from

A number that is not defined (no tests to judge by, a group without spread) is NaN in memory and `null` in the
files, never 0. Fields that need tests (the truth) are marked [truth]; a run without tests leaves them NaN.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Number = Annotated[
    float,
    BeforeValidator(lambda x: math.nan if x is None else x),
    PlainSerializer(lambda x: None if not math.isfinite(x) else x, return_type=float | None),
]
"""A float whose NaN is written as null and read back as NaN."""

NAN = math.nan

Step = Annotated[int, Field(lt=1 << 53)]
"""A number of training steps; what is larger is not one."""


class Record(BaseModel):
    """Base of all lines: unknown keys are kept, so that a newer run can be read by an older rlif."""

    model_config = ConfigDict(extra="allow")


class RewardSummary(Record):
    """One reward component over all completions of a step."""

    mean: Number = NAN
    std: Number = NAN
    min: Number = NAN
    max: Number = NAN


class StepRecord(Record):
    """One training step; measured on the completions it was trained on, before its update.

    Attributes:
        step: 1 for the first update of the run; counts through all stages.
        stage: name of the stage.
        reward: mean of the combined reward. reward_std: mean over groups of its standard deviation.
        rewards: each component by its type.
        zero_variance_groups: share of groups whose rewards are all equal (no gradient).
        length_mean, length_p10, length_p50, length_p90: completion tokens, EOS included.
        truncated: share of completions cut at the length limit.
        entropy, self_certainty, logprob: means over completions of their token means (nats).
        reasoning_share: tokens before the code / all tokens, mean over completions.
        reasoning_rate: share of completions with a program and any text before its code block.
        no_code, syntax_error: share of completions without a program; with one that does not compile.
        ignores_input: share of completions with a program that does not read its input.
        executable, timeout: share of completions whose program ran on all public inputs; exceeded its time.
        constant_output: share whose program ran and gave the same output for different public inputs.
        distinct_programs: mean over groups of (different programs / G).
        distinct_asts: mean over groups of (different syntax trees, up to the names of variables / G).
        distinct_behaviours: mean over groups of (different outputs on the public inputs / G).
        behaviour_entropy: mean over groups of the entropy of the classes of equal outputs (nats).
        majority_share: mean over groups of the largest share of equal outputs on the public inputs.
        distinct_4: mean over completions of (different 4-grams of tokens / all 4-grams).
        compression_ratio: mean over groups of (bytes of the texts / bytes when compressed together).
        reward_length_corr: mean within-group Pearson correlation of reward and length.
        pass_rate: [truth] share of completions that pass all tests.
        pass_any: [truth] share of groups with such a completion.
        reward_truth_auroc: [truth] mean within-group AUROC of the reward as a predictor of passing.
        reward_truth_corr: [truth] mean within-group point-biserial correlation of the reward with passing.
        label_accuracy: [truth] share of groups whose highest-rewarded completion passes.
        reward_accuracy: [truth] share of completions whose reward equals passing, for rewards of 0 and 1.
        false_positive_rate: [truth] share of the failing completions rewarded above their group's mean.
        false_negative_rate: [truth] share of the passing completions rewarded below it.
        kl: estimated KL to the stage's reference policy, when beta > 0. clip_ratio: share of clipped tokens.
        tokens: completion tokens trained on so far in the run.
        seconds: wall-clock parts of the step (total, generation, execution, statistics); not reproducible.
    """

    step: Step
    stage: str
    reward: Number = NAN
    reward_std: Number = NAN
    rewards: dict[str, RewardSummary] = {}
    zero_variance_groups: Number = NAN
    length_mean: Number = NAN
    length_p10: Number = NAN
    length_p50: Number = NAN
    length_p90: Number = NAN
    truncated: Number = NAN
    entropy: Number = NAN
    self_certainty: Number = NAN
    logprob: Number = NAN
    reasoning_share: Number = NAN
    reasoning_rate: Number = NAN
    no_code: Number = NAN
    syntax_error: Number = NAN
    ignores_input: Number = NAN
    executable: Number = NAN
    timeout: Number = NAN
    constant_output: Number = NAN
    distinct_programs: Number = NAN
    distinct_asts: Number = NAN
    distinct_behaviours: Number = NAN
    behaviour_entropy: Number = NAN
    majority_share: Number = NAN
    distinct_4: Number = NAN
    compression_ratio: Number = NAN
    reward_length_corr: Number = NAN
    pass_rate: Number = NAN
    pass_any: Number = NAN
    reward_truth_auroc: Number = NAN
    reward_truth_corr: Number = NAN
    label_accuracy: Number = NAN
    reward_accuracy: Number = NAN
    false_positive_rate: Number = NAN
    false_negative_rate: Number = NAN
    kl: Number = NAN
    clip_ratio: Number = NAN
    loss: Number = NAN
    grad_norm: Number = NAN
    learning_rate: Number = NAN
    tokens: int = 0
    seconds: dict[str, Number] = {}

    @property
    def pass_gap(self) -> float:
        """[truth] pass@G − pass@1 of the step: what drawing G times gains, and sharpening uses up."""
        return self.pass_any - self.pass_rate

    @property
    def proxy_gap(self) -> float:
        """[truth] Reward − pass rate: how many right answers a reward in [0, 1] claims that are not there.

        NaN for a reward on another scale, and for several components.
        """
        if len(self.rewards) != 1:
            return NAN
        [proxy] = self.rewards.values()
        return proxy.mean - self.pass_rate if proxy.min >= 0 and proxy.max <= 1 else NAN


class EvalRecord(Record):
    """One evaluation of one policy on a fixed set of problems, in one sampling mode.

    Attributes:
        step: training steps done before it (0: the initial model). stage: the stage just ended or running.
        mode: "greedy" (temperature 0, one sample) or "sampled".
        samples: per problem. temperature, max_tokens: of the sampling.
        problems: number of problems.
        pass_at_1: mean over problems of the unbiased estimator; pass_at_1_ci: 95% bootstrap over problems.
        pass_at_k, pass_at_k_ci: the same for larger k, keyed by k as text.
        length_mean, reasoning_share, reasoning_rate, truncated, no_code: as in `StepRecord`.
        pass_with_reasoning, pass_without_reasoning: share right among those of either kind; NaN if none.
        statuses: number of completions for each verdict status.
        correct: problem id -> how many of its samples pass (for paired comparisons).
        lengths: problem id -> mean tokens of its samples. reasoned: problem id -> how many of them have a
            program and any text before it. Both need no tests; older runs lack them.
        seconds: wall clock; not reproducible.
    """

    step: Step
    stage: str
    mode: Literal["greedy", "sampled"]
    samples: int
    temperature: float
    max_tokens: int
    problems: int
    pass_at_1: Number = NAN
    pass_at_1_ci: tuple[Number, Number] = (NAN, NAN)
    pass_at_k: dict[str, Number] = {}
    pass_at_k_ci: dict[str, tuple[Number, Number]] = {}
    length_mean: Number = NAN
    reasoning_share: Number = NAN
    reasoning_rate: Number = NAN
    truncated: Number = NAN
    no_code: Number = NAN
    pass_with_reasoning: Number = NAN
    pass_without_reasoning: Number = NAN
    statuses: dict[str, int] = {}
    correct: dict[str, int] = {}
    lengths: dict[str, Number] = {}
    reasoned: dict[str, int] = {}
    seconds: Number = NAN


class StopRecord(Record):
    """A stopping rule said stop.

    Steps count through all stages, as everywhere in a run directory.

    Attributes:
        step: after which it said so. stage: which it watched.
        rule: its type. reason: with its numbers.
        action: "warn": the stage went on; "stop" and "rollback": it ended here.
        best: updates of the best policy, by the rule.
        policy: updates of the policy that the stage went on or ended with. Below `step`, the updates in
            between were thrown away; evaluations at `step` are of this policy.
    """

    step: Step
    stage: str
    rule: str
    reason: str
    action: Literal["warn", "stop", "rollback"]
    best: Step
    policy: Step


class GroupScore(Record):
    """pass@1 on the problems of one platform, difficulty or month: their ids, the estimate, its interval."""

    ids: list[str]
    pass_at_1: Number = NAN
    pass_at_1_ci: tuple[Number, Number] = (NAN, NAN)


class BenchmarkRecord(EvalRecord):
    """One evaluation by `rlif evaluate`: an `EvalRecord` that says what was evaluated, and more closely.

    Attributes:
        key: hash of all that the completions follow from; the lines of samples.jsonl and of the other files
            that belong to this evaluation carry it.
        model, data, prompt: as they were named. window: first and last date of the problems, where dated.
        top_p, seed, stop: of the sampling.
        grading: "native" or "official".
        skipped: problems whose prompt does not fit the model's context; no score counts them.
        groups: dimension (platform, difficulty, month) -> group -> its score.
        selection: score -> the numbers of `rlif.diagnostics.selection.Selection`.
    """

    key: str
    model: str
    data: str
    prompt: str
    window: tuple[str, str] | None = None
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    grading: str = "native"
    skipped: int = 0
    groups: dict[str, dict[str, GroupScore]] = {}
    selection: dict[str, dict[str, Any]] = {}


class RunState(Record):
    """Where a run stands; rewritten atomically.

    Attributes:
        state: "running" is also what a run killed with -9 leaves behind: look at `pid` and `updated`.
        step, total_steps, stage: progress.
        error: message of a failed run.
        isolation: the sandbox the programs ran in. versions: of rlif, Python and the libraries that matter.
        started, updated: seconds since the epoch. pid: process id. seconds: wall clock spent so far.
    """

    state: Literal["running", "complete", "interrupted", "failed"]
    step: int = 0
    total_steps: int = 0
    stage: str = ""
    error: str = ""
    isolation: str = ""
    versions: dict[str, str] = {}
    started: float = 0.0
    updated: float = 0.0
    pid: int = 0
    seconds: float = 0.0
