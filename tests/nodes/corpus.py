"""The recorded answers of nodes; README.md says what each file has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def recorded(name: str) -> list[dict[str, Any]]:
    """Return the entries of a file of the corpus."""
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
    return found


def with_data(error: Any, data: bytes) -> Any:
    """Return an error of `reverts.json` with the contract's data in it."""
    if isinstance(error, str):
        return error.replace("0x…", f"0x{data.hex()}").replace("0X…", f"0X{data.hex().upper()}")
    if isinstance(error, dict):
        return {key: with_data(value, data) for key, value in error.items()}
    return error


def named(entry: dict[str, Any]) -> str:
    """Return an entry's name in the output of tests."""
    said = entry.get("said") or entry.get("what") or entry["error"]["message"]
    return f"{entry['node']}: {said[:40]}"
