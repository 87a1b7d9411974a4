"""A feed's adapters: their terms, and how one is deployed at the address that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.deploy.check import require_code
from oracle.chain.deploy.steps import Steps
from oracle.chain.hub import aggregator_interface
from oracle.core.errors import ContractRejected, DeploymentError

NO_FEED = "0x" + "00" * 20

UP, DOWN = 0, 1
"""The answers of a feed of a sequencer's uptime."""


class AdapterMode(IntEnum):
    """The rule by which an adapter gives the latest round, as the contract's number for it."""

    PLAIN = 0
    STRICT = 1
    LAST_GOOD = 2


@dataclass(frozen=True, slots=True)
class AdapterTerms:
    """The terms of an adapter, from which its address follows: `IZkAggregator.Terms`, in its order.

    Attributes:
        bound: The largest age of an answer in seconds (LAST_GOOD); else 0.
        uptime_feed: The chain's feed of its sequencer's uptime; the zero address: no guard.
        grace: Seconds after the sequencer's return without an answer; 0 without a guard.
    """

    mode: AdapterMode = AdapterMode.PLAIN
    bound: int = 0
    uptime_feed: str = NO_FEED
    grace: int = 0

    @property
    def values(self) -> tuple[int, int, str, int]:
        """The terms as arguments of the factory."""
        return (int(self.mode), self.bound, self.uptime_feed, self.grace)

    @property
    def is_guarded(self) -> bool:
        """True if the adapter looks at the sequencer."""
        return self.uptime_feed != NO_FEED

    def __str__(self) -> str:
        """Return the terms in a few words, as in a step's name: "last-good 7200 s"."""
        words = self.mode.name.lower().replace("_", "-")
        words += f" {self.bound} s" if self.bound else ""
        return words + (f" guarded by {self.uptime_feed} ({self.grace} s)" if self.is_guarded else "")


PLAIN = AdapterTerms()
"""The terms of the adapter that a hub links."""


@cache
def factory_interface() -> Interface:
    """Return the interface of the factory of adapters."""
    return Interface(compiled.load("ZkAggregatorFactory").abi)


@dataclass(frozen=True, slots=True)
class AdapterPlace:
    """A feed, and the hub and the factory of its adapters."""

    factory: str
    hub: str
    feed_id: bytes
    description: str
    decimals: int


async def deploy_adapter(steps: Steps, contract: Compiled, place: AdapterPlace, terms: AdapterTerms = PLAIN) -> str:
    """Let the factory deploy an adapter, unless that was done, and check it. Anyone may have deployed it.

    Args:
        contract: The adapter, compiled.

    Returns:
        The adapter's address.

    Raises:
        DeploymentError: The terms name an uptime feed that is none, or what is at the address is not the adapter.
        ContractRejected, TransactionPending, ChainUnavailable: See `Steps.once`.
    """
    name = f"{'' if terms == PLAIN else f'{terms} '}aggregator of {place.description}"
    interface = factory_interface()
    arguments = (place.hub, place.feed_id, terms.values)
    planned: str = await read(steps.rpc, interface, place.factory, "addressOf", *arguments)

    async def find() -> str | None:
        return planned if await steps.rpc.code(planned) else None

    if terms.is_guarded and await find() is None:
        await _require_uptime_feed(steps, name, terms.uptime_feed)
    address = await steps.once(name, place.factory, interface.encode_call("deploy", *arguments), find)
    await require_code(steps.rpc, address, contract, steps.path)
    expected = {"hub": place.hub, "feedId": place.feed_id, "decimals": place.decimals}
    for view, value in expected.items():
        if (found := await read(steps.rpc, aggregator_interface(), address, view)) != value:
            raise DeploymentError(f"{name} at {address}: {view} is {found}, not {value}")
    if (found := _terms_of(await read(steps.rpc, aggregator_interface(), address, "terms"))) != terms:
        raise DeploymentError(f"{name} at {address}: its terms are {found}, not {terms}")
    return address


async def _require_uptime_feed(steps: Steps, name: str, feed: str) -> None:
    """Raise DeploymentError if the adapter would not take the feed for one of a sequencer's uptime."""
    if not await steps.rpc.code(feed):
        raise DeploymentError(f"{name}: there is no contract at {feed}: correct 'uptime_feed' of the feed's adapters")
    try:
        data = await read(steps.rpc, aggregator_interface(), feed, "latestRoundData")
    except (ContractRejected, DeploymentError) as error:
        raise DeploymentError(f"{name}: {feed} is no feed of a sequencer's uptime: {error}") from None
    if data["answer"] not in (UP, DOWN):
        raise DeploymentError(
            f"{name}: {feed} answers {data['answer']}, but a feed of a sequencer's uptime answers {UP} (up) or {DOWN} "
            "(down): correct 'uptime_feed' of the feed's adapters"
        )


def _terms_of(found: Mapping[str, int | str]) -> AdapterTerms:
    """Return the terms that an adapter tells."""
    return AdapterTerms(
        AdapterMode(int(found["mode"])), int(found["bound"]), str(found["uptimeFeed"]), int(found["grace"])
    )
