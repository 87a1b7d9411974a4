"""The calls that a transaction made, from the two kinds of traces that nodes give, as one tree.

geth's `callTracer` (also of erigon, reth, besu, nethermind, anvil) nests the calls. Parity's `trace_transaction` (also
of erigon, reth, besu, nethermind) lists them, each with its address in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oracle.chain.transport import answers
from oracle.core.errors import ChainUnavailable


@dataclass(frozen=True, slots=True)
class CallFrame:
    """A call, with the calls made in it.

    Attributes:
        kind: "call", "delegatecall", "staticcall", "callcode", "create", "create2" or "selfdestruct".
        sender: Checksummed address.
        to: The address called or created; None where a creation failed.
        data: The calldata; of a creation, the creation code with its arguments.
        failed: True if the call itself was reverted. What it called was then undone too.
        calls: The calls made in it, in order.
    """

    kind: str
    sender: str
    to: str | None
    data: bytes
    failed: bool = False
    calls: list[CallFrame] = field(default_factory=list)

    def lasting(self) -> Iterator[CallFrame]:
        """Yield this call and all in it, in order, but nothing that was undone."""
        waiting = [self]
        while waiting:
            frame = waiting.pop()
            if not frame.failed:
                yield frame
                waiting.extend(reversed(frame.calls))


def call_tracer(found: Any) -> CallFrame:
    """Parse a trace of geth's `callTracer`."""
    root = _frame(found)
    waiting = [(root, found)]
    while waiting:
        parent, source = waiting.pop()
        for each in answers.items(source.get("calls") or []):
            child = _frame(each)
            parent.calls.append(child)
            waiting.append((child, each))
    return root


def parity(found: Any) -> CallFrame:
    """Parse a trace of Parity's kind."""
    frames: dict[tuple[int, ...], CallFrame] = {}
    for each in answers.items(found):
        place = tuple(_index(part) for part in answers.items(answers.field(each, "traceAddress", "trace")))
        frame = _parity_frame(each)
        if place in frames or (place and (place[:-1] not in frames or place[-1] != len(frames[place[:-1]].calls))):
            raise ChainUnavailable("the RPC endpoint answers a trace whose calls are not in order")
        frames[place] = frame
        if place:
            frames[place[:-1]].calls.append(frame)
    if () not in frames:
        raise ChainUnavailable("the RPC endpoint answers a trace without its first call")
    return frames[()]


def _frame(found: Any) -> CallFrame:
    to = answers.field(found, "to", "trace", optional=True)
    return CallFrame(
        kind=str(answers.field(found, "type", "trace")).lower(),
        sender=answers.address(answers.field(found, "from", "trace"), "trace"),
        to=None if to is None else answers.address(to, "trace"),
        data=answers.data(found.get("input") or "0x", "trace"),
        failed=bool(found.get("error")),
    )


def _parity_frame(found: Any) -> CallFrame:
    what = "trace"
    action = answers.field(found, "action", what)
    kind = str(answers.field(found, "type", what)).lower()
    failed = bool(found.get("error"))
    if kind == "create":
        result = found.get("result")
        to = answers.field(result, "address", what, optional=True) if result is not None else None
        method = str(answers.field(action, "creationMethod", what, optional=True) or "create").lower()
        kind, to, key, sender = method, to, "init", "from"
    elif kind == "suicide":
        kind, to, key, sender = "selfdestruct", answers.field(action, "refundAddress", what), "", "address"
    else:
        kind = str(answers.field(action, "callType", what)).lower()
        to, key, sender = answers.field(action, "to", what), "input", "from"
    return CallFrame(
        kind=kind,
        sender=answers.address(answers.field(action, sender, what), what),
        to=None if to is None else answers.address(to, what),
        data=answers.data(action.get(key) or "0x", what),
        failed=failed,
    )


def _index(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ChainUnavailable("the RPC endpoint answers a trace with an address that is none")
    return value
