"""Tests of a report of several feeds by several reporters: each feed has its own answers, quorum and median."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from oracle.chain.local.anvil import Anvil
from tests.attack.node import GENESIS
from tests.attack.proofs import Proofs
from tests.attack.rig import ANSWER, COMMITTEE, HOURS, NORMAL, Rig, Sighting, ascending

pytestmark = pytest.mark.attack

TRIOS = ascending(("trio", "trio a", "trio b"))


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Deploy with circuits for 1 and 4 windows, and three feeds of the committee of five that have had a round."""
    rig = Rig.build(proofs, anvil(start_time=GENESIS), tmp_path_factory.mktemp("columns"), batches=(1, 4))
    fresh = [name for name in TRIOS if name != "trio"]
    for name in fresh:
        rig.add_feed(name, "trio")
    assert rig.accepts(rig.together({name: rig.seen(name, ANSWER, 10) for name in fresh}))
    yield rig
    rig.close()


@pytest.fixture
def trios(rig: Rig) -> Rig:
    assert rig.now() - rig.start >= 6 * HOURS
    return rig


def test_each_feed_has_a_median_of_its_own(trios: Rig) -> None:
    """Reporters who are high on one feed and low on another; the hub looks at each feed's column."""
    apart = ANSWER // 1_000
    ranks = {name: ((0, 1, 2), (1, 2, 0), (2, 0, 1))[at] for at, name in enumerate(TRIOS)}
    submission = trios.together(
        {
            name: [Sighting(NORMAL + rank * apart, 600, COMMITTEE[row]) for row, rank in enumerate(found)]
            for name, found in ranks.items()
        }
    )
    assert submission.medians == bytes([1, 0, 2])
    for altered in (b"\1\1\1", b"\0\1\2", b"\1\0\0", b"\0\0\2"):
        trios.refuses(replace(submission, medians=altered), "NotTheMedian")
    assert trios.accepts(submission)
    assert [trios.state(name).answer for name in TRIOS] == [NORMAL + apart] * 3


def test_a_quorum_for_each_feed(trios: Rig) -> None:
    """Four reporters sign. For one feed two of them have no answer: then it can't be written, or only without it."""
    whole = {name: [Sighting(NORMAL, 600, account) for account in COMMITTEE[:4]] for name in TRIOS}
    short = {**whole, TRIOS[1]: whole[TRIOS[1]][:2]}
    trios.refuses(trios.together(short), "QuorumNotMet")
    # As a reference neither: what a peer was worth takes a quorum too.
    trios.refuses(trios.together(short, due=[TRIOS[0], TRIOS[2]]), "QuorumNotMet")
    three = {**whole, TRIOS[1]: whole[TRIOS[1]][:3]}
    good = trios.together(three)
    trios.refuses(good.taking((1, 2, 3)), "QuorumNotMet")
    assert trios.accepts(good)
    counts = [trios.run(trios.hub.round(trios.feed_id(name), 2)) for name in TRIOS]
    assert [found.count for found in counts if found] == [4, 3, 4]


def test_answers_of_one_feed_under_another(trios: Rig) -> None:
    """The columns of one row, or a row of another report, belong to nobody."""
    apart = ANSWER // 1_000
    each_own = {name: trios.seen(name, NORMAL + at * apart) for at, name in enumerate(TRIOS)}
    submission = trios.together(each_own)
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        rows = [[row[at] for at in order] for row in submission.rows]
        trios.refuses(submission.with_rows(*rows), "NotAReporter")
        trios.refuses(submission.with_rows(rows[0], *submission.rows[1:]), "NotAReporter")
        if order != (1, 2, 0):
            trios.refuses(trios.sign(submission.with_rows(*rows), *COMMITTEE[:3]), "ProofRejected")
    assert trios.accepts(submission)
