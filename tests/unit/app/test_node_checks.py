"""Tests of the doctor's findings about nodes: each says what is missing, what follows, and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.app.checks import failures
from oracle.app.node_checks import _findings
from oracle.chain.abilities import NodeAbilities

ALL = NodeAbilities(
    has_pending=True,
    has_finalized=True,
    log_limit=None,
    keeps_logs=True,
    keeps_state=True,
    traces="debug_traceTransaction",
    has_proofs=True,
    has_fee_history=True,
)


def test_a_node_that_can_do_everything() -> None:
    [check] = _findings(ALL, "http://node")
    assert check.ok and check.where == "http://node"
    assert check.detail == (
        "has a pending block, a finalized block, events as old as the hub, state as old as the hub, "
        "traces (debug_traceTransaction), storage proofs"
    )


@pytest.mark.parametrize(
    ("lacks", "name", "says"),
    [
        ({"has_pending": False}, "pending block", "simulated on the latest block"),
        ({"has_finalized": False}, "finalized block", "an audit can't be pinned to it"),
        ({"log_limit": 0}, "events", "it gives none"),
        ({"log_limit": 3}, "events", "about 3 at once"),
        ({"keeps_logs": False}, "old events", "lacks events as old as the hub"),
        ({"keeps_state": False}, "old state", "lacks state as old as the hub"),
        ({"traces": ""}, "traces", "neither debug_traceTransaction nor trace_transaction"),
        ({"has_proofs": False}, "storage proofs", "no eth_getProof"),
        ({"has_fee_history": False}, "fee history", "no eth_feeHistory"),
    ],
)
def test_what_a_node_lacks_is_said_and_stops_nothing(lacks: dict[str, bool | int | str], name: str, says: str) -> None:
    checks = list(_findings(replace(ALL, **lacks), "http://node"))  # type: ignore[arg-type]
    [check] = checks[1:]
    assert check.name == f"node: {name}" and not check.ok and check.level == "info"
    assert says in check.detail and check.remedy
    assert not failures(checks)


def test_a_generous_limit_and_a_hub_that_is_not_there_yet_are_no_findings() -> None:
    assert len(list(_findings(replace(ALL, log_limit=2_000, keeps_logs=None, keeps_state=None), ""))) == 1
