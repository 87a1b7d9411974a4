"""A node in memory, behind the interface of real endpoints: a pool with geth's rules, blocks, and ways to fail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.chain.transport.interface import Doubt, EndpointState, NodeError
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.tx import transactions
from oracle.chain.tx.fees import GWEI, Fees
from oracle.core.errors import ChainUnavailable, ContractRejected

CHAIN_ID = 31337


@dataclass
class FakeNode:
    """A node with one account's transactions. A `Transport` for `Rpc`.

    Attributes:
        chain: Hashes of the mined transactions, oldest first; one for each nonce.
        pool: The waiting transactions, by nonce.
        base_fee: Wei per gas; None: a chain without EIP-1559.
        accepts: Whether transactions enter the pool. If False, the node says so but forgets them at once.
        sent: All transactions that were sent to it, in order.
        reverts: The error that calls raise.
        calls: The calls that were made, oldest first.
        paid: Wei per gas that receipts say; None: they say nothing, as those of old nodes.
    """

    base_fee: int | None = GWEI
    tip: int = GWEI
    chain: list[bytes] = field(default_factory=list)
    pool: dict[int, bytes] = field(default_factory=dict)
    accepts: bool = True
    sent: list[bytes] = field(default_factory=list)
    reverts: ContractRejected | None = None
    name: str = "http://node"
    fork: int = 0
    calls: list[dict[str, str]] = field(default_factory=list)
    paid: int | None = 2 * GWEI

    async def chain_id(self) -> int:
        return CHAIN_ID

    async def states(self) -> Sequence[EndpointState]:
        return [EndpointState(self.name, "", len(self.chain), True)]

    def keep_open(self) -> None: ...

    async def close(self) -> None: ...

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        answer: Callable[..., Any] | None = getattr(self, f"_{method}", None)
        if answer is None:
            raise ChainUnavailable(f"{method} is not there")
        return answer(*params)

    # --- events that a test causes ---

    def mine(self) -> None:
        """Mine a block with the next transaction, if it is here and pays enough, or else an empty block."""
        raw = self.pool.get(self.nonce)
        if raw is None or transactions.read(raw)[1].max_fee < (self.base_fee or 0):
            self.chain.append(b"")
        else:
            del self.pool[self.nonce]
            self.chain.append(_hash(raw))

    def mine_this(self, raw: bytes) -> None:
        """Mine a block with a transaction of the next nonce, wherever it comes from."""
        self.pool.pop(self.nonce, None)
        self.chain.append(_hash(raw))

    def forget(self) -> None:
        """Lose the pool."""
        self.pool.clear()

    def reorganise(self, blocks: int) -> None:
        """Replace the latest blocks by as many empty ones."""
        del self.chain[-blocks:]
        self.chain += [b""] * blocks
        self.fork += 1

    @property
    def nonce(self) -> int:
        return sum(1 for each in self.chain if each)

    # --- methods -----------------------------------------------------------------------------------------------

    def _eth_getBlockByNumber(self, which: str, full: bool) -> dict[str, Any]:
        number = len(self.chain) if not which.startswith("0x") else int(which, 16)
        fee = {} if self.base_fee is None else {"baseFeePerGas": hex(self.base_fee)}
        found = {"number": hex(number), "timestamp": hex(1_000 + number), "gasLimit": hex(30_000_000)}
        return found | fee | {"hash": "0x" + self._block_hash(number).hex()}

    def _eth_blockNumber(self) -> str:
        return hex(len(self.chain))

    def _eth_getTransactionCount(self, address: str, which: str) -> str:
        assert which == "latest", "what a node calls pending is not to be relied on"
        return hex(self.nonce)

    def _eth_feeHistory(self, blocks: str, newest: str, percentiles: list[int]) -> dict[str, Any]:
        return {"reward": [[hex(self.tip)]] * 3, "baseFeePerGas": [hex(self.base_fee or 0)] * 4}

    def _eth_gasPrice(self) -> str:
        return hex((self.base_fee or 0) + self.tip)

    def _eth_estimateGas(self, call: dict[str, str], which: str) -> str:
        return hex(21_000 if call["data"] == "0x" else 100_000)

    def _eth_call(self, call: dict[str, str], which: str) -> str:
        self.calls.append(call)
        if self.reverts is not None:
            raise self.reverts
        return "0x"

    def _eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any] | None:
        if bytes.fromhex(tx_hash[2:]) not in self.chain:
            return None
        number = self.chain.index(bytes.fromhex(tx_hash[2:])) + 1
        return {
            "transactionHash": tx_hash,
            "blockNumber": hex(number),
            "blockHash": "0x" + self._block_hash(number).hex(),
            "status": "0x1",
            "gasUsed": hex(90_000),
            "logs": [],
        } | ({} if self.paid is None else {"effectiveGasPrice": hex(self.paid)})

    def _eth_getTransactionByHash(self, tx_hash: str) -> dict[str, Any] | None:
        here = [raw for raw in self.pool.values() if "0x" + _hash(raw).hex() == tx_hash]
        if not here:
            return None
        content, _ = transactions.read(here[0])
        return {
            "hash": tx_hash,
            "from": "0x" + "11" * 20,
            "to": "0x" + content.to.hex(),
            "input": "0x" + content.data.hex(),
            "nonce": hex(content.nonce),
            "gas": hex(content.gas),
        }

    def _eth_sendRawTransaction(self, text: str) -> str:
        raw = bytes.fromhex(text[2:])
        self.sent.append(raw)
        content, fees = transactions.read(raw)
        if content.nonce < self.nonce:
            raise NodeError("nonce too low", "nonce too low")
        if fees.max_fee < (self.base_fee or 0):
            raise NodeError("refused", "max fee per gas less than block base fee")
        waiting = self.pool.get(content.nonce)
        if waiting == raw:
            raise NodeError("already known", "already known")
        if waiting is not None and not geth_takes(transactions.read(waiting)[1], fees):
            raise NodeError("refused", "replacement transaction underpriced")
        if self.accepts:
            self.pool[content.nonce] = raw
        return "0x" + _hash(raw).hex()

    def _block_hash(self, number: int) -> bytes:
        return hashlib.sha256(f"{self.fork} {number}".encode()).digest()


def geth_takes(before: Fees, after: Fees) -> bool:
    """Apply go-ethereum's rule for replacements, `list.Add` of its legacy pool, with its price bump of 10 %."""

    def threshold(fee: int) -> int:
        return fee * 110 // 100

    tips = [fees.max_fee if fees.priority_fee is None else fees.priority_fee for fees in (before, after)]
    if after.max_fee <= before.max_fee or tips[1] <= tips[0]:
        return False
    return after.max_fee >= threshold(before.max_fee) and tips[1] >= threshold(tips[0])


@dataclass
class Ticks:
    """A stand-in for `oracle.chain.transport.heads.Heads` and for the clock: time passes only during waits.

    Attributes:
        then: Called at each wait, with the time since the beginning.
    """

    now: float = 0.0
    count: int = 0
    then: Callable[[float], None] = lambda now: None

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float, since: int) -> None:
        self.now += seconds
        self.then(self.now)
        await asyncio.sleep(0)

    async def close(self) -> None: ...


def _hash(raw: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(raw))
