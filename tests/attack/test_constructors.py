"""Attacks by creation code: whoever creates a contract decides what its storage holds before its first honest call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.app.audit import audit
from oracle.audit.report import AuditReport
from oracle.audit.storage import layouts
from oracle.audit.storage.stored import CIRCUITS, FEEDS
from oracle.audit.storage.words import entry
from oracle.chain.hub import hub_interface
from tests.attack.rig import NORMAL, SOLO, Rig, Sighting
from tests.attack.setup import audit_folder

pytestmark = pytest.mark.attack

YES = bytes.fromhex("6008600c60003960086000f360015f5260205ff3")
"""Creates a verifier that says yes to everything."""


def creation(runtime: bytes, storage: Mapping[int, int], logs: Sequence[Mapping[str, Any]]) -> bytes:
    """Return creation code that leaves any storage and any logs behind, and the code of somebody else."""
    code = bytearray()
    for slot, word in storage.items():
        code += b"\x7f" + word.to_bytes(32) + b"\x7f" + slot.to_bytes(32) + b"\x55"
    parts: list[bytes] = [bytes.fromhex(log["data"][2:]) for log in logs] + [runtime]
    # PUSH3 for each number, so that all lengths are known in advance.
    sizes = [sum(1 + 32 for _ in log["topics"]) + 4 * 5 + 2 for log in logs] + [4 * 3 + 1 + 4 * 2 + 1]
    place = len(code) + sum(sizes)

    def push(number: int) -> bytes:
        return b"\x62" + number.to_bytes(3)

    for log, part in zip([*logs, None], parts, strict=True):
        code += push(len(part)) + push(place) + push(0) + b"\x39"
        place += len(part)
        if log is None:
            code += push(len(part)) + push(0) + b"\xf3"
            continue
        for topic in reversed(log["topics"]):
            code += b"\x7f" + bytes.fromhex(topic[2:])
        code += push(len(part)) + push(0) + bytes([0xA0 + len(log["topics"])])
    return bytes(code) + b"".join(parts)


def twin(
    rig: Rig, other: Rig, changes: dict[int, int], told: Callable[[dict[str, Any]], dict[str, Any]] = lambda log: log
) -> Rig:
    """Create a contract with the code, the logs and the storage of another hub, except some words.

    Args:
        told: Changes a log.
    """
    asked = {"address": other.hub.address, "fromBlock": "0x0", "toBlock": "latest"}
    logs = [told(log) for log in rig.chain.rpc("eth_getLogs", asked)]
    storage = other.storage() | changes
    runtime = rig.run(rig.rpc.code(other.hub.address))
    address = rig.put(creation(runtime, storage, logs))
    found = Rig(rig.proofs, rig.chain, other.deployment.model_copy(update={"hub": address}), rig.rpc)
    found.start = rig.start
    return found


def audited(rig: Rig, hub: str, tmp_path: Path) -> AuditReport:
    folder = audit_folder(tmp_path / "artifacts", rig.proofs.artifact())
    return rig.run(audit(hub, rig.chain.rpc_url, folder))


def test_a_verifier_that_a_constructor_left(rig: Rig, tmp_path: Path) -> None:
    """The code is the release's, the history is honest, all views show the honest verifier: and any proof is taken."""
    honest = rig.second_hub()
    yes = rig.put(YES)
    circuit = entry(CIRCUITS, 1 << 8)
    word = int(rig.chain.rpc("eth_getStorageAt", honest.hub.address, hex(circuit), "latest"), 16)
    swapped = word - word % 2**160 + int(yes, 16)
    left = twin(rig, honest, {circuit: swapped})
    # Every view is honest, and what is signed for it is taken.
    assert rig.run(left.hub.architecture(1)) == rig.run(honest.hub.architecture(1))
    assert rig.run(left.hub.model(1)) == rig.run(honest.hub.model(1))
    assert left.accepts(replace(left.honest(SOLO, Sighting(NORMAL)), proof=b"junk"))
    assert left.state(SOLO).answer == NORMAL
    report = audited(rig, left.hub.address, tmp_path)
    assert not report.ok
    said = f"circuits[0]: verifier is {yes}, its history says {rig.verifier()}"
    assert any(said in problem.text for problem in report.problems), report.problems


def test_a_twin_without_other_words_is_as_good(rig: Rig, tmp_path: Path) -> None:
    """The storage decides, not who wrote it."""
    left = twin(rig, rig.second_hub(), {})
    assert left.accepts(left.honest(SOLO, Sighting(NORMAL)))
    report = audited(rig, left.hub.address, tmp_path)
    assert not [problem for problem in report.problems if "storage" in problem.text], report.problems
    assert report.storage is not None
    assert (report.storage.differing, report.storage.root) == (0, "whole")


def test_an_admin_whom_a_constructor_left(rig: Rig, tmp_path: Path) -> None:
    """Nobody named the address in any log, so no word can be asked for: only the storage root has it."""
    hidden = entry(entry(0, 0), 0x5757)
    left = twin(rig, rig.second_hub(), {hidden: 1})
    report = audited(rig, left.hub.address, tmp_path)
    assert not report.ok
    assert any("words that its history does not explain" in problem.text for problem in report.problems)


def test_events_that_a_constructor_emitted(rig: Rig, tmp_path: Path) -> None:
    """Logs and storage agree on a feed whose holds no report confirms. The hub's code would have refused it."""
    honest = rig.second_hub()
    feed = entry(FEEDS, int.from_bytes(rig.feed_id(SOLO)))
    mask = layouts.CONFIG.mask("confirmations")

    def refused(log: dict[str, Any]) -> dict[str, Any]:
        if log["topics"][0] != "0x" + hub_interface().topic("FeedAdded").hex():
            return log
        data = bytearray.fromhex(log["data"][2:])
        # The words: an offset, the model, and of the terms an offset, kind, decimals, confirmations.
        assert data[5 * 32 : 6 * 32] == (2).to_bytes(32)
        data[5 * 32 : 6 * 32] = bytes(32)
        return log | {"data": "0x" + data.hex()}

    left = twin(rig, honest, {feed: honest.storage()[feed] & ~mask}, refused)
    assert left.terms(SOLO).confirmations == 0
    report = audited(rig, left.hub.address, tmp_path)
    assert not report.ok
    assert report.storage is not None
    assert (report.storage.differing, report.storage.root) == (0, "whole")
    assert any("confirmations is 0, not 1 to 255" in problem.text for problem in report.problems), report.problems
