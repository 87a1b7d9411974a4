"""Tests of a model that sees a peer, with real proofs: no peer is left out or chosen, and none decides by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from oracle.chain.hub import hub_interface
from oracle.chain.local.anvil import Anvil
from oracle.core.encoding import CLIP, NO_ANSWER, Feature, calm_window
from oracle.core.types import HoldReason, Status
from tests.attack.calldata import SHADOW, Calldata, encode, flipped, packed, unpacked
from tests.attack.node import DEPLOYER, GENESIS
from tests.attack.proofs import Proofs, Window
from tests.attack.rig import ANSWER, COMMITTEE, HOURS, REPORTER, Rig, Sighting, in_order, terms_of
from tests.peer_models import FEATURES

pytestmark = pytest.mark.attack

NUMBER = 2
"""The model that sees a peer."""
OWN, PEER = "own", "peer"
LEFT, RIGHT = "left", "right"
"""Two feeds that name each other."""
FAR = 25.1**0.5
"""In sigmas, on a new feed with one reporter: an own move beyond it is held whatever the peer does."""
FACTOR = 13**0.5
"""The factor by which a peer that lies alone can lower that limit: 4 x² − 6 x y − y² is at most 13 x², at y = −3 x."""


def by_rule(own: float, peer: float) -> bool:
    """Return whether the rule of the model holds a move beside the peer's, both in sigmas, on a new feed."""
    return max(own**2, 4 * own**2 - 6 * own * peer - peer**2) > FAR**2


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Deploy, and add the model of peers with feeds that it judges; each has had its first round."""
    rig = Rig.build(proofs, anvil(start_time=GENESIS), tmp_path_factory.mktemp("peers"))
    number = rig.add_architecture("peer", (1, 4))
    assert rig.add_model("peer", number, probe=rig.probe("peer", (1, 4))) == NUMBER
    rig.add_feed(PEER, "solo")
    for name, peer in ((OWN, PEER), (LEFT, RIGHT), (RIGHT, LEFT)):
        rig.add_feed(name, "solo", NUMBER, peers=(rig.feed_id(peer),))
    assert rig.accepts(rig.honest(PEER, Sighting(ANSWER, 10)))
    assert rig.accepts(beside(rig, {OWN: ANSWER, PEER: ANSWER}, [OWN], after=20))
    assert rig.accepts(beside(rig, {LEFT: ANSWER, RIGHT: ANSWER}, [LEFT, RIGHT], after=20))
    assert [rig.state(name).round_id for name in (OWN, PEER, LEFT, RIGHT)] == [1] * 4
    yield rig
    rig.close()


def beside(rig: Rig, answers: dict[str, int], due: Sequence[str], after: int = 600) -> Calldata:
    """Return a report of some feeds, of which the model of peers judges those that are due."""
    reports = {name: (Sighting(answer, after),) for name, answer in answers.items()}
    batch = 1 if len(due) == 1 else 4
    return rig.together(reports, due=due, kind="peer", model_number=NUMBER, batch=batch)


def moved(sigmas: float, base: int = ANSWER) -> int:
    """Return the answer that is so many sigmas above `base`, or below it: a fall counts like the rise back."""
    share = round(abs(sigmas) * 10_000)
    return base * (10**6 + share) // 10**6 if sigmas >= 0 else -(-base * 10**6 // (10**6 + share))


def together(rig: Rig, own: float, peer: float) -> Calldata:
    """Return a report of `own`, with its peer as a reference; both have moved by so many sigmas."""
    return beside(rig, {OWN: moved(own), PEER: moved(peer)}, [OWN])


def seen(rig: Rig, calldata: Calldata) -> Window:
    """Return the window of the one feed of a report that is due."""
    answers = dict(zip(calldata.feed_ids, calldata.rows[0], strict=True))
    named = {name: answers[rig.feed_id(name)] for name in (OWN, PEER)}
    return rig.windows(named, [OWN], calldata.observed_at - rig.start, FEATURES)[0]


def is_held(rig: Rig, calldata: Calldata, name: str = OWN) -> bool:
    """Send a report and return whether the feed is held then; its state is restored."""
    snapshot = rig.chain.snapshot()
    assert rig.accepts(calldata)
    state = rig.state(name)
    assert (state.status, state.round_id) in {(Status.HELD, 1), (Status.OK, 2)}
    rig.chain.revert(snapshot)
    return state.status is Status.HELD


# --- how much a peer can do ---


LIES = (-10, -4, -3, -1, 0, 1, 3, 10)
"""The move that the peer claims, in sigmas."""


@pytest.mark.parametrize(
    ("own", "held"),
    [
        (0.0, ()),
        (-0.9, ()),
        (1.2, ()),
        (1.4, (-4,)),
        (-1.4, ()),
        (-1.5, (3,)),
        (2.4, (-10, -4, -3, -1)),
        (-3.0, (0, 1, 3, 10)),
        (4.9, (-10, -4, -3, -1, 0, 1)),
        (6.0, LIES),
    ],
)
def test_a_peer_that_lies_alone(rig: Rig, own: float, held: tuple[int, ...]) -> None:
    """The table: for each own move, the peer's lies by which the honest feed is held.

    own move       against it          none                with it
    up to 1.39σ    never               never               never
    1.4σ           3 times as far      never               never
    2.4σ           1σ to 10σ           never               never
    3σ             1σ to 10σ           always              never
    4.9σ           1σ to 10σ           always              1σ
    from 5σ        always              always              always (by its own limit, as without a peer)

    A lie costs the honest feed a hold, no more: the next report that agrees, or the confirmations, end it.
    """
    found = tuple(lie for lie in LIES if is_held(rig, together(rig, own, lie)))
    assert found == held == tuple(lie for lie in LIES if by_rule(own, lie))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_factor_that_no_lie_exceeds(rig: Rig, sign: int) -> None:
    """Just below the bound no lie at all holds the honest feed, just above it the worst lie does."""
    below, above = (sign * round(1000 * FAR / FACTOR + step) for step in (-2, 2))
    fixed = dict(zip(FEATURES, calm_window(FEATURES), strict=True)) | {Feature.PEER_SEEN_0: 1}

    def holding(own: int) -> list[int]:
        """Return the lies, in thousandths, with which the reference holds an own move."""
        windows = {lie: fixed | {Feature.MOVE: own, Feature.PEER_MOVE_0: lie} for lie in range(1 - CLIP, CLIP, 11)}
        return [lie for lie, window in windows.items() if rig.proofs.scores(tuple(window.values()), "peer") != (0,)]

    assert holding(below) == []
    assert holding(above) and all(abs(lie + 3 * above) < 300 for lie in holding(above))
    for own, held in ((below, False), (above, True)):
        assert is_held(rig, together(rig, own / 1000, -3 * own / 1000)) == held


@pytest.mark.parametrize("lie", [-1, -3.9, -10, 3.9, 10])
def test_below_the_bound_no_lie_holds_a_calm_feed(rig: Rig, lie: float) -> None:
    """Ten reports in a row, while the peer jumps to and fro: the honest feed stays open."""
    answer = ANSWER
    for report in range(10):
        answer = moved((1.1, -1.1)[report % 2], answer)
        jump = moved(lie * (report % 2), ANSWER)
        assert rig.accepts(beside(rig, {OWN: answer, PEER: jump}, [OWN], after=600 + 60 * report))
        state = rig.state(OWN)
        assert (state.status, state.round_id, state.answer) == (Status.OK, report + 2, answer)


def test_a_hold_by_a_lie_is_confirmed_like_any_other(rig: Rig) -> None:
    """The peer keeps lying. The honest feed's level is confirmed by its own further reports, in as much time."""
    answer, lie = moved(1.5), moved(-4.5)
    for report in range(3):
        assert rig.state(OWN).round_id == 1
        assert rig.accepts(beside(rig, {OWN: answer, PEER: lie}, [OWN], after=600 + 60 * report))
        rig.later(60)
    state = rig.state(OWN)
    assert (state.status, state.answer, state.peer_answers) == (Status.OK, answer, (lie,))


def test_a_fault_of_the_feed_alone_is_seen_beside_the_peer(rig: Rig) -> None:
    """This is the model's use: a move that is normal by itself, 3σ, is held if the market did not move."""
    assert is_held(rig, together(rig, 3, 0))
    assert not is_held(rig, together(rig, 3, 3))
    assert is_held(rig, together(rig, 3, -3))


# --- peers that can't be measured ---


@pytest.mark.parametrize("answer", [ANSWER * 9, ANSWER // 9, 2**127 - 1, 1], ids=["9x", "1/9", "max", "1"])
def test_a_clipped_peer_has_no_say(rig: Rig, answer: int) -> None:
    """So far that it is clipped, a peer isn't seen: the feed's own limits are left, whatever the lie."""
    for own, held in ((0.5, False), (2.4, False), (4.9, False), (5.1, True)):
        report = beside(rig, {OWN: moved(own), PEER: answer}, [OWN])
        window = dict(zip(FEATURES, seen(rig, report), strict=True))
        assert abs(window[Feature.PEER_MOVE_0]) == CLIP and window[Feature.PEER_SEEN_0] == 0
        assert is_held(rig, report) == held, own


@pytest.mark.parametrize("answer", [0, -1, -ANSWER, -(2**127) + 1], ids=str)
def test_a_peer_of_zero_or_less(rig: Rig, answer: int) -> None:
    """Nothing is measured against it: neither now, nor in the next report, where it is the answer that was kept."""
    for own, held in ((0.5, False), (4.9, False), (5.1, True)):
        report = beside(rig, {OWN: moved(own), PEER: answer}, [OWN])
        window = dict(zip(FEATURES, seen(rig, report), strict=True))
        assert (window[Feature.PEER_MOVE_0], window[Feature.PEER_SEEN_0]) == (0, 0)
        assert is_held(rig, report) == held, own
    assert rig.accepts(beside(rig, {OWN: moved(0.5), PEER: answer}, [OWN]))
    assert rig.state(OWN).peer_answers == (answer,)
    following = beside(rig, {OWN: moved(0.9, moved(0.5)), PEER: ANSWER}, [OWN], after=700)
    window = dict(zip(FEATURES, seen(rig, following), strict=True))
    assert (window[Feature.PEER_MOVE_0], window[Feature.PEER_SEEN_0]) == (0, 0)
    assert rig.accepts(following)
    assert rig.state(OWN).peer_answers == (ANSWER,)


def test_that_a_peer_is_seen_can_not_be_chosen(rig: Rig) -> None:
    """The attempts: a proof in which the peer isn't seen, has not moved, or moved with the feed."""
    report = together(rig, 2.4, -10)
    window = seen(rig, report)
    move, was_seen = FEATURES.index(Feature.PEER_MOVE_0), FEATURES.index(Feature.PEER_SEEN_0)
    assert (window[was_seen], report.first_scores) == (1, (1,))
    for changes in ({was_seen: 0}, {move: 0, was_seen: 0}, {move: 0}, {move: window[0]}, {move: -window[move]}):
        other = tuple(changes.get(at, value) for at, value in enumerate(window))
        assert rig.proofs.scores(other, "peer") == (0,), "a proof that is worth trying"
        forged = replace(report, proof=rig.proofs.prove(other, kind="peer"))
        rig.refuses(forged.with_scores(0), "ProofRejected")
        rig.refuses(forged, "ProofRejected")
    for claimed in (0, -1, 2):
        rig.refuses(report.with_scores(claimed), "ProofRejected")
    for padded in ((0, 0), (0, 1), (1, 0), (1, 1)):
        rig.refuses(report.with_scores(*padded), "MalformedSubmission")
    assert is_held(rig, report)


def test_no_peer_is_lent_to_a_feed_that_has_none(rig: Rig) -> None:
    """A feed without peers is judged after one with a peer. Nothing of that peer is left for it, nor can be proven."""
    lonely = next(name for name in map("lonely {}".format, range(99)) if rig.feed_id(name) > rig.feed_id(OWN))
    rig.add_feed(lonely, "solo", NUMBER)
    assert rig.accepts(beside(rig, {lonely: ANSWER}, [lonely], after=300))
    answers = {OWN: moved(2.4), PEER: moved(-10), lonely: moved(2.4)}
    report = beside(rig, answers, [OWN, lonely])
    own, alone = rig.windows(answers, [OWN, lonely], 600, FEATURES)
    move, was_seen = FEATURES.index(Feature.PEER_MOVE_0), FEATURES.index(Feature.PEER_SEEN_0)
    assert (own[was_seen], alone[move], alone[was_seen]) == (1, 0, 0)
    for lent in ({move, was_seen}, {move}, {was_seen}):
        other = tuple(own[at] if at in lent else value for at, value in enumerate(alone))
        scores = [score for window in (own, other) for score in rig.proofs.scores(window, "peer")]
        proof = rig.proofs.prove(own, other, kind="peer", batch=4)
        rig.refuses(replace(report, proof=proof, scores=packed(*scores)), "ProofRejected")
    assert rig.accepts(report)
    # The peer's lie holds the one feed, and the other one has no peer that could lie.
    assert (rig.state(OWN).status, rig.state(lonely).status) == (Status.HELD, Status.OK)


# --- peers that are left out, or are not what they seem ---


def at_of(calldata: Calldata, rig: Rig, name: str) -> int:
    return calldata.feed_ids.index(rig.feed_id(name))


def relisted(calldata: Calldata, old: bytes, new: bytes) -> Calldata:
    """Return the report of two feeds with another one in the place of one of them, ascending."""
    ids = [new if each == old else each for each in calldata.feed_ids]
    order = sorted(range(2), key=lambda at: ids[at])
    return replace(
        calldata,
        feed_ids=tuple(ids[at] for at in order),
        round_ids=tuple(calldata.round_ids[at] for at in order),
        answers=packed(*(row[at] for row in calldata.rows for at in order)),
    )


def without(calldata: Calldata, at: int) -> Calldata:
    """Return the report without one of its two feeds. The scores are those of the other one."""
    (kept,) = {0, 1} - {at}
    return replace(
        calldata,
        feed_ids=(calldata.feed_ids[kept],),
        round_ids=(calldata.round_ids[kept],),
        answers=packed(*(row[kept] for row in calldata.rows)),
        medians=bytes([calldata.medians[kept]]),
    )


@pytest.mark.parametrize("sigmas", [0.5, 2.4, 6.0])
def test_a_peer_that_is_missing(rig: Rig, sigmas: float) -> None:
    """Neither a relayer nor the reporters can leave it out, to have a move judged without it."""
    report = together(rig, sigmas, 0)
    alone = without(report, at_of(report, rig, PEER))
    rig.refuses(alone, "NotAReporter")
    rig.refuses(rig.sign(alone, REPORTER), "PeerMissing")
    # Another feed in its place does not count.
    level = rig.draft({OWN: (Sighting(moved(sigmas)),), "level": (Sighting(ANSWER),)}, due=[OWN], model_number=NUMBER)
    other = rig.sign(replace(level, scores=report.scores, proof=report.proof), REPORTER)
    rig.refuses(other, "PeerMissing")
    assert rig.refusal(report) is None


@pytest.mark.parametrize("change", ["answer", "round", "id"])
def test_a_reference_altered(rig: Rig, change: str) -> None:
    """A reference is signed like everything else, and has a quorum and a median."""
    report = together(rig, 1.2, 1)
    at = at_of(report, rig, PEER)
    altered = {
        "answer": report.with_answer(ANSWER, column=at),
        "round": replace(report, round_ids=(2, 2), scores=report.scores * 2),
        "id": relisted(report, rig.feed_id(PEER), rig.feed_id("level")),
    }[change]
    # Due, the peer would be judged by the wrong model.
    rig.refuses(altered, "ModelNotActive" if change == "round" else "NotAReporter")
    resigned = rig.sign(altered, REPORTER)
    expected = {"answer": "ProofRejected", "round": "ModelNotActive", "id": "PeerMissing"}[change]
    rig.refuses(resigned, expected)
    assert rig.accepts(report)


def test_a_peer_that_nobody_signed(rig: Rig) -> None:
    """A reporter without an answer for the peer can't report the feed."""
    report = together(rig, 0.5, 0)
    at = at_of(report, rig, PEER)
    silent = rig.sign(report.with_answer(NO_ANSWER, column=at), REPORTER)
    rig.refuses(silent, "QuorumNotMet")
    rig.refuses(report.with_answer(NO_ANSWER, column=at), "NotAReporter")
    rig.refuses(replace(report, medians=bytes(1 if each == at else 0 for each in range(2))), "NotTheMedian")
    assert rig.accepts(report)


def test_a_peer_that_less_than_a_quorum_signed(rig: Rig) -> None:
    """Three of five have the feed, two of them have its peer: what the peer was worth takes a quorum too."""
    rig.add_feed("trio peer", "trio", max_spread=0)
    rig.add_feed("trio own", "trio", NUMBER, peers=(rig.feed_id("trio peer"),))
    everyone = [Sighting(ANSWER, 100, account) for account in COMMITTEE]

    def report(peers: Sequence[Sighting]) -> Calldata:
        found = {"trio own": everyone[:3], "trio peer": peers}
        return rig.together(found, due=["trio own"], kind="peer", model_number=NUMBER)

    rig.refuses(report(everyone[1:3]), "QuorumNotMet")
    wide = [replace(each, answer=ANSWER + 10**9 * at) for at, each in enumerate(everyone[:3])]
    assert rig.refusal(report(wide)) is None
    # A bound of the spread counts for a reference too.
    rig.add_feed("trio bound", "trio", max_spread=2_000)
    rig.add_feed("trio bounded", "trio", NUMBER, peers=(rig.feed_id("trio bound"),))
    bounded = {"trio bounded": everyone[:3], "trio bound": wide}
    attack = rig.together(bounded, due=["trio bounded"], kind="peer", model_number=NUMBER)
    rig.refuses(attack, "SpreadTooWide")
    assert rig.accepts(report(everyone[:3]))


@pytest.mark.parametrize("rounds", [(1, 0), (0, 1), (1, 1), (0, 0)], ids=str)
def test_a_peer_twice(rig: Rig, rounds: tuple[int, int]) -> None:
    """As two references with different answers, or as a reference and due at once."""
    report = together(rig, 0.5, 0)
    at = at_of(report, rig, PEER)
    own = 1 - at
    ids = sorted((rig.feed_id(OWN), *(rig.feed_id(PEER),) * 2))
    found = iter(rounds)
    twice = replace(
        report,
        feed_ids=tuple(ids),
        round_ids=tuple(2 if each == rig.feed_id(OWN) else 2 * next(found) for each in ids),
        answers=packed(*(report.rows[0][own] if each == rig.feed_id(OWN) else ANSWER for each in ids)),
        medians=bytes(3),
        scores=report.scores * (1 + sum(rounds)),
    )
    attack = rig.sign(twice, REPORTER)
    error = rig.refusal(attack)
    # The first entry of a due peer is judged before the second one is read.
    assert error in {"FeedsNotAscending", "ModelNotActive"}
    assert error == "FeedsNotAscending" or rounds[0]
    rig.fails(encode(attack))
    assert rig.accepts(report)


@pytest.mark.parametrize(("sigmas", "is_seen"), [(10, True), (-10, True), (-50, False)])
def test_a_peer_that_is_held(rig: Rig, sigmas: int, is_seen: bool) -> None:
    """Its answer counts as reporters signed it now, accepted by the hub or not, up to the clip."""
    assert rig.accepts(rig.honest(PEER, Sighting(moved(sigmas), 100)))
    before = rig.state(PEER)
    assert before.status is Status.HELD
    found = {}
    for own in (0.9, 1.2, 2.4, -2.4):
        report = together(rig, own, sigmas)
        assert dict(zip(FEATURES, seen(rig, report), strict=True))[Feature.PEER_SEEN_0] == is_seen
        found[own] = is_held(rig, report)
    assert found == {own: is_seen and by_rule(own, sigmas) for own in found}
    assert any(found.values()) == is_seen
    assert rig.accepts(together(rig, 0.5, 0.5))
    assert rig.state(PEER) == before, "a reference changes nothing of it"


def test_a_peer_that_is_paused(rig: Rig) -> None:
    """As a reference it may be: the guardian that stops one feed does not stop those that name it."""
    rig.admin("pause", rig.feed_id(PEER))
    assert rig.accepts(together(rig, 0.5, 0.5))
    rig.refuses(rig.honest(PEER, Sighting(ANSWER, 900)), "FeedPaused")
    rig.admin("pause", rig.feed_id(RIGHT))
    rig.refuses(beside(rig, {LEFT: ANSWER, RIGHT: ANSWER}, [LEFT, RIGHT], after=900), "FeedPaused")
    assert rig.accepts(beside(rig, {LEFT: moved(0.5), RIGHT: ANSWER}, [LEFT], after=900))


def test_a_reference_writes_nothing(rig: Rig) -> None:
    """Neither a round, nor a time, nor a repeat: it may come at any time, and as often as its feed's peers report."""
    before = rig.state(PEER)
    for report in range(3):
        answers = {OWN: moved(0.1 * report), PEER: ANSWER}
        assert rig.accepts(beside(rig, answers, [OWN], after=600 + 60 * report))
    assert rig.state(PEER) == before
    assert rig.accepts(rig.honest(PEER, Sighting(ANSWER, 30))), "an older observation than the references is fresh"


# --- feeds that name each other ---


def test_two_feeds_that_name_each_other(rig: Rig) -> None:
    """One proof judges both, each beside the other; no verdict is among the features of the other one."""
    both = beside(rig, {LEFT: moved(3), RIGHT: moved(3)}, [LEFT, RIGHT])
    assert rig.accepts(both)
    assert [rig.state(name).status for name in (LEFT, RIGHT)] == [Status.OK] * 2
    apart = beside(rig, {LEFT: moved(3, moved(3)), RIGHT: moved(3)}, [LEFT, RIGHT], after=700)
    assert rig.accepts(apart)
    assert [rig.state(name).status for name in (LEFT, RIGHT)] == [Status.HELD, Status.OK]
    held = rig.state(LEFT).held
    assert held is not None and held.reason is HoldReason.ANOMALOUS


@pytest.mark.parametrize("first", [LEFT, RIGHT])
def test_one_of_the_two_alone(rig: Rig, first: str) -> None:
    """Each may be reported with the other as a reference, in either order: the answers that were kept are its own."""
    second = RIGHT if first == LEFT else LEFT
    assert rig.accepts(beside(rig, {first: moved(0.5), second: ANSWER}, [first]))
    assert rig.accepts(beside(rig, {second: moved(-0.5), first: moved(0.5)}, [second], after=700))
    assert rig.state(first).peer_answers == (ANSWER,)
    assert rig.state(second).peer_answers == (moved(0.5),)


def test_the_proof_of_the_two_swapped(rig: Rig) -> None:
    """Windows and scores of one feed don't serve the other, even if the two are each other's peers."""
    good = beside(rig, {LEFT: moved(3), RIGHT: ANSWER}, [LEFT, RIGHT])
    turned = beside(rig, {LEFT: ANSWER, RIGHT: moved(3)}, [LEFT, RIGHT])
    verdicts = unpacked(good.scores)
    assert sorted(verdicts) == [0, 1] and unpacked(turned.scores) == verdicts[::-1]
    rig.refuses(replace(good, proof=turned.proof, scores=turned.scores), "ProofRejected")
    rig.refuses(replace(good, scores=turned.scores), "ProofRejected")
    rig.refuses(replace(good, proof=turned.proof), "ProofRejected")
    rig.refuses(replace(good, answers=turned.answers), "NotAReporter")
    rig.refuses(replace(good, proof=flipped(good.proof, 99)), "ProofRejected")
    for at in range(2):
        rounds = tuple(0 if each == at else 2 for each in range(2))
        one = packed(verdicts[1 - at])
        rig.refuses(replace(good, round_ids=rounds, scores=one), "NotAReporter")
        rig.refuses(rig.sign(replace(good, round_ids=rounds, scores=one), REPORTER), "ProofRejected")
    assert rig.accepts(good)
    assert [rig.state(name).status for name in (LEFT, RIGHT)] == [Status.HELD, Status.OK]


# --- terms ---


def test_peers_that_a_feed_can_not_have(rig: Rig) -> None:
    """Itself, one twice, three, none, and one of another committee."""
    own, other = rig.feed_id("fresh"), rig.feed_id(PEER)
    third = rig.feed_id("level")
    bad = [(own,), (other, own), (other, other), (other, third, rig.feed_id(OWN)), (bytes(32),), (rig.feed_id("trio"),)]
    for peers in bad:
        terms = replace(terms_of("fresh"), committee=rig.committee("solo"), peers=peers)
        data = hub_interface().encode_call("addFeed", in_order(terms), 1)
        rig.refuses(data, "InvalidConfig", DEPLOYER)


def test_a_peer_that_comes_later_in_another_committee(rig: Rig) -> None:
    """It can never be signed with the feed, which then never reports: nothing false is written, the feed is lost."""
    later = rig.feed_id("later")
    rig.add_feed("early", "solo", NUMBER, peers=(later,))
    draft = rig.draft({"early": (Sighting(ANSWER),), PEER: (Sighting(ANSWER),)}, due=["early"], model_number=NUMBER)
    calm = calm_window(FEATURES)
    scores = packed(*rig.proofs.scores(calm, "peer"))
    report = rig.sign(replace(draft, scores=scores, proof=rig.proofs.prove(calm, kind="peer")), REPORTER)
    listed = relisted(report, rig.feed_id(PEER), later)
    rig.refuses(report, "PeerMissing")
    rig.refuses(rig.sign(listed, REPORTER), "UnknownFeed")
    rig.add_feed("later", "trio")
    rig.refuses(rig.sign(listed, REPORTER), "WrongCommittee")
    rig.refuses(rig.sign(replace(listed, committee=rig.committee("trio")), *COMMITTEE[:1]), "WrongCommittee")
    assert rig.state("early").status is Status.EMPTY


def test_a_shadow_beside_a_peer(rig: Rig) -> None:
    """A proposed model may be one of peers. It is judged on reports that list them, and on no others."""
    rig.add_feed("new", "solo", peers=(rig.feed_id(PEER),))
    assert rig.accepts(rig.together({"new": (Sighting(ANSWER, 10),), PEER: (Sighting(ANSWER, 10),)}, due=["new"]))
    rig.propose("new", NUMBER)
    answers = {"new": (Sighting(moved(2.4)),), PEER: (Sighting(moved(-3)),)}
    shadow = rig.together(answers, due=["new"], kind="peer", model_number=NUMBER)
    report = rig.together(answers, due=["new"])
    assert report.signatures == shadow.signatures
    assert max(report.first_scores) <= 0 and shadow.first_scores == (1,)
    at = at_of(shadow, rig, PEER)
    rig.refuses(rig.sign(without(shadow, at), REPORTER), "PeerMissing", call=SHADOW)
    # The active model sees no peer, but the feed's terms ask for it all the same.
    rig.refuses(rig.sign(without(report, at), REPORTER), "PeerMissing")
    assert rig.accepts(shadow, call=SHADOW)
    assert rig.accepts(report)
    # A report is compared when the next one is judged.
    answers = {"new": (Sighting(ANSWER, 700),), PEER: (Sighting(ANSWER, 700),)}
    assert rig.accepts(rig.together(answers, due=["new"], kind="peer", model_number=NUMBER), call=SHADOW)
    tally = rig.run(rig.hub.shadow(rig.feed_id("new")))
    assert tally is not None and (tally.reports, tally.compared, tally.disagreements) == (2, 1, 1)
    assert rig.now() - rig.start > HOURS
