"""The tables of an evaluation as text, cell by cell: for a terminal and for the page."""

from __future__ import annotations

from oracle.core.types import Kind
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.wording import duration, moment, recall_text, rounds

__all__ = ["clean_rows", "fault_header", "fault_rows", "headline", "shock_rows"]

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


def _per(evaluation: Evaluation) -> str:
    rate = evaluation.false_holds
    return f"{(rate.share or 0.0) * PER:.1f} ({rate.low * PER:.1f}–{rate.high * PER:.1f})"


def clean_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of the recording as it is: each detector, then its cap."""
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
                f"{rounds(evaluation.longest)}, {duration(evaluation.longest_s)}" if evaluation.longest else "–",
                f"{sum(shock.held > 0 for shock in shocks)} of {len(shocks)}",
                f"{rounds(worst.held)}, {duration(worst.held_s)}" if worst and worst.held else "–",
                "–" if flips is None else f"{flips.hits} of {flips.of:,}",
            ]
        )
    return header, rows


def fault_rows(comparison: Comparison) -> list[tuple[str, list[list[str]]]]:
    """Return title and rows of each group of faults; see `fault_header` for the columns."""
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


def fault_header(comparison: Comparison) -> list[str]:
    """Return the header of the table of faults. Its last three columns tell of the first detector only."""
    names = [name for evaluation in comparison.evaluations for name in (evaluation.name, "its cap")]
    return ["fault", "ticks", "tried", *names, "ticks to the first hold", "written error", "true ones held after"]


def headline(comparison: Comparison) -> str:
    """Return what was evaluated on what, in one sentence."""
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


def shock_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of the largest real moves: what each detector and its cap did."""
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
            row.append(f"{rounds(held.held)}, {duration(held.held_s)}" if held.held else "passed")
        rows.append(row)
    return header, rows


def _shock_label(evaluation: Evaluation) -> str:
    return "its cap" if evaluation.matched else evaluation.name
