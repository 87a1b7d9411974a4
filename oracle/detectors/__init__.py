"""Detectors: models that score a window of accepted moves in exact integer arithmetic.

`interface.py` says what a detector is; each other file is one implementation, or a tool for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Disclosure

if TYPE_CHECKING:
    from oracle.detectors.imported import Lower

__all__ = ["load", "parse"]


def load(path: Path, disclosure: Disclosure = Disclosure.SCORE, lower: Lower | None = None) -> Detector:
    """Reads a model file of any kind.

    Args:
        path: The file.
        disclosure: What the circuit is to publish.
        lower: Takes an imported network to integers; `oracle.app.assembly` has it. Needed for such files only.

    Raises:
        DataError: The file can't be read, or its content is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"model file {path} can't be read: {error}") from error
    return parse(text, str(path), disclosure, lower)


def parse(
    text: str, where: str = "model", disclosure: Disclosure = Disclosure.SCORE, lower: Lower | None = None
) -> Detector:
    """Reads what a detector's `to_json` wrote; see `load`.

    Args:
        text: The file's content.
        where: The file's name, for error messages.
        disclosure: What the circuit is to publish.
        lower: See `load`.

    Raises:
        DataError: The content is wrong.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON: {error}") from error
    key = document.get("format") if isinstance(document, dict) else None
    readers = _readers(lower)
    if not isinstance(key, str) or key not in readers:
        raise DataError(f"{where}: format {key!r} is none of {', '.join(sorted(readers))}")
    return readers[key](text, where, disclosure)


def _readers(lower: Lower | None) -> dict[str, Callable[[str, str, Disclosure], Detector]]:
    """By the `format` key of a file."""
    from oracle.detectors import imported, polynomial, quadratic

    return {
        quadratic.FORMAT: quadratic.QuadraticModel.from_json,
        polynomial.FORMAT: polynomial.PolynomialModel.from_json,
        imported.FORMAT: lambda text, where, disclosure: imported.ImportedDetector.from_json(
            text, where, disclosure, lower
        ),
    }
