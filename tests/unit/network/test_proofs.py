"""Evidence is judged from signatures and the chain: what is forged is refused, and no honest member can be accused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.config.network import NetworkConfig
from oracle.core.formats import keccak
from oracle.core.report import NO_READINGS
from oracle.core.types import Kind
from oracle.feeds.journal import Journal
from oracle.network.evidence import FaultKind
from oracle.network.ledger import Ledger, OtherwiseSigned
from oracle.network.messages import AnswerMessage, SignedRequest
from oracle.network.proofs import CaseFinding, CaseJudgement, ChainFacts, Claim, EpochFacts, Scope, SpreadFacts, judge
from oracle.network.terms import fingerprint_of, terms_of, turns_from
from oracle.sources.readings import VERSION, FeedReadings, ReadingsRule, SourceOutcome, SourceReading
from tests.unit.network.signed import (
    CHAIN_ID,
    COMMITTEE,
    FEEDS,
    HUB,
    MEMBERS,
    STRANGER,
    TERMS,
    TURN_S,
    TURNS,
    Where,
    answer,
    network,
    report,
    request,
)

ALPHA, BRAVO, CHARLIE, DELTA = MEMBERS
NOW = 1_700_000_040
"""The begin of a turn."""
FACTS = ChainFacts(
    {1: EpochFacts(frozenset(MEMBERS), 3), 2: EpochFacts(frozenset((BRAVO, CHARLIE, DELTA, STRANGER)), 3)},
    {feed: SpreadFacts(Kind.RELATIVE, 1_000, 3_000) for feed in FEEDS[:3]},
)
SCOPE = Scope(CHAIN_ID, HUB, COMMITTEE, TURNS, fingerprint_of(TERMS))
KNOWN = replace(SCOPE, trusted=SCOPE.terms, facts=FACTS)

PROVEN, NOT_PROVABLE, FALSE = CaseFinding.PROVEN, CaseFinding.NOT_PROVABLE, CaseFinding.FALSE


def contradiction(*messages: AnswerMessage, member: str = ALPHA, feed_id: bytes = FEEDS[0]) -> Claim:
    return Claim(FaultKind.CONTRADICTION, member, NOW // TURN_S, feed_id, messages)


def spread(*messages: AnswerMessage, member: str = ALPHA, feed_id: bytes = FEEDS[0]) -> Claim:
    return Claim(FaultKind.BEYOND_SPREAD, member, NOW // TURN_S, feed_id, messages)


def scope_of(config: NetworkConfig, **more: Any) -> Scope:
    """Return the scope that a file with other terms has: whoever writes it can write any."""
    terms = terms_of(CHAIN_ID, HUB, COMMITTEE, config)
    return replace(SCOPE, turns=turns_from(terms), terms=fingerprint_of(terms), **more)


# --- contradictions ------------------------------------------------------------------------------------------------


def test_two_answers_for_one_time_are_proven_to_anybody_whatever_else_the_reports_list() -> None:
    first = answer(ALPHA, report(NOW + 5), [100, 200])
    second = answer(ALPHA, report(NOW + 5, FEEDS[:1], [8]), [101])
    for scope in (SCOPE, KNOWN, scope_of(network(turn_s=5, clock_bound_s=1, request_timeout_s=1))):
        assert judge(contradiction(first, second), scope).finding is PROVEN


def test_an_answer_and_none_for_one_time_contradict_each_other() -> None:
    first, second = (answer(ALPHA, report(NOW + 5, FEEDS[:1]), [each]) for each in (100, None))
    assert judge(contradiction(first, second), SCOPE).finding is PROVEN


def test_two_documents_behind_one_answer_contradict_each_other() -> None:
    first, second = (answer(ALPHA, report(NOW + 5, FEEDS[:1]), [100], [bytes([each]) * 32]) for each in (1, 2))
    found = judge(contradiction(first, second), SCOPE)
    assert found.finding is PROVEN and "readings" in found.reason


def test_two_times_of_one_turn_are_proven_to_whoever_knows_the_terms() -> None:
    first, second = (answer(ALPHA, report(NOW + each, FEEDS[:1]), [100]) for each in (5, 6))
    claim = contradiction(first, second)
    assert judge(claim, KNOWN).finding is PROVEN
    assert judge(claim, SCOPE).finding is NOT_PROVABLE
    # The member itself has signed these terms: with a request of its own, anybody knows them.
    asked = replace(claim, request=request(ALPHA, report(NOW + 7)))
    assert judge(asked, SCOPE).finding is PROVEN
    assert judge(replace(claim, request=request(BRAVO, report(NOW + 7))), SCOPE).finding is NOT_PROVABLE
    # With a request of another turn it has signed these terms for then: turns may have been shorter before.
    later = replace(claim, request=request(ALPHA, report(NOW + 7 + 4 * TURN_S)))
    assert judge(later, SCOPE).finding is NOT_PROVABLE


def test_a_longer_turn_that_the_accuser_made_up_proves_nothing() -> None:
    first, second = (answer(ALPHA, report(NOW + each, FEEDS[:1]), [100]) for each in (5, 5 + TURN_S))
    claim, long = contradiction(first, second), network(turn_s=3_600)
    assert judge(claim, KNOWN).finding is FALSE
    for scope in (scope_of(long), scope_of(long, trusted=SCOPE.terms), scope_of(long, facts=FACTS)):
        asked = request(ALPHA, report(NOW + 7), terms=SCOPE.terms)
        assert judge(claim, scope).finding is not PROVEN
        assert judge(replace(claim, request=asked), scope).finding is not PROVEN


def test_a_report_signed_again_with_the_same_observation_is_no_contradiction() -> None:
    first = answer(ALPHA, report(NOW + 5), [100, 200])
    for again in (
        answer(ALPHA, report(NOW + 5, FEEDS[:1], [7]), [100]),
        answer(ALPHA, report(NOW + 5, FEEDS[:2], [8, 0]), [100, 200]),
        answer(ALPHA, report(NOW + 5, epoch=2), [100, 200]),
        answer(ALPHA, report(NOW + 5, FEEDS[:3]), [100, 200, 300]),
    ):
        assert judge(contradiction(first, again), SCOPE).finding is FALSE


def test_no_answer_to_an_unknown_feed_may_be_said_at_several_times() -> None:
    first = answer(ALPHA, report(NOW + 5, (FEEDS[0], FEEDS[3])), [100, None])
    second = answer(ALPHA, report(NOW + 9, (FEEDS[1], FEEDS[3])), [200, None])
    assert judge(contradiction(first, second, feed_id=FEEDS[3]), KNOWN).finding is FALSE


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (lambda: answer(BRAVO, report(NOW + 5), [101, 200]), "not signed by the member"),
        (lambda: answer(ALPHA, report(NOW + 5), [101, 200], where=Where(chain_id=1)), "not signed by the member"),
        (lambda: answer(ALPHA, report(NOW + 5), [101, 200], where=Where(hub=MEMBERS[0])), "not signed by the member"),
        (lambda: answer(ALPHA, report(NOW + 5, committee=2), [101, 200]), "for committee 2"),
        (lambda: answer(ALPHA, report(NOW + 5, FEEDS[1:3]), [101, 200]), "does not list the feed"),
        (lambda: replace(answer(ALPHA, report(NOW + 5), [100, 200]), answers=(101, 200)), "not signed by the member"),
        (lambda: replace(answer(ALPHA, report(NOW + 5), [101, 200]), vs=b"\xff" * 32), "signature"),
    ],
    ids=["another key", "another chain", "another hub", "another committee", "another feed", "altered", "no signature"],
)
def test_a_forged_contradiction_is_refused(second: Any, said: str) -> None:
    first = answer(ALPHA, report(NOW + 5), [100, 200])
    for messages in permutations((first, second())):
        found = judge(contradiction(*messages), KNOWN)
        assert found.finding is FALSE and said in found.reason


def test_a_key_that_was_no_reporter_then_contradicts_nobody() -> None:
    messages = [answer(ALPHA, report(NOW + 5, FEEDS[:1], epoch=2), [each]) for each in (100, 101)]
    found = judge(contradiction(*messages), KNOWN)
    assert found.finding is FALSE and "no reporter of committee 1 in epoch 2" in found.reason
    messages = [answer(ALPHA, report(NOW + 5, FEEDS[:1], epoch=9), [each]) for each in (100, 101)]
    assert judge(contradiction(*messages), KNOWN).finding is FALSE


# --- beyond the spread ---------------------------------------------------------------------------------------------


def answers(*values: int | None, at: int = NOW + 5) -> list[AnswerMessage]:
    """Return the members' answers to one report, in their order."""
    return [answer(member, report(at, FEEDS[:1]), [value]) for member, value in zip(MEMBERS, values, strict=False)]


def test_an_answer_that_a_quorum_contradicts_is_proven_with_the_chains_bound() -> None:
    messages = answers(1_010_000, 1_000_000, 1_001_000, 1_000_500)
    found = judge(spread(*messages), KNOWN)
    assert found.finding is PROVEN and "3 others agree" in found.reason
    # Without the chain, the bound would be the file's word.
    assert judge(spread(*messages), SCOPE).finding is NOT_PROVABLE


def test_one_liar_can_not_make_an_honest_member_an_outlier() -> None:
    """The last one is as far out as it can be without being left out itself, and so leaves the first one behind."""
    messages = answers(1_000_000, 1_001_000, 1_002_000, 1_003_900)
    found = judge(spread(*messages), KNOWN)
    assert found.finding is FALSE and "1 of the others" in found.reason
    messages = answers(1_000_000, 1_001_000, 1_003_800, 1_003_900)
    assert judge(spread(*messages), KNOWN).finding is PROVEN, "of two, one is honest"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (lambda: answers(1_002_000, 1_000_000, 1_001_000, 1_000_500), "within the spread"),
        (lambda: answers(1_010_000, 1_000_000, 1_010_000, 1_000_500), "among themselves"),
        (lambda: answers(1_010_000, 1_000_000, 1_001_000), "no quorum"),
        (lambda: answers(1_010_000, 1_000_000, 1_001_000, None), "no answer"),
        (lambda: answers(None, 1_000_000, 1_001_000, 1_000_500), "no answer"),
        (lambda: [*answers(1_010_000, 1_000_000, 1_001_000), answers(1, 1, 1, 10**6, at=NOW + 6)[3]], "one report"),
        (lambda: [*answers(1_010_000, 1_000_000, 1_001_000), answers(1, 1_000_000)[1]], "one signer"),
        (lambda: [*answers(1_010_000, 1_000_000, 1_001_000), answers(1_000_500)[0]], "one signer"),
        (
            lambda: [*answers(1_010_000, 1_000_000, 1_001_000), answer(STRANGER, report(NOW + 5, FEEDS[:1]), [10**6])],
            "no reporter",
        ),
        (lambda: [replace(answers(1_000_000)[0], answers=(1_010_000,)), *answers(1, 1, 1, 1)[1:]], "not signed by"),
    ],
    ids=[
        "within", "two camps", "few", "one has none", "none itself", "another report", "one twice", "its own twice",
        "a stranger", "altered",
    ],
)  # fmt: skip
def test_a_forged_outlier_is_refused(messages: Any, said: str) -> None:
    found = judge(spread(*messages()), KNOWN)
    assert found.finding is FALSE and said in found.reason


def test_a_feed_without_a_bound_has_no_outliers() -> None:
    messages = [answer(each, report(NOW + 5, FEEDS[3:]), [10**place]) for place, each in enumerate(MEMBERS)]
    found = judge(spread(*messages, feed_id=FEEDS[3]), KNOWN)
    assert found.finding is FALSE and "bounds no spread" in found.reason


# --- requests ------------------------------------------------------------------------------------------------------


def holder(turn: int) -> str:
    found = TURNS.holder(turn)
    assert found is not None
    return found


def bad_request(asked: SignedRequest, member: str) -> Claim:
    return Claim(FaultKind.BAD_REQUEST, member, asked.request.turn, request=asked)


def test_asking_out_of_turn_is_proven_by_the_terms_that_were_signed_with_it() -> None:
    turn = NOW // TURN_S
    other = next(each for each in MEMBERS if each != holder(turn))
    asked = request(other, report(NOW + 5))
    assert judge(bad_request(asked, other), SCOPE).finding is PROVEN
    wrong_time = request(holder(turn), report(NOW + 5 + TURN_S), turn)
    assert judge(bad_request(wrong_time, holder(turn)), SCOPE).finding is PROVEN


def test_a_request_in_order_proves_nothing_whatever_terms_the_accuser_writes() -> None:
    turn = NOW // TURN_S
    mine = holder(turn)
    asked = request(mine, report(NOW + 5))
    # With these terms, the turn would be somebody else's.
    others = scope_of(network(members=tuple(each for each in network().members if each.reporter != mine), faulty=0))
    # And members' files may say so today: then it was asked by other terms all the same.
    today = replace(others, trusted=others.terms, facts=FACTS)
    for scope in (SCOPE, KNOWN, others, replace(others, trusted=SCOPE.terms), today):
        assert judge(bad_request(asked, mine), scope).finding is NOT_PROVABLE
    assert judge(bad_request(asked, BRAVO if mine != BRAVO else ALPHA), SCOPE).finding is FALSE


# --- readings --------------------------------------------------------------------------------------------------------

NAMED = keccak(b"ETH / USD")


def document(
    value: int, *, says: int | None = None, of: str = ALPHA, at: int = NOW + 5, feed: str = "ETH / USD"
) -> bytes:
    """Return a readings document of one source that said a value."""
    rule = ReadingsRule(keccak(feed.encode()), feed, 0, Kind.RELATIVE, 1, None)
    source = SourceReading("one", "one", SourceOutcome.AGREES, str(value), value, NOW)
    return FeedReadings(rule, (source,), value if says is None else says).document(of, at, bytes(16)).encode()


def behind(data: bytes, answer_: int | None = 100, *, kept: bytes | None = None) -> Claim:
    """Return the claim that a document is not what an answer needs behind it."""
    message = answer(ALPHA, report(NOW + 5, [NAMED]), [answer_], [keccak(data) if data else NO_READINGS])
    return Claim(FaultKind.READINGS, ALPHA, NOW // TURN_S, NAMED, (message,), document=data if kept is None else kept)


@pytest.mark.parametrize(
    "data",
    [
        document(100, says=101),
        document(101),
        document(100, of=BRAVO),
        document(100, at=NOW + 6),
        document(100, feed="BTC / USD"),
        document(100).replace(b'"kind"', b'"kin_"'),
        document(100) + b" ",
        b"nonsense",
        b"[" * 1_000,
    ],
    ids=[
        "does not follow",
        "another answer",
        "another's",
        "another time",
        "another feed",
        "a key",
        "a blank",
        "no JSON",
        "deep",
    ],
)
def test_a_document_that_does_not_stand_behind_the_signed_answer_is_proven(data: bytes) -> None:
    assert judge(behind(data), SCOPE).finding is PROVEN


def test_an_answer_that_was_signed_without_readings_is_proven() -> None:
    assert judge(behind(b""), SCOPE).finding is PROVEN
    assert judge(behind(b"", None), SCOPE).finding is FALSE


def test_a_document_that_the_accuser_made_up_proves_nothing() -> None:
    good, bad = document(100), document(100, says=101)
    assert judge(behind(good), SCOPE).finding is FALSE
    assert judge(behind(good, kept=bad), SCOPE).finding is FALSE
    assert judge(behind(good, kept=b""), SCOPE).finding is NOT_PROVABLE
    assert judge(replace(behind(bad), member=BRAVO), SCOPE).finding is FALSE
    assert judge(replace(behind(bad), feed_id=FEEDS[0]), SCOPE).finding is FALSE
    assert judge(replace(behind(bad), feed_id=None), SCOPE).finding is NOT_PROVABLE


def test_a_document_of_another_release_is_not_judged() -> None:
    other = document(100).replace(f'"version":{VERSION}'.encode(), f'"version":{VERSION + 1}'.encode())
    assert other != document(100)
    assert judge(behind(other), SCOPE).finding is NOT_PROVABLE


# --- what is only a node's word ------------------------------------------------------------------------------------


def test_what_leaves_no_signature_is_never_proven() -> None:
    message = answer(ALPHA, report(NOW + 5), [100, 200])
    for kind in set(FaultKind) - {
        FaultKind.CONTRADICTION,
        FaultKind.BEYOND_SPREAD,
        FaultKind.BAD_REQUEST,
        FaultKind.READINGS,
    }:
        asked = request(BRAVO, report(NOW + 9))
        found = judge(Claim(kind, ALPHA, NOW // TURN_S, FEEDS[0], (message,), asked), KNOWN)
        assert found.finding is not PROVEN, kind


def test_signed_messages_of_a_claim_have_to_be_what_they_say() -> None:
    message = replace(answer(BRAVO, report(NOW + 5), [100, 200]), reporter=CHARLIE)
    assert judge(Claim(FaultKind.LEFT_OUT, ALPHA, 1, None, (message,)), SCOPE).finding is FALSE
    asked = request(BRAVO, report(NOW + 9))
    assert judge(Claim(FaultKind.WITHHELD, ALPHA, 1, None, (), asked), SCOPE).finding is FALSE
    good = answer(ALPHA, report(NOW + 5), [100, 200])
    assert judge(Claim(FaultKind.INVALID_SIGNATURE, ALPHA, 1, None, (good,)), SCOPE).finding is FALSE
    theirs = request(BRAVO, good.report)
    assert judge(Claim(FaultKind.FOREIGN, ALPHA, 1, None, (good,), theirs), SCOPE).finding is FALSE
    assert judge(Claim(FaultKind.FOREIGN, ALPHA, 1, None, (good,), asked), SCOPE).finding is NOT_PROVABLE


# --- honest members ------------------------------------------------------------------------------------------------


@contextmanager
def ledger() -> Iterator[Ledger]:
    ticks = count(NOW)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        yield Ledger(journal._store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=lambda: float(next(ticks)))


def signed_honestly(attempts: Sequence[AnswerMessage]) -> list[AnswerMessage]:
    """Return those of the messages that an honest member would have let out: its ledger says so."""
    out = []
    with ledger() as book:
        for message in attempts:
            try:
                book.sign(message, BRAVO, FEEDS[:3])
            except OtherwiseSigned:
                continue
            out.append(message)
    return out


@st.composite
def attempts(draw: st.DrawFn) -> list[AnswerMessage]:
    """Draw what a member could be asked to sign in three turns: times, feeds, rounds, epochs and answers at random."""
    made, seen = [], set()
    for _ in range(draw(st.integers(2, 8))):
        chosen = draw(st.lists(st.sampled_from(range(4)), min_size=1, max_size=4, unique=True).map(sorted))
        at = NOW + draw(st.integers(0, 2)) * TURN_S + draw(st.sampled_from((5, 6)))
        # It does not know the last feed, so it never has an answer to it.
        values = [None if each == 3 else draw(st.sampled_from((None, 100, 101))) for each in chosen]
        to = report(at, [FEEDS[each] for each in chosen], draw(_rounds(len(chosen))), epoch=draw(st.integers(1, 2)))
        if to not in seen:
            seen.add(to)
            made.append(answer(ALPHA, to, values))
    return made


def _rounds(feeds: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 2), min_size=feeds, max_size=feeds).filter(any)


LIES = [SCOPE, KNOWN, *(scope_of(network(turn_s=each), facts=FACTS) for each in (30, 120, 3_600))]


@settings(max_examples=25)
@given(attempts(), st.sampled_from(LIES))
def test_nothing_that_an_honest_member_signs_contradicts_itself_under_any_terms(
    tried: list[AnswerMessage], scope: Scope
) -> None:
    facts = replace(FACTS, epochs={epoch: EpochFacts(frozenset(MEMBERS), 3) for epoch in (1, 2)})
    scope = replace(scope, facts=None if scope.facts is None else facts)
    honest = signed_honestly(tried)
    # Its own requests are honest, too, and name the true terms.
    asked = request(ALPHA, report(NOW + 7))
    for first, second in permutations(honest, 2):
        for feed_id in FEEDS:
            claim = contradiction(first, second, feed_id=feed_id)
            for each in (claim, replace(claim, request=asked)):
                found: CaseJudgement = judge(each, scope)
                assert found.finding is not PROVEN, found.reason


def test_without_the_ledger_the_same_messages_would_contradict_each_other() -> None:
    """The property above can fail: what it draws has contradictions in it, and only the ledger keeps them in."""
    tried = [answer(ALPHA, report(NOW + 5, FEEDS[:1], [each]), [100 + each]) for each in (1, 2)]
    assert judge(contradiction(*tried), SCOPE).finding is PROVEN
    assert signed_honestly(tried) == tried[:1]


@settings(max_examples=40)
@given(st.lists(st.integers(1_000_000, 1_003_000), min_size=4, max_size=4), st.integers(0, 3))
def test_members_within_the_spread_are_never_beyond_it(values: list[int], accused: int) -> None:
    messages = answers(*values)
    others = [each for place, each in enumerate(messages) if place != accused]
    claim = spread(messages[accused], *others, member=MEMBERS[accused])
    assert judge(claim, KNOWN).finding is not PROVEN
