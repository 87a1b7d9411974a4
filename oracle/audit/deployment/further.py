"""Contracts that belong to a deployment and that its hub does not know: they are recognised by their code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oracle.audit.deployment.contracts import ContractChecks, Hint
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.core.formats import keccak, to_hex


async def check_further(checks: ContractChecks, hub: str, addresses: Iterable[str], hints: Mapping[str, Hint]) -> None:
    """Check registries of feeds and of claims, cards, updates and split verifiers.

    Args:
        addresses: Their addresses, checksummed.
        hints: Ways in which they may have been created, by address.
    """
    for address in addresses:
        code = await checks.rpc.code(address, checks.block)
        name = checks.recognise(code)
        if name is None:
            found = f"other code (hash {to_hex(keccak(code))})" if code else "no code"
            checks.draft.differs(f"contract {address}", "one of this release's contracts", found, "trust none of it")
            continue
        contract = checks.contracts[name]
        tried = [hints[address]] if address in hints else []
        if name == "Erc7412Updates":
            tried.append(Hint(Interface(contract.abi).encode_constructor(hub)))
        await checks.check(name, address, tried)
        await _owner(checks, name, address, Interface(contract.abi))


async def _owner(checks: ContractChecks, name: str, address: str, interface: Interface) -> None:
    """State who owns a registry."""
    if name not in ("ZkFeedRegistry", "ClaimRegistry"):
        return
    owner = await read(checks.rpc, interface, address, "owner", block=checks.block)
    checks.found[address] = checks.found[address].model_copy(update={"owner": owner})
    checks.draft.notes.append(f"{name} {address}: its owner is {owner}")
    if name == "ZkFeedRegistry":
        later = await read(checks.rpc, interface, address, "pendingOwner", block=checks.block)
        if int(later, 16):
            checks.draft.notes.append(f"{name} {address}: {later} can accept its ownership")
