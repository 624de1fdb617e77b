"""`plain`: the builtin value that equals the same JSON values as a program's result does.

Only exact builtin types cross the sandbox's border, but LiveCodeBench's checker compares whatever a function
returns by `==`, and a `Counter`, an `IntEnum` or a numpy integer equals its builtin counterpart there. What
equals no JSON value (a deque, a generator, an object of the program's own) becomes NaN, which equals nothing.
This runs beside the program, which can have it return anything: any *builtin* value, as it could itself.
"""

import math
from collections import UserList
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from rlif.sandbox.inside import codec


def plain(value: object, depth: int = codec.MAX_DEPTH) -> object:
    """Return the counterpart of a result, deeply.

    Raises:
        ValueError: a numpy array of some dimension, for which the checker's comparison raises it.
        TypeError: nested over so many levels.
    """
    if depth == 0:
        raise TypeError(f"result nested over {codec.MAX_DEPTH} levels")
    if type(value).__module__ == "numpy":
        return _numpy_scalar(value)
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str.__str__(value)  # str() of an Enum is its name
        case Fraction() | Decimal():
            return _number(value)
        case tuple():
            return tuple([plain(item, depth - 1) for item in cast(tuple[object, ...], value)])
        case list() | UserList():
            return [plain(item, depth - 1) for item in cast(list[object], value)]
        case Mapping():
            items = cast(Mapping[object, object], value).items()
            return {plain(key, depth - 1): plain(item, depth - 1) for key, item in items}
        case _:
            return math.nan


def _numpy_scalar(value: Any) -> object:
    if getattr(value, "shape", None) == ():
        return value.item()
    raise ValueError("the truth value of a compared array is ambiguous")  # as its own `==` ends


def _number(value: Fraction | Decimal) -> float:
    """Return the int or float that is exactly this number."""
    if isinstance(value, Fraction) or value.is_finite():
        whole = int(value)
        if whole == value:
            return whole
    nearest = float(value)
    return nearest if nearest == value else math.nan
