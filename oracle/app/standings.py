"""`oracle network status` and `oracle network evidence`: what this node's journal has of the members of its network."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from oracle.app.keys import known_address
from oracle.chain.addresses import require_address
from oracle.chain.connect import connect
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import Hub
from oracle.chain.rpc import Rpc
from oracle.config import Config, NetworkConfig
from oracle.core.documents import write_json
from oracle.core.errors import ConfigError, DataError
from oracle.core.formats import from_hex
from oracle.feeds.journal import open_journal
from oracle.network.casebook import Case, read_cases
from oracle.network.evidence import FaultKind
from oracle.network.exporting import EvidenceFile, JudgedCase, chain_facts, check, export, read_evidence
from oracle.network.overview import NetworkView, network_view
from oracle.network.proofs import CaseFinding
from oracle.network.standing import TURNS_SHOWN
from oracle.network.terms import fingerprint, terms_of

__all__ = ["CheckedEvidence", "check_evidence", "export_evidence", "find_evidence", "network_status"]


@dataclass(frozen=True)
class CheckedEvidence:
    """A file of evidence, judged.

    Attributes:
        file: The file.
        checked: Its cases, and what they are worth.
        asked: The endpoint that was asked for reporters and bounds; empty: none was.
        is_known: True if the file's terms are those that the members use, as the judge knows them.
    """

    file: EvidenceFile
    checked: Sequence[JudgedCase]
    asked: str
    is_known: bool

    @property
    def exit_code(self) -> int:
        """0 if all of it is proven, 1 if something is false, 3 if something can't be proven to others."""
        found = {each.finding for each in self.checked}
        return 1 if CaseFinding.FALSE in found else 3 if CaseFinding.NOT_PROVABLE in found else 0


def network_status(
    config: Config, env: Mapping[str, str] | None = None, *, shown: int = TURNS_SHOWN, now: float | None = None
) -> NetworkView:
    """Return whose turn it is, and the standings of all members, whether the daemon runs or not.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        shown: The number of latest turns that the figures are about.
        now: Unix seconds; None: the clock's.

    Raises:
        ConfigError: There is no network in the configuration.
        JournalError: There is no journal.
    """
    _network(config)
    deployment = load_deployment(config.chain.deployment)
    with _reading(config, env) as connection:
        return network_view(config, deployment, connection, time.time() if now is None else now, shown)


def find_evidence(
    config: Config,
    env: Mapping[str, str] | None = None,
    *,
    member: str | None = None,
    kind: FaultKind | None = None,
    since: float = 0.0,
) -> list[Case]:
    """Return the evidence that this node has kept, oldest first.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        member: Of this member only: its name in the configuration, or the address of its reporter key.
        kind: Of this kind only.
        since: Of faults that were noted at this time or later, unix seconds.

    Raises:
        ConfigError: There is no network in the configuration, or no such member.
        JournalError: There is no journal.
    """
    network = _network(config)
    reporter = None if member is None else _reporter(network, member)
    with _reading(config, env) as connection:
        return read_cases(connection, member=reporter, kind=kind, since=since)


def export_evidence(config: Config, cases: Sequence[Case], path: Path) -> None:
    """Write evidence into a file for others.

    Raises:
        ConfigError: There is no network in the configuration.
        DataError: The file can't be written.
    """
    network, deployment = _network(config), load_deployment(config.chain.deployment)
    terms = terms_of(deployment.chain_id, deployment.hub, _number(config, deployment), network)
    write_json(path, export(cases, terms, known_address(config.keys.reporter), time.time()))


async def check_evidence(
    path: Path, config: Config | None, *, rpc_url: str | None = None, terms: str | None = None
) -> CheckedEvidence:
    """Judge a file of evidence: from its signatures, and from the chain if an endpoint is known.

    Args:
        path: The file.
        config: The configuration, whose chain is asked, and whose terms are trusted if they are the file's; None: none.
        rpc_url: An endpoint of the file's chain, in place of the configuration's.
        terms: The fingerprint of the terms that the members use, as they tell it at /v1/network.

    Raises:
        DataError: It is no file of evidence, or is about another chain or hub than the endpoint or the configuration.
        ConfigError: The fingerprint is none.
        ChainUnavailable: The endpoint does not answer.
    """
    file = read_evidence(path)
    deployment = _deployment(config)
    trusted, own = None if terms is None else _fingerprint(terms), None
    if config is not None and deployment is not None:
        if rpc_url is None and (deployment.chain_id, deployment.hub) != (file.chain_id, file.hub):
            raise DataError(
                f"{path}: is about the hub {file.hub} on chain {file.chain_id}, but {config.chain.deployment} is of "
                f"{deployment.hub} on chain {deployment.chain_id}: name an endpoint of its chain with --rpc"
            )
        if config.network is not None:
            own = fingerprint(deployment.chain_id, deployment.hub, _number(config, deployment), config.network)
    if trusted is None and own == file.terms:
        trusted = own
    facts, asked = None, ""
    if (where := _endpoint(config, deployment, rpc_url)) is not None:
        first = 0 if deployment is None or deployment.hub != file.hub else deployment.block
        async with where as rpc:
            chain_id = await rpc.chain_id()
            if chain_id != file.chain_id:
                raise DataError(f"{path}: is about chain {file.chain_id}, but {rpc.name} serves chain {chain_id}")
            hub = Hub(rpc, require_address(file.hub, "hub"))
            facts, asked = await chain_facts(hub, file.committee, file.feed_ids, first), rpc.name
    return CheckedEvidence(file, check(file, trusted=trusted, facts=facts), asked, trusted == file.terms)


# --- details -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(config: Config, env: Mapping[str, str] | None) -> Iterator[sa.Connection]:
    environment = os.environ if env is None else env
    with (
        open_journal(config.journal, environment, read_only=True) as journal,
        journal.store.transaction(read=True) as connection,
    ):
        yield connection


def _network(config: Config) -> NetworkConfig:
    if config.network is None:
        raise ConfigError("there is no [network] in the configuration: one operator signs alone")
    return config.network


def _number(config: Config, deployment: Deployment) -> int:
    name = _network(config).committee
    if name not in deployment.committees:
        raise ConfigError(f"[network] committee {name} is not in {config.chain.deployment}: deploy first")
    return deployment.committees[name].number


def _reporter(network: NetworkConfig, member: str) -> str:
    for each in network.members:
        if member == each.name or member.lower() == each.reporter.lower():
            return each.reporter
    known = ", ".join(each.name for each in network.members)
    raise ConfigError(f"--member {member}: there is no such member; there are {known}")


def _deployment(config: Config | None) -> Deployment | None:
    return None if config is None or not config.chain.deployment.exists() else load_deployment(config.chain.deployment)


def _endpoint(config: Config | None, deployment: Deployment | None, rpc_url: str | None) -> Rpc | None:
    if rpc_url is not None:
        return Rpc(rpc_url)
    return None if config is None or deployment is None else connect(config.chain)


def _fingerprint(text: str) -> bytes:
    try:
        found = from_hex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigError(f"--terms {text[:80]}: a fingerprint is 0x and 64 hexadecimal digits")
    return found
