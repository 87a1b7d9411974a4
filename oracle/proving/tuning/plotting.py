"""The plot of a tuning: time against gas of each candidate, on one page that can be read.

It is written as SVG, by hand: a library for plots takes as long to load as a small model's keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from oracle.proving.imported import Settings
from oracle.proving.tuning.result import Candidate, Tuning

LABELLED = 6
"""Candidates that are described beside the plot: the chosen one, those that were proven, then the best estimates."""

WIDTH, HEIGHT = 1_000, 500

_LEFT, _RIGHT, _TOP, _BOTTOM = 95, 620, 45, 430
"""The frame of the points."""

_BESIDE = 650
"""The left edge of the legend and of the descriptions."""

_TOO_CLOSE = 28
"""Units between two points, in both directions, below which their numbers could lie on each other."""

_MARGIN = 0.12
"""Share of the frame that stays empty at each end."""

_MARKS = 6
"""Marks of an axis, at most, or twice as many."""

_FEW_POWERS, _MANY_POWERS = 0.8, 2.5
"""Powers of ten on a logarithmic axis below which its marks are at equal distances, and above which they are powers."""

_TEXT = 12
"""Size of the letters."""

_MARKERS: dict[int, Callable[[float, float, float], str]] = {
    1: lambda x, y, r: f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"',
    2: lambda x, y, r: f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}"',
    3: lambda x, y, r: f'<path d="M{x:.1f} {y - r:.1f}l{r:.1f} {2 * r:.1f}h{-2 * r:.1f}z"',
}
"""The beginning of a marker's element, by the number of columns."""

_CHOSEN, _PROVEN, _ESTIMATED = "#c62828", "#1565c0", "#757575"


def plot(tuning: Tuning, path: Path) -> None:
    """Write the plot of time against gas of every candidate. The same table makes the same file."""
    path.write_text(svg(tuning), encoding="utf-8")


def svg(tuning: Tuning) -> str:
    """Return the plot as SVG."""
    labelled = _labelled(tuning)
    across = _Axis([_seconds(each) for each in tuning.candidates], _LEFT, _RIGHT, logarithmic=True)
    upwards = _Axis([each.gas() for each in tuning.candidates], _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="{_TEXT}" fill="#212121">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, _TOP - 15, tuning.model.name, size=14),
        *_frame(across, upwards),
    ]
    # What was measured lies above what was estimated, and the chosen one above all.
    order = sorted(range(len(tuning.candidates)), key=lambda at: (at == tuning.chosen, _is_proven(tuning, at)))
    for at in order:
        each = tuning.candidates[at]
        size = 5.0 if at == tuning.chosen or _is_proven(tuning, at) else 3.5
        colour = _colour(each, at == tuning.chosen)
        marker = _marker(each, colour, across.at(_seconds(each)), upwards.at(each.gas()), size)
        parts.append(f"{marker}<title>{escape(_told(each))}</title></{marker[1:].split()[0]}>")
    parts += _numbers([(across.at(_seconds(each)), upwards.at(each.gas())) for each in labelled])
    parts += _legend({each.settings.columns for each in tuning.candidates})
    for at, each in enumerate(labelled, 1):
        first, second = _told(each).split("\n")
        top = 165 + 45 * (at - 1)
        parts += [_text(_BESIDE, top, f"{at}"), _text(_BESIDE + 20, top, first), _text(_BESIDE + 20, top + 17, second)]
    if more := len(tuning.candidates) - len(labelled):
        parts.append(_text(_BESIDE + 20, 165 + 45 * len(labelled), f"and {more} more, estimated"))
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """An axis: the place of each value on the page, and round values to mark.

    Args:
        values: What has to be on it.
        begin: Place of its low end.
        end: Place of its high end.
        logarithmic: True if equal ratios are equally far apart.
    """

    def __init__(self, values: Sequence[float], begin: float, end: float, *, logarithmic: bool = False) -> None:
        self._logarithmic = logarithmic
        low, high = self._scaled(min(values)), self._scaled(max(values))
        if low == high:
            low, high = low - (abs(low) * 0.05 or 0.5), high + (abs(high) * 0.05 or 0.5)
        span = high - low
        self._low, self._span = low - _MARGIN * span, span * (1 + 2 * _MARGIN)
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return self._begin + (self._scaled(value) - self._low) / self._span * (self._end - self._begin)

    def marks(self) -> Iterator[float]:
        """Yield round values within the axis."""
        low, high = self._low, self._low + self._span
        if not self._logarithmic:
            yield from _round(low, high)
        elif self._span < _FEW_POWERS:
            yield from _round(10**low, 10**high)
        else:
            factors = (1, 2, 5) if self._span < _MANY_POWERS else (1,)
            powers = range(math.floor(low), math.ceil(high) + 1, max(1, math.ceil(self._span / _MARKS)))
            found = (factor * 10.0**power for power in powers for factor in factors)
            yield from (each for each in found if low <= math.log10(each) <= high)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self._logarithmic else float(value)


def _round(low: float, high: float) -> Iterator[float]:
    """Yield round numbers between two, at equal distances."""
    rough = (high - low) / _MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    yield from (step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1))


def _frame(across: _Axis, upwards: _Axis) -> Iterator[str]:
    line = '<path d="{}" stroke="{}" fill="none"/>'
    for value in across.marks():
        x = across.at(value)
        yield line.format(f"M{x:.1f} {_TOP}V{_BOTTOM}", "#e0e0e0")
        yield _text(x, _BOTTOM + 20, f"{value:g}", anchor="middle")
    for value in upwards.marks():
        y = upwards.at(value)
        yield line.format(f"M{_LEFT} {y:.1f}H{_RIGHT}", "#e0e0e0")
        yield _text(_LEFT - 8, y + 4, f"{value:,.0f}", anchor="end")
    yield line.format(f"M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}", "#616161")
    yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 45, "seconds per proof", anchor="middle")
    yield _text(20, (_TOP + _BOTTOM) / 2, "gas to verify, estimated", anchor="middle", turned=True)


def _numbers(places: Sequence[tuple[float, float]]) -> list[str]:
    """Return each candidate's number beside its point; points too close to each other share a label."""
    groups: list[tuple[tuple[float, float], list[str]]] = []
    for number, (x, y) in enumerate(places, 1):
        near = next((names for (a, b), names in groups if max(abs(a - x), abs(b - y)) < _TOO_CLOSE), None)
        if near is None:
            groups.append(((x, y), [str(number)]))
        else:
            near.append(str(number))
    return [_text(x + 8, y - 7, ", ".join(names)) for (x, y), names in groups]


def _legend(columns: set[int]) -> Iterator[str]:
    kinds = [("chosen", _CHOSEN, True), ("proven", _PROVEN, True), ("estimated", _ESTIMATED, False)]
    for at, (name, colour, is_full) in enumerate(kinds):
        y = 55 + 22 * at
        yield f'{_MARKERS[1](_BESIDE + 5, y - 4, 5)} stroke="{colour}" fill="{colour if is_full else "none"}"/>'
        yield _text(_BESIDE + 20, y, name)
    for at, count in enumerate(sorted(columns)):
        y = 55 + 22 * at
        yield f'{_MARKERS[min(count, 3)](_BESIDE + 145, y - 4, 5)} stroke="#212121" fill="#212121"/>'
        yield _text(_BESIDE + 160, y, f"{count} column{'s' * (count > 1)}")


def _marker(candidate: Candidate, colour: str, x: float, y: float, size: float) -> str:
    """Return the beginning of a candidate's marker, up to the end of its opening tag."""
    fill = "none" if candidate.seconds is None else colour
    return f'{_MARKERS[min(candidate.settings.columns, 3)](x, y, size)} stroke="{colour}" fill="{fill}">'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = _TEXT, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    large = f' font-size="{size}"' if size != _TEXT else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{large}{turn}>{escape(text)}</text>'


def _labelled(tuning: Tuning) -> list[Candidate]:
    chosen = tuning.candidates[tuning.chosen]
    others = [each for each in tuning.candidates if each is not chosen]
    proven = [each for each in others if each.seconds is not None]
    estimated = sorted((each for each in others if each.seconds is None), key=_seconds)
    return [chosen, *proven, *estimated][:LABELLED]


def _is_proven(tuning: Tuning, at: int) -> bool:
    return tuning.candidates[at].seconds is not None


def _seconds(candidate: Candidate) -> float:
    return candidate.estimated.seconds if candidate.seconds is None else candidate.seconds


def _colour(candidate: Candidate, is_chosen: bool) -> str:
    return _CHOSEN if is_chosen else _PROVEN if candidate.seconds is not None else _ESTIMATED


def _told(candidate: Candidate) -> str:
    """Return two lines about a candidate."""
    settings = candidate.settings
    cost = f"{_seconds(candidate):.2g} s, {candidate.gas():,} gas" + (
        "" if candidate.seconds is not None else ", estimated"
    )
    return f"{_digits(settings)}, k = {candidate.k or candidate.estimated.k}\n{cost}"


def _digits(settings: Settings) -> str:
    digits = f"{settings.legs} digits of base {settings.base}" if settings.base > 2 else "no digits"
    return f"scales {settings.input_scale}/{settings.param_scale}, {digits}"
