"""Tests of a model that sees the reporters' spread: only the reporters decide how large it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from oracle.app.audit import audit
from oracle.chain.hub import FeedUpdate, Submission
from oracle.core import encoding
from oracle.core.types import Status
from tests.attack.rig import (
    ANSWER,
    BATCHES,
    COMMITTEE,
    HOURS,
    NORMAL,
    REPORTER,
    Rig,
    Sighting,
    Window,
    audit_folder,
    with_update,
)

pytestmark = pytest.mark.attack

APART = 1_000
"""The spread of `reports`, in thousandths of sigma."""


@pytest.fixture(scope="module")
def prepared(deployed: Rig) -> Iterator[Rig]:
    """Register the default model's circuit as one that sees the spread: model 2, which then judges the feeds."""
    snapshot = deployed.chain.rpc("evm_snapshot")
    deployed.admin("addArchitecture", 16, 2, True, True, BATCHES[:1], [deployed.verifier()])
    found = deployed.proofs.artifact()
    shape = (found.model_hash, 2, bytes.fromhex(found.artifact_hash), found.manifest.score_unit)
    deployed.admin("addModel", *shape, astuple(deployed.probe()))
    for name in ("solo", "trio"):
        deployed.activate(name, 2)
    yield deployed
    assert deployed.chain.rpc("evm_revert", snapshot)


@pytest.fixture
def rig(prepared: Rig) -> Iterator[Rig]:
    snapshot = prepared.chain.rpc("evm_snapshot")
    yield prepared
    assert prepared.chain.rpc("evm_revert", snapshot)


def reports(account: int = 3) -> tuple[Sighting, Sighting]:
    """Return two answers one sigma apart; the higher answer is the median of two."""
    return Sighting(NORMAL - NORMAL // 101, 600, 2), Sighting(NORMAL, 600, account)


def submission(rig: Rig, name: str, sightings: Sequence[Sighting], spread: int | None) -> Submission:
    """Return a submission with a proof for the given spread. None: with a proof of a model that sees no spread."""
    window: Window = encoding.features(rig.state(name), sightings[-1].answer, rig.start + 600, 16, spread)
    update = FeedUpdate(
        feed_id=rig.feed_id(name),
        round_id=rig.state(name).round_id + 1,
        observations=tuple(rig.sign(name, sighting) for sighting in sightings),
        scores=rig.proofs.scores(window),
    )
    return Submission(2, (update,), rig.proofs.prove(window))


def apart(rig: Rig, low: Sighting, high: Sighting) -> int:
    state = rig.state("trio")
    return encoding.spread(state.kind, state.sigma, low.answer, high.answer)


def test_the_hub_sees_what_the_reporters_signed(rig: Rig) -> None:
    low, high = reports()
    spread = apart(rig, low, high)
    assert spread == pytest.approx(APART, abs=1)
    seen = rig.run(rig.hub.features(rig.feed_id("trio"), NORMAL, rig.start + 600, spread))
    assert seen == encoding.features(rig.state("trio"), NORMAL, rig.start + 600, 16, spread)
    assert rig.accepts(submission(rig, "trio", (low, high), spread))
    assert (rig.state("trio").round_id, rig.state("trio").answer) == (2, NORMAL)


def test_a_caller_can_not_choose_the_spread(rig: Rig) -> None:
    """Whatever was proven (a narrower spread, a wider one, or none), the hub itself writes the statement."""
    low, high = reports()
    spread = apart(rig, low, high)
    for claimed in (0, spread + 1, None):
        rig.refuses(submission(rig, "trio", (low, high), claimed), "ProofRejected")
    good = submission(rig, "trio", (low, high), spread)
    # Other answers under the same proof: nearer together, and further apart.
    for other in (low.answer + 10**6, low.answer - 10**6):
        observations = (rig.sign("trio", replace(low, answer=other)), rig.sign("trio", high))
        rig.refuses(with_update(good, observations=observations), "ProofRejected")
    assert rig.accepts(good)


def test_one_reporter_is_not_apart(rig: Rig) -> None:
    one = (Sighting(NORMAL, 600, REPORTER),)
    rig.refuses(submission(rig, "solo", one, APART), "ProofRejected")
    assert rig.accepts(submission(rig, "solo", one, 0))
    assert rig.state("solo").status is Status.OK


def test_three_reporters_who_agree_are_not_apart(rig: Rig) -> None:
    agreed = tuple(Sighting(NORMAL, 600, account) for account in COMMITTEE)
    assert rig.accepts(submission(rig, "trio", agreed, 0))


def test_the_audit_sees_the_same_spread(rig: Rig, tmp_path: Path) -> None:
    low, high = reports()
    assert rig.accepts(submission(rig, "trio", (low, high), apart(rig, low, high)))
    rig.wait_until(7 * HOURS)
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, audit_folder(tmp_path / "a", rig.proofs.artifact())))
    assert (report.ok, report.failed) == (True, 0), [each.problem for each in report.findings]
    assert (report.findings[-1].feed, report.findings[-1].round_id) == ("trio / USD", 2)
    assert ANSWER < report.findings[-1].answer == NORMAL
