"""`decode_private_tests`: LiveCodeBench's packed private tests, without running what is packed in them."""

import base64
import binascii
import pickletools
import zlib

MAX_TESTS_BYTES = 1 << 30
"""Largest decompressed size of one problem's private tests; beyond it they are refused."""

# Opcodes of Python's `pickletools`: those that carry a string, and those that only frame or remember it.
_STRINGS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_HARMLESS = {"PROTO", "FRAME", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "STOP"}
_MOST_OPCODES = 16
"""A pickled string has about five; counting them all could take hours if somebody meant it to."""


def decode_private_tests(text: str) -> str:
    """Return the JSON behind a `private_test_cases` field: itself, or base64(zlib(pickle(JSON string))).

    Nothing is unpickled. A pickle is a program for a small machine, and one that holds a string needs none of
    the instructions that import, call or build: the string is read off as the only operand there is.

    Raises:
        ValueError: neither form, larger than `MAX_TESTS_BYTES`, or a pickle of anything but one string.
    """
    if not text.strip() or text.lstrip().startswith("["):
        return text
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_TESTS_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError("private_test_cases is neither JSON nor base64 of a zlib stream") from error
    if not unpacker.eof:
        raise ValueError("private_test_cases is cut off, or decompresses to more than a gigabyte")
    return _pickled_string(data)


def _pickled_string(data: bytes) -> str:
    strings: list[str] = []
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
        if opcode.name in _STRINGS:
            strings.append(str(argument))
        elif opcode.name not in _HARMLESS or count > _MOST_OPCODES:
            raise ValueError(f"private_test_cases holds a pickle that is more than a string ({opcode.name})")
    if len(strings) != 1:
        raise ValueError(f"private_test_cases holds a pickle of {len(strings)} strings, not of one")
    return strings[0]
