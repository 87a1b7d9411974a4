"""A node's answers: their types, and the strict parsing of what the node sent.

A node's answer is input like any other. Whatever is malformed raises `ChainUnavailable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from enum import Enum
from typing import Any

from oracle.core.errors import ChainUnavailable
from oracle.core.formats import checksum_address, from_hex

_QUANTITY = re.compile(r"0[xX][0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0[xX](?:[0-9a-fA-F]{2})*")
_WORD = re.compile(r"0[xX][0-9a-fA-F]{0,64}")
_ADDRESS_BYTES = 20


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header. `base_fee` is None on chains without EIP-1559. Times in unix seconds, fees in wei."""

    number: int
    timestamp: int
    base_fee: int | None
    gas_limit: int
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Log:
    """An event as the node has it, not decoded.

    Most chains count `log_index` through a block, a few through a transaction: `place` orders the logs of both.
    `block_time` is None where the node does not say it.
    """

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    tx_hash: bytes
    log_index: int
    block_hash: bytes = b""
    tx_index: int = 0
    block_time: int | None = field_of(default=None, compare=False)

    @property
    def place(self) -> tuple[int, int, int]:
        """The log's place on the chain: block, transaction, index."""
        return self.block_number, self.tx_index, self.log_index


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a mined transaction.

    Attributes:
        price: Wei that each unit of gas has cost; None where the node does not say it.
        l1_fee: Wei that a rollup has charged beside the gas, for its data on the chain below.
    """

    tx_hash: bytes
    block_number: int
    succeeded: bool
    gas_used: int
    contract_address: str | None
    logs: tuple[Log, ...]
    block_hash: bytes = b""
    price: int | None = None
    l1_fee: int = 0

    def paid(self, max_fee: int) -> int:
        """Return the wei that the transaction has cost.

        Args:
            max_fee: The most that a unit of gas could cost: taken where the node does not say what it did cost.
        """
        return self.gas_used * (max_fee if self.price is None else self.price) + self.l1_fee


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that the node knows; `block_number` is None while it is pending."""

    tx_hash: bytes
    sender: str
    to: str | None
    data: bytes
    nonce: int
    gas: int
    block_number: int | None


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account as `eth_getProof` shows it at one block. Its Merkle proof is not verified.

    Attributes:
        code_hash: Keccak-256 of the runtime code.
        storage_hash: The storage root: equal for two accounts only if all their storage is equal.
    """

    address: str
    balance: int
    nonce: int
    code_hash: bytes
    storage_hash: bytes


@dataclass(frozen=True, slots=True)
class Market:
    """The price of gas on the chain now, in wei per gas.

    Attributes:
        base_fee: The next block's base fee; None on chains without EIP-1559.
        price: What is paid on top of it; without EIP-1559, the gas price.
    """

    base_fee: int | None
    price: int


class Sent(Enum):
    """A node's reply to a signed transaction that it did not reject for good."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    NONCE_USED = "nonce used"
    UNDERPRICED = "underpriced"
    """Another with this nonce is waiting, and this one does not pay enough more."""
    FEE_TOO_LOW = "fee too low"
    """The chain asks more by now."""


# --- parsing -------------------------------------------------------------------------------------------------------


def field(found: Any, key: str, what: str, optional: bool = False) -> Any:
    """Return the value at `key` of an object in an answer.

    Args:
        what: The object, for messages.
        optional: Return None where there is none, instead of raising.
    """
    if not isinstance(found, Mapping) or (found.get(key) is None and not optional):
        raise ChainUnavailable(f"the RPC endpoint answers a {what} without {key}")
    return found.get(key)


def items(value: Any) -> list[Any]:
    """Return `value` if it is a list."""
    if not isinstance(value, list):
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where a list is needed")
    return value


def number(value: Any, what: str) -> int:
    """Parse a quantity of at most 256 bits, never negative. `what` is its name in messages, as below.

    Zeros in front, digits in upper case and JSON's own integers are no error: they can't mean two things.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 256:
        return value
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs a number")
    return int(value, 16)


def data(value: Any, what: str) -> bytes:
    """Parse bytes."""
    if not isinstance(value, str) or _DATA.fullmatch(value) is None:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs bytes")
    return from_hex(value[2:])


def word(value: Any, what: str) -> bytes:
    """Parse 32 bytes. Some nodes leave zeros out in front."""
    if not isinstance(value, str) or _WORD.fullmatch(value) is None:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs 32 bytes")
    return int(value[2:] or "0", 16).to_bytes(32)


def address(value: Any, what: str) -> str:
    """Parse an address, and return it with its checksum."""
    if len(data(value, what)) != _ADDRESS_BYTES:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs an address")
    return checksum_address(value.lower())


def block(found: Any) -> Block:
    """Parse a block's header."""
    base_fee = field(found, "baseFeePerGas", "block", optional=True)
    return Block(
        number=number(field(found, "number", "block"), "block"),
        timestamp=number(field(found, "timestamp", "block"), "block"),
        base_fee=None if base_fee is None else number(base_fee, "block"),
        gas_limit=number(field(found, "gasLimit", "block"), "block"),
        # A pending block has none.
        hash=b"" if found.get("hash") is None else data(found["hash"], "block"),
    )


def transaction(found: Any) -> Transaction:
    """Parse a transaction, of any type."""
    what = "transaction"
    block_number = field(found, "blockNumber", what, optional=True)
    return Transaction(
        tx_hash=data(field(found, "hash", what), what),
        sender=address(field(found, "from", what), what),
        to=_maybe_address(found, "to", what),
        data=data(field(found, "input" if found.get("input") is not None else "data", what), what),
        nonce=number(field(found, "nonce", what), what),
        gas=number(field(found, "gas", what), what),
        block_number=None if block_number is None else number(block_number, what),
    )


def receipt(found: Any) -> Receipt:
    """Parse a mined transaction's receipt.

    Receipts of before Byzantium, and those of some nodes, have no status. A transaction with events has succeeded.
    """
    what = "receipt"
    status = field(found, "status", what, optional=True)
    logs = tuple(log(each) for each in items(field(found, "logs", what)))
    if status is None and not logs:
        raise ChainUnavailable(
            "the RPC endpoint answers a receipt without status, so nobody can say if the transaction succeeded: "
            "use another node"
        )
    return Receipt(
        tx_hash=data(field(found, "transactionHash", what), what),
        block_number=number(field(found, "blockNumber", what), what),
        succeeded=status is None or number(status, what) == 1,
        gas_used=number(field(found, "gasUsed", what), what),
        contract_address=_maybe_address(found, "contractAddress", what),
        logs=logs,
        block_hash=data(field(found, "blockHash", what), what),
        price=None
        if (price := field(found, "effectiveGasPrice", what, optional=True)) is None
        else number(price, what),
        l1_fee=0 if (l1_fee := field(found, "l1Fee", what, optional=True)) is None else number(l1_fee, what),
    )


def proof(found: Any) -> AccountProof:
    """Parse an account's proof."""
    what = "proof"
    return AccountProof(
        address=address(field(found, "address", what), what),
        balance=number(field(found, "balance", what), what),
        nonce=number(field(found, "nonce", what), what),
        code_hash=word(field(found, "codeHash", what), what),
        storage_hash=word(field(found, "storageHash", what), what),
    )


def log(found: Any) -> Log:
    """Parse an event."""
    return Log(
        address=address(field(found, "address", "log"), "log"),
        topics=tuple(data(topic, "log") for topic in items(field(found, "topics", "log"))),
        data=data(field(found, "data", "log"), "log"),
        block_number=number(field(found, "blockNumber", "log"), "log"),
        tx_hash=data(field(found, "transactionHash", "log"), "log"),
        log_index=number(field(found, "logIndex", "log"), "log"),
        block_hash=data(field(found, "blockHash", "log"), "log"),
        tx_index=number(found.get("transactionIndex") or "0x0", "log"),
        block_time=number(found.get("blockTimestamp") or "0x0", "log") or None,
    )


def _maybe_address(found: Any, key: str, what: str) -> str | None:
    """Parse an address that may be missing. Nodes write that as null, as nothing, or as zero."""
    value = field(found, key, what, optional=True)
    if value is None or value in ("", "0x"):
        return None
    parsed = address(value, what)
    return None if int(parsed, 16) == 0 and key == "contractAddress" else parsed


def _shown(value: Any) -> str:
    """Describe a value for messages. Only what looks like data is repeated: the rest may be the key of the URL."""
    if isinstance(value, str) and value.startswith("0x"):
        return repr(value[:40])
    return "nothing" if value is None else f"a {type(value).__name__}"
