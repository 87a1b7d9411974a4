"""The parts of a submission's gas, from the trace of its transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.proving.gas import PAIRING_GAS, TRANSACTION_GAS

_PRICES = {"ecadd": 150, "ecmul": 6_000, "pairing": PAIRING_GAS}
_CALLS = ("CALL", "STATICCALL", "DELEGATECALL")


@dataclass(frozen=True)
class TraceStep:
    """An executed instruction; `gas` is how much was left before it."""

    op: str
    gas: int
    depth: int


@dataclass(frozen=True)
class GasProfile:
    """The parts of the gas of a submission's whole transaction.

    Attributes:
        calldata_beyond: Gas of its calldata beyond that of the bare verification; may be below zero.
        verifier: Gas of the verifier's code.
        adapters: Gas of the adapters' code, their events included.
        hub: Gas of the hub's own code by kind: see `kind_of`.
        precompiles: Number of the verifier's calls of each.
    """

    calldata_beyond: int
    verifier: int
    adapters: int
    hub: Mapping[str, int]
    precompiles: Mapping[str, int]

    def report(self, feeds: int) -> dict[str, Any]:
        """Return the figures for the report; the hub's and the adapters' as one feed's share."""
        return {
            "verifier": self.verifier,
            "precompiles": dict(sorted(self.precompiles.items())),
            "calldata_beyond_per_feed": round(self.calldata_beyond / feeds),
            "adapter_per_feed": round(self.adapters / feeds),
            "hub_per_feed": {kind: round(gas / feeds) for kind, gas in sorted(self.hub.items())},
        }


def kind_of(op: str, entered: bool) -> str:
    """Return the purpose of an instruction of the hub: storage, events, signatures, other accounts, or computing.

    Args:
        op: The instruction.
        entered: It calls code; a call that does not is of a precompile, and the hub uses only one.
    """
    if op in ("SSTORE", "SLOAD"):
        return op.lower()
    if op.startswith("LOG"):
        return "log"
    if op == "EXTCODESIZE" or (op in _CALLS and entered):
        return "accounts"
    return "ecrecover" if op in _CALLS else "computing"


def gas_profile(steps: Sequence[TraceStep], gas_used: int, bare_calldata_gas: int) -> GasProfile:
    """Add up a trace, frame by frame.

    Args:
        steps: The transaction's steps, in order; the hub is at depth 1, and calls the verifier before any adapter.
        gas_used: The gas that the transaction used, without refunds.
        bare_calldata_gas: Gas of the bare verification's calldata.
    """
    hub: Counter[str] = Counter()
    precompiles: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    frame = ""
    for index, step in enumerate(steps[:-1]):
        after = steps[index + 1]
        if step.depth == 1:
            inner = 0
            if entered := after.depth > 1:
                end = next(later for later in range(index + 1, len(steps)) if steps[later].depth == 1)
                # The last instruction of a frame, a RETURN or STOP, is free.
                inner = after.gas - steps[end - 1].gas
                after = steps[end]
                frame = "adapters" if frame else "verifier"
                frames[frame] += inner
            # A call's own gas is known once it is over: the gas gone since, less what its frame has used.
            hub[kind_of(step.op, entered)] += step.gas - after.gas - inner
        elif frame == "verifier" and step.op == "STATICCALL":
            precompiles[_precompile(step.gas - after.gas)] += 1
    executed = hub.total() + frames.total()
    return GasProfile(
        gas_used - executed - TRANSACTION_GAS - bare_calldata_gas,
        frames["verifier"],
        frames["adapters"],
        hub,
        precompiles,
    )


def _precompile(gas: int) -> str:
    """Return which precompile it was, by its price, which includes 100 for the call and perhaps some memory."""
    for name, price in _PRICES.items():
        if price <= gas < price + 200:
            return name
    return "modexp"
