"""Answers asked for beside the group's own: ballots to vote with, and verifications of its programs."""

from collections.abc import Sequence

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.grading.execution import execute
from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem
from rlif.rewards.self_verification import verification_prompt
from rlif.rollouts import Completion
from rlif.sandbox import Execution, Sandbox


def take_ballot(
    generator: TransformersGenerator,
    prompts: Sequence[Prompt],
    problems: Sequence[Problem],
    sandbox: Sandbox,
    sampling: Sampling,
) -> list[tuple[Execution, ...]]:
    """Sample answers to each prompt and run their programs on the public inputs of its problem.

    Args:
        generator: draws them; its model is the voter.
        prompts: one for each group.
        problems: what each prompt asks; gives the inputs.
        sandbox: entered.
        sampling: how many answers a prompt, and how they are drawn.

    Returns:
        for each prompt `sampling.samples` executions. A prompt too long to be answered has no programs: all
        fail.
    """
    answers = dict(generator.generate(prompts, sampling))
    programs = [
        completion.code if completion else ""
        for index in range(len(prompts))
        for completion in answers.get(index) or [None] * sampling.samples
    ]
    owners = [problem for problem in problems for _ in range(sampling.samples)]
    done = [executed.public for executed in execute(owners, programs, sandbox, judge_all=False)]
    return [tuple(done[i : i + sampling.samples]) for i in range(0, len(done), sampling.samples)]


def verify(
    generator: TransformersGenerator,
    problems: Sequence[Problem],
    completions: Sequence[Completion],
    sampling: Sampling,
    chat: bool,
) -> list[str]:
    """Ask whether each completion's program is right; "" where it has none, or is too long to be asked about.

    Args:
        generator: draws the answers; its model is the verifier.
        problems: what each completion answers.
        completions: whose programs are in question.
        sampling: how the answers are drawn, one each.
        chat: whether the model has a chat template.

    Raises:
        UserError: none of the questions fits the model's context.
    """
    asked = [index for index, completion in enumerate(completions) if completion.code.strip()]
    prompts = [verification_prompt(problems[index], completions[index], chat) for index in asked]
    answers = [""] * len(completions)
    for place, (answer,) in generator.generate(prompts, sampling):
        answers[asked[place]] = answer.text
    if asked and not any(answers):
        raise UserError(
            f"None of {len(asked)} questions about programs can be answered: with an answer of up to "
            f"{sampling.max_tokens} tokens they do not fit the model's context, or every answer is empty.",
            "Lower grpo.max_completion_length, or choose another reward than self_verification.",
        )
    return answers
