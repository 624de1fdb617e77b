"""LiveCodeBench's extraction rules, pinned text by text."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.problems.extraction import Extraction, extract_code, extract_continuation, extraction_of
from rlif.problems.prompts import PromptStyle


def test_one_block_after_reasoning():
    text = "Add one.\n```python\ndef f(x):\n    return x + 1\n```\nDone."
    assert extract_code(text) == Extraction("def f(x):\n    return x + 1", start=len("Add one.\n"))


def test_the_last_of_two_blocks_counts():
    text = "```\nfirst\n```\nBetter:\n```py\nsecond\n```"
    assert extract_code(text) == Extraction("second", start=text.index("```py"))


@pytest.mark.parametrize(
    "text", ["", "print(1)", "```python\nprint(1)", "```print(1)```", "``\nprint(1)\n``"]
)
def test_fewer_than_two_fence_lines_is_no_program(text: str):
    assert extract_code(text) == Extraction("", None)


def test_odd_number_of_fences_takes_the_last_two_even_around_prose():
    text = "```python\ndone = 1\n```\nAnd another:\n```python\ncut_o"
    assert extract_code(text) == Extraction("And another:", start=text.index("```\nAnd"))


def test_a_block_on_one_line_is_a_single_fence():
    assert extract_code("Use ```x```.\nThen\n```\ncode\n```").code == "code"
    assert extract_code("Use ```x```.\nThen\n```").code == "Then"


def test_text_on_the_fence_lines_is_dropped_and_start_is_the_lines_start():
    text = "So:\n  here ```python\nx = 1\n``` that was it"
    assert extract_code(text) == Extraction("x = 1", start=len("So:\n"))


def test_an_empty_block_has_a_start_and_no_code():
    assert extract_code("```\n```") == Extraction("", 0)


@given(st.lists(st.sampled_from(["a", "  b", "```", "```python", "é`", ""]), max_size=8))
def test_code_is_the_text_between_start_and_the_last_fence(lines: list[str]):
    text = "\n".join(lines)
    found = extract_code(text)
    fences = [i for i, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        assert found == Extraction("", None)
    else:
        assert found.start is not None
        block = text[found.start :].split("\n")
        assert "```" in block[0]
        assert found.code.split("\n") == (lines[fences[-2] + 1 : fences[-1]] or [""])


def test_thoughts_are_text_like_any_other():
    text = "<think>Try\n```\nfirst\n```\n</think>\n```python\nsecond\n```"
    assert extract_code(text) == Extraction("second", start=text.index("```python"))
    # Cut off while thinking: what was tried is judged.
    assert extract_code("<think>Try\n```\nfirst\n```\nNo, ").code == "first"


def test_all_of_a_continuation_is_the_program():
    assert extract_continuation("\nprint(1)\nprint(2)\n\n") == Extraction("print(1)\nprint(2)", start=0)
    assert extract_continuation("```\nprint(1)\n```").code == "```\nprint(1)\n```"  # fences and all


def test_a_continuation_ends_where_the_next_question_begins():
    text = "print(1)\n\n### Question\nPrint 2.\n\n### Answer\n\nprint(2)"
    assert extract_continuation(text) == Extraction("print(1)", start=0)
    assert extract_continuation("x = 1  ### set x\nprint(x)").code == "x = 1"  # as the official runner stops


@pytest.mark.parametrize("text", ["", " \n", "### Question\nAnother"])
def test_an_empty_continuation_is_no_program(text: str):
    assert extract_continuation(text) == Extraction("", None)


def test_only_base_prompts_are_continued():
    rules = {style: extraction_of(style) for style in get_args(PromptStyle)}
    assert rules.pop("lcb-base") is extract_continuation
    assert set(rules.values()) == {extract_code}
