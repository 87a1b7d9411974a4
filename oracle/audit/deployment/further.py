"""Contracts that belong to a deployment and that its hub does not know: they are recognised by their code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from oracle.audit.deployment.contracts import ContractChecks, Hint
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import other_code
from oracle.chain.contract import read

OWNED = ("ZkFeedRegistry", "ClaimRegistry")
"""Contracts with an owner, whose constructors take the owner and a delay."""


async def check_further(
    checks: ContractChecks, hub: str, addresses: Iterable[str], hints: Mapping[str, Hint], people: Sequence[str]
) -> None:
    """Check registries of feeds and of claims, cards, updates and split verifiers.

    Args:
        addresses: Their addresses, checksummed.
        hints: Ways in which they may have been created, by address.
        people: Accounts that may have been the first owner of one.
    """
    for address in addresses:
        code = await checks.rpc.code(address, checks.block)
        name = checks.recognise(code)
        if name is None:
            found = other_code(code)
            checks.draft.differs(f"contract {address}", "one of this release's contracts", found, "trust none of it")
            continue
        contract = checks.contracts[name]
        interface = Interface(contract.abi)
        tried = [hints[address]] if address in hints else []
        if name == "Erc7412Updates":
            tried.append(Hint(interface.encode_constructor(hub)))
        if name not in OWNED:
            await checks.check(name, address, tried)
            continue
        # With a likely first owner, the address may follow, and no transaction has to be found.
        owner = str(await read(checks.rpc, interface, address, "owner", block=checks.block))
        delay = int.from_bytes(contract.immutables_in(code)["_changeDelay"])
        tried += [Hint(interface.encode_constructor(each, delay)) for each in dict.fromkeys([owner, *people])]
        await checks.check(name, address, tried)
        checks.found[address] = checks.found[address].model_copy(update={"owner": owner})
        checks.draft.notes.append(f"{name} {address}: its owner is {owner}")
        if name == "ZkFeedRegistry":
            later = str(await read(checks.rpc, interface, address, "pendingOwner", block=checks.block))
            if int(later, 16):
                checks.draft.notes.append(f"{name} {address}: {later} can accept its ownership")
