"""JSON files of claims and attestations: written in one step, and read with care, as anybody may have edited them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from oracle.core.documents import parse_json
from oracle.core.errors import DataError

T = TypeVar("T")

_LARGEST = 1 << 20


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON in one step.

    Raises:
        DataError: The file can't be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(_text(document), encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror}") from error


def save_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON to a new file that only its owner can read. A file that exists stays, because it may contain a salt.

    Raises:
        DataError: The file exists, or can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DataError(f"{path} exists, and may contain the salt of another commitment: name another file") from None
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_text(document))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise DataError(f"{path} can't be written: {error.strerror}") from error


def load(path: Path, what: str, parse: Callable[[Any], T]) -> T:
    """Read and parse a file that anybody may have written.

    Args:
        what: The expected kind of file, for the message: "claim".
        parse: Turns its JSON into a value; may raise KeyError, TypeError, ValueError or AttributeError.

    Raises:
        DataError: The file is cut, was edited into something else, or is of another kind.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        return parse(parse_json(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise DataError(f"{path} is not a valid {what}: {reason}") from error


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
