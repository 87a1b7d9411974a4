"""The registry that lists feeds by base and quote. A listing is proposed first, and takes effect after a delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.deploy.check import require_code
from oracle.chain.deploy.create2 import Creation
from oracle.chain.deploy.steps import Steps
from oracle.core.errors import ContractRejected


@cache
def registry_interface() -> Interface:
    """Return the registry's interface."""
    return Interface(compiled.load("ZkFeedRegistry").abi)


async def deploy_registry(
    steps: Steps,
    contract: Compiled,
    pairs: Mapping[str, tuple[Sequence[str], str]],
    change_delay: int,
    admin: str,
    salt: bytes,
) -> str:
    """Deploy the registry, propose the feeds that are not listed, and confirm those that were proposed long enough ago.

    Once all feeds are listed, the registry is handed over to `admin`.

    Args:
        pairs: A feed's name to its pair and its adapter.
        change_delay: Seconds between a proposal and its confirmation.
        salt: The salt of its address.

    Returns:
        The registry's address.
    """
    interface = registry_interface()
    arguments = interface.encode_constructor(steps.sender.address, change_delay)
    creation = Creation(contract.name, contract.bytecode, arguments, salt)
    address = await steps.contract("registry", creation, interface.decode_error)
    await require_code(steps.rpc, address, contract, steps.path)
    waiting = False
    for name, (pair, aggregator) in pairs.items():
        waiting |= not await _list(steps, address, name, pair, aggregator)
    if not waiting and admin != steps.sender.address:

        async def find() -> bool | None:
            found = [await read(steps.rpc, interface, address, view) for view in ("owner", "pendingOwner")]
            return True if admin in found else None

        data = interface.encode_call("transferOwnership", admin)
        await steps.once(f"handover of the registry to {admin}", address, data, find)
        if await read(steps.rpc, interface, address, "owner") != admin:
            steps.progress(f"the registry waits for {admin} to call acceptOwnership()")
    return address


async def _list(steps: Steps, registry: str, name: str, pair: Sequence[str], aggregator: str) -> bool:
    """Propose a feed for its pair, or confirm it. Return True if it is listed now."""
    interface = registry_interface()

    async def at(view: str) -> str | None:
        try:
            return str(await read(steps.rpc, interface, registry, view, *pair))
        except ContractRejected:
            return None  # "Feed not found"

    async def listed() -> bool | None:
        return True if await at("getFeed") == aggregator else None

    async def proposed() -> bool | None:
        return True if aggregator in (await at("getProposedFeed"), await at("getFeed")) else None

    if await listed():
        return True
    arguments = (*pair, aggregator)
    step = f"proposal of {name} as {pair[0]} / {pair[1]}"
    await steps.once(step, registry, interface.encode_call("proposeFeed", *arguments), proposed)
    step = f"listing of {name} as {pair[0]} / {pair[1]}"
    try:
        await steps.once(step, registry, interface.encode_call("confirmFeed", *arguments), listed)
    except ContractRejected as error:
        if error.name != "TooEarly":
            raise
        since = await read(steps.rpc, interface, registry, "confirmableFrom", *pair)
        steps.progress(f"feed {name} can be listed from {since} (unix seconds) on: run again then")
        return False
    return True
