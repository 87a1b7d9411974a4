"""Typed data (EIP-712) that a key signs: the digest, and the document from which a remote signer computes it itself.

All arrays are of atomic types, which every signer and wallet can hash: the hash of an array is that of its elements as
words of 32 bytes, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_account.messages import SignableMessage

from oracle.core.errors import DataError
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.core.report import NO_READINGS, Report

NAME, VERSION = "ZkOracle", "2"

_DOMAIN = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
_REPORT = {
    "committee": "uint32",
    "epoch": "uint32",
    "observedAt": "uint32",
    "feedIds": "bytes32[]",
    "roundIds": "uint32[]",
    "answers": "int128[]",
    "readings": "bytes32[]",
}


@dataclass(frozen=True, slots=True)
class TypedData:
    """A statement to be signed.

    Attributes:
        message: The statement as it is hashed.
        document: The same as JSON, in the form of `eth_signTypedData`: whoever has it can hash it without us.
    """

    message: SignableMessage
    document: Mapping[str, Any]


def typed_report(
    chain_id: int, hub: str, report: Report, answers: Sequence[int], readings: Sequence[bytes]
) -> TypedData:
    """Return what a reporter signs.

    Args:
        chain_id: The hub's chain.
        hub: Its address, checksummed.
        report: The report.
        answers: An answer for each of its feeds, in answer units; `NO_ANSWER` where there is none.
        readings: A hash of the reporter's readings for each of its feeds.

    Raises:
        DataError: There are more answers or readings than feeds, or fewer.
    """
    feeds = len(report.feed_ids)
    for what, found in (("answers", answers), ("hashes of readings", readings)):
        if len(found) != feeds:
            raise DataError(f"the report has {feeds} feeds, but there are {len(found)} {what}")
    values = {
        "committee": report.committee,
        "epoch": report.epoch,
        "observedAt": report.observed_at,
        "feedIds": [to_hex(each) for each in report.feed_ids],
        "roundIds": list(report.round_ids),
        # As text: readers of JSON may take large numbers for floating-point ones.
        "answers": [str(each) for each in answers],
        "readings": [to_hex(each) for each in readings],
    }
    document = {
        "types": {"EIP712Domain": _fields(_DOMAIN), "Report": _fields(_REPORT)},
        "primaryType": "Report",
        "domain": {"name": NAME, "version": VERSION, "chainId": chain_id, "verifyingContract": hub},
        "message": values,
    }
    return TypedData(report_message(chain_id, hub, report, answers, readings_hash(readings)), document)


def report_message(chain_id: int, hub: str, report: Report, answers: Sequence[int], readings: bytes) -> SignableMessage:
    """Return the message that a reporter signs, from the hash of its readings."""
    struct = keccak(
        _type_hash("Report", tuple(_REPORT.items()))
        + _word(report.committee)
        + _word(report.epoch)
        + _word(report.observed_at)
        + keccak(b"".join(report.feed_ids))
        + keccak(b"".join(_word(each) for each in report.round_ids))
        + keccak(b"".join(_word(each) for each in answers))
        + readings
    )
    return SignableMessage(b"\x01", _domain(chain_id, hub), struct)


def report_digest(chain_id: int, hub: str, report: Report, answers: Sequence[int], readings: bytes) -> bytes:
    """Return the 32 bytes that are signed.

    Args:
        readings: The hash of the reporter's readings, as a `ReporterSignature` and the calldata have it.
    """
    message = report_message(chain_id, hub, report, answers, readings)
    return keccak(b"\x19" + message.version + message.header + message.body)


def readings_hash(readings: Iterable[bytes]) -> bytes:
    """Return the hash of a reporter's readings, 32 bytes, from a hash for each feed.

    Raises:
        DataError: One is not of 32 bytes.
    """
    found = list(readings)
    for each in found:
        if len(each) != len(NO_READINGS):
            raise DataError(f"the hash of a feed's readings has {len(each)} bytes, not {len(NO_READINGS)}")
    return keccak(b"".join(found))


# --- details -------------------------------------------------------------------------------------------------------


@cache
def _domain(chain_id: int, hub: str) -> bytes:
    return keccak(
        _type_hash("EIP712Domain", tuple(_DOMAIN.items()))
        + keccak(NAME.encode())
        + keccak(VERSION.encode())
        + _word(chain_id)
        + from_hex(hub).rjust(32, b"\0")
    )


@cache
def _type_hash(name: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})".encode())


def _fields(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=value < 0)
