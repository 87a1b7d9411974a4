"""The report of an evaluation as one HTML page: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from oracle.detectors.evaluation.results import Comparison, FaultRate
from oracle.detectors.evaluation.tables import (
    clean_rows,
    detail_header,
    detail_rows,
    fault_groups,
    fault_header,
    fault_rows,
    headline,
    shock_rows,
)

__all__ = ["to_html"]

PICTURES = {
    "series": "The series with its largest real moves (circles), and below each report that was held, with the number "
    "of false holds. Shaded: known to be wrong.",
    "scores": "How near each report was to the detector's limit: above 1 it objects.",
    "recall": "Held at least once, by size, and what of drifts was written. Dashed: the cap with as many false holds.",
    "curve": "What scaling all limits would give; the shaded part holds at most 5 of 10,000.",
}
"""Captions of the plots."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot as the page has it: inside, in Base64."""

    caption: str
    data: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table, and its shade: "good", "bad" or none."""

    text: str
    shade: str = ""


def to_html(comparison: Comparison, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        comparison: What to report.
        pictures: PNG files by the names that `plots.draw` gives them; those that are missing are left out.
    """
    loader = PackageLoader("oracle.detectors.evaluation")
    environment = Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    header, rows = clean_rows(comparison)
    shocks_header, shocks = shock_rows(comparison)
    return environment.get_template("report.html.jinja").render(
        name=comparison.prepared.recording.name,
        headline=headline(comparison),
        clean={"header": header, "rows": rows},
        faults={"header": fault_header(comparison), "groups": _shaded_groups(comparison)},
        details=[
            {"name": each.name, "header": detail_header(), "groups": detail_rows(comparison, each)}
            for each in comparison.evaluations
        ],
        notes=comparison.notes,
        warnings=[
            *comparison.warnings,
            *(f"{each.name}: {w}" for each in comparison.evaluations for w in each.warnings),
        ],
        shocks={"header": shocks_header, "rows": shocks},
        skipped=comparison.skipped,
        pictures={
            name: Picture(PICTURES[name], base64.b64encode(picture).decode()) for name, picture in pictures.items()
        },
    )


def _shaded_groups(comparison: Comparison) -> list[tuple[str, list[list[Cell]]]]:
    """Return the table of faults by group, the detectors' cells shaded."""
    found = []
    for (title, rows), (_, faults) in zip(fault_rows(comparison), fault_groups(comparison), strict=True):
        shaded = [
            [Cell(text, _shade(comparison, index, fault)) for index, text in enumerate(row)]
            for row, fault in zip(rows, faults, strict=True)
        ]
        found.append((title, shaded))
    return found


def _shade(comparison: Comparison, column: int, fault: FaultRate) -> str:
    """Return how a detector compares with its cap, beyond both intervals; "" in columns that are not a detector's."""
    position, is_cap = divmod(column - 3, 2)
    if not 0 <= position < len(comparison.evaluations) or is_cap or fault.real:
        return ""
    evaluation = comparison.evaluations[position]
    own, cap = (each.fault(fault.kind, fault.lie) for each in (evaluation, comparison.cap_of(evaluation)))
    if own is None or cap is None:
        return ""
    if own.recall.low > cap.recall.high:
        return "good"
    return "bad" if own.recall.high < cap.recall.low else ""
