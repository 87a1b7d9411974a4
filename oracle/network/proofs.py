"""Evidence proves something to whoever has it: judged from its signed messages, and from what the chain says.

Nothing in a file of evidence is believed but signatures. Which reporters a committee had, its quorum and the feeds'
bounds are the chain's to say. How long turns are, and whose they are, is what members configured; a fingerprint of it
is in their requests, under their signatures, and each member tells it to everybody.

A fault that leaves no signature behind (silence, a refusal, a flood, an answer that came in time) is only the word of
the node that saw it. So it is never called proven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from oracle.core.documents import NotJson, parse_json
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import DataError
from oracle.core.formats import keccak
from oracle.core.report import NO_READINGS, Report
from oracle.core.types import Kind
from oracle.network.choosing import count_far, most_liars, spread_of
from oracle.network.evidence import FaultKind
from oracle.network.messages import AnswerMessage, SignedRequest
from oracle.network.turns import Turns
from oracle.sources.readings import MAX_DOCUMENT, VERSION, parse

__all__ = ["CaseFinding", "CaseJudgement", "ChainFacts", "Claim", "EpochFacts", "Scope", "SpreadFacts", "judge"]


class CaseFinding(StrEnum):
    """The worth of a piece of evidence to others."""

    PROVEN = "proven"
    NOT_PROVABLE = "not provable"
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class EpochFacts:
    """A committee in one epoch, as the chain has it."""

    reporters: frozenset[str]
    quorum: int


@dataclass(frozen=True, slots=True)
class SpreadFacts:
    """The terms of a feed that bound how far answers may be apart, as the chain has them."""

    kind: Kind
    sigma: int
    max_spread: int


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """The chain's view of a committee and of the feeds that evidence is about.

    Attributes:
        epochs: The committee in each epoch.
        feeds: The feeds' terms, by their ids; one that is missing does not exist.
    """

    epochs: Mapping[int, EpochFacts]
    feeds: Mapping[bytes, SpreadFacts]


@dataclass(frozen=True, slots=True)
class Scope:
    """The network that evidence is about.

    Attributes:
        chain_id: The chain of its hub.
        hub: The hub's address, checksummed.
        committee: The committee's number on the hub.
        turns: The turns, as the file says.
        terms: The fingerprint of the file's terms, 32 bytes.
        trusted: The fingerprint that the network's members use, if the judge knows it from elsewhere; None: unknown.
        facts: What the chain says; None: it is not asked.
    """

    chain_id: int
    hub: str
    committee: int
    turns: Turns
    terms: bytes
    trusted: bytes | None = None
    facts: ChainFacts | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A fault as evidence claims it, with the messages that are to prove it.

    Attributes:
        kind: The kind.
        member: The reporter's address, checksummed.
        turn: The turn.
        feed_id: The feed; None: none in particular.
        answers: The answer messages, in the order that the kind demands.
        request: The request that belongs to it.
        document: The readings document that is to be behind an answer; empty: there is none.
    """

    kind: FaultKind
    member: str
    turn: int
    feed_id: bytes | None = None
    answers: tuple[AnswerMessage, ...] = ()
    request: SignedRequest | None = None
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class CaseJudgement:
    """The worth of a claim, and the reason."""

    finding: CaseFinding
    reason: str


def judge(claim: Claim, scope: Scope) -> CaseJudgement:
    """Return what a claim is worth to whoever trusts signatures and the chain only."""
    try:
        return _JUDGES[claim.kind](claim, scope)
    except DataError as error:
        return _false(f"a message is malformed: {error}")


# --- each kind -----------------------------------------------------------------------------------------------------


def _contradiction(claim: Claim, scope: Scope) -> CaseJudgement:
    if len(claim.answers) != 2 or claim.feed_id is None:
        return _false("a contradiction takes two answer messages, and names a feed")
    observations = []
    for message in claim.answers:
        problem = _not_of_member(message, claim, scope) or _no_reporter(claim.member, message.report, scope)
        if problem:
            return _false(problem)
        position = message.report.position(claim.feed_id)
        if position is None:
            return _false("one of the messages does not list the feed")
        observations.append((message.report.observed_at, message.answers[position], message.readings[position]))
    (first_at, *first), (second_at, *second) = observations
    if first[0] == second[0] == NO_ANSWER:
        # A member says of a feed that it does not know that it has no answer, as often as it is asked.
        return _false("neither message has an answer for this feed")
    if first_at == second_at:
        if first == second:
            return _false("both messages say the same of this feed")
        what = "answers" if first[0] != second[0] else "readings"
        return _proven(f"the key signed two different {what} to this feed for one time, {first_at}")
    if scope.turns.at(first_at) != scope.turns.at(second_at):
        return _false("the messages belong to different turns")
    if scope.trusted != scope.terms and not _asked_in_turn(claim, scope, scope.turns.at(first_at)):
        return _unproven(
            "the key signed for two times, "
            f"{abs(first_at - second_at)} s apart. That both are in one turn depends on the terms in this file, whose "
            "fingerprint nobody has confirmed: name the one that the members told at /v1/network then"
        )
    return _proven(
        f"the key signed for two times of one turn of {scope.turns.seconds} s, by the terms that are trusted for that "
        f"time: {first_at} and {second_at}"
    )


def _beyond_spread(claim: Claim, scope: Scope) -> CaseJudgement:
    if len(claim.answers) < 2 or claim.feed_id is None:
        return _false("an answer is beyond the spread of others: it takes theirs, too, and names a feed")
    own, *others = claim.answers
    problem = _not_of_member(own, claim, scope)
    if problem:
        return _false(problem)
    if any(each.report != own.report for each in others):
        return _false("the messages are not of one report")
    signers = [each.signer(scope.chain_id, scope.hub) for each in others]
    if len({claim.member, *signers}) != len(claim.answers):
        return _false("two of the messages are of one signer")
    position = own.report.position(claim.feed_id)
    if position is None:
        return _false("the report does not list the feed")
    if scope.facts is None:
        return _unproven(
            "the signatures are right; the feed's bound, the quorum and the reporters are the chain's to say"
        )
    problem = next(filter(None, (_no_reporter(each, own.report, scope) for each in (claim.member, *signers))), "")
    if problem:
        return _false(problem)
    terms = scope.facts.feeds.get(claim.feed_id)
    if terms is None or not terms.max_spread:
        return _false("the hub bounds no spread for this feed")
    answers = [each.answers[position] for each in others]
    answer, quorum = own.answers[position], scope.facts.epochs[own.report.epoch].quorum
    if NO_ANSWER in (answer, *answers):
        return _false("one of the messages has no answer for the feed")
    if len(answers) < quorum:
        return _false(f"{len(answers)} others are no quorum, which is {quorum}")
    among, all_ = spread_of(terms, answers), spread_of(terms, [answer, *answers])
    if among > terms.max_spread:
        return _false("the others are not within the spread among themselves")
    if all_ <= terms.max_spread:
        return _false("the answer is within the spread")
    if (far := count_far(terms, answer, answers)) <= most_liars(quorum):
        # A liar goes as far out as it can without being left out, and so leaves an honest answer behind.
        return _false(f"the answer is too far from {far} of the others only: they may be the liars")
    return _proven(
        f"{len(answers)} others agree within {among / 1_000:g} standard deviations; with this answer it is "
        f"{all_ / 1_000:g}, and the hub allows {terms.max_spread / 1_000:g}"
    )


def _bad_request(claim: Claim, scope: Scope) -> CaseJudgement:
    if claim.request is None:
        return _false("the request is missing")
    if claim.request.requester(scope.chain_id, scope.hub) != claim.member:
        return _false("the request is not signed by the member")
    if problem := _no_reporter(claim.member, claim.request.request.report, scope):
        return _false(problem)
    # By today's terms, a request of yesterday may be out of turn, and was not.
    if claim.request.request.terms != scope.terms:
        return _unproven("the request is signed by the member, but for other terms than those in this file")
    request, turns = claim.request.request, scope.turns
    if turns.at(request.report.observed_at) != request.turn:
        return _proven(f"the member asked for a time that is not in turn {request.turn}, which it named")
    if not turns.holds(claim.member, request.turn):
        return _proven(f"the member asked for turn {request.turn}, which is not its own")
    return _unproven("the request is signed by the member, and in order by itself; when it came is this node's word")


def _invalid_signature(claim: Claim, scope: Scope) -> CaseJudgement:
    if not claim.answers:
        return _false("the answer message is missing")
    if not _not_of_member(claim.answers[0], claim, scope):
        return _false("the message is signed by the member")
    return _unproven("the message is not signed by the member, so anybody could have made it")


def _foreign(claim: Claim, scope: Scope) -> CaseJudgement:
    if not claim.answers or claim.request is None:
        return _false("the answer message or the request is missing")
    message, request = claim.answers[0], claim.request
    if not _not_of_member(message, claim, scope) and message.report == request.request.report:
        return _false("the message is the member's answer to the request")
    return _unproven("what the message does not answer can be seen; that it came as the answer is this node's word")


def _readings(claim: Claim, scope: Scope) -> CaseJudgement:
    if len(claim.answers) != 1:
        return _false("readings are those behind one answer message")
    message = claim.answers[0]
    problem = _not_of_member(message, claim, scope) or _no_reporter(claim.member, message.report, scope)
    if problem:
        return _false(problem)
    if claim.feed_id is None:
        return _unproven("what a member serves, or does not, is the word of the node that asked")
    position = message.report.position(claim.feed_id)
    if position is None:
        return _false("the message does not list the feed")
    answer, signed = message.answers[position], message.readings[position]
    if signed == NO_READINGS:
        has_answer = answer != NO_ANSWER
        return _proven("the key signed an answer without readings") if has_answer else _false("there is no answer")
    if not claim.document:
        return _unproven("the document that the key signed is not in the file")
    if keccak(claim.document) != signed:
        return _false("the document is not the one that the key signed")
    if (version := _version(claim.document)) not in (None, VERSION):
        return _unproven(f"the document is of version {version}, which this release does not judge")
    try:
        document = parse(claim.document)
    except DataError as error:
        return _proven(f"the document that the key signed: {error}")
    said = (document.reporter, document.feed_id, document.observed_at, document.answer)
    if said != (claim.member.lower(), claim.feed_id, message.report.observed_at, answer):
        return _proven("the document that the key signed is of another reporter, feed, time or answer")
    return _false("the answer follows from the document that the key signed")


def _signed_facts(what: str) -> Callable[[Claim, Scope], CaseJudgement]:
    """Return the judge of a kind that is only a node's word, whatever signed messages come with it."""

    def judging(claim: Claim, scope: Scope) -> CaseJudgement:
        for message in claim.answers:
            if message.signer(scope.chain_id, scope.hub) != message.reporter:
                return _false(f"a message is not signed by {message.reporter}, as it says")
        return _unproven(what)

    return judging


def _withheld(claim: Claim, scope: Scope) -> CaseJudgement:
    if claim.request is not None and claim.request.requester(scope.chain_id, scope.hub) != claim.member:
        return _false("the request is not signed by the member")
    return _WORD[FaultKind.WITHHELD](claim, scope)


_WORD = {
    FaultKind.SILENCE: _signed_facts("silence leaves nothing behind: it is the word of the node that asked"),
    FaultKind.REFUSAL: _signed_facts("a refusal is not signed: it is the word of the node that asked"),
    FaultKind.FLOOD: _signed_facts("how much came is the word of the node that counted"),
    FaultKind.LEFT_OUT: _signed_facts(
        "the answers were signed, and anybody can see that the round lacks them; that they came in time is this node's "
        "word"
    ),
    FaultKind.WITHHELD: _signed_facts(
        "anybody can see that no round of this turn is there; that the member could have sent one is this node's word"
    ),
}

_JUDGES: dict[FaultKind, Callable[[Claim, Scope], CaseJudgement]] = {
    **_WORD,
    FaultKind.WITHHELD: _withheld,
    FaultKind.CONTRADICTION: _contradiction,
    FaultKind.BEYOND_SPREAD: _beyond_spread,
    FaultKind.BAD_REQUEST: _bad_request,
    FaultKind.INVALID_SIGNATURE: _invalid_signature,
    FaultKind.FOREIGN: _foreign,
    FaultKind.READINGS: _readings,
}


# --- details -------------------------------------------------------------------------------------------------------


def _not_of_member(message: AnswerMessage, claim: Claim, scope: Scope) -> str:
    """Return why a message is not the member's report to this committee; empty if it is."""
    if message.report.committee != scope.committee:
        return f"a message is for committee {message.report.committee}, not {scope.committee}"
    try:
        signer = message.signer(scope.chain_id, scope.hub)
    except DataError as error:
        return str(error)
    return "" if signer == claim.member else "a message is not signed by the member, for this hub and chain"


def _no_reporter(address: str, report: Report, scope: Scope) -> str:
    """Return that an address was no reporter in a report's epoch, if the chain says so; empty if not, or unasked."""
    if scope.facts is None:
        return ""
    epoch = scope.facts.epochs.get(report.epoch)
    if epoch is None:
        return f"committee {scope.committee} had no epoch {report.epoch}"
    was = address in epoch.reporters
    return "" if was else f"{address} was no reporter of committee {scope.committee} in epoch {report.epoch}"


def _asked_in_turn(claim: Claim, scope: Scope, turn: int) -> bool:
    """Return whether the member itself has signed the file's terms in a turn: they can't be made up, nor be later ones.

    If the judge trusts other terms, that decides.
    """
    asked = claim.request
    if scope.trusted is not None or asked is None or asked.request.terms != scope.terms:
        return False
    at = {asked.request.turn, scope.turns.at(asked.request.report.observed_at)}
    return at == {turn} and asked.requester(scope.chain_id, scope.hub) == claim.member


def _version(document: bytes) -> int | None:
    """Return the version that a readings document says it has; None if it says none."""
    try:
        found = parse_json(document) if len(document) <= MAX_DOCUMENT and document.isascii() else None
    except NotJson:
        return None
    version = found.get("version") if isinstance(found, dict) else None
    return version if isinstance(version, int) else None


def _proven(reason: str) -> CaseJudgement:
    return CaseJudgement(CaseFinding.PROVEN, reason)


def _unproven(reason: str) -> CaseJudgement:
    return CaseJudgement(CaseFinding.NOT_PROVABLE, reason)


def _false(reason: str) -> CaseJudgement:
    return CaseJudgement(CaseFinding.FALSE, reason)
