"""LiveCodeBench's own prompts, word for word: what its published scores were measured with.

From `lcb_runner/prompts/code_generation.py` of the repository at 28fef95; the official name of each style
stands at its function. The texts are constants of the benchmark, oddities included ("solve" without a comma,
two line ends after `user`): each is pinned by a test. The style for base models is in `one_shot`.

All but the chat style write the model's chat markup as text instead of using its chat template, so each fits
the models it was written for and no others.
"""

from rlif.problems.types import Problem

OFFICIAL_STOP = "###"
"""Where the official runner stops generating by default."""

_EXPERT = "You are an expert Python programmer. "
_TASK = (
    "You will be given a question (problem specification) and will generate a correct Python program that "
    "matches the specification and passes all tests."
)
_NOTHING_ELSE = " You will NOT return anything except for the program."

_WITH_STARTER = (
    "You will use the following starter code to write the solution to the problem and enclose your code "
    "within delimiters."
)
_WITHOUT_STARTER = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on "
    "the sample inputs). Enclose your code within delimiters as follows. Ensure that when the python program "
    "runs, it reads the inputs, runs the algorithm and writes output to STDOUT."
)

_DEEPSEEK_SYSTEM = (
    "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by DeepSeek Company, "
    "and you answer questions related to computer science."
)
_QWEN_SYSTEM = "You are a helpful assistant."
_QWQ_SYSTEM = (
    "You are a helpful and harmless assistant. You are Qwen developed by Alibaba. You should think "
    "step-by-step."
)
_R1_SYSTEM = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
    "assistant first thinks about the reasoning process in the mind and then provides the user with the "
    "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
    "tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."
)


def chat(problem: Problem) -> list[dict[str, str]]:
    """Return the messages of the generic chat style (OpenAIChat; LLaMa3 puts the same in a template)."""
    question = f"### Question:\n{problem.statement}\n\n### Format: {_form(problem)}"
    return [
        {"role": "system", "content": _EXPERT + _TASK},
        {"role": "user", "content": f"{question}### Answer: (use the provided format with backticks)\n\n"},
    ]


def deepseek_coder(problem: Problem) -> str:
    """Return the text for DeepSeek-Coder's instruct models (DeepSeekCodeInstruct)."""
    return (
        f"{_DEEPSEEK_SYSTEM}\n\n### Instruction: {_TASK}{_NOTHING_ELSE}\n\n"
        f"Question:\n{problem.statement}\n\n### Instruction: {_form(problem)}### Response:\n\n"
    )


def qwen(problem: Problem) -> str:
    """Return the text for Qwen's instruct models before QwQ (CodeQwenInstruct)."""
    return _chatml(_QWEN_SYSTEM, _question(_TASK + _NOTHING_ELSE, problem))


def qwq(problem: Problem) -> str:
    """Return the text for Qwen's QwQ reasoning models (QwQ)."""
    return _chatml(_QWQ_SYSTEM, _question(_TASK, problem))


def deepseek_r1(problem: Problem) -> str:
    """Return the text for DeepSeek-R1 and the models distilled from it (DeepSeekR1)."""
    question = _question(_TASK, problem)
    return f"<｜begin▁of▁sentence｜>{_R1_SYSTEM}<｜User｜>{question}<｜Assistant｜>"


def _question(task: str, problem: Problem) -> str:
    return f"{task}\n\nQuestion: {problem.statement}\n\n{_form(problem)}"


def _form(problem: Problem) -> str:
    """Return what the answer has to look like, and the code block it starts from."""
    if problem.starter_code:
        return f"{_WITH_STARTER}\n```python\n{problem.starter_code}\n```\n\n"
    return f"{_WITHOUT_STARTER}\n```python\n# YOUR CODE HERE\n```\n\n"


def _chatml(system: str, user: str) -> str:
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n"
        f"<|im_start|>user\n\n{user}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
