"""Contracts at addresses that follow from their creation code, their constructor's arguments and a salt (CREATE2).

They are created through the deterministic deployment proxy, which has no owner, no storage and one address on all
chains. Whoever creates them, they are the same: all power in them is given to addresses among the arguments.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal

from oracle.chain.rpc import Rpc
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ChainUnavailable, ContractRejected, DeploymentError
from oracle.core.formats import checksum_address, from_hex, keccak, to_hex

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy: it creates a contract from calldata, 32 bytes of salt and then init code."""

PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd"
    "5b8082525050506014600cf3"
)
"""The code of the proxy. Other code at its address is not trusted."""

NO_SALT = bytes(32)
"""The salt of contracts that are the same for everybody, and of all others where none is configured."""

_NOTHING = b"\0"
"""Init code that creates a contract without code."""

_MAX_INIT_CODE = 49_152  # EIP-3860


@dataclass(frozen=True, slots=True)
class Creation:
    """The bytes from which a contract's address follows.

    Attributes:
        contract: The contract's name, for instance "ZkOracle"; for a generated verifier "verifier".
        code: Creation code without arguments, linked.
        arguments: The constructor's arguments, encoded.
        salt: 32 bytes.
    """

    contract: str
    code: bytes
    arguments: bytes = b""
    salt: bytes = NO_SALT

    @property
    def init_code(self) -> bytes:
        """The creation code with the arguments behind it."""
        return self.code + self.arguments

    @property
    def address(self) -> str:
        """The address at which the proxy creates it, checksummed."""
        return create2_address(self.salt, self.init_code)


@dataclass(frozen=True, slots=True)
class Created:
    """A contract that is on the chain, and the way in which it came there.

    Attributes:
        address: Checksummed.
        way: "create2" if the address follows from the creation, whoever sent it; "transaction" if it was created by
            plain creation, so that only the transaction shows from which code.
        tx_hash: The transaction that created it; None if it was there before.
    """

    address: str
    way: Literal["create2", "transaction"]
    tx_hash: bytes | None


@dataclass(frozen=True, slots=True)
class CreationCall:
    """The transaction that creates a contract.

    Attributes:
        to: The proxy; None for plain creation.
        data: Calldata, or init code.
        address: The address that follows; None for plain creation.
    """

    to: str | None
    data: bytes
    address: str | None


def create2_address(salt: bytes, init_code: bytes, creator: str = PROXY) -> str:
    """Return the address at which a contract creates another by CREATE2 (EIP-1014), checksummed.

    Args:
        salt: 32 bytes.
        init_code: Creation code and arguments.
        creator: The contract that creates it.

    Raises:
        ValueError: The salt has another length.
    """
    if len(salt) != 32:
        raise ValueError(f"a salt has 32 bytes, not {len(salt)}")
    return checksum_address(to_hex(keccak(b"\xff" + from_hex(creator) + salt + keccak(init_code))[12:]))


async def has_proxy(rpc: Rpc) -> bool:
    """Return True if the chain has the deterministic deployment proxy, and contracts come to the addresses that follow.

    The code at its address has to be exactly the known one, and a simulated creation to give the address of EIP-1014:
    there are chains with other rules.
    """
    if await rpc.code(PROXY) != PROXY_CODE:
        return False
    salt = secrets.token_bytes(32)
    try:
        made = await rpc.call(PROXY, salt + _NOTHING)
    except ContractRejected:
        return False
    return to_hex(made) == create2_address(salt, _NOTHING).lower()


def creation_call(creation: Creation, *, with_proxy: bool) -> CreationCall:
    """Return the transaction that creates a contract.

    Args:
        with_proxy: True if the chain has the deterministic deployment proxy.

    Raises:
        DeploymentError: The code is too large for a chain.
    """
    if len(creation.init_code) > _MAX_INIT_CODE:
        raise DeploymentError(
            f"{creation.contract}: its creation code has {len(creation.init_code):,} bytes, a chain takes "
            f"{_MAX_INIT_CODE:,}"
        )
    if with_proxy:
        return CreationCall(PROXY, creation.salt + creation.init_code, creation.address)
    return CreationCall(None, creation.init_code, None)


async def require_creatable(rpc: Rpc, creation: Creation, sender: str, decode: ErrorDecoder | None) -> None:
    """Raise ContractRejected with the constructor's reason if it refuses. The proxy would swallow the reason."""
    await rpc.estimate_gas(None, creation.init_code, sender=sender, decode=decode)


async def create(
    rpc: Rpc, sender: Sender, creation: Creation, decode: ErrorDecoder | None = None, deadline_s: float = 120.0
) -> Created:
    """Create a contract at the address that follows from it, unless it is there; by plain creation without the proxy.

    Args:
        decode: Decodes the constructor's custom errors.
        deadline_s: Seconds to wait for the transaction.

    Raises:
        ContractRejected: The constructor refuses; the message is the reason.
        DeploymentError: The code is too large for a chain.
        TransactionPending: It is not mined within the deadline.
        ChainUnavailable: No answer.
    """
    wanted = creation_call(creation, with_proxy=await has_proxy(rpc))
    if wanted.address is not None and await rpc.code(wanted.address):
        return Created(wanted.address, "create2", None)
    try:
        transaction = await sender.sign(wanted.to, wanted.data, decode)
    except ContractRejected:
        await require_creatable(rpc, creation, sender.address, decode)
        raise
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, deadline_s)
    if wanted.address is not None and await rpc.code(wanted.address):
        # Reverted or not: if somebody else was faster, the same contract is there.
        return Created(wanted.address, "create2", receipt.tx_hash if receipt.succeeded else None)
    if not receipt.succeeded:
        raise ContractRejected(f"{creation.contract}: its creation reverted, with {receipt.gas_used:,} gas used")
    if wanted.address is not None or receipt.contract_address is None:
        raise ChainUnavailable(f"{creation.contract}: mined, but {rpc.name} does not show it yet; run again")
    return Created(receipt.contract_address, "transaction", receipt.tx_hash)
