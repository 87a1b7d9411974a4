"""Tests of private claims with real proofs: valid ones, refused ones, and attempts to prove something false."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eth_account import Account

from oracle.chain.abi.interface import Interface
from oracle.chain.contract import read
from oracle.chain.deploy.create2 import NO_SALT, Creation, create
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.claims import (
    AtLeast,
    AtMost,
    Between,
    ClaimBound,
    ClaimProof,
    ClaimTerms,
    Commitment,
    Constraint,
    Equals,
    ModelSpec,
    OneOf,
    ZkmlClient,
    attest,
    demo,
)
from oracle.claims.issuing import issue
from oracle.claims.onchain import Registry, model_problems, problem, registry_interface, require_registry
from oracle.claims.statement import edges, subject_limbs
from oracle.cli import oracle
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import ContractRejected, DataError, DeploymentError, OracleError
from oracle.core.formats import keccak
from oracle.proving.artifact import CIRCUIT, MANIFEST, PK, SETTINGS, SRS, VK, Artifact, Manifest, load, publish
from oracle.proving.engine.child import EngineProcess
from tests import circuits
from tests.attack.storage import leaving
from tests.claim_models import centroids
from tests.transactions import mined

SUBJECT = "0x" + "ab" * 20
OTHER = "0x" + "cd" * 20
FAR = (1 << 40) - 1


@pytest.fixture(scope="module")
def folder() -> Path:
    return circuits.folder()


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[ZkmlClient]:
    with ZkmlClient(folder) as made:
        made.register_model(ModelSpec.packaged("credit"))
        yield made


@pytest.fixture(scope="module")
def inputs(client: ZkmlClient) -> dict[str, object]:
    return demo.example(client.registered("credit"), 0.62, 0.73)


@pytest.fixture(scope="module")
def claim(client: ZkmlClient, inputs: dict[str, object]) -> ClaimProof:
    steps: list[str] = []
    made = client.generate_inference_proof(
        "credit", inputs, Between(0.6, 0.75), SUBJECT, expires_at=FAR, progress=steps.append
    )
    assert steps == ["commit", "prove", "proven"]
    return made


def test_a_claim_that_holds(client: ZkmlClient, claim: ClaimProof, tmp_path: Path) -> None:
    claim.save(tmp_path / "claim.json")
    assert ClaimProof.load(tmp_path / "claim.json") == claim
    assert client.verify_inference_proof(claim)


def test_the_page_as_written(project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the folder of circuits differs: it is the tests' own, and is kept."""
    blocks = re.findall(
        r"^```python\n(.*?)^```",
        (project_root / "docs/tutorials/make-a-claim.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    claims = []
    for code in blocks:
        exec(compile(code.replace('"build/claims"', repr(str(folder))), "make-a-claim.md", "exec"), names)
        claims.append(names["claim"])
    assert [each.model for each in claims] == ["credit", "points", "chances"]
    assert names["mine"].card["off"] == 0
    assert ModelSpec.load(tmp_path / "models" / "points.json") == names["mine"]


def test_another_salt_another_commitment(client: ZkmlClient, inputs: dict[str, object], claim: ClaimProof) -> None:
    # Without a salt, whoever guesses the data can check it: the commitment is a function of the data alone.
    unsalted = client.commit("credit", inputs, (0, 0, 0)).value
    guessed = client.commit("credit", dict(inputs), (0, 0, 0)).value
    assert guessed == unsalted
    # With a salt, the same guess reveals nothing.
    assert client.commit("credit", inputs).value not in (claim.commitment, unsalted)
    assert "salt" not in repr(Commitment((1,), (2, 3, 4), 5))


def test_what_does_not_hold_is_refused_and_cant_be_proven(client: ZkmlClient, inputs: dict[str, object]) -> None:
    with pytest.raises(DataError, match="output is outside the range") as refused:
        client.generate_inference_proof("credit", inputs, Between(0.8, 0.9), SUBJECT)
    model = client.registered("credit")
    score = model.circuit.score(model.spec.encode(inputs))
    assert str(score) not in str(refused.value)
    # Without the client's check, the engine proves what the circuit computes: that the score is not in the range.
    lo, hi = model.spec.bounds(Between(0.8, 0.9), model.circuit.score_unit, model.circuit.limit)
    made = client.commit("credit", inputs)
    forged = prove(client, "credit", (*made.features, *made.salt), lo, hi)
    hashed = forged["instances"][1]
    assert forged["outputs"][-1] == 0 and len(forged["outputs"]) == model.circuit.outputs
    told = ClaimProof(
        "credit", model.model_id, model.model_hash, made.value, ClaimTerms((ClaimBound(0, lo, hi),)),
        model.circuit.score_unit, SUBJECT, FAR,
        int(hashed, 16), bytes.fromhex(forged["proof"]),
    )  # fmt: skip
    assert not client.verify_inference_proof(told)


def bounded(claim: ClaimProof, **changes: int) -> ClaimProof:
    """Return a claim that says something else of the output."""
    return replace(claim, terms=replace(claim.terms, bounds=(replace(claim.terms.bounds[0], **changes),)))


@pytest.mark.attack
def test_nothing_can_be_changed(client: ZkmlClient, claim: ClaimProof) -> None:
    altered = bytearray(claim.proof)
    altered[100] ^= 1
    (told,) = claim.terms.bounds
    bounds: list[dict[str, int]] = [
        {"lo": told.lo + 1},
        {"hi": told.hi - 1},
        {"lo": told.hi, "hi": told.lo},
        # Bounds beyond the field's half, where an order would mean nothing.
        {"hi": FIELD_MODULUS // 2 + 1},
        {"lo": told.lo - FIELD_MODULUS},
        {"output": 1},
        {"output": -1},
    ]
    for bound in bounds:
        assert not client.verify_inference_proof(bounded(claim, **bound)), bound
    for terms in (
        ClaimTerms(()),
        replace(claim.terms, bounds=(told, told)),
        replace(claim.terms, changes=(told,), earlier=1),
        replace(claim.terms, changes=(told,)),
        replace(claim.terms, earlier=1),
    ):
        assert not client.verify_inference_proof(replace(claim, terms=terms)), terms
    changes: list[dict[str, Any]] = [
        {"subject": OTHER},
        {"expires_at": FAR - 1},
        {"commitment": claim.commitment ^ 1},
        {"statement_hash": claim.statement_hash ^ 1},
        {"proof": bytes(altered)},
        {"proof": claim.proof + b"\0"},
        {"proof": claim.proof[:-32]},
        {"model_hash": claim.model_hash ^ 1},
        {"model_id": claim.model_id ^ 1},
        {"unit": claim.unit * 2},
        {"expires_at": 1},
    ]
    for change in changes:
        assert not client.verify_inference_proof(replace(claim, **change)), change


def test_bad_inputs(client: ZkmlClient, inputs: dict[str, object]) -> None:
    def refuses(match: str, given: dict[str, object]) -> None:
        with pytest.raises(DataError, match=match):
            client.generate_inference_proof("credit", given, AtMost(0.9), SUBJECT)

    refuses("lack age_in_years", {key: value for key, value in inputs.items() if key != "age_in_years"})
    refuses("unknown wealth", {**inputs, "wealth": 1})
    refuses("outside the trained range", {**inputs, "age_in_years": 3})
    refuses("not a finite number", {**inputs, "age_in_years": float("nan")})
    refuses("none of", {**inputs, "credit_history": "excellent"})
    for bad in (lambda: Between(2, 1), lambda: Between(1, 1), lambda: Between(float("nan"), 1), lambda: OneOf((1, 3))):
        with pytest.raises(DataError):
            bad()
    for subject in ("", "0x12", "0x" + "00" * 20):
        with pytest.raises(DataError, match="not an address"):
            client.generate_inference_proof("credit", inputs, AtMost(0.9), subject)
    with pytest.raises(DataError, match="no classes"):
        client.generate_inference_proof("credit", inputs, Equals(1), SUBJECT)
    with pytest.raises(DataError, match="is registered"):
        client.commit("debit", inputs)


def test_files_that_are_none(claim: ClaimProof, tmp_path: Path) -> None:
    whole = json.dumps(claim.document())
    path = tmp_path / "claim.json"
    for text in ("", whole[:-40], "[]", "{}", whole.replace("claim-v2", "claim-v0"), whole.replace(SUBJECT, "nobody")):
        path.write_text(text)
        with pytest.raises(DataError, match=r"not a valid claim|not an address"):
            ClaimProof.load(path)


async def test_quantised_and_float_agree_but_for_the_guard_band() -> None:
    for name in ("identity", "credit", "fair-play"):
        card = ModelSpec.packaged(name).card
        assert card["guard_band"] <= 0.02
        assert abs(card["accuracy_float"] - card["accuracy_quantised"]) <= 0.005


# --- classes -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(client: ZkmlClient) -> ModelSpec:
    return client.register_model(centroids()).spec


POINT = {"x0": 0.42, "x1": 0.4, "x2": 0.38}
"""Data of class 1."""


def test_claims_of_classes(client: ZkmlClient, classifier: ModelSpec) -> None:
    unit = client.registered(classifier.name).circuit.score_unit
    for constraint, bounds in ((Equals(1), (unit, unit)), (OneOf((2, 1)), (unit, 2 * unit))):
        made = client.generate_inference_proof(classifier.name, POINT, constraint, SUBJECT, expires_at=FAR)
        assert made.terms == ClaimTerms((ClaimBound(0, *bounds),))
        assert client.verify_inference_proof(made)
        # A proof for other classes, or for fewer, does not hold.
        for lo, hi in ((0, 0), (2 * unit, 2 * unit), (bounds[0] - 1, bounds[1]), (unit, 3 * unit)):
            assert not client.verify_inference_proof(bounded(made, lo=lo, hi=hi))
    for constraint in (Equals(0), OneOf((2, 3))):
        with pytest.raises(DataError, match="output is outside the range"):
            client.generate_inference_proof(classifier.name, POINT, constraint, SUBJECT)
    with pytest.raises(DataError, match="has classes"):
        client.generate_inference_proof(classifier.name, POINT, Between(0, 1), SUBJECT)


@pytest.mark.attack
def test_another_class_cant_be_proven(client: ZkmlClient, classifier: ModelSpec) -> None:
    assert published(client, classifier.name, POINT, Equals(2)) == 0
    assert published(client, classifier.name, POINT, Equals(0)) == 0
    assert published(client, classifier.name, POINT, Equals(1)) == 1


def published(client: ZkmlClient, name: str, inputs: Mapping[str, Any], constraint: Constraint) -> int:
    """Return 1 if the circuit itself says that a claim holds, else 0."""
    model = client.registered(name)
    lo, hi = model.spec.bounds(constraint, model.circuit.score_unit, model.circuit.limit)
    made = client.commit(name, inputs)
    forged = prove(client, name, (*made.features, *made.salt), lo, hi, outputs=[])
    return int(forged["outputs"][-1])


def prove(
    client: ZkmlClient, name: str, data: tuple[int, ...], lo: int, hi: int, outputs: list[int] | None = None
) -> dict[str, Any]:
    """Prove without the client, which refuses what does not hold: the engine runs with the prover's own keys."""
    artifact = client.registered(name).artifact
    files = {"circuit": CIRCUIT, "settings": SETTINGS, "vk": VK, "pk": PK, "srs": SRS}
    paths: dict[str, Any] = {key: artifact.file(file) for key, file in files.items()}
    statement = [*edges(lo, hi), FAR, *subject_limbs(SUBJECT)]
    with EngineProcess(threads=2) as engine:
        return dict(engine.call("prove", **paths, inputs=[list(data), statement], outputs=outputs))


@pytest.mark.attack
def test_a_score_beyond_the_fields_half(client: ZkmlClient) -> None:
    """Whatever data an issuer signs, a proof of it is true of the integers, or there is no proof.

    For example, half the field's order in each feature, times weights whose sum is even, is a small number there.
    """
    circuit = client.registered("credit").circuit
    limit, count = circuit.limit, circuit.model.width
    below, above = edges(-limit, limit)
    for size in (1 << 8, 1 << 20, 1 << 40, 1 << 100, FIELD_MODULUS // 2, FIELD_MODULUS // 2 + 1, -1, -(1 << 40)):
        data = [size] * count
        score = int(circuit.circuit.evaluate_exactly([[max(0, each) for each in data]])[0][0])
        truth = int(below < 2 * score < above)
        try:
            told = prove(client, "credit", (*data, 1, 2, 3), -limit, limit, outputs=[])["outputs"][-1]
            if told != truth:
                assert not prove(client, "credit", (*data, 1, 2, 3), -limit, limit)["verified"], size
        except OracleError:
            # Honest data always has a proof.
            assert size != 1 << 8


# --- on a chain ----------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A local chain with the demo's registry, and the demo's own report."""

    chain: Anvil
    client: ZkmlClient
    registry: str
    lines: list[str]
    verdicts: list[bool]

    @property
    def accounts(self) -> list[Any]:
        """Return the accounts: admin, issuer, subject, and somebody else."""
        return [Account.from_key(each.key) for each in self.chain.accounts[:4]]

    def run(self, work: Callable[[Rpc], Any]) -> Any:
        """Run a coroutine and return its result."""

        async def connected() -> Any:
            async with Rpc(self.chain.rpc_url) as rpc:
                return await work(rpc)

        return asyncio.run(connected())

    def attested(self, claim: ClaimProof, by: Any = None, **changes: Any) -> ClaimProof:
        """Return the claim with the issuer's signature of its own content or of something else."""
        told: dict[str, Any] = {
            "chain_id": self.chain.chain_id,
            "registry": self.registry,
            "model_id": claim.model_id,
            "subject": claim.subject,
        }
        signed = attest(by or self.accounts[1], commitment=claim.commitment, expires_at=FAR, **(told | changes))
        return replace(claim, attestation=signed)

    def submit(self, claim: ClaimProof, by: Any = None) -> None:
        """Submit a claim as its subject, or as somebody else."""
        account = by or self.accounts[2]
        self.run(lambda rpc: Registry(rpc, self.registry, account, poll_s=0.05).submit(claim))

    def valid(self, claim: ClaimProof) -> bool:
        return self.run(lambda rpc: problem(rpc, self.registry, claim)) is None

    def refuses(self, claim: ClaimProof, error: str, by: Any = None) -> None:
        block = self.chain.rpc("eth_blockNumber")
        with pytest.raises(ContractRejected) as refused:
            self.submit(claim, by)
        assert refused.value.name == error, refused.value
        assert self.chain.rpc("eth_blockNumber") == block
        assert not self.valid(claim)


@pytest.fixture(scope="module")
def scene(client: ZkmlClient, anvil: Callable[..., Anvil]) -> Scene:
    made = Scene(anvil(), client, "", [], [])
    admin, issuer, subject, _ = made.accounts
    made.verdicts = made.run(lambda rpc: demo.run(client, rpc, admin, issuer, subject, made.lines.append))
    made.registry = made.lines[0].split()[1]
    return made


@pytest.fixture(scope="module")
def onchain(scene: Scene, client: ZkmlClient, inputs: dict[str, object]) -> ClaimProof:
    """Return a proven claim of the scene's subject, which was not submitted."""
    return client.generate_inference_proof(
        "credit", inputs, Between(0.55, 0.8), scene.accounts[2].address, expires_at=FAR
    )


@pytest.mark.attack
def test_a_registry_that_other_creation_code_left(scene: Scene) -> None:
    """It has the release's code, immutables and all, and whatever claims its maker wrote into its storage."""
    admin = scene.accounts[0]

    async def planted(rpc: Rpc) -> str:
        sender = Sender(rpc, admin, poll_s=0.05)
        wanted = Creation("planted", leaving({keccak(b"a claim"): 1}, await rpc.code(scene.registry)))
        return (await create(rpc, sender, wanted)).address

    scene.run(lambda rpc: require_registry(rpc, scene.registry))
    copy = scene.run(planted)
    with pytest.raises(DeploymentError, match="has the code of ClaimRegistry, but other creation code put it there"):
        scene.run(lambda rpc: require_registry(rpc, copy))
    with pytest.raises(DeploymentError, match="there is no ClaimRegistry of this release at"):
        scene.run(lambda rpc: require_registry(rpc, OTHER))


def test_a_registry_is_found_where_its_admin_and_delay_say(scene: Scene) -> None:
    admin = scene.accounts[0]

    async def deployed(rpc: Rpc) -> list[str]:
        salts = (NO_SALT, NO_SALT, b"\x01" * 32)
        return [(await Registry.deploy(rpc, admin, 7, salt=salt, poll_s=0.05)).address for salt in salts]

    first, again, other = scene.run(deployed)
    assert first == again != other


@pytest.mark.attack
def test_a_model_of_a_registry_from_public_files(scene: Scene, client: ZkmlClient, tmp_path: Path) -> None:
    """Whoever relies on a model's id sees whose claims it accepts, without the model."""
    credit, identity = client.registered("credit"), client.registered("identity")
    copy = publish(credit.artifact, tmp_path / "credit")

    def problems(model_id: int, artifact: Artifact = copy) -> list[str]:
        found: list[str] = scene.run(lambda rpc: model_problems(rpc, scene.registry, model_id, artifact))
        return found

    assert problems(credit.model_id) == []
    told = problems(identity.model_id)
    assert told[0] == "its verifier's code is not what follows from the circuit's key"
    assert any("hash of the weights is another" in each for each in told)
    assert problems(1) == [f"the registry has no model {1:#066x}"]
    # A manifest that promises a wider limit than its digits hold, with hashes that fit.
    document = json.loads((copy.path / MANIFEST).read_text())
    document["imported"]["claim"]["limit"] <<= 20
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (copy.path / MANIFEST).write_text(json.dumps(document))
    told = problems(credit.model_id, load(copy.path, prover=False))
    assert any("limit of bounds is another" in each for each in told)
    assert any("a prover could choose a side" in each for each in told)
    arguments = [
        "claim",
        "verify-model",
        f"{credit.model_id:#066x}",
        "--rpc",
        scene.chain.rpc_url,
        "--registry",
        scene.registry,
    ]
    done = CliRunner().invoke(oracle, [*arguments, "--artifact", str(credit.artifact.path)])
    assert done.exit_code == 0 and "is the model of this circuit" in done.output, done.output
    done = CliRunner().invoke(oracle, [*arguments, "--artifact", str(identity.artifact.path)])
    assert done.exit_code == 1 and "is NOT the model of this circuit" in done.output


def test_four_cases_on_a_chain(scene: Scene) -> None:
    assert scene.verdicts == [True, False, True, False]
    assert sum("output is outside the range" in line for line in scene.lines) == 2


@pytest.mark.attack
def test_what_the_registry_refuses(scene: Scene, onchain: ClaimProof) -> None:
    other = scene.accounts[3]
    good = scene.attested(onchain)
    with pytest.raises(DataError, match="no issuer"):
        scene.submit(onchain)
    # The commitment is signed by nobody or by an untrusted issuer, or the signature is of something else.
    scene.refuses(scene.attested(onchain, other), "UntrustedIssuer")
    scene.refuses(scene.attested(onchain, registry=OTHER), "UntrustedIssuer")
    scene.refuses(scene.attested(onchain, chain_id=1), "UntrustedIssuer")
    scene.refuses(scene.attested(onchain, subject=other.address), "UntrustedIssuer")
    scene.refuses(replace(good, commitment=onchain.commitment ^ 1), "UntrustedIssuer")
    # Another subject's proof, unchanged and under the sender's own address.
    scene.refuses(good, "NotSubject", other)
    scene.refuses(scene.attested(replace(onchain, subject=other.address)), "ProofRejected", other)
    # Other bounds than proven, reversed bounds, and bounds beyond what the circuit compares.
    (told,) = onchain.terms.bounds
    scene.refuses(bounded(good, hi=told.hi + 1), "ProofRejected")
    scene.refuses(bounded(good, lo=told.lo - 1), "ProofRejected")
    scene.refuses(bounded(good, lo=told.hi, hi=told.lo), "InvalidBounds")
    scene.refuses(bounded(good, hi=1 << 126), "InvalidBounds")
    scene.refuses(bounded(good, output=1), "InvalidTerms")
    # The claim has expired.
    scene.refuses(replace(good, expires_at=1), "Expired")
    scene.refuses(replace(good, expires_at=FAR - 1), "ProofRejected")
    # Another commitment, which an issuer has signed, and another model.
    scene.refuses(scene.attested(replace(onchain, commitment=onchain.commitment ^ 1)), "ProofRejected")
    identity = scene.client.registered("identity")
    as_identity = replace(onchain, model_id=identity.model_id, model_hash=identity.model_hash)
    assert not scene.client.verify_inference_proof(as_identity)
    limit, proof_bytes = identity.circuit.limit, identity.artifact.manifest.proof_bytes
    fits = replace(as_identity, proof=onchain.proof.ljust(proof_bytes, b"\0")[:proof_bytes])
    scene.refuses(scene.attested(bounded(fits, hi=min(told.hi, limit))), "ProofRejected")
    scene.refuses(scene.attested(replace(onchain, model_id=1)), "UnknownModel")
    # Changed bytes, one in each part of the proof; more bytes, and fewer.
    for at in range(7, len(onchain.proof), 320):
        changed = bytes([*onchain.proof[:at], onchain.proof[at] ^ 1, *onchain.proof[at + 1 :]])
        scene.refuses(replace(good, proof=changed), "ProofRejected")
    scene.refuses(replace(good, proof=onchain.proof + b"\0"), "WrongProofLength")
    scene.refuses(replace(good, proof=onchain.proof[:-1]), "WrongProofLength")
    scene.refuses(replace(good, statement_hash=onchain.statement_hash ^ 1), "ProofRejected")


@pytest.mark.attack
def test_the_same_proof_twice_and_after_its_revocation(scene: Scene, onchain: ClaimProof) -> None:
    good = scene.attested(onchain)
    scene.submit(good)
    assert scene.valid(onchain)
    with pytest.raises(ContractRejected, match="recorded already"):
        scene.submit(good)
    issuer = scene.accounts[1]
    scene.run(lambda rpc: Registry(rpc, scene.registry, issuer, poll_s=0.05).revoke(onchain.commitment))
    assert scene.run(lambda rpc: problem(rpc, scene.registry, onchain)) == f"its issuer {issuer.address} has revoked it"
    scene.refuses(good, "Revoked")


# --- consumers -----------------------------------------------------------------------------------------------------


Code = tuple[Any, bytes]
"""The ABI and creation code of an example."""


class Contract:
    """An example consumer on the scene's chain."""

    def __init__(self, scene: Scene, code: Code, *arguments: Any, value: int = 0) -> None:
        self.scene, self.interface = scene, Interface(code[0])
        data = code[1] + self.interface.encode_constructor(*arguments)
        self.address = self._mine(0, None, data, value)["contractAddress"]

    def call(self, function: str, *arguments: Any) -> Any:
        return self.scene.run(lambda rpc: read(rpc, self.interface, self.address, function, *arguments))

    def send(self, account: int, function: str, *arguments: Any) -> bool:
        """Send a transaction and return whether it succeeded."""
        data = self.interface.encode_call(function, *arguments)
        return bool(self._mine(account, self.address, data)["status"] == "0x1")

    def _mine(self, account: int, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        rpc = self.scene.chain.rpc
        sent = {"from": self.scene.chain.accounts[account].address, "data": "0x" + data.hex(), "value": hex(value)}
        return mined(rpc, sent | ({"to": to} if to else {}))


ADMIN, SUBJECT_AT, STRANGER = 0, 2, 3


@pytest.fixture(scope="module")
def consumers(project_root: Path) -> dict[str, Code]:
    file = "contracts/examples/ClaimConsumers.sol"
    sources = (file, "contracts/src/interfaces/IClaimRegistry.sol")
    request = standard_input({name: (project_root / name).read_text() for name in sources})
    found = compile_standard(request, "0.8.30")["contracts"][file]
    return {name: (each["abi"], bytes.fromhex(each["evm"]["bytecode"]["object"])) for name, each in found.items()}


def test_an_allow_list_lets_in_who_has_proven_identity(scene: Scene, consumers: dict[str, Code]) -> None:
    model = scene.client.registered("identity")
    lo, hi = model.spec.bounds(Between(0.8, 1.0), model.circuit.score_unit, model.circuit.limit)
    club = Contract(scene, consumers["AllowList"], scene.registry, (model.model_id.to_bytes(32, "big"), 0, lo, hi))
    assert club.send(SUBJECT_AT, "join")
    assert club.call("members", scene.accounts[SUBJECT_AT].address)
    assert not club.send(STRANGER, "join")
    assert not club.call("members", scene.accounts[STRANGER].address)
    # The consumer asks for a higher bar than proven.
    strict = Contract(
        scene, consumers["AllowList"], scene.registry, (model.model_id.to_bytes(32, "big"), 0, lo + 1, hi)
    )
    assert not strict.send(SUBJECT_AT, "join")


def test_a_lenders_rate_depends_on_the_proven_band(scene: Scene, consumers: dict[str, Code]) -> None:
    model = scene.client.registered("credit")
    unit, limit = model.circuit.score_unit, model.circuit.limit
    bands = [(*model.spec.bounds(each, unit, limit), rate) for each, rate in CREDIT_BANDS]
    model_id = model.model_id.to_bytes(32, "big")
    lender = Contract(scene, consumers["BandLender"], scene.registry, model_id, 0, bands)
    proven = model.spec.bounds(Between(0.6, 0.75), unit, limit)
    borrower, stranger = (scene.accounts[at].address for at in (SUBJECT_AT, STRANGER))
    # The proven bound is too low for the best band and high enough for the second.
    assert lender.call("rateOf", borrower, (model_id, [(0, *proven)], [], 0)) == 60_000
    for who, hint in ((stranger, proven), (borrower, bands[0][:2]), (borrower, bands[1][:2])):
        with pytest.raises(ContractRejected, match="NoClaim"):
            lender.call("rateOf", who, (model_id, [(0, *hint)], [], 0))


CREDIT_BANDS = ((AtLeast(0.75), 30_000), (Between(0.5, 0.8), 60_000))


def test_a_tournament_pays_out_for_fair_play(scene: Scene, consumers: dict[str, Code]) -> None:
    """From data to money: an issuer commits to the telemetry, the winner proves, and the prize is paid."""
    client, (admin, issuer, winner, _) = scene.client, scene.accounts
    model = client.register_model(ModelSpec.packaged("fair-play"))

    async def take_in(rpc: Rpc) -> None:
        registry = Registry(rpc, scene.registry, admin, poll_s=0.05)
        await registry.propose(model)
        await registry.trust(issuer.address, model)

    scene.run(take_in)
    lo, hi = model.spec.bounds(AtLeast(0.9), model.circuit.score_unit, model.circuit.limit)
    prize, required = 10**18, (model.model_id.to_bytes(32, "big"), 0, lo, hi)
    arguments = (scene.registry, required, winner.address)
    tournament = Contract(scene, consumers["Tournament"], *arguments, value=prize)
    assert not tournament.send(SUBJECT_AT, "collect")
    cheated = demo.example(model, 0, 0.5)
    with pytest.raises(DataError, match="output is outside the range"):
        client.generate_inference_proof("fair-play", cheated, AtLeast(0.9), winner.address)
    told, private = issue(
        client,
        issuer,
        model.spec,
        model.model_id,
        demo.example(model, 0.93, 1),
        chain_id=scene.chain.chain_id,
        registry=scene.registry,
        subject=winner.address,
        expires_at=FAR,
    )
    salt = tuple(private.pop("salt"))
    claim = client.generate_inference_proof(
        "fair-play", private, AtLeast(0.9), winner.address, salt=salt, expires_at=FAR
    )
    told.require(claim.model_id, claim.subject, claim.commitment)
    scene.submit(replace(claim, attestation=told.attestation))
    assert not tournament.send(STRANGER, "collect")
    before = int(scene.chain.rpc("eth_getBalance", tournament.address, "latest"), 16)
    assert tournament.send(SUBJECT_AT, "collect")
    assert (before, int(scene.chain.rpc("eth_getBalance", tournament.address, "latest"), 16)) == (prize, 0)


# --- by the command line -------------------------------------------------------------------------------------------


@dataclass
class Shell:
    """Runs `oracle claim …` in a folder with a key for each of the scene's accounts."""

    folder: Path
    scene: Scene
    registry: str = ""

    def __call__(self, command: str, *arguments: str, key: str = "", rpc: bool = True, code: int = 0) -> str:
        given = [command, *arguments]
        if key:
            given += ["--keystore", str(self.folder / f"{key}.json"), "--password-file", str(self.folder / "password")]
        if self.registry and rpc:
            given += ["--rpc", self.scene.chain.rpc_url, "--registry", self.registry]
        done = CliRunner().invoke(oracle, ["claim", *given])
        if code:
            assert isinstance(done.exception, OracleError) and done.exception.exit_code == code, done.output
            assert len(str(done.exception).splitlines()) == 1
            return str(done.exception)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def shell(scene: Scene, tmp_path: Path) -> Shell:
    (tmp_path / "password").write_text("a password\n")
    (tmp_path / "password").chmod(0o600)
    for name, account in zip(("admin", "issuer", "subject", "stranger"), scene.accounts, strict=True):
        keystore.import_key(tmp_path / f"{name}.json", account.key.hex(), "a password", iterations=2)
    return Shell(tmp_path, scene)


def test_from_data_to_a_recorded_claim_by_commands(
    shell: Shell, inputs: dict[str, object], client: ZkmlClient, folder: Path, tmp_path: Path
) -> None:
    scene, where = shell.scene, ("--folder", str(folder))
    _, issuer, subject, _ = scene.accounts
    url = ("--rpc", scene.chain.rpc_url)
    shell.registry = shell("deploy", *url, "--delay", "0", "--salt", "1", key="admin").strip()

    # The admin: a model and its issuer.
    nowhere = shell("propose-model", *where, *url, "--registry", OTHER, key="admin", rpc=False, code=1)
    assert "there is no ClaimRegistry of this release" in nowhere
    assert "is not the registry's admin" in shell("propose-model", *where, key="stranger", code=1)
    model_id = shell("propose-model", *where, key="admin").strip()
    assert int(model_id, 16) == client.registered("credit").model_id
    assert "the model was proposed before" in shell("propose-model", *where, key="admin", code=1)
    wanted = json.loads(shell("add-issuer", model_id, issuer.address, "--calldata", "--json"))
    assert wanted["to"] == shell.registry
    name, arguments = registry_interface().decode_call(bytes.fromhex(wanted["data"].removeprefix("0x")))
    assert (name, arguments["issuer"]) == ("addIssuer", issuer.address)
    assert "can sign nothing" in shell("add-issuer", model_id, shell.registry, key="admin", code=1)
    shell("add-issuer", model_id, issuer.address, key="admin")
    assert "named for this model before" in shell("add-issuer", model_id, issuer.address, key="admin", code=1)

    # The issuer: from data to an attestation, and a file for the subject alone.
    (tmp_path / "data.json").write_text(json.dumps(inputs))
    outs = ("--out", shell.file("attestation.json"), "--private-out", shell.file("private.json"))
    chain = ("--chain-id", str(scene.chain.chain_id), "--registry", shell.registry, "--subject", subject.address)
    # The issuer has no more of the model than the features.
    features = tmp_path / "credit.json"
    client.registered("credit").spec.save(tmp_path)
    (tmp_path / "credit.onnx").unlink()
    attesting = (shell.file("data.json"), "--model", str(features), "--model-id", model_id, *chain, *outs)
    told = json.loads(shell("attest", *attesting, "--json", key="issuer", rpc=False))
    assert (told["issuer"], told["private"]) == (issuer.address, shell.file("private.json"))
    assert stat.S_IMODE(os.stat(shell.file("private.json")).st_mode) == 0o600
    private = json.loads((tmp_path / "private.json").read_text())
    public = (tmp_path / "attestation.json").read_text()
    salt = private.pop("salt")
    assert private == inputs and len(set(salt)) == 3
    assert not any(key in public for key in inputs) and not any(str(limb) in public for limb in salt)
    # Another salt would make the first commitment useless.
    assert "may contain the salt of another commitment" in shell("attest", *attesting, key="issuer", rpc=False, code=2)

    # The subject: a claim.
    proving = ("--attestation", shell.file("attestation.json"), *where, "--out", shell.file("claim.json"))
    bounds = ("--at-least", "0.6", "--at-most", "0.75")
    (tmp_path / "other.json").write_text(json.dumps({**inputs, "salt": [1, 2, 3]}))
    other = shell("prove", shell.file("other.json"), *proving, *bounds, rpc=False, code=2)
    assert "another commitment, made of other inputs or another salt" in other
    outside = shell("prove", shell.file("private.json"), *proving, "--at-least", "0.8", rpc=False, code=2)
    assert "output is outside the range" in outside
    assert not (tmp_path / "claim.json").exists()
    proven = json.loads(shell("prove", shell.file("private.json"), *proving, *bounds, "--json", rpc=False))
    assert proven["commitment"] == told["commitment"]
    assert "never recorded" in shell("verify", shell.file("claim.json"), *where, code=1)
    assert f"and {scene.accounts[3].address} sent it" in shell(
        "submit", shell.file("claim.json"), key="stranger", code=1
    )
    assert json.loads(shell("submit", shell.file("claim.json"), "--json", key="subject"))["gas_used"] > 100_000
    assert "valid at" in shell("verify", shell.file("claim.json"), *where)
    assert "recorded already" in shell("submit", shell.file("claim.json"), key="subject", code=1)

    # Files that were cut or edited, of another model, or without an attestation.
    claim = ClaimProof.load(tmp_path / "claim.json")
    edited = tmp_path / "edited.json"
    edited.write_text((tmp_path / "claim.json").read_text()[:-40])
    assert "is not a valid claim" in shell("submit", str(edited), key="subject", code=2)
    for changed, says in (
        (bounded(claim, lo=claim.terms.bounds[0].lo - 1), "does not hold"),
        (replace(claim, model_id=claim.model_id ^ 1), "its model is not registered here"),
        (replace(claim, expires_at=1), "it has expired"),
    ):
        changed.save(edited)
        assert says in shell("verify", str(edited), *where, code=1)
    replace(claim, attestation=None).save(edited)
    assert "prove it with --attestation" in shell("submit", str(edited), key="subject", code=2)

    # The attestation is revoked, then the issuer, then the model.
    commitment = f"{claim.commitment:#066x}"
    shell("revoke", commitment, key="stranger")
    shell("verify", shell.file("claim.json"), *where)
    shell("revoke", commitment, key="issuer")
    assert "has revoked it" in shell("verify", shell.file("claim.json"), *where, code=1)
    assert "has revoked the commitment" in shell("submit", shell.file("claim.json"), key="subject", code=1)
    assert "is not the registry's admin" in shell("remove-issuer", model_id, issuer.address, key="issuer", code=1)
    shell("remove-issuer", model_id, issuer.address, key="admin")
    assert "is not an issuer of this model here" in shell("submit", shell.file("claim.json"), key="subject", code=1)
    shell("retire-model", model_id, key="admin")
    assert "its model is retired" in shell("verify", shell.file("claim.json"), *where, code=1)
    assert "is retired" in shell("submit", shell.file("claim.json"), key="subject", code=1)
