"""`restore_arguments`: the tuples, sets and complex numbers of MBPP+'s inputs, which JSON does not have.

EvalPlus's file writes them as lists and texts. Which of its problems have which is a fact of the data set,
kept by EvalPlus in its loader and here in `_RESTORE`: for each problem what is made of the first argument,
and what of the others.
"""

from collections.abc import Callable, Iterable
from typing import Any

Converter = Callable[[Any], Any]


def restore_arguments(task_id: str, arguments: list[Any]) -> tuple[Any, ...]:
    """Return the arguments of one call with the types that the problem's solution expects.

    Raises:
        TypeError, ValueError, AttributeError: they are not of the form that the problem's inputs have.
    """
    first, others = _RESTORE.get(task_id, (_same, _same))
    return (*map(first, arguments[:1]), *map(others, arguments[1:]))


def _same(value: Any) -> Any:
    return value


def _tuples(values: list[Any]) -> list[Any]:
    return [tuple(value) for value in values]


def _tuple_of_tuples(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(values))


def _deep(value: Any) -> Any:
    return tuple(map(_deep, value)) if isinstance(value, list) else value


def _mixed(values: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _sets(values: list[Any]) -> list[Any]:
    return [set(value) if isinstance(value, list) and value else {} for value in values]


def _values_to_tuples(value: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) for key, item in value.items()}


def _by_number(table: Iterable[tuple[str, Converter, Converter]]) -> dict[str, tuple[Converter, Converter]]:
    return {
        f"Mbpp/{number}": (first, others) for numbers, first, others in table for number in numbers.split()
    }


_RESTORE = _by_number(
    [
        (
            "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
            tuple,
            tuple,
        ),
        ("63 64 70 94 120 237 272 299 400 409 417 438 473 614 780", _tuples, _tuples),
        ("75 413 444 753", _tuples, _same),
        ("106 750", _same, tuple),
        ("250 405 446 617 720 763 808 307", tuple, _same),
        ("259 401 445", _tuple_of_tuples, _tuple_of_tuples),
        ("580 615 791", _deep, _deep),
        ("278", _mixed, _same),
        ("722", _values_to_tuples, _same),
        ("115", _sets, _same),
        ("124", float, complex),
        ("252", complex, _same),
    ]
)
