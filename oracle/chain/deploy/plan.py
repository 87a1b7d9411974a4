"""The plan of a deployment: the committees, feeds and models that the hub should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oracle.chain.deploy.create2 import NO_SALT
from oracle.chain.deploy.terms import AdapterTerms
from oracle.chain.hub import HubFeedConfig
from oracle.config.committees import DEFAULT_COMMITTEE
from oracle.core.formats import keccak


class CircuitManifest(Protocol):
    """The part of an artifact's manifest that deployment reads. Hashes are hex, with or without 0x."""

    @property
    def batch(self) -> int: ...
    @property
    def features(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> int: ...
    @property
    def score_unit(self) -> int: ...
    @property
    def srs_origin(self) -> str: ...
    @property
    def verifier_code_hash(self) -> str: ...
    @property
    def artifact_hash(self) -> str: ...


class VerifierCode(Protocol):
    """A verifier's creation code."""

    @property
    def bytecode(self) -> bytes: ...


class CircuitProbe(Protocol):
    """A proof that shows that a circuit works. One window and its scores fill the whole batch."""

    @property
    def window(self) -> tuple[int, ...]: ...
    @property
    def scores(self) -> tuple[int, ...]: ...
    @property
    def proof(self) -> bytes: ...


class VerifierArtifact(Protocol):
    """A circuit as deployment sees it; `oracle.proving.artifact.Artifact` is one.

    Attributes:
        path: The folder in which it was found, as a hint for the daemon.
        model_hash: The hash that its proofs bind, a field element; None if the weights are in the verifying key.
    """

    @property
    def path(self) -> Path: ...
    @property
    def manifest(self) -> CircuitManifest: ...
    @property
    def model_hash(self) -> int | None: ...
    def verifier(self) -> VerifierCode: ...
    def probe(self) -> CircuitProbe: ...


@dataclass(frozen=True, slots=True)
class CommitteePlan:
    """A committee to deploy.

    Attributes:
        name: Its name in the configuration and in the deployment file; on the hub it has a number.
        reporters: Checksummed addresses.
        quorum: How many of them must have an answer for a feed; odd.
    """

    name: str
    reporters: tuple[str, ...]
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """A feed to deploy.

    Attributes:
        name: Its name in the configuration and in the deployment file.
        config: The terms that are fixed in the contract. The committee's number is filled in once it is known.
        committee: The name of the plan's committee whose reporters sign.
        adapters: The terms of adapters to deploy beside the plain one.
        model: The name of the plan's model that judges it.
        pair: Base and quote under which the registry lists its adapter; None if it is not listed.
    """

    name: str
    config: HubFeedConfig
    committee: str = DEFAULT_COMMITTEE
    adapters: tuple[AdapterTerms, ...] = ()
    model: str = "default"
    pair: tuple[str, ...] | None = None

    @property
    def feed_id(self) -> bytes:
        """The hub's id of the feed, 32 bytes."""
        return feed_id_of(self.config.description)


@dataclass(frozen=True)
class DeployPlan:
    """Everything to deploy on one chain.

    Attributes:
        committees: The committees, in the order in which they are added.
        feeds: The feeds, in the order in which they are added. A feed may be added before its peers.
        models: Name to the circuits of one model, one for each batch size.
        change_delay: Seconds between the proposal of a change and its taking effect.
        admin: Owns the hub in the end, and has to accept the role; None leaves it with the deployer.
        guardian: May pause and roll back; None makes it the deployer.
        adds_model: True if feeds may be judged by another model by now. Then the plan's model is only added, and can be
            proposed for them. If False, that is an error, because the plan may be wrong.
        salt: The salt of the hub's and the registry's addresses, 32 bytes: with another salt, the same settings make
            another hub. All other contracts are the same for all hubs.
    """

    committees: tuple[CommitteePlan, ...]
    feeds: tuple[FeedPlan, ...]
    models: Mapping[str, Sequence[VerifierArtifact]]
    change_delay: int
    admin: str | None = None
    guardian: str | None = None
    adds_model: bool = False
    salt: bytes = NO_SALT

    def circuits(self) -> list[tuple[str, list[VerifierArtifact]]]:
        """Return the models with their circuits, smallest batch first, as the hub wants them."""
        by_batch = {name: sorted(found, key=lambda each: each.manifest.batch) for name, found in self.models.items()}
        return sorted(by_batch.items())


def feed_id_of(description: str) -> bytes:
    """Return the hub's id of a feed: keccak256 of its description, 32 bytes."""
    return keccak(description.encode())
