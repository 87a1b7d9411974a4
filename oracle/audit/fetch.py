"""Read a hub's history from the chain: its logs, the transactions behind them, and their calldata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from oracle.audit.calldata import submit_calls
from oracle.audit.history import AdminEvent, RoundTransaction
from oracle.chain.hub import RoundEvent, hub_interface, round_event
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex


async def read_history(rpc: Rpc, hub: str, first: int, last: int) -> AsyncIterator[AdminEvent | RoundTransaction]:
    """Yield what happened at a hub in some blocks, oldest first.

    A transaction with reports stands where its first report's event is.

    Args:
        hub: Checksummed address.
        first: The first block.
        last: The last block, included.

    Raises:
        ChainUnavailable: The endpoint does not answer, or lacks the history.
        DeploymentError: A log is of another contract than this release's hub.
    """
    logs = await rpc.logs(hub, first, last)
    reports: dict[bytes, list[RoundEvent]] = {}
    for log in logs:
        if (event := round_event(log)) is not None:
            reports.setdefault(log.tx_hash, []).append(event)
    for log in logs:
        if round_event(log) is None:
            if (decoded := hub_interface().decode_log(log)) is not None:
                yield AdminEvent(*decoded)
        elif (events := reports.pop(log.tx_hash, None)) is not None:
            yield await _transaction(rpc, hub, log, events)


async def _transaction(rpc: Rpc, hub: str, log: Log, events: Sequence[RoundEvent]) -> RoundTransaction:
    block = await rpc.block(log.block_number)
    calls = await calls_that_reported(rpc, hub, log.tx_hash)
    return RoundTransaction(to_hex(log.tx_hash), log.block_number, block.timestamp, tuple(events), tuple(calls))


async def calls_that_reported(rpc: Rpc, hub: str, tx_hash: bytes) -> list[bytes]:
    """Return the calldata of each call that reported in a transaction; its trace shows nested ones.

    Raises:
        ChainUnavailable: The endpoint does not answer, lacks the transaction, or can't trace a nested call.
    """
    transaction = await rpc.transaction(tx_hash)
    if transaction is None:
        raise ChainUnavailable(f"{rpc.name} does not have transaction {to_hex(tx_hash)}: use an archive node")
    if transaction.to == hub:
        return [transaction.data]
    trace = await rpc.request("debug_traceTransaction", to_hex(tx_hash), {"tracer": "callTracer"})
    return submit_calls(trace, hub.lower())
