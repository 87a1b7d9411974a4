"""Contracts of one's own: known by the creation that put them there, not by their code alone.

Creation code can leave any storage behind, whatever code it returns. So a contract that reads storage of its own is
ours only if our creation code ran: its address follows from it (CREATE2), or its transaction shows it.
"""

from __future__ import annotations

from oracle.chain.compiled import Compiled
from oracle.chain.deploy.create2 import NO_SALT, create2_address
from oracle.chain.deploy.origin import find_origin
from oracle.chain.rpc import Rpc
from oracle.core.errors import DeploymentError
from oracle.core.formats import to_hex


async def require_created(
    rpc: Rpc, address: str, contract: Compiled, arguments: bytes | None = None, *, tx_hash: bytes | None = None
) -> bytes:
    """Make sure that the contract at an address is ours: its code, and the creation code that put it there.

    Args:
        address: The contract's address, checksummed.
        contract: The contract, linked if it needs libraries.
        arguments: The constructor's arguments, encoded, which must be these; None: any.
        tx_hash: The transaction that created it, where somebody says so. Nothing of it is believed.

    Returns:
        The arguments with which it was created.

    Raises:
        DeploymentError: It is another contract, or nothing shows how it was created; the message says what to do.
        ChainUnavailable: No answer.
    """
    name = contract.name
    where = f"{address} on chain {await rpc.chain_id()}"
    code = await rpc.code(address)
    if not contract.matches(code, address):
        if not code:
            raise DeploymentError(f"there is no {name} of this release at {where}")
        raise DeploymentError(f"the code at {where} is not this release's {name}")
    # 1 Its address follows: then nothing else can be there.
    likely = arguments if contract.takes_arguments else b""
    if likely is not None and create2_address(NO_SALT, contract.bytecode + likely) == address:
        return likely
    # 2 Its transaction shows what ran.
    origin = await find_origin(rpc, address, await rpc.block_number(), tx_hash)
    if origin.init_code is None:
        raise DeploymentError(
            f"the contract at {where} has the code of {name}, but nothing shows how it was created: {origin.why}"
        )
    by = "" if origin.tx_hash is None else f" in transaction {to_hex(origin.tx_hash)}"
    if not origin.init_code.startswith(contract.bytecode):
        raise DeploymentError(
            f"the contract at {where} has the code of {name}, but other creation code put it there{by}: it may have "
            "left anything in its storage. Use another one"
        )
    given = origin.init_code[len(contract.bytecode) :]
    if arguments is not None and given != arguments:
        raise DeploymentError(f"the {name} at {where} was created with other arguments{by}: {to_hex(given)}")
    return given
