"""The prompt styles by name: which prompt, which stop strings, which style when none is named."""

from collections.abc import Callable
from typing import Literal, get_args

from rlif.errors import UserError, did_you_mean
from rlif.problems.prompts import livecodebench, own
from rlif.problems.prompts.one_shot import one_shot
from rlif.problems.prompts.tokenize import Prompt
from rlif.problems.types import Problem

PromptStyle = Literal["bare", "rlif", "lcb-chat", "lcb-base", "lcb-deepseek", "lcb-qwen", "lcb-qwq", "lcb-r1"]

_TEXT_STYLES: dict[str, Callable[[Problem], str]] = {
    "lcb-base": one_shot,
    "lcb-deepseek": livecodebench.deepseek_coder,
    "lcb-qwen": livecodebench.qwen,
    "lcb-qwq": livecodebench.qwq,
    "lcb-r1": livecodebench.deepseek_r1,
}
"""LiveCodeBench's styles that are text for every model, chat template or not."""

_SELF_EXPLAINING = ("minicode", "humaneval", "mbpp")
"""Beginnings of the names of data sets whose statements say how to answer."""


def build_prompt(problem: Problem, style: PromptStyle, chat: bool) -> Prompt:
    """Return the prompt of a problem.

    Args:
        problem: what is asked.
        style: how it is asked.
        chat: whether the model has a chat template. If so, "bare", "rlif" and "lcb-chat" are messages; all
            other prompts are plain text.

    Raises:
        UserError: unknown style; "lcb-chat" without a chat template; or one of LiveCodeBench's styles for a
            problem that it would ask for a program of the wrong kind.
    """
    if style not in get_args(PromptStyle):
        raise UserError(f"There is no prompt style '{style}'.", did_you_mean(style, get_args(PromptStyle)))
    if style in ("bare", "rlif"):
        content = (own.bare if style == "bare" else own.reason_then_code)(problem, chat)
        return [{"role": "user", "content": content}] if chat else content
    if problem.entry_point is not None and not problem.starter_code:
        raise UserError(
            f"The prompt style '{style}' would ask for a program that reads standard input, but the tests of "
            f"'{problem.id}' call the function '{problem.entry_point}': it has no starter code.",
            "Take the prompt style 'bare' or 'rlif'.",
        )
    if style != "lcb-chat":
        return _TEXT_STYLES[style](problem)
    if not chat:
        raise UserError(
            "The prompt style 'lcb-chat' is a chat, but the model has no chat template.",
            "Take the prompt style 'lcb-base', or set chat_template in the model's tokenizer_config.json.",
        )
    return livecodebench.chat(problem)


def auto_style(source: str, chat: bool) -> PromptStyle:
    """Return the style to evaluate with when none is named: the one that published scores come nearest to.

    Args:
        source: name of the data set, as in `Problem.source`. minicode, HumanEval and MBPP say in their
            statements how to answer; all others are taken to be like LiveCodeBench, whose do not.
        chat: whether the model has a chat template.
    """
    if source.startswith(_SELF_EXPLAINING):
        return "bare"
    return "lcb-chat" if chat else "lcb-base"


def official_stop(style: PromptStyle) -> tuple[str, ...]:
    """Return the stop strings of the official runner, where vLLM generates; it sends none to chat services.

    They end an answer at the first Markdown heading of the third level, even before any code.
    """
    return (livecodebench.OFFICIAL_STOP,) if style.startswith("lcb-") else ()


def default_stop(style: PromptStyle) -> tuple[str, ...]:
    """Return the stop strings without which a style does not work: the official one for base models.

    A base model answers, then goes on with "### Question" and a problem of its own, up to the length limit.
    """
    return (livecodebench.OFFICIAL_STOP,) if style == "lcb-base" else ()
