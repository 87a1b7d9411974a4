"""The statement of a deployment: everything that was deployed, and every setting that decides.

A statement is read from a chain at one block. Signed by the admin, it is a manifest; two statements can be compared.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict

from oracle.chain.deploy.file import Address, FieldElement, Hash32, HexBytes
from oracle.core.formats import keccak

Creation = Literal["create2", "transaction", "factory", "contract", "unknown"]


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StatedContract(_Stated):
    """A contract.

    Attributes:
        contract: Its name, for instance "ZkOracle"; "verifier" if it was generated.
        creation: The way in which it was created: "create2" if its address follows from creation code, arguments and
            salt; "transaction" if a plain creation shows them; "factory" for an adapter, whose address follows from its
            terms; "contract" if another contract created it; "unknown" if nothing shows it.
        creation_code_hash: Keccak-256 of the creation code without arguments, linked; None if it is unknown.
        arguments: The constructor's arguments, encoded; None if they are unknown.
        salt: The salt of its address; None for a plain creation.
        code_hash: Keccak-256 of the code at its address, immutables included.
        owner: The owner or admin of a registry; None if the contract has none, or the hub's roles say it.
    """

    contract: str
    address: Address
    creation: Creation
    creation_code_hash: Hash32 | None
    arguments: HexBytes | None
    salt: Hash32 | None
    code_hash: Hash32
    owner: Address | None = None


class StatedCircuit(_Stated):
    """A circuit of an architecture.

    Attributes:
        code_hash: The hash of its verifier's code, which the hub pinned.
        verifying_key: SHA-256 of the verifying key that the code was made from; None if no artifact shows it.
        srs_origin: The origin of the reference string; "unknown" if no artifact shows it.
    """

    batch: int
    verifier: Address
    code_hash: Hash32
    verifying_key: str | None = None
    srs_origin: Literal["public-ceremony", "insecure-local", "unknown"] = "unknown"


class StatedArchitecture(_Stated):
    """An architecture, with its circuits in the hub's order. Features are named."""

    number: int
    features: tuple[str, ...]
    outputs: int
    binds_model: bool
    circuits: tuple[StatedCircuit, ...]


class StatedModel(_Stated):
    """A model."""

    number: int
    architecture: int
    model_hash: FieldElement
    artifact_hash: Hash32
    score_unit: int


class StatedRoles(_Stated):
    """The holders of the hub's roles, and its delays in seconds.

    Attributes:
        admin: None: nobody, for ever.
        next_admin: The address to which the admin's role is being handed over.
        guardians: Sorted.
        others: Holders of roles that no function asks for, each as "role address".
        next_handover_delay: A handover delay that was proposed; None: none.
    """

    admin: Address | None
    next_admin: Address | None
    guardians: tuple[Address, ...]
    others: tuple[str, ...] = ()
    change_delay: int
    handover_delay: int
    next_handover_delay: int | None = None


class StatedCommittee(_Stated):
    """A committee. Reporters are sorted."""

    number: int
    reporters: tuple[Address, ...]
    quorum: int
    epoch: int


class StatedAdapter(_Stated):
    """An adapter of a feed beside the linked one."""

    address: Address
    mode: Literal["strict", "last-good"]
    bound: int
    uptime_feed: Address | None
    grace: int


class StatedFeed(_Stated):
    """A feed with its terms, as the hub has them.

    Attributes:
        model: The number of the model that judges it.
        aggregator: The linked adapter; None if none is linked.
        paused: True if it takes no reports.
    """

    feed_id: Hash32
    description: str
    kind: Literal["relative", "absolute"]
    decimals: int
    confirmations: int
    heartbeat: int
    max_age: int
    max_skew: int
    confirm_delay: int
    tolerance: int
    max_spread: int
    max_repeats: int
    sigma: int
    committee: int
    peers: tuple[Hash32, ...]
    model: int
    aggregator: Address | None
    adapters: tuple[StatedAdapter, ...] = ()
    paused: bool


class DeploymentStatement(_Stated):
    """Everything that was deployed on one chain with one hub.

    Attributes:
        release: The release of the package that made the statement.
        block: The block at which it was read.
        contracts: Hub, libraries, factory, lens, adapters, verifiers, and what else belongs to it; by address.
    """

    format: Literal[1] = 1
    release: str
    chain_id: int
    hub: Address
    block: int
    contracts: tuple[StatedContract, ...]
    architectures: tuple[StatedArchitecture, ...]
    models: tuple[StatedModel, ...]
    roles: StatedRoles
    committees: tuple[StatedCommittee, ...]
    feeds: tuple[StatedFeed, ...]

    @property
    def content(self) -> bytes:
        """The statement as canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()

    @property
    def content_hash(self) -> bytes:
        """Keccak-256 of `content`."""
        return keccak(self.content)

    def contract(self, address: str) -> StatedContract | None:
        """Return what is stated of a contract."""
        return next((each for each in self.contracts if each.address == address), None)
