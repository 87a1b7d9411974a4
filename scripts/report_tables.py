"""The tables of the detector report, as Markdown, from its summary."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["BEGIN", "END", "HEADLINES", "headline", "tables"]

BEGIN, END = "<!-- figures: scripts/detector_report.py -->", "<!-- end of figures -->"

HEADLINES: Mapping[str, str] = {"sp500": "3", "nasdaq": "3", "eth-rounds": "2", "btc-rounds": "2", "vix": "50"}
"""The size of the spikes that the first table has, by series."""

WANTED: Mapping[str, Mapping[str, int]] = {
    "3": {"sp500": 82, "nasdaq": 72},
    "2": {"eth-rounds": 70, "btc-rounds": 70},
    "0.75": {"eurusd-1h": 60, "btc-1min": 55},
}
"""The share of spikes that the type `peers` is to see, in percent, by their size and by series."""

_SMALL, _SHARES, _LARGE = "0.75", "0.2", "10"

_DRIFTS = ("0.1", "0.2", "0.5", "1", "2")
_Figures = Mapping[str, Any]


def headline(key: str, sizes: Sequence[str]) -> str:
    """Return the size of the spikes that the first table and the pictures show of a series."""
    if key in HEADLINES:
        return HEADLINES[key]
    if sizes[0] == "0.05":
        return _SHARES
    return _SMALL if "usd-1h" in key or key.endswith("-1min") else _LARGE if "20" in sizes else "5"


def tables(summary: Mapping[str, Mapping[str, _Figures]], about: Mapping[str, Mapping[str, Any]]) -> str:
    """Return all figures of the report.

    Args:
        summary: Figures by series and detector.
        about: What there is to say about each series.
    """
    parts = ["## What was asked for, and what was found", asked(summary, about)]
    parts += ["## At equal false holds", overview(summary, about)]
    for key, detectors in summary.items():
        told = about[key]
        parts += [f"## {told['title']}", _introduction(key, told), spike_table(detectors, told["sizes"])]
        parts += ["With the limits as they were learnt:", learnt_table(detectors, told["sizes"])]
        if written := drift_table(detectors):
            parts += [
                "Slow drifts, in percent a report: held at least once, and in brackets what was written:",
                written,
            ]
        if told["left_out"]:
            parts.append("Left out: " + "; ".join(f"`{name}`, {why}" for name, why in told["left_out"].items()) + ".")
    return "\n\n".join(parts) + "\n"


def asked(summary: Mapping[str, Mapping[str, _Figures]], about: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the type `peers` was to do, beside what it does."""
    mine = {key: detectors["peers"] for key, detectors in summary.items() if "peers" in detectors}
    paired = {key: figures for key, figures in mine.items() if about[key]["peer"]}
    rows = []
    for size, wanted in WANTED.items():
        for key in (key for key in wanted if key in mine):
            found = mine[key]["recall"]["spike"][size], mine[key]["cap_recall"]["spike"][size]
            rows.append(
                [
                    f"`{key}`: {wanted[key]} % of the spikes of {size} %",
                    f"{_percent(found[0])} % (the cap: {_percent(found[1])} %)",
                    _met(found[0] >= wanted[key] / 100),
                ]
            )
    if paired:
        above = {key: _beyond(figures) for key, figures in paired.items()}
        behind = [key for key, sizes in above.items() if not sizes[0] or sizes[1]]
        rows.append(
            [
                "above the cap, beyond both intervals, on every series that has a peer",
                "; ".join(f"`{key}` at {', '.join(up) or 'no size'}{_but(down)}" for key, (up, down) in above.items()),
                _met(not behind),
            ]
        )
        key, lie = _most({key: figures["peer_lie_holds_own"] or 0.0 for key, figures in paired.items()})
        rows.append(
            [
                "a peer's lie of 3 σ holds the honest feed 5 % of the time",
                f"{_percent(lie, 1)} % (`{key}`)",
                _met(lie <= 0.05),
            ]
        )
    for group, title in (("gross", "gross faults"), ("stuck", "stuck values")):
        worst = {
            key: min(share for share in figures["recall"][group].values() if share is not None)
            for key, figures in mine.items()
            if figures["recall"].get(group)
        }
        if worst:
            key, share = min(worst.items(), key=lambda item: item[1])
            rows.append([f"all {title}", f"{share * 100:.4g} % (`{key}`)", _met(share == 1)])
    for slow, title in ((True, "2 rounds on hourly and daily data"), (False, "5 minutes on minute data")):
        shocks = {
            key: max(figures[at] for figures in (mine[key], mine[key]["learnt_limits"]))
            for key in mine
            for at in [("shock_rounds_max" if slow else "shock_seconds_max")]
            if (about[key]["heartbeat"] >= 3_600) == slow
        }
        if shocks:
            key, most = _most(shocks)
            shown = f"{most} rounds" if slow else f"{most / 60:.3g} minutes"
            rows.append(
                [f"a real shock held for at most {title}", f"{shown} (`{key}`)", _met(most <= (2 if slow else 300))]
            )
    flips = sum(figures["flips"] or 0 for figures in mine.values())
    of = sum(figures["learnt_limits"]["flips_of"] or 0 for figures in mine.values())
    rows.append(["no verdict that floats give otherwise than integers", f"{flips} of {of:,}", _met(flips == 0)])
    key, holds = _most({key: figures["learnt_limits"]["false_holds_per_10k"] for key, figures in mine.items()})
    rows.append(
        ["at most 5 of 10,000 held with the limits of the first half", f"{holds:.1f} (`{key}`)", _met(holds <= 5)]
    )
    return _table(["the type `peers`, asked for", "found; where several, the worst", ""], rows)


def _beyond(figures: _Figures) -> tuple[list[str], list[str]]:
    """Return the sizes of spikes at which a detector is above its cap beyond both intervals, and below."""
    up, down = [], []
    for size, (low, high) in figures["recall_interval"]["spike"].items():
        cap = figures["cap_recall_interval"]["spike"][size]
        if low > cap[1]:
            up.append(f"{size} %")
        elif high < cap[0]:
            down.append(f"{size} %")
    return up, down


def _but(down: Sequence[str]) -> str:
    return f", below at {', '.join(down)}" if down else ""


def _most(values: Mapping[str, Any]) -> tuple[str, Any]:
    return max(values.items(), key=lambda item: item[1])


def _met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def overview(summary: Mapping[str, Mapping[str, _Figures]], about: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row for each series: recall of one size of spike, by detector."""
    shown = list(dict.fromkeys(name for detectors in summary.values() for name in detectors if name != "cap"))
    rows = []
    for key, detectors in summary.items():
        size = headline(key, about[key]["sizes"])
        best = detectors.get("peers", {})
        cap = next(iter(detectors.values()))["cap_recall"]["spike"][size]
        row = [f"`{key}`", _peer(about[key]), f"{size} %", _percent(cap)]
        row += [_compared(detectors.get(name), size) for name in shown]
        row += [_percent(best.get("joint_recall", {}).get("spike", {}).get(size))]
        rows.append([*row, _percent(best.get("peer_lie_holds_own"), 1)])
    header = ["", "peer", "spike", "cap", *(f"`{name}`" for name in shown), "joint lie", "peer's lie holds"]
    return _table(header, rows)


def _peer(told: Mapping[str, Any]) -> str:
    return f"`{told['peer']}` ({told['correlation']:.2f})" if told["peer"] else "–"


def _introduction(key: str, told: Mapping[str, Any]) -> str:
    first, last = (dt.datetime.fromtimestamp(told[end], dt.UTC).date() for end in ("from", "to"))
    peer = f"; its peer is `{told['peer']}`" if told["peer"] else ""
    joins = f"; holds after {told['not_counted']} nights or joins are not counted" if told["not_counted"] else ""
    return (
        f"`{key}`: {told['reports']:,} reports, {first} to {last}; sigma {told['sigma_ppm']:,} ppm, at most "
        f"{told['max_repeats']} repeats, {told['confirmations']} confirmations over {told['confirm_delay']:,} s{peer}"
        f"{joins}. All limits scaled with hindsight so that at most 5 of 10,000 reports are held:"
    )


def spike_table(detectors: Mapping[str, _Figures], sizes: Sequence[str]) -> str:
    """Return recall of spikes by size, and what a lying peer does, with the limits scaled."""
    first = next(iter(detectors.values()))
    rows = [["a cap", *(_percent(first["cap_recall"]["spike"][size]) for size in sizes), "", "", "", ""]]
    for name, figures in detectors.items():
        joint = figures["joint_recall"].get("spike", {})
        middle = sizes[len(sizes) // 2]
        rows.append(
            [
                f"`{name}`",
                *(_compared(figures, size) for size in sizes),
                _percent(joint.get(middle)),
                _percent(figures["peer_lie_holds_own"], 1),
                str(figures["shock_rounds_max"]),
                "–" if figures["flips"] is None else str(figures["flips"]),
            ]
        )
    header = ["spikes seen, %", *(f"{size} %" for size in sizes)]
    return _table(
        [*header, f"joint lie of {sizes[len(sizes) // 2]} %", "peer's lie of 3 σ holds", "shock, rounds", "flips"], rows
    )


def learnt_table(detectors: Mapping[str, _Figures], sizes: Sequence[str]) -> str:
    """Return false holds and recall with the limits of the first half."""
    rows = []
    for name, figures in detectors.items():
        learnt = figures["learnt_limits"]
        low, high = learnt["false_holds_interval"]
        rows.append(
            [
                f"`{name}`",
                f"{learnt['false_holds_per_10k']:.1f}",
                f"{low:.1f}–{high:.1f}",
                *(_compared(learnt, size) for size in sizes),
                str(learnt["shock_rounds_max"]),
            ]
        )
    return _table(["", "held of 10,000", "95 % interval", *(f"{size} %" for size in sizes), "shock, rounds"], rows)


def drift_table(detectors: Mapping[str, _Figures]) -> str:
    """Return how many drifts were held at least once, and the share of their wrong answers that became rounds."""
    rows = []
    for name, figures in detectors.items():
        seen, wrote = figures["recall"].get("drift"), figures["written_wrong"].get("drift")
        if seen and wrote:
            cells = [f"{_percent(seen.get(speed))} ({_percent(wrote.get(speed))})" for speed in _DRIFTS]
            rows.append([f"`{name}`", *cells])
    return _table(["% held (written)", *(f"{speed} %" for speed in _DRIFTS)], rows) if rows else ""


def _compared(figures: _Figures | None, size: str) -> str:
    """Return recall in percent: bold where it is above the cap beyond both intervals, struck where it is below."""
    if figures is None:
        return "–"
    text = _percent(figures["recall"]["spike"].get(size))
    own, cap = (figures[side]["spike"].get(size) for side in ("recall_interval", "cap_recall_interval"))
    if own is None or cap is None or text == "–":
        return text
    return f"**{text}**" if own[0] > cap[1] else f"~~{text}~~" if own[1] < cap[0] else text


def _percent(share: float | None, digits: int = 0) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(header), " | ".join("---" if index == 0 else "---:" for index in range(len(header)))]
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(row) for row in rows)])
