"""Calls that change a contract, for its admin: described in words first, then simulated, sent and waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.chain.abi.interface import Interface
from oracle.chain.keys.signer import AnyKey
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.concurrency import together
from oracle.core.errors import ContractRejected, OracleError
from oracle.core.types import SignedTransaction


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
    (done,) = await send_calls(rpc, account, [wanted], deadline_s)
    if isinstance(done, OracleError):
        raise done
    return done


async def send_calls(
    rpc: Rpc, account: AnyKey, wanted: Sequence[Call], deadline_s: float = 120.0
) -> list[Receipt | OracleError]:
    """Send several calls from one key: all are sent before one is waited for, and none waits for another's success.

    Returns:
        For each call its receipt, or the error that `send_call` would raise.
    """
    sender = Sender(rpc, account)

    async def send(call: Call) -> SignedTransaction | OracleError:
        try:
            transaction = await _signed(sender, call)
            await sender.broadcast(transaction)
            return transaction
        except OracleError as error:
            return error

    async def wait(call: Call, sent: SignedTransaction | OracleError) -> Receipt | OracleError:
        if isinstance(sent, OracleError):
            return sent
        try:
            receipt = await sender.wait(sent.tx_hash, deadline_s)
        except OracleError as error:
            return error
        if receipt.succeeded:
            return receipt
        return ContractRejected(f"{call.what}: it reverted, with {receipt.gas_used:,} gas used; look again with `show`")

    # One after the other: each nonce follows from the last.
    sent = [await send(each) for each in wanted]
    return list(await together(*(wait(call, each) for call, each in zip(wanted, sent, strict=True))))


async def _signed(sender: Sender, call: Call) -> SignedTransaction:
    """Return a call's transaction, simulated and signed. Raises as `send_call`."""
    try:
        return await sender.sign(call.to, call.data, call.interface.decode_error)
    except ContractRejected as error:
        hint = (
            f"; {sender.address} signs, see --keystore and --calldata"
            if error.name == "AccessControlUnauthorizedAccount"
            else ""
        )
        raise ContractRejected(f"{call.what}: {error}{hint}", error.name) from error
