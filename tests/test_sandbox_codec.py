"""The border's language: values survive it, hostile bytes do not get through it."""

import contextlib
import math
import struct
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlif.sandbox.inside import codec, seccomp
from rlif.sandbox.inside.limits import LimitReached
from rlif.sandbox.inside.pages import OutputBuffer
from rlif.sandbox.inside.reports import complete_frames, last_error

hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner),
    max_leaves=5,
)
values = st.recursive(
    hashable | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(hashable, inner) | st.sets(hashable),
    max_leaves=8,
)


def with_types(value: object) -> object:
    """The value with every type spelled out, so that 1, 1.0 and True differ."""
    if isinstance(value, list | tuple):
        return type(value), tuple(map(with_types, value))
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(with_types, value))
    if isinstance(value, dict):
        return dict, tuple((with_types(key), with_types(item)) for key, item in value.items())
    return type(value), value


@given(values)
@settings(max_examples=50)
def test_values_survive(value):
    assert with_types(codec.loads(codec.dumps(value))) == with_types(value)


def test_ints_of_any_size_survive():
    for value in (10**4299, 10**4300, -(10**5000), [10**5000, 1], 2**8192):
        assert codec.loads(codec.dumps(value)) == value


def test_nan_infinity_and_the_sign_of_zero_survive():
    nan, infinity, zero = codec.loads(codec.dumps([math.nan, -math.inf, -0.0]))
    assert math.isnan(nan)
    assert infinity == -math.inf
    assert math.copysign(1, zero) == -1


@pytest.mark.parametrize(
    "value", [object(), type("I", (int,), {})(1), [type("S", (str,), {})()], range(3), int]
)
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match="not a plain builtin type"):
        codec.dumps(value)


@given(st.binary())
def test_any_bytes_are_a_value_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        codec.dumps(codec.loads(data))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[", b"[" * 10**5, b"[" * 200 + b"]" * 200, b"{}", b'{"t":[],"s":[]}', b'{"t":1}',
        b'{"x":[]}', b'{"i":"zz"}', b'{"i":1}', b'{"b":"\\u0100"}', b'{"c":[1]}', b'{"c":["a",1]}',
        b'{"s":[[1]]}', b'{"d":[[1]]}', b'{"d":[[[],1]]}', b"9" * 5000, b'{"s":[' + b"1," * 5000 + b"1]}",
    ],
)  # fmt: skip
def test_malformed_encodings_are_value_errors(data):
    with pytest.raises(ValueError, match=r"\w"):
        codec.loads(data)


def test_colliding_keys_are_refused_and_large_sets_are_not():
    colliding = ",".join(str(i * sys.hash_info.modulus) for i in range(1, 5000))  # all of hash 0
    start = time.monotonic()
    for data in (f'{{"s":[{colliding}]}}', f'{{"d":[{colliding.replace(",", ",1],[").join(("[", ",1]"))}]}}'):
        with pytest.raises(ValueError, match="same hash"):
            codec.loads(data.encode())
    assert time.monotonic() - start < 1
    assert codec.loads(codec.dumps(set(range(20_000)))) == set(range(20_000))


def written(*parts: bytes) -> OutputBuffer:
    buffer = OutputBuffer(200)
    add(buffer, b"".join(parts))
    return buffer


def add(buffer: OutputBuffer, data: bytes) -> None:
    buffer.room[: len(data)] = data
    buffer.added(len(data))


def test_reports_are_cut_into_frames_however_they_arrive():
    data = struct.pack(">BI", 0, 2) + b"42" + struct.pack(">BI", 1, 4) + b"oops"
    buffer = written()
    found = []
    for byte in data:
        add(buffer, bytes([byte]))
        found.extend((status, bytes(payload)) for status, payload in complete_frames(buffer, 100))
    assert found == [("ok", b"42"), ("runtime_error", b"oops")]
    assert not len(buffer.unread)


def test_an_output_buffer_makes_room_for_more():
    buffer = written(b"x" * 150, b"rest")
    assert bytes(buffer.take(150)) == b"x" * 150
    assert len(buffer.room) == 46
    buffer.make_room()
    assert len(buffer.room) == 196
    assert bytes(buffer.unread) == b"rest"


def test_reports_that_are_none_are_refused():
    for frame, status in [
        (struct.pack(">BI", 99, 0), "killed"),
        (struct.pack(">BI", 0, 501), "output_limit"),
    ]:
        with pytest.raises(LimitReached) as reached:
            list(complete_frames(written(frame), 100))
        assert reached.value.status == status


def test_what_is_said_of_an_error_is_short():
    frame = struct.pack(">BI", 1, 800) + b"x" * 800
    buffer = OutputBuffer(1000)
    add(buffer, frame)
    assert [len(text) for _, text in complete_frames(buffer, 1000)] == [500]


def test_only_whole_reports_tell_of_an_error():
    errors = [struct.pack(">BI", 1, 3) + b"one", struct.pack(">BI", 1, 3) + b"two"]
    assert last_error(written()) is None
    status, text = last_error(written(*errors)) or ("", b"")
    assert (status, bytes(text)) == ("runtime_error", b"two")
    assert last_error(written(*errors, b"\xff" * 9)) is None


def verdict_of_filter(machine: str, number: int, argument: int = 0, arch: int | None = None) -> int:
    """Run the filter as the kernel would (man 2 seccomp) and return its verdict."""
    code = seccomp.program(machine)
    instructions = [struct.unpack("HBBI", code[i : i + 8]) for i in range(0, len(code), 8)]
    arches = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
    memory = {0: number, 4: arches[machine] if arch is None else arch, 16: argument}
    accumulator = position = 0
    while True:
        operation, yes, no, value = instructions[position]
        position += 1
        match operation:
            case 0x20:
                accumulator = memory[value]
            case 0x06:
                return value
            case 0x15:
                position += yes if accumulator == value else no
            case 0x35:
                position += yes if accumulator >= value else no
            case 0x45:
                position += yes if accumulator & value else no


@pytest.mark.parametrize(
    ("machine", "number", "argument", "verdict"),
    [
        ("x86_64", 0, 0, "allow"),  # read
        ("x86_64", 101, 0, "EPERM"),  # ptrace
        ("aarch64", 117, 0, "EPERM"),
        ("x86_64", 117, 0, "allow"),
        ("x86_64", 56, 0x11, "allow"),  # fork
        ("x86_64", 56, 0x10000011, "EPERM"),  # with a user namespace
        ("aarch64", 220, 0x20011, "EPERM"),
        ("x86_64", 435, 0, "ENOSYS"),  # clone3
        ("x86_64", 302, 0, "allow"),  # prlimit64 of its own
        ("x86_64", 302, 1, "EPERM"),  # of pid 1
        ("aarch64", 261, 1, "EPERM"),
        ("x86_64", 319, 0, "EPERM"),  # memfd_create
        ("x86_64", 41, 1, "allow"),  # socket(AF_UNIX)
        ("x86_64", 41, 40, "EPERM"),  # socket(AF_VSOCK)
        ("aarch64", 198, 2, "EPERM"),
        ("x86_64", 0x40000000, 0, "EPERM"),  # x32
        ("x86_64", 240, 0, "EPERM"),  # mq_open, the last of the list
    ],
)
def test_the_filter_of_system_calls(machine, number, argument, verdict):
    verdicts = {"allow": 0x7FFF0000, "EPERM": 0x00050001, "ENOSYS": 0x00050026}
    assert verdict_of_filter(machine, number, argument) == verdicts[verdict]


def test_another_architecture_s_system_calls_are_fatal():
    assert verdict_of_filter("x86_64", 0, arch=0x40000003) == 0x80000000
