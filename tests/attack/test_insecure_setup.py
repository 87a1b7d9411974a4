"""Tests that a local SRS is refused except on a local chain: whoever knows its secret can prove anything."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from oracle.app.audit import audit
from oracle.app.deploy import deploy
from oracle.audit.report import ProblemKind
from oracle.chain.deploy import PUBLIC_CEREMONY, DeployPlan
from oracle.chain.deploy import deploy as deploy_plan
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.core.errors import ArtifactError, InsecureSetup
from oracle.core.formats import keccak
from oracle.proving.artifact import COMPILED, MANIFEST, PROBE, Artifact, Manifest
from oracle.proving.artifact import load as load_artifact
from oracle.proving.srs.ceremony import CEREMONY_NEG_S_G2
from tests.attack.calldata import encode
from tests.attack.node import DEPLOYER, GENESIS
from tests.attack.proofs import Proofs
from tests.attack.rig import ANSWER, NORMAL, REPORTER, Rig, Sighting
from tests.attack.setup import audit_folder, configure

pytestmark = pytest.mark.attack

BASE = 8453
CONSTANTS = b"".join(value.to_bytes(32) for value in CEREMONY_NEG_S_G2)
NOT_TIED = "its verifier is not tied to its circuit"


@pytest.fixture
def elsewhere(anvil: Callable[..., Anvil]) -> Iterator[Anvil]:
    """Return a chain whose id does not say that it is local, whatever node runs it."""
    with anvil(chain_id=BASE, start_time=GENESIS) as chain:
        yield chain


def encrypted(chain: Anvil, folder: Path) -> str:
    """Return the section of keys with Anvil's accounts in keystores, so that plain keys are not why it is refused."""
    (folder / "password").write_text("secret\n", encoding="utf-8")
    (folder / "password").chmod(0o600)
    lines = []
    for role, account in (("reporter", REPORTER), ("submitter", DEPLOYER)):
        keystore.import_key(folder / f"{role}.json", chain.accounts[account].key, "secret", iterations=2)
        lines.append(f'{role} = {{ keystore = "{role}.json", password_file = "password" }}')
    return "\n".join(lines)


def disguised(local: Artifact, folder: Path) -> Artifact:
    """Return an artifact of a local SRS whose verifier has the public ceremony's constants in code that never runs."""
    return altered(local, folder / "disguised", local.verifier().runtime)


def altered(local: Artifact, target: Path, code: bytes) -> Artifact:
    """Return an artifact with code of one's own, and the public ceremony's constants behind it; all hashes fit."""
    shutil.copytree(local.path, target)
    runtime = code + b"\0" + CONSTANTS
    # PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
    creation = b"\x61" + len(runtime).to_bytes(2) + bytes.fromhex("80600a5f395ff3") + runtime
    compiled = json.loads((target / COMPILED).read_text(encoding="utf-8"))
    compiled |= {"runtime": runtime.hex(), "bytecode": creation.hex()}
    (target / COMPILED).write_text(json.dumps(compiled), encoding="utf-8")
    digest = hashlib.sha256((target / COMPILED).read_bytes()).hexdigest()
    return relabelled(
        target,
        verifier_code_hash="0x" + keccak(runtime).hex(),
        files={**local.manifest.files, COMPILED: digest},
    )


def relabelled(folder: Path, **changes: Any) -> Artifact:
    """Return an artifact with another manifest, whose own hash is right."""
    document = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) | changes
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (folder / MANIFEST).write_text(json.dumps(document), encoding="utf-8")
    probe = json.loads((folder / PROBE).read_text(encoding="utf-8")) | {"artifact_hash": document["artifact_hash"]}
    (folder / PROBE).write_text(json.dumps(probe), encoding="utf-8")
    return load_artifact(folder)


async def yes(self: Rpc) -> bool:
    return True


def test_a_local_srs_is_not_deployed_elsewhere(proofs: Proofs, elsewhere: Anvil, tmp_path: Path) -> None:
    """The configuration says it, or the circuit itself."""
    config = configure(proofs, elsewhere, tmp_path, encrypted(elsewhere, tmp_path))
    with pytest.raises(InsecureSetup, match=r"insecure-local.*is for a local chain only"):
        proofs.run(deploy(config, lambda line: None))

    async def without_the_setting() -> None:
        plan = DeployPlan((), (), {"default": [proofs.artifact()]}, change_delay=0)
        async with Rpc(elsewhere.rpc_url, BASE) as rpc:
            payer = Account.from_key(elsewhere.accounts[DEPLOYER].key)
            await deploy_plan(plan, rpc, payer, config.chain.deployment)

    with pytest.raises(InsecureSetup, match=f"SRS is not the public ceremony's.*chain {BASE} is not a local chain"):
        proofs.run(without_the_setting())
    assert elsewhere.rpc("eth_blockNumber") == "0x0", "nothing was sent"
    assert not config.chain.deployment.exists()


def test_well_known_keys_are_not_used_elsewhere(proofs: Proofs, elsewhere: Anvil, tmp_path: Path) -> None:
    with pytest.raises(InsecureSetup, match="anvil_account = 0"):
        proofs.run(deploy(configure(proofs, elsewhere, tmp_path), lambda line: None))
    assert elsewhere.rpc("eth_blockNumber") == "0x0", "nothing was sent"


def test_a_node_can_not_pass_for_a_local_chain_by_its_name(proofs: Proofs, elsewhere: Anvil) -> None:
    """The node says that it is an Anvil, and it is one; the chain's id counts as well."""

    async def asked() -> tuple[str, bool]:
        async with Rpc(elsewhere.rpc_url) as rpc:
            return await rpc.client_version(), await rpc.is_local()

    version, local = proofs.run(asked())
    assert version.startswith("anvil") and not local


def test_an_audit_elsewhere_reports_a_local_srs(
    proofs: Proofs, elsewhere: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployer used a copy of this package that allows it."""
    with monkeypatch.context() as patched:
        patched.setattr(Rpc, "is_local", yes)
        rig = Rig.build(proofs, elsewhere, tmp_path)
    folder = audit_folder(tmp_path / "artifacts", proofs.artifact())
    report = proofs.run(audit(rig.hub.address, elsewhere.rpc_url, folder))
    rig.close()
    assert not report.ok
    assert [problem for problem in report.problems if "local SRS" in problem.text] == list(report.problems) != []
    assert (report.verified, report.failed) == (3, 0), "the proofs themselves hold; that says nothing here"
    assert not any("local SRS" in note for note in report.notes)


# --- disguises ---


def test_a_disguised_verifier_is_not_deployed_elsewhere(proofs: Proofs, elsewhere: Anvil, tmp_path: Path) -> None:
    artifact = disguised(proofs.artifact(), tmp_path)
    assert CONSTANTS in artifact.verifier().runtime, "or this test shows nothing"
    plan = DeployPlan(committees=(), feeds=(), models={"default": [artifact]}, change_delay=0)
    payer = Account.from_key(elsewhere.accounts[DEPLOYER].key)

    async def attempt() -> None:
        async with Rpc(elsewhere.rpc_url) as rpc:
            await deploy_plan(plan, rpc, payer, tmp_path / "deployment.json")

    with pytest.raises(InsecureSetup, match="SRS is not the public ceremony's"):
        proofs.run(attempt())
    assert elsewhere.rpc("eth_blockNumber") == "0x0"


def test_a_manifest_can_not_call_a_local_srs_the_ceremonys(proofs: Proofs, tmp_path: Path) -> None:
    artifact = disguised(proofs.artifact(), tmp_path)
    with pytest.raises(ArtifactError, match="not of the origin that the manifest states"):
        relabelled(artifact.path, srs_origin=PUBLIC_CEREMONY)


def test_an_audit_sees_through_a_disguised_verifier(
    proofs: Proofs, elsewhere: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The constant is no evidence: code that never runs has it, too. What follows from the key does not have it."""
    artifact = disguised(proofs.artifact(), tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Rpc, "is_local", yes)
        rig = Rig.build(proofs, elsewhere, tmp_path)
    created = rig.receipt(artifact.verifier().bytecode, to="")["contractAddress"]
    other = rig.second_hub(created)
    assert other.accepts(other.honest("solo", Sighting(ANSWER)))
    report = proofs.run(audit(other.hub.address, elsewhere.rpc_url, audit_folder(tmp_path / "artifacts", artifact)))
    rig.close()
    assert (report.verified, report.failed, report.unchecked, report.ok) == (0, 0, 1, False)
    assert [(each.kind, NOT_TIED in each.text) for each in report.problems] == [(ProblemKind.ARTIFACT, True)]


def test_a_verifier_that_says_yes_is_refused(
    proofs: Proofs, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, settings, SRS and Verifier.sol are honest; the hub takes the contract, and the honest probe with it."""
    artifact = altered(proofs.artifact(), tmp_path / "yes", bytes.fromhex("600160005260206000f3"))
    assert CONSTANTS in artifact.verifier().runtime, "or this test shows less"
    # It is not deployed, even on a local chain, if somebody put it where the configuration's artifact would be.
    with monkeypatch.context() as patched:
        patched.setattr("oracle.app.deploy.find_artifact", lambda *asked: artifact)
        block = rig.chain.rpc("eth_blockNumber")
        with pytest.raises(
            ArtifactError, match=r"the runtime code in verifier\.json is not that of its key's verifier"
        ):
            proofs.run(deploy(configure(proofs, rig.chain, tmp_path), lambda line: None))
        assert rig.chain.rpc("eth_blockNumber") == block, "nothing was sent"
    # Where somebody else deployed it, the audit says so, and believes no proof that it took.
    created = rig.receipt(artifact.verifier().bytecode, to="")["contractAddress"]
    other = rig.second_hub(created)
    honest = other.honest("solo", Sighting(ANSWER, 600))
    assert other.accepts(honest)
    assert other.send(encode(replace(other.honest("solo", Sighting(NORMAL, 1_200)), proof=b"junk")))
    assert other.state("solo").round_id == 2, "or the hub does not take it"
    folder = audit_folder(tmp_path / "artifacts", artifact)
    report = proofs.run(audit(other.hub.address, rig.chain.rpc_url, folder))
    assert (report.verified, report.ok) == (0, False) and report.unchecked == 2
    assert any(NOT_TIED in each.text for each in report.problems)
    # With the honest artifact instead, no circuit has this code.
    honestly = audit_folder(tmp_path / "honest", proofs.artifact())
    report = proofs.run(audit(other.hub.address, rig.chain.rpc_url, honestly))
    assert any("no artifact here is of model 1 with 1 windows" in each.text for each in report.problems)
