"""`Lengths`: how many tokens prompts and completions have; counted where this machine can, else assumed."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlif.config import ProblemsConfig, RunConfig
from rlif.errors import UserError
from rlif.problems.load import load_problems
from rlif.problems.prompts import PromptStyle, build_prompt, tokenize_prompts

PROMPT_TOKENS = 600
"""Of a prompt, where problems or tokenizer are not on this machine: a LiveCodeBench statement."""
LENGTH_SHARE = 0.5
"""Mean completion / limit, where nothing is known of a model's answers."""
_COUNTED = 64


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens.

    Attributes:
        prompt: mean. longest_prompt: expected longest of a step, to which the others are padded.
        completion: mean. longest: of the completions drawn together, which decides how long drawing takes.
        source: where the numbers are from, for people.
    """

    prompt: float
    longest_prompt: float
    completion: float
    longest: float
    source: str

    @property
    def padded(self) -> float:
        """Tokens of a row in a padded batch, prompt and completion."""
        return self.longest_prompt + self.longest


def assumed_lengths(config: RunConfig, stage: int = 0, completion: float | None = None) -> Lengths:
    """Return lengths without looking at any problem.

    Args:
        config: the run.
        stage: of it.
        completion: mean tokens of a completion, if it is known: the longest is then taken to be twice as
            long, at most the limit; without, half of the limit and the limit.
    """
    limit = config.stage_grpo(stage).max_completion_length
    mean = min(limit, completion or LENGTH_SHARE * limit)
    longest = limit if completion is None else min(limit, 2 * mean)
    told = f"completions of {mean:.0f} tokens, the longest {longest:.0f} (" + (
        f"assumed: {LENGTH_SHARE:.0%} of the limit, and the limit)" if completion is None else "as given)"
    )
    return Lengths(
        PROMPT_TOKENS, PROMPT_TOKENS, mean, longest, f"prompts of {PROMPT_TOKENS} tokens (assumed); {told}"
    )


def counted_lengths(config: RunConfig, stage: int = 0, completion: float | None = None) -> Lengths:
    """Return lengths with the prompts counted, if their problems and the tokenizer are on this machine."""
    lengths = assumed_lengths(config, stage, completion)
    counts = _prompt_lengths(
        config.model, config.prompt_style, config.stage_problems(stage).model_dump_json()
    )
    if not counts:
        return lengths
    mean = sum(counts) / len(counts)
    told = f"prompts of {mean:.0f} tokens (mean of {len(counts)} of the problems); "
    return Lengths(
        mean,
        expected_longest(counts, config.stage_grpo(stage).prompts_per_step),
        lengths.completion,
        lengths.longest,
        told + lengths.source.partition("; ")[2],
    )


def expected_longest(counts: Sequence[int], drawn: int) -> float:
    """Return the expected largest of so many draws from `counts`, with replacement.

    Σ x₍ᵢ₎ ((i/n)ᵏ − ((i−1)/n)ᵏ) over the sorted counts, k draws.
    """
    n = len(counts)
    return sum(
        count * ((i / n) ** drawn - ((i - 1) / n) ** drawn) for i, count in enumerate(sorted(counts), start=1)
    )


@functools.cache  # the runs of a study ask for the same again and again
def _prompt_lengths(model: str, style: PromptStyle, problems_json: str) -> list[int]:
    """Return the tokens of some of the prompts; none where that would need a download."""
    table = ProblemsConfig.model_validate_json(problems_json)
    on_the_hub = "/" in model and not Path(model).is_dir()
    if on_the_hub or table.name.partition("/")[0] == "livecodebench":
        return []
    from rlif.evaluation.models import model_source

    try:
        source = model_source(model)
        some = table.model_copy(update={"limit": min(table.limit or _COUNTED, _COUNTED)})
        problems = load_problems(**some.model_dump())
    except UserError:  # what is missing is said when the run starts
        return []
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source)
    chat = tokenizer.chat_template is not None
    prompts = [build_prompt(problem, style, chat) for problem in problems]
    return [len(ids) for ids in tokenize_prompts(tokenizer, prompts)]
