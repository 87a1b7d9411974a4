"""Judge what became of a local network: from the chain's events, and from the journals of its honest members."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from oracle.app.local_network.network import LocalNetwork, NetworkMember
from oracle.chain.hub import RoundEvent
from oracle.network.casebook import Case, read_cases
from oracle.network.ledger import Ledger

__all__ = ["HonestAnswers", "evidence_of", "harmed_turns", "signed_answers"]

HonestAnswers: TypeAlias = Mapping[tuple[bytes, int], Sequence[int]]
"""The answers that honest members have signed, by feed and turn."""


def harmed_turns(
    events: Iterable[RoundEvent],
    honest: HonestAnswers,
    feeds: Sequence[bytes],
    turns: Sequence[int],
    turn_s: int,
    *,
    lost: int = 1,
) -> Mapping[int, Sequence[str]]:
    """Return the turns in which somebody was harmed, and how.

    A turn is harmed if a round of it has an answer outside of the honest members' range, if a feed has two rounds of
    it, or if a feed has no round of it and of so many turns after it that more than those that may be lost are.

    Args:
        events: The rounds as of these turns, held ones included.
        honest: The honest members' answers.
        feeds: The feeds' ids.
        turns: The turns, in order.
        turn_s: Seconds of a turn.
        lost: How many turns in a row may be without a round: one for each member that is silent.
    """
    found: dict[int, list[str]] = defaultdict(list)
    rounds: dict[bytes, Counter[int]] = {feed: Counter() for feed in feeds}
    for event in events:
        turn = event.observed_at // turn_s
        rounds[event.feed_id][turn] += 1
        answers = honest.get((event.feed_id, turn), ())
        if not answers or not min(answers) <= event.answer <= max(answers):
            found[turn].append(f"{event.answer} is outside of the honest answers {sorted(answers)}")
    for feed, counted in rounds.items():
        name = f"feed 0x{feed.hex()[:8]}…"
        for turn, times in counted.items():
            if times > 1:
                found[turn].append(f"{name} has {times} rounds")
        for position in range(len(turns) - lost):
            if not any(counted[turn] for turn in turns[position : position + lost + 1]):
                found[turns[position]].append(f"{name} has no round, nor in the next {lost} turns")
    return dict(found)


def signed_answers(
    network: LocalNetwork, members: Iterable[NetworkMember], turns: Iterable[int]
) -> dict[tuple[bytes, int], list[int]]:
    """Return the answers that members have signed, by feed and turn. They may be running.

    Args:
        network: The network.
        members: The members whose journals are read.
        turns: The turns.
    """
    found: dict[tuple[bytes, int], list[int]] = {}
    of, wanted = network.deployment, list(turns)
    feeds = [deployed.feed_id for deployed in of.feeds.values()]
    number = of.committees["default"].number
    for member in members:
        with member.journal() as journal:
            ledger = Ledger(journal.store, chain_id=of.chain_id, hub=of.hub, committee=number, clock=time.time)
            for turn in wanted:
                for feed_id, signed in ledger.observations(turn, feeds).items():
                    found.setdefault((feed_id, turn), []).append(signed.answer)
    return found


def evidence_of(member: NetworkMember) -> list[Case]:
    """Return the evidence that a member keeps, oldest first. It may be running."""
    with member.journal() as journal, journal.store.transaction(read=True) as connection:
        return read_cases(connection)
