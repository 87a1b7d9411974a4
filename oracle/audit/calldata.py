"""Read submissions from calldata and from traces of transactions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.chain.hub import FeedUpdate, Submission, decode_submission, hub_interface
from oracle.core.formats import from_hex
from oracle.core.types import SignedObservation

_MOST_ELEMENTS = 255
"""The longest list in a submission that the hub can take."""


def read_submission(calldata: bytes) -> Submission:
    """Return the arguments of `submit` as the hub reads them.

    A transmitter chooses the encoding of its submission, and Solidity takes more than ABI libraries do: a list in
    calldata may refer to elements that stand before it. An auditor has to be able to read whatever the hub took.

    Raises:
        ValueError: The calldata is not a call of `submit`, or the hub can't have taken it.
    """
    try:
        return decode_submission(calldata)
    except ValueError:
        if calldata[:4] != hub_interface().selector("submit"):
            raise

    def word(at: int) -> int:
        # As CALLDATALOAD: positions are modulo 2^256, and bytes beyond the end are zero.
        return int.from_bytes(calldata[at % 2**256 :][:32].ljust(32, b"\0"))

    def signed(at: int) -> int:
        return (word(at) + 2**255) % 2**256 - 2**255

    def span(at: int) -> range:
        if word(at) > _MOST_ELEMENTS:
            raise ValueError(f"a list of {word(at)} elements")
        return range(word(at))

    arguments, updates = 4, []
    table = arguments + word(arguments + 32) + 32
    for index in span(table - 32):
        at = table + word(table + 32 * index)
        observations, scores = at + word(at + 64), at + word(at + 96)
        fields = [observations + 32 + 160 * each for each in span(observations)]
        updates.append(
            FeedUpdate(
                feed_id=word(at).to_bytes(32),
                round_id=word(at + 32),
                observations=tuple(
                    SignedObservation(
                        answer=signed(each),
                        observed_at=word(each + 32),
                        v=word(each + 64),
                        r=word(each + 96).to_bytes(32),
                        s=word(each + 128).to_bytes(32),
                    )
                    for each in fields
                ),
                scores=tuple(signed(scores + 32 + 32 * each) for each in span(scores)),
            )
        )
    proof = arguments + word(arguments + 64)
    return Submission(word(arguments), tuple(updates), calldata[proof + 32 :][: word(proof)])


def submit_calls(trace: Mapping[str, Any], hub: str) -> list[bytes]:
    """Return the calldata of each call of `submit` in a trace that did not revert, in their order.

    Args:
        trace: The outermost call, as geth's `callTracer` gives it.
        hub: The hub's address, in lower case.
    """
    if trace.get("error"):
        return []
    data = from_hex(str(trace.get("input", "0x")))
    is_submit = (
        trace.get("to") == hub and trace.get("type") == "CALL" and data[:4] == hub_interface().selector("submit")
    )
    below = [found for inner in trace.get("calls", ()) for found in submit_calls(inner, hub)]
    return [data, *below] if is_submit else below
