"""The chain that an attacked oracle is on: transactions that are mined without a look at them, and what they change."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from eth_utils.address import to_checksum_address

from oracle.chain.hub import Hub
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.state import whole_storage
from oracle.chain.rpc import Rpc
from tests.attack.proofs import Proofs
from tests.transactions import receipt_of

T = TypeVar("T")

GENESIS = 1_700_000_000
DEPLOYER, OUTSIDER = 0, 9
GAS = 15_000_000


class Node:
    """A chain with a hub on it.

    Attributes:
        start: When the first rounds were observed, unix seconds. The chain's time is 6 hours later.
    """

    def __init__(self, proofs: Proofs, chain: Anvil, hub: str, rpc: Rpc | None = None) -> None:
        self.proofs = proofs
        self.chain = chain
        self.rpc = rpc or Rpc(chain.rpc_url, chain.chain_id)
        self.hub = Hub(self.rpc, hub)
        self.start = 0

    def close(self) -> None:
        self.run(self.rpc.close())

    def run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        return self.proofs.run(awaitable)

    def now(self) -> int:
        return self.run(self.rpc.block()).timestamp

    def wait_until(self, after: int) -> None:
        """Mine a block `after` seconds from `start`."""
        self.chain.rpc("evm_setNextBlockTimestamp", self.start + after)
        self.chain.rpc("evm_mine")

    def later(self, seconds: int) -> None:
        """Mine a block so many seconds after the latest one."""
        self.wait_until(self.now() - self.start + seconds)

    def address(self, account: int) -> str:
        return self.chain.accounts[account].address

    def put(self, creation: bytes) -> str:
        """Deploy any contract, and return its address."""
        return str(to_checksum_address(self.receipt(creation, DEPLOYER, to="")["contractAddress"]))

    def send(self, data: bytes, account: int = OUTSIDER, to: str | None = None, gas: int = GAS) -> bool:
        """Mine a transaction without simulating it first. Return whether it succeeded."""
        return bool(self.receipt(data, account, to, gas)["status"] == "0x1")

    def receipt(self, data: bytes, account: int = OUTSIDER, to: str | None = None, gas: int = GAS) -> dict[str, Any]:
        return receipt_of(self.chain.rpc, self.broadcast(data, account, to, gas))

    def broadcast(self, data: bytes, account: int = OUTSIDER, to: str | None = None, gas: int = GAS) -> str:
        """Send a transaction, which waits for its block if blocks are not mined at once, and return its hash."""
        target = {} if to == "" else {"to": to or self.hub.address}
        sent = {"from": self.address(account), "data": "0x" + data.hex(), "gas": hex(gas), **target}
        return str(self.chain.rpc("eth_sendTransaction", sent))

    def in_one_block(self, *calls: tuple[int, bytes]) -> list[dict[str, Any]]:
        """Mine calls of accounts in one block, in this order, and return their receipts."""
        self.chain.rpc("evm_setAutomine", False)
        try:
            hashes = [self.broadcast(data, account, gas=1_200_000) for account, data in calls]
            self.chain.rpc("evm_mine")
        finally:
            self.chain.rpc("evm_setAutomine", True)
        receipts = [self.chain.rpc("eth_getTransactionReceipt", each) for each in hashes]
        assert len({receipt["blockNumber"] for receipt in receipts}) == 1
        return receipts

    def storage(self) -> dict[int, int]:
        """Return everything that the hub has written, by slot."""
        return self.run(whole_storage(self.rpc, self.hub.address))

    def changed(self, receipt: Mapping[str, Any]) -> set[str]:
        """Return the accounts whose storage or code a transaction has changed."""
        tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        states: dict[str, dict[str, dict[str, Any]]] = self.chain.rpc(
            "debug_traceTransaction", receipt["transactionHash"], tracer
        )
        changes = [(account, state) for side in states.values() for account, state in side.items()]
        return {account for account, state in changes if state.keys() & {"storage", "code"}}
