"""JSON that people pass on and compare: its one canonical form, and files, written in one step, and hashed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.core.errors import DataError

__all__ = ["canonical_json", "file_hash", "nesting", "parse_json", "read_json", "write_json"]

DEEPEST = 64
"""The deepest nesting of a file that is read."""

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def canonical_json(value: Any) -> bytes:
    """Return the one form of a value as JSON: keys in order, no blanks, ASCII. It must have no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def nesting(text: str) -> int:
    """Return how deep brackets nest outside of strings.

    They are counted before parsing. The parser recurses on the machine's stack: where a library has raised Python's
    limit on recursion, hostile JSON would end the process.
    """
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def parse_json(text: str) -> Any:
    """Return the value of JSON that anybody may have written.

    Raises:
        ValueError: It is not JSON, or nested so deep that parsing it could end the process.
    """
    if nesting(text) > DEEPEST:
        raise ValueError(f"it is nested deeper than {DEEPEST}")
    return json.loads(text)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: The file can't be read, or is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: can't be read: {reason}") from error


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
