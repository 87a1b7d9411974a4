"""Calls that change a contract, for its admin: described in words first, then simulated, sent and waited for."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.chain.abi.interface import Interface
from oracle.chain.keys.signer import AnyKey
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ContractRejected


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a contract, to be signed with any key.

    Attributes:
        what: The call in words.
        to: The contract's address.
        data: Calldata.
        interface: The contract's interface, which puts its refusal into words.
    """

    what: str
    to: str
    data: bytes
    interface: Interface


async def send_call(rpc: Rpc, account: AnyKey, wanted: Call, deadline_s: float = 120.0) -> Receipt:
    """Simulate, sign and send a call, and wait until it is mined.

    Raises:
        ContractRejected: The contract refuses it; the message is the reason. An account without the role is one.
        TransactionPending: It is not mined by the deadline.
        ChainUnavailable: No answer.
    """
    sender = Sender(rpc, account)
    try:
        transaction = await sender.sign(wanted.to, wanted.data, wanted.interface.decode_error)
    except ContractRejected as error:
        hint = (
            f"; {sender.address} signs, see --keystore and --calldata"
            if error.name == "AccessControlUnauthorizedAccount"
            else ""
        )
        raise ContractRejected(f"{wanted.what}: {error}{hint}", error.name) from error
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, deadline_s)
    if not receipt.succeeded:
        raise ContractRejected(
            f"{wanted.what}: it reverted, with {receipt.gas_used:,} gas used; look again with `show`"
        )
    return receipt
