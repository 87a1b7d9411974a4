"""Tests of deployment on a real Anvil: complete, checked, safe to run again, and refused where it would be unsafe."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.app.circuits import deployed_artifact
from oracle.app.deploy import deploy as deploy_configured
from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy import (
    CommitteePlan,
    Deployment,
    DeployPlan,
    FeedPlan,
    code_problems,
    deploy,
    feed_id_of,
    load_deployment,
)
from oracle.chain.deploy.adapters import PLAIN, AdapterMode, AdapterTerms
from oracle.chain.deploy.create2 import PROXY, Creation, create
from oracle.chain.deploy.file import DeployedCommittee
from oracle.chain.hub import Hub, hub_interface
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.tx.call import Call, send_call
from oracle.chain.tx.sender import Sender
from oracle.config import load as load_config
from oracle.core.encoding import Feature
from oracle.core.errors import ContractRejected, DeploymentError, InsecureSetup, OracleError, PayerEmpty, WrongChain
from oracle.detectors.registry import packaged
from oracle.proving.artifact import PROBE, Visibility
from oracle.proving.artifact import load as load_artifact
from tests.circuits import circuit
from tests.integration.conftest import Circuits
from tests.integration.workspace import Workspace, feed
from tests.stubs import WINDOW, feed_config, reporter, stub_artifact
from tests.transactions import mined

REPORTER = reporter().address
ETH_USD = ("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE", "0x0000000000000000000000000000000000000348")
REGISTRY = Interface(compiled.load("ZkFeedRegistry").abi)
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
THIRD = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"

COMMITTEE = CommitteePlan("default", (REPORTER,))
STRICT, LAST_GOOD = AdapterTerms(AdapterMode.STRICT), AdapterTerms(AdapterMode.LAST_GOOD, 7_200)

OTHER_PROBE = stub_artifact(batch=4)
OTHER_PROBE = replace(OTHER_PROBE, evidence=replace(OTHER_PROBE.evidence, scores=(-1_000, -999)))

Progress = Callable[[str], None]


@pytest.fixture
def chain(anvil: Callable[..., Anvil]) -> Iterator[Anvil]:
    with anvil() as chain:
        yield chain


@pytest.fixture
async def rpc(chain: Anvil) -> AsyncIterator[Rpc]:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        yield rpc


@pytest.fixture
async def account(rpc: Rpc) -> LocalAccount:
    return await keystore.local_chain_key(0, rpc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deployments" / "31337.json"


def feeds(count: int = 1, **changes: Any) -> tuple[FeedPlan, ...]:
    return tuple(
        FeedPlan(f"feed-{i}", feed_config(f"FEED {i} / USD", **changes), adapters=(STRICT,) if i == 0 else ())
        for i in range(count)
    )


def plan(**changes: Any) -> DeployPlan:
    return replace(DeployPlan((COMMITTEE,), feeds(), {"default": [stub_artifact()]}, change_delay=3_600), **changes)


async def run(
    plan: DeployPlan, rpc: Rpc, account: LocalAccount, path: Path, progress: Progress = lambda line: None
) -> Deployment:
    return await deploy(plan, rpc, account, path, progress, deadline_s=60, poll_s=0.01)


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def store(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found))


def exists(path: Path) -> bool:
    return path.exists()


async def contents(deployment: Deployment, rpc: Rpc) -> tuple[int, int, int]:
    """Return how many architectures, models and feeds the hub has."""
    hub = Hub(rpc, deployment.hub)
    return await hub.architecture_count(), await hub.model_count(), len(await hub.feed_ids())


async def test_everything_is_there_and_as_planned(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    said: list[str] = []
    wanted = plan(feeds=feeds(2), guardian=OTHER)
    deployment = await run(wanted, rpc, account, path, said.append)

    assert load_deployment(path) == deployment
    hub = Hub(rpc, deployment.hub)
    assert await contents(deployment, rpc) == (1, 1, 2)
    artifact = wanted.models["default"][0]
    model = await hub.model(1)
    assert (model.model_hash, model.architecture_id, model.score_unit) == (7, 1, 1_000)
    assert model.artifact_hash.hex() == artifact.manifest.artifact_hash == deployment.models[1].artifact_hash
    architecture = await hub.architecture(1)
    assert (architecture.features, architecture.outputs, architecture.binds_model) == (WINDOW, 2, True)
    assert architecture.verifiers == (deployment.verifiers[0].address,)
    assert architecture.code_hashes == (deployment.verifiers[0].code_hash,)
    for planned in wanted.feeds:
        feed = deployment.feeds[planned.name]
        assert await hub.feed_config(feed.feed_id) == planned.config
        assert await hub.aggregator(feed.feed_id) == feed.aggregator
        assert [each.mode for each in feed.adapters] == ["strict"] * len(planned.adapters)
        assert (feed.committee, deployment.committees) == ("default", {"default": DeployedCommittee(number=1)})
    committee = await hub.committee(1)
    assert (committee.reporters, committee.quorum, committee.epoch) == ((REPORTER,), 1, 1)
    assert deployment.verifiers[0].srs_origin == "insecure-local"
    assert sorted(deployment.libraries) == ["Changes", "Holds", "Models", "Shadows"]
    assert await hub.read("aggregatorFactory") == deployment.factory
    assert await hub.lens() == deployment.lens
    assert await code_problems(rpc, deployment.hub) == []
    assert said[-1].startswith("done: hub ")
    # It contains no key, and no transaction that could still be sent.
    assert all(step["raw"] is None for step in document(path)["steps"].values())
    assert bytes(account.key).hex() not in json.dumps(document(path))


async def test_a_second_run_sends_nothing(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    first = await run(plan(), rpc, account, path)
    nonce = await rpc.nonce(account.address)
    assert await run(plan(), rpc, account, path) == first
    assert await rpc.nonce(account.address) == nonce


async def test_without_its_file_a_deployment_is_found(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """Addresses follow from code, arguments and salt."""
    first = await run(plan(), rpc, account, path)
    assert {each.creation for each in first.created.values()} == {"create2"}
    assert set(first.created) == {
        *(first.hub, first.lens, first.factory, first.verifiers[0].address), *first.libraries.values()
    }  # fmt: skip
    nonce = await rpc.nonce(account.address)
    path.unlink()  # noqa: ASYNC240
    second = await run(plan(), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce
    gone = {address: each.model_copy(update={"tx_hash": None}) for address, each in first.created.items()}
    assert second == first.model_copy(update={"created": gone})
    # Another salt makes another hub of the same contracts.
    third = await run(plan(salt=b"\1" * 32), rpc, account, path.with_name("other.json"))
    assert (third.hub != first.hub, third.libraries) == (True, first.libraries)


@pytest.mark.attack
async def test_somebody_else_creates_our_hub_first(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """They pay for it, and gain nothing: the admin and the guardian are arguments."""
    first = await run(plan(), rpc, account, path)
    creation, libraries = first.created[first.hub], first.libraries
    code = compiled.load("ZkOracle").link(libraries).bytecode
    ours = Creation("ZkOracle", code, creation.arguments, b"\2" * 32)
    stranger = await keystore.local_chain_key(3, rpc)
    assert (await create(rpc, Sender(rpc, stranger, poll_s=0.01), ours)).address == ours.address
    found = await run(plan(salt=ours.salt), rpc, account, path.with_name("other.json"))
    assert (found.hub, found.created[ours.address].tx_hash) == (ours.address, None)
    hub = Hub(rpc, found.hub)
    assert await hub.read("defaultAdmin") == account.address
    for role in ("DEFAULT_ADMIN_ROLE", "GUARDIAN_ROLE"):
        assert not await hub.read("hasRole", await hub.read(role), stranger.address)


async def test_a_chain_without_the_proxy(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    await rpc.request("anvil_setCode", PROXY, "0x")
    said: list[str] = []
    deployment = await run(plan(), rpc, account, path, said.append)
    assert said[0].startswith("chain 31337 has no deterministic deployment proxy at 0x4e59b448")
    hub = deployment.created[deployment.hub]
    assert (hub.creation, hub.salt, hub.contract) == ("transaction", None, "ZkOracle")
    assert hub.tx_hash is not None
    receipt = await rpc.receipt(hub.tx_hash)
    assert receipt is not None
    assert receipt.contract_address == deployment.hub
    nonce = await rpc.nonce(account.address)
    assert await run(plan(), rpc, account, path) == deployment
    assert await rpc.nonce(account.address) == nonce


async def test_what_is_new_in_the_plan_is_added(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    first = await run(plan(), rpc, account, path)
    # Another model of the same architecture costs a hash, not a verifier.
    models = {"default": [stub_artifact()], "new": [stub_artifact(model_hash=8)]}
    more = (*feeds(1), FeedPlan("another", feed_config("NEW / USD"), model="new"))
    second = await run(plan(feeds=more, models=models), rpc, account, path)
    assert second.hub == first.hub
    assert await contents(second, rpc) == (1, 2, 2)
    assert len(second.verifiers) == 1
    state = await Hub(rpc, second.hub).feed_state(second.feeds["another"].feed_id)
    assert second.models[state.model_number].name == "new"
    # A plan without the first feed does not remove it from the deployment.
    third = await run(plan(feeds=more[1:], models=models), rpc, account, path)
    assert third.feeds == second.feeds


async def test_models_with_several_circuits(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    models = {"default": [stub_artifact(batch=4), stub_artifact(batch=1)]}
    deployment = await run(plan(models=models), rpc, account, path)
    found = await Hub(rpc, deployment.hub).architecture(1)
    assert found.batch_sizes == (1, 4)
    assert set(deployment.models[1].artifacts) == {1, 4}


async def test_circuits_that_come_later_are_another_model(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """The weights are the same. Existing feeds keep their model until the new one is proposed; new feeds get it."""
    await run(plan(), rpc, account, path)
    said: list[str] = []
    models = {"default": [stub_artifact(), stub_artifact(batch=4)]}
    deployment = await run(plan(feeds=feeds(2), models=models), rpc, account, path, said.append)
    assert await contents(deployment, rpc) == (2, 2, 2)
    assert "feed feed-0 stays with model 1: model 2 has to be proposed for it" in said
    hub = Hub(rpc, deployment.hub)
    numbers = [(await hub.feed_state(each.feed_id)).model_number for each in deployment.feeds.values()]
    assert numbers == [1, 2]
    assert (await hub.model(1)).model_hash == (await hub.model(2)).model_hash


async def test_public_models_have_an_architecture_each(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    models = {name: [stub_artifact(model_hash=None, tag=name.encode(), name=name)] for name in ("a", "b")}
    each = tuple(replace(feed, model=name) for feed, name in zip(feeds(2), models, strict=True))
    deployment = await run(plan(feeds=each, models=models), rpc, account, path)
    assert await contents(deployment, rpc) == (2, 2, 2)
    assert not (await Hub(rpc, deployment.hub).architecture(2)).binds_model


async def test_a_model_that_sees_other_features_has_an_architecture_of_its_own(
    rpc: Rpc, account: LocalAccount, path: Path
) -> None:
    """It does, although circuits and verifiers are the same."""
    lists = {"a": WINDOW, "b": (*WINDOW[:-1], Feature.SPREAD), "c": WINDOW[::-1]}
    models = {name: [stub_artifact(name=name, features=listed)] for name, listed in lists.items()}
    each = tuple(replace(feed, model=name) for feed, name in zip(feeds(3), models, strict=True))
    deployment = await run(plan(feeds=each, models=models), rpc, account, path)
    hub = Hub(rpc, deployment.hub)
    found = [await hub.architecture(number) for number in (1, 2, 3)]
    assert [architecture.features for architecture in found] == [*lists.values()]
    assert found[0].verifiers == found[1].verifiers == found[2].verifiers
    assert await run(plan(feeds=each, models=models), rpc, account, path) == deployment


async def test_feeds_name_each_other_and_their_committee(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """The first feed is added before its peers; a model that sees peers judges it from the beginning."""
    one, two, three = feeds(3)
    peers = {one: (two.feed_id, three.feed_id), two: (one.feed_id,), three: ()}
    wanted = tuple(replace(each, config=replace(each.config, peers=ids)) for each, ids in peers.items())
    wanted = (replace(wanted[0], model="peers"), *wanted[1:])
    other = CommitteePlan("other", (OTHER, REPORTER, THIRD), 3)
    alone = FeedPlan("alone", feed_config("ALONE / USD"), committee="other")
    sees = (Feature.MOVE, Feature.PEER_MOVE_1, Feature.PEER_SEEN_1, Feature.VARIANCE)
    models = {"default": [stub_artifact()], "peers": [stub_artifact(name="peers", features=sees)]}
    planned = plan(committees=(COMMITTEE, other), feeds=(*wanted, alone), models=models)
    deployment = await run(planned, rpc, account, path)
    hub = Hub(rpc, deployment.hub)
    for each in wanted:
        assert (await hub.feed_config(each.feed_id)).peers == each.config.peers
        assert (await hub.feed_state(each.feed_id)).peers == each.config.peers
    assert [(await hub.feed_config(each.feed_id)).committee for each in (*wanted, alone)] == [1, 1, 1, 2]
    assert {name: each.number for name, each in deployment.committees.items()} == {"default": 1, "other": 2}
    assert ((await hub.committee(2)).quorum, (await hub.committee(2)).reporters) == (3, (OTHER, REPORTER, THIRD))
    nonce = await rpc.nonce(account.address)
    assert await run(planned, rpc, account, path) == deployment
    # A plan in another order is the same plan.
    assert await run(replace(planned, committees=(other, COMMITTEE)), rpc, account, path) == deployment
    assert await rpc.nonce(account.address) == nonce


async def test_adapters_beside_the_plain_one(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    wanted = plan(feeds=(replace(feeds()[0], adapters=(STRICT, LAST_GOOD)),))
    deployment = await run(wanted, rpc, account, path)
    strict, last_good = deployment.feeds["feed-0"].adapters
    assert (strict.mode, last_good.mode, last_good.bound, last_good.uptime_feed) == ("strict", "last-good", 7_200, None)
    assert len({deployment.feeds["feed-0"].aggregator, strict.address, last_good.address}) == 3


# --- interrupted ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """A stand-in for SIGKILL: nothing in the deployment catches it."""


async def test_killed_at_every_step(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """Each run dies at a later step than the one before. In the end there is one complete deployment."""
    chain_before = await rpc.nonce(account.address)
    listed = replace(feeds(2)[1], pair=ETH_USD)
    wanted = plan(feeds=(feeds(2)[0], listed), change_delay=0)
    seen: list[str] = []
    kills = 0

    def die_at_the_first_new_step(line: str) -> None:
        nonlocal kills
        if line not in seen:
            seen.append(line)
            kills += 1
            raise Killed

    while True:
        assert kills < 200
        try:
            deployment = await run(wanted, rpc, account, path, die_at_the_first_new_step)
            break
        except Killed:
            if exists(path) and not seen[-1].startswith("done: "):
                with pytest.raises(DeploymentError, match="not finished"):
                    load_deployment(path)
    assert kills > 30
    assert await contents(deployment, rpc) == (1, 1, 2)
    # Four libraries, factory, lens, verifier, hub, committee, architecture, model; feed, aggregator and link for each
    # feed; one strict adapter; registry, proposal, listing: nothing twice.
    assert await rpc.nonce(account.address) - chain_before == 11 + 2 * 3 + 1 + 3


async def test_a_listing_waits_for_its_delay(chain: Anvil, rpc: Rpc, account: LocalAccount, path: Path) -> None:
    said: list[str] = []
    wanted = plan(feeds=(replace(feeds()[0], pair=ETH_USD),), admin=OTHER)
    first = await run(wanted, rpc, account, path, said.append)
    assert first.registry is not None
    assert any("can be listed from" in line for line in said)

    async def look(view: str, *arguments: Any) -> Any:
        assert first.registry is not None
        return await read(rpc, REGISTRY, first.registry, view, *arguments)

    adapter = first.feeds["feed-0"].aggregator
    assert await look("getProposedFeed", *ETH_USD) == adapter
    with pytest.raises(ContractRejected, match="Feed not found"):
        await look("getFeed", *ETH_USD)
    # Until the feed is listed, the registry stays with the one who can confirm.
    assert int(await look("pendingOwner"), 16) == 0

    said.clear()
    nonce = await rpc.nonce(account.address)
    assert await run(wanted, rpc, account, path, said.append) == first
    assert await rpc.nonce(account.address) == nonce
    assert any("can be listed from" in line for line in said)

    chain.rpc("evm_increaseTime", 3_600)
    chain.rpc("evm_mine")
    assert await run(wanted, rpc, account, path) == first
    assert await look("getFeed", *ETH_USD) == adapter
    assert await look("description", *ETH_USD) == "FEED 0 / USD"
    assert await look("pendingOwner") == OTHER
    nonce = await rpc.nonce(account.address)
    assert await run(wanted, rpc, account, path) == first
    assert await rpc.nonce(account.address) == nonce


async def test_a_plan_without_pairs_has_no_registry(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    assert (await run(plan(), rpc, account, path)).registry is None
    # The deployment remembers what an earlier run deployed.
    wanted = plan(feeds=(replace(feeds()[0], pair=ETH_USD),))
    registry = (await run(wanted, rpc, account, path)).registry
    assert registry is not None
    assert (await run(plan(), rpc, account, path)).registry == registry


async def test_adapters_that_somebody_else_deployed(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """They can only be ours, because their addresses follow from their code."""

    def die(line: str) -> None:
        if line.startswith("aggregator of FEED 0 / USD: sending"):
            raise Killed

    with pytest.raises(Killed):
        await run(plan(), rpc, account, path, die)
    steps = document(path)["steps"]
    other = Sender(rpc, await keystore.local_chain_key(2, rpc), poll_s=0.01)
    factory = Interface(compiled.load("ZkAggregatorFactory").abi)
    for terms in (PLAIN, STRICT):
        call = factory.encode_call("deploy", steps["hub"]["address"], feed_id_of("FEED 0 / USD"), terms.values)
        transaction = await other.sign(steps["factory"]["address"], call)
        await other.broadcast(transaction)
        await other.wait(transaction.tx_hash, 10)
    nonce = await rpc.nonce(account.address)
    deployment = await run(plan(), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce + 1  # the link
    assert (
        await Hub(rpc, deployment.hub).aggregator(feed_id_of("FEED 0 / USD")) == deployment.feeds["feed-0"].aggregator
    )


async def test_a_nonce_that_went_elsewhere(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """It was signed and recorded, but another transaction of the key came first, so it is signed again."""

    def die(line: str) -> None:
        if line.startswith("hub: signed"):
            raise Killed

    with pytest.raises(Killed):
        await run(plan(), rpc, account, path, die)
    other = Sender(rpc, account, poll_s=0.01)
    transaction = await other.sign(OTHER, b"")
    await other.broadcast(transaction)
    await other.wait(transaction.tx_hash, 10)
    deployment = await run(plan(), rpc, account, path)
    assert await contents(deployment, rpc) == (1, 1, 1)


async def test_two_at_once(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    from filelock import FileLock

    path.parent.mkdir(parents=True)
    with (
        FileLock(path.with_name(f".{path.name}.lock"), thread_local=False),
        pytest.raises(DeploymentError, match="another deployment"),
    ):
        await run(plan(), rpc, account, path)


async def test_a_local_chain_that_was_reset(
    chain: Anvil, rpc: Rpc, account: LocalAccount, path: Path, anvil: Callable[..., Anvil]
) -> None:
    await run(plan(), rpc, account, path)
    said: list[str] = []
    with anvil() as fresh:
        async with Rpc(fresh.rpc_url, 31337) as other:
            deployment = await run(plan(), other, account, path, said.append)
            assert await contents(deployment, other) == (1, 1, 1)
    assert any("reset" in line for line in said)


async def test_a_real_chain_is_never_taken_for_reset(rpc: Rpc, account: LocalAccount, path: Path, real: None) -> None:
    wanted = plan(models={"default": [stub_artifact(ceremony=True)]})
    deployment = await run(wanted, rpc, account, path)
    assert deployment.verifiers[0].srs_origin == "public-ceremony"
    await rpc.request("anvil_setCode", deployment.hub, "0x")
    with pytest.raises(DeploymentError, match="no contract at"):
        await run(wanted, rpc, account, path)


# --- refused -------------------------------------------------------------------------------------------------------


@pytest.fixture
def real(rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the chain count as a real one, not as local."""

    async def no() -> bool:
        return False

    monkeypatch.setattr(rpc, "is_local", no)


@pytest.mark.attack
async def test_a_local_srs_on_a_real_chain(rpc: Rpc, account: LocalAccount, path: Path, real: None) -> None:
    nonce = await rpc.nonce(account.address)
    with pytest.raises(InsecureSetup, match="can forge proofs"):
        await run(plan(), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce
    assert not exists(path)


async def test_a_verifier_that_is_not_the_manifest_s(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    artifact = stub_artifact()
    artifact = replace(artifact, manifest=replace(artifact.manifest, verifier_code_hash="00" * 32))
    with pytest.raises(DeploymentError, match="does not fit"):
        await run(plan(models={"default": [artifact]}), rpc, account, path)


@pytest.mark.attack
@pytest.mark.parametrize("part", ["Changes", "Holds", "Models", "Shadows", "factory", "lens"])
async def test_code_below_the_hub_that_is_not_ours(rpc: Rpc, account: LocalAccount, path: Path, part: str) -> None:
    deployment = await run(plan(), rpc, account, path)
    apart = {"factory": ("ZkAggregatorFactory", deployment.factory), "lens": ("ZkOracleLens", deployment.lens)}
    name, address = apart.get(part) or (part, deployment.libraries[part])
    code = bytearray(await rpc.code(address))
    code[-1] ^= 1
    await rpc.request("anvil_setCode", address, "0x" + code.hex())
    nonce = await rpc.nonce(account.address)
    with pytest.raises(DeploymentError, match=f"{address} is not the {name} of this release"):
        await run(plan(feeds=feeds(2)), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce
    (problem,) = await code_problems(rpc, deployment.hub)
    assert address in problem


@pytest.mark.attack
async def test_a_hub_that_is_linked_with_another_library(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """Only an address in its code is wrong: a copy of the library is there, which calls itself by its old address."""
    deployment = await run(plan(), rpc, account, path)
    hub, models, elsewhere = deployment.hub, deployment.libraries["Models"], OTHER
    await rpc.request("anvil_setCode", elsewhere, "0x" + (await rpc.code(models)).hex())
    code = (await rpc.code(hub)).replace(bytes.fromhex(models[2:]), bytes.fromhex(elsewhere[2:]))
    await rpc.request("anvil_setCode", hub, "0x" + code.hex())
    with pytest.raises(DeploymentError, match=f"{hub} is not the ZkOracle of this release"):
        await run(plan(), rpc, account, path)
    assert await code_problems(rpc, hub) == [
        f"the code at {elsewhere} is not this release's Models, a library of the hub"
    ]
    await rpc.request("anvil_setCode", hub, "0x" + code[:-1].hex())
    assert await code_problems(rpc, hub) == [f"the code at {hub} is not this release's hub"]


@pytest.mark.attack
async def test_a_hub_whose_code_its_constructor_did_not_make(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """It would link adapters of another creation code, and take signatures of another domain: no getter shows that."""
    deployment = await run(plan(), rpc, account, path)
    contract = compiled.load("ZkOracle")
    code = bytearray(await rpc.code(deployment.hub))
    for name in ("_aggregatorCodeHash", "_hashedVersion"):
        offset, length = contract.immutables[name][0]
        code[offset : offset + length] = bytes(length)
    await rpc.request("anvil_setCode", deployment.hub, "0x" + code.hex())
    problems = await code_problems(rpc, deployment.hub)
    assert [each.split("its immutable ")[1] for each in problems] == [
        "_aggregatorCodeHash is another one", "_hashedVersion is another one"
    ]  # fmt: skip


@pytest.mark.attack
@pytest.mark.parametrize(("step", "view"), [("factory", "aggregatorFactory"), ("lens", "lens")])
async def test_another_contract_than_the_hub_names(
    rpc: Rpc, account: LocalAccount, path: Path, step: str, view: str
) -> None:
    """The file names a copy with the right code."""
    await run(plan(), rpc, account, path)
    found = document(path)
    await rpc.request("anvil_setCode", OTHER, "0x" + (await rpc.code(found["steps"][step]["address"])).hex())
    found["steps"][step]["address"] = OTHER
    store(path, found)
    with pytest.raises(DeploymentError, match=f"names 0x.* as its {view}, not 0x"):
        await run(plan(), rpc, account, path)


@pytest.mark.attack
async def test_a_model_whose_circuit_shows_nothing(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    """The verifier does not accept the proof of one circuit of two, so the model is not added."""
    bad = stub_artifact(batch=4)
    bad = replace(bad, evidence=replace(bad.evidence, proof=b"\0probe"))
    with pytest.raises(ContractRejected, match="ProofRejected") as caught:
        await run(plan(models={"default": [stub_artifact(), bad]}), rpc, account, path)
    assert caught.value.name == "ProofRejected"
    deployment = await run(plan(models={"default": [stub_artifact(), stub_artifact(batch=4)]}), rpc, account, path)
    assert await contents(deployment, rpc) == (1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"heartbeat": 60}, "heartbeat is 3600 on-chain, 60 here"),
        ({"sigma": 5, "decimals": 9}, "decimals is 8 on-chain, 9 here; sigma is 10000 on-chain, 5 here"),
    ],
)
async def test_feeds_do_not_change(
    rpc: Rpc, account: LocalAccount, path: Path, changes: dict[str, Any], says: str
) -> None:
    await run(plan(), rpc, account, path)
    nonce = await rpc.nonce(account.address)
    with pytest.raises(DeploymentError, match=says):
        await run(plan(feeds=feeds(1, **changes)), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce


async def test_reporters_and_models_change_by_proposal_only(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    first = await run(plan(), rpc, account, path)
    nonce = await rpc.nonce(account.address)
    for other, says in (
        (CommitteePlan("default", (OTHER,)), f"reporters are {REPORTER} on-chain, {OTHER} here"),
        (CommitteePlan("default", (OTHER, REPORTER, THIRD), 3), "quorum is 1 on-chain, 3 here"),
    ):
        with pytest.raises(DeploymentError, match=rf"committee default \(number 1\) exists and differs: .*{says}"):
            await run(plan(committees=(other,)), rpc, account, path)
    with pytest.raises(DeploymentError, match="changes by proposal"):
        await run(plan(models={"default": [stub_artifact(model_hash=8)]}), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce

    hub = hub_interface()
    await act(rpc, account, first.hub, hub.encode_call("proposeReporters", 1, [OTHER], 1))
    await rpc.request("evm_increaseTime", 3_600)
    await rpc.request("evm_mine")
    await act(rpc, account, first.hub, hub.encode_call("activateReporters", 1))
    # The number is in the file, so the committee is found whoever its reporters are by now.
    with pytest.raises(DeploymentError, match=f"reporters are {OTHER} on-chain, {REPORTER} here"):
        await run(plan(), rpc, account, path)
    assert await run(plan(committees=(CommitteePlan("default", (OTHER,)),)), rpc, account, path) == first


async def act(rpc: Rpc, account: LocalAccount, to: str, data: bytes) -> None:
    """Send a transaction, and wait until it is mined."""
    sender = Sender(rpc, account, poll_s=0.01)
    transaction = await sender.sign(to, data, hub_interface().decode_error)
    await sender.broadcast(transaction)
    assert (await sender.wait(transaction.tx_hash, 10)).succeeded


async def test_committee_and_peers_of_a_feed_do_not_change(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    one, two = feeds(2)
    await run(plan(feeds=(one, two)), rpc, account, path)
    nonce = await rpc.nonce(account.address)
    other = CommitteePlan("other", (OTHER,))
    moved = plan(committees=(COMMITTEE, other), feeds=(replace(one, committee="other"), two))
    with pytest.raises(DeploymentError, match="committee is number 1 on-chain, other here, one that is not there yet"):
        await run(moved, rpc, account, path)
    with_peer = replace(one, config=replace(one.config, peers=(two.feed_id,)))
    with pytest.raises(DeploymentError, match="peers are none on-chain, FEED 1 / USD here"):
        await run(plan(feeds=(with_peer, two)), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce


async def test_a_hub_that_was_handed_over_can_be_deployed_to(
    chain: Anvil, rpc: Rpc, account: LocalAccount, path: Path
) -> None:
    """The deployer is its guardian no more. Only a guardian that the plan names has to be one."""
    first = await run(plan(admin=OTHER), rpc, account, path)
    await rpc.request("evm_increaseTime", 3_601)
    await rpc.request("evm_mine")
    await rpc.request("anvil_impersonateAccount", OTHER)
    data = "0x" + hub_interface().encode_call("acceptDefaultAdminTransfer").hex()
    mined(chain.rpc, {"from": OTHER, "to": first.hub, "data": data})
    hub = Hub(rpc, first.hub)
    assert await hub.read("defaultAdmin") == OTHER
    assert not await hub.read("hasRole", await hub.read("GUARDIAN_ROLE"), account.address)
    assert await run(plan(admin=OTHER), rpc, account, path) == first
    with pytest.raises(DeploymentError, match=f"{account.address} is not guardian"):
        await run(plan(admin=OTHER, guardian=account.address), rpc, account, path)


async def test_the_hub_s_own_settings_do_not_change(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    await run(plan(), rpc, account, path)
    with pytest.raises(DeploymentError, match="change delay of 3600 s, the configuration says 5"):
        await run(plan(change_delay=5), rpc, account, path)
    with pytest.raises(DeploymentError, match="is not guardian"):
        await run(plan(guardian=OTHER), rpc, account, path)


async def test_another_admin_has_to_accept(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    said: list[str] = []
    deployment = await run(plan(admin=OTHER), rpc, account, path, said.append)
    assert any("must call acceptDefaultAdminTransfer()" in line for line in said)
    assert await Hub(rpc, deployment.hub).read("defaultAdmin") == account.address
    nonce = await rpc.nonce(account.address)
    await run(plan(admin=OTHER), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce


async def test_a_deployer_without_the_role_is_told_what_the_admin_has_to_call(
    rpc: Rpc, account: LocalAccount, path: Path
) -> None:
    first = await run(plan(guardian=OTHER), rpc, account, path)
    other = await keystore.local_chain_key(2, rpc)
    assert await run(plan(guardian=OTHER, admin=account.address), rpc, other, path) == first
    wanted = plan(guardian=OTHER, admin=account.address, feeds=feeds(2))
    calls: list[str] = []
    for _ in range(2):
        with pytest.raises(ContractRejected, match="AccessControlUnauthorizedAccount") as refused:
            await run(wanted, rpc, other, path)
        said = re.search(r"Have the admin call (0x\w{40}) with this data, .*: 0x(\w+)$", str(refused.value))
        assert said is not None
        calls.append(hub_interface().decode_call(bytes.fromhex(said[2]))[0])
        await send_call(rpc, account, Call("as told", said[1], bytes.fromhex(said[2]), hub_interface()))
    assert calls == ["addFeed", "linkAggregator"]
    assert len((await run(wanted, rpc, other, path)).feeds) == 2


async def test_a_deployer_without_funds(rpc: Rpc, path: Path) -> None:
    with pytest.raises(PayerEmpty, match=r"(?i)insufficient funds"):
        await run(plan(), rpc, Account.from_key("0x" + "42" * 32), path)


async def test_a_file_of_another_chain(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    await run(plan(), rpc, account, path)
    store(path, document(path) | {"chain_id": 1})
    with pytest.raises(DeploymentError, match="is of chain 1, but"):
        await run(plan(), rpc, account, path)


async def test_another_chain_than_configured(chain: Anvil, account: LocalAccount, path: Path) -> None:
    async with Rpc(chain.rpc_url, 5) as other:
        with pytest.raises(WrongChain):
            await run(plan(), other, account, path)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (plan(feeds=(*feeds(), *feeds())), "same name"),
        (plan(feeds=(*feeds(), replace(feeds()[0], name="b"))), "same description"),
        (plan(feeds=(replace(feeds()[0], model="none"),)), "no model 'none'"),
        (plan(feeds=(replace(feeds()[0], committee="none"),)), "no committee 'none'"),
        (plan(committees=(COMMITTEE, COMMITTEE)), "two committees have the same name"),
        (plan(committees=(COMMITTEE, replace(COMMITTEE, name="b"))), "the same reporters and quorum: one would do"),
        (
            plan(committees=(replace(COMMITTEE, quorum=2),)),
            "'quorum' is 2, but there are 1 reporters; 'quorum' is 2, but",
        ),
        (plan(committees=(replace(COMMITTEE, reporters=(OTHER, OTHER)),)), "'reporters' names an address twice"),
        (plan(feeds=feeds(1, peers=(feed_id_of("X"),))), f"its peer 0x{feed_id_of('X').hex()} is not in the plan"),
        (
            plan(
                committees=(COMMITTEE, CommitteePlan("b", (OTHER,))),
                feeds=(*feeds(1, peers=(feed_id_of("FEED 1 / USD"),)), replace(feeds(2)[1], committee="b")),
            ),
            "its peer feed-1 is of another committee",
        ),
        (plan(models={"default": []}), "has no artifact"),
        (plan(models={"default": [stub_artifact(), stub_artifact(batch=4, features=WINDOW[1:])]}), "not of one model"),
        (plan(models={"default": [stub_artifact(), stub_artifact(batch=4, model_hash=9)]}), "not of one model"),
        (plan(models={"default": [stub_artifact(), stub_artifact()]}), "two artifacts of one batch size"),
        (plan(models={"default": [stub_artifact(), OTHER_PROBE]}), "not of one window and its scores"),
    ],
)
async def test_plans_that_can_t_be(rpc: Rpc, account: LocalAccount, path: Path, wrong: DeployPlan, says: str) -> None:
    with pytest.raises(DeploymentError, match=says):
        await run(wrong, rpc, account, path)


# --- real circuits -------------------------------------------------------------------------------------------------


async def test_the_configured_batch_sizes_are_one_model(chain: Anvil, rpc: Rpc, tmp_path: Path) -> None:
    """The circuits are real: the hub has verified a proof of each before it has the model."""
    made = [await asyncio.to_thread(circuit, packaged(), batch, Visibility.PUBLIC) for batch in (1, 4)]
    workspace = Workspace(tmp_path, chain)
    workspace.configure(feed("one", workspace.recording("one", [1, 2])))
    config = load_config(tmp_path / "oracle.toml", {})
    prover = config.prover.model_copy(update={"batch_sizes": (1, 4), "artifacts": made[0].path.parent})
    config = config.model_copy(update={"prover": prover})
    deployment = await deploy_configured(config, lambda line: None)
    hub = Hub(rpc, deployment.hub)
    assert (await hub.architecture(1)).batch_sizes == (1, 4)
    assert deployment.models[1].artifacts == {each.manifest.batch: str(each.path) for each in made}
    # A public model's weights are in its verifiers, so that no hash binds them.
    assert (await hub.model(1)).model_hash == 0
    assert [each.model_hash for each in made] == [None, None]
    # For one feed, the daemon proves with the circuit that the hub chooses.
    assert deployed_artifact(config, deployment, 1) == made[0]
    assert await deploy_configured(config, lambda line: None) == deployment


@pytest.mark.attack
async def test_a_real_probe_that_is_altered(
    rpc: Rpc, account: LocalAccount, path: Path, circuits: Circuits, tmp_path: Path
) -> None:
    """It is in the larger of two circuits, and its form is intact."""
    good, damaged = [await asyncio.to_thread(circuits, batch=batch) for batch in (1, 4)]
    copy = tmp_path / "copy"
    await asyncio.to_thread(shutil.copytree, damaged.path, copy)
    probe = json.loads((copy / PROBE).read_text())
    proof = bytearray.fromhex(probe["proof"])
    proof[100] ^= 1
    store(copy / PROBE, probe | {"proof": proof.hex()})
    with pytest.raises(ContractRejected, match="ProofRejected"):
        await run(plan(models={"default": [good, load_artifact(copy)]}), rpc, account, path)
    # The probe is of another window, with that window's proof. Nothing is sent.
    store(copy / PROBE, probe | {"window": [1, *probe["window"][1:]]})
    nonce = await rpc.nonce(account.address)
    with pytest.raises(DeploymentError, match="not of one window"):
        await run(plan(models={"default": [good, load_artifact(copy)]}), rpc, account, path)
    assert await rpc.nonce(account.address) == nonce


# --- the file ------------------------------------------------------------------------------------------------------


async def test_damaged_files(rpc: Rpc, account: LocalAccount, path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"no deployment file.*oracle deploy"):
        load_deployment(path)
    await run(plan(), rpc, account, path)
    good = document(path)

    def damage(change: Callable[[dict[str, Any]], object]) -> str:
        found = json.loads(json.dumps(good))
        change(found)
        store(path, found)
        with pytest.raises(OracleError) as caught:
            load_deployment(path)
        assert isinstance(caught.value, DeploymentError)
        return str(caught.value)

    assert "deployment.hub" in damage(lambda found: found["deployment"].update(hub="0x12"))
    assert "deployment.hub" in damage(lambda found: found["deployment"].update(hub=good["deployment"]["hub"].lower()))
    assert "format" in damage(lambda found: found.update(format=2))
    assert "libraries.Models" in damage(lambda found: found["deployment"]["libraries"].update(Models="0x12"))
    assert "extra" in damage(lambda found: found["deployment"].update(extra=1))
    assert "feed_id" in damage(lambda found: found["deployment"]["feeds"]["feed-0"].update(feed_id="0x00"))
    assert "models" in damage(lambda found: found["deployment"].pop("models"))
    assert "chain_id" in damage(lambda found: found.pop("chain_id"))
