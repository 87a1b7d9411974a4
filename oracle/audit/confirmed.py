"""Ask an endpoint about events that another one told, and it did not: does it leave them out, or do they not exist?

Logs of several endpoints are united, so one that invents events could explain a storage that nothing else explains.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex

_MOST_ASKED = 48
"""Events of which an endpoint is asked. Nobody can tell in advance which they are."""


async def first_denied(rpc: Rpc, lacking: Sequence[Log]) -> Log | None:
    """Return an event that is not on the chain that an endpoint shows; None if it denies none of those it is asked of.

    Args:
        lacking: The events that the endpoint did not tell.
    """
    asked = list(lacking)
    if len(asked) > _MOST_ASKED:
        asked = random.SystemRandom().sample(asked, _MOST_ASKED)
    for log in asked:
        try:
            if await _denies(rpc, log):
                return log
        except ChainUnavailable:
            return None  # a node without old blocks can't say
    return None


async def _denies(rpc: Rpc, log: Log) -> bool:
    receipt = await rpc.receipt(log.tx_hash)
    if receipt is not None:
        mine = (log.log_index, log.address, log.topics, log.data)
        return mine not in [(each.log_index, each.address, each.topics, each.data) for each in receipt.logs]
    block = await rpc.request("eth_getBlockByNumber", hex(log.block_number), False)
    hashes = None if block is None else block.get("transactions")
    # A node that has forgotten the block's transactions tells none.
    return isinstance(hashes, list) and bool(hashes) and to_hex(log.tx_hash) not in map(str, hashes)
