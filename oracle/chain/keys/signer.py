"""Signing keys, wherever they are, and the EIP-712 signatures that give a report its authority, whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from oracle.chain.keys.typed import TypedData, readings_hash, report_message, typed_report, typed_request
from oracle.core.formats import checksum_address, keccak, to_hex
from oracle.core.report import NO_READINGS, Report, ReporterSignature
from oracle.core.types import SignedTransaction

# eth_account is slow to import, and most commands sign nothing.
if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half the order of secp256k1: contracts refuse signatures with an s above it."""

_PARITY = 1 << 255


class Key(Protocol):
    """A signing key: in this process, or with a service elsewhere."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def sign_typed_data(self, typed: TypedData) -> tuple[int, bytes, bytes]:
        """Sign typed data: v (27 or 28), r and s (32 bytes each).

        Raises:
            SignerUnavailable, SignerRefused: The key is elsewhere, and the service gives no signature, or another one.
        """

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """Sign a transaction with these fields, as web3 names them. Raises as `sign_typed_data`."""


class LocalKey:
    """A key in this process."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def __repr__(self) -> str:
        return f"LocalKey({self.address})"

    @property
    def address(self) -> str:
        return str(self._account.address)

    async def sign_typed_data(self, typed: TypedData) -> tuple[int, bytes, bytes]:
        return _signed(self._account, typed)

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        signed = self._account.sign_transaction(dict(fields))
        return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction), fields["nonce"])


AnyKey: TypeAlias = Union["LocalAccount", Key]


def as_key(key: AnyKey) -> Key:
    """Return an account of eth-account as a key, and a key as it is."""
    from eth_account.signers.local import LocalAccount  # slow to import: see above

    return LocalKey(key) if isinstance(key, LocalAccount) else key


class ReporterKey:
    """A reporter's key for one hub, wherever the key is.

    Args:
        chain_id: The hub's chain. A signature is valid on this chain only.
        hub: Checksummed address. A signature is valid for this hub only.
    """

    def __init__(self, key: AnyKey, chain_id: int, hub: str) -> None:
        self._key = as_key(key)
        self._chain_id = chain_id
        self._hub = hub

    def __repr__(self) -> str:
        return f"ReporterKey({self.address})"

    @property
    def address(self) -> str:
        return self._key.address

    async def sign_report(
        self, report: Report, answers: Sequence[int], readings: Sequence[bytes] = ()
    ) -> ReporterSignature:
        """Sign that these are the reporter's answers to a report.

        Args:
            report: The report.
            answers: An answer for each of its feeds, in answer units; `NO_ANSWER` where there is none.
            readings: A hash of the readings for each of its feeds; empty if there are none.

        Raises:
            DataError: There are more answers or readings than feeds, or fewer, or one is out of bounds.
            SignerUnavailable, SignerRefused: As `Key.sign_typed_data`.
        """
        found = readings or (NO_READINGS,) * len(report.feed_ids)
        typed = typed_report(self._chain_id, self._hub, report, answers, found)
        return _signature(answers, found, *await self._key.sign_typed_data(typed))

    async def sign_request(self, report: Report, turn: int, deadline: int, terms: bytes) -> bytes:
        """Sign that this reporter asks the members of its network for their answers.

        Args:
            report, turn, deadline, terms: As for `oracle.chain.keys.typed.typed_request`.

        Returns:
            r, s and v (27 or 28), 65 bytes.

        Raises:
            DataError: A value is out of bounds.
            SignerUnavailable, SignerRefused: As `Key.sign_typed_data`.
        """
        typed = typed_request(self._chain_id, self._hub, report, turn, deadline, terms)
        v, r, s = await self._key.sign_typed_data(typed)
        return r + s + bytes([v])


class LocalReporter:
    """A reporter's key in this process, which signs at once.

    Args:
        account: The key, from `oracle.chain.keys.keystore`.
        chain_id: The hub's chain. A signature is valid on this chain only.
        hub: Checksummed address. A signature is valid for this hub only.
    """

    def __init__(self, account: LocalAccount, chain_id: int, hub: str) -> None:
        self._account = account
        self._chain_id = chain_id
        self._hub = hub

    def __repr__(self) -> str:
        return f"LocalReporter({self.address})"

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign_report(self, report: Report, answers: Sequence[int], readings: Sequence[bytes] = ()) -> ReporterSignature:
        """Sign that these are the reporter's answers to a report: as `ReporterKey.sign_report`."""
        found = readings or (NO_READINGS,) * len(report.feed_ids)
        typed = typed_report(self._chain_id, self._hub, report, answers, found)
        return _signature(answers, found, *_signed(self._account, typed))


def recover(chain_id: int, hub: str, report: Report, signature: ReporterSignature) -> str:
    """Return the checksummed address that signed a report.

    Raises:
        ValueError: It is not a signature, or not the canonical one of the two that are mathematically valid.
    """
    vs = int.from_bytes(signature.vs)
    message = report_message(chain_id, hub, report, signature.answers, signature.readings)
    return _recover(message, 27 + vs // _PARITY, int.from_bytes(signature.r), vs & (_PARITY - 1))


def recover_request(
    chain_id: int, hub: str, report: Report, turn: int, deadline: int, terms: bytes, signature: bytes
) -> str:
    """Return the checksummed address that signed a request for answers.

    Args:
        chain_id, hub, report, turn, deadline, terms: As for `oracle.chain.keys.typed.typed_request`.
        signature: r, s and v, 65 bytes.

    Raises:
        ValueError: It is not a signature, or not the canonical one of the two that are mathematically valid.
        DataError: A value is out of bounds.
    """
    return recover_typed(typed_request(chain_id, hub, report, turn, deadline, terms), signature)


def recover_typed(typed: TypedData, signature: bytes) -> str:
    """Return the checksummed address that signed typed data.

    Args:
        typed: The typed data.
        signature: r, s and v (27 or 28), 65 bytes.

    Raises:
        ValueError: It is not a signature, or not the canonical one of the two that are mathematically valid.
    """
    if len(signature) != 65:
        raise ValueError(f"no valid signature: it has {len(signature)} bytes, not 65")
    return _recover(typed.message, signature[64], int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]))


# --- details -------------------------------------------------------------------------------------------------------


def _recover(message: SignableMessage, v: int, r: int, s: int) -> str:
    if s > HALF_ORDER:
        raise ValueError("no valid signature: its s is above half the order of the curve")
    if v not in (27, 28):
        raise ValueError(f"no valid signature: its v is {v}, not 27 or 28")
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    try:
        return _address(Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest).to_bytes())
    except (BadSignature, ValidationError) as error:
        raise ValueError(f"no valid signature: {error}") from error


@lru_cache(maxsize=4_096)
def _address(public_key: bytes) -> str:
    """Return the address of a public key. Few keys sign most reports, and its checksum costs as much as a recovery."""
    return checksum_address(to_hex(keccak(public_key)[-20:]))


def _signed(account: LocalAccount, typed: TypedData) -> tuple[int, bytes, bytes]:
    signed = account.sign_message(typed.message)
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def _signature(answers: Sequence[int], readings: Sequence[bytes], v: int, r: bytes, s: bytes) -> ReporterSignature:
    """Return a signature in the form of EIP-2098: the parity is the highest bit of s, which is 0 in a canonical one."""
    vs = int.from_bytes(s) | (_PARITY if v == 28 else 0)
    return ReporterSignature(tuple(answers), readings_hash(readings), r, vs.to_bytes(32, "big"))
