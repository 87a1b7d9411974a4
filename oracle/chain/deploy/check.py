"""Checks of a plan before anything is sent, and of what was deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Literal

from oracle.chain import compiled
from oracle.chain.compiled import Compiled
from oracle.chain.deploy.plan import DeployPlan, FeedPlan, feed_id_of
from oracle.chain.hub import Hub, HubFeedConfig
from oracle.chain.rpc import Rpc
from oracle.core.errors import DeploymentError, InsecureSetup
from oracle.core.formats import from_hex

PUBLIC_CEREMONY = "public-ceremony"

CEREMONY_CONSTANT = bytes.fromhex("186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac")
"""`neg_s_g2_x_1` of verifiers whose SRS is the public ceremony's: it stands in their code as it is."""


# --- a plan --------------------------------------------------------------------------------------------------------


def check_plan(plan: DeployPlan) -> None:
    """Raise DeploymentError for a mistake that can be seen without a chain."""
    for values, what in (
        ([feed.name for feed in plan.feeds], "name"),
        ([feed.config.description for feed in plan.feeds], "description"),
    ):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise DeploymentError(f"two feeds have the same {what}: {', '.join(sorted(twice))}")
    for feed in plan.feeds:
        if feed.model not in plan.models:
            raise DeploymentError(f"feed {feed.name}: there is no model {feed.model!r} in the plan")
    for name, artifacts in plan.models.items():
        if not artifacts:
            raise DeploymentError(f"model {name} has no artifact")
        hashes = {artifact.model_hash for artifact in artifacts}
        manifests = [artifact.manifest for artifact in artifacts]
        shapes = {(each.features, each.outputs, each.spread, each.score_unit) for each in manifests}
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


async def require_public_srs(plan: DeployPlan, rpc: Rpc) -> None:
    """Raise InsecureSetup if a verifier's SRS was generated locally and the chain is not a local one."""
    if await rpc.is_local():
        return
    for name, artifacts in plan.circuits():
        for artifact in artifacts:
            origin = srs_origin(artifact.verifier().bytecode)
            if origin != PUBLIC_CEREMONY or artifact.manifest.srs_origin != PUBLIC_CEREMONY:
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


async def code_problems(rpc: Rpc, hub: str, contracts: Mapping[str, Compiled] | None = None) -> list[str]:
    """List the code of a hub that is not this release's: the hub's own, its libraries', or its factory's.

    The libraries' addresses are in the hub's code, so this needs no deployment file. The adapters are not checked:
    their code follows from the factory's.

    Args:
        contracts: Compiled contracts, by name; default: the packaged ones.

    Returns:
        A sentence for each problem; empty if all code is this release's.
    """
    contracts = contracts or compiled.packaged()
    contract = contracts["ZkOracle"]
    code = await rpc.code(hub)
    try:
        libraries = contract.libraries_in(code)
        is_hub = contract.link(libraries).matches(code, hub)
    except DeploymentError:
        is_hub = False
    if not is_hub:
        return [f"the code at {hub} is not this release's hub"]
    problems = []
    for name, address in libraries.items():
        if not contracts[name].matches(await rpc.code(address), address):
            problems.append(f"the code at {address} is not this release's {name}, a library of the hub")
    factory = await Hub(rpc, hub).read("aggregatorFactory")
    if not contracts["ZkAggregatorFactory"].matches(await rpc.code(factory), factory):
        problems.append(f"the code at {factory} is not this release's factory of adapters")
    return problems


def srs_origin(code: bytes) -> Literal["public-ceremony", "insecure-local"]:
    """Return the origin of a verifier's SRS, by the constant in its code (creation code or runtime code)."""
    return "public-ceremony" if CEREMONY_CONSTANT in code else "insecure-local"


async def check_feed(plan: DeployPlan, hub: Hub, feed: FeedPlan) -> None:
    """Compare a feed on-chain with the plan. It can't be changed by deploying.

    Raises:
        DeploymentError: They differ; the message names each difference.
    """
    feed_id = feed_id_of(feed.config.description)
    found = await hub.fresh_feed_config(feed_id)
    differences = [
        f"{field.name} is {getattr(found, field.name)} on-chain, {getattr(feed.config, field.name)} here"
        for field in fields(HubFeedConfig)
        if getattr(found, field.name) != getattr(feed.config, field.name)
    ]
    reporters = await hub.reporters(feed_id)
    if set(reporters) != set(feed.reporters):
        differences.append(f"reporters are {', '.join(reporters)} on-chain, {', '.join(feed.reporters)} here")
    if differences:
        raise DeploymentError(
            f"feed {feed.name} ({feed.config.description}) exists and differs: {'; '.join(differences)}. A feed is "
            "fixed once it is made (reporters and quorum change by proposal): correct the configuration, "
            "or give the feed another description"
        )
    if plan.adds_model:
        return
    artifact = dict(plan.circuits())[feed.model][0]
    active = await hub.model((await hub.feed_state(feed_id)).model_number)
    if active.artifact_hash != from_hex(artifact.manifest.artifact_hash):
        raise DeploymentError(
            f"feed {feed.name} ({feed.config.description}) is judged by the model of artifact "
            f"{active.artifact_hash.hex()}, here it is {artifact.manifest.artifact_hash.removeprefix('0x')}: "
            "a feed's model changes by proposal, not by deploying (add it first with `oracle deploy --add-model`)"
        )
