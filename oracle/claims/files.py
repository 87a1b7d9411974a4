"""Claims and attestations as files: written whole or not at all, and read without belief in what they say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from oracle.core.errors import DataError

T = TypeVar("T")

_LARGEST = 1 << 20


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all. Raises: DataError."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(_text(document), encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror}") from error


def save_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON to a new file that only its owner can read. None is overwritten: the salt in it would be lost.

    Raises:
        DataError: It exists, or can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DataError(f"{path} exists, and may have another commitment's salt: name another file") from None
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
    """Read a file, which may say what it likes.

    Args:
        what: It should be, for the message: "claim".
        parse: Of its JSON; may raise KeyError, TypeError, ValueError or AttributeError.

    Raises:
        DataError: It is none: cut, edited into something else, or another kind of file.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise DataError(f"{path} is no {what}, or not all of one: {reason}") from error


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
