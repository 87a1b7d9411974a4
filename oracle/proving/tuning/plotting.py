"""The plot of a tuning: time against gas of each candidate, on one page that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oracle.proving.imported import Settings
from oracle.proving.tuning.result import Candidate, Tuning

LABELLED = 6
"""Candidates that are described beside the plot: the chosen one, those that were proven, then the best estimates."""

_TOO_CLOSE = 40
"""Pixels between two points, in both directions, below which their numbers could lie on each other."""

_MARKERS = {1: "o", 2: "s", 3: "^"}


def plot(tuning: Tuning, path: Path) -> bool:
    """Plot time against gas of every candidate. Return False if matplotlib, an optional extra, is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # Without a date or a version in it, the same table makes the same file.
    figure(tuning, Figure(figsize=(10, 5))).savefig(path, metadata={"Software": None})
    return True


def figure(tuning: Tuning, page: Any) -> Any:
    """Draw the candidates on an empty figure, and return it."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = page.add_axes((0.09, 0.12, 0.52, 0.78))
    shown = [(each, at == tuning.chosen) for at, each in enumerate(tuning.candidates)]
    labelled = _labelled(tuning)
    for each, is_chosen in shown:
        place = (_seconds(each), each.gas())
        colour = _colour(each, is_chosen)
        axes.scatter(
            *place,
            s=70 if is_chosen or each.seconds is not None else 35,
            marker=_MARKERS.get(each.settings.columns, "D"),
            facecolors=colour if each.seconds is not None else "none",
            edgecolors=colour,
            zorder=4 if is_chosen else 3 if each.seconds is not None else 2,
        )
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.12)
    _number(axes, labelled)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(labelsize=9)
    axes.set_xlabel("seconds per proof")
    axes.set_ylabel("gas to verify, estimated")
    axes.set_title(tuning.model.name, loc="left", fontsize=11)
    axes.grid(alpha=0.3, which="both")
    kinds: list[Any] = [
        Line2D([], [], marker="o", linestyle="", color="tab:red", label="chosen"),
        Line2D([], [], marker="o", linestyle="", color="tab:blue", label="proven"),
        Line2D([], [], marker="o", linestyle="", color="grey", markerfacecolor="none", label="estimated"),
    ]
    kinds += [
        Line2D(
            [],
            [],
            marker=_MARKERS.get(count, "D"),
            linestyle="",
            color="black",
            label=f"{count} column{'s' * (count > 1)}",
        )
        for count in sorted({each.settings.columns for each, _ in shown})
    ]
    page.legend(handles=kinds, loc="upper left", bbox_to_anchor=(0.63, 0.91), fontsize=9, frameon=False, ncols=2)
    lines = [f"{at}  {_told(each)}" for at, each in enumerate(labelled, 1)]
    if len(shown) > len(labelled):
        lines.append(f"and {len(shown) - len(labelled)} more, estimated")
    page.text(0.635, 0.67, "\n\n".join(lines), fontsize=8.5, va="top", linespacing=1.15)
    return page


def _number(axes: Any, labelled: Sequence[Candidate]) -> None:
    """Write each candidate's number beside its point; points too close to each other share a label."""
    axes.autoscale_view()
    places: list[tuple[Any, list[str]]] = []
    for number, each in enumerate(labelled, 1):
        at = axes.transData.transform((_seconds(each), each.gas()))
        near = next((names for place, names in places if abs(place - at).max() < _TOO_CLOSE), None)
        if near is None:
            places.append((at, [str(number)]))
        else:
            near.append(str(number))
    for at, names in places:
        where = axes.transData.inverted().transform(at)
        axes.annotate(", ".join(names), where, xytext=(7, 6), textcoords="offset points", fontsize=9)


def _labelled(tuning: Tuning) -> list[Candidate]:
    chosen = tuning.candidates[tuning.chosen]
    others = [each for each in tuning.candidates if each is not chosen]
    proven = [each for each in others if each.seconds is not None]
    estimated = sorted((each for each in others if each.seconds is None), key=_seconds)
    return [chosen, *proven, *estimated][:LABELLED]


def _seconds(candidate: Candidate) -> float:
    return candidate.estimated.seconds if candidate.seconds is None else candidate.seconds


def _colour(candidate: Candidate, is_chosen: bool) -> str:
    return "tab:red" if is_chosen else "tab:blue" if candidate.seconds is not None else "grey"


def _told(candidate: Candidate) -> str:
    settings = candidate.settings
    cost = f"{_seconds(candidate):.2g} s, {candidate.gas():,} gas" + (
        "" if candidate.seconds is not None else ", estimated"
    )
    return f"{_digits(settings)}, k = {candidate.k or candidate.estimated.k}\n    {cost}"


def _digits(settings: Settings) -> str:
    digits = f"{settings.legs} digits of base {settings.base}" if settings.base > 2 else "no digits"
    return f"scales {settings.input_scale}/{settings.param_scale}, {digits}"
