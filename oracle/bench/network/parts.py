"""Members without sources, chain and proofs: signers, ledgers, servers and clients are real, and talk over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.chain.keys.signer import ReporterKey
from oracle.core.formats import keccak
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, Kind
from oracle.feeds.journal import Journal
from oracle.feeds.observe import Sighting
from oracle.network.chain_view import ChainView
from oracle.network.client import MemberClient, open_members
from oracle.network.collecting import NetworkSigners
from oracle.network.evidence import NoEvidence
from oracle.network.heard import Heard
from oracle.network.ledger import Ledger
from oracle.network.member import Member
from oracle.network.messages import AnswerMessage, NetworkStatus
from oracle.network.rules import SignerRules
from oracle.network.sightings import SightedFeed, Sightings
from oracle.network.telling import Teller
from oracle.network.turns import Transmitter, Turns
from oracle.sources.readings import FeedReadings, ReadingsRule, SourceOutcome, SourceReading
from oracle.web.network import member_limits, serve_members

__all__ = ["COMMITTEE", "LooseCommittee", "LooseMember", "feed_ids", "open_loose_members"]

CHAIN_ID, HUB = 31_337, "0x5FbDB2315678afecb367f032d93F642f64180aa3"
COMMITTEE = 1
TURN_S = 600
"""All that is measured lies in one turn."""

_BEGIN = 2_000_000 * TURN_S

SOURCES = 3
_PRICE = 10_000_000_000
_PLENTY = 1e6
"""Seconds, or requests: there are no limits here, as all members have one address."""


@dataclass(frozen=True)
class LooseCommittee:
    """A committee that no chain has."""

    reporters: tuple[str, ...]
    quorum: int
    epoch: int = 1


@dataclass(frozen=True)
class LooseTerms:
    """Terms of a feed, whose spread is not bounded."""

    kind: Kind = Kind.RELATIVE
    sigma: int = 10_000
    max_spread: int = 1_000


@dataclass(frozen=True)
class LooseHub:
    """A hub whose feeds have no round yet."""

    members: LooseCommittee
    states: Mapping[bytes, FeedState]

    async def committee(self, number: int) -> LooseCommittee:
        """Return the committee."""
        return self.members

    async def feed_states(self, ids: Sequence[bytes]) -> Sequence[FeedState]:
        """Return the states of these feeds."""
        return [self.states[each] for each in ids]


class SetClock:
    """A clock that can be set: signers take a clock that is set for a new start, unless both of theirs are."""

    def __init__(self) -> None:
        """Begin in the turn before the one that is measured."""
        self._offset = _BEGIN - TURN_S - time.monotonic()

    def set_to_turn(self) -> None:
        """Go to the beginning of the turn that is measured."""
        self._offset = _BEGIN + 1 - time.monotonic()

    def __call__(self) -> float:
        """Return unix seconds."""
        return self._offset + time.monotonic()


class LooseMember:
    """A member.

    Attributes:
        address: Its reporter's address.
        offset: How far its answers are from the price, in answer units.
        journal: Its database.
        ledger: What it signed.
        heard: What it heard.
        signers: What collects.
    """

    signers: NetworkSigners

    def __init__(self, account: LocalAccount, rules: SignerRules, hub: LooseHub, folder: Path, clock: SetClock) -> None:
        """Put its parts together, with answers of its own to all feeds of the hub."""
        self.address = str(account.address)
        self.offset = int(self.address[2:8], 16) % 1_000_000
        self.key = ReporterKey(account, CHAIN_ID, HUB)
        self.journal = Journal(folder / f"{self.address}.db")
        self.ledger = Ledger(self.journal.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=clock)
        self.view = ChainView(hub, COMMITTEE, list(hub.states))
        self.teller: Teller | None = None
        sightings = Sightings({each: SightedFeed(f"0x{each.hex()[:8]}", _PLENTY, _PLENTY) for each in hub.states})
        for each in hub.states:
            sightings.note(_sighting(each, _PRICE + self.offset, int(clock())), clock())
        self.heard = Heard(rules, self.ledger, NoEvidence(), clock=clock, feeds=len(hub.states), own=self.address)
        self.member = Member(
            rules,
            self.key,
            self.ledger,
            sightings,
            self.view,
            NoEvidence(),
            clock=clock,
            signed=self._signed,
            monotonic=clock,
        )
        self._rules = rules
        self._clock = clock

    def know(self, clients: Mapping[str, MemberClient]) -> None:
        """Know the ways to the others, from now on."""
        self.teller = Teller(clients)
        self.signers = NetworkSigners(
            self._rules,
            self.key,
            clients,
            self.heard,
            NoEvidence(),
            _terms,
            clock=self._clock,
            timeout_s=30.0,
            grace_s=30.0,
            own=self.member,
        )

    def status(self) -> NetworkStatus:
        """Return what it says about itself."""
        return NetworkStatus(
            self.address, CHAIN_ID, HUB, COMMITTEE, 1, self._rules.terms, 0, self._clock(), ("reporter",), "0"
        )

    def count_heard(self) -> int:
        """Return how many answers of the present turn it has heard, its own included."""
        return len(self.heard.messages(int(self._clock() // TURN_S)))

    def _signed(self, message: AnswerMessage) -> None:
        self.heard.signed(message)
        if self.teller is not None:
            self.teller.tell(message)


def feed_ids(count: int) -> list[bytes]:
    """Return the ids of so many feeds, ascending."""
    return sorted(keccak(f"feed {at}".encode()) for at in range(count))


@contextlib.asynccontextmanager
async def open_loose_members(
    members: int, quorum: int, feeds: Sequence[bytes], folder: Path
) -> AsyncIterator[tuple[LooseCommittee, list[LooseMember], SetClock]]:
    """Run members in this process while the context is open.

    Args:
        members: How many.
        quorum: How many have to answer.
        feeds: The feeds' ids.
        folder: A folder for their ledgers.

    Yields:
        The committee, the members, of whom the first one holds all turns, and their clock.
    """
    accounts = [Account.from_key(keccak(f"member {at}".encode())) for at in range(members)]
    committee = LooseCommittee(tuple(str(each.address) for each in accounts), quorum)
    turns = Turns(TURN_S, 2.0, [Transmitter(committee.reporters[0])])
    rules = SignerRules(CHAIN_ID, HUB, COMMITTEE, turns, frozenset(committee.reporters), frozenset(), bytes(32))
    hub = LooseHub(
        committee, {each: empty_feed(each, Kind.RELATIVE, 10_000, 60, 1, committee=COMMITTEE) for each in feeds}
    )
    clock = SetClock()
    async with contextlib.AsyncExitStack() as stack:
        found = [LooseMember(account, rules, hub, folder, clock) for account in accounts]
        for each in found:
            stack.callback(each.journal.close)
        urls = {}
        for each in found:
            serving = serve_members(
                ("127.0.0.1", 0),
                each.member,
                each.heard,
                each.status,
                limits=member_limits(8 * members),
                rate=(_PLENTY, 10.0),
            )
            port = await stack.enter_async_context(serving)
            urls[each.address] = f"http://127.0.0.1:{port}"
            await each.view.refresh()
        tasks = []
        for each in found:
            others = [(address[:8], address, url) for address, url in urls.items() if address != each.address]
            each.know(await stack.enter_async_context(open_members(others, timeout_s=30.0)))
            assert each.teller is not None
            tasks += [asyncio.create_task(each.teller.run()), asyncio.create_task(each.heard.run())]
        clock.set_to_turn()
        try:
            yield committee, found, clock
        finally:
            for each in found:
                await each.signers.close()
                await each.member.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _terms(feed_id: bytes) -> LooseTerms:
    return LooseTerms()


def _sighting(feed_id: bytes, answer: int, now: int) -> Sighting:
    name = f"feed 0x{feed_id.hex()[:8]}"
    rule = ReadingsRule(feed_id, name, 8, Kind.RELATIVE, 2, None)
    value = f"{answer / 10**8:.8f}"
    sources = tuple(
        SourceReading(f"source-{at}", "example.com", SourceOutcome.AGREES, value, answer, now) for at in range(SOURCES)
    )
    return Sighting(name, feed_id, answer, now, SOURCES, FeedReadings(rule, sources, answer))
