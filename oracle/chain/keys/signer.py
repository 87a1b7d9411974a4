"""Signing keys, wherever they are, and the EIP-712 signatures that give a report its authority, whoever relays it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from oracle.core.types import SignedObservation, SignedTransaction

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

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
            SignerUnavailable, SignerRefused: It is elsewhere, and there is no signature, or not this one.
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


AnyKey: TypeAlias = "LocalAccount | Key"


def as_key(key: AnyKey) -> Key:
    """An account of eth-account as a key; a key as it is."""
    from eth_account.signers.local import LocalAccount

    return LocalKey(key) if isinstance(key, LocalAccount) else key


class Reporter:
    """Signs for one reporter of one hub, wherever the key is.

    Args:
        chain_id: Of the hub's chain; a signature is good for this chain only,
        hub: and for this hub only. Checksummed address.
    """

    def __init__(self, key: AnyKey, chain_id: int, hub: str) -> None:
        self._key = as_key(key)
        self._chain_id = chain_id
        self._hub = hub

    def __repr__(self) -> str:
        return f"Reporter({self.address})"

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
    """Signs with a key in this process, at once.

    Args:
        account: From `oracle.chain.keys.keystore`.
        chain_id: Of the hub's chain; a signature is good for this chain only,
        hub: and for this hub only. Checksummed address.
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
    """The 32 bytes that are signed; the same as the hub's `observationDigest`."""
    from eth_utils.crypto import keccak

    message = _message(chain_id, hub, feed_id, round_id, answer, observed_at)
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


def recover(chain_id: int, hub: str, feed_id: bytes, round_id: int, signed: SignedObservation) -> str:
    """Who signed an observation, as a checksummed address.

    Raises:
        ValueError: It is no signature at all.
    """
    from eth_account import Account
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    message = _message(chain_id, hub, feed_id, round_id, signed.answer, signed.observed_at)
    vrs = (signed.v, int.from_bytes(signed.r), int.from_bytes(signed.s))
    try:
        return str(Account.recover_message(message, vrs=vrs))
    except (BadSignature, ValidationError) as error:
        raise ValueError(f"no valid signature: {error}") from error


def _message(chain_id: int, hub: str, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignableMessage:
    from eth_account.messages import encode_typed_data

    domain: dict[str, Any] = {"name": "ZkOracle", "version": "1", "chainId": chain_id, "verifyingContract": hub}
    values = {"feedId": feed_id, "roundId": round_id, "answer": answer, "observedAt": observed_at}
    return encode_typed_data(domain, _TYPES, values)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")
