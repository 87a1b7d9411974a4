"""Compare what a chain has with what somebody states: pure functions over flat facts.

A fact is a subject, an aspect of it, and a value as text. Of some kinds of subjects nothing may be there that is not
stated: a guardian that nobody names is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from oracle.audit.deployment.contracts import Hint
from oracle.audit.deployment.report import Difference
from oracle.audit.deployment.statement import DeploymentStatement, StatedAdapter
from oracle.chain.deploy.file import Deployment
from oracle.core.formats import to_hex

Fact: TypeAlias = tuple[str, str]
"""A subject, beginning with its kind, and an aspect of it; empty if the subject itself is meant."""

Facts: TypeAlias = Mapping[Fact, str]

_MEANINGS = {
    "hub": "it is another hub",
    "chain": "it is of another chain",
    "role": "somebody else has this power over the hub",
    "guardian": "this account can pause feeds and roll models back",
    "holder": "no function of this release asks for the role; somebody granted it for a reason",
    "delay": "changes take effect sooner or later than stated",
    "committee": "others sign the answers, or more or fewer of them have to",
    "feed": "the feed follows other terms",
    "adapter": "consumers read another adapter, or one with other terms",
    "architecture": "proofs are verified by other circuits",
    "model": "answers are judged by another model",
    "contract": "another contract stands at this address, or none",
}

EVERY_KIND = frozenset(_MEANINGS)


@dataclass(frozen=True)
class Expectation:
    """Facts that somebody states of a deployment.

    Attributes:
        against: Who states it, in words.
        facts: The facts that are stated.
        closed: The kinds of subjects of which nothing else may be there.
        hints: Ways in which contracts were created, by address.
        adapters: The adapters beside the linked ones, by feed id, as a statement has them.
        also: Addresses of further contracts that belong to the deployment.
        deployer: The admin until its handover to the one who is stated; None: no handover is under way.
    """

    against: str = "the sources alone"
    facts: Facts = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    hints: Mapping[str, Hint] = field(default_factory=dict)
    adapters: Mapping[bytes, tuple[StatedAdapter, ...]] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    deployer: str | None = None

    def during_handover(self, found: Facts) -> Expectation:
        """Return the same while the deployer is still the admin, and the stated admin can accept; else as it is.

        A deployer that has handed the hub over is its guardian no more.
        """
        admin, role = self.facts.get(("role admin", "")), f"guardian {self.deployer}"
        if self.deployer is None or admin is None or admin == self.deployer:
            return self
        facts = dict(self.facts)
        if found["role admin", ""] == self.deployer and found["role next admin", ""] == admin:
            facts |= {("role admin", ""): self.deployer, ("role next admin", ""): admin}
        else:
            facts.pop((role, ""), None)
        return replace(self, facts=facts)


def compare(expected: Expectation, found: Facts) -> list[Difference]:
    """Return what differs, in the order of what is stated, and then what nobody stated."""
    differences = []
    for fact, value in expected.facts.items():
        there = found.get(fact)
        if there != value:
            differences.append(_difference(fact, value or "it", "nothing" if there is None else there))
    stated, told = {subject for subject, _ in expected.facts}, set[str]()
    for (subject, aspect), value in found.items():
        if subject.partition(" ")[0] not in expected.closed or (subject, aspect) in expected.facts:
            continue
        if subject in stated:
            differences.append(_difference((subject, aspect), "nothing", value or "it"))
        elif subject not in told:  # one line tells that the subject is there
            told.add(subject)
            differences.append(_difference((subject, aspect), "nothing", value or "it"))
    return differences


def _difference(fact: Fact, expected: str, found: str) -> Difference:
    subject, aspect = fact
    kind = subject.partition(" ")[0]
    return Difference(f"{subject}, {aspect}" if aspect else subject, expected, found, _MEANINGS[kind])


# --- facts ---------------------------------------------------------------------------------------------------------


def facts_of(statement: DeploymentStatement) -> dict[Fact, str]:
    """Return the facts of a statement. Its block and its release are none: it may be compared at another block."""
    return dict(_facts(statement))


def _facts(statement: DeploymentStatement) -> Iterator[tuple[Fact, str]]:
    yield ("chain", "id"), str(statement.chain_id)
    yield ("hub", "address"), statement.hub
    roles = statement.roles
    yield ("role admin", ""), roles.admin or "nobody"
    yield ("role next admin", ""), roles.next_admin or "nobody"
    for each in roles.guardians:
        yield (f"guardian {each}", ""), "guardian"
    for each in roles.others:
        yield (f"holder {each}", ""), "holder of a role"
    yield ("delay of changes", ""), f"{roles.change_delay} s"
    yield ("delay of a handover", ""), f"{roles.handover_delay} s"
    later = roles.next_handover_delay
    yield ("delay of a handover, proposed", ""), "none" if later is None else f"{later} s"
    for committee in statement.committees:
        subject = f"committee {committee.number}"
        yield (subject, "reporters"), ", ".join(sorted(committee.reporters, key=str.lower))
        yield (subject, "quorum"), str(committee.quorum)
        yield (subject, "epoch"), str(committee.epoch)
    for architecture in statement.architectures:
        subject = f"architecture {architecture.number}"
        yield (subject, "features"), ", ".join(architecture.features)
        yield (subject, "outputs"), str(architecture.outputs)
        yield (subject, "binds the model"), "yes" if architecture.binds_model else "no"
        for circuit in architecture.circuits:
            yield (subject, f"verifier of {circuit.batch}"), circuit.verifier
            yield (subject, f"verifier code of {circuit.batch}"), to_hex(circuit.code_hash)
    for model in statement.models:
        subject = f"model {model.number}"
        yield (subject, "architecture"), str(model.architecture)
        yield (subject, "hash"), f"{model.model_hash:#066x}"
        yield (subject, "artifact"), to_hex(model.artifact_hash)
        yield (subject, "unit of scores"), str(model.score_unit)
    for feed in statement.feeds:
        yield from _of_feed(feed.model_dump(mode="json"))
    for contract in statement.contracts:
        yield (f"contract {contract.address}", "name"), contract.contract
        yield (f"contract {contract.address}", "code"), to_hex(contract.code_hash)
        if contract.owner is not None:
            yield (f"contract {contract.address}", "owner"), contract.owner


def _of_feed(feed: Mapping[str, Any]) -> Iterator[tuple[Fact, str]]:
    subject = f"feed {feed['description']}"
    for name, value in feed.items():
        if name == "adapters":
            continue
        if name == "aggregator":
            yield (f"adapter of {feed['description']}, linked", ""), str(value)
            continue
        yield (subject, name), ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    for each in feed["adapters"]:
        terms = f"{each['mode']}, bound {each['bound']} s, uptime feed {each['uptime_feed']}, grace {each['grace']} s"
        yield (f"adapter of {feed['description']} at {each['address']}", ""), terms


# --- expectations --------------------------------------------------------------------------------------------------


def of_statement(statement: DeploymentStatement, against: str) -> Expectation:
    """Return what a statement makes one expect: all of it, and nothing else."""
    hints = {
        each.address: Hint(each.arguments, each.salt) for each in statement.contracts if each.arguments is not None
    }
    deployed = {each.aggregator for each in statement.feeds} | {
        adapter.address for feed in statement.feeds for adapter in feed.adapters
    }
    return Expectation(
        against=against,
        facts=facts_of(statement),
        closed=EVERY_KIND,
        hints=hints,
        adapters={feed.feed_id: feed.adapters for feed in statement.feeds},
        also=tuple(
            each.address for each in statement.contracts if each.contract in ALSO and each.address not in deployed
        ),
    )


ALSO = ("ZkFeedRegistry", "Erc7412Updates", "ModelCard", "ClaimRegistry", "SplitVerifier")
"""Contracts that may belong to a deployment, and that the hub does not know."""


def of_file(deployment: Deployment, against: str) -> Expectation:
    """Return what a deployment file makes one expect."""
    facts: dict[Fact, str] = {
        ("chain", "id"): str(deployment.chain_id),
        ("hub", "address"): deployment.hub,
        (f"contract {deployment.hub}", "code"): to_hex(deployment.hub_code_hash),
        (f"contract {deployment.lens}", "name"): "ZkOracleLens",
        (f"contract {deployment.factory}", "name"): "ZkAggregatorFactory",
    }
    for name, address in deployment.libraries.items():
        facts[f"contract {address}", "name"] = name
    for each in deployment.verifiers:
        facts[f"contract {each.address}", "code"] = to_hex(each.code_hash)
    for number, model in deployment.models.items():
        facts[f"model {number}", "architecture"] = str(model.architecture_id)
        facts[f"model {number}", "hash"] = f"{model.model_hash:#066x}"
        facts[f"model {number}", "artifact"] = f"0x{model.artifact_hash}"
    for feed in deployment.feeds.values():
        facts[f"feed {feed.description}", "feed_id"] = to_hex(feed.feed_id)
        facts[f"feed {feed.description}", "decimals"] = str(feed.decimals)
        facts[f"feed {feed.description}", "committee"] = str(deployment.committees[feed.committee].number)
        facts[f"adapter of {feed.description}, linked", ""] = feed.aggregator
    facts |= {
        ("role admin", ""): deployment.admin,
        ("role next admin", ""): "nobody",
        (f"guardian {deployment.guardian}", ""): "guardian",
        ("delay of changes", ""): f"{deployment.change_delay} s",
        ("delay of a handover", ""): f"{deployment.change_delay} s",
        ("delay of a handover, proposed", ""): "none",
    }
    hints = {address: Hint(each.arguments, each.salt, each.tx_hash) for address, each in deployment.created.items()}
    return Expectation(
        against=against,
        facts=facts,
        closed=frozenset({"guardian", "holder"}),
        hints=hints,
        adapters={
            feed.feed_id: tuple(StatedAdapter(**each.model_dump()) for each in feed.adapters)
            for feed in deployment.feeds.values()
        },
        also=(deployment.registry,) if deployment.registry is not None else (),
        deployer=deployment.deployer,
    )
