"""Show that a hub's code and storage follow from a block's hash: who knows the hash need not believe the node for them.

A node can answer the same question twice in two ways. So all that is shown is of the very bytes that were checked, and
of the very hash that the audit names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.chain import compiled
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Block
from oracle.chain.trie import ProvenAccount, header_hash, proven_account
from oracle.core.errors import ChainUnavailable, DeploymentError
from oracle.core.formats import checksum_address, from_hex, keccak, to_hex

_NAMED_BY_CODE = (("lens", "ZkOracleLens"), ("aggregatorFactory", "ZkAggregatorFactory"))


async def follows_from_hash(rpc: Rpc, hub: str, code: bytes, root: bytes, block: Block) -> tuple[bool, str]:
    """Show that a hub's code and storage, and the code of all that its code names, follow from a block's hash.

    Args:
        code: The hub's code, as it was checked.
        root: The root of the storage that was compared.
        block: The pinned block.

    Returns:
        True if they do, and how the node contradicts that.
    """
    at = f"block {block.number}"
    try:
        header = await rpc.request("eth_getBlockByNumber", hex(block.number), False)
        told, number = from_hex(header["hash"]), int(header["number"], 16)
        if (told, number) != (block.hash, block.number):
            told_before = f"{at} was {to_hex(block.hash)} before, and is {to_hex(told)} of number {number} now"
            return False, f"{rpc.name} contradicts itself: {told_before}"
        if header_hash(header) != block.hash:
            return False, ""  # another chain's form of a header
        codes = {hub: code} | await _named_by(rpc, code, block.number)
        state = from_hex(header["stateRoot"])
        accounts = {address: await _account(rpc, state, address, block.number) for address in codes}
    except (ChainUnavailable, DeploymentError, LookupError, TypeError, AttributeError):
        return False, ""
    except ValueError as error:
        return False, f"{rpc.name} contradicts itself: by the hash of {at}, {error}"
    differing = [*(["storage"] if accounts[hub].storage_root != root else []), *_other_code(hub, codes, accounts)]
    if not differing:
        return True, ""
    text = f"{rpc.name} contradicts itself: the hash of {at}, {to_hex(block.hash)}, is of a state in which the hub has"
    return False, f"{text} other {' and '.join(differing)}"


async def _named_by(rpc: Rpc, code: bytes, block: int) -> dict[str, bytes]:
    """Return the code of the libraries, the lens and the factory that a hub's code names, by address.

    Raises:
        DeploymentError: One of them is not this release's, or the hub is not. Another check has said so.
    """
    contracts = compiled.packaged()
    hub = contracts["ZkOracle"]
    libraries = hub.libraries_in(code)
    values = hub.link(libraries).immutables_in(code)
    named = [*libraries.items(), *((name, checksum_address(to_hex(values[key][12:]))) for key, name in _NAMED_BY_CODE)]
    found = {}
    for name, address in named:
        found[address] = await rpc.code(address, block)
        if not contracts[name].matches(found[address], address):
            raise DeploymentError(f"the code at {address} is not this release's {name}")
    return found


async def _account(rpc: Rpc, state: bytes, address: str, block: int) -> ProvenAccount:
    answer: Mapping[str, Any] = await rpc.request("eth_getProof", address, [], hex(block))
    nodes: Sequence[bytes] = [from_hex(each) for each in answer["accountProof"]]
    return proven_account(state, address, nodes)


def _other_code(hub: str, codes: Mapping[str, bytes], accounts: Mapping[str, ProvenAccount]) -> list[str]:
    return [
        "code" if address == hub else f"code at {address} (which its code names)"
        for address, code in codes.items()
        if accounts[address].code_hash != keccak(code)
    ]
