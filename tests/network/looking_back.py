"""The deeds of a local network, as the chain and the members' journals have them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence

from oracle.app.local_network import LocalNetwork, NetworkMember
from oracle.app.local_network.judging import evidence_of
from oracle.audit.calldata import read_submission
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.chain.keys.signer import recover
from oracle.feeds.journal.schema import network as tables
from oracle.network.casebook import Case
from oracle.network.ledger import Ledger

__all__ = [
    "assert_rounds_follow_each_other_once",
    "cases_of",
    "outcomes_of",
    "signed_answers",
    "signers",
    "transmitter",
]


def transmitter(network: LocalNetwork, event: RoundEvent) -> int:
    """Return the number of the member that brought a round."""
    return next(each.place.index for each in network.members if each.place.address == event.submitter)


async def signers(network: LocalNetwork, event: RoundEvent) -> set[int]:
    """Return the numbers of the members whose signatures brought a round."""
    transaction = await network.rpc.transaction(event.tx_hash)
    assert transaction is not None
    signed = read_submission(transaction.data).signed
    found = {recover(network.chain.chain_id, network.deployment.hub, signed.report, each) for each in signed.signatures}
    return {each.place.index for each in network.members if each.place.address in found}


def signed_answers(network: LocalNetwork, member: NetworkMember, turn: int) -> dict[bytes, int]:
    """Return the answers that a member signed in a turn, by the feeds' ids, as its ledger has them."""
    deployed = network.deployment
    ids = [each.feed_id for each in deployed.feeds.values()]
    with member.journal() as journal:
        ledger = Ledger(journal.store, chain_id=deployed.chain_id, hub=deployed.hub, committee=1, clock=time.time)
        return {feed_id: each.answer for feed_id, each in ledger.observations(turn, ids).items()}


def cases_of(member: NetworkMember) -> list[Case]:
    """Return the evidence that a member keeps."""
    return evidence_of(member)


def outcomes_of(member: NetworkMember, asked: NetworkMember, turns: Collection[int]) -> Counter[str]:
    """Return how often a member noted each way in which another one answered it, in some turns."""
    with member.journal() as journal, journal.store.transaction(read=True) as connection:
        rows = connection.execute(tables.asked.select().where(tables.asked.c.reporter == asked.place.address)).all()
    return Counter(row.outcome for row in rows if row.turn in turns)


def assert_rounds_follow_each_other_once(network: LocalNetwork, events: Sequence[RoundEvent]) -> None:
    """Assert that each round was written once, one a turn at most, with an answer that a member had signed for it."""
    assert all(isinstance(event, RoundAccepted) for event in events)
    by_feed = Counter(event.feed_id for event in events)
    for feed_id in by_feed:
        mine = [event for event in events if event.feed_id == feed_id]
        assert [event.round_id for event in mine] == list(range(mine[0].round_id, mine[0].round_id + len(mine)))
        turns = [event.observed_at // network.layout.turn_s for event in mine]
        assert len(set(turns)) == len(turns), "two rounds in one turn"
        for turn, event in zip(turns, mine, strict=True):
            said = [signed_answers(network, member, turn).get(feed_id) for member in network.members]
            assert event.answer in said
            assert transmitter(network, event) == network.holder(turn), "somebody else's turn"
