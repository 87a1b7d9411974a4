"""The default's targets, beside what was measured of it, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from oracle.bench.cases import DEFAULT_VERDICT, SUBMISSION_TARGETS

Report = Mapping[str, Any]

_PRIVATE = "default-private-b1"
_BUSY = "throughput-default-private-b16"


@dataclass(frozen=True)
class Target:
    """A figure that should be reached.

    Attributes:
        what: The figure, in words.
        wanted: What it should be.
        least: True if it should be at least that, False if at most.
        measured: Returns it from a report.
        unit: What follows the figure.
    """

    what: str
    wanted: float
    least: bool
    measured: Callable[[Report], float]
    unit: str = "×"

    def told(self, report: Report) -> tuple[str, str, str, str]:
        """Return the row of a report that has the figure. Raises: KeyError, if it lacks it."""
        found = self.measured(report)
        met = found >= self.wanted if self.least else found <= self.wanted
        side = "at least" if self.least else "at most"
        return self.what, f"{side} {self.wanted:,g}{self.unit}", f"{found:,.10g}{self.unit}", "met" if met else "missed"


def _busier_than(other: str) -> Callable[[Report], float]:
    return lambda report: round(report[_BUSY]["windows_per_s"] / report[other]["windows_per_s"], 2)


def _gas_of(case: str) -> Callable[[Report], float]:
    return lambda report: float(report[case]["gas_per_feed"])


TARGETS = (
    Target(
        f"`{_PRIVATE}` proven faster than `{DEFAULT_VERDICT}`",
        18,
        True,
        lambda report: float(report[_PRIVATE]["default_over_prove"]),
    ),
    Target(
        f"`{_PRIVATE}` proven faster than `groth16-peers`",
        1.3,
        True,
        lambda report: float(report["baselines"]["groth16-peers"]["beside"][_PRIVATE]["groth16_over_prove"]),
    ),
    Target(
        "windows a second in proofs of 16, over the quadratic's with scores",
        1.3,
        True,
        _busier_than("throughput-quadratic-private-b16"),
    ),
    Target(
        "windows a second in proofs of 16, over the quadratic's with verdicts",
        1.3,
        True,
        _busier_than("throughput-quadratic-verdict-b16"),
    ),
    *(Target(f"`{case}`, gas per feed", most, False, _gas_of(case), "") for case, most in SUBMISSION_TARGETS.items()),
)

COLUMNS = ("wanted", "measured", "")


def rows(report: Report) -> list[tuple[str, str, str, str]]:
    """Return the rows of the targets whose figures a report has."""
    found = []
    for target in TARGETS:
        try:
            found.append(target.told(report))
        except KeyError:
            continue
    return found


def table(report: Report) -> Table:
    """Return the targets for people."""
    found = Table(box=None, pad_edge=False, header_style="bold", title="targets", title_justify="left")
    found.add_column("")
    for column in COLUMNS:
        found.add_column(column, justify="right")
    for what, *cells in rows(report):
        found.add_row(what.replace("`", ""), *cells)
    return found
