"""Readiness: ask the chain whether it would take the next report of each feed of a node.

What it is judged by is read in a few calls, whatever the number of feeds. Nothing here signs, proves or sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.chain.hub import Hub, HubFeedConfig, HubModel
from oracle.chain.obstacles import OTHER_ADDRESS, HubFacts, NodeFacts, obstacles_of
from oracle.chain.transport.answers import Market
from oracle.core.concurrency import together
from oracle.core.errors import ChainUnavailable, ContractRejected, DeploymentError, FeesTooHigh, OracleError
from oracle.core.money import REPORT_GAS
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.types import FeedState

__all__ = ["Readiness", "ReadinessReader", "unreadable"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The readiness of a node to report, as read once.

    Attributes:
        obstacles: All obstacles; none: the chain would take the next report of each feed.
        facts: What the chain said; None if it could not be read.
        max_fee: The most that the next report would pay for a unit of gas, in wei; None if this node pays nothing, or
            may not at this price.
        gas: The gas limit of the next report.
        error: Why the chain could not be read; None if it could.
        hub: The hub's address; empty if it is not known.
    """

    obstacles: tuple[Obstacle, ...]
    facts: HubFacts | None = None
    max_fee: int | None = None
    gas: int = REPORT_GAS
    error: OracleError | None = None
    hub: str = ""

    @property
    def exit_code(self) -> int:
        """0 if no obstacle is in the way that somebody here can do something about; 75 if only the chain is silent."""
        own = [each for each in self.obstacles if not each.kind.is_of_others]
        if self.error is not None and all(each.kind is ObstacleKind.CHAIN for each in own):
            return self.error.exit_code
        return 1 if own else 0

    @property
    def reports_left(self) -> int | None:
        """The number of reports that the balance pays for at the present price; None if that is not known."""
        if self.facts is None or self.facts.balance is None or self.max_fee is None:
            return None
        return self.facts.balance // (self.gas * max(1, self.max_fee))


class ReadinessReader:
    """Reads from one hub what decides about the next reports of a node.

    Args:
        hub: The hub.
        clock: Unix seconds: the clock that observations get their times from.
    """

    def __init__(self, hub: Hub, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock
        self._linked: dict[bytes, str] = {}
        self._coded: set[str] = set()
        self._models: dict[int, HubModel] = {}

    async def read(self, node: NodeFacts) -> Readiness:
        """Read the chain once, and judge. A chain that can't be read is an obstacle itself: nothing is raised.

        Args:
            node: The node, as it is now.
        """
        try:
            facts = await self._facts(node)
        except DeploymentError as error:
            return Readiness((Obstacle(ObstacleKind.DEPLOYMENT, "", str(error), OTHER_ADDRESS),), error=error)
        except OracleError as error:
            return Readiness((unreadable(error),), error=error)
        return Readiness(
            obstacles_of(node, facts, self._clock()), facts, _max_fee(node, facts), node.gas, hub=self._hub.address
        )

    async def _facts(self, node: NodeFacts) -> HubFacts:
        hub, wanted = self._hub, [each.feed_id for each in node.feeds if each.feed_id is not None]
        # Side by side, as a report that is due waits for this.
        (head, next_at), ((market, balance), states) = await together(
            together(hub.rpc.block(), self._pending_at()), together(self._money(node.payer), self._states(wanted))
        )
        ids = {*states, *(peer for state in states.values() for peer in state.peers)}
        terms = {each: found for each in sorted(ids) if (found := await self._terms(each)) is not None}
        numbers = sorted({state.committee for state in states.values()})
        committees = await together(*map(hub.committee, numbers))
        return HubFacts(
            head=head,
            next_at=max(head.timestamp, next_at),
            states=states,
            terms=terms,
            committees=dict(zip(numbers, committees, strict=True)),
            linked={each: await self._adapter(each) for each in states},
            coded=await self._with_code(node),
            unpaused_from={
                each: (await hub.proposals(each)).unpause_from for each, state in states.items() if state.paused
            },
            models={
                number: await self._model(number)
                for number in sorted({state.model_number for state in states.values()} & node.artifacts.keys())
            },
            market=market,
            balance=balance,
        )

    async def _pending_at(self) -> int:
        """Return the time of the pending block; 0 if the node says none: some leave out half of that block."""
        try:
            return (await self._hub.rpc.block("pending")).timestamp
        except ChainUnavailable:
            return 0

    async def _money(self, payer: str | None) -> tuple[Market | None, int | None]:
        """Return the price of gas and the payer's balance; None if nobody pays."""
        if payer is None:
            return None, None
        return await together(self._hub.rpc.market(), self._hub.rpc.balance(payer))

    async def _states(self, feed_ids: Sequence[bytes]) -> dict[bytes, FeedState]:
        """Return the states of the feeds that the hub has."""
        try:
            return {state.feed_id: state for state in await self._hub.feed_states(feed_ids)}
        except ContractRejected as error:
            if error.name != "UnknownFeed":
                raise
        return {each: await self._hub.feed_state(each) for each in feed_ids if await self._terms(each) is not None}

    async def _terms(self, feed_id: bytes) -> HubFeedConfig | None:
        """Return a feed's terms; None if the hub does not have it. The hub's reader keeps them: they never change."""
        try:
            return await self._hub.feed_config(feed_id)
        except ContractRejected as error:
            if error.name != "UnknownFeed":
                raise
            return None

    async def _adapter(self, feed_id: bytes) -> str | None:
        """Return the adapter that the hub links to a feed. It is linked once, for ever."""
        if feed_id not in self._linked:
            found = await self._hub.aggregator(feed_id)
            if found is None:
                return None
            self._linked[feed_id] = found
        return self._linked[feed_id]

    async def _with_code(self, node: NodeFacts) -> frozenset[str]:
        """Return the addresses of configured adapters that have code. Code that was there once stays."""
        for feed in node.feeds:
            for address in feed.adapters.values():
                if address is not None and address not in self._coded and await self._hub.rpc.code(address):
                    self._coded.add(address)
        return frozenset(self._coded)

    async def _model(self, number: int) -> HubModel:
        """Return a model, which never changes."""
        if number not in self._models:
            self._models[number] = await self._hub.model(number)
        return self._models[number]


def unreadable(error: OracleError) -> Obstacle:
    """Return the obstacle of a chain that can't be read."""
    return Obstacle(ObstacleKind.CHAIN, "", str(error), "`oracle doctor` looks at each endpoint of [chain]")


def _max_fee(node: NodeFacts, chain: HubFacts) -> int | None:
    if chain.market is None:
        return None
    try:
        return node.fees.fresh(chain.market, node.gas).max_fee
    except FeesTooHigh:
        return None
