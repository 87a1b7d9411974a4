"""The deeds of a local network, as the chain and the members' journals have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from oracle.app.local_network import LocalNetwork, NetworkMember
from oracle.app.local_network.judging import signed_answers
from oracle.audit.calldata import read_submission
from oracle.chain.hub import RoundAccepted, RoundEvent
from oracle.chain.keys.signer import recover
from oracle.feeds.journal.schema import network as tables
from oracle.network.evidence import FaultKind

__all__ = [
    "PROVABLE",
    "assert_rounds_follow_each_other_once",
    "brought",
    "outcomes_of",
    "rounds_of",
    "signers",
    "transmitter",
]

PROVABLE = frozenset({FaultKind.CONTRADICTION, FaultKind.INVALID_SIGNATURE, FaultKind.FOREIGN, FaultKind.BEYOND_SPREAD})
"""The kinds of faults that call a member a liar."""


def transmitter(network: LocalNetwork, event: RoundEvent) -> int:
    """Return the number of the member that brought a round."""
    return next(each.place.index for each in network.members if each.place.address == event.submitter)


async def rounds_of(network: LocalNetwork, turns: Collection[int]) -> list[RoundEvent]:
    """Return the rounds that were observed in some turns."""
    return [event for event in await network.rounds() if event.observed_at // network.layout.turn_s in turns]


async def brought(network: LocalNetwork, events: Sequence[RoundEvent]) -> list[tuple[int, set[int]]]:
    """Return who brought each round, and whose signatures it has: the members' numbers."""
    return [(transmitter(network, event), await signers(network, event)) for event in events]


async def signers(network: LocalNetwork, event: RoundEvent) -> set[int]:
    """Return the numbers of the members whose signatures brought a round."""
    transaction = await network.rpc.transaction(event.tx_hash)
    assert transaction is not None
    signed = read_submission(transaction.data).signed
    found = {recover(network.chain.chain_id, network.deployment.hub, signed.report, each) for each in signed.signatures}
    return {each.place.index for each in network.members if each.place.address in found}


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
        said = signed_answers(network, network.members, turns)
        for turn, event in zip(turns, mine, strict=True):
            assert event.answer in said[feed_id, turn]
            assert transmitter(network, event) == network.holder(turn), "somebody else's turn"
