"""The summary of a network's demonstration: from the chain's events, and from what the honest members have signed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.app.local_network.judging import HonestAnswers, harmed_turns
from oracle.app.local_network.ways import Way
from oracle.audit.report import AuditReport
from oracle.chain.hub import RoundEvent
from oracle.core.statistics import percentile
from oracle.demo.audited import audited

__all__ = ["NetworkPlayed", "network_audited", "summarise_network"]


@dataclass(frozen=True)
class NetworkPlayed:
    """A network's demonstration that has been played.

    Attributes:
        turns: The turns that were played, in order.
        turn_s: Seconds of a turn.
        feeds: The feeds' ids.
        events: The rounds of the hub as of these turns, in order.
        honest: What honest members have signed.
        plans: The faulty members' plans: a way for each turn, by the member's name.
        transmitters: The members' names by the addresses that pay.
        honest_transmitters: Those of the addresses that are honest members'.
        latencies: Seconds from due to confirmed.
        messages: Messages that honest members have begun to exchange, answers included.
        evidence: The kinds of faults that honest members have noted, by the address of whom they accuse.
    """

    turns: Sequence[int]
    turn_s: int
    feeds: Sequence[bytes]
    events: Sequence[RoundEvent]
    honest: HonestAnswers
    plans: Mapping[str, Mapping[int, Way]]
    transmitters: Mapping[str, str]
    honest_transmitters: Collection[str] = ()
    latencies: Sequence[float] = ()
    messages: int = 0
    evidence: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def turn_of(self, event: RoundEvent) -> int:
        """Return the turn in which a round was observed."""
        return event.observed_at // self.turn_s


def summarise_network(played: NetworkPlayed, reporters: int, quorum: int) -> dict[str, Any]:
    """Return the key `network` of the summary.

    Args:
        played: What was played.
        reporters: The number of members.
        quorum: How many have to answer.
    """
    # As many turns in a row as there are faulty members may be lost: each may hold one.
    lost = max(1, len(played.plans))
    harmed = harmed_turns(played.events, played.honest, played.feeds, played.turns, played.turn_s, lost=lost)
    ways: dict[str, dict[str, int]] = {}
    for plan in played.plans.values():
        for turn in played.turns:
            way = plan.get(turn)
            if way is not None:
                counted = ways.setdefault(way.value, {"injected": 0, "harmed": 0})
                counted["injected"] += 1
                counted["harmed"] += turn in harmed
    reports = list({event.tx_hash: event for event in played.events}.values())
    by_name = Counter(played.transmitters.get(event.submitter, event.submitter) for event in reports)
    honest = played.honest_transmitters
    from_honest = sum(event.submitter in honest for event in reports)
    on_time = {(event.feed_id, played.turn_of(event)) for event in played.events}
    return {
        "reporters": reporters,
        "quorum": quorum,
        "turns": len(played.turns),
        "rounds": len(played.events),
        "late": sum((feed, turn) not in on_time for feed in played.feeds for turn in played.turns),
        "by_transmitter": dict(sorted(by_name.items())),
        "faults": dict(sorted(ways.items())),
        "harm": [f"turn {turn}: {text}" for turn, texts in sorted(harmed.items()) for text in texts],
        "due_to_confirmed_s": {
            "p50": _figure(played.latencies, 50),
            "p95": _figure(played.latencies, 95),
        },
        "messages_per_round": round(played.messages / max(1, from_honest), 1),
        "evidence": _counted(
            kind for member, kinds in played.evidence.items() if member not in honest for kind in kinds
        ),
        "evidence_against_honest": _counted(kind for member in honest for kind in played.evidence.get(member, ())),
    }


def network_audited(report: AuditReport, faulty: Collection[str]) -> dict[str, Any]:
    """Return the key `audit` of the summary, with the readings.

    Args:
        report: The audit.
        faulty: The names of the faulty members: of their readings, some may not be as they say.
    """
    findings = () if report.readings is None else report.readings.findings
    named = Counter(finding.name for finding in findings)
    signatures = () if report.readings is None else report.readings.reporters
    return audited(report) | {
        "ok": report.verified == len(report.findings) and not report.problems and set(named) <= set(faulty),
        "readings": {
            "signatures": sum(each.signatures for each in signatures),
            "verified": sum(each.verified for each in signatures),
            "wrong": dict(sorted(named.items())),
        },
    }


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(kinds).items()))


def _figure(latencies: Iterable[float], rank: int) -> float | None:
    found = list(latencies)
    return round(percentile(found, rank), 3) if found else None
