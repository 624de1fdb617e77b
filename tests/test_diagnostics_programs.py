"""What programs show without being run: parsing, normal forms, reading the input."""

import contextlib
import io
from collections import defaultdict
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import completion, group, problem

from rlif.diagnostics.programs import MAX_PARTS, MAX_SOURCE, parse, summarise_programs, syntax

# Parsing


@pytest.mark.parametrize("code", ["x = 1", "", "'\\d'", "def f(x):\n    return x", "return 1"])
def test_what_parses(code: str) -> None:
    assert parse(code) is not None


HOSTILE = [
    "def f(:",
    "\x00",
    "\ud800",
    "(" * 50_000,
    "-" * (MAX_SOURCE - 1) + "1",
    "a" + "[0]" * 30_000,
    "a." * 40_000 + "a",
    "9" * 90_000,
    "f'{" * 300 + "1" + "}'" * 300,
    "lambda:" * 14_000 + "1",
    "x = 1\n" * MAX_SOURCE,
]


@pytest.mark.parametrize("code", HOSTILE)
def test_hostile_programs_do_not_parse_and_do_no_harm(code: str) -> None:
    assert syntax(code) is None


@given(st.text(max_size=200))
def test_any_text_parses_or_does_not(code: str) -> None:
    assert (syntax(code) is None) == (parse(code) is None)


@pytest.mark.parametrize(
    "code",
    [
        "0x" + "f" * 90_000,  # an integer that Python refuses to print
        "1e999, -1e999, 1j",
        "1" + "+1" * 2_000,  # deep for whoever recurses
        "[" * 90 + "]" * 90,
        "match a:\n case {'k': [*b], **c} | d(e=1): pass",
        "try: pass\nexcept* OSError as e: pass",
        "async def f():\n async with a as b: return [c async for c in b]",
        "f'{a!r:>{b}}' rb''",
    ],
)
def test_unusual_programs_have_a_normal_form(code: str) -> None:
    known = syntax(code)
    assert (known is None) == (parse(code) is None)
    if known is not None:
        assert known == syntax(code + "  # the same")
        assert known.form != syntax(code + "\nb")


def test_beyond_a_size_programs_are_compared_by_text() -> None:
    long = "f()\n" * (MAX_PARTS // 4)
    assert syntax(long) != syntax(long + "#")
    assert syntax(long[: len(long) // 8]) == syntax(long[: len(long) // 8] + "#")


# Normal forms

PROGRAM = "n = int(input())\nprint('big' if n > 6 else 'small')"


def form(code: str) -> object:
    known = syntax(code)
    assert known is not None
    return known.form


@pytest.mark.parametrize(
    "code",
    [
        "number = int(input())\nprint('big' if number > 6 else 'small')",
        'n=int( input() ) # read\n\nprint("big" if (n > 6) else "small")',
        "'''Compare.'''\n" + PROGRAM,
    ],
)
def test_the_same_program_in_other_words(code: str) -> None:
    assert form(code) == form(PROGRAM)


@pytest.mark.parametrize(
    "code",
    [
        PROGRAM.replace("6", "4"),
        PROGRAM.replace("6", "6.0"),
        PROGRAM.replace(">", ">="),
        PROGRAM.replace("big", "Big"),
        PROGRAM.replace("int(", "float("),
        PROGRAM.replace("n > 6", "6 < n"),  # it means the same, but is written differently
    ],
)
def test_another_program(code: str) -> None:
    assert form(code) != form(PROGRAM)


def test_functions_too() -> None:
    plain = "def f(xs):\n    return [x * 2 for x in xs]"
    assert form(plain) == form('def f(a: list) -> list:\n    """Double."""\n    return [b * 2 for b in a]')
    assert form(plain) != form(plain.replace("def f", "def g"))  # the entry point must have its name
    assert form(plain) != form("def f(xs):\n    return [xs * 2 for xs in xs]")  # one variable instead of two


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from math import *\nprint(sqrt(4))", "from math import *\nprint(floor(4))"),
        ("import math as m\nm = 3", "import math as n\nm = 3"),
        ("def f(a): return a\nf(a=1)", "def f(b): return b\nf(a=1)"),
        ("x = 1\ndef f():\n global x\n x = 2", "x = 1\ndef f():\n global y\n x = 2"),
        ("def f(): return 1\nf = f()", "def f(): return 1\ng = f()"),
        ("x = 1\nprint(x.real)", "x = 1\nprint(x.imag)"),
        ("print(0)", "print(False)"),
        ("[1, 2], []", "[1], [2]"),
    ],
)
def test_names_that_matter_are_kept(first: str, second: str) -> None:
    assert form(first) != form(second)


def printed(code: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(NameError):
        exec(code, {})
    return out.getvalue()


def test_programs_of_one_form_behave_alike() -> None:
    """Every way to fill in the names of a small program: few forms, and each prints one thing."""
    outputs: dict[object, set[str]] = defaultdict(set)
    for p, q, r, s in product("ab", repeat=4):
        code = f"{p} = 1\n{q} = 2\nprint({r} - {s})"
        outputs[form(code)].add(printed(code))
    assert all(len(seen) == 1 for seen in outputs.values())
    # Two variables, and what is subtracted: 4 forms. One: 1 form. One and a name that nobody set: 2 × 3.
    assert len(outputs) == 11


NAMES = st.lists(
    st.sampled_from(["a", "b", "nums", "_", "v0", "é", "total"]), min_size=3, max_size=3, unique=True
)


@given(NAMES)
def test_renaming_variables_changes_nothing(names: list[str]) -> None:
    template = "def f({0}, *{1}):\n for {2} in {1}:\n  {0} += {2}\n return {0}, (lambda {2}: {2})(1)"
    assert form(template.format(*names)) == form(template.format("x", "y", "z"))


# Reading the input


@pytest.mark.parametrize(
    ("code", "ignores"),
    [
        ("print(7)", True),
        ("", True),
        ("n = 7\nprint('input')", True),  # in a string it reads nothing
        ("print(input())", False),
        ("import sys\nprint(sys.stdin.read())", False),
        ("from sys import stdin as s\nprint(s.readline())", False),
        ("print(open(0).read())", False),
        ("eval('inp' + 'ut()')", False),
    ],
)
def test_scripts_that_read_nothing(code: str, ignores: bool) -> None:
    known = syntax(code)
    assert known is not None
    assert known.ignores_input is ignores


@pytest.mark.parametrize(
    ("code", "ignores"),
    [
        ("def f(x):\n    return 7", True),
        ("def f(x, y):\n    return y", False),
        ("def f(*xs, **options):\n    return xs", False),
        ("def f():\n    return 7", True),
        ("class Solution:\n    def f(self, x):\n        return self.g()", True),
        ("class Solution:\n    def f(self, x):\n        return self.g(x)", False),
        ("def g(x):\n    return 7\ndef f(x):\n    return g(x)", False),
        ("f = lambda x: 7", False),  # not found as a function: nothing is said
    ],
)
def test_functions_that_use_no_argument(code: str, ignores: bool) -> None:
    known = syntax(code, entry_point="f")
    assert known is not None
    assert known.ignores_input is ignores


# A step


def test_a_step_by_hand() -> None:
    codes = [PROGRAM, PROGRAM.replace("n ", "m "), PROGRAM + "\n", "print(7)", "def f(:", ""]
    first = group(6, completions=tuple(completion(code=code) for code in codes))
    asked = replace(problem(kind="functional"), entry_point="f")
    second = group(2, problem=asked, completions=(completion(code="def f(x): return 7"),) * 2)
    found = summarise_programs([first, second])
    assert found == pytest.approx(
        {
            "syntax_error": 1 / 8,
            "ignores_input": 3 / 8,
            "distinct_programs": (4 / 6 + 1 / 2) / 2,  # a line break at the end makes no other program
            "distinct_asts": (2 / 6 + 1 / 2) / 2,
        }
    )


@given(st.lists(st.sampled_from([PROGRAM, PROGRAM + " ", " x", "x", "y = 1", "z = 1", "(", ""]), min_size=1))
def test_there_are_no_more_forms_than_texts(codes: list[str]) -> None:
    found = summarise_programs([group(len(codes), completions=tuple(completion(code=c) for c in codes))])
    assert 0 <= found["distinct_asts"] <= found["distinct_programs"] <= 1
    assert found["syntax_error"] + found["ignores_input"] <= 1
