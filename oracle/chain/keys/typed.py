"""Typed data (EIP-712) that a key signs: the digest, and the document from which a remote signer computes it itself.

All arrays are of atomic types, which every signer and wallet can hash: the hash of an array is that of its elements as
words of 32 bytes, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from oracle.core.errors import DataError
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.core.report import NO_READINGS, Report

# eth_account is slow to import, and most commands sign nothing.
if TYPE_CHECKING:
    from eth_account.messages import SignableMessage

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
_REQUEST = {
    "committee": "uint32",
    "epoch": "uint32",
    "turn": "uint32",
    "observedAt": "uint32",
    "deadline": "uint32",
    "terms": "bytes32",
    "feedIds": "bytes32[]",
    "roundIds": "uint32[]",
}

_MANIFEST = {
    "release": "string",
    "block": "uint64",
    "contracts": "address[]",
    "codeHashes": "bytes32[]",
    "guardians": "address[]",
    "changeDelay": "uint32",
    "content": "bytes32",
}


@dataclass(frozen=True, slots=True)
class DeploymentSummary:
    """The part of a deployment that is signed: enough for a wallet to show, and the hash of all of it.

    Attributes:
        release: The release that stated it.
        block: The block at which it was read.
        contracts: Contracts, checksummed.
        code_hashes: The hash of the code of each.
        guardians: Holders of the guardian's role.
        change_delay: Seconds.
        content: Keccak-256 of the whole statement.
    """

    release: str
    block: int
    contracts: tuple[str, ...]
    code_hashes: tuple[bytes, ...]
    guardians: tuple[str, ...]
    change_delay: int
    content: bytes


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
    document = _document(chain_id, hub, "Report", _REPORT, values)
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
    return _message(chain_id, hub, struct)


def typed_request(chain_id: int, hub: str, report: Report, turn: int, deadline: int, terms: bytes) -> TypedData:
    """Return what a transmitter signs to ask the members of its network for their answers.

    Args:
        chain_id: The hub's chain.
        hub: Its address, checksummed.
        report: The report for which it wants answers.
        turn: The number of its turn.
        deadline: When it no longer waits, unix seconds.
        terms: The hash of the network's terms, 32 bytes.

    Raises:
        DataError: The turn or the deadline is out of bounds, or the hash has another size.
    """
    for what, found in (("turn", turn), ("deadline", deadline)):
        if not 0 <= found < 1 << 32:
            raise DataError(f"the request's {what} is {found}, but has to be from 0 to {(1 << 32) - 1}")
    if len(terms) != 32:
        raise DataError(f"the hash of the network's terms has {len(terms)} bytes, not 32")
    values = {
        "committee": report.committee,
        "epoch": report.epoch,
        "turn": turn,
        "observedAt": report.observed_at,
        "deadline": deadline,
        "terms": to_hex(terms),
        "feedIds": [to_hex(each) for each in report.feed_ids],
        "roundIds": list(report.round_ids),
    }
    struct = keccak(
        _type_hash("ReportRequest", tuple(_REQUEST.items()))
        + b"".join(_word(each) for each in (report.committee, report.epoch, turn, report.observed_at, deadline))
        + terms
        + keccak(b"".join(report.feed_ids))
        + keccak(b"".join(_word(each) for each in report.round_ids))
    )
    message = _message(chain_id, hub, struct)
    return TypedData(message, _document(chain_id, hub, "ReportRequest", _REQUEST, values))


def typed_deployment(chain_id: int, hub: str, summary: DeploymentSummary) -> TypedData:
    """Return what a hub's admin signs to state what was deployed.

    Args:
        chain_id: The hub's chain.
        hub: Its address, checksummed.
        summary: What is signed.
    """
    values = {
        "release": summary.release,
        "block": summary.block,
        "contracts": list(summary.contracts),
        "codeHashes": [to_hex(each) for each in summary.code_hashes],
        "guardians": list(summary.guardians),
        "changeDelay": summary.change_delay,
        "content": to_hex(summary.content),
    }
    struct = keccak(
        _type_hash("DeploymentManifest", tuple(_MANIFEST.items()))
        + keccak(summary.release.encode())
        + _word(summary.block)
        + _addresses(summary.contracts)
        + keccak(b"".join(summary.code_hashes))
        + _addresses(summary.guardians)
        + _word(summary.change_delay)
        + summary.content
    )
    message = _message(chain_id, hub, struct)
    return TypedData(message, _document(chain_id, hub, "DeploymentManifest", _MANIFEST, values))


def _message(chain_id: int, hub: str, struct: bytes) -> SignableMessage:
    """Return what is signed of a struct's hash."""
    from eth_account.messages import SignableMessage  # slow to import: see above

    return SignableMessage(b"\x01", _domain(chain_id, hub), struct)


def digest_of(typed: TypedData) -> bytes:
    """Return the 32 bytes that are signed, as a contract checks them (EIP-1271)."""
    return keccak(b"\x19" + typed.message.version + typed.message.header + typed.message.body)


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


def _document(
    chain_id: int, hub: str, kind: str, fields: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "types": {"EIP712Domain": _fields(_DOMAIN), kind: _fields(fields)},
        "primaryType": kind,
        "domain": {"name": NAME, "version": VERSION, "chainId": chain_id, "verifyingContract": hub},
        "message": dict(values),
    }


def _fields(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _addresses(found: Sequence[str]) -> bytes:
    return keccak(b"".join(from_hex(each).rjust(32, b"\0") for each in found))


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=value < 0)
