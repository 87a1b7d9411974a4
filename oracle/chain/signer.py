"""EIP-712 signatures of observations: what gives a report its authority, whoever relays it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from oracle.types import SignedObservation

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


class Reporter(Protocol):
    """Something that signs for one reporter of one hub: a key in this process, or a signer elsewhere."""

    @property
    def address(self) -> str: ...

    def sign_observation(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignedObservation: ...


class LocalReporter:
    """Signs with a key in this process.

    Args:
        account: From `oracle.chain.keystore`.
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
