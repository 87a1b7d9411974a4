"""The report of an evaluation as files: one HTML page that needs nothing else, JSON, and the plots."""

from __future__ import annotations

import json
from pathlib import Path

from oracle.core.errors import DataError
from oracle.detectors.evaluation import plots
from oracle.detectors.evaluation.figures import document
from oracle.detectors.evaluation.page import to_html
from oracle.detectors.evaluation.results import Comparison

__all__ = ["write", "write_file"]


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Write report.html, report.json and the plots into a folder, and return their paths.

    Raises:
        ToolMissing: matplotlib is not installed.
        DataError: The folder can't be written to.
    """
    pictures = plots.draw(comparison)
    contents = {
        "report.json": json.dumps(document(comparison), indent=2, ensure_ascii=False).encode() + b"\n",
        "report.html": to_html(comparison, pictures).encode(),
        **{f"{name}.png": picture for name, picture in pictures.items()},
    }
    return [write_file(out / name, content) for name, content in contents.items()]


def write_file(path: Path, content: bytes) -> Path:
    """Write a file, and the folders above it; return its path.

    Raises:
        DataError: It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path}: can't be written: {error.strerror}") from error
    return path
