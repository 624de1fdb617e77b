"""Python values as bytes: JSON with a tag for each type that JSON lacks.

Exact builtin types only (`type(x) is list`): a subclass could lie in its `__eq__`. A plain JSON value stands
for itself (a list for a list); every other type is an object with one key:

    {"t": [...]} tuple     {"s": [...]} set     {"f": [...]} frozenset    {"d": [[key, value], ...]} dict
    {"b": latin-1} bytes   {"c": [re, im]} complex                        {"i": hex} an int of over 8192 bits

`loads` is given bytes that a hostile program may have written: whatever they are, it returns a value of these
types or raises `ValueError`, in bounded time.
"""

import json
import sys
from collections import Counter
from types import NoneType
from typing import Any

MAX_DEPTH = 100
MAX_SAME_HASH = 64
"""How many elements of a set or dict may have the same hash: more of them take quadratic time."""

_MAX_DIGITS = 4300
_MAX_PLAIN_BITS = 8192
_SCALARS = frozenset({NoneType, bool, int, float, str})
_SEQUENCES = {tuple: "t", set: "s", frozenset: "f"}


def dumps(value: object) -> bytes:
    """Return the encoding of a value; raises TypeError for one of another type or nested too deeply."""
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(_MAX_DIGITS)  # a longer int in a flat list makes json.dumps raise ValueError
    try:
        return json.dumps(_tagged(value, MAX_DEPTH, trust_flat=True)).encode()
    except ValueError:
        return json.dumps(_tagged(value, MAX_DEPTH, trust_flat=False)).encode()
    finally:
        sys.set_int_max_str_digits(digits)


def loads(data: bytes) -> Any:
    """Return the value encoded by data; raises ValueError if it encodes none."""
    try:
        return _untagged(_DECODER.decode(data.decode("ascii")), MAX_DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"not an encoded value: {error}") from None


def _tagged(value: Any, depth: int, trust_flat: bool) -> Any:
    kind = type(value)
    if kind is int and value.bit_length() > _MAX_PLAIN_BITS:
        return {"i": hex(value)}
    if kind in _SCALARS:
        return value
    if kind is bytes:
        return {"b": value.decode("latin-1")}
    if kind is complex:
        return {"c": [value.real, value.imag]}
    if depth == 0:
        raise TypeError(f"result nested over {MAX_DEPTH} levels")
    if kind is list:
        if trust_flat and _SCALARS.issuperset(map(type, value)):
            return value
        return [_tagged(item, depth - 1, trust_flat) for item in value]
    if kind is dict:
        items = value.items()
        return {
            "d": [[_tagged(k, depth - 1, trust_flat), _tagged(v, depth - 1, trust_flat)] for k, v in items]
        }
    if kind in _SEQUENCES:
        return {_SEQUENCES[kind]: [_tagged(item, depth - 1, trust_flat) for item in value]}
    raise TypeError(f"result of type {kind.__name__!r}, which is not a plain builtin type")


def _untagged(node: Any, depth: int) -> Any:
    kind = type(node)
    if kind in _SCALARS:
        return node
    if depth == 0:
        raise ValueError("nested too deeply")
    if kind is list:
        if _SCALARS.issuperset(map(type, node)):
            return node
        return [_untagged(item, depth - 1) for item in node]
    ((tag, content),) = node.items()
    if tag == "i":
        return int(content, 16)
    if tag == "b":
        return content.encode("latin-1")
    if tag == "c":
        real, imaginary = content
        return complex(real, imaginary)
    if type(content) is not list:
        raise ValueError("a container whose content is no list")
    if tag == "d":
        keys = _hashable([_untagged(key, depth - 1) for key, _ in content])
        return dict(zip(keys, [_untagged(value, depth - 1) for _, value in content], strict=True))
    items = [_untagged(item, depth - 1) for item in content]
    if tag == "t":
        return tuple(items)
    items = _hashable(items)
    if tag == "s":
        return set(items)
    if tag == "f":
        return frozenset(items)
    raise ValueError(f"unknown tag {tag!r}")


def _hashable(items: list[Any]) -> list[Any]:
    if len(items) > MAX_SAME_HASH and max(Counter(map(hash, items)).values()) > MAX_SAME_HASH:
        raise ValueError(f"a set or dict of over {MAX_SAME_HASH} elements with the same hash")
    return items


def _bounded_int(text: str) -> int:
    if len(text) > _MAX_DIGITS + 1:  # int(text) takes quadratic time
        raise ValueError("int with too many digits")
    return int(text)


_DECODER = json.JSONDecoder(parse_int=_bounded_int)
