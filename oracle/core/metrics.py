"""The names of all metrics, and their values, which Prometheus's client library keeps.

Each `Metrics` has a registry of its own: nothing is counted in a global one. `docs/metrics.md` lists the names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum, StrEnum
from typing import Any

import prometheus_client as prometheus

from oracle.core.obstacles import Obstacle, ObstacleKind

__all__ = ["Counter", "Distribution", "Gauge", "Metrics"]


class Counter(StrEnum):
    """Things that are counted, for each feed."""

    OBSERVATIONS = "oracle_observations_total"
    ACCEPTED = "oracle_accepted_total"
    HELD = "oracle_held_total"
    KEPT = "oracle_kept_total"
    SUPERSEDED = "oracle_superseded_total"
    OVERTAKEN = "oracle_overtaken_total"
    FAILED = "oracle_failed_total"
    SOURCE_FAILURES = "oracle_source_failures_total"
    OUTLIERS = "oracle_source_outliers_total"
    RETRIES = "oracle_retries_total"
    REPLACEMENTS = "oracle_transaction_replacements_total"
    SENT_AGAIN = "oracle_transactions_sent_again_total"
    NONCES_FILLED = "oracle_nonces_filled_total"
    FAILOVERS = "oracle_rpc_failovers_total"
    DISAGREEMENTS = "oracle_rpc_disagreements_total"
    UPDATES_SERVED = "oracle_updates_served_total"
    UPDATES_REFUSED = "oracle_updates_refused_total"
    UPDATES_PULLED = "oracle_updates_pulled_total"
    SHADOWS = "oracle_shadow_reports_total"
    SHADOWS_DROPPED = "oracle_shadow_dropped_total"
    MEMBER_FAULTS = "oracle_member_faults_total"


class Distribution(StrEnum):
    """Things that are measured, for each feed."""

    PROVE_SECONDS = "oracle_prove_seconds"
    BATCH = "oracle_batch_observations"
    LATENCY_SECONDS = "oracle_observed_to_confirmed_seconds"
    STEP_SECONDS = "oracle_report_step_seconds"
    GAS = "oracle_submission_gas"
    SHADOW_GAS = "oracle_shadow_gas"
    SHADOW_WAIT_SECONDS = "oracle_shadow_wait_seconds"


OF_ALL = frozenset(
    {
        Counter.REPLACEMENTS,
        Counter.SENT_AGAIN,
        Counter.NONCES_FILLED,
        Counter.FAILOVERS,
        Counter.DISAGREEMENTS,
        Counter.UPDATES_REFUSED,
    }
)
"""The counters of the whole oracle, whose feed is empty."""


class Gauge(StrEnum):
    """Things that have a present value, for each feed. For those of the whole oracle the feed is empty."""

    READY = "oracle_ready"
    ROUND = "oracle_feed_round"
    AGE_SECONDS = "oracle_feed_age_seconds"
    IS_HELD = "oracle_feed_held"
    IS_ENDED = "oracle_feed_ended"
    REPORTERS = "oracle_feed_reporters"
    SPREAD = "oracle_feed_spread_sigma"
    OBSTACLE = "oracle_obstacle"
    SOURCES_AGREEING = "oracle_feed_sources_agreeing"
    SOURCES_SUSPENDED = "oracle_feed_sources_suspended"
    OPEN = "oracle_open_observations"
    UNPROVEN = "oracle_unproven_observations"
    BALANCE_WEI = "oracle_payer_balance_wei"
    REPORTS_LEFT = "oracle_payer_reports_left"
    BUDGET_SPENT_WEI = "oracle_budget_spent_wei"
    BUDGET_LIMIT_WEI = "oracle_budget_limit_wei"
    HEAD_BLOCK = "oracle_chain_head_block"
    ENDPOINTS_HEALTHY = "oracle_rpc_endpoints_healthy"
    ENDPOINTS = "oracle_rpc_endpoints"
    PROOFS_RUNNING = "oracle_proofs_running"
    PROOFS_WAITING = "oracle_proofs_waiting"
    SHADOWS_COMPARED = "oracle_shadow_compared"
    SHADOWS_DEMANDED = "oracle_shadow_demanded"
    MEMBER_ANSWERED = "oracle_member_answered_share"
    MEMBER_DELAY_SECONDS = "oracle_member_delay_seconds"
    MEMBER_DISTANCE = "oracle_member_distance_sigma"
    MEMBER_BIAS = "oracle_member_bias_sigma"
    MEMBER_LAST_SEEN = "oracle_member_last_seen_timestamp_seconds"
    TRANSMITTER_BROUGHT = "oracle_transmitter_brought_share"
    TRANSMITTER_SKEW = "oracle_transmitter_rank_skew"
    TRANSMITTER_LEFT_OUT = "oracle_transmitter_left_out"


HELP: dict[Enum, str] = {
    Counter.OBSERVATIONS: "Observations that were due.",
    Counter.ACCEPTED: "Observations that became a round.",
    Counter.HELD: "Observations that the chain holds.",
    Counter.KEPT: "Observations whose report is kept, for whoever brings it to the chain.",
    Counter.UPDATES_SERVED: "Times that a kept report was served.",
    Counter.UPDATES_REFUSED: "Requests for a kept report that were refused: no token, too many, or no such feed.",
    Counter.UPDATES_PULLED: "Kept reports that somebody has brought to the chain.",
    Counter.SUPERSEDED: "Observations that a newer report overtook.",
    Counter.OVERTAKEN: (
        "Observations that ended before they were proven, as a newer one was due. They count as superseded, too."
    ),
    Counter.FAILED: "Observations that ended with an error.",
    Counter.SOURCE_FAILURES: "Times that a source gave no value.",
    Counter.OUTLIERS: "Readings that were too far from the others and were left out.",
    Counter.RETRIES: "Failures of a feed that were tried again.",
    Counter.REPLACEMENTS: "Stuck transactions that were signed again with higher fees.",
    Counter.SENT_AGAIN: "Times that a transaction was sent again, as the node had forgotten it.",
    Counter.NONCES_FILLED: "Transfers of nothing to oneself that made room for later transactions.",
    Counter.FAILOVERS: "Times that another RPC endpoint was asked from then on, failing back included.",
    Counter.DISAGREEMENTS: "Times that RPC endpoints gave different answers where they have to agree.",
    Counter.SHADOWS: "Shadow reports of a proposed model that the hub has taken.",
    Counter.SHADOWS_DROPPED: "Shadow reports that were begun and given up.",
    Counter.MEMBER_FAULTS: "Faults of a member of the network that this node has seen, by kind.",
    Distribution.PROVE_SECONDS: "Seconds of a proof, witness and verification included.",
    Distribution.BATCH: "Observations of a proof.",
    Distribution.LATENCY_SECONDS: "Seconds from an observation to its confirmation.",
    Distribution.STEP_SECONDS: "Seconds that reports spent on a step between being due and being confirmed, by step.",
    Distribution.GAS: "Gas of an observation: of its transaction, or its share of one with several.",
    Distribution.SHADOW_GAS: (
        "Gas of a shadow report: of its transaction, or its share of one with several. No other figure has it."
    ),
    Distribution.SHADOW_WAIT_SECONDS: "Seconds that a proven report has waited for its shadow to go ahead.",
    Gauge.READY: "1 if a report of every feed could be made now, as /readyz reports it.",
    Gauge.ROUND: "Latest round on the chain.",
    Gauge.AGE_SECONDS: "Seconds since the latest round was observed, by this machine's clock.",
    Gauge.IS_HELD: "1 while an answer is held.",
    Gauge.IS_ENDED: "1 once a fatal error ended the feed.",
    Gauge.REPORTERS: "Reporters that answered in the latest round.",
    Gauge.SPREAD: "How far apart their answers were, in standard deviations.",
    Gauge.OBSTACLE: "1 while this kind of obstacle stands in the way of the feed's next report.",
    Gauge.SOURCES_AGREEING: "Sources whose values made the latest one; 0 if there were too few.",
    Gauge.SOURCES_SUSPENDED: "Sources that are not asked for a while, after many failures.",
    Gauge.OPEN: "Observations in the journal that have not ended.",
    Gauge.UNPROVEN: "Observations that wait for their proof, or are being proven.",
    Gauge.BALANCE_WEI: "What the paying account has.",
    Gauge.REPORTS_LEFT: "Submissions that this pays for at the present price.",
    Gauge.BUDGET_SPENT_WEI: (
        "What transactions have cost in the last 24 hours, with what is set aside for those under way."
    ),
    Gauge.BUDGET_LIMIT_WEI: "What they may cost in any 24 hours; not there without a daily limit.",
    Gauge.HEAD_BLOCK: "Number of the chain's latest block.",
    Gauge.ENDPOINTS_HEALTHY: "RPC endpoints that answer, of the right chain, with a fresh head.",
    Gauge.ENDPOINTS: "RPC endpoints that are configured.",
    Gauge.PROOFS_RUNNING: "Proofs that are being made.",
    Gauge.PROOFS_WAITING: "Proofs that wait for a worker.",
    Gauge.SHADOWS_COMPARED: "Reports that both the active and the proposed model have judged.",
    Gauge.SHADOWS_DEMANDED: "Reports that both have to have judged; 0: no proposal demands any.",
    Gauge.MEMBER_ANSWERED: "Share of the latest 100 turns' reports that the member has answered.",
    Gauge.MEMBER_DELAY_SECONDS: "Seconds that all but the slowest twentieth of its answers took.",
    Gauge.MEMBER_DISTANCE: "Mean distance of its answers from the median of all, in standard deviations.",
    Gauge.MEMBER_BIAS: "The same with its sign: above 0 if its answers are higher.",
    Gauge.MEMBER_LAST_SEEN: "When the member was heard last, unix seconds.",
    Gauge.TRANSMITTER_BROUGHT: "Share of the turns that it used of which a report came onto the chain.",
    Gauge.TRANSMITTER_SKEW: "-1 to 1: above 0 if the answers that it brought were higher than all that were heard.",
    Gauge.TRANSMITTER_LEFT_OUT: (
        "Times in the latest 100 turns that it left out a member whose answers were heard in time."
    ),
}

_BUCKETS: dict[Distribution, tuple[float, ...]] = {
    Distribution.PROVE_SECONDS: (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 5, 10, 30, 60),
    Distribution.BATCH: (1, 2, 4, 8, 16, 32, 64),
    Distribution.LATENCY_SECONDS: (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 900),
    Distribution.STEP_SECONDS: (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300),
    Distribution.GAS: (1e5, 2e5, 4e5, 5e5, 6e5, 7e5, 8e5, 1e6, 1.5e6, 2e6, 5e6),
    Distribution.SHADOW_GAS: (1e5, 2e5, 4e5, 5e5, 6e5, 7e5, 8e5, 1e6, 1.5e6, 2e6, 5e6),
    Distribution.SHADOW_WAIT_SECONDS: (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
}


_MEMBER = ("member",)
_LABELS: dict[Enum, tuple[str, ...]] = {
    Distribution.STEP_SECONDS: ("step",),
    Gauge.OBSTACLE: ("feed", "kind"),
    Counter.MEMBER_FAULTS: ("member", "kind"),
    Gauge.MEMBER_ANSWERED: _MEMBER,
    Gauge.MEMBER_DELAY_SECONDS: _MEMBER,
    Gauge.MEMBER_DISTANCE: _MEMBER,
    Gauge.MEMBER_BIAS: _MEMBER,
    Gauge.MEMBER_LAST_SEEN: _MEMBER,
    Gauge.TRANSMITTER_BROUGHT: _MEMBER,
    Gauge.TRANSMITTER_SKEW: _MEMBER,
    Gauge.TRANSMITTER_LEFT_OUT: _MEMBER,
}
"""The labels of a metric that is not told by feed. The first thing's name is given in place of the feed's."""


class Metrics:
    """The counters, distributions and gauges, by feed."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()

        def made(kind: Any, name: Enum, **more: Any) -> Any:
            return kind(name.value, HELP[name], _LABELS.get(name, ("feed",)), registry=self.registry, **more)

        self._counters = {each: made(prometheus.Counter, each) for each in Counter}
        self._values = {each: made(prometheus.Histogram, each, buckets=_BUCKETS[each]) for each in Distribution}
        self._gauges = {each: made(prometheus.Gauge, each) for each in Gauge}

    def begin(self, feeds: Sequence[str]) -> None:
        """Show all counters at 0, and no feed as ended: an alert sees changes only of what was there before."""
        for feed in feeds:
            self.set(Gauge.IS_ENDED, 0, feed)
        for counter in Counter:
            if counter not in _LABELS:
                for feed in ("",) if counter in OF_ALL else feeds:
                    self.count(counter, feed, 0)

    def begin_network(self, members: Sequence[str], faults: Sequence[str]) -> None:
        """Show the counters of a network's members at 0, as `begin` does for feeds.

        Args:
            members: The members' names.
            faults: The kinds of faults.
        """
        for member in members:
            for kind in faults:
                self.count_fault(member, kind, 0)

    def count(self, counter: Counter, feed: str, by: int = 1) -> None:
        """Add to a counter. Counters never go down."""
        self._counters[counter].labels(feed).inc(by)

    def count_fault(self, member: str, kind: str, by: int = 1) -> None:
        """Add to the faults of a member of the network."""
        self._counters[Counter.MEMBER_FAULTS].labels(member, kind).inc(by)

    def observe(self, distribution: Distribution, feed: str, value: float) -> None:
        """Add a value to a distribution."""
        self._values[distribution].labels(feed).observe(value)

    def set(self, gauge: Gauge, value: float, feed: str = "") -> None:
        """Set what a gauge shows from now on."""
        self._gauges[gauge].labels(feed).set(value)

    def counted(self, counter: Counter, feed: str | None = None) -> int:
        """Return a counter's value, for one feed or for all."""
        return int(self._sum(self._counters[counter], counter.value, feed))

    def measured(self, distribution: Distribution, feed: str | None = None) -> tuple[int, float]:
        """Return how many values a distribution has, and their sum, for one feed or for all."""
        metric = self._values[distribution]
        count = self._sum(metric, f"{distribution.value}_count", feed)
        return int(count), self._sum(metric, f"{distribution.value}_sum", feed)

    def show_obstacles(self, feeds: Sequence[str], found: Iterable[Obstacle]) -> None:
        """Show the obstacles of feeds' next reports, and that there are no others.

        Args:
            feeds: The names of all feeds. An obstacle of all feeds has an empty name.
            found: The obstacles that there are.
        """
        there = {(each.feed, each.kind) for each in found}
        for feed in ("", *feeds):
            for kind in ObstacleKind:
                self._gauges[Gauge.OBSTACLE].labels(feed, kind.value).set((feed, kind) in there)

    def has_obstacle(self, kind: ObstacleKind, feed: str = "") -> bool:
        """Return True if an obstacle of this kind is shown."""
        return self.registry.get_sample_value(Gauge.OBSTACLE.value, {"feed": feed, "kind": kind.value}) == 1

    def shown(self, gauge: Gauge, feed: str = "") -> float | None:
        """Return what a gauge shows; None if it was never set."""
        label = _LABELS.get(gauge, ("feed",))[0]
        found: float | None = self.registry.get_sample_value(gauge.value, {label: feed})
        return found

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return bytes(prometheus.generate_latest(self.registry))

    @staticmethod
    def _sum(metric: Any, name: str, feed: str | None) -> float:
        samples = [sample for family in metric.collect() for sample in family.samples if sample.name == name]
        return math.fsum(sample.value for sample in samples if feed is None or feed in sample.labels.values())
