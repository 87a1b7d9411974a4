"""Read submissions from calldata and from traces of transactions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.chain.hub import Submission, SubmitCall, decode_submission, hub_interface, submission_from
from oracle.core.errors import DataError
from oracle.core.formats import from_hex

_MOST_ELEMENTS = 255
"""The longest list in a submission that the hub can take."""

_MOST_BYTES = 2**17
"""The longest text in a submission that fits a transaction."""

_REPORTS = (SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER)


def read_submission(calldata: bytes) -> Submission:
    """Return the submission that calldata carries, as the hub reads it.

    A transmitter chooses the encoding of its submission, and Solidity takes more than ABI libraries do: a list in
    calldata may refer to elements that stand before it. An auditor has to be able to read whatever the hub took.

    Raises:
        ValueError: The calldata is not of a report, or the hub can't have taken it.
    """
    try:
        return decode_submission(calldata)
    except ValueError:
        if calldata[:4] not in _selectors():
            raise
    try:
        return submission_from(_fields(calldata))
    except DataError as error:
        raise ValueError(f"malformed submission: {error}") from error


def _selectors() -> list[bytes]:
    return [hub_interface().selector(call) for call in _REPORTS]


def _fields(calldata: bytes) -> dict[str, Any]:
    """Return the fields of a submission as Solidity reads them. Raises ValueError."""

    def word(at: int) -> int:
        # As CALLDATALOAD: positions are modulo 2^256, and bytes beyond the end are zero.
        return int.from_bytes(calldata[at % 2**256 :][:32].ljust(32, b"\0"))

    submission = 4 + word(4)

    def start(field: int) -> int:
        return submission + word(submission + 32 * field)

    def words(field: int) -> list[int]:
        at = start(field)
        if word(at) > _MOST_ELEMENTS:
            raise ValueError(f"a list of {word(at)} elements")
        return [at + 32 + 32 * index for index in range(word(at))]

    def text(field: int) -> bytes:
        at = start(field)
        if word(at) > _MOST_BYTES:
            raise ValueError(f"{word(at)} bytes")
        first = (at + 32) % 2**256
        return calldata[first : first + word(at)]

    table = start(6)
    if word(table) > _MOST_ELEMENTS:
        raise ValueError(f"a list of {word(table)} signatures")
    rows = [table + 32 + 96 * index for index in range(word(table))]
    return {
        "modelNumber": word(submission),
        "committee": word(submission + 32),
        "epoch": word(submission + 64),
        "observedAt": word(submission + 96),
        "feedIds": [word(at).to_bytes(32) for at in words(4)],
        "roundIds": [word(at) for at in words(5)],
        "signatures": [
            {"readings": word(at).to_bytes(32), "r": word(at + 32).to_bytes(32), "vs": word(at + 64).to_bytes(32)}
            for at in rows
        ],
        "answers": text(7),
        "medians": text(8),
        "scores": text(9),
        "proof": text(10),
    }


def submit_calls(trace: Mapping[str, Any], hub: str) -> list[bytes]:
    """Return the calldata of each call in a trace that reported, in their order.

    A call that reverted did not, and neither did one of `submitIfNewer` that found everything there.

    Args:
        trace: The outermost call, as geth's `callTracer` gives it.
        hub: The hub's address, in lower case.
    """
    if trace.get("error"):
        return []
    data = from_hex(str(trace.get("input", "0x")))
    is_report = trace.get("to") == hub and trace.get("type") == "CALL" and data[:4] in _selectors()
    if is_report and data[:4] == hub_interface().selector(SubmitCall.SUBMIT_IF_NEWER):
        is_report = any(from_hex(str(trace.get("output", "0x"))))
    below = [found for inner in trace.get("calls", ()) for found in submit_calls(inner, hub)]
    return [data, *below] if is_report else below
