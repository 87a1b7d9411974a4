"""`oracle top`: the chain, the journal and the daemon's pages, looked at together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from oracle.app.daemon_pages import DaemonPages, ask_daemon
from oracle.app.status import OracleStatus, status
from oracle.config import Config
from oracle.core.errors import OracleError
from oracle.core.metrics import Counter, Distribution, Gauge

__all__ = ["Activity", "TopView", "activity", "look_once"]


@dataclass(frozen=True, slots=True)
class TopView:
    """An oracle at one moment.

    Attributes:
        at: Unix seconds.
        status: The state that the chain and the journal tell; None if they can't be read.
        problem: Why they can't; empty if they can.
        daemon: The daemon's pages, or why there are none.
    """

    at: float
    status: OracleStatus | None
    problem: str
    daemon: DaemonPages


@dataclass(frozen=True, slots=True)
class Activity:
    """The work of the daemon since it began, from its metrics. None where it tells nothing.

    Attributes:
        prove_seconds: The mean of a proof.
        latency_seconds: The mean from an observation to its confirmation.
        gas: The mean of an observation.
        replaced: Stuck transactions that were signed again with higher fees.
        sent_again: Times that a transaction was sent again.
        failovers: Times that another RPC endpoint was asked from then on.
    """

    proofs_running: float | None
    proofs_waiting: float | None
    proofs: float | None
    prove_seconds: float | None
    latency_seconds: float | None
    gas: float | None
    accepted: float | None
    held: float | None
    failed: float | None
    superseded: float | None
    retries: float | None
    replaced: float | None
    sent_again: float | None
    failovers: float | None


async def look_once(config: Config) -> TopView:
    """Look at the chain, the journal and the daemon. What can't be read is said, and the rest is shown."""
    daemon = await ask_daemon(config)
    try:
        found, problem = await status(config, daemon=daemon), ""
    except OracleError as error:
        found, problem = None, str(error)
    return TopView(time.time(), found, problem, daemon)


def activity(daemon: DaemonPages) -> Activity:
    """Return the daemon's work since it began."""
    total = daemon.figures.total

    def mean(of: Distribution) -> float | None:
        count = total(f"{of.value}_count")
        return (total(f"{of.value}_sum") or 0.0) / count if count else None

    return Activity(
        proofs_running=total(Gauge.PROOFS_RUNNING.value),
        proofs_waiting=total(Gauge.PROOFS_WAITING.value),
        proofs=total(f"{Distribution.PROVE_SECONDS.value}_count"),
        prove_seconds=mean(Distribution.PROVE_SECONDS),
        latency_seconds=mean(Distribution.LATENCY_SECONDS),
        gas=mean(Distribution.GAS),
        accepted=total(Counter.ACCEPTED.value),
        held=total(Counter.HELD.value),
        failed=total(Counter.FAILED.value),
        superseded=total(Counter.SUPERSEDED.value),
        retries=total(Counter.RETRIES.value),
        replaced=total(Counter.REPLACEMENTS.value),
        sent_again=total(Counter.SENT_AGAIN.value),
        failovers=total(Counter.FAILOVERS.value),
    )
