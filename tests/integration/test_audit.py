"""Tests of the audit of a real deployment: it verifies what is right and reports what is wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.app.audit import audit
from oracle.audit import proofs as pooled
from oracle.audit.choice import Choice, Span
from oracle.audit.progress import AuditStep
from oracle.audit.record import AuditRecord
from oracle.audit.report import AuditReport, ProblemKind
from oracle.chain.hub import RoundEvent, RoundHeld, SubmitCall, round_event
from oracle.chain.local.anvil import Anvil
from oracle.chain.transport.answers import Log, Transaction
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import ConfigError, DataError, DeploymentError, ProverCrashed
from oracle.core.formats import from_hex
from oracle.core.times import utc
from oracle.core.types import HoldReason, Outcome, Status
from oracle.proving.artifact import MANIFEST, Manifest
from oracle.proving.verification import Verification, verify_in
from tests.attack.calldata import DYNAMIC, IF_NEWER, SHADOW, Calldata, encode, place, word
from tests.attack.forwarding import creation, forwarding
from tests.attack.node import DEPLOYER, GENESIS
from tests.attack.proofs import Proofs
from tests.attack.rig import ANOMALOUS, ANSWER, COMMITTEE, NORMAL, REPORTER, STRANGER, UNIT, Rig, Sighting
from tests.attack.setup import audit_folder
from tests.attack.storage import of_committee, of_position, of_round, of_track, tamper, word_at

LOCAL_SRS = "local SRS"


@pytest.fixture(scope="module")
def proofs() -> Iterator[Proofs]:
    with Proofs() as made:
        yield made


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Deploy three feeds and report a round for each; then one feed continues, and one is held."""
    rig = Rig.build(proofs, anvil(start_time=GENESIS), tmp_path_factory.mktemp("audited"))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL)))
    assert rig.accepts(rig.honest("level", Sighting(ANSWER * 2)))
    assert (rig.state("solo").round_id, rig.state("level").status) == (2, Status.HELD)
    yield rig
    rig.close()


@pytest.fixture
def rig(deployed: Rig) -> Iterator[Rig]:
    snapshot = deployed.chain.snapshot()
    yield deployed
    deployed.chain.revert(snapshot)


@pytest.fixture
def folder(proofs: Proofs, tmp_path: Path) -> Path:
    """Return an auditor's folder: the artifact of the deployed model."""
    return audit_folder(tmp_path / "artifacts", proofs.artifact())


def audited(rig: Rig, folder: Path) -> AuditReport:
    return rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder))


def failures(report: AuditReport) -> list[str]:
    return [finding.problem for finding in report.findings if not finding.verified]


# --- what is right ---


def test_all_is_verified(rig: Rig, folder: Path) -> None:
    report = audited(rig, folder)
    assert (report.verified, report.failed, report.problems) == (5, 0, ())
    assert report.ok
    assert (report.hub, report.chain_id) == (rig.hub.address, 31337)
    assert [LOCAL_SRS in note for note in report.notes].count(True) == 1
    (circuit,) = report.circuits
    assert (circuit.model_number, circuit.batch, circuit.verifier) == (1, 1, rig.verifier())
    assert (circuit.key_from, circuit.srs, circuit.is_tied) == ("architecture", "insecure-local", True)
    found = [(each.feed, each.round_id, each.outcome, each.answer) for each in report.findings]
    assert found == [
        ("level / USD", 1, Outcome.ACCEPTED, ANSWER),
        ("solo / USD", 1, Outcome.ACCEPTED, ANSWER),
        ("trio / USD", 1, Outcome.ACCEPTED, ANSWER),
        ("solo / USD", 2, Outcome.ACCEPTED, NORMAL),
        ("level / USD", 2, Outcome.HELD, 2 * ANSWER),
    ]


def test_an_auditor_needs_no_weights(rig: Rig, proofs: Proofs, tmp_path: Path) -> None:
    given = tmp_path / "given" / "model"
    ours = proofs.artifact().path
    shutil.copytree(ours, given, ignore=shutil.ignore_patterns("model.onnx", "circuit.ezkl", "pk.key"))
    assert audited(rig, given.parent).ok


def test_a_history_with_everything_in_it(rig: Rig, folder: Path) -> None:
    """The history has a confirmed regime change, another committee, another model and the way back, and a pause."""
    rig.insists("solo", ANOMALOUS, 1_200)
    assert rig.state("solo").answer == ANOMALOUS
    rig.admin("proposeReporters", rig.committee("trio"), [rig.address(3), rig.address(4)], 1)
    rig.admin("activateReporters", rig.committee("trio"))
    assert rig.accepts(rig.honest("trio", Sighting(NORMAL, 1_200, 4)))
    assert rig.add_model("other") == 2
    rig.activate("level", 2)
    assert rig.accepts(rig.honest("level", Sighting(ANSWER + 500, 1_200), kind="other", model_number=2))
    rig.admin("rollbackModel", rig.feed_id("level"))
    assert rig.accepts(rig.honest("level", Sighting(ANSWER + 500, 1_300)))
    rig.admin("pause", rig.feed_id("level"))
    both = audit_folder(folder, rig.proofs.artifact("other"))
    report = audited(rig, both)
    assert (report.verified, failures(report), report.problems) == (11, [], ())
    confirmed = [each for each in report.findings if (each.feed, each.answer) == ("solo / USD", ANOMALOUS)]
    assert [each.outcome for each in confirmed] == [Outcome.HELD, Outcome.HELD, Outcome.ACCEPTED]


def test_holds_are_replayed_by_both_clocks(rig: Rig, folder: Path) -> None:
    """Reports dated back far enough to confirm, all in one block; then one more, after the delay."""
    snapshot = rig.chain.snapshot()
    calls = []
    for at in range(3):
        calls.append((REPORTER, encode(rig.honest("solo", Sighting(ANOMALOUS, 1_200 + 600 * at)))))
        assert rig.send(calls[-1][1])
    rig.chain.revert(snapshot)
    rig.in_one_block(*calls)
    assert rig.state("solo").status is Status.HELD
    rig.later(60)
    assert rig.accepts(rig.honest("solo", Sighting(ANOMALOUS, 3_600)))
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (9, [], ())
    outcomes = [each.outcome for each in report.findings if each.answer == ANOMALOUS]
    assert outcomes == [Outcome.HELD] * 3 + [Outcome.ACCEPTED]


def test_references_and_silent_reporters_are_replayed(rig: Rig, folder: Path) -> None:
    """A report of two feeds, of which one is due; and one of five reporters, two of whom have no answer."""
    both = {"solo": rig.seen("solo", NORMAL, 1_200), "level": rig.seen("level", 7, 1_200)}
    assert rig.accepts(rig.together(both, due=["solo"]))
    apart = ANSWER // 1_000
    sightings = [Sighting(NORMAL + at * apart, 1_200, COMMITTEE[at]) for at in range(3)]
    silent = [Sighting(NO_ANSWER, 1_200, account) for account in COMMITTEE[3:]]
    assert rig.accepts(rig.honest("trio", *sightings, *silent))
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (7, [], ())
    found = [(each.feed, each.round_id, each.answer) for each in report.findings[-2:]]
    assert found == [("solo / USD", 3, NORMAL), ("trio / USD", 2, NORMAL + apart)]


def test_peers_and_the_variance_are_replayed(rig: Rig, folder: Path) -> None:
    """A model of peers judges a feed beside another one, which it needs at each round."""
    number = rig.add_model("peer", rig.add_architecture("peer"))
    rig.add_feed("own", "solo", number, peers=(rig.feed_id("level"),))
    peers = (ANSWER, ANSWER + 500, ANSWER - 3_000, ANSWER + 90_000, 5)
    answers = (ANSWER, NORMAL, ANSWER + ANSWER * 3 // 100, NORMAL, ANSWER * 2)
    for at, (own, level) in enumerate(zip(answers, peers, strict=True)):
        seen = {"own": (Sighting(own, 1_200 + 60 * at),), "level": (Sighting(level, 1_200 + 60 * at),)}
        assert rig.accepts(rig.together(seen, due=["own"], kind="peer", model_number=number))
    assert rig.state("own").status is Status.HELD
    report = audited(rig, audit_folder(folder, rig.proofs.artifact("peer")))
    assert (report.verified, failures(report), report.problems) == (10, [], ())


def test_repetitions_are_judged_as_the_hub_does(rig: Rig, folder: Path) -> None:
    """A rule of the feed holds them, whatever the model says, until another answer comes."""
    rig.add_feed("stuck", like="solo", max_repeats=1)
    for after, answer in enumerate((ANSWER, ANSWER, ANSWER, ANSWER, NORMAL)):
        assert rig.accepts(rig.honest("stuck", Sighting(answer, 1_200 + 60 * after)))
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (10, [], ())
    outcomes = [each.outcome for each in report.findings if each.feed == "stuck / USD"]
    accepted, held = Outcome.ACCEPTED, Outcome.HELD
    assert outcomes == [accepted, accepted, held, held, accepted]


@pytest.mark.parametrize("change", [{"reason": HoldReason.REPEATED}, {"confirmations": 7}], ids=["reason", "count"])
def test_a_hold_for_another_reason_than_the_hub_says(
    rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """Consumers' monitors read the reason from the event."""

    def lied(log: Log) -> RoundEvent | None:
        event = round_event(log)
        return replace(event, **change) if isinstance(event, RoundHeld) else event

    monkeypatch.setattr("oracle.audit.fetch.round_event", lied)
    (failure,) = failures(audited(rig, folder))
    at = utc(rig.start + 600)
    assert failure.endswith(f"but it was held as anomalous (confirmations: 0) {2 * ANSWER // UNIT}.00000000 of {at}")


def test_shadow_submissions_are_no_rounds(rig: Rig, folder: Path) -> None:
    """They are sent alone or with the report that they accompany, and are verified like it: they decide activations."""
    assert rig.add_model("other") == 2
    rig.propose("solo", 2, compared=1, disagreements=1)
    plain = rig.honest("solo", Sighting(NORMAL, 1_200))
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200), kind="other", model_number=2), call=SHADOW)
    assert rig.accepts(plain)
    later = rig.honest("solo", Sighting(NORMAL, 1_800), kind="other", model_number=2)
    forward(rig, encode(later, SHADOW), encode(rig.honest("solo", Sighting(NORMAL, 1_800))))
    tally = rig.run(rig.hub.shadow(rig.feed_id("solo")))
    assert tally is not None and (tally.reports, tally.compared) == (2, 1)
    rig.admin("activateModel", rig.feed_id("solo"))
    report = audited(rig, audit_folder(folder, rig.proofs.artifact("other")))
    assert (report.verified, failures(report), report.problems) == (9, [], ())
    assert [each.kind.value for each in report.findings[-4:]] == ["shadow", "round", "shadow", "round"]


# --- relayed submissions ---


def forward(rig: Rig, *calls: bytes) -> None:
    created = rig.receipt(creation(), to="")["contractAddress"]
    assert rig.send(forwarding(rig.hub.address, *calls), to=created)


def test_a_relayed_submission_is_found(rig: Rig, folder: Path) -> None:
    forward(rig, encode(rig.honest("solo", Sighting(NORMAL, 1_200))))
    assert rig.state("solo").round_id == 3
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (6, [], ())


def test_several_relayed_submissions_in_one_transaction(rig: Rig, folder: Path) -> None:
    """The hub takes two of them, even of one feed, and refuses two others; a pull that found all there is no report."""
    first = rig.honest("solo", Sighting(NORMAL, 1_200))
    trio = rig.honest("trio", *rig.seen("trio", NORMAL))
    # It is signed for the round after, on the state that the first one leaves.
    snapshot = rig.chain.snapshot()
    assert rig.accepts(first)
    second = rig.honest("solo", Sighting(NORMAL, 1_800))
    rig.chain.revert(snapshot)
    forged = trio.with_scores(-1, -1)
    calls = [encode(forged), encode(first, IF_NEWER), encode(first, IF_NEWER), encode(first), encode(trio)]
    forward(rig, *calls, encode(second))
    assert (rig.state("solo").round_id, rig.state("trio").round_id) == (4, 2)
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (8, [], ())


@pytest.mark.parametrize("call", ["submit", "submitIfNewer"])
@pytest.mark.parametrize("encoded", ["longer", "shifted", "backwards", "moved", "into the head"])
def test_other_encodings_of_a_submission(rig: Rig, folder: Path, encoded: str, call: str) -> None:
    """The relayer chooses the encoding. The audit can read everything that the hub can read."""
    data = encode(rig.honest("solo", Sighting(NORMAL, 1_200)), SubmitCall(call))
    head = 4 + 32
    table = slice(head, head + 11 * 32)

    def offsets(change: Callable[[str, int], int]) -> bytes:
        words = bytearray(data[table])
        for at, part in enumerate(DYNAMIC, start=4):
            words[32 * at : 32 * at + 32] = word(change(part, place(data, part) - head))
        return bytes(words)

    tail = data[table.stop :]
    altered = {
        "longer": data + b"more than it needs",
        "shifted": data[:head] + offsets(lambda part, at: at + 64) + bytes(64) + tail,
        # The submission stands behind its own parts, and refers back to them.
        "backwards": data[:4] + word(32 + len(tail)) + tail + offsets(lambda part, at: at - 11 * 32 - len(tail)),
        "moved": data[:4] + word(96) + b"\xff" * 64 + data[head:],
        # The medians are one zero byte: the model's number is such a length, and the next word begins with such a byte.
        "into the head": data[:head] + offsets(lambda part, at: 0 if part == "medians" else at) + tail,
    }[encoded]
    assert rig.send(altered)
    assert rig.state("solo").round_id == 3
    report = audited(rig, folder)
    assert (report.verified, failures(report), report.problems) == (6, [], ())


# --- what the auditor lacks ---


def test_without_the_artifact_nothing_is_verified(rig: Rig, tmp_path: Path) -> None:
    report = audited(rig, audit_folder(tmp_path / "empty"))
    assert (report.verified, report.failed, report.unchecked) == (0, 0, 5)
    assert all("no artifact here is of model 1" in problem for problem in failures(report))
    assert any("no artifact here is of model 1 with 1 windows" in problem.text for problem in report.problems)
    assert not report.ok


@pytest.mark.parametrize("kind", ["other", "verdict", "public"])
def test_an_artifact_of_another_model(rig: Rig, proofs: Proofs, tmp_path: Path, kind: str) -> None:
    """`other` has the same verifier; only the model's hash tells them apart."""
    report = audited(rig, audit_folder(tmp_path / "artifacts", proofs.artifact(kind)))
    assert (report.verified, report.failed, report.unchecked) == (0, 0, 5)
    assert all("no artifact here is of model 1" in problem for problem in failures(report))
    assert not report.ok


def test_a_relabelled_artifact_beside_the_right_one(rig: Rig, proofs: Proofs, tmp_path: Path) -> None:
    """Its circuit is the right one, and it names the features in another order. The right one counts."""
    folder = audit_folder(tmp_path / "artifacts", proofs.artifact())
    (right,) = folder.iterdir()
    false = Path(shutil.copytree(right, folder / "0-false"))
    document = json.loads((false / MANIFEST).read_text())
    document["features"] = document["features"][::-1]
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (false / MANIFEST).write_text(json.dumps(document))
    (false / "probe.json").unlink()
    report = audited(rig, folder)
    assert (report.verified, report.problems) == (5, ())
    right.unlink()
    report = audited(rig, folder)
    assert (report.verified, report.unchecked) == (0, 5)
    assert "0-false is another circuit than the hub takes it for: features: " in failures(report)[0]


def test_a_damaged_artifact(rig: Rig, proofs: Proofs, tmp_path: Path) -> None:
    given = tmp_path / "given" / "model"
    shutil.copytree(proofs.artifact().path, given)
    key = given / "vk.key"
    key.write_bytes(key.read_bytes() + b"\0")
    report = audited(rig, given.parent)
    assert any("vk.key is corrupt" in problem.text for problem in report.problems)
    assert (report.verified, report.failed, report.unchecked) == (0, 0, 5)


def test_artifacts_of_another_release_beside_those_that_are_needed(rig: Rig, folder: Path, proofs: Proofs) -> None:
    """Every cache that an earlier release has used contains some."""
    earlier = folder / "earlier"
    earlier.mkdir()
    document = json.loads((proofs.artifact().path / "manifest.json").read_text(encoding="utf-8"))
    (earlier / "manifest.json").write_text(json.dumps({**document, "schema": 0}), encoding="utf-8")
    report = audited(rig, folder)
    assert report.ok
    assert [note for note in report.notes if "earlier" in note and "is not a manifest of this release" in note]


def test_a_manifest_that_lies(rig: Rig, proofs: Proofs, tmp_path: Path) -> None:
    """It is another model's artifact, relabelled with the deployed model's hash; its own hash no longer fits."""
    given = tmp_path / "given" / "model"
    shutil.copytree(proofs.artifact("other").path, given)
    manifest = json.loads((given / "manifest.json").read_text(encoding="utf-8"))
    manifest["model_hash"] = proofs.artifact().manifest.document()["model_hash"]
    (given / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    report = audited(rig, given.parent)
    assert any("manifest.json was altered" in problem.text for problem in report.problems)
    assert (report.verified, report.failed, report.unchecked) == (0, 0, 5)


def test_there_is_no_hub(rig: Rig, folder: Path) -> None:
    with pytest.raises(DeploymentError, match="no contract"):
        rig.run(audit(rig.address(DEPLOYER), rig.chain.rpc_url, folder))


# --- what is wrong on the chain ---


def test_the_hub_has_other_code(rig: Rig, folder: Path) -> None:
    code = rig.chain.rpc("eth_getCode", rig.hub.address, "latest")
    rig.chain.rpc("anvil_setCode", rig.hub.address, code + "00")
    report = audited(rig, folder)
    assert [problem for problem in report.problems if "is not this release's hub" in problem.text]
    assert (report.verified, report.ok) == (5, False)


@pytest.mark.parametrize("name", ["Models", "Changes", "Shadows", "Holds"])
def test_a_library_of_the_hub_has_other_code(rig: Rig, folder: Path, name: str) -> None:
    address = rig.deployment.libraries[name]
    rig.chain.rpc("anvil_setCode", address, rig.chain.rpc("eth_getCode", address, "latest") + "00")
    report = audited(rig, folder)
    assert [problem.text for problem in report.problems] == [
        f"the code at {address} is not this release's {name}, a library of the hub"
    ]
    assert (report.verified, report.ok) == (5, False)


def test_the_factory_of_adapters_has_other_code(rig: Rig, folder: Path) -> None:
    rig.chain.rpc("anvil_setCode", rig.deployment.factory, YES)
    report = audited(rig, folder)
    assert [problem.text for problem in report.problems] == [
        f"the code at {rig.deployment.factory} is not this release's factory of adapters"
    ]
    assert not report.ok


def test_a_verifier_has_other_code(rig: Rig, folder: Path) -> None:
    rig.chain.rpc("anvil_setCode", rig.verifier(), YES)
    report = audited(rig, folder)
    assert any("does not have the code that the hub pinned" in problem.text for problem in report.problems)
    assert not report.ok


YES = "0x60015f5260205ff3"
"""Runtime code that answers `true` to everything."""


def forged_round(rig: Rig, submission: Calldata) -> None:
    """Make the hub take a submission that its verifier would refuse, and restore all code afterwards."""
    verifier = rig.verifier()
    code = rig.chain.rpc("eth_getCode", verifier, "latest")
    rig.chain.rpc("anvil_setCode", verifier, YES)
    assert rig.accepts(submission)
    rig.chain.rpc("anvil_setCode", verifier, code)


@pytest.mark.parametrize("name", ["other proof", "lower scores", "of other weights", "no proof"])
def test_a_proof_that_does_not_hold(rig: Rig, folder: Path, name: str) -> None:
    """A broken verifier let these rounds through before a good one replaced it."""
    # The answer is within the clip: the hub holds a clipped one, whatever the scores say.
    anomalous = rig.honest("solo", Sighting(NORMAL * 5 // 4, 1_200))
    normal = rig.honest("solo", Sighting(NORMAL, 1_200))
    assert max(anomalous.first_scores) > 0
    forged = {
        "other proof": replace(normal, proof=anomalous.proof),
        "lower scores": anomalous.with_scores(-1, -1),
        "of other weights": rig.honest("solo", Sighting(NORMAL, 1_200), kind="other"),
        "no proof": replace(normal, proof=b""),
    }[name]
    forged_round(rig, forged)
    assert rig.state("solo").round_id == 3
    report = audited(rig, folder)
    assert failures(report) == ["the proof does not verify"]
    assert (report.verified, report.problems, report.ok) == (5, (), False)
    # The history after it is audited all the same.
    assert rig.accepts(rig.honest("solo", Sighting(rig.state("solo").answer, 1_800)))
    assert audited(rig, folder).verified == 6


def test_the_ring_was_tampered_with(rig: Rig, folder: Path) -> None:
    """Moves that never happened would make a later anomaly look normal."""
    state = rig.state("solo")
    ring = sum((move % 2**16) << (16 * index) for index, move in enumerate(state.returns))
    slot = of_track(rig, "solo")
    assert ring and word_at(rig, slot) == ring << 64 | state.variance << 32 | state.round_id
    tamper(rig, slot, lambda value: value | (20_000 << 240))
    report = audited(rig, folder)
    (problem,) = report.problems
    leads = "feed solo / USD: the hub's storage is not what its history leads to"
    told = f"{leads}: track: move 11 is 20000, its history says 0"
    assert (problem.kind, problem.text) == (ProblemKind.STORAGE, told)
    assert not report.ok


def test_the_variance_was_tampered_with(rig: Rig, folder: Path) -> None:
    tamper(rig, of_track(rig, "solo"), lambda value: value + (1 << 60))
    report = audited(rig, folder)
    (problem,) = report.problems
    assert "track: variance is" in problem.text
    assert not report.ok


def test_the_latest_round_was_tampered_with(rig: Rig, folder: Path) -> None:
    tamper(rig, of_round(rig, "solo", 2), lambda value: value + 1)
    report = audited(rig, folder)
    assert rig.state("solo").answer == NORMAL + 1
    (problem,) = report.problems
    assert f"round 2: answer is {NORMAL + 1}, its history says {NORMAL}" in problem.text
    assert not report.ok


def test_a_past_round_was_tampered_with(rig: Rig, folder: Path) -> None:
    """Consumers read history too: for an average over time, or for the round that a liquidation was settled by."""
    tamper(rig, of_round(rig, "solo", 1), lambda value: value + 1)
    report = audited(rig, folder)
    (problem,) = report.problems
    assert f"round 1: answer is {ANSWER + 1}, its history says {ANSWER}" in problem.text
    assert not report.ok


def test_a_round_after_the_tampering_fails(rig: Rig, folder: Path) -> None:
    """The hub then derives other features from the altered history than the audit does."""
    tamper(rig, of_round(rig, "solo", 2), lambda value: value - NORMAL // 100)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200)))
    report = audited(rig, folder)
    assert failures(report) == ["the proof does not verify"]
    assert not report.ok


def test_rounds_of_a_hub_that_checks_no_signatures(rig: Rig, folder: Path) -> None:
    """The signer was no reporter when the report came, and being admitted later does not make the report good."""
    stranger = rig.address(STRANGER)
    assert word_at(rig, of_position(rig, "solo", rig.address(REPORTER))) == 1
    tamper(rig, of_position(rig, "solo", stranger), lambda value: 2)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200, STRANGER)))
    report = audited(rig, folder)
    assert failures(report) == [f"{stranger} was not a reporter"]
    assert not report.ok


def test_rounds_of_a_hub_that_takes_any_quorum(rig: Rig, folder: Path) -> None:
    """Two of three answers were enough for a hub whose quorum was tampered with."""
    committee = of_committee(rig, "trio")
    assert word_at(rig, committee) >> 32 & 0xFF == 3
    tamper(rig, committee, lambda value: value - (2 << 32))
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", NORMAL, 1_200)[:2]))
    tamper(rig, committee, lambda value: value + (2 << 32))
    report = audited(rig, folder)
    assert failures(report) == ["trio / USD has 2 answers where 3 are the quorum"]
    assert not report.ok


def test_rounds_of_a_hub_that_takes_old_epochs(rig: Rig, folder: Path) -> None:
    committee = of_committee(rig, "solo")
    rig.admin("proposeReporters", rig.committee("solo"), [rig.address(REPORTER)], 1)
    rig.admin("activateReporters", rig.committee("solo"))
    tamper(rig, committee, lambda value: value - 1)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200)))
    tamper(rig, committee, lambda value: value + 1)
    report = audited(rig, folder)
    assert failures(report) == ["signed for epoch 1 of the committee, but 2 was the current one"]
    assert not report.ok


# --- a part of it, and going on where it was ---


class Verifications:
    """Counts the proofs that are verified, and may do something before each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.before: Callable[[], object] = lambda: None
        monkeypatch.setattr(pooled, "verify_in", self._verify)

    def _verify(self, *arguments: Any, **options: Any) -> Verification:
        self.count += 1
        self.before()
        return verify_in(*arguments, **options)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    return Verifications(monkeypatch)


def test_an_audit_goes_on_from_its_record(rig: Rig, folder: Path, tmp_path: Path, verifications: Verifications) -> None:
    def again() -> AuditReport:
        verifications.count = 0
        report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=tmp_path / "state"))
        return replace(report, seconds=0.0)

    first = again()
    assert (first.verified, first.proofs, verifications.count) == (5, 5, 5)
    assert (again(), verifications.count) == (first, 0)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200)))
    more = again()
    assert (more.verified, more.ok, verifications.count) == (6, True, 1)


def test_an_interrupted_audit_goes_on(rig: Rig, folder: Path, tmp_path: Path, verifications: Verifications) -> None:
    """The record has everything that was verified before the interrupt, and nothing else."""
    state = tmp_path / "state"

    async def interrupted() -> int:
        done = 0

        def interrupt(step: AuditStep, count: int, total: int | None) -> None:
            nonlocal done
            if step is AuditStep.PROOFS and count == 2:
                done = count
                running.cancel()

        running = asyncio.create_task(
            audit(rig.hub.address, rig.chain.rpc_url, folder, state=state, jobs=1, progress=interrupt)
        )
        with pytest.raises(asyncio.CancelledError):
            await running
        return done

    assert rig.run(interrupted()) == 2
    verifications.count = 0
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=state))
    assert (report.verified, report.ok) == (5, True)
    assert 1 <= verifications.count <= 3


@pytest.mark.chaos
def test_an_interrupt_at_the_terminal(tmp_path: Path, httpserver: HTTPServer) -> None:
    """It ends the command at once, in the middle of a request, and leaves a record that can be used."""
    asked, ended = threading.Event(), threading.Event()

    def answer(request: Request) -> Response:
        question = request.get_json()
        if question["method"] != "eth_chainId":
            asked.set()
            ended.wait(60)
        return Response(json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": "0x1"}))

    httpserver.expect_request("/").respond_with_handler(answer)
    state, hub = tmp_path / "state", "0x" + "12" * 20
    asking = ["audit", hub, "--rpc", httpserver.url_for("/"), "--artifacts", str(tmp_path), "--state", str(state)]
    # A shell lets commands in its background ignore interrupts; whoever they start inherits that.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heeds}\nfrom oracle.cli import main; main()", *asking]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        ended.set()
    assert (process.returncode, out) == (130, "")
    assert err.split("\n") == [f"the same command with --state {state} goes on from here", "", "interrupted", ""]
    AuditRecord(state, 1, hub).close()


@pytest.mark.attack
def test_a_record_is_believed_for_the_same_proof_only(
    rig: Rig, folder: Path, tmp_path: Path, verifications: Verifications
) -> None:
    """A forged round is found, though a record of the honest history knows its neighbours."""
    state = tmp_path / "state"
    assert rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=state)).ok
    forged_round(rig, rig.honest("solo", Sighting(NORMAL * 5 // 4, 1_200)).with_scores(-1, -1))
    for _ in range(2):
        verifications.count = 0
        report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=state))
        assert (failures(report), verifications.count) == (["the proof does not verify"], 1)


@pytest.mark.attack
def test_what_a_lying_node_left_in_the_record_does_not_stay(rig: Rig, folder: Path, tmp_path: Path) -> None:
    """Another node's answer is taken the next time, and the proofs that held are not verified again."""
    state, lied = tmp_path / "state", rig.honest("solo", Sighting(NORMAL, 1_200))
    assert rig.accepts(lied)
    told = rig.chain.rpc("eth_getBlockByNumber", "latest", True)["transactions"][0]
    false = encode(lied.with_scores(-9, -9))
    with AuditRecord(state, 31337, rig.hub.address) as record:
        record.keep_transaction(
            from_hex(told["hash"]),
            Transaction(from_hex(told["hash"]), rig.address(DEPLOYER), rig.hub.address, false, 0, 0, 1),
        )
    first = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=state))
    assert (first.verified, first.ok) == (5, False)
    assert rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=state)).ok


def test_progress_is_told(rig: Rig, folder: Path) -> None:
    told: dict[AuditStep, tuple[int, int | None]] = {}

    def progress(step: AuditStep, done: int, total: int | None) -> None:
        assert total is None or done <= total
        told[step] = done, total

    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, progress=progress))
    assert told[AuditStep.HISTORY] == (report.block_number, report.block_number)
    assert told[AuditStep.PROOFS] == (5, 5)
    assert told[AuditStep.SUBMISSIONS][0] == told[AuditStep.SUBMISSIONS][1]
    assert report.storage is not None and told[AuditStep.STORAGE] == (report.storage.words, report.storage.words)
    assert told.keys() == set(AuditStep) - {AuditStep.READINGS}


def test_a_record_of_another_hub(rig: Rig, folder: Path, tmp_path: Path) -> None:
    AuditRecord(tmp_path / "state", 31337, rig.address(STRANGER)).close()
    with pytest.raises(DataError, match="is the record of an audit of hub"):
        rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, state=tmp_path / "state"))


@pytest.mark.parametrize(
    ("choice", "listed"),
    [
        (Choice(feeds=("solo / USD",)), [1, 3]),
        (Choice(rounds=(Span(2, None),)), [3, 4]),
        (Choice(feeds=("level / USD",), rounds=(Span(2, 2),)), [4]),
    ],
)
def test_a_part_of_the_history(
    rig: Rig, folder: Path, verifications: Verifications, choice: Choice, listed: list[int]
) -> None:
    whole = audited(rig, folder)
    verifications.count = 0
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, choice=choice))
    assert report.findings == tuple(whole.findings[at] for at in listed)
    assert (report.ok, report.not_proven, report.choice) == (True, 5 - len(listed), str(choice))
    assert (report.proofs, verifications.count) == (len(listed), len(listed))


@pytest.mark.attack
def test_what_is_not_chosen_is_replayed_all_the_same(rig: Rig, folder: Path) -> None:
    """A false round elsewhere is listed if the replay finds it, and a false word of the storage is a problem."""
    stranger = rig.address(STRANGER)
    tamper(rig, of_position(rig, "solo", stranger), lambda value: 2)
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 1_200, STRANGER)))
    tamper(rig, of_round(rig, "trio", 1), lambda value: value + 1)
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, choice=Choice(feeds=("level / USD",))))
    assert failures(report) == [f"{stranger} was not a reporter"]
    assert (report.verified, report.not_proven) == (2, 3)
    assert any("round 1" in problem.text for problem in report.problems)


@pytest.mark.parametrize("choice", [Choice(feeds=("eth / USD",)), Choice(rounds=(Span(9, 9),)), Choice(until=0)])
def test_a_choice_of_nothing(rig: Rig, folder: Path, choice: Choice) -> None:
    with pytest.raises(DataError, match=r"no such feed|no report"):
        rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, choice=choice))


@pytest.mark.chaos
def test_a_proof_that_ends_each_child_is_unchecked(rig: Rig, folder: Path, verifications: Verifications) -> None:
    """It is neither good nor bad, and the others are verified."""

    def die() -> None:
        if verifications.count <= 2:
            raise ProverCrashed("the proving process died during verify: signal 11")

    verifications.before = die
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, folder, jobs=1))
    assert (report.verified, report.failed, report.unchecked, report.ok) == (4, 0, 1, False)
    assert failures(report) == ["the proving process died during verify: signal 11"]


def test_an_endpoint_twice(rig: Rig, folder: Path) -> None:
    with pytest.raises(ConfigError, match="none twice"):
        rig.run(audit(rig.hub.address, [rig.chain.rpc_url] * 2, folder))
