"""Sample inputs of a model, from a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from oracle.core.documents import decode_text, parse_json
from oracle.core.errors import DataError


def load(path: Path) -> np.ndarray:
    """Read samples, one row each.

    Args:
        path: `.npy`; `.csv`, with or without a line of names; or `.json`: a list of rows, or `{"input_data": rows}`.

    Raises:
        DataError: The file is missing, or is not a table of numbers.
    """
    readers = {".npy": _npy, ".csv": _csv, ".json": _json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: samples are read from .npy, .csv or .json")
    try:
        found = np.asarray(reader(path))
        if np.iscomplexobj(found):
            raise ValueError("its numbers are complex")
        table = found.astype(np.float64)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    except (EOFError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a table of numbers: {error}") from error
    if table.size == 0:
        raise DataError(f"{path} has no samples")
    return np.atleast_2d(table)


def _npy(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


def _csv(path: Path) -> list[list[float]]:
    rows: list[list[float]] = []
    for number, row in enumerate(csv.reader(io.StringIO(decode_text(path.read_bytes()), newline="")), 1):
        if not row:
            continue
        try:
            values = [float(cell) for cell in row]
        except ValueError:
            if number == 1:
                continue
            raise ValueError(f"line {number}: {', '.join(row)[:60]}") from None
        if rows and len(values) != len(rows[0]):
            raise ValueError(f"line {number} has {len(values)} columns, those before it {len(rows[0])}")
        rows.append(values)
    return rows


def _json(path: Path) -> Any:
    document = parse_json(path.read_bytes())
    return document["input_data"] if isinstance(document, dict) else document
