"""The terms that all members of a network have to configure alike, and their fingerprint, which each message names."""

from __future__ import annotations

import json
from math import inf

from oracle.config.network import NetworkConfig
from oracle.core.formats import keccak
from oracle.network.turns import Transmitter, Turns

__all__ = ["fingerprint", "turns_of"]


def turns_of(network: NetworkConfig) -> Turns:
    """Return the turns of a configured network."""
    return Turns(
        network.turn_s,
        network.clock_bound_s,
        [
            Transmitter(
                each.reporter,
                -inf if each.since_s is None else each.since_s,
                inf if each.until_s is None else each.until_s,
            )
            for each in network.members
            if each.transmits
        ],
    )


def fingerprint(chain_id: int, hub: str, committee: int, network: NetworkConfig) -> bytes:
    """Return the hash of the terms, 32 bytes. Names, URLs, roles and waiting times are each member's own.

    Args:
        chain_id: The chain's id.
        hub: The hub's address.
        committee: The committee's number on the hub.
        network: The configuration of the network.
    """
    terms = {
        "chainId": chain_id,
        "hub": hub.lower(),
        "committee": committee,
        "turn": network.turn_s,
        # In microseconds: numbers with fractions have several spellings.
        "clockBound": round(network.clock_bound_s * 1_000_000),
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
    return keccak(json.dumps(terms, sort_keys=True, separators=(",", ":")).encode())
