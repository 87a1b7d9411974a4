"""One node of a network, with its own journal, clock, sources and view of the chain, all in a test's hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oracle.chain.keys.signer import ReporterKey
from oracle.chain.keys.typed import typed_request
from oracle.core.errors import OracleError
from oracle.core.report import Report
from oracle.core.types import FeedState, Kind, Status
from oracle.feeds.journal import Journal
from oracle.feeds.observe import Sighting
from oracle.network.chain_view import ChainView
from oracle.network.evidence import MemberFault
from oracle.network.heard import Heard
from oracle.network.ledger import Ledger
from oracle.network.member import Member
from oracle.network.messages import AnswerMessage, RefusalCode, Refused, ReportRequest, SignedRequest
from oracle.network.rules import SignerRules
from oracle.network.sightings import SightedFeed, Sightings
from oracle.network.terms import fingerprint_of
from oracle.network.turns import Turns
from oracle.sources.readings import FeedReadings, ReadingsRule, SourceOutcome, SourceReading
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, FEEDS, HUB, KEYS, MEMBERS, TERMS, TURN_S, TURNS

FINGERPRINT = fingerprint_of(TERMS)
FIRST_TURN = 28_333_332
"""The turn in which a node of a test starts; it is the first member's."""
assert TURNS.holder(FIRST_TURN) == MEMBERS[0]
START = FIRST_TURN * TURN_S + 10.0


class Clock:
    """A clock that a test sets. `step` sets the wall clock only, `tick` lets time pass."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.passed = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.passed

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    def step(self, seconds: float) -> None:
        self.now += seconds

    def to(self, time: float) -> None:
        self.tick(time - self.now)


@dataclass
class FakeCommittee:
    """A committee as the hub has it."""

    reporters: Sequence[str] = tuple(MEMBERS)
    quorum: int = 3
    epoch: int = 1


def state(feed_id: bytes, round_id: int = 6, last_report_at: int = 1_000, committee: int = COMMITTEE) -> FeedState:
    """Return a feed's state after so many rounds."""
    return FeedState(
        feed_id=feed_id, status=Status.OK, paused=False, round_id=round_id, answer=100, observed_at=last_report_at,
        published_at=last_report_at, last_report_at=last_report_at, model_number=1, repeats=0, variance=0, returns=(),
        peers=(), peer_answers=(), committee=committee, held_reports=0, held=None, kind=Kind.RELATIVE, sigma=1_000,
        heartbeat=3_600,
    )  # fmt: skip


@dataclass
class FakeChain:
    """A hub that a test sets, or that does not answer."""

    committee_now: FakeCommittee = field(default_factory=FakeCommittee)
    states: dict[bytes, FeedState] = field(default_factory=lambda: {each: state(each) for each in FEEDS})
    error: OracleError | None = None
    reads: int = 0

    async def committee(self, number: int) -> FakeCommittee:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return FakeCommittee(**vars(self.committee_now))

    async def feed_states(self, feed_ids: Sequence[bytes]) -> Sequence[FeedState]:
        return [self.states[each] for each in feed_ids]


class Evidence:
    """Keeps faults in a list."""

    def __init__(self) -> None:
        self.faults: list[MemberFault] = []

    def note(self, fault: MemberFault) -> None:
        self.faults.append(fault)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(each.kind.value, each.member) for each in self.faults]


def readings(feed_id: bytes, answer: int) -> FeedReadings:
    """Return what one source said."""
    rule = ReadingsRule(feed_id, "a feed", 0, Kind.RELATIVE, 1, None)
    source = SourceReading("one", "one", SourceOutcome.AGREES, str(answer), answer, 1)
    return FeedReadings(rule, (source,), answer)


def asked(
    report: Report,
    requester: str = MEMBERS[0],
    *,
    turn: int | None = None,
    deadline: int | None = None,
    terms: bytes = FINGERPRINT,
    chain_id: int = CHAIN_ID,
    hub: str = HUB,
    signer: str | None = None,
) -> SignedRequest:
    """Return a request for answers, signed by a member."""
    request = ReportRequest(
        report,
        report.observed_at // TURN_S if turn is None else turn,
        report.observed_at + 5 if deadline is None else deadline,
        terms,
    )
    message = typed_request(chain_id, hub, report, request.turn, request.deadline, terms).message
    signed = KEYS[signer or requester].sign_message(message)
    return SignedRequest(request, signed.r.to_bytes(32) + signed.s.to_bytes(32) + bytes([signed.v]))


def mine(turn: int, member: str = MEMBERS[0]) -> int:
    """Return the first turn from this one on that a member holds."""
    return next(each for each in range(turn, turn + len(MEMBERS)) if TURNS.holds(member, each))


class Node:
    """A node of the second member, with its feeds seen and the chain read. It starts in `FIRST_TURN`."""

    def __init__(self, folder: Path, clock: Clock | None = None, *, ignored: Sequence[str] = ()) -> None:
        self.path = folder / "journal.sqlite"
        self.clock = clock or Clock()
        self.chain = FakeChain()
        self.evidence = Evidence()
        self.told: list[AnswerMessage] = []
        self.warned: list[AnswerMessage] = []
        self.address = MEMBERS[1]
        self.turns: Turns = TURNS
        self.rules = SignerRules(
            CHAIN_ID, HUB, COMMITTEE, self.turns, frozenset(MEMBERS), frozenset(ignored), FINGERPRINT
        )
        self.sightings = Sightings({each: SightedFeed(f"feed {each[-1]}", 1.0, 60.0) for each in FEEDS})
        self.journal: Journal | None = None

    async def start(self) -> None:
        """Start, again after an end of any kind: what is on disk is all that is left."""
        self.stop()
        self.journal = Journal(self.path, now=self.clock)
        self.ledger = Ledger(self.journal.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=self.clock)
        self.view = ChainView(self.chain, COMMITTEE, list(FEEDS), monotonic=self.clock.monotonic)
        await self.view.refresh()
        self.member = Member(
            self.rules,
            ReporterKey(KEYS[self.address], CHAIN_ID, HUB),
            self.ledger,
            self.sightings,
            self.view,
            self.evidence,
            clock=self.clock,
            signed=self._signed,
            monotonic=self.clock.monotonic,
        )
        self.heard = Heard(
            self.rules,
            self.ledger,
            self.evidence,
            clock=self.clock,
            feeds=len(FEEDS),
            own=self.address,
            heard_own=self.member.heard_own,
            tell=self.warned.append,
        )
        await self.heard.load()

    def _signed(self, message: AnswerMessage) -> None:
        self.told.append(message)
        self.heard.signed(message)

    def stop(self) -> None:
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    def see(self, answer: int | None = None, feeds: Sequence[bytes] = FEEDS, *, with_readings: bool = True) -> None:
        """Look at the sources of some feeds now. Each has an answer of its own, if it is not given."""
        for feed_id in feeds:
            found = 100 * feed_id[-1] if answer is None else answer
            behind = readings(feed_id, found) if with_readings else None
            sighting = Sighting(f"feed {feed_id[-1]}", feed_id, found, int(self.clock()), 1, behind)
            self.sightings.note(sighting, self.clock())

    def to_turn(self, turn: int, seconds: float = 20.0) -> int:
        """Let time pass until so many seconds after the begin of a turn, see all feeds, and return the time."""
        self.clock.to(turn * TURN_S + seconds)
        self.see()
        return int(self.clock())

    async def refusal(self, signed: SignedRequest) -> RefusalCode:
        """Ask, and return why there is no answer."""
        try:
            answer = await self.member.answer(signed)
        except Refused as refused:
            return refused.code
        raise AssertionError(f"it signed {answer.answers}")
