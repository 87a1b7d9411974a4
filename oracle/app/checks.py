"""A finding of `oracle doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Check", "Level", "failures"]

Level: TypeAlias = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: The thing that was checked.
        ok: True if it is as it should be.
        level: The severity if it is not ok. Only an "error" keeps the oracle from working.
        version: The version of a program or package; empty if there is none.
        where: The place where it was found: a path, a URL, "PATH".
        detail: The finding.
        remedy: What to do if it is not ok.
    """

    name: str
    ok: bool
    level: Level = "error"
    version: str = ""
    where: str = ""
    detail: str = ""
    remedy: str = ""


def failures(checks: Iterable[Check]) -> list[Check]:
    """Return those findings that keep the oracle from working."""
    return [check for check in checks if not check.ok and check.level == "error"]
