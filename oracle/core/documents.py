"""JSON from outside, read strictly; and JSON that people pass on and compare, in its one canonical form.

Every document that somebody else may have written goes through `parse_json`: answers of sources and nodes, pushes,
messages, files. It has one meaning or none: `{"price": 1, "price": 2}` is refused and not the last one taken, NaN and
Infinity are no numbers, and no number loses digits where that matters. A test of the house's rules forbids other
parsers.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import jiter

from oracle.core.errors import DataError
from oracle.core.formats import one_line

__all__ = [
    "DEEPEST",
    "AmbiguousJson",
    "NotJson",
    "NotText",
    "NumberType",
    "canonical_json",
    "decode_text",
    "file_hash",
    "parse_json",
    "read_json",
    "read_text",
    "write_json",
]

DEEPEST = 201
"""The deepest nesting of JSON that is read. It is the parser's own bound, whatever Python's limit on recursion is."""

_SHOWN = 60
"""The most characters of a document that a message repeats."""

_WIDEST = 1_023
"""The most bits of an integer where numbers are floats: all such integers are within their range."""

_SOUGHT = 10_000
"""The most lines in which a number that is none is looked for."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks, and the encodings that they stand for."""

_ZEROS = (
    (b"\1\0\0\0", "utf-32-le"),
    (b"\0\0\0\1", "utf-32-be"),
    (b"\1\0\1\0", "utf-16-le"),
    (b"\0\1\0\1", "utf-16-be"),
    (b"\1\0", "utf-16-le"),
    (b"\0\1", "utf-16-be"),
)
"""Zero bytes at the start of a document whose first characters are ASCII, and the encodings that put them there."""

_CHARSETS = frozenset(
    {"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "big5", "big5hkscs"}
    | {"euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "koi8-r", "koi8-u", "shift_jis", "mac-roman"}
    | {f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))}
    | {f"cp{number}" for number in (437, 850, 866, 874, 932, 949, 950, *range(1250, 1259))}
)
"""The charsets that are decoded, by Python's names. Others of Python's encodings are no charsets: `idna`, `utf-7`."""

_DUPLICATE = re.compile(r'Detected duplicate key "(.*)"\Z', re.DOTALL)
_ESCAPED = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_PLACE = re.compile(r"(.*) at line (\d+) column (\d+)\Z", re.DOTALL)
_NO_NUMBERS = re.compile(rb"-?(NaN|Infinity)\b")


class NotText(ValueError):
    """Bytes are no text in the encoding that they should have. The message says so, as a clause that begins with it."""


class NotJson(ValueError):
    """A text is no JSON that is read. The message says why and where, as a clause that begins with "it"."""


class AmbiguousJson(NotJson):
    """A text is nearly JSON, but readers differ on its meaning: a key is there twice, or a number is none."""


class NumberType(StrEnum):
    """The types that numbers in JSON get."""

    FLOAT = "float"
    """`int`, and `float` if there is a point or an exponent. Each integer is within the range of floats, too."""
    EXACT = "decimal"
    """`int`, and `Decimal` if there is a point or an exponent: no digit is lost."""
    TEXT = "lossless-float"
    """`str`: the digits as they are written."""


def canonical_json(value: Any) -> bytes:
    """Return the one form of a value as JSON: keys in order, no blanks, ASCII. It must have no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def decode_text(body: bytes, charset: str = "") -> str:
    """Return the text that bytes from outside are.

    A byte-order mark decides. Without one, the stated charset does. Without either, zero bytes tell UTF-16 and UTF-32,
    and all other text is UTF-8. Nothing is replaced, and no other encoding is guessed.

    Args:
        body: The bytes.
        charset: The charset that is stated, as in a header; empty if none is.

    Raises:
        NotText: They are no text in that encoding, or the charset is not one that is decoded.
    """
    encoding, mark, by = _encoding(body, charset)
    try:
        return body[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        hint = "" if by else "; another encoding has to be stated"
        raise NotText(
            f"it is not text in {_shown(encoding)}{by}: byte {mark + error.start} can't be read{hint}"
        ) from None


def parse_json(source: str | bytes, *, numbers: NumberType = NumberType.FLOAT, charset: str = "") -> Any:
    """Return the value of JSON that anybody may have written.

    Refused are keys that are there twice in an object, NaN and Infinity, numbers beyond what their type can hold, texts
    with halves of characters, and what is nested deeper than `DEEPEST`.

    Args:
        source: The document. Bytes are decoded as `decode_text` does.
        numbers: The types that numbers get.
        charset: The charset that is stated for bytes; empty if none is.

    Raises:
        NotJson: It is not JSON, or JSON that is refused.
    """
    data = _utf8(source, charset)
    try:
        found = jiter.from_json(
            data, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys", float_mode=numbers.value
        )
    except ValueError as error:
        raise _explained(data, str(error)) from None
    if numbers is NumberType.FLOAT:
        _refuse_infinite(found)
    return _texts(found) if numbers is NumberType.TEXT else found


def read_text(path: Path) -> str:
    """Return the text of a file that anybody may have written: see `decode_text`.

    Raises:
        DataError: The file can't be read, or is no text.
    """
    try:
        return decode_text(path.read_bytes())
    except (OSError, NotText) as error:
        raise DataError(f"{path}: can't be read: {_why(error)}") from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file: see `parse_json`.

    Raises:
        DataError: The file can't be read, or is not JSON.
    """
    try:
        return parse_json(path.read_bytes())
    except (OSError, NotJson) as error:
        raise DataError(f"{path}: can't be read: {_why(error)}") from error


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object in one step, with the folders above it. Each entry of a long list has a line of its own.

    Raises:
        DataError: The file can't be written.
    """
    text = ",\n".join(f"{json.dumps(key)}: {_pretty(value)}" for key, value in document.items())
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("{\n" + text + "\n}\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: can't be written: {error.strerror or error}") from error


def _pretty(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n" + ",\n".join(json.dumps(each) for each in value) + "\n]"
    return json.dumps(value)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        DataError: The file can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error


# --- details -------------------------------------------------------------------------------------------------------


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _encoding(body: bytes, charset: str) -> tuple[str, int, str]:
    """Return the encoding of a body, the length of its byte-order mark, and words that say who stated it."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return encoding, len(mark), ", as its byte-order mark says"
    name = charset.strip().strip("\"'").lower()
    if not name:
        return _by_zeros(body) or "utf-8", 0, ""
    try:
        encoding = codecs.lookup(name).name
    except (LookupError, ValueError):  # ValueError: a zero byte in the name
        encoding = ""
    if encoding not in _CHARSETS:
        raise NotText(f"it is said to be in the charset {one_line(name, _SHOWN)!r}, which is not read here")
    if encoding in ("utf-16", "utf-32"):  # the order of bytes is not stated
        found = _by_zeros(body) or ""
        encoding = found if found.startswith(encoding) else f"{encoding}-be"
    return encoding, 0, ", as is stated"


def _by_zeros(body: bytes) -> str | None:
    start = bytes(1 if byte else 0 for byte in body[:4])
    return next((encoding for zeros, encoding in _ZEROS if start == zeros), None) if b"\0" in start else None


def _shown(encoding: str) -> str:
    return encoding.upper().replace("ISO8859", "ISO-8859")


def _utf8(source: str | bytes, charset: str) -> bytes:
    """Return a document in the encoding that is parsed."""
    if isinstance(source, bytes):
        # Nearly all documents need no decoding: the parser reads UTF-8.
        if (
            charset.lower() in ("", "utf-8")
            and b"\0" not in source[:4]
            and not source.startswith((b"\xef\xbb", b"\xff", b"\xfe"))
        ):
            return source
        try:
            source = decode_text(source, charset)
        except NotText as error:
            raise NotJson(str(error)) from None
    else:
        source = source.removeprefix("\ufeff")
    try:
        return source.encode("utf-8")
    except UnicodeEncodeError:
        raise NotJson("it has half of a character, a lone surrogate") from None


def _explained(data: bytes, said: str) -> NotJson:
    """Return the error about a document, in words of ours."""
    start = data[:256].lstrip(b" \t\r\n")
    if not data.strip(b" \t\r\n"):
        return NotJson("it is empty")
    if start.startswith(b"<"):
        return NotJson("it is HTML or XML, not JSON")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return NotJson(f"it is not text in UTF-8: byte {error.start} can't be read; another encoding has to be stated")
    parts = _PLACE.match(said)
    problem, line, column = (parts[1], int(parts[2]), int(parts[3])) if parts else (said, 1, 1)
    where = f", at line {line}, column {column}"
    if found := _DUPLICATE.match(problem):
        key = _ESCAPED.sub(_unescaped, found[1][: 10 * _SHOWN])
        return AmbiguousJson(f"it has the key {one_line(key, _SHOWN)!r} twice in one object{where}")
    if "InvalidOperation" in problem or problem == "number out of range":
        return AmbiguousJson(f"it has a number that is out of any range{where}")
    if problem.startswith("recursion limit"):
        return NotJson(f"it is nested deeper than {DEEPEST}{where}")
    if problem.startswith("EOF"):
        return NotJson(f"it ends in the middle{where}")
    at = _row(data, line) + column
    # The parser points at a number's sign or behind it.
    if none := _NO_NUMBERS.match(data, max(0, at - 2)) or _NO_NUMBERS.match(data, max(0, at - 1)):
        return AmbiguousJson(f"it has {none[0].decode()}, which is not a number in JSON{where}")
    return NotJson(f"it is not JSON: {one_line(problem, 2 * _SHOWN)}{where}")


def _row(data: bytes, line: int) -> int:
    """Return the position at which a line begins. Those far down are not looked for: anybody can send many."""
    at = 0
    for _ in range(line - 1 if line <= _SOUGHT else 0):
        at = data.find(b"\n", at) + 1
    return at


def _unescaped(found: re.Match[str]) -> str:
    """Return a character that the parser shows as an escape."""
    return chr(int(found[1], 16)) if found[1] else {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}.get(found[2], found[2])


def _refuse_infinite(value: Any) -> None:
    if isinstance(value, float):
        if math.isinf(value):
            raise AmbiguousJson("it has a number that is out of any range")
    elif isinstance(value, int):
        if value.bit_length() > _WIDEST:  # whoever makes a float of it would fail
            raise AmbiguousJson("it has a number that is out of any range")
    elif isinstance(value, dict):
        for each in value.values():
            _refuse_infinite(each)
    elif isinstance(value, list):
        for each in value:
            _refuse_infinite(each)


def _texts(value: Any) -> Any:
    """Return a value with the digits of numbers in place of numbers."""
    if isinstance(value, dict):
        return {key: _texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    if isinstance(value, jiter.LosslessFloat):
        return bytes(value).decode("ascii")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
