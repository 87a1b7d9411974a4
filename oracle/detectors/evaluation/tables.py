"""The tables of an evaluation as text, cell by cell: for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.core.times import utc
from oracle.core.types import Kind
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.trials import Lie
from oracle.detectors.evaluation.wording import duration, recall_text, rounds

__all__ = [
    "FACTS",
    "clean_rows",
    "detail_header",
    "detail_rows",
    "fact_rows",
    "fault_groups",
    "fault_header",
    "fault_rows",
    "headline",
    "shock_rows",
]

GROUPS = {
    ("gross", Lie.OWN): "Gross faults",
    ("spike", Lie.OWN): "Spikes of one tick",
    ("spike", Lie.JOINT): "Spikes, the first peer lies along",
    ("spike", Lie.BLIND): "Spikes while the first peer isn't seen",
    ("pair", Lie.OWN): "Up and down again",
    ("stuck", Lie.OWN): "Stuck values",
    ("delay", Lie.OWN): "Old values with new times",
    ("drift", Lie.OWN): "Slow drift",
    ("drift", Lie.JOINT): "Slow drift, the first peer drifts along",
    ("source", Lie.OWN): "One of several sources lies: harmless",
    ("own", Lie.OWN): "Your own",
    ("peer", Lie.OWN): "Only the first peer lies: honest rounds that are held",
    ("real", Lie.OWN): "Looks like the market: must pass, or clear",
}
"""Titles of the groups of faults, in their order."""

FACTS = (
    "false holds per 10,000",
    "why",
    "holds",
    "longest hold",
    "off meanwhile: mean, most",
    "held in bad stretches",
    "ticks without an answer",
    "largest moves held",
    "at most",
    "flips float → integer",
)
"""The names of the facts about a recording as it is."""


def _per(evaluation: Evaluation) -> str:
    rate = evaluation.false_holds
    return f"{(rate.share or 0.0) * PER:.1f} ({rate.low * PER:.1f}–{rate.high * PER:.1f})"


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in reasons.items()) or "–"


def _off(mean: float, worst: float, comparison: Comparison) -> str:
    if not worst:
        return "–"
    if comparison.prepared.feed.kind is Kind.RELATIVE:
        return f"{_percent(mean)}, {_percent(worst)}"
    return f"{mean:.2g} σ, {worst:.2g} σ"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.995 else f"{share * 100:,.0f} %"


def _facts(evaluation: Evaluation, comparison: Comparison) -> list[str]:
    """Return the FACTS of a detector, or of a cap."""
    shocks, flips = evaluation.shocks, evaluation.flips
    at_most = f"{rounds(evaluation.shock_rounds_max)}, {duration(evaluation.shock_seconds_max)}"
    return [
        _per(evaluation),
        _reasons(evaluation.reasons),
        str(evaluation.episodes),
        f"{rounds(evaluation.longest)}, {duration(evaluation.longest_s)}" if evaluation.longest else "–",
        _off(evaluation.error_held, evaluation.worst_held, comparison),
        _reasons(evaluation.excused),
        f"{evaluation.silent:,}" if evaluation.silent else "–",
        f"{sum(shock.held > 0 for shock in shocks)} of {len(shocks)}",
        at_most if evaluation.shock_rounds_max else "–",
        "–" if flips is None else f"{flips.hits} of {flips.of:,}",
    ]


def clean_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of the recording as it is: each detector, then its cap."""
    rows = [
        ["  its cap" if evaluation.matched else evaluation.name, *_facts(evaluation, comparison)]
        for evaluation in comparison.all
    ]
    return ["detector", *FACTS], rows


def fact_rows(comparison: Comparison, evaluation: Evaluation) -> list[list[str]]:
    """Return the facts about the recording as it is, line by line: name, of a detector, of its cap."""
    own, cap = _facts(evaluation, comparison), _facts(comparison.cap_of(evaluation), comparison)
    return [list(row) for row in zip(FACTS, own, cap, strict=True)]


def fault_groups(comparison: Comparison) -> list[tuple[str, list[FaultRate]]]:
    """Return title and faults of each group, as the first detector has them."""
    by_group: dict[tuple[str, Lie], list[FaultRate]] = {}
    for fault in comparison.evaluations[0].faults:
        by_group.setdefault((fault.group, fault.lie), []).append(fault)
    order = [*GROUPS, *(group for group in by_group if group not in GROUPS)]
    return [
        (GROUPS.get(group, group[0]), sorted(by_group[group], key=lambda fault: (fault.size, fault.kind)))
        for group in order
        if group in by_group
    ]


def fault_header(comparison: Comparison) -> list[str]:
    """Return the header of the table of faults."""
    names = [name for evaluation in comparison.evaluations for name in (evaluation.name, "its cap")]
    return ["fault", "ticks", "tried", *names]


def fault_rows(comparison: Comparison) -> list[tuple[str, list[list[str]]]]:
    """Return title and rows of each group of faults: how often each detector, and its cap, held one at least once."""
    found = []
    for title, faults in fault_groups(comparison):
        rows = []
        for fault in faults:
            cells = [fault.kind, str(fault.ticks), str(fault.tried)]
            for evaluation in comparison.evaluations:
                for each in (evaluation, comparison.cap_of(evaluation)):
                    own = each.fault(fault.kind, fault.lie)
                    cells.append("–" if own is None else _fault_text(own))
            rows.append(cells)
        found.append((title, rows))
    return found


def detail_header() -> list[str]:
    """Return the header of the table of what became of the faults with one detector."""
    return [
        "fault",
        "held at least once",
        "wrong ones written",
        "off: mean, most",
        "off while held: mean, most",
        "ticks to the first hold",
        "true ones held after",
        "ticks without an answer",
        "first hold",
    ]


def detail_rows(comparison: Comparison, evaluation: Evaluation) -> list[tuple[str, list[list[str]]]]:
    """Return title and rows of each group of faults: what was written, and what a reader saw, with one detector."""
    found = []
    for title, faults in fault_groups(comparison):
        rows = []
        for each in faults:
            fault = evaluation.fault(each.kind, each.lie)
            if fault is None:
                continue
            rows.append(
                [
                    fault.kind,
                    _fault_text(fault),
                    written_text(fault),
                    _off(fault.error_written, fault.worst_written, comparison),
                    _off(fault.error_held, fault.worst_held, comparison),
                    _latency(fault),
                    f"{fault.after:.2g}",
                    f"{fault.silent:.2g}" if fault.silent else "–",
                    _reasons(fault.reasons),
                ]
            )
        found.append((title, rows))
    return found


def written_text(fault: FaultRate) -> str:
    """Return how many of the wrong answers of a fault became rounds: "13 %", or "59 of 100" if there are several."""
    if not fault.wrong:
        return "–"
    return (
        f"{fault.written:.3g} of {fault.wrong:.3g}" if fault.ticks > 1 else f"{fault.written / fault.wrong * 100:.3g} %"
    )


def _fault_text(fault: FaultRate) -> str:
    if not fault.real or fault.group == "peer":
        return recall_text(fault.recall)
    cleared = "–" if fault.cleared.share is None else f"{fault.cleared.share:.0%}"
    return f"{fault.held:.1f} held, {cleared} clear"


def _latency(fault: FaultRate) -> str:
    if fault.latency is None or fault.ticks == 1:
        return "–"
    return f"{fault.latency:g} ({fault.latency_p95:g})"


def headline(comparison: Comparison) -> str:
    """Return what was evaluated on what, in one sentence."""
    prepared = comparison.prepared
    recording, feed = prepared.recording, prepared.feed
    unit = "ppm" if feed.kind is Kind.RELATIVE else "answer units"
    policy = feed.policy
    repeats = f"at most {policy.max_repeats} repeats" if policy.max_repeats else "no repeat rule"
    return (
        f"{prepared.evaluated:,} of {len(recording):,} ticks, {utc(recording.times[prepared.begin])[:10]} to "
        f"{utc(recording.times[-1])[:10]}; sigma {feed.sigma:,} {unit} per {duration(feed.heartbeat)}; "
        f"{policy.confirmations} confirmations over {duration(policy.confirm_delay)}, tolerance "
        f"{policy.tolerance / 1000:g} σ, {repeats}; {_venues(comparison)}"
        f"{_peers(comparison)}; seed {comparison.seed}"
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


def _peers(comparison: Comparison) -> str:
    peers = comparison.prepared.feed.peers
    if not peers:
        return "; no peer"
    told = ", ".join(
        f"{peer.name} (sigma {peer.sigma:,}{' ppm' if peer.kind is Kind.RELATIVE else ''})" for peer in peers
    )
    return f"; {'peers' if len(peers) > 1 else 'peer'} {told}"


def shock_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of the largest real moves: what each detector and its cap did."""
    relative = comparison.prepared.feed.kind is Kind.RELATIVE
    header = ["when", "move", "σ for its time gap", *(_shock_label(evaluation) for evaluation in comparison.all)]
    rows = []
    for rank, shock in enumerate(comparison.evaluations[0].shocks):
        row = [
            utc(shock.time).replace("T", " ").replace("Z", ""),
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
