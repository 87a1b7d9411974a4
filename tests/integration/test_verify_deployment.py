"""Tests of the check of a deployment, on one deployment on a real Anvil: each attack is undone after its test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from oracle.app import deployments
from oracle.app.deployments import CheckedDeployment, check_deployment
from oracle.audit.deployment.comparison import Expectation, of_file, of_statement
from oracle.audit.deployment.manifest import (
    SignedManifest,
    sign_statement,
    signature_differences,
    typed_statement,
)
from oracle.audit.deployment.report import DeploymentReport, Difference
from oracle.audit.deployment.statement import DeploymentStatement
from oracle.audit.deployment.verify import DeploymentCheck, verify_deployment
from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.deploy.create2 import Creation, create
from oracle.chain.hub import Hub, hub_interface, lens_interface
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import HALF_ORDER
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Block, Log
from oracle.chain.transport.interface import BlockMissing
from oracle.chain.tx.sender import Sender
from oracle.cli import oracle
from oracle.core.errors import ChainUnavailable, ConfigError, DataError
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import Artifact
from tests.integration.conftest import Circuits
from tests.stubs import feed_config, reporter
from tests.transactions import mined

REPORTER = reporter().address
GUARDIAN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
SALT = b"\5" * 32
ORDER = 2 * HALF_ORDER + 1
ETH_USD = ("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE", "0x0000000000000000000000000000000000000348")


@dataclass(frozen=True)
class Scene:
    """A chain with a deployment."""

    chain: Anvil
    deployment: Deployment
    path: Path
    artifacts: Path


def plan(artifact: Artifact) -> DeployPlan:
    feeds = (
        FeedPlan("one", feed_config("ONE / USD"), pair=ETH_USD),
        FeedPlan("two", feed_config("TWO / USD", confirm_delay=30)),
    )
    return DeployPlan(
        (CommitteePlan("default", (REPORTER,)),),
        feeds,
        {"default": [artifact]},
        change_delay=3_600,
        guardian=GUARDIAN,
    )


@pytest.fixture(scope="module")
def scene(anvil: Callable[..., Anvil], circuits: Circuits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    artifact = circuits()
    path = tmp_path_factory.mktemp("verified") / "deployment.json"
    with anvil() as chain:

        async def deployed() -> Deployment:
            async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
                return await deploy(plan(artifact), rpc, await keystore.local_chain_key(0, rpc), path, poll_s=0.01)

        yield Scene(chain, asyncio.run(deployed()), path, artifact.path.parent)


@pytest.fixture
async def rpc(scene: Scene) -> AsyncIterator[Rpc]:
    async with Rpc(scene.chain.rpc_url, scene.chain.chain_id) as rpc:
        snapshot = scene.chain.snapshot()
        yield rpc
        scene.chain.revert(snapshot)


@pytest.fixture
async def account(rpc: Rpc) -> LocalAccount:
    return await keystore.local_chain_key(0, rpc)


def by_file(scene: Scene) -> Expectation:
    return of_file(scene.deployment, "the deployment file")


async def verified(rpc: Rpc, hub: str, expected: Expectation | None = None, **wanted: Any) -> DeploymentReport:
    return await verify_deployment([rpc], hub, DeploymentCheck(expected=expected or Expectation(), **wanted))


async def differences(rpc: Rpc, scene: Scene, expected: Expectation | None = None, **wanted: Any) -> list[Difference]:
    report = await verified(rpc, scene.deployment.hub, expected or by_file(scene), **wanted)
    assert report.differences == () or not report.ok
    return list(report.differences)


async def send(rpc: Rpc, account: LocalAccount, to: str | None, data: bytes) -> Any:
    sender = Sender(rpc, account, poll_s=0.01)
    transaction = await sender.sign(to, data, hub_interface().decode_error)
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, 10)
    assert receipt.succeeded
    return receipt


async def stated(rpc: Rpc, scene: Scene) -> DeploymentStatement:
    report = await verified(rpc, scene.deployment.hub)
    assert report.statement is not None
    return report.statement


async def test_an_honest_deployment(rpc: Rpc, scene: Scene) -> None:
    """Without artifacts, nothing shows what its verifiers accept."""
    for expected in (Expectation(), by_file(scene)):
        report = await verified(rpc, scene.deployment.hub, expected, artifacts=scene.artifacts)
        assert (report.differences, report.unchecked, report.ok) == ((), (), True)
        assert report.statement is not None
        made = {each.contract: each.creation for each in report.statement.contracts}
        assert made.pop("verifier") == "unknown"
        assert made.pop("ZkAggregator") == "factory"
        assert set(made.values()) == {"create2"}
    assert "ZkFeedRegistry" in made
    assert report.statement is not None
    [circuit] = report.statement.architectures[0].circuits
    assert (len(circuit.verifying_key or ""), circuit.srs_origin) == (64, "insecure-local")
    report = await verified(rpc, scene.deployment.hub)
    assert [each.subject.split(" ")[0] for each in report.unchecked] == ["architecture", "model"]
    assert (report.differences, report.ok) == ((), False)
    assert report.statement is not None
    assert report.statement.roles.guardians == (GUARDIAN,)


async def test_a_statement_is_compared_with_itself(rpc: Rpc, scene: Scene) -> None:
    found = await stated(rpc, scene)
    assert await differences(rpc, scene, of_statement(found, "a manifest")) == []
    again = DeploymentStatement.model_validate_json(found.model_dump_json())
    assert (again, again.content_hash) == (found, found.content_hash)


def creation_with_storage(runtime: bytes, slots: dict[int, int]) -> bytes:
    """Return creation code that stores words and returns code: nobody sees in the code what it stored."""
    prelude = b"".join(
        b"\x7f" + value.to_bytes(32) + b"\x7f" + slot.to_bytes(32) + b"\x55" for slot, value in slots.items()
    )
    # CODECOPY(0, offset, size), RETURN(0, size)
    tail = 16
    size, offset = len(runtime), len(prelude) + tail
    end = b"\x61" + size.to_bytes(2) + b"\x61" + offset.to_bytes(2) + b"\x5f\x39\x61" + size.to_bytes(2) + b"\x5f\xf3"
    return prelude + end.ljust(tail, b"\0") + runtime


@pytest.mark.attack
async def test_our_code_from_other_creation_code(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """The runtime code, immutables included, is the hub's own; the creation code gave a stranger a role."""
    code = await rpc.code(scene.deployment.hub)
    wanted = int.from_bytes(keccak(b"anything"))
    receipt = await send(rpc, account, None, creation_with_storage(code, {wanted: 1}))
    fake = receipt.contract_address
    assert await rpc.code(fake) == code
    report = await verified(rpc, fake)
    [found] = [each for each in report.differences if "creation code" in each.subject]
    assert found.subject == f"ZkOracle {fake}, creation code"
    assert found.found == f"other creation code in transaction {to_hex(receipt.tx_hash)}"
    assert "may have left anything" in found.meaning


async def test_ways_of_creation(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """By plain creation, with another salt, and by another contract, as a trace shows."""
    made = scene.deployment.created[scene.deployment.hub]
    code = compiled.load("ZkOracle").link(scene.deployment.libraries).bytecode
    salted = await create(rpc, Sender(rpc, account, poll_s=0.01), Creation("ZkOracle", code, made.arguments, SALT))
    plain = (await send(rpc, account, None, code + made.arguments)).contract_address
    # CALLDATACOPY(0, 0, size), CREATE(0, 0, size), return its address
    maker = bytes.fromhex("365f5f37365f5ff05f5260205ff3")
    receipt = await send(rpc, account, None, creation_with_storage(maker, {}))
    assert receipt.contract_address is not None
    # An estimate would give it too little gas: it does not revert if it creates nothing.
    asked = {"from": account.address, "to": receipt.contract_address, "gas": hex(8_000_000)}
    sent = mined(scene.chain.rpc, {**asked, "data": to_hex(code + made.arguments)})["transactionHash"]
    trace = await rpc.trace(bytes.fromhex(sent[2:]))
    assert trace is not None
    third = trace.calls[0].to
    assert third is not None
    ways = {}

    class Silent(Rpc):
        async def request(self, method: str, *params: Any, **kwargs: Any) -> Any:
            if method == "eth_getBlockByNumber" and params[1]:
                raise ChainUnavailable("no whole blocks here")
            return await super().request(method, *params, **kwargs)

    async with Silent(scene.chain.rpc_url, scene.chain.chain_id) as silent:
        report = await verified(silent, plain or "")
    assert report.unchecked[0].reason == "no whole blocks here"
    for address in (salted.address, plain, third):
        report = await verified(rpc, address)
        assert report.differences == ()
        assert report.statement is not None
        hub = report.statement.contract(address)
        assert hub is not None
        ways[hub.creation] = hub.arguments
    assert ways == {"create2": made.arguments, "transaction": made.arguments, "contract": made.arguments}


async def test_contracts_that_the_hub_does_not_know(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """They are recognised by their code, and known by their creation, without a file or an old state."""
    sender = Sender(rpc, account, poll_s=0.01)
    made: list[str] = []
    for name, arguments in (
        ("ModelCard", ()),
        ("Erc7412Updates", (scene.deployment.hub,)),
        ("ClaimRegistry", (account.address, 7_200)),
    ):
        contract = compiled.load(name)
        encoded = Interface(contract.abi).encode_constructor(*arguments)
        made.append((await create(rpc, sender, Creation(name, contract.bytecode, encoded))).address)
    assert scene.deployment.registry is not None
    also = (*made, scene.deployment.registry)
    report = await verified(rpc, scene.deployment.hub, also=also)
    assert report.differences == ()
    assert report.statement is not None
    found = [report.statement.contract(address) for address in also]
    assert [each and each.creation for each in found] == ["create2"] * 4
    assert [each and each.owner for each in found] == [None, None, account.address, account.address]
    # One that is of another hub, and one that is none of ours.
    contract = compiled.load("Erc7412Updates")
    encoded = Interface(contract.abi).encode_constructor(scene.deployment.lens)
    other = (await create(rpc, sender, Creation("Erc7412Updates", contract.bytecode, encoded))).address
    report = await verified(rpc, scene.deployment.hub, also=(other, STRANGER))
    assert [each.subject for each in report.differences] == [
        f"Erc7412Updates {other}, immutable _hub", f"contract {STRANGER}"
    ]  # fmt: skip


# --- attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.attack
async def test_roles_that_nobody_states(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    hub, interface = scene.deployment.hub, hub_interface()
    manifest = of_statement(await stated(rpc, scene), "a manifest")
    role = keccak(b"GUARDIAN_ROLE")
    await send(rpc, account, hub, interface.encode_call("grantRole", role, STRANGER))
    await send(rpc, account, hub, interface.encode_call("grantRole", keccak(b"ANY"), STRANGER))
    for expected in (by_file(scene), manifest):
        subjects = [each.subject for each in await differences(rpc, scene, expected)]
        assert subjects == [f"guardian {STRANGER}", f"holder {to_hex(keccak(b'ANY'))} {STRANGER}"]
    await send(rpc, account, hub, interface.encode_call("revokeRole", role, GUARDIAN))
    missing = (await differences(rpc, scene))[0]
    assert (missing.subject, missing.found) == (f"guardian {GUARDIAN}", "nothing")
    report = await verified(rpc, hub)
    assert "roles" in [each.subject for each in report.weaknesses]


@pytest.mark.attack
async def test_a_node_that_withholds_a_grant(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """Another node shows it. A node whose logs lack what the hub denies is not believed either."""
    hub = scene.deployment.hub
    grant = hub_interface().encode_call("grantRole", keccak(b"GUARDIAN_ROLE"), STRANGER)
    receipt = await send(rpc, account, hub, grant)

    class Withholding(Rpc):
        async def logs(self, address: str, first: int, last: int, *args: Any, **kwargs: Any) -> list[Log]:
            found = await super().logs(address, first, last, *args, **kwargs)
            return [each for each in found if each.tx_hash != receipt.tx_hash]

    async with Withholding(scene.chain.rpc_url, scene.chain.chain_id) as other:
        assert await differences(other, scene) == []
        report = await verify_deployment([other, rpc], hub, DeploymentCheck(expected=by_file(scene)))
    assert [each.subject for each in report.differences] == ["RPC endpoints", f"guardian {STRANGER}"]
    assert "withholds logs" in report.differences[0].found

    class Elsewhere(Rpc):
        async def block(self, which: BlockTag = "latest") -> Block:
            return replace(await super().block(which), hash=bytes(32))

    async with Elsewhere(scene.chain.rpc_url, scene.chain.chain_id) as elsewhere:
        report = await verify_deployment([rpc, elsewhere], hub, DeploymentCheck())
    assert [each.subject for each in report.differences] == [f"RPC endpoint {elsewhere.name}"]


@pytest.mark.attack
@pytest.mark.parametrize("lies_first", [True, False])
async def test_an_endpoint_that_tells_another_state(rpc: Rpc, scene: Scene, lies_first: bool) -> None:
    """It shows the right block and the right logs: only another endpoint's word on the state gives it away."""
    asks = lens_interface().selector("committee")

    class Lying(Rpc):
        async def call(self, to: str, data: bytes, **how: Any) -> bytes:
            answer = await super().call(to, data, **how)
            told = answer.replace(from_hex(REPORTER), from_hex(STRANGER))
            return told if data[:4] == asks else answer

    async with Lying(scene.chain.rpc_url, scene.chain.chain_id) as lying:
        rpcs = [lying, rpc] if lies_first else [rpc, lying]
        report = await verify_deployment(rpcs, scene.deployment.hub, DeploymentCheck())
        [found] = report.differences
        assert found.subject == f"RPC endpoint {rpcs[1].name}, committee 1, reporters"
        told = (STRANGER, REPORTER) if lies_first else (REPORTER, STRANGER)
        assert (found.expected, found.found) == told
        assert (await verify_deployment([rpc, rpc], scene.deployment.hub, DeploymentCheck())).differences == ()


async def test_an_endpoint_that_is_behind(rpc: Rpc, scene: Scene) -> None:
    """Two nodes are seldom at the same block: all is read at one that both have."""
    latest = await rpc.block_number()

    class Behind(Rpc):
        async def block(self, which: BlockTag = "latest") -> Block:
            if isinstance(which, int) and which >= latest:
                raise BlockMissing(f"no block {which}", "there is no such block")
            return await super().block(latest - 1 if which == "latest" else which)

    async with Behind(scene.chain.rpc_url, scene.chain.chain_id) as behind:
        report = await verify_deployment([rpc, behind], scene.deployment.hub, DeploymentCheck(expected=by_file(scene)))
    assert (report.block, report.differences) == (latest - 1, ())
    assert report.endpoints == (rpc.name, behind.name)


async def test_a_statement_of_another_chain(rpc: Rpc, scene: Scene) -> None:
    """A hub that is not there differs, and so does the chain, which explains it."""
    expected = replace(by_file(scene), facts={**by_file(scene).facts, ("chain", "id"): "5"})
    report = await verified(rpc, STRANGER, expected)
    [chain, hub] = report.differences
    assert (chain.subject, chain.expected, chain.found) == ("chain, id", "5", "31337")
    assert (hub.subject, hub.found) == (f"hub {STRANGER}", "no code")


async def test_an_endpoint_of_another_chain(rpc: Rpc, scene: Scene) -> None:
    class Elsewhere(Rpc):
        async def chain_id(self) -> int:
            return 5

    async with Elsewhere(scene.chain.rpc_url) as elsewhere:
        report = await verify_deployment([rpc, elsewhere], scene.deployment.hub, DeploymentCheck())
    [found] = report.differences
    assert found.found.endswith("of chain 5") and found.meaning == "the endpoints follow different chains"


async def test_a_block_that_is_not_there_yet(rpc: Rpc, scene: Scene) -> None:
    far = await rpc.block_number() + 1_000
    with pytest.raises(DataError, match=f"^block {far} is not there yet: the latest at .* is {far - 1_000}$"):
        await verify_deployment([rpc], scene.deployment.hub, DeploymentCheck(block=far))


@pytest.mark.attack
async def test_a_node_without_the_beginning(rpc: Rpc, scene: Scene) -> None:
    """A node that has no old states may say that the hub was not there. Its events tell where the history begins."""
    hub, latest = scene.deployment.hub, await rpc.block_number()

    class Pruned(Rpc):
        async def code(self, address: str, block: BlockTag = "latest") -> bytes:
            return await super().code(address, block) if block in ("latest", latest) else b""

    async with Pruned(scene.chain.rpc_url, scene.chain.chain_id) as pruned:
        assert await differences(pruned, scene) == []
    report = await verified(rpc, hub, from_block=latest)
    assert "roles" in [each.subject for each in report.unchecked]
    assert report.statement is not None
    assert (report.statement.contract(hub) or report.statement.contracts[0]).creation == "create2"


@pytest.mark.attack
async def test_a_handover_is_no_beginning(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """It grants the admin's role, as the constructor does. Who got a role before is not known from there on."""
    hub, interface = scene.deployment.hub, hub_interface()
    await send(rpc, account, hub, interface.encode_call("beginDefaultAdminTransfer", scene.chain.accounts[1].address))
    await rpc.request("evm_increaseTime", 3_601)
    successor = await keystore.local_chain_key(1, rpc)
    accepted = await send(rpc, successor, hub, interface.encode_call("acceptDefaultAdminTransfer"))
    report = await verified(rpc, hub, from_block=accepted.block_number)
    assert "roles" in [each.subject for each in report.unchecked]


@pytest.mark.attack
@pytest.mark.parametrize("name", ["lens", "factory", "Models"])
async def test_another_contract_in_a_place_of_ours(rpc: Rpc, scene: Scene, name: str) -> None:
    """Nothing is shown that would be read through it, because nobody could believe it."""
    places = {**scene.deployment.libraries, "lens": scene.deployment.lens, "factory": scene.deployment.factory}
    code = bytearray(await rpc.code(places[name]))
    code[-1] ^= 1
    await rpc.request("anvil_setCode", places[name], to_hex(bytes(code)))
    report = await verified(rpc, scene.deployment.hub, by_file(scene))
    assert (report.statement, report.ok) == (None, False)
    [found] = report.differences
    assert places[name] in found.subject
    assert "of this release" in found.expected
    assert [each.subject for each in report.unchecked] == ["roles, delays, committees, models and feeds"]


@pytest.mark.attack
async def test_a_hub_that_names_another_lens_or_delay(rpc: Rpc, scene: Scene) -> None:
    """Its code differs in immutables alone, which no comparison of masked code shows."""
    hub = scene.deployment.hub
    contract = compiled.load("ZkOracle")
    copy = STRANGER
    await rpc.request("anvil_setCode", copy, to_hex(await rpc.code(scene.deployment.lens)))
    for name, value in (("lens", bytes.fromhex(copy[2:])), ("changeDelay", (1).to_bytes(32))):
        code = bytearray(await rpc.code(hub))
        for offset, length in contract.immutables[name]:
            code[offset : offset + length] = value.rjust(length, b"\0")
        await rpc.request("anvil_setCode", hub, to_hex(bytes(code)))
    found = {each.subject for each in await differences(rpc, scene)}
    assert {f"ZkOracle {hub}, immutable lens", f"ZkOracle {hub}, immutable changeDelay"} <= found
    assert f"contract {scene.deployment.lens}, name" in found
    assert "delay of changes" in found
    await rpc.request("anvil_setCode", hub, "0x6001")
    [other] = await differences(rpc, scene)
    assert other.meaning == "nothing that it says can be believed"


@pytest.mark.attack
async def test_a_verifier_that_was_swapped(
    rpc: Rpc, scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verifier = scene.deployment.verifiers[0].address
    real = await rpc.code(verifier)
    made = artifacts.regenerate
    [right] = {Path(found) for found in scene.deployment.models[1].artifacts.values()}
    for name in ("false", "right"):
        (tmp_path / name).symlink_to(right)

    def run_with(**changes: Any) -> None:
        def changed(artifact: Artifact, *args: Any, **kwargs: Any) -> artifacts.Regeneration:
            found = made(artifact, *args, **kwargs)
            return found if artifact.path.name == "right" else replace(found, **changes)

        monkeypatch.setattr(artifacts, "regenerate", changed)

    run_with(problems=("its key is another's",))
    [found] = await differences(rpc, scene, artifacts=scene.artifacts)
    assert (found.expected, found.found) == ("made again from its inputs", "its key is another's")
    # A false one beside the right one, and before it, makes no difference.
    assert await differences(rpc, scene, artifacts=tmp_path) == []
    run_with(code=SimpleNamespace(runtime=real + b"\0"))
    [found] = await differences(rpc, scene, artifacts=scene.artifacts)
    assert found.meaning == "it may accept proofs of anything"
    await rpc.request("anvil_setCode", verifier, to_hex(real + b"\0"))
    swapped = await differences(rpc, scene)
    assert [each.subject for each in swapped] == [
        f"architecture 1, verifier {verifier} of 1", f"contract {verifier}, code"
    ]  # fmt: skip


@pytest.mark.attack
async def test_scores_that_are_weighed_in_another_unit(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """The model is the artifact's, and the hub takes a thousandth of its scores for a whole."""
    model = await Hub(rpc, scene.deployment.hub).model(1)
    [path] = {Path(found) for found in scene.deployment.models[1].artifacts.values()}
    probe = artifacts.load(path).probe()
    shown = (probe.window, probe.scores, [probe.proof])
    terms = (model.model_hash, model.architecture_id, model.artifact_hash, 2 * model.score_unit, shown)
    await send(rpc, account, scene.deployment.hub, hub_interface().encode_call("addModel", *terms))
    found = await differences(rpc, scene, artifacts=scene.artifacts)
    assert [each.subject for each in found] == ["model 2, score unit"]


async def test_what_is_under_way(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """A handover and a shorter delay for it are differences; a proposal is a note."""
    hub, interface = scene.deployment.hub, hub_interface()
    await send(rpc, account, hub, interface.encode_call("beginDefaultAdminTransfer", STRANGER))
    await send(rpc, account, hub, interface.encode_call("changeDefaultAdminDelay", 86_400))
    await send(rpc, account, hub, interface.encode_call("proposeReporters", 1, [STRANGER], 1))
    report = await verified(rpc, hub, by_file(scene))
    assert [(each.subject, each.found) for each in report.differences] == [
        ("role next admin", STRANGER), ("delay of a handover, proposed", "86400 s")
    ]  # fmt: skip
    assert any(each.startswith(f"committee 1: {STRANGER} are proposed") for each in report.notes)
    assert any("can accept the admin's role" in each.reason for each in report.weaknesses)


# --- manifests -----------------------------------------------------------------------------------------------------


async def told(rpc: Rpc, scene: Scene, manifest: SignedManifest) -> list[str]:
    found = await signature_differences(manifest, Hub(rpc, scene.deployment.hub), "latest")
    return [f"{each.subject}: {each.found}" for each in found]


async def test_a_manifest_is_the_admin_s(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    manifest = await sign_statement(await stated(rpc, scene), account)
    assert await told(rpc, scene, manifest) == []
    assert await told(rpc, scene, SignedManifest.model_validate_json(manifest.model_dump_json())) == []
    # A wallet computes the same from the document.
    document = dict(typed_statement(manifest.statement).document)
    assert encode_typed_data(full_message=document) == typed_statement(manifest.statement).message


@pytest.mark.attack
async def test_manifests_that_are_not_the_admin_s(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    statement = await stated(rpc, scene)
    manifest = await sign_statement(statement, account)
    altered = statement.model_copy(update={"roles": statement.roles.model_copy(update={"handover_delay": 1})})
    [found] = await told(rpc, scene, manifest.model_copy(update={"statement": altered}))
    assert found.startswith("manifest, signature: 0x")
    assert await told(rpc, scene, manifest.model_copy(update={"signature": None})) == ["manifest, signature: none"]
    for change in ({"chain_id": 1}, {"hub": STRANGER}):
        other = await sign_statement(statement.model_copy(update=change), account)
        assert (await told(rpc, scene, other))[0].startswith("manifest: hub ")
    stranger = await keystore.local_chain_key(2, rpc)
    by_stranger = await sign_statement(statement, stranger)
    assert await told(rpc, scene, by_stranger) == [f"manifest, signature: of {STRANGER}"]
    claimed = by_stranger.model_copy(update={"signer": account.address})
    assert await told(rpc, scene, claimed) == [f"manifest, signature: {STRANGER}"]
    high = bytearray(manifest.signature or b"")
    high[32:64] = (ORDER - int.from_bytes(high[32:64])).to_bytes(32)
    high[64] ^= 7
    [found] = await told(rpc, scene, manifest.model_copy(update={"signature": bytes(high)}))
    assert "above half the order" in found


@pytest.mark.attack
async def test_an_admin_that_is_a_contract(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """It is asked (EIP-1271). One that delegates has to sign with its key: its code may say yes to anything."""
    statement = await stated(rpc, scene)
    # True if the signature begins with 1.
    answers = bytes.fromhex("60643560f81c600114631626ba7e60e01b025f5260205ff3")
    await rpc.request("anvil_setCode", account.address, to_hex(answers))
    good = SignedManifest(statement=statement, signer=account.address, signature=b"\1by three of five")
    assert await told(rpc, scene, good) == []
    bad = good.model_copy(update={"signature": b"\2"})
    assert await told(rpc, scene, bad) == ["manifest, signature: refused"]
    await rpc.request("anvil_setCode", STRANGER, to_hex(answers))
    await rpc.request("anvil_setCode", account.address, "0xef0100" + STRANGER[2:])
    [found] = await told(rpc, scene, good)
    assert "no valid signature" in found
    assert await told(rpc, scene, await sign_statement(statement, account)) == []
    report = await verified(rpc, scene.deployment.hub)
    assert any(f"lets the code at {STRANGER} act for it" in each.reason for each in report.weaknesses)


@pytest.mark.attack
async def test_a_manifest_of_another_contract(rpc: Rpc, scene: Scene, account: LocalAccount) -> None:
    """Whoever writes it names the hub, which may call anybody its admin."""
    says_so = bytes.fromhex("73" + account.address[2:] + "5f5260205ff3")
    await rpc.request("anvil_setCode", STRANGER, to_hex(says_so))
    statement = await stated(rpc, scene)
    contracts = tuple(each for each in statement.contracts if each.address != statement.hub)
    of_other = await sign_statement(statement.model_copy(update={"hub": STRANGER, "contracts": contracts}), account)
    found = [str(each) for each in await deployments.check_manifest(of_other, scene.chain.rpc_url, "latest")]
    assert [each.split(":")[0] for each in found] == [f"hub {STRANGER}", "manifest, contracts"]
    nothing = await sign_statement(statement.model_copy(update={"contracts": ()}), account)
    [only] = await deployments.check_manifest(nothing, scene.chain.rpc_url, "latest")
    assert (only.subject, only.found) == ("manifest, contracts", "none")


# --- commands ------------------------------------------------------------------------------------------------------


def test_a_manifest_from_a_wallet(scene: Scene, tmp_path: Path) -> None:
    """It is made, signed elsewhere, verified, and compared with the chain."""
    file, url = str(tmp_path / "manifest.json"), scene.chain.rpc_url
    common = ("--rpc", url, "--artifacts", str(scene.artifacts))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(oracle, arguments)

    given = (*common, "--deployment", str(scene.path), "--out", file, "--json")
    made = run("manifest", "make", scene.deployment.hub, *given)
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["manifest"] == file
    assert run("manifest", "verify", file, "--rpc", url).exit_code == 1
    document = json.loads(run("manifest", "sign", file, "--typed-data").stdout)
    admin = Account.from_key(scene.chain.accounts[0].key)
    signature = admin.sign_message(encode_typed_data(full_message=document)).signature.to_0x_hex()
    signed = run("manifest", "sign", file, "--signature", signature, "--signer", admin.address, "--json")
    assert signed.exit_code == 0, signed.output
    assert json.loads(signed.stdout)["signer"] == admin.address
    assert run("manifest", "verify", file, "--rpc", url).exit_code == 0
    told = json.loads(run("manifest", "verify", file, "--rpc", url, "--json").stdout)
    assert (told["ok"], told["hub"], told["signer"], told["differences"]) == (
        True,
        scene.deployment.hub,
        admin.address,
        [],
    )

    def compared() -> dict[str, Any]:
        done = run("verify-deployment", scene.deployment.hub, *common, "--manifest", file, "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == (0 if found["ok"] else 1)
        return found

    found = compared()
    assert (found["ok"], found["differences"], found["unchecked"]) == (True, [], [])
    assert {each["subject"] for each in found["weaknesses"]} >= {"admin", "committee 1", "feed TWO / USD"}
    changed = json.loads(Path(file).read_text())
    changed["statement"]["feeds"][0]["max_age"] = 1
    Path(file).write_text(json.dumps(changed))
    assert [each["subject"] for each in compared()["differences"]] == ["manifest, signature", "feed ONE / USD, max_age"]
    for_people = run("verify-deployment", scene.deployment.hub, *common, "--manifest", file)
    assert for_people.exit_code == 1
    assert "differs feed ONE / USD, max_age" in for_people.output


async def test_a_package_that_was_altered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is compared with the compiled sources."""
    made = compiled.packaged()
    monkeypatch.setattr(deployments, "compile_contracts", lambda: made)
    wanted = CheckedDeployment(scene.deployment.hub, (scene.chain.rpc_url,), from_sources=True)
    assert (await check_deployment(wanted)).differences == ()
    lens = made["ZkOracleLens"]
    made["ZkOracleLens"] = replace(lens, bytecode=lens.bytecode + b"\0", runtime=lens.runtime + b"\0")
    report = await check_deployment(wanted)
    assert [each.subject for each in report.differences] == [
        "package, ZkOracleLens", f"ZkOracleLens {scene.deployment.lens}"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no endpoint twice"):
        await check_deployment(replace(wanted, rpc_urls=wanted.rpc_urls * 2))
    with pytest.raises(ConfigError, match="exclude each other"):
        await check_deployment(replace(wanted, manifest=scene.path, deployment=scene.path))
