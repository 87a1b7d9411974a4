"""The creation of a contract, found on the chain: the init code that ran, and the block and transaction in which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import rlp

from oracle.chain.deploy.create2 import PROXY, create2_address
from oracle.chain.rpc import Rpc
from oracle.chain.transport import answers
from oracle.chain.transport.interface import NodeError
from oracle.core.errors import ChainUnavailable, ContractRejected
from oracle.core.formats import checksum_address, from_hex, keccak, to_hex

Way: TypeAlias = Literal["create2", "transaction", "contract", "unknown"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The creation of a contract as far as a chain shows it.

    Attributes:
        way: "create2": by a call of the deterministic deployment proxy. "transaction": by plain creation. "contract":
            by another contract, as a trace shows. "unknown": see `why`.
        init_code: Creation code and arguments; None if unknown.
        block: The block of the creation; None if unknown.
        tx_hash: Its transaction; None if unknown.
        salt: The salt, if `way` is "create2".
        why: A reason why it is unknown, and a remedy.
    """

    way: Way
    init_code: bytes | None = None
    block: int | None = None
    tx_hash: bytes | None = None
    salt: bytes | None = None
    why: str = ""


async def first_block(rpc: Rpc, address: str, last: int | None = None) -> int:
    """Return the block in which a contract was created, found by halving; 0 if the node has no old states.

    Args:
        last: A block in which the contract is there; None: the latest.
    """
    before, there = -1, await rpc.block_number() if last is None else last
    while there - before > 1:
        middle = (before + there) // 2
        try:
            is_there = bool(await rpc.code(address, middle))
        except (ChainUnavailable, ContractRejected):
            return 0
        before, there = (before, middle) if is_there else (middle, there)
    return there


async def find_origin(rpc: Rpc, address: str, block: int, tx_hash: bytes | None = None) -> Origin:
    """Find how a contract was created.

    A node without old states can be helped with the transaction; if it is not the one, the search goes on. What is
    returned is checked: the address follows from the transaction, unless only a trace shows the creation.

    Args:
        address: The contract's address, checksummed.
        block: A block in which the contract is there.
        tx_hash: The transaction that created it, where somebody says so; None: search for it.

    Raises:
        ChainUnavailable: No answer.
    """
    if tx_hash is not None:
        named = await _of_transaction(rpc, address, tx_hash)
        if named.init_code is not None:
            return named
    number = await first_block(rpc, address, block)
    if number == 0 or not await rpc.code(address, number):
        return Origin("unknown", why=f"{rpc.name} has no old states: ask an archive node, or name the transaction")
    found = await rpc.request("eth_getBlockByNumber", hex(number), True)
    transactions = answers.items(answers.field(found, "transactions", "block"))
    for each in transactions:
        origin = _by(each, address, number)
        if origin is not None:
            return origin
    for each in transactions:
        if answers.field(each, "to", "transaction", optional=True) is None:
            continue
        tx_hash = answers.data(answers.field(each, "hash", "transaction"), "transaction")
        origin = await _traced(rpc, address, tx_hash, number)
        if origin is not None:
            return origin
    return Origin(
        "unknown", block=number, why=f"block {number} has no transaction that shows its creation; {_BY_OTHER}"
    )


_BY_OTHER = "another contract created it, and the node gives no trace of that"


async def _of_transaction(rpc: Rpc, address: str, tx_hash: bytes) -> Origin:
    found = await rpc.request("eth_getTransactionByHash", to_hex(tx_hash))
    number = None if found is None else answers.field(found, "blockNumber", "transaction", optional=True)
    if found is None or number is None:
        return Origin("unknown", why=f"{rpc.name} does not know transaction {to_hex(tx_hash)}")
    block = answers.number(number, "transaction")
    origin = _by(found, address, block) or await _traced(rpc, address, tx_hash, block)
    if origin is None:
        why = f"transaction {to_hex(tx_hash)} did not create it, or by another contract, and the node gives no trace"
        return Origin("unknown", why=why)
    return origin


def _by(transaction: Any, address: str, block: int) -> Origin | None:
    """Return the origin that a transaction's own fields show; None: they show none of this contract.

    A transaction of a form that only this chain has is left out: a rollup's deposits, for instance.
    """
    try:
        found = answers.transaction(transaction)
    except ChainUnavailable:
        return None
    if found.to is None:
        raw = rlp.encode([from_hex(found.sender), found.nonce])
        if checksum_address(to_hex(keccak(raw)[12:])) == address:
            return Origin("transaction", found.data, block, found.tx_hash)
    elif found.to == PROXY and len(found.data) > 32:
        salt, init_code = found.data[:32], found.data[32:]
        if create2_address(salt, init_code) == address:
            return Origin("create2", init_code, block, found.tx_hash, salt)
    return None


async def _traced(rpc: Rpc, address: str, tx_hash: bytes, block: int) -> Origin | None:
    try:
        root = await rpc.trace(tx_hash)
    except NodeError:
        return None
    for frame in () if root is None else root.lasting():
        if frame.kind in ("create", "create2") and frame.to == address:
            return Origin("contract", frame.data, block, tx_hash)
    return None
