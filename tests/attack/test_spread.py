"""Tests of a model that sees the reporters' spread: only the reporters decide how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.app.audit import audit
from oracle.core import encoding
from oracle.core.types import Status
from tests.attack.calldata import Calldata
from tests.attack.rig import ANSWER, COMMITTEE, HOURS, NORMAL, REPORTER, Rig, Sighting
from tests.attack.setup import audit_folder

pytestmark = pytest.mark.attack

APART = 1_000
"""The spread of `reports`, in thousandths of sigma."""

LISTED = encoding.window_features(14, spread=True)
"""The feature list that the hub believes: in the default model's circuit, its last past move is the spread."""


@pytest.fixture(scope="module")
def prepared(deployed: Rig) -> Iterator[Rig]:
    """Register the default model's circuit as one that sees the spread: model 2, which then judges the feeds."""
    snapshot = deployed.chain.snapshot()
    number = deployed.add_architecture(listed=LISTED, verifiers=[deployed.verifier()])
    assert deployed.add_model("private", number) == 2
    for name in ("solo", "trio"):
        deployed.activate(name, 2)
    yield deployed
    deployed.chain.revert(snapshot)


@pytest.fixture
def rig(prepared: Rig) -> Iterator[Rig]:
    snapshot = prepared.chain.snapshot()
    yield prepared
    prepared.chain.revert(snapshot)


def reports() -> tuple[Sighting, ...]:
    """Return three answers; the lowest and the highest are one sigma apart."""
    low = NORMAL - NORMAL // 101
    return tuple(Sighting(each, 600, at) for each, at in zip((low, NORMAL - 9, NORMAL), COMMITTEE[:3], strict=True))


def claiming(rig: Rig, good: Calldata, name: str, answer: int, spread: int | None) -> Calldata:
    """Return a submission with a proof of another spread. None: with a proof of a model that sees no spread."""
    listed = rig.proofs.listed() if spread is None else LISTED
    window = rig.window(name, answer, 600, listed=listed, spreads={name: spread or 0})
    return replace(good, proof=rig.proofs.prove(window)).with_scores(*rig.proofs.scores(window))


def honest(rig: Rig, name: str, *sightings: Sighting) -> Calldata:
    return rig.together({name: sightings}, model_number=2, listed=LISTED)


def apart(rig: Rig) -> int:
    found = [each.answer for each in reports()]
    return rig.spread("trio", min(found), max(found))


def test_the_hub_sees_what_the_reporters_signed(rig: Rig) -> None:
    spread = apart(rig)
    assert spread == pytest.approx(APART, abs=1)
    seen = rig.run(rig.hub.features(rig.feed_id("trio"), NORMAL - 9, rig.start + 600, spread=spread, count=3))
    assert seen == rig.window("trio", NORMAL - 9, 600, listed=LISTED, spreads={"trio": spread})
    assert rig.accepts(honest(rig, "trio", *reports()))
    assert (rig.state("trio").round_id, rig.state("trio").answer) == (2, NORMAL - 9)
    found = rig.run(rig.hub.round(rig.feed_id("trio"), 2))
    assert found is not None and (found.spread, found.count) == (spread, 3)


def test_a_caller_can_not_choose_the_spread(rig: Rig) -> None:
    """Whatever was proven (a narrower spread, a wider one, or none), the hub itself writes the statement."""
    good = honest(rig, "trio", *reports())
    spread = apart(rig)
    for claimed in (0, spread + 1, spread - 1, None):
        rig.refuses(claiming(rig, good, "trio", NORMAL - 9, claimed), "ProofRejected")
    # Other answers under the same proof: nearer together, and further apart.
    for other in (10**6, -(10**6)):
        moved = good.with_answer(good.rows[0][0] + other, row=0)
        rig.refuses(rig.sign(moved, *COMMITTEE[:3]), "ProofRejected")
    # A signature more or less makes another spread too.
    fourth = honest(rig, "trio", *reports(), Sighting(NORMAL + 10**7, 600, COMMITTEE[3]))
    rig.refuses(
        replace(good, answers=fourth.answers, signatures=fourth.signatures, medians=fourth.medians), "ProofRejected"
    )
    assert rig.accepts(good)


def test_one_reporter_is_not_apart(rig: Rig) -> None:
    good = honest(rig, "solo", Sighting(NORMAL, 600, REPORTER))
    rig.refuses(claiming(rig, good, "solo", NORMAL, APART), "ProofRejected")
    assert rig.accepts(good)
    assert rig.state("solo").status is Status.OK


def test_reporters_who_agree_are_not_apart(rig: Rig) -> None:
    agreed = honest(rig, "trio", *(Sighting(NORMAL, 600, account) for account in COMMITTEE))
    rig.refuses(claiming(rig, agreed, "trio", NORMAL, 1), "ProofRejected")
    assert rig.accepts(agreed)


def test_the_audit_sees_the_same_spread(rig: Rig, tmp_path: Path) -> None:
    assert rig.accepts(honest(rig, "trio", *reports()))
    rig.wait_until(7 * HOURS)
    report = rig.run(audit(rig.hub.address, rig.chain.rpc_url, audit_folder(tmp_path / "a", rig.proofs.artifact())))
    assert report.failed == 0, [each.problem for each in report.findings]
    assert (report.findings[-1].feed, report.findings[-1].round_id) == ("trio / USD", 2)
    assert ANSWER < report.findings[-1].answer == NORMAL - 9
