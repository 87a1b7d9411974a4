"""Plots of a comparison, as PNG files in memory. The colour-blind can tell the colours apart (Okabe and Ito).

matplotlib is an extra, so functions import it.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ToolMissing
from oracle.core.types import Kind
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.trials import Lie

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DRIFTS", "SPIKES", "curves", "draw", "panels", "require"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
RED, GREY, PALE = "#C1121F", "#8A8A8A", "#D9D9D9"
WIDE = (11.0, 4.6)
DPI = 110
_CAP = "cap with "
_FIFTHS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#EBEBEB",
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "legend.frameon": False,
}
_LABELLED_SHOCKS = 5
_LOG_FROM = 4
"""A series that spans more than this factor gets a logarithmic axis."""


def require() -> None:
    """Raise an error if plots can't be drawn.

    Raises:
        ToolMissing: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ToolMissing('plots need matplotlib, which is not installed: pip install "verifiable-oracle[demo]"')


def draw(comparison: Comparison) -> dict[str, bytes]:
    """Draw all plots, by name: "series", "scores", "recall", "curve". Those without data are left out.

    Raises:
        ToolMissing: matplotlib is not installed.
    """
    require()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn: dict[str, bytes] = {}
    with mpl.rc_context(_STYLE):
        for name, plot in (("series", _series), ("scores", _scores), ("recall", _recall), ("curve", _curve)):
            figure = Figure(figsize=WIDE, layout="constrained")
            if plot(figure, comparison):
                drawn[name] = _png(figure)
    return drawn


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # No date and no version in the file: the same comparison gives the same bytes.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _moment(time: int) -> Any:
    return dt.datetime.fromtimestamp(time, dt.UTC)


def _dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=11)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _value(prepared: Prepared, answer: int) -> float:
    return answer / 10.0**prepared.feed.decimals


def _series(figure: Figure, comparison: Comparison) -> bool:
    """Draw the series, its largest moves, and a strip for each detector with its holds."""
    from matplotlib.patheffects import withStroke

    prepared, shown = comparison.prepared, comparison.all
    height = 0.32 * len(shown)
    figure.set_size_inches(WIDE[0], 3.6 + height)
    top, strips = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, height))
    history = prepared.history
    numbers = comparison.evaluations[0].clean.numbers
    top.plot(
        [_moment(history.ticks[number].time) for number in numbers],
        [_value(prepared, history.answers[number]) for number in numbers],
        color="#333333",
        linewidth=0.8,
    )
    for begin, end in prepared.recording.bad:
        for axes in (top, strips):
            axes.axvspan(_moment(begin), _moment(end), color=RED, alpha=0.12, linewidth=0)
    labelled: list[int] = []
    apart = (history.ticks[numbers[-1]].time - history.ticks[numbers[0]].time) / 14
    for shock in comparison.evaluations[0].shocks:
        at = _moment(shock.time)
        value = float(prepared.ticks[shock.index].value or 0)
        top.plot(
            at, value, "o", markersize=5.5, markerfacecolor="none", markeredgecolor=COLOURS[1], markeredgewidth=1.1
        )
        if len(labelled) < _LABELLED_SHOCKS and all(abs(shock.time - other) > apart for other in labelled):
            labelled.append(shock.time)
            text = f"{shock.move:+.1%}" if prepared.feed.kind is Kind.RELATIVE else f"{shock.move:+.0f} σ"
            top.annotate(
                text,
                (at, value),
                xytext=(0, 10 if shock.move > 0 else -17),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                fontweight="bold",
                color=COLOURS[1],
                path_effects=[withStroke(linewidth=3, foreground="white")],
                zorder=5,
            )
    answers = [history.answers[number] for number in numbers]
    if min(answers) > 0 and max(answers) > _LOG_FROM * min(answers):
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        top.set_yscale("log")
        top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        top.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        top.yaxis.set_minor_formatter(NullFormatter())
    top.set_title(f"{prepared.recording.name}: the evaluated part, its largest moves, and who held what")
    top.margins(x=0.01, y=0.12)
    for row, evaluation in enumerate(shown):
        clean = evaluation.clean
        held = [_moment(history.ticks[number].time) for number in clean.numbers if clean.held(number)]
        colour = GREY if evaluation.matched else COLOURS[(row // 2) % len(COLOURS)]
        strips.plot(held, [row] * len(held), "|", color=colour, markersize=12, markeredgewidth=1.3)
        strips.text(
            1.005,
            row,
            f"{evaluation.false_holds.hits}",
            transform=strips.get_yaxis_transform(),
            va="center",
            color=colour,
        )
    strips.set_yticks(range(len(shown)), ["its cap" if evaluation.matched else evaluation.name for evaluation in shown])
    strips.set_ylim(len(shown) - 0.4, -0.6)
    strips.grid(axis="y", visible=False)
    strips.tick_params(axis="y", length=0)
    strips.spines["left"].set_visible(False)
    _dates(strips)
    return True


def _scores(figure: Figure, comparison: Comparison) -> bool:
    """Draw how near each report was to what the detector allows."""
    shown = comparison.evaluations
    figure.set_size_inches(WIDE[0], 0.6 + 2.0 * len(shown))
    rows: Any = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    history = comparison.prepared.history
    for row, (axes, evaluation) in enumerate(zip(rows, shown, strict=True)):
        clean = evaluation.clean
        times = [_moment(history.ticks[number].time) for number in clean.numbers]
        values = [max(1e-3, value) for value in evaluation.severities]
        held = [clean.held(number) for number in clean.numbers]
        axes.plot(times, values, ".", markersize=1.8, color=COLOURS[row % len(COLOURS)], alpha=0.35, rasterized=True)
        axes.plot(
            [time for time, is_held in zip(times, held, strict=True) if is_held],
            [value for value, is_held in zip(values, held, strict=True) if is_held],
            "x",
            markersize=5,
            color=RED,
            label="held",
        )
        axes.axhline(1, color=RED, linewidth=0.9)
        axes.set_yscale("log")
        axes.set_ylim(max(1e-2, min(values)), max(2.0, max(values) * 1.5))
        axes.set_title(f"{evaluation.name}: what it measures, in parts of what it allows")
        axes.margins(x=0.01)
        if any(held):
            axes.legend(loc="upper right")
        _dates(axes)
    return True


SPIKES = ("spike", "Spikes of one tick", "size")
DRIFTS = ("drift", "Slow drift to 10 %", "per tick")
"""A group of faults, a title, and the unit of their size."""


def _recall(figure: Figure, comparison: Comparison) -> bool:
    """Draw recall by size of a spike and by speed of a drift, and how much of the drift was written all the same."""
    chosen = [
        panel
        for panel in (SPIKES, DRIFTS)
        if any(fault.group == panel[0] for fault in comparison.evaluations[0].faults)
    ]
    if not chosen:
        return False
    many: Any = figure.subplots(1, len(chosen) + (DRIFTS in chosen), sharey=True, squeeze=False)[0]
    for axes, (group, title, unit) in zip(many, chosen, strict=False):
        _panel(axes, comparison, group)
        axes.set_title(f"{title}: held once")
        axes.set_xlabel(unit)
    if DRIFTS in chosen:
        _written_panel(many[-1], comparison)
    many[0].set_ylabel("share (95 % interval)")
    _legend_below(figure, many[0])
    return True


def _written_panel(axes: Axes, comparison: Comparison) -> None:
    """Draw the share of the wrong answers of drifts that became rounds: held once is not stopped."""
    sizes: list[float] = []
    for row, evaluation in enumerate(comparison.evaluations):
        for each, style in ((evaluation, "-o"), (comparison.cap_of(evaluation), "--s")):
            faults = [fault for fault in _sized(each, DRIFTS[0]) if fault.wrong]
            sizes = [fault.size for fault in faults]
            shares = [fault.written / fault.wrong for fault in faults]
            axes.plot(sizes, shares, style, color=COLOURS[row % len(COLOURS)], linewidth=1.4, markersize=3.5)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:g} %" for size in sizes])
    axes.minorticks_off()
    axes.set_title("Slow drift: written")
    axes.set_xlabel(DRIFTS[2])


def _panel(axes: Axes, comparison: Comparison, group: str) -> None:
    """Draw recall by size of a group of faults, each detector beside its cap."""
    from matplotlib.ticker import PercentFormatter

    sizes: list[float] = []
    for row, evaluation in enumerate(comparison.evaluations):
        colour = COLOURS[row % len(COLOURS)]
        shift = 1 + 0.03 * (row - (len(comparison.evaluations) - 1) / 2)
        faults = _sized(evaluation, group)
        sizes = [fault.size for fault in faults]
        _line(axes, faults, colour, shift, evaluation.name)
        cap = comparison.cap_of(evaluation)
        axes.plot(
            [fault.size * shift for fault in _sized(cap, group)],
            [fault.recall.share or 0.0 for fault in _sized(cap, group)],
            "--",
            color=colour,
            linewidth=1.1,
            marker="s",
            markersize=3.5,
            markerfacecolor="white",
            label=f"{_CAP}{cap.false_holds.hits} held",
        )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:g} %" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(-0.03, 1.05)
    axes.set_yticks(_FIFTHS)
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    pairs = sorted(zip(labels, handles, strict=True), key=lambda pair: pair[0].startswith(_CAP))
    figure.legend([handle for _, handle in pairs], [label for label, _ in pairs], loc="outside lower center", ncols=4)


def panels(comparisons: Mapping[str, Comparison], panel: tuple[str, str, str]) -> bytes:
    """Draw a panel for each comparison, by title: recall by size of a group of faults."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    group, title, unit = panel
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDE[0], 3.4), layout="constrained")
        many: Any = figure.subplots(1, len(comparisons), sharey=True, squeeze=False)[0]
        for axes, (name, comparison) in zip(many, comparisons.items(), strict=True):
            _panel(axes, comparison, group)
            axes.set_title(name, fontsize=9.5)
            axes.set_xlabel(unit)
            axes.tick_params(axis="x", labelsize=8)
            axes.legend(loc="center right", fontsize=8)
        figure.suptitle(f"{title}: held, each beside the cap with as many false holds", fontsize=11)
        return _png(figure)


def curves(comparisons: Mapping[str, Comparison]) -> bytes:
    """Draw a curve of recall against false holds for each comparison, by title."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDE[0], 3.4), layout="constrained")
        many: Any = figure.subplots(1, len(comparisons), sharey=True, squeeze=False)[0]
        for axes, (name, comparison) in zip(many, comparisons.items(), strict=True):
            _curves(axes, comparison)
            axes.set_title(name, fontsize=9.5)
            axes.tick_params(axis="x", labelsize=8)
            axes.set_xticks([0, 1, 5, 50, 500], ["0", "1", "5", "50", "500"])
            axes.set_xlabel("false holds per 10,000")
        many[0].set_ylabel("spikes of 1 to 20 % held")
        figure.suptitle("All limits scaled together (dot: as trained)", fontsize=11)
        return _png(figure)


def _sized(evaluation: Evaluation, group: str) -> list[FaultRate]:
    return sorted(
        (fault for fault in evaluation.faults if fault.group == group and fault.lie is Lie.OWN),
        key=lambda fault: fault.size,
    )


def _line(axes: Axes, faults: Sequence[FaultRate], colour: str, shift: float, label: str) -> None:
    shares = [fault.recall.share or 0.0 for fault in faults]
    below = [max(0.0, share - fault.recall.low) for share, fault in zip(shares, faults, strict=True)]
    above = [max(0.0, fault.recall.high - share) for share, fault in zip(shares, faults, strict=True)]
    axes.errorbar(
        [fault.size * shift for fault in faults],
        shares,
        yerr=(below, above),
        color=colour,
        linewidth=1.8,
        marker="o",
        markersize=4.5,
        capsize=2.5,
        elinewidth=0.9,
        label=label,
    )


def _curve(figure: Figure, comparison: Comparison) -> bool:
    """Draw recall of spikes against false holds, all limits scaled."""
    if not all(evaluation.curve for evaluation in comparison.evaluations):
        return False
    figure.set_size_inches(7.4, 4.8)
    axes = figure.subplots()
    _curves(axes, comparison)
    axes.set_xlabel("false holds per 10,000 reports, all limits scaled together")
    axes.set_ylabel("spikes of 1 to 20 % that are held")
    axes.set_title("Recall against false holds (dots: as shipped)")
    return True


def _curves(axes: Axes, comparison: Comparison) -> None:
    from matplotlib.ticker import PercentFormatter

    for row, evaluation in enumerate(comparison.evaluations):
        colour = COLOURS[row % len(COLOURS)]
        axes.plot(*zip(*_best(evaluation), strict=True), "-", color=colour, linewidth=1.8, label=evaluation.name)
        now = next(point for point in evaluation.curve if math.isclose(point.factor, 1.0))
        axes.plot(now.false_holds, now.recall, "o", color=colour, markersize=7)
    # Each cap is another one scaled; together their points are the cap's curve.
    caps: dict[float, float] = {}
    for evaluation in comparison.evaluations:
        for holds, recall in _best(comparison.cap_of(evaluation)):
            caps[holds] = max(caps.get(holds, 0.0), recall)
    axes.plot(*zip(*sorted(caps.items()), strict=True), "--", color=GREY, linewidth=1.6, label="any cap")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(-0.04, PER / 10)
    axes.set_xticks([0, 1, 5, 20, 100, 1000], ["0", "1", "5", "20", "100", "1,000"])
    axes.set_ylim(0, 1.02)
    axes.set_yticks(_FIFTHS)
    axes.axvspan(0, 5, color=PALE, alpha=0.35, linewidth=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")


def _best(evaluation: Evaluation) -> list[tuple[float, float]]:
    """Return the curve, rising: the best recall for each number of false holds."""
    best: dict[float, float] = {}
    for point in evaluation.curve:
        best[point.false_holds] = max(best.get(point.false_holds, 0.0), point.recall)
    return sorted(best.items())
