"""Calls that a timelock makes: scheduled first, executed once its delay is over.

The timelock is OpenZeppelin's `TimelockController`, or anything with its functions.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from oracle.chain.abi.interface import Interface
from oracle.chain.rpc import Rpc
from oracle.chain.tx.call import Call
from oracle.core.errors import ConfigError, ContractRejected

_NO_PREDECESSOR = bytes(32)


def _function(name: str, *types: str, returns: Sequence[str] = ()) -> dict[str, object]:
    inputs = [{"name": f"_{index}", "type": each} for index, each in enumerate(types)]
    outputs = [{"name": f"_{index}", "type": each} for index, each in enumerate(returns)]
    return {"type": "function", "name": name, "stateMutability": "nonpayable", "inputs": inputs, "outputs": outputs}


_TIMELOCK = Interface(
    (
        _function("getMinDelay", returns=["uint256"]),
        _function("scheduleBatch", "address[]", "uint256[]", "bytes[]", "bytes32", "bytes32", "uint256"),
        _function("executeBatch", "address[]", "uint256[]", "bytes[]", "bytes32", "bytes32"),
    ),
)


async def through_timelock(rpc: Rpc, timelock: str, wanted: Sequence[Call]) -> tuple[Call, Call]:
    """Return the two calls of a timelock that make others: the one that schedules them, and the one that executes them.

    Both are made at once, because they have to contain the same salt.

    Args:
        timelock: Its checksummed address.
        wanted: The calls, which it makes in one transaction.

    Raises:
        ConfigError: There is no timelock at the address.
        ChainUnavailable: No answer.
    """
    try:
        answer = await rpc.call(timelock, _TIMELOCK.encode_call("getMinDelay"))
        delay = int(_TIMELOCK.decode_output("getMinDelay", answer))
    except (ContractRejected, ValueError) as error:
        raise ConfigError(f"{timelock} is no timelock: it does not tell its delay ({error})") from None
    told = ", ".join(each.what for each in wanted)
    operation = (
        [each.to for each in wanted],
        [0] * len(wanted),
        [each.data for each in wanted],
        _NO_PREDECESSOR,
        secrets.token_bytes(32),  # the same change may be wanted again one day
    )
    schedule = _TIMELOCK.encode_call("scheduleBatch", *operation, delay)
    execute = _TIMELOCK.encode_call("executeBatch", *operation)
    return (
        Call(f"schedule {told}", timelock, schedule, _TIMELOCK),
        Call(f"execute {told}, {delay:,} s or more after it was scheduled", timelock, execute, _TIMELOCK),
    )
