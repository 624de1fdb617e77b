"""LiveCodeBench's prompts: the exact text that the official function gives for two problems of our own."""

import contextlib
import io
import sys

import pytest

from rlif.errors import UserError
from rlif.problems.prompts import auto_style, build_prompt, default_stop, official_stop
from rlif.problems.prompts.one_shot import FUNCTION_EXAMPLE, STDIN_EXAMPLE, Example, one_shot
from rlif.problems.types import Problem

SCRIPT = Problem("sum", "Print a + b.", "", None, (), (), "lcb")
STARTER = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        "
METHOD = Problem("add", "Return a + b.", STARTER, "add", (), (), "lcb")

EXPERT = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will "
    "generate a correct Python program that matches the specification and passes all tests."
)
READ_STDIN = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on "
    "the sample inputs). Enclose your code within delimiters as follows. Ensure that when the python program "
    "runs, it reads the inputs, runs the algorithm and writes output to STDOUT."
)
USE_STARTER = (
    "You will use the following starter code to write the solution to the problem and enclose your code "
    "within delimiters."
)


def test_chat_without_starter_code():
    assert build_prompt(SCRIPT, "lcb-chat", chat=True) == [
        {"role": "system", "content": EXPERT},
        {
            "role": "user",
            "content": f"""\
### Question:
Print a + b.

### Format: {READ_STDIN}
```python
# YOUR CODE HERE
```

### Answer: (use the provided format with backticks)

""",
        },
    ]


def test_chat_with_starter_code():
    _, user = build_prompt(METHOD, "lcb-chat", chat=True)
    assert user["content"] == (
        f"### Question:\nReturn a + b.\n\n### Format: {USE_STARTER}\n```python\n"
        "class Solution:\n    def add(self, a: int, b: int) -> int:\n        \n```\n\n"
        "### Answer: (use the provided format with backticks)\n\n"
    )


FORMAT_OF = {
    "sum": f"{READ_STDIN}\n```python\n# YOUR CODE HERE\n```\n\n",
    "add": f"{USE_STARTER}\n```python\n{STARTER}\n```\n\n",
}
TASK = (
    "You will be given a question (problem specification) and will generate a correct Python program that "
    "matches the specification and passes all tests."
)
NOTHING_ELSE = "You will NOT return anything except for the program."


@pytest.mark.parametrize("problem", [SCRIPT, METHOD], ids=lambda p: p.id)
@pytest.mark.parametrize("chat", [True, False])
def test_deepseek_coder(problem: Problem, chat: bool):
    assert (
        build_prompt(problem, "lcb-deepseek", chat)
        == f"""\
You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by DeepSeek Company, and \
you answer questions related to computer science.

### Instruction: {TASK} {NOTHING_ELSE}

Question:
{problem.statement}

### Instruction: {FORMAT_OF[problem.id]}### Response:

"""
    )


@pytest.mark.parametrize("problem", [SCRIPT, METHOD], ids=lambda p: p.id)
def test_qwen_writes_its_chat_markup_as_text(problem: Problem):
    assert (
        build_prompt(problem, "lcb-qwen", chat=True)
        == f"""\
<|im_start|>system
You are a helpful assistant.<|im_end|>
<|im_start|>user

{TASK} {NOTHING_ELSE}

Question: {problem.statement}

{FORMAT_OF[problem.id]}<|im_end|>
<|im_start|>assistant
"""
    )


@pytest.mark.parametrize("problem", [SCRIPT, METHOD], ids=lambda p: p.id)
def test_qwq_has_a_system_message_of_its_own_and_may_say_more_than_the_program(problem: Problem):
    assert (
        build_prompt(problem, "lcb-qwq", chat=True)
        == f"""\
<|im_start|>system
You are a helpful and harmless assistant. You are Qwen developed by Alibaba. You should think step-by-step.\
<|im_end|>
<|im_start|>user

{TASK}

Question: {problem.statement}

{FORMAT_OF[problem.id]}<|im_end|>
<|im_start|>assistant
"""
    )


@pytest.mark.parametrize("problem", [SCRIPT, METHOD], ids=lambda p: p.id)
def test_r1_begins_with_its_bos_token_and_leaves_the_opening_of_the_thoughts_to_the_model(problem: Problem):
    assert (
        build_prompt(problem, "lcb-r1", chat=True)
        == f"""\
<｜begin▁of▁sentence｜>A conversation between User and Assistant. The user asks a question, and the \
Assistant solves it. The assistant first thinks about the reasoning process in the mind and then provides \
the user with the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> \
</answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here \
</answer>.<｜User｜>\
{TASK}

Question: {problem.statement}

{FORMAT_OF[problem.id]}<｜Assistant｜>"""
    )


def test_the_frame_of_the_one_shot_prompt_is_the_official_one():
    script = Example("Print 1.\n", starter_code="", answer="print(1)\n")
    assert one_shot(SCRIPT, script) == (
        "### Question\nPrint 1.\n\n\n### Answer\n\nprint(1)\n\n\n### Question\nPrint a + b.\n\n### Answer\n\n"
    )
    method = Example("Return 1.", starter_code="class Solution:\n    ", answer="class Solution: ...")
    assert one_shot(METHOD, method) == (
        "### Question\nReturn 1.\n\n### Starter Code\nclass Solution:\n    \n\n"
        "### Answer\n\nclass Solution: ...\n\n"
        f"### Question\nReturn a + b.\n\n### Starter Code\n{STARTER}\n\n### Answer\n\n"
    )


def test_base_style_shows_our_example_of_the_problems_own_kind():
    assert build_prompt(SCRIPT, "lcb-base", chat=False) == one_shot(SCRIPT, STDIN_EXAMPLE)
    assert build_prompt(METHOD, "lcb-base", chat=False) == one_shot(METHOD, FUNCTION_EXAMPLE)


def test_the_function_example_is_solved():
    scope: dict = {}
    exec(f"from typing import List\n{FUNCTION_EXAMPLE.answer}", scope)
    solve = scope["Solution"]().countWarmerDays
    assert (solve([12, 15, 15, 9, 10]), solve([20])) == (2, 0)  # its Example 1 and 2
    assert FUNCTION_EXAMPLE.answer.startswith(FUNCTION_EXAMPLE.starter_code.rstrip())


def test_the_stdin_example_is_solved(monkeypatch):
    sample, expected = STDIN_EXAMPLE.question.split("-----Example-----\nInput\n")[1].split("\nOutput\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(sample))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(STDIN_EXAMPLE.answer, {})
    assert printed.getvalue() == expected


def test_a_chat_style_without_chat_template_names_the_style_and_another():
    with pytest.raises(UserError, match=r"'lcb-chat' is a chat.*no chat template.*\n.*'lcb-base'"):
        build_prompt(SCRIPT, "lcb-chat", chat=False)


@pytest.mark.parametrize("style", ["lcb-chat", "lcb-base", "lcb-r1"])
def test_a_function_without_starter_code_would_be_asked_for_a_script(style):
    problem = Problem("HumanEval/0", "Complete it.", "", "f", (), (), "humaneval")
    with pytest.raises(UserError, match=rf"'{style}'.*standard input.*'HumanEval/0'.*'f'"):
        build_prompt(problem, style, chat=True)


@pytest.mark.parametrize(
    ("source", "with_chat", "without"),
    [
        ("minicode", "bare", "bare"),
        ("humaneval+", "bare", "bare"),
        ("mbpp+", "bare", "bare"),
        ("livecodebench", "lcb-chat", "lcb-base"),
        ("lcb_public", "lcb-chat", "lcb-base"),
    ],
)
def test_the_style_when_none_is_named(source: str, with_chat: str, without: str):
    assert (auto_style(source, chat=True), auto_style(source, chat=False)) == (with_chat, without)


def test_stop_strings_are_off_but_for_base_models_which_would_not_end():
    styles = ["bare", "rlif", "lcb-chat", "lcb-base", "lcb-r1"]
    assert [official_stop(style) for style in styles] == [(), (), ("###",), ("###",), ("###",)]
    assert [default_stop(style) for style in styles] == [(), (), (), ("###",), ()]
