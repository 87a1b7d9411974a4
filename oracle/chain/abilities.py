"""The abilities of a node beyond the plainest questions. `oracle doctor` says what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oracle.chain.rpc import LOG_BLOCKS, Rpc
from oracle.chain.transport.endpoint import Endpoint
from oracle.chain.transport.interface import MethodMissing, NodeError
from oracle.chain.transport.logs import Ranges
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import NOBODY, to_hex

__all__ = ["NodeAbilities", "survey"]

_NO_TRANSACTION = to_hex(b"\0" * 32)


@dataclass(frozen=True)
class NodeAbilities:
    """The abilities of a node.

    Attributes:
        has_pending: It has a pending block.
        has_finalized: It knows the finalized block.
        log_limit: The blocks whose events it gives at once, about; 0 if it gives none of even one block. None if it
            gave as many as we ask for.
        keeps_logs: It has events as old as the hub; None if no hub was named.
        keeps_state: It has the state as old as the hub; None if no hub was named.
        traces: The method by which it tells the calls of a transaction; empty if there is none.
        has_proofs: It has `eth_getProof`.
        has_fee_history: It has `eth_feeHistory`.
    """

    has_pending: bool
    has_finalized: bool
    log_limit: int | None
    keeps_logs: bool | None
    keeps_state: bool | None
    traces: str
    has_proofs: bool
    has_fee_history: bool


async def survey(endpoint: Endpoint, hub: str | None = None, since: int = 0) -> NodeAbilities:
    """Find out what a node can do, with about a dozen requests.

    Args:
        endpoint: The node.
        hub: The hub's address; None if there is none yet.
        since: The block in which the hub was deployed.

    Raises:
        ChainUnavailable: It does not answer, or not in the form that nodes do.
        WrongChain: It serves another chain than expected.
    """
    rpc = Rpc(endpoint)
    head = await rpc.block_number()
    await rpc.nonce(NOBODY, "pending")
    return NodeAbilities(
        has_pending=endpoint.has_pending,
        has_finalized=await _answers(rpc, "eth_getBlockByNumber", "finalized", False),
        log_limit=await _log_limit(rpc, hub or NOBODY, head),
        keeps_logs=None if hub is None else await _answers(rpc, "eth_getLogs", _query(hub, since, since)),
        keeps_state=None if hub is None else await _answers(rpc, "eth_getCode", hub, hex(since)),
        traces=await _traces(rpc),
        has_proofs=await rpc.proof(hub or NOBODY) is not None,
        has_fee_history=await _answers(rpc, "eth_feeHistory", "0x1", "latest", [50]),
    )


async def _answers(rpc: Rpc, method: str, *params: Any) -> bool:
    """Return True if the node answers something."""
    try:
        return await rpc.request(method, *params) not in (None, "0x")
    except NodeError:
        return False


async def _log_limit(rpc: Rpc, address: str, head: int) -> int | None:
    """Return for how many blocks the node gives events at once, as far as few requests tell; None: for all."""
    ranges = Ranges()
    most = min(LOG_BLOCKS, head + 1)
    ranges.begin(most)
    while True:
        first = head - ranges.width + 1
        try:
            await rpc.request("eth_getLogs", _query(address, first, head))
        except NodeError as error:
            if ranges.width == 1:
                return 0
            ranges.refused(first, head, error)
        else:
            return None if ranges.width == most else ranges.width


async def _traces(rpc: Rpc) -> str:
    """Return the tracing method that the node has. One that has it does not know this transaction, and says so."""
    for method, *more in (("debug_traceTransaction", {"tracer": "callTracer"}), ("trace_transaction",)):
        try:
            await rpc.request(method, _NO_TRANSACTION, *more)
        except MethodMissing:
            continue
        except NodeError:
            pass
        except ChainUnavailable:
            continue  # some gateways refuse the method with a status of their own
        return method
    return ""


def _query(address: str, first: int, last: int) -> dict[str, Any]:
    return {"address": address, "topics": [], "fromBlock": hex(first), "toBlock": hex(last)}
