"""The deployment file: what was deployed, as the daemon and others read it, and how far an unfinished run came."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from oracle.core.documents import NotJson, NotText, decode_text, parse_json
from oracle.core.errors import ConfigError, DeploymentError
from oracle.core.formats import checksum_address, from_hex, to_hex

FORMAT = 4


def _from_hex(value: object) -> object:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("must be 0x and hexadecimal digits")
    return from_hex(value)


def _number_from_hex(value: object) -> object:
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("must be 0x and hexadecimal digits")
    return int(value, 16)


def _checksummed(value: object) -> object:
    try:
        if isinstance(value, str) and checksum_address(value) == value:
            return value
    except ValueError:
        pass
    raise ValueError("is not an address with its checksum")


Address = Annotated[str, BeforeValidator(_checksummed)]
Hash32 = Annotated[
    bytes,
    BeforeValidator(_from_hex),
    Field(min_length=32, max_length=32),
    PlainSerializer(to_hex),
]
HexBytes = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(to_hex)]
FieldElement = Annotated[int, BeforeValidator(_number_from_hex), PlainSerializer(lambda value: f"{value:#066x}")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeployedContract(_Part):
    """The way in which a contract came to its address.

    Attributes:
        contract: The contract's name, for instance "ZkOracle"; "verifier" if it was generated.
        creation: "create2" if the address follows from creation code, arguments and salt; "transaction" if only the
            transaction shows them, because the chain has no deterministic deployment proxy.
        salt: 32 bytes; None for a plain creation.
        arguments: The constructor's arguments, encoded.
        tx_hash: The transaction that created it; None if somebody had created it before.
    """

    contract: str
    creation: Literal["create2", "transaction"]
    salt: Hash32 | None
    arguments: HexBytes
    tx_hash: Hash32 | None


class DeployedVerifier(_Part):
    """A verifier. `srs_origin` is that of the artifact from which it was deployed."""

    address: Address
    code_hash: Hash32
    batch: int
    srs_origin: Literal["public-ceremony", "insecure-local"]


class DeployedModel(_Part):
    """A model.

    Attributes:
        model_hash: 0 if its architecture binds none.
        artifact_hash: The hash of the circuit with the smallest batch; hex, as in the artifact's manifest.
        artifacts: The folders of the circuits' artifacts when the model was deployed, by batch size.
    """

    name: str
    architecture_id: int
    model_hash: FieldElement
    artifact_hash: str
    artifacts: dict[int, str]


class DeployedCommittee(_Part):
    """A committee. Its reporters can change, and are read from the chain."""

    number: int


class DeployedAdapter(_Part):
    """An adapter beside a feed's plain one, with the terms from which its address follows."""

    address: Address
    mode: Literal["strict", "last-good"]
    bound: int
    uptime_feed: Address | None
    grace: int


class DeployedFeed(_Part):
    """A feed with its Chainlink adapters.

    Attributes:
        committee: The name of its committee.
        aggregator: The plain adapter, which the hub links.
        adapters: All others.
    """

    feed_id: Hash32
    description: str
    decimals: int
    committee: str
    aggregator: Address
    adapters: tuple[DeployedAdapter, ...] = ()


class Deployment(_Part):
    """A finished deployment, as the daemon and others read it.

    Attributes:
        block: The block in which the hub was deployed: no event is older.
        admin: The address that owns the hub in the end. It may still have to accept it from the deployer.
        guardian: The address that may pause and roll back.
        change_delay: Seconds from the proposal of a change to its taking effect.
        libraries: Libraries, by name; their addresses are in the hub's code.
        lens: Reads what the hub stores.
        factory: Deploys the feeds' adapters.
        committees: Committees, by their names in the configuration.
        models: Models, by the number that the hub gave them.
        feeds: Feeds, by their names in the configuration.
        registry: Looks feeds up by base and quote; None if no feed is listed.
        created: The way in which each contract came to its address, by address; adapters follow from the factory.
    """

    chain_id: int
    hub: Address
    hub_code_hash: Hash32
    libraries: dict[str, Address]
    lens: Address
    factory: Address
    block: int
    deployer: Address
    admin: Address
    guardian: Address
    change_delay: int
    verifiers: tuple[DeployedVerifier, ...]
    models: dict[int, DeployedModel]
    committees: dict[str, DeployedCommittee]
    feeds: dict[str, DeployedFeed]
    registry: Address | None = None
    created: dict[Address, DeployedContract] = Field(default_factory=dict)

    def feed(self, name: str) -> DeployedFeed:
        """Return a feed by its name in the configuration. Raises: ConfigError."""
        if name not in self.feeds:
            known = ", ".join(sorted(self.feeds)) or "none"
            raise ConfigError(f"no feed {name!r} is deployed; the deployment has: {known}")
        return self.feeds[name]


class Step(_Part):
    """One transaction of a deployment. `raw` is kept until it is mined; `made` tells of the contract that it made."""

    tx_hash: Hash32
    nonce: int
    raw: str | None
    block: int | None = None
    address: Address | None = None
    made: DeployedContract | None = None


class DeploymentFile(_Part):
    """The content of the deployment file: the result of the latest finished run, and the steps to the next one."""

    format: Literal[4]
    chain_id: int
    deployment: Deployment | None
    steps: dict[str, Step]


def load_deployment(path: Path) -> Deployment:
    """Read a deployment file.

    Raises:
        DeploymentError: It is missing, damaged, of another release, or of a deployment that was not finished.
    """
    found = read_file(path)
    if found is None:
        raise DeploymentError(f"{path}: there is no deployment file; make one with `oracle deploy`")
    if found.deployment is None:
        raise DeploymentError(f"{path}: the deployment was not finished; run `oracle deploy` again, it goes on")
    return found.deployment


def read_file(path: Path) -> DeploymentFile | None:
    """Return the content of a deployment file; None if there is no file. Raises: DeploymentError."""
    try:
        text = decode_text(path.read_bytes())
        parse_json(text)  # pydantic's own parser takes the last of two keys
    except FileNotFoundError:
        return None
    except (OSError, NotText, NotJson) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeploymentError(
            f"{path}: can't be read: {reason}. Restore it, or move it away and run `oracle deploy`: it finds what is "
            "on the chain"
        ) from error
    try:
        return DeploymentFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DeploymentError(
            f"{path}: is not a deployment file of this release: {where}: {first['msg'].removeprefix('Value error, ')}. "
            "Restore it, or move it away and run `oracle deploy`: it finds what is on the chain"
        ) from error


def write_file(path: Path, content: DeploymentFile) -> None:
    """Replace the file in one step: a reader sees the old one or the new one. Raises: DeploymentError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DeploymentError(f"{path}: can't be written: {error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(content.model_dump(mode="json"), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DeploymentError(f"{path}: can't be written: {error}") from error
