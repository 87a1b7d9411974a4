"""Patterns for the words of nodes, one on a line."""

from __future__ import annotations

import re


def words(lines: str) -> re.Pattern[str]:
    """Return a pattern that is found where one of these is; each line is a regular expression for lower case."""
    return re.compile("|".join(line.strip() for line in lines.strip().splitlines()))
