"""What a program shows without being run: whether it parses, reads its input, and differs from others.

Programs come from a model and may be hostile: deep nesting, huge literals, NUL bytes, lone surrogates. They
are parsed, never compiled and never run, and no more of them is looked at than `MAX_SOURCE` characters and
`MAX_PARTS` parts of the syntax tree.

Two programs have the same *normal form* when their syntax trees are equal but for

- white space, comments, parentheses, docstrings and type annotations;
- the names of variables and parameters, as long as different ones stay different. One that is also the name
  of a function, module, attribute or keyword argument of the program keeps it.

All else counts: `n > 4` and `n > 6` are two programs. Programs of one form behave alike, so fewer forms than
texts are cosmetic variety, and fewer behaviours (`rlif.diagnostics.behaviour`) than forms a variety of means.
"""

import ast
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rlif.diagnostics.health import mean
from rlif.rollouts import RolloutGroup

MAX_SOURCE = 100_000
"""Characters of a program beyond which it is not parsed but counted as not parsing."""

MAX_PARTS = 20_000
"""Parts of a syntax tree beyond which programs are compared by their text; 2,000 tokens have a fifth."""

READERS = frozenset(
    {"input", "stdin", "open", "fileinput", "read", "eval", "exec", "getattr", "__import__", "__builtins__"}
)
"""A script without any of these names does not read standard input; the last five are ways to the others."""

_COSMETIC = frozenset({"ctx", "kind", "annotation", "returns", "type_comment", "type_ignores"})
"""Fields of syntax nodes without a part in what a program does, but for tricks."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """What the text of a program that parses tells.

    form: equal for programs with the same normal form. ignores_input: it cannot depend on its input.
    """

    form: Hashable
    ignores_input: bool


def summarise_programs(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return syntax_error and ignores_input, shares of all completions; distinct_programs and distinct_asts.

    The latter two are means over groups of the number of different texts of programs, and of different
    normal forms among those that parse, divided by G.
    """
    broken: list[bool] = []
    blind: list[bool] = []
    texts: list[float] = []
    forms: list[float] = []
    for group in groups:
        codes = [completion.code for completion in group.completions]
        found = {code: syntax(code, group.problem.entry_point) for code in set(codes) if code}
        parsed = {code: known for code, known in found.items() if known is not None}
        broken += [code in found and code not in parsed for code in codes]
        blind += [code in parsed and parsed[code].ignores_input for code in codes]
        texts.append(len({code.strip() for code in found}) / group.size)
        forms.append(len({known.form for known in parsed.values()}) / group.size)
    return {
        "syntax_error": mean(broken),
        "ignores_input": mean(blind),
        "distinct_programs": mean(texts),
        "distinct_asts": mean(forms),
    }


def syntax(code: str, entry_point: str | None = None) -> Syntax | None:
    """Return what the text of a program tells, None if it is not syntactically valid Python.

    Args:
        code: the program.
        entry_point: the function that is called with the input; None for a script that reads it.
    """
    tree = parse(code)
    if tree is None:
        return None
    normal = _normal_form(tree)
    if normal is None:
        return Syntax(code, ignores_input=False)
    form, names = normal
    blind = READERS.isdisjoint(names) if entry_point is None else _ignores_arguments(tree, entry_point)
    return Syntax(form, blind)


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of a program, None if it is not valid Python or longer than `MAX_SOURCE`."""
    if len(code) > MAX_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like
            return ast.parse(code)
    except Exception:  # SyntaxError, ValueError, RecursionError, MemoryError, …: it did not parse
        return None


def _normal_form(tree: ast.Module) -> tuple[Hashable, set[str]] | None:
    """Return the normal form and all identifiers of a program; None for one of too many parts.

    The form lists the parts of the tree in a fixed order: of a node its type, then its fields; of a list its
    length, then its items; variables as numbers in the order of their first use.
    """
    parts: list[Hashable] = []
    uses: list[tuple[int, str]] = []  # of names that may be variables: place among the parts, name
    variables: set[str] = set()
    fixed: set[str] = set()
    pending: list[Any] = [tree]  # no recursion: trees may be deep
    while pending:
        if len(parts) > MAX_PARTS:
            return None
        node = pending.pop()
        if isinstance(node, list):
            items = [item for item in node if not _without_effect(item)]
            parts.append(len(items))
            pending += items
        elif isinstance(node, ast.Name | ast.arg):
            name = node.id if isinstance(node, ast.Name) else node.arg
            parts += [type(node), name]
            uses.append((len(parts) - 1, name))
            if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
                variables.add(name)
        elif isinstance(node, ast.Constant):
            parts += [type(node), type(node.value), node.value]  # 1, 1.0 and True are equal
        elif isinstance(node, ast.AST):
            parts.append(type(node))
            pending += [getattr(node, field) for field in _fields(type(node))]
        else:
            parts.append(node)
            if isinstance(node, str):
                fixed.add(node)
    numbers: dict[str, int] = {}
    for place, name in uses:
        if name in variables and name not in fixed:
            parts[place] = numbers.setdefault(name, len(numbers))
    return tuple(parts), fixed | {name for _, name in uses}


def _without_effect(item: Any) -> bool:
    """Whether this is a statement that is only a constant: a docstring, as a rule."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(field for field in kind._fields if field not in _COSMETIC)


def _ignores_arguments(tree: ast.Module, entry_point: str) -> bool:
    """Whether the function to be called is there and uses none of its parameters."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(item for found in classes for item in found.body)]:
        if isinstance(node, ast.FunctionDef) and node.name == entry_point:
            inside = [part for statement in node.body for part in ast.walk(statement)]
            parameters = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)} - {"self"}
            return parameters.isdisjoint(part.id for part in inside if isinstance(part, ast.Name))
    return False
