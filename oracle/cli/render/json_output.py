"""JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    print(json.dumps(value, indent=2, default=str))


def print_done(document: Mapping[str, Any], *lines: object, as_json: bool) -> None:
    """Print what a command has done: a document for machines, or lines for people."""
    if as_json:
        print_json(document)
        return
    for line in lines:
        print(line)
