"""The plot of a demonstration."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from oracle.chain.hub import RoundEvent
from oracle.core import encoding
from oracle.core.types import Outcome
from oracle.demo.acts import Act, marked_ticks
from oracle.demo.options import DECIMALS
from oracle.demo.summary import outcome_of
from oracle.sources.faults import Injection
from oracle.sources.packaged.series import SERIES


def plot(events: Sequence[RoundEvent], names: Mapping[bytes, str], played: Sequence[Act], path: Path) -> None:
    """Draw accepted answers as lines, and mark held ones and faults that were accepted."""
    # It is in the extra `demo`.
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.dates as dates
    from matplotlib import pyplot

    marked = marked_ticks(played)
    feeds = list(dict.fromkeys(name for act in played for name in act.readings))
    figure, axes = pyplot.subplots(2, 2, figsize=(13, 7.5), layout="constrained")
    for axis, name in zip(axes.flat, feeds, strict=False):
        own = [event for event in events if names[event.feed_id] == name]
        accepted = [event for event in own if outcome_of(event) is Outcome.ACCEPTED]
        times, values = _points(accepted)
        axis.plot(times, values, color="#1f5f8b", linewidth=1.4, label="accepted")
        low, high = min(values), max(values)
        margin = (high - low) * 0.12 or 1.0
        axis.set_ylim(low - margin, high + margin)
        groups = {
            "fault, held": ("#d1495b", "X", [e for e in own if _is(e, Outcome.HELD) and _fault(e, names, marked)]),
            "normal, held": ("#edae49", "D", [e for e in own if _is(e, Outcome.HELD) and not _fault(e, names, marked)]),
            "fault, written": ("#6a4c93", "o", [e for e in accepted if _fault(e, names, marked)]),
        }
        for label, (color, marker, found) in groups.items():
            if found:
                moments, heights = _points(found)
                clamped = [min(max(height, low - margin * 0.8), high + margin * 0.8) for height in heights]
                axis.scatter(moments, clamped, color=color, marker=marker, s=46, zorder=3, label=label)
        axis.set_title(SERIES[name].title, loc="left", fontsize=11)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        locator = dates.AutoDateLocator()
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axis.legend(frameon=False, fontsize=8)
    figure.suptitle("Every point was proven on-chain. Marks outside the scale are drawn at its edge.", fontsize=11)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _points(events: Sequence[RoundEvent]) -> tuple[list[dt.datetime], list[float]]:
    times = [dt.datetime.fromtimestamp(event.observed_at, dt.UTC) for event in events]
    # For the picture only.
    return times, [float(encoding.decimal_from_answer(event.answer, DECIMALS)) for event in events]


def _is(event: RoundEvent, outcome: Outcome) -> bool:
    return outcome_of(event) is outcome


def _fault(
    event: RoundEvent, names: Mapping[bytes, str], marked: Mapping[tuple[str, int], tuple[int, Injection]]
) -> bool:
    return (names[event.feed_id], event.observed_at) in marked
