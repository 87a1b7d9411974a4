"""A comparison for people and for machines: tables on a terminal, one HTML file that needs nothing else, JSON."""

from __future__ import annotations

import base64
import datetime as dt
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from oracle.core.errors import DataError
from oracle.core.statistics import Rate
from oracle.core.types import Kind
from oracle.detectors.evaluation import nab, plots
from oracle.detectors.evaluation.comparison import PER, Comparison, Evaluation, FaultRate

__all__ = [
    "document",
    "duration",
    "moment",
    "nab_document",
    "print_comparison",
    "print_nab",
    "recall_text",
    "to_html",
    "write",
]

FORMAT = "detector-evaluation-v1"

GROUPS = {
    "gross": "Gross faults",
    "spike": "Spikes of one tick",
    "pair": "Up and down again",
    "stuck": "Stuck values",
    "delay": "Old values with new times",
    "drift": "Slow drift",
    "source": "One of several sources lies",
    "own": "Your own",
    "real": "Looks like the market: must pass, or clear",
}

_LAST = 3
"""Columns of a table of faults that are of the first detector only."""

_ROOM = 80
"""Characters that the other columns take."""

_PICTURES = {
    "series": "The series with its largest real moves (circles), and below each report that was held.",
    "scores": "How near each report was to the detector's limit: above 1 it objects.",
    "recall": "Recall by size, with 95 % intervals. Dashed: the cap with as many false holds.",
    "curve": "What scaling all limits would give; the shaded part holds at most 5 of 10,000.",
}


def document(comparison: Comparison) -> dict[str, Any]:
    """All figures, for machines: the same for the same data, models and seed."""
    prepared = comparison.prepared
    recording, feed = prepared.recording, prepared.feed
    return {
        "format": FORMAT,
        "recording": {
            "name": recording.name,
            "venues": list(recording.venues),
            "ticks": len(recording),
            "evaluated": prepared.evaluated,
            "first": moment(recording.times[prepared.begin]),
            "last": moment(recording.times[-1]),
        },
        "feed": {
            "kind": feed.kind.name.lower(),
            "decimals": feed.decimals,
            "sigma": feed.sigma,
            "heartbeat": feed.heartbeat,
            **asdict(feed.policy),
            "min_sources": feed.aggregation.min_sources,
            "max_source_spread": None if feed.aggregation.max_spread is None else str(feed.aggregation.max_spread),
        },
        "seed": comparison.seed,
        "scaled_to": comparison.scale_to,
        "skipped": comparison.skipped,
        "detectors": [
            {**_figures(evaluation), "cap": _figures(comparison.cap_of(evaluation))}
            for evaluation in comparison.evaluations
        ],
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    holds = evaluation.false_holds
    return {
        "name": evaluation.name,
        "factor": _rounded(evaluation.factor),
        "reports": holds.of,
        "false_holds": holds.hits,
        "false_holds_per_10000": _rounded((holds.share or 0.0) * PER),
        "false_holds_interval": [_rounded(holds.low * PER), _rounded(holds.high * PER)],
        "episodes": evaluation.episodes,
        "longest_hold": {"reports": evaluation.longest, "seconds": evaluation.longest_s},
        "reasons": evaluation.reasons,
        "silent": evaluation.silent,
        "flips": None if evaluation.flips is None else {"flips": evaluation.flips.hits, "of": evaluation.flips.of},
        "shocks": [
            {**asdict(shock), "move": _rounded(shock.move), "sigmas": _rounded(shock.sigmas)}
            for shock in evaluation.shocks
        ],
        "faults": {fault.kind: _fault(fault) for fault in evaluation.faults},
        "curve": [
            {
                "factor": point.factor,
                "false_holds_per_10000": _rounded(point.false_holds),
                "spike_recall": _rounded(point.recall),
            }
            for point in evaluation.curve
        ],
    }


def _fault(fault: FaultRate) -> dict[str, Any]:
    return {
        "group": fault.group,
        "ticks": fault.ticks,
        "must_pass": fault.real,
        "tried": fault.tried,
        "disturbed": fault.disturbed,
        "held": fault.recall.hits,
        "recall": None if fault.recall.share is None else _rounded(fault.recall.share),
        "interval": [_rounded(fault.recall.low), _rounded(fault.recall.high)],
        "latency_ticks": fault.latency,
        "latency_ticks_p95": fault.latency_p95,
        "latency_seconds": fault.latency_s,
        "written_mean": _rounded(fault.written),
        "worst_error_p95": _rounded(fault.worst),
        "held_mean": _rounded(fault.held),
        "held_most": fault.held_max,
        "held_longest_seconds": fault.held_s_max,
        "true_held_after_mean": _rounded(fault.after),
        "cleared": None if fault.cleared.share is None else _rounded(fault.cleared.share),
        "silent_mean": _rounded(fault.silent),
    }


def _rounded(value: float) -> float:
    """Six significant digits: more would only differ between machines."""
    return float(f"{value:.6g}")


def moment(time: int) -> str:
    """Unix seconds as ISO 8601."""
    return dt.datetime.fromtimestamp(time, dt.UTC).isoformat().replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Seconds for people: "45 s", "12 min", "3 h", "2 d"."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def recall_text(rate: Rate) -> str:
    """A share in percent with its interval, for instance "98.3 (96–99)"."""
    if rate.share is None:
        return "–"
    low, high = math.floor(rate.low * 100), math.ceil(rate.high * 100)
    return f"{rate.share * 100:.1f} ({low}–{high})"


def _per(evaluation: Evaluation) -> str:
    rate = evaluation.false_holds
    return f"{(rate.share or 0.0) * PER:.1f} ({rate.low * PER:.1f}–{rate.high * PER:.1f})"


def _clean_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    header = [
        "detector",
        "false holds per 10,000",
        "holds",
        "longest",
        "largest real moves: held",
        "at most",
        "flips float → integer",
    ]
    rows = []
    for evaluation in comparison.all:
        shocks = evaluation.shocks
        worst = max(shocks, key=lambda shock: (shock.held, shock.held_s), default=None)
        flips = evaluation.flips
        rows.append(
            [
                "  its cap" if evaluation.matched else evaluation.name,
                _per(evaluation),
                str(evaluation.episodes),
                f"{_rounds(evaluation.longest)}, {duration(evaluation.longest_s)}" if evaluation.longest else "–",
                f"{sum(shock.held > 0 for shock in shocks)} of {len(shocks)}",
                f"{_rounds(worst.held)}, {duration(worst.held_s)}" if worst and worst.held else "–",
                "–" if flips is None else f"{flips.hits} of {flips.of:,}",
            ]
        )
    return header, rows


def _rounds(count: int) -> str:
    return f"{count} round" if count == 1 else f"{count} rounds"


def _fault_rows(comparison: Comparison) -> list[tuple[str, list[list[str]]]]:
    """By group: name, ticks, and for each detector its recall and its cap's; then latency and worst written error."""
    kinds = {fault.kind: fault for fault in comparison.evaluations[0].faults}
    by_group: dict[str, list[FaultRate]] = {}
    for fault in kinds.values():
        by_group.setdefault(fault.group, []).append(fault)
    order = [*GROUPS, *(group for group in by_group if group not in GROUPS)]
    found = []
    for group in order:
        if group not in by_group:
            continue
        rows = []
        for fault in sorted(by_group[group], key=lambda fault: (fault.size, fault.kind)):
            cells = [fault.kind, str(fault.ticks), str(fault.tried)]
            for evaluation in comparison.evaluations:
                own, cap = evaluation.fault(fault.kind), comparison.cap_of(evaluation).fault(fault.kind)
                cells += ["–" if each is None else _fault_text(each) for each in (own, cap)]
            first = comparison.evaluations[0].fault(fault.kind)
            assert first is not None
            cells += [_latency(first), _worst(first, comparison), f"{first.after:.2g}"]
            rows.append(cells)
        found.append((GROUPS.get(group, group), rows))
    return found


def _fault_text(fault: FaultRate) -> str:
    if not fault.real:
        return recall_text(fault.recall)
    cleared = "–" if fault.cleared.share is None else f"{fault.cleared.share:.0%}"
    return f"{fault.held:.1f} held, {cleared} clear"


def _latency(fault: FaultRate) -> str:
    if fault.latency is None or fault.ticks == 1:
        return "–"
    return f"{fault.latency:g} ({fault.latency_p95:g})"


def _worst(fault: FaultRate, comparison: Comparison) -> str:
    if not fault.worst:
        return "–"
    relative = comparison.prepared.feed.kind is Kind.RELATIVE
    return f"{fault.worst:.2%}" if relative else f"{fault.worst:.1f} σ"


def _fault_header(comparison: Comparison) -> list[str]:
    names = [name for evaluation in comparison.evaluations for name in (evaluation.name, "its cap")]
    return ["fault", "ticks", "tried", *names, "ticks to the first hold", "written error", "true ones held after"]


def _headline(comparison: Comparison) -> str:
    prepared = comparison.prepared
    recording, feed = prepared.recording, prepared.feed
    unit = "ppm" if feed.kind is Kind.RELATIVE else "answer units"
    policy = feed.policy
    repeats = f"at most {policy.max_repeats} repeats" if policy.max_repeats else "no repeat rule"
    return (
        f"{prepared.evaluated:,} of {len(recording):,} ticks, {moment(recording.times[prepared.begin])[:10]} to "
        f"{moment(recording.times[-1])[:10]}; sigma {feed.sigma:,} {unit} per {duration(feed.heartbeat)}; "
        f"{policy.confirmations} confirmations over {duration(policy.confirm_delay)}, tolerance "
        f"{policy.tolerance / 1000:g} σ, {repeats}; {_venues(comparison)}; seed {comparison.seed}"
        + (
            ""
            if comparison.scale_to is None
            else f"; scaled, with hindsight, to {comparison.scale_to:g} of 10,000 held"
        )
    )


def _venues(comparison: Comparison) -> str:
    count, aggregation = len(comparison.prepared.recording.venues), comparison.prepared.feed.aggregation
    if count == 1:
        return "one source"
    unit = " ppm" if aggregation.kind is Kind.RELATIVE else ""
    spread = "any spread" if aggregation.max_spread is None else f"at most {aggregation.max_spread:f}{unit} apart"
    return f"median of {count} sources, {aggregation.min_sources} at least, {spread}"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """The tables, on a terminal."""
    console.print(f"[bold]{comparison.prepared.recording.name}[/bold]: {_headline(comparison)}", highlight=False)
    columns, rows = _clean_rows(comparison)
    table = Table(title="The recording as it is: all of it must pass", title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    faults = Table(title="Faults that are held, in % (95 % interval)", title_justify="left")
    header = _fault_header(comparison)
    # What a narrow terminal has no room for is in the report.
    shown = len(header) if console.width >= _ROOM + 14 * len(comparison.all) else len(header) - _LAST
    for index, name in enumerate(header[:shown]):
        faults.add_column(name, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for _, lines in _fault_rows(comparison):
        faults.add_section()
        for line in lines:
            faults.add_row(*line[:shown])
    console.print(faults)
    for kind, why in comparison.skipped.items():
        console.print(f"not tried: {kind}: {why}", highlight=False)


def nab_document(results: Mapping[str, Sequence[nab.Score]]) -> dict[str, Any]:
    """Scores on Numenta's benchmark, for machines."""
    return {
        "format": "nab-scores-v1",
        "detectors": {
            name: {
                score.profile: {
                    "score": _rounded(score.score),
                    "threshold": None if math.isinf(score.threshold) else _rounded(score.threshold),
                    "windows_found": score.found,
                    "windows": score.windows,
                    "false_positives": score.false_positives,
                }
                for score in scores
            }
            for name, scores in results.items()
        },
        "published": {name: list(scores) for name, scores in nab.PUBLISHED.items()},
    }


def print_nab(results: Mapping[str, Sequence[nab.Score]], console: Console) -> None:
    """Scores on Numenta's benchmark among the published ones, best first."""
    table = Table(title="Numenta Anomaly Benchmark: 0 is a silent detector, 100 a perfect one", title_justify="left")
    table.add_column("detector")
    for profile in nab.PROFILES:
        table.add_column(profile.name.replace("_", " "), justify="right")
    table.add_column("windows found", justify="right")
    rows: list[tuple[tuple[float, ...], str, str]] = [(scores, name, "") for name, scores in nab.PUBLISHED.items()]
    for name, given in results.items():
        scores = tuple(score.score for score in given)
        rows.append((scores, f"[bold]{name}[/bold]", f"{given[0].found} of {given[0].windows}"))
    for scores, name, found in sorted(rows, key=lambda row: -row[0][0]):
        table.add_row(name, *(f"{score:.1f}" for score in scores), found)
    console.print(table)
    console.print("Published: NAB's own scoreboard, version 1.0. Bold: run here.", highlight=False)


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Writes report.html, report.json and the plots into a folder.

    Raises:
        ToolMissing: matplotlib is not installed.
        DataError: The folder can't be written to.
    """
    pictures = plots.draw(comparison)
    contents = {
        "report.json": json.dumps(document(comparison), indent=2, ensure_ascii=False).encode() + b"\n",
        "report.html": to_html(comparison, pictures).encode(),
        **{f"{name}.png": picture for name, picture in pictures.items()},
    }
    return [write_file(out / name, content) for name, content in contents.items()]


def write_file(path: Path, content: bytes) -> Path:
    """Writes a file, and the folders above it.

    Raises:
        DataError: It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path}: can't be written: {error.strerror}") from error
    return path


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
p.about { color: #555; margin-top: 0; } figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { color: #555; }
div.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e6e6e6; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; border-bottom: 2px solid #999; }
th:first-child, td:first-child { text-align: left; white-space: pre; }
tr.group td { font-weight: 600; padding-top: .8rem; }
td.bad { background: #fbe3e1; } td.good { background: #e5f3e8; }
"""


def to_html(comparison: Comparison, pictures: Mapping[str, bytes]) -> str:
    """One page with everything in it: no script, nothing from elsewhere."""
    name = html.escape(comparison.prepared.recording.name)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>Detectors on {name}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Detectors on {name}</h1>",
        f'<p class="about">{html.escape(_headline(comparison))}</p>',
        "<h2>The recording as it is: all of it must pass</h2>",
        _html_table(*_clean_rows(comparison)),
        _picture("series", pictures),
        "<h2>Faults that are held, in % (95 % interval)</h2>",
        '<p class="about">Each fault is replayed on its own, from the feed as it is at its place. Beside each detector '
        "stands the static cap that has as many false holds on these very ticks. The last three columns are of the "
        "first detector: ticks until the first hold (median, 95th percentile), 95th percentile of the largest error "
        "that was written, and true reports that were held after the fault. Green and red cells differ from the cap "
        "beyond both intervals.</p>",
        _html_faults(comparison),
        *(_picture(each, pictures) for each in ("recall", "curve", "scores")),
        "<h2>The largest real moves</h2>",
        _html_shocks(comparison),
    ]
    if comparison.skipped:
        items = "".join(f"<li>{html.escape(f'{kind}: {why}')}</li>" for kind, why in comparison.skipped.items())
        parts.append(f"<h2>Not tried</h2><ul>{items}</ul>")
    return "\n".join([*(part for part in parts if part), "</body></html>", ""])


def _picture(name: str, pictures: Mapping[str, bytes]) -> str:
    if name not in pictures:
        return ""
    data = base64.b64encode(pictures[name]).decode()
    caption = html.escape(_PICTURES[name])
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _html_table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _html_faults(comparison: Comparison) -> str:
    header = _fault_header(comparison)
    lines = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in header)}</tr>"]
    for group, rows in _fault_rows(comparison):
        lines.append(f'<tr class="group"><td colspan="{len(header)}">{html.escape(group)}</td></tr>')
        for row in rows:
            cells = []
            for index, cell in enumerate(row):
                shade = ""
                if 3 <= index < 3 + 2 * len(comparison.evaluations) and index % 2:
                    shade = _shade(comparison, (index - 3) // 2, row[0])
                cells.append(f"<td{shade}>{html.escape(cell)}</td>")
            lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _shade(comparison: Comparison, position: int, kind: str) -> str:
    evaluation = comparison.evaluations[position]
    own, cap = evaluation.fault(kind), comparison.cap_of(evaluation).fault(kind)
    if own is None or cap is None or own.real:
        return ""
    if own.recall.low > cap.recall.high:
        return ' class="good"'
    return ' class="bad"' if own.recall.high < cap.recall.low else ""


def _html_shocks(comparison: Comparison) -> str:
    relative = comparison.prepared.feed.kind is Kind.RELATIVE
    header = ["when", "move", "σ for its time gap", *(_shock_label(evaluation) for evaluation in comparison.all)]
    rows = []
    for rank, shock in enumerate(comparison.evaluations[0].shocks):
        row = [
            moment(shock.time).replace("T", " ").replace("Z", ""),
            f"{shock.move:+.2%}" if relative else f"{shock.move:+.1f} σ",
            f"{shock.sigmas:.1f}",
        ]
        for evaluation in comparison.all:
            held = evaluation.shocks[rank]
            row.append(f"{_rounds(held.held)}, {duration(held.held_s)}" if held.held else "passed")
        rows.append(row)
    return _html_table(header, rows)


def _shock_label(evaluation: Evaluation) -> str:
    return "its cap" if evaluation.matched else evaluation.name
