"""Signing keys, wherever they are, and the EIP-712 signatures that give a report its authority, whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from oracle.core.formats import keccak
from oracle.core.types import SignedObservation, SignedTransaction

_TYPES = {
    "Observation": [
        {"name": "feedId", "type": "bytes32"},
        {"name": "roundId", "type": "uint32"},
        {"name": "answer", "type": "int128"},
        {"name": "observedAt", "type": "uint32"},
    ]
}


class Key(Protocol):
    """A signing key: in this process, or with a service elsewhere."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def sign_message(self, message: SignableMessage) -> tuple[int, bytes, bytes]:
        """Sign the digest of an EIP-191 message: v (27 or 28), r and s (32 bytes each).

        Raises:
            SignerUnavailable, SignerRefused: The key is elsewhere, and the service gives no signature, or another one.
        """

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """Sign a transaction with these fields, as web3 names them. Raises as `sign_message`."""


class LocalKey:
    """A key in this process."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def __repr__(self) -> str:
        return f"LocalKey({self.address})"

    @property
    def address(self) -> str:
        return str(self._account.address)

    async def sign_message(self, message: SignableMessage) -> tuple[int, bytes, bytes]:
        signed = self._account.sign_message(message)
        return signed.v, _word(signed.r), _word(signed.s)

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        signed = self._account.sign_transaction(dict(fields))
        return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction), fields["nonce"])


AnyKey: TypeAlias = LocalAccount | Key


def as_key(key: AnyKey) -> Key:
    """Return an account of eth-account as a key, and a key as it is."""
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

    async def sign_observation(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignedObservation:
        """Sign that `answer` (answer units) was observed at `observed_at` (unix seconds), for one round.

        Raises:
            SignerUnavailable, SignerRefused: As `Key.sign_message`.
        """
        message = _message(self._chain_id, self._hub, feed_id, round_id, answer, observed_at)
        v, r, s = await self._key.sign_message(message)
        return SignedObservation(answer, observed_at, v, r, s)


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

    def sign_observation(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignedObservation:
        """Sign that `answer` (answer units) was observed at `observed_at` (unix seconds), for one round."""
        message = _message(self._chain_id, self._hub, feed_id, round_id, answer, observed_at)
        signed = self._account.sign_message(message)
        return SignedObservation(answer, observed_at, signed.v, _word(signed.r), _word(signed.s))


def observation_digest(chain_id: int, hub: str, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> bytes:
    """Return the 32 bytes that are signed; the same as the hub's `observationDigest`."""
    message = _message(chain_id, hub, feed_id, round_id, answer, observed_at)
    return keccak(b"\x19" + message.version + message.header + message.body)


def recover(chain_id: int, hub: str, feed_id: bytes, round_id: int, signed: SignedObservation) -> str:
    """Return the checksummed address that signed an observation.

    Raises:
        ValueError: It is not a signature.
    """
    message = _message(chain_id, hub, feed_id, round_id, signed.answer, signed.observed_at)
    vrs = (signed.v, int.from_bytes(signed.r), int.from_bytes(signed.s))
    try:
        return str(Account.recover_message(message, vrs=vrs))
    except (BadSignature, ValidationError) as error:
        raise ValueError(f"no valid signature: {error}") from error


def _message(chain_id: int, hub: str, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignableMessage:
    domain: dict[str, Any] = {"name": "ZkOracle", "version": "1", "chainId": chain_id, "verifyingContract": hub}
    values = {"feedId": feed_id, "roundId": round_id, "answer": answer, "observedAt": observed_at}
    return encode_typed_data(domain, _TYPES, values)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")
