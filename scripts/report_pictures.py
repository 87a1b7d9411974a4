"""The pictures of the detector report: narrow and with large letters, so that a telephone shows them legibly too."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from oracle.detectors.evaluation.plots import COLOURS
from scripts.report_tables import headline

__all__ = ["pictures"]

_WIDTH, _DPI = 5.2, 150
_SHOWN = {
    "cap": ("a cap", COLOURS[6], "|"),
    "quadratic-v2": ("quadratic", COLOURS[3], "s"),
    "arch-window": ("arch+window", COLOURS[4], "D"),
    "network": ("network", COLOURS[2], "^"),
    "peers": ("peers", COLOURS[0], "o"),
}
"""Detectors that the pictures show: label, colour and mark."""

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "legend.frameon": False,
}

_Summary = Mapping[str, Mapping[str, Any]]


def pictures(summary: _Summary, about: _Summary) -> dict[str, bytes]:
    """Return the report's pictures as PNG files, by name: "overview", "recall" and "holds".

    Args:
        summary: Figures by series and detector.
        about: What there is to say about each series.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        return {
            "overview": _overview(summary, about),
            "recall": _recall(summary, about),
            "holds": _holds(summary),
        }


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _of(detectors: Mapping[str, Any], name: str, size: str) -> tuple[float, tuple[float, float]] | None:
    """Return recall and interval of a spike, with limits scaled; None if the detector isn't there."""
    if name == "cap":
        figures = next(iter(detectors.values()))
        return figures["cap_recall"]["spike"][size], tuple(figures["cap_recall_interval"]["spike"][size])
    if name not in detectors or detectors[name]["recall"]["spike"].get(size) is None:
        return None
    return detectors[name]["recall"]["spike"][size], tuple(detectors[name]["recall_interval"]["spike"][size])


def _overview(summary: _Summary, about: _Summary) -> bytes:
    """Draw recall of one size of spike, a row for each series."""
    figure = _figure(1.1 + 0.34 * len(summary))
    axes = figure.subplots()
    labels = []
    for row, (key, detectors) in enumerate(summary.items()):
        size = headline(key, about[key]["sizes"])
        labels.append(f"{key}, {size} %")
        for name, (label, colour, mark) in _SHOWN.items():
            found = _of(detectors, name, size)
            if found is not None:
                share, (low, high) = found
                axes.plot([low * 100, high * 100], [row, row], color=colour, linewidth=1, alpha=0.5)
                axes.plot([share * 100], [row], mark, color=colour, markersize=7, label=label if row == 0 else None)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(-3, 103)
    axes.set_xlabel("spikes held, % (at most 5 of 10,000 held falsely)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return _png(figure)


def _recall(summary: _Summary, about: _Summary) -> bytes:
    """Draw recall against the size of the spikes, a panel for each series that has a peer."""
    keys = [key for key in summary if about[key]["peer"]] or list(summary)
    rows = (len(keys) + 1) // 2
    figure = _figure(0.9 + 1.55 * rows)
    grid = figure.subplots(rows, 2, squeeze=False, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(keys):
            axes.set_visible(False)
            continue
        key = keys[place]
        sizes = about[key]["sizes"]
        for name, (label, colour, _) in _SHOWN.items():
            found = [_of(summary[key], name, size) for size in sizes]
            points = [(float(size), *each) for size, each in zip(sizes, found, strict=True) if each is not None]
            if points:
                at = [size for size, _, _ in points]
                axes.plot(at, [share * 100 for _, share, _ in points], color=colour, linewidth=1.6, label=label)
                low, high = ([ends[side] * 100 for _, _, ends in points] for side in (0, 1))
                axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        shown = [size for size in ("0.05", "0.1", "0.3", "1", "3", "10") if size in sizes]
        axes.set_xticks([float(size) for size in shown], shown)
        axes.minorticks_off()
        axes.set_title(key)
        axes.set_ylim(-3, 103)
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.supxlabel("size of the spike, %", fontsize=9)
    figure.supylabel("held, %", fontsize=9)
    return _png(figure)


def _holds(summary: _Summary) -> bytes:
    """Draw false holds with the limits that were learnt, a row for each series."""
    summary = {key: detectors for key, detectors in summary.items() if "peers" in detectors}
    figure = _figure(1.1 + 0.34 * len(summary))
    axes = figure.subplots()
    for row, detectors in enumerate(summary.values()):
        for shift, name in ((-0.18, "arch-window"), (0.0, "network"), (0.18, "peers")):
            if name in detectors:
                label, colour, mark = _SHOWN[name]
                learnt = detectors[name]["learnt_limits"]
                low, high = learnt["false_holds_interval"]
                axes.plot([low, high], [row + shift] * 2, color=colour, linewidth=1.2)
                axes.plot([learnt["false_holds_per_10k"]], [row + shift], mark, color=colour, markersize=5)
                if row == 0:
                    axes.plot([], [], mark, color=colour, label=label)
    axes.axvline(5, color=COLOURS[6], linewidth=1, linestyle="--", label="the budget, 5")
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xticks([0, 5, 10, 30, 100], ["0", "5", "10", "30", "100"])
    axes.minorticks_off()
    axes.set_xlim(left=-0.3)
    axes.set_yticks(range(len(summary)), list(summary))
    axes.invert_yaxis()
    axes.set_xlabel("held falsely of 10,000, with the limits of the first half")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return _png(figure)
