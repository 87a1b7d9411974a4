"""Tests of an auditor who is not told everything: what a node leaves out is found, and what comes meanwhile is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.app.audit import audit
from oracle.audit.report import AuditReport, ProblemKind
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log
from oracle.core.formats import to_hex
from tests.attack.calldata import encode
from tests.attack.rig import ANOMALOUS, NORMAL, Rig, Sighting
from tests.attack.setup import audit_folder

pytestmark = pytest.mark.attack


@pytest.fixture
def audited(rig: Rig, tmp_path: Path) -> Callable[..., AuditReport]:
    """Return the audit of the rig's hub, with the artifact of its model."""
    folder = audit_folder(tmp_path / "artifacts", rig.proofs.artifact())
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL)))

    def run(from_block: int = 0) -> AuditReport:
        return rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, from_block))

    report = run()
    assert (report.ok, report.verified) == (True, 4)
    return run


def patched(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Log]], Sequence[Log]]) -> None:
    """Let the node answer with other logs."""
    real = Rpc.logs

    async def logs(self: Rpc, *arguments: Any, **options: Any) -> list[Log]:
        return list(change(await real(self, *arguments, **options)))

    monkeypatch.setattr(Rpc, "logs", logs)


def test_a_node_without_the_history(
    rig: Rig, audited: Callable[..., AuditReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pruned node has no old logs, and says so by an empty answer: nothing to verify is not a verified hub."""
    patched(monkeypatch, lambda logs: [])
    report = audited()
    assert (report.ok, report.findings) == (False, ())
    said = [problem.text for problem in report.problems if problem.kind is ProblemKind.HISTORY]
    assert said[:4] == [
        "the hub's creation is not in the logs: the first of them is nothing",
        "committees 1 to 2 are on the hub, but not added in the logs",
        "architecture 1 is on the hub, but not added in the logs",
        "model 1 is on the hub, but not added in the logs",
    ]
    solo = to_hex(rig.feed_id("solo"))
    assert f"the feed solo / USD ({solo}) is on the hub, but not added in the logs" in said
    assert "rounds 1 to 2 of solo / USD are on the hub, but not in the logs" in said


def test_a_history_from_a_later_block(rig: Rig, audited: Callable[..., AuditReport]) -> None:
    """The block only says where to begin: what is before it is read, too."""
    report = audited(from_block=rig.run(rig.rpc.block_number()))
    assert (report.ok, report.verified) == (True, 4)


@pytest.mark.parametrize("left_out", [-1, -2, -3, -4])
def test_a_report_that_the_node_leaves_out(
    audited: Callable[..., AuditReport], monkeypatch: pytest.MonkeyPatch, left_out: int
) -> None:
    """One event is missing of a history that is complete otherwise."""

    def without(logs: list[Log]) -> Sequence[Log]:
        return [*logs[: len(logs) + left_out], *logs[len(logs) + left_out + 1 :]] if len(logs) >= 4 else logs

    patched(monkeypatch, without)
    report = audited()
    assert not report.ok


@pytest.mark.parametrize("answer", [NORMAL + 1, ANOMALOUS], ids=["a round", "a hold"])
def test_a_report_that_comes_while_the_audit_reads(
    rig: Rig, audited: Callable[..., AuditReport], monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    """The hub goes on during a long audit, which is about one block: what comes after it changes nothing."""
    coming = [encode(rig.honest("solo", Sighting(answer, 700)))]
    snapshot = rig.chain.rpc("evm_snapshot")
    assert rig.send(coming[0])
    coming.append(encode(rig.honest("solo", Sighting(answer, 800))))
    assert rig.chain.rpc("evm_revert", snapshot)

    def meanwhile(logs: list[Log]) -> Sequence[Log]:
        if coming:
            assert rig.send(coming.pop(0))
        return logs

    block = rig.run(rig.rpc.block_number())
    patched(monkeypatch, meanwhile)
    report = audited()
    assert (report.ok, report.verified, report.problems, report.block_number) == (True, 4, (), block)
    assert rig.state("solo").last_report_at > rig.start + 600
    coming.clear()
    assert (audited().ok, rig.run(rig.rpc.block_number())) == (True, audited().block_number)
