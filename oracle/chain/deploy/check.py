"""Checks of a plan before anything is sent, and of what was deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from oracle.chain import compiled
from oracle.chain.compiled import Compiled
from oracle.chain.deploy.immutables import expected_immutables
from oracle.chain.deploy.plan import CommitteePlan, DeployPlan, FeedPlan, VerifierArtifact
from oracle.chain.hub import Hub, HubFeedConfig
from oracle.chain.rpc import BlockTag, Rpc
from oracle.config.committees import reporters_problems
from oracle.core.encoding import Feature, parse_features
from oracle.core.errors import DataError, DeploymentError, InsecureSetup
from oracle.core.formats import from_hex, to_hex

PUBLIC_CEREMONY = "public-ceremony"


# --- a plan --------------------------------------------------------------------------------------------------------


def check_plan(plan: DeployPlan) -> None:
    """Raise DeploymentError for a mistake that can be seen without a chain."""
    for values, what in (
        ([feed.name for feed in plan.feeds], "two feeds have the same name"),
        ([feed.config.description for feed in plan.feeds], "two feeds have the same description"),
        ([committee.name for committee in plan.committees], "two committees have the same name"),
    ):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise DeploymentError(f"{what}: {', '.join(sorted(twice))}")
    signing = [(frozenset(each.reporters), each.quorum) for each in plan.committees]
    if len(set(signing)) != len(signing):
        raise DeploymentError("two committees have the same reporters and quorum: one would do")
    for committee in plan.committees:
        problems = reporters_problems(committee.reporters, len(committee.reporters), committee.quorum)
        if problems:
            told = "; ".join(f"'{'.'.join(where)}' {what}" for where, what in problems)
            raise DeploymentError(f"committee {committee.name}: {told}")
    for name, artifacts in plan.models.items():
        _check_planned_model(name, artifacts)
    for feed in plan.feeds:
        _check_planned_feed(plan, feed)


def _check_planned_model(name: str, artifacts: Sequence[VerifierArtifact]) -> None:
    """Raise DeploymentError unless the artifacts are circuits of one model, of this release's features."""
    if not artifacts:
        raise DeploymentError(f"model {name} has no artifact")
    hashes = {artifact.model_hash for artifact in artifacts}
    manifests = [artifact.manifest for artifact in artifacts]
    shapes = {(tuple(each.features), each.outputs, each.score_unit) for each in manifests}
    if len(hashes) > 1 or len(shapes) > 1:
        raise DeploymentError(f"model {name}: its artifacts are not of one model")
    batches = [each.batch for each in manifests]
    if len(set(batches)) != len(batches):
        raise DeploymentError(f"model {name} has two artifacts of one batch size ({', '.join(map(str, batches))})")
    probes = [artifact.probe() for artifact in artifacts]
    if len({(probe.window, probe.scores) for probe in probes}) > 1:
        raise DeploymentError(
            f"model {name}: the probes of its artifacts are not of one window and its scores: build them again"
        )
    features_of(artifacts[0])


def _check_planned_feed(plan: DeployPlan, feed: FeedPlan) -> None:
    if feed.model not in plan.models:
        raise DeploymentError(f"feed {feed.name}: there is no model {feed.model!r} in the plan")
    if feed.committee not in {committee.name for committee in plan.committees}:
        raise DeploymentError(f"feed {feed.name}: there is no committee {feed.committee!r} in the plan")
    planned = {each.feed_id: each for each in plan.feeds}
    for peer in feed.config.peers:
        if peer not in planned:
            raise DeploymentError(f"feed {feed.name}: its peer {to_hex(peer)} is not in the plan")
        if planned[peer].committee != feed.committee:
            raise DeploymentError(f"feed {feed.name}: its peer {planned[peer].name} is of another committee")


async def require_public_srs(plan: DeployPlan, rpc: Rpc) -> None:
    """Raise InsecureSetup if a verifier's SRS was generated locally and the chain is not a local one.

    An artifact's manifest says where its SRS is from. Whoever plans makes key and bytecode again first, so that it is
    true: no constant in the code shows it, because code that never runs may have any.
    """
    if await rpc.is_local():
        return
    for name, artifacts in plan.circuits():
        for artifact in artifacts:
            if artifact.manifest.srs_origin != PUBLIC_CEREMONY:
                raise InsecureSetup(
                    f"model {name}, batch {artifact.manifest.batch}: its SRS is not the public ceremony's, so "
                    f"whoever made it can forge proofs, and chain {await rpc.chain_id()} is not a local chain: "
                    'build the artifact with srs = "public-ceremony"'
                )


async def require_code(rpc: Rpc, address: str, contract: Compiled, file: Path) -> None:
    """Raise DeploymentError if the code at an address is not the contract's.

    Args:
        contract: Linked, if it needs libraries.
        file: The deployment file, for the message.
    """
    if not contract.matches(await rpc.code(address), address):
        raise DeploymentError(
            f"the contract at {address} is not the {contract.name} of this release: go on with the release that "
            f"deployed it, or move {file} away to deploy anew"
        )


# --- what was deployed ---------------------------------------------------------------------------------------------


async def code_problems(
    rpc: Rpc,
    hub: str,
    contracts: Mapping[str, Compiled] | None = None,
    *,
    block: BlockTag = "latest",
    code: bytes | None = None,
) -> list[str]:
    """List the code of a hub that is not this release's: the hub's own, its libraries', its lens's, its factory's.

    The libraries' addresses are in the hub's code, so this needs no deployment file. The adapters are not checked:
    their code follows from the factory's. Immutables are compared where address, chain or settings decide them.

    Args:
        contracts: Compiled contracts, by name; default: the packaged ones.
        block: The block at which code is read.
        code: The hub's code, where it was read before.

    Returns:
        A sentence for each problem; empty if all code is this release's.
    """
    contracts = contracts or compiled.packaged()
    contract = contracts["ZkOracle"]
    code = await rpc.code(hub, block) if code is None else code
    try:
        libraries = contract.libraries_in(code)
        is_hub = contract.link(libraries).matches(code, hub)
    except DeploymentError:
        is_hub = False
    if not is_hub:
        return [f"the code at {hub} is not this release's hub"]
    problems = [
        f"the hub's code at {hub} was not made by its constructor: its immutable {name} is another one"
        for name in _foreign_immutables(contracts, code, hub, await rpc.chain_id())
    ]
    for name, address in libraries.items():
        if not contracts[name].matches(await rpc.code(address, block), address):
            problems.append(f"the code at {address} is not this release's {name}, a library of the hub")
    for view, name, what in (
        ("lens", "ZkOracleLens", "lens, which reads the hub"),
        ("aggregatorFactory", "ZkAggregatorFactory", "factory of adapters"),
    ):
        address = await Hub(rpc, hub).read(view, block=block)
        if not contracts[name].matches(await rpc.code(address, block), address):
            problems.append(f"the code at {address} is not this release's {what}")
    return problems


def _foreign_immutables(contracts: Mapping[str, Compiled], code: bytes, hub: str, chain_id: int) -> list[str]:
    """Return the immutables of a hub's code that do not follow from its address, its chain and its settings."""
    found = contracts["ZkOracle"].immutables_in(code)
    settings = {
        "changeDelay_": int.from_bytes(found["changeDelay"]),
        "factory": to_hex(found["aggregatorFactory"][12:]),
        "lens_": to_hex(found["lens"][12:]),
    }
    wanted = expected_immutables("ZkOracle", settings, hub, chain_id, contracts)
    return sorted(name for name, value in found.items() if wanted[name] != value)


async def check_committee(hub: Hub, committee: CommitteePlan, number: int) -> None:
    """Compare a committee on-chain with the plan. It can't be changed by deploying.

    Raises:
        DeploymentError: They differ; the message names each difference.
    """
    found = await hub.committee(number)
    differences = []
    if set(found.reporters) != set(committee.reporters):
        differences.append(
            f"reporters are {', '.join(found.reporters)} on-chain, {', '.join(committee.reporters)} here"
        )
    if found.quorum != committee.quorum:
        differences.append(f"quorum is {found.quorum} on-chain, {committee.quorum} here")
    if differences:
        raise DeploymentError(
            f"committee {committee.name} (number {number}) exists and differs: {'; '.join(differences)}. Reporters and "
            "quorum change by proposal (`oracle committee propose-reporters`): correct the configuration"
        )


async def check_feed(plan: DeployPlan, hub: Hub, feed: FeedPlan, committee: int | None) -> None:
    """Compare a feed on-chain with the plan. It can't be changed by deploying.

    Args:
        committee: The number of its committee; None if the committee is not there yet.

    Raises:
        DeploymentError: They differ; the message names each difference.
    """
    found = await hub.feed_config(feed.feed_id)
    wanted = replace(feed.config, committee=committee or 0)
    differences = [
        f"{field.name} is {getattr(found, field.name)} on-chain, {getattr(wanted, field.name)} here"
        for field in fields(HubFeedConfig)
        if field.name not in ("committee", "peers") and getattr(found, field.name) != getattr(wanted, field.name)
    ]
    if found.committee != committee:
        here = "one that is not there yet" if committee is None else f"number {committee}"
        differences.append(f"committee is number {found.committee} on-chain, {feed.committee} here, {here}")
    if found.peers != wanted.peers:
        names = {each.feed_id: each.config.description for each in plan.feeds}
        there, here = (
            ", ".join(names.get(peer, to_hex(peer)) for peer in peers) or "none"
            for peers in (found.peers, wanted.peers)
        )
        differences.append(f"peers are {there} on-chain, {here} here")
    if differences:
        raise DeploymentError(
            f"feed {feed.name} ({feed.config.description}) exists and differs: {'; '.join(differences)}. A feed is "
            "fixed once it is made: correct the configuration, or give the feed another description"
        )
    if plan.adds_model:
        return
    artifact = dict(plan.circuits())[feed.model][0]
    active = await hub.model((await hub.feed_state(feed.feed_id)).model_number)
    if active.artifact_hash != from_hex(artifact.manifest.artifact_hash):
        raise DeploymentError(
            f"feed {feed.name} ({feed.config.description}) is judged by the model of artifact "
            f"{active.artifact_hash.hex()}, here it is {artifact.manifest.artifact_hash.removeprefix('0x')}: "
            "a feed's model changes by proposal, not by deploying (add it first with `oracle deploy --add-model`)"
        )


def features_of(artifact: VerifierArtifact) -> tuple[Feature, ...]:
    """Return the features that a circuit's model sees, in the window's order.

    Raises:
        DeploymentError: The manifest names one that there is none of.
    """
    try:
        return parse_features(artifact.manifest.features)
    except DataError as error:
        raise DeploymentError(f"the artifact in {artifact.path} names features of another release: {error}") from error
