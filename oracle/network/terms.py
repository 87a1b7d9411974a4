"""The terms that all members of a network have to configure alike, and their fingerprint, which each message names.

As a document the terms go with exported evidence: whoever judges it has nothing else of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from oracle.config.network import NetworkConfig
from oracle.core.documents import canonical_json
from oracle.core.errors import DataError
from oracle.core.formats import is_address, keccak
from oracle.network.turns import Transmitter, Turns

__all__ = ["fingerprint", "fingerprint_of", "terms_of", "turns_from", "turns_of"]

_MICROSECONDS = 1_000_000


def terms_of(chain_id: int, hub: str, committee: int, network: NetworkConfig) -> dict[str, Any]:
    """Return the terms as a document. Names, URLs, roles and waiting times are each member's own: they are not in it.

    Args:
        chain_id: The chain's id.
        hub: The hub's address.
        committee: The committee's number on the hub.
        network: The configuration of the network.
    """
    return {
        "chainId": chain_id,
        "hub": hub.lower(),
        "committee": committee,
        "turn": network.turn_s,
        # A number with a fraction has several spellings.
        "clockBoundMicroseconds": round(network.clock_bound_s * _MICROSECONDS),
        "faulty": network.faulty,
        "members": [
            {
                "reporter": each.reporter.lower(),
                "transmits": each.transmits,
                "since": each.since_s,
                "until": each.until_s,
            }
            for each in sorted(network.members, key=lambda each: each.reporter.lower())
        ],
    }


def fingerprint_of(terms: Mapping[str, Any]) -> bytes:
    """Return the hash of terms, 32 bytes."""
    return keccak(canonical_json(terms))


def fingerprint(chain_id: int, hub: str, committee: int, network: NetworkConfig) -> bytes:
    """Return the hash of a configured network's terms, 32 bytes. The arguments are those of `terms_of`."""
    return fingerprint_of(terms_of(chain_id, hub, committee, network))


def turns_of(network: NetworkConfig) -> Turns:
    """Return the turns of a configured network."""
    transmitters = [
        Transmitter(
            each.reporter,
            -inf if each.since_s is None else each.since_s,
            inf if each.until_s is None else each.until_s,
        )
        for each in network.members
        if each.transmits
    ]
    return Turns(network.turn_s, network.clock_bound_s, transmitters)


def turns_from(terms: Mapping[str, Any]) -> Turns:
    """Return the turns of terms that came as a document.

    Raises:
        DataError: It is not one of terms.
    """
    try:
        transmitters = [
            Transmitter(
                _address(each["reporter"]),
                -inf if each["since"] is None else int(each["since"]),
                inf if each["until"] is None else int(each["until"]),
            )
            for each in terms["members"]
            if each["transmits"] is True
        ]
        seconds, bound = int(terms["turn"]), int(terms["clockBoundMicroseconds"]) / _MICROSECONDS
        if seconds < 1 or bound < 0:
            raise ValueError("a turn has at least a second")
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"these are not the terms of a network: {type(error).__name__}: {error}") from None
    return Turns(seconds, bound, transmitters)


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"{text[:60]!r} is not an address")
    return text
