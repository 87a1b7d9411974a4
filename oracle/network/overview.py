"""The state of a network as one node sees it: whose turn it is, and the standings. Read from its journal and clock."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from oracle.chain.deploy import Deployment
from oracle.config import Config
from oracle.core.errors import ConfigError
from oracle.core.formats import to_hex
from oracle.network.standing import (
    TURNS_SHOWN,
    FeedMeasure,
    MemberStanding,
    TransmitterStanding,
    TurnFigures,
    read_standings,
)
from oracle.network.terms import fingerprint, turns_of
from oracle.network.turns import Turns

__all__ = ["NetworkView", "TurnView", "network_view", "turn_view"]


@dataclass(frozen=True, slots=True)
class TurnView:
    """The present turn. Names are those of this node's configuration.

    Attributes:
        number: Its number.
        holder: Who may transmit; empty: nobody.
        since: When it began, unix seconds.
        until: When it ends.
        following: Who may transmit next.
    """

    number: int
    holder: str
    since: int
    until: int
    following: str


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as one node sees it.

    Attributes:
        chain_id: The hub's chain.
        hub: The hub's address.
        committee: The committee's number on the hub.
        terms: The fingerprint of the terms, 0x and 64 digits.
        faulty: How many members may be silent or lie.
        now: The time of these figures, by this node's clock, unix seconds.
        turn: The present turn.
        first_turn: The first turn that the figures are about.
        last_turn: The last one.
        members: The standings of all members.
        transmitters: Those of the members that take turns.
    """

    chain_id: int
    hub: str
    committee: int
    terms: str
    faulty: int
    now: float
    turn: TurnView
    first_turn: int
    last_turn: int
    members: tuple[MemberStanding, ...]
    transmitters: tuple[TransmitterStanding, ...]

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def turn_view(turns: Turns, names: Mapping[str, str], now: float) -> TurnView:
    """Return the turn of a time.

    Args:
        turns: The network's turns.
        names: The members' names, by address.
        now: Unix seconds.
    """
    number = turns.at(now)
    holder, following = turns.holder(number), turns.holder(number + 1)
    return TurnView(
        number,
        "" if holder is None else names.get(holder, holder),
        turns.begin(number),
        turns.end(number),
        "" if following is None else names.get(following, following),
    )


def network_view(
    config: Config,
    deployment: Deployment,
    connection: sa.Connection,
    now: float,
    shown: int = TURNS_SHOWN,
    known: MutableMapping[int, TurnFigures] | None = None,
) -> NetworkView:
    """Return the state of the configured network.

    Args:
        config: The configuration.
        deployment: The contracts' addresses.
        connection: A connection to the journal's database in a transaction.
        now: Unix seconds.
        shown: The number of latest turns that the figures are about, the present one included.
        known: See `read_standings`.

    Raises:
        ConfigError: There is no network in the configuration, or the deployment lacks its committee.
    """
    network = config.network
    if network is None:
        raise ConfigError("there is no [network] in the configuration: one operator signs alone")
    committee = deployment.committees.get(network.committee)
    if committee is None:
        raise ConfigError(f"[network] committee {network.committee} is not in {config.chain.deployment}: deploy first")
    turns = turns_of(network)
    names = {each.reporter: each.name for each in network.members}
    measures = {
        deployment.feeds[feed.name].feed_id: FeedMeasure(feed.measure, feed.sigma)
        for feed in config.feeds
        if feed.name in deployment.feeds
    }
    last = turns.at(now)
    found = read_standings(
        connection,
        names=names,
        ignored=network.ignore,
        faulty=network.faulty,
        turns=turns,
        measures=measures,
        first_turn=max(0, last - shown + 1),
        last_turn=last,
        known=known,
    )
    return NetworkView(
        deployment.chain_id,
        deployment.hub,
        committee.number,
        to_hex(fingerprint(deployment.chain_id, deployment.hub, committee.number, network)),
        network.faulty,
        now,
        turn_view(turns, names, now),
        found.first_turn,
        found.last_turn,
        found.members,
        found.transmitters,
    )
