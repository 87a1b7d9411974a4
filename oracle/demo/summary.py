"""The summary of a demonstration, from the chain's events, and the comparison with the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.audit.report import AuditReport
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.core.statistics import percentile
from oracle.core.types import Outcome
from oracle.demo.acts import Act, follows_a_fault, marked_ticks
from oracle.demo.audited import audited
from oracle.feeds.journal import Entry


@dataclass(frozen=True)
class Performance:
    """A demonstration that has been played.

    Attributes:
        summary: The content of summary.json.
        ok: Nothing went wrong: every report was verified again; the chain agrees with the journal, or no faulty member
            of a network has done harm.
    """

    summary: dict[str, Any]
    ok: bool


def outcome_of(event: RoundEvent) -> Outcome:
    """Return how the report of this event ended."""
    return Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD


def disagreements(events: Sequence[RoundEvent], entries: Sequence[Entry], open_: Sequence[str]) -> list[str]:
    """Return where chain and journal differ; in both, each report has to be exactly once.

    Args:
        events: All events of the hub.
        entries: The journal's accepted and held observations.
        open_: Keys of observations that have not ended in the journal.
    """
    on_chain: Counter[tuple[bytes, int, int, Outcome | None]] = Counter(
        (event.feed_id, event.observed_at, event.answer, outcome_of(event)) for event in events
    )
    journalled = Counter((entry.feed_id, entry.observed_at, entry.answer, entry.outcome) for entry in entries)
    found = [f"{key} has not ended" for key in open_]
    for where, only in (("chain", on_chain - journalled), ("journal", journalled - on_chain)):
        found += [
            f"only the {where} has 0x{feed_id.hex()[:8]}… of {observed_at}: {answer} {outcome}"
            for feed_id, observed_at, answer, outcome in only.elements()
        ]
    return found


def summarise(
    events: Sequence[RoundEvent],
    names: Mapping[bytes, str],
    played: Sequence[Act],
    latencies: Sequence[float],
    gas: Sequence[int],
    report: AuditReport,
) -> dict[str, Any]:
    """Return the summary, from the chain's events. A fault of several ticks counts once, as held if one of them is.

    A true value that is held counts as a false hold, unless it was judged against a fault that had been written, or
    against a peer's fault: such holds are counted apart, as `held_after_faults`.
    """
    marked = marked_ticks(played)
    held = [event for event in events if outcome_of(event) is Outcome.HELD]
    kinds: dict[str, dict[str, int]] = {}
    faults = {
        (fault.kind, fault.feed, fault.first, act) for act, each in enumerate(played) for fault in each.injections
    }
    caught = set()
    false_holds = after_faults = 0
    levels: dict[bytes, int] = {}
    for event in events:
        level = levels.get(event.feed_id, 0)
        if outcome_of(event) is Outcome.ACCEPTED:
            levels[event.feed_id] = event.observed_at
            continue
        feed = names[event.feed_id]
        found = marked.get((feed, event.observed_at))
        if found is None:
            consequence = follows_a_fault(marked, feed, event.observed_at, level)
            after_faults += consequence
            false_holds += not consequence
        else:
            act, fault = found
            caught.add((fault.kind, fault.feed, fault.first, act))
    for marked_fault in sorted(faults):
        counted = kinds.setdefault(marked_fault[0], {"injected": 0, "held": 0})
        counted["injected"] += 1
        counted["held"] += marked_fault in caught
    return {
        "observations": len(events),
        "accepted": len(events) - len(held),
        "held": len(held),
        "faults": kinds,
        "false_holds": false_holds,
        "held_after_faults": after_faults,
        "confirmed_regime_changes": sum(isinstance(event, RoundAccepted) and event.confirmed for event in events),
        "latency_s": {"p50": round(percentile(latencies, 50), 3), "p95": round(percentile(latencies, 95), 3)},
        "submissions": len(gas),
        "gas_per_submission": round(sum(gas) / len(gas)),
        "gas_per_observation": round(sum(gas) / len(events)),
        "audit": audited(report),
    }
