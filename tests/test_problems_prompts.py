"""Our own prompt styles, and how prompts are tokenised: one BOS, templates without a system role."""

import pytest
from tiny_models import tiny_tokenizer

from rlif.errors import UserError
from rlif.problems.prompts import Prompt, build_prompt, tokenize_prompts
from rlif.problems.types import Problem, TestCase

FUNCTION = Problem(
    id="double",
    statement="Double a number.",
    starter_code="def f(x):",
    entry_point="f",
    public_tests=(TestCase("3", "6", "functional"),),
    hidden_tests=(TestCase("1234", "2468", "functional"),),
    source="test",
)
SCRIPT = Problem(
    id="sum",
    statement="Read two numbers and print their sum.",
    starter_code="",
    entry_point=None,
    public_tests=(TestCase("1 2\n", "3\n"),),
    hidden_tests=(),
    source="test",
)
METHOD = Problem(
    id="method",
    statement="Add a and b.\n\nExample 1:\n\nInput: a = 1, b = 2\nOutput: 3",
    starter_code="class Solution:\n    def add(self, a: int, b: int) -> int:\n        ",
    entry_point="add",
    public_tests=(TestCase("1\n2", "3", "functional"),),
    hidden_tests=(),
    source="test",
)


def user_content(problem: Problem, style="rlif") -> str:
    [message] = build_prompt(problem, style, chat=True)
    assert message["role"] == "user"
    return message["content"]


def test_bare_is_statement_and_starter_code_only():
    assert user_content(FUNCTION, "bare") == "Double a number.\n\ndef f(x):"
    assert build_prompt(FUNCTION, "bare", chat=False) == "Double a number.\n\ndef f(x):\n"
    assert user_content(SCRIPT, "bare") == SCRIPT.statement
    assert build_prompt(SCRIPT, "bare", chat=False) == f"{SCRIPT.statement}\n"


def test_rlif_names_the_function_and_shows_starter_and_public_example():
    content = user_content(FUNCTION)
    assert "the function `f`" in content
    assert "```python\ndef f(x):\n```" in content
    assert "`f(3)` returns `6`" in content
    assert "step by step" in content


def test_rlif_says_that_a_stdin_program_reads_and_prints():
    content = user_content(SCRIPT)
    assert "standard input" in content
    assert "Example input:\n```\n1 2\n```\nExample output:\n```\n3\n```" in content


def test_rlif_names_the_method_and_does_not_repeat_the_statements_examples():
    content = user_content(METHOD)
    assert "the class `Solution` with the method `add`" in content
    assert "returns `3`" not in content


@pytest.mark.parametrize("style", ["bare", "rlif"])
@pytest.mark.parametrize("chat", [True, False])
def test_hidden_tests_never_show(style, chat: bool):
    assert "2468" not in str(build_prompt(FUNCTION, style, chat))


def test_literal_tests_never_show_since_the_benchmark_does_not_show_them():
    problem = Problem("h", "Double it.", "", "f", (TestCase("(21,)", "42", "literal"),), (), "test")
    assert "42" not in user_content(problem)


def test_rlif_text_for_a_base_model_ends_in_the_opening_of_an_answer():
    text = build_prompt(FUNCTION, "rlif", chat=False)
    assert isinstance(text, str)
    assert text.endswith("think step by step.")
    assert "```python block" in text


def test_unknown_style_suggests_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'bare'"):
        build_prompt(FUNCTION, "bar", chat=True)  # pyright: ignore[reportArgumentType]


def test_tokenised_prompts_begin_with_exactly_one_bos():
    tokenizer = tiny_tokenizer()
    prompts = [build_prompt(p, "rlif", chat) for p in (FUNCTION, SCRIPT) for chat in (True, False)]
    for prompt, ids in zip(prompts, tokenize_prompts(tokenizer, prompts), strict=True):
        assert [i for i, token in enumerate(ids) if token == tokenizer.bos_token_id] == [0]
        text = tokenizer.decode(ids)
        assert text.endswith("[assistant]" if isinstance(prompt, list) else "step.")


def text_of(prompt: Prompt, template: str | None = None) -> str:
    """What the model reads: the prompt, tokenised and decoded."""
    tokenizer = tiny_tokenizer()
    if template is not None:
        tokenizer.chat_template = template
    [ids] = tokenize_prompts(tokenizer, [prompt])
    return tokenizer.decode(ids)


def test_text_that_writes_its_own_bos_gets_no_second_one():
    assert text_of("<s>print(1)") == text_of("print(1)") == "<s>print(1)"


MESSAGES = [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": "Print 1."}]
REFUSES = "{{ raise_exception('no system role') if messages[0].role == 'system' }}{{ messages[0].content }}"
LEAVES_OUT = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
TRIMS = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% endfor %}"


@pytest.mark.parametrize("template", [REFUSES, LEAVES_OUT])
def test_without_a_system_role_the_users_message_begins_with_the_system_message(template: str):
    assert text_of(MESSAGES, template) == "Be brief.\n\n\nPrint 1."


def test_with_a_system_role_nothing_is_moved():
    assert text_of(MESSAGES, TRIMS) == "[system]Be brief.[user]Print 1."


def test_a_template_that_refuses_everything_is_the_users_to_mend():
    with pytest.raises(UserError, match=r"template refuses the prompt: never.*\n.*tokenizer_config"):
        text_of(MESSAGES, "{{ raise_exception('never') }}")
