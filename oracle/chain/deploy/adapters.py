"""A feed's adapters: each is deployed at the address that follows from its terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.deploy.check import require_code
from oracle.chain.deploy.steps import Steps
from oracle.chain.deploy.terms import NO_FEED, PLAIN, AdapterMode, AdapterTerms
from oracle.chain.hub import aggregator_interface
from oracle.core.errors import ContractRejected, DeploymentError

__all__ = [
    "NO_FEED",
    "PLAIN",
    "AdapterMode",
    "AdapterPlace",
    "AdapterTerms",
    "deploy_adapter",
    "factory_interface",
]

UP, DOWN = 0, 1
"""The answers of a feed of a sequencer's uptime."""


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

    data = interface.encode_call("deploy", *arguments)
    if terms.is_guarded and await find() is None:
        await _require_uptime_feed(steps, name, terms.uptime_feed)
        await _require_readable(steps, name, terms.uptime_feed, place.factory, data)
    address = await steps.once(name, place.factory, data, find)
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


async def _require_readable(steps: Steps, name: str, feed: str, factory: str, data: bytes) -> None:
    """Raise DeploymentError if the uptime feed lets no adapter read it, as far as a simulated deployment shows."""
    decode = aggregator_interface().decode_error
    try:
        await steps.rpc.call(factory, data, sender=steps.sender.address, decode=decode)
    except ContractRejected as error:
        if error.name != "InvalidTerms":
            raise
        raise DeploymentError(
            f"{name}: {feed} does not let the adapter read it. Chainlink's feeds let in the contracts that they know: "
            "name the proxy of the feed in 'uptime_feed', the address that Chainlink publishes"
        ) from None


def _terms_of(found: Mapping[str, int | str]) -> AdapterTerms:
    """Return the terms that an adapter tells."""
    return AdapterTerms(
        AdapterMode(int(found["mode"])), int(found["bound"]), str(found["uptimeFeed"]), int(found["grace"])
    )
