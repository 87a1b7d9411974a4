"""Tests of a model of several circuits: built, proven, verified as a chain off-chain and on-chain, and attacked."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractCustomError

from oracle.app.deployed_models import deploy_model, verify_deployed_model
from oracle.chain import compiled
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.cli import oracle
from oracle.core import encoding
from oracle.core.errors import ArtifactError, DataError, InsecureSetup, MemoryExceeded, ProofInvalid, ProverTimeout
from oracle.proving import artifact, split
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.disclosure import largest
from oracle.proving.engine.child import EngineProcess
from oracle.proving.hashing import sha256_of
from oracle.proving.inspect.artifact import inspect_artifact
from oracle.proving.interface import Proof, ProofJob, Prover
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.pool.local import LocalProver
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.split import ArtifactChain, ChainProver, ModelProof, pieces, planning
from oracle.proving.tuning import Objective
from oracle.proving.verification import LocalVerifier
from tests import circuits
from tests.models import model, node, points, weights

SAMPLES = points(20, 3, 1)


def network(seed: int) -> bytes:
    """Return a network 3 → 4 → 4 → 2 with two ReLUs: 36 weights."""
    rng = np.random.default_rng(seed)
    shapes = {"w0": (3, 4), "w1": (4, 4), "w2": (4, 2)}
    nodes = [
        node("MatMul", ["x", "w0"], "h0"),
        node("Relu", ["h0"], "a0"),
        node("MatMul", ["a0", "w1"], "h1"),
        node("Relu", ["h1"], "a1"),
        node("MatMul", ["a1", "w2"]),
    ]
    return model(nodes, ["N", 3], [weights(name, rng.normal(size=shape)) for name, shape in shapes.items()])


def circuit_of(data: bytes) -> Circuit:
    program, problems = lower(read_model(data))
    assert program is not None, problems
    return instantiate(largest(program), 8, 6, encoding.CLIP)


@dataclass(frozen=True)
class Built:
    """The circuit, artifacts and proofs that the tests share."""

    circuit: Circuit
    plan: pieces.Plan
    chain: ArtifactChain
    proof: ModelProof
    window: tuple[int, ...]
    folder: Path

    def again(self, cache: Path, progress: Callable[[str], None] = lambda step: None) -> ArtifactChain:
        return split.build(
            self.plan,
            self.circuit,
            name="net",
            visibility=Visibility.PRIVATE,
            disclosure="verdict",
            facts={},
            srs=circuits.srs(),
            compile_standard=circuits.compiler,
            kept=circuits.regenerated(),
            cache=cache,
            progress=progress,
        )


def prove(chain: ArtifactChain, window: tuple[int, ...], **more: Any) -> ModelProof:
    async def run() -> ModelProof:
        async with ChainProver(chain, **more) as prover:
            return await prover.prove(window)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build a private model that publishes its verdict, in three segments, and prove one window."""
    folder = tmp_path_factory.mktemp("split")
    circuit = circuit_of(network(1))
    with EngineProcess() as engine:
        plan = planning.plan(
            circuit,
            name="net",
            visibility=Visibility.PRIVATE,
            objective=Objective.TIME,
            memory=4 << 30,
            cores=2,
            engine=engine,
            folder=folder,
            at=[2, 4],
        )
    window = tuple(circuit.quantise(SAMPLES[:1])[0].tolist())
    made = Built(circuit, plan, None, None, window, folder)  # type: ignore[arg-type]
    chain = made.again(folder / "artifacts")

    async def twice() -> list[ModelProof]:
        async with ChainProver(chain) as prover:
            return [await prover.prove(window), await prover.prove(window)]

    proof, again = asyncio.run(twice())
    # Proofs are randomised, so equal ones show that nothing was proven the second time.
    assert again == proof
    return replace(made, chain=chain, proof=proof)


@pytest.mark.parametrize(("count", "told"), [(1, "the only segment: "), (3, "segment 1 of 3: ")])
def test_segments_are_counted_where_there_are_several(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, told: str
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: Any, **__: Any) -> Artifact:
        raise Stopped

    steps: list[str] = []
    monkeypatch.setattr(artifact, "build", stop)
    with pytest.raises(Stopped):
        replace(built, plan=replace(built.plan, segments=built.plan.segments[:count])).again(tmp_path, steps.append)
    assert [each.startswith(told) for each in steps] == [True]


# --- the chain -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_chain_proves_what_the_whole_computes(built: Built) -> None:
    chain, proof = built.chain, built.proof
    assert [each.manifest.hashed for each in chain.artifacts] == [("output",), ("input", "output"), ("input",)]
    assert proof.outputs == tuple(built.circuit.evaluate_exactly([built.window])[0].tolist())
    # The weights are private, so what is published are verdicts, and hashes.
    assert sorted(proof.outputs) == [0, 1] and chain.manifest is not None and chain.manifest.disclosure == "verdict"
    assert [each.manifest.disclosure for each in chain.artifacts] == ["score", "score", "verdict"]
    assert len(proof.proofs) == 3 and len(set(proof.boundaries)) == 2
    assert split.verify(chain, proof).verified
    again = ModelProof.from_document(json.loads(json.dumps(proof.document())))
    assert again == proof


@pytest.mark.slow
@pytest.mark.attack
def test_another_statement_is_no_chain(built: Built) -> None:
    chain, proof = built.chain, built.proof
    outputs = (proof.outputs[0] + 1, *proof.outputs[1:])
    swapped = (proof.proofs[1], proof.proofs[0], proof.proofs[2])
    large = (chain.clip + 1, *proof.inputs[1:])
    changes: list[tuple[dict[str, Any], str]] = [
        ({"outputs": outputs}, "segment 3 of 3"),
        ({"boundaries": (proof.boundaries[1], proof.boundaries[0])}, "segment 1 of 3"),
        ({"boundaries": (proof.boundaries[0], proof.boundaries[1] + 1)}, "segment 2 of 3"),
        ({"boundaries": (proof.boundaries[0] + encoding.FIELD_MODULUS, proof.boundaries[1])}, "not a reduced"),
        ({"boundaries": proof.boundaries[:1]}, "1 boundaries"),
        ({"proofs": swapped}, "segment 1 of 3"),
        ({"proofs": proof.proofs[:2]}, "2 proofs of 3"),
        ({"inputs": large}, "outside of"),
        ({"inputs": (*proof.inputs, 0)}, "4 inputs"),
        ({"artifact_hash": "0" * 64}, "it is of the artifact"),
    ]
    for change, says in changes:
        found = split.verify(chain, replace(proof, **change))
        assert not found.verified and says in found.reason, (change, found)


@pytest.mark.slow
@pytest.mark.attack
def test_a_witness_with_another_hash_is_no_proof(built: Built, tmp_path: Path) -> None:
    """The hash of an end that ezkl publishes is bound to the values that the circuit computes with."""
    segment = built.chain.artifacts[1]
    with EngineProcess() as engine:
        first = built.plan.segments[0].circuit
        values = [int(value) for value in first.evaluate([built.window])[0]]
        files: dict[str, Any] = {name: segment.file(file) for name, file in FILES.items()}
        honest = engine.call("prove", inputs=values, **files)
        other = [values[0] + 1, *values[1:]]
        changed = engine.call("prove", inputs=other, **files)
        told = [int(each, 16) for each in engine.call("poseidon", vectors=[values, other, honest["outputs"]])]
    taken = [int(each["instances"][0], 16) for each in (honest, changed)]
    assert taken == told[:2] and int(honest["instances"][2], 16) == told[2]
    statement = tuple(int(each, 16) for each in honest["instances"])
    with LocalVerifier(segment) as verifier:
        assert verifier.verify(bytes.fromhex(honest["proof"]), statement).verified
        assert not verifier.verify(bytes.fromhex(changed["proof"]), statement).verified


FILES = {
    "circuit": artifact.CIRCUIT,
    "settings": artifact.SETTINGS,
    "vk": artifact.VK,
    "pk": artifact.PK,
    "srs": artifact.SRS,
}


# --- the artifact --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_input_is_found_again_and_a_killed_build_goes_on(built: Built, tmp_path: Path) -> None:
    """A build died after its last segment. Nothing is built twice, and the hashes are the same."""
    assert built.again(built.chain.path.parent).path == built.chain.path
    working = tmp_path / f".building-{built.chain.path.name}"
    shutil.copytree(built.chain.path, working)
    (working / split.SPLIT).unlink()
    (working / ".building-abc").mkdir()
    before = (working / built.chain.artifacts[0].path.name / artifact.PK).stat().st_mtime_ns
    again = built.again(tmp_path)
    assert again.artifact_hash == built.chain.artifact_hash and again.model_hash == built.chain.model_hash
    assert (again.path / built.chain.artifacts[0].path.name / artifact.PK).stat().st_mtime_ns == before
    assert not working.exists() and not list(again.path.glob(".*")) and not list(again.path.glob("*.lock"))


@pytest.mark.slow
def test_an_auditors_copy_verifies_and_what_is_altered_is_told(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(built.chain.path, copy)
    for each in built.chain.artifacts:
        for name in artifact.PROVER_FILES:
            (copy / each.path.name / name).unlink()
        assert not (each.path / artifact.PROBE).exists()
    assert split.verify(split.load_chain(copy, prover=False), built.proof).verified
    with pytest.raises(ArtifactError, match=r"lacks (model\.onnx|circuit\.ezkl|pk\.key)"):
        split.load_chain(copy)
    document = json.loads((copy / split.SPLIT).read_text())
    first, second, third = (link["folder"] for link in document["segments"])
    for change, says in (
        ({"clip": 40_000}, "was altered"),
        ({"segments": document["segments"][:2]}, "was altered"),
        ({"segments": [{**document["segments"][0], "folder": "../x"}]}, "not a segment.s folder"),
        ({"schema": 9}, "this release reads 3"),
        ({"disclosure": "all"}, "it is score or verdict"),
    ):
        (copy / split.SPLIT).write_text(json.dumps(document | change))
        with pytest.raises(ArtifactError, match=says):
            split.load_chain(copy, prover=False)
    (copy / split.SPLIT).write_text(json.dumps(document))
    (copy / first).rename(copy / "t")
    (copy / second).rename(copy / first)
    (copy / "t").rename(copy / second)
    with pytest.raises(ArtifactError, match="is another segment than"):
        split.load_chain(copy, prover=False)
    with pytest.raises(ArtifactError, match="proves nothing alone"):
        split.load_chain(built.chain.path / third)
    found = inspect_artifact(built.chain.path / third)
    assert any("without those of the others" in each for each in found.warnings)


@pytest.mark.slow
def test_the_command_line(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> str:
        oracle.main([str(each) for each in arguments], standalone_mode=False)
        return capsys.readouterr().out

    np.save(tmp_path / "x.npy", SAMPLES)
    proof = tmp_path / "proof.json"
    told = json.loads(run("model", "prove", built.chain.path, "--input", tmp_path / "x.npy", "--out", proof, "--json"))
    assert (told["proofs"], told["path"]) == (3, str(proof)) and split.read_proof(proof).outputs == built.proof.outputs
    with pytest.raises(SystemExit) as ended:
        run("model", "verify", built.chain.path, proof, "--json")
    holds = json.loads(capsys.readouterr().out)
    assert (ended.value.code, holds["holds"], holds["outputs"]) == (0, True, told["outputs"])
    document = json.loads(proof.read_text())
    proof.write_text(json.dumps(document | {"outputs": [0, 0]}))
    with pytest.raises(SystemExit) as ended:
        run("model", "verify", built.chain.path, proof)
    assert ended.value.code == 1 and "does not hold: segment 3 of 3" in capsys.readouterr().err
    with pytest.raises(DataError, match="proves nothing alone"):
        run("model", "verify", built.chain.artifacts[0].path, proof)
    with pytest.raises(DataError, match="there is no row 99"):
        run("model", "prove", built.chain.path, "--input", tmp_path / "x.npy", "--row", 99, "--out", proof)
    shown = json.loads(run("model", "inspect", built.chain.path, "--json"))
    assert shown["manifest"]["model_hash"] == built.chain.model_hash and len(shown["estimated"]) == 3
    assert "36 private weights in 3 segments" in run("model", "inspect", built.chain.path)


# --- provers -------------------------------------------------------------------------------------------------------


class Watched:
    """Provers that count how many work at once, and fail at a chosen segment."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.running = 0
        self.most = 0
        self.closed = 0
        self.cancelled = 0
        self.began = asyncio.Event()

    def make(self, found: Artifact, threads: int, deadline: float) -> Prover:
        watched = self

        class One:
            async def prove(self, job: ProofJob, *, wait: bool = True) -> Proof:
                watched.running += 1
                watched.began.set()
                watched.most = max(watched.most, watched.running)
                try:
                    if watched.fails and found.manifest.name.endswith(watched.fails):
                        raise ProverTimeout("late")
                    await asyncio.sleep(30 if watched.fails else 0.01)
                    return Proof(b"", (), found.artifact_hash, 0.0)
                except asyncio.CancelledError:
                    watched.cancelled += 1
                    raise
                finally:
                    watched.running -= 1

            async def warm(self) -> int:
                return 0

            async def close(self) -> None:
                watched.closed += 1

        return One()


@pytest.mark.slow
def test_cores_and_memory_bound_what_is_proven_at_once(built: Built) -> None:
    costs = [split.estimated_cost(each).memory for each in built.chain.artifacts]
    for cores, memory, most in ((8, 4 << 30, 3), (2, 4 << 30, 2), (8, sum(sorted(costs)[1:]), 2), (8, max(costs), 1)):
        watched = Watched()
        prove(built.chain, built.window, make_prover=watched.make, cores=cores, memory=memory)
        assert (watched.most, watched.closed) == (most, 3)
    with pytest.raises(MemoryExceeded, match="--memory-limit"):
        ChainProver(built.chain, memory=max(costs) - 1)


@pytest.mark.slow
def test_the_first_failure_ends_the_others(built: Built) -> None:
    watched = Watched("-01")
    with pytest.raises(ProverTimeout, match="late"):
        prove(built.chain, built.window, make_prover=watched.make, cores=3)
    assert watched.running == 0 and watched.closed == watched.cancelled + 1 <= 3
    watched = Watched("none")

    async def cancel() -> None:
        async with ChainProver(built.chain, make_prover=watched.make, cores=3) as prover:
            task = asyncio.create_task(prover.prove(built.window))
            await watched.began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    assert watched.running == 0 and watched.closed == watched.cancelled >= 1


@pytest.mark.slow
def test_a_prover_gets_the_hashes_that_its_circuit_publishes(built: Built) -> None:
    async def run() -> None:
        middle = built.chain.artifacts[1]
        first, second = (built.plan.segments[at].circuit for at in (0, 1))
        values = [tuple(first.evaluate([built.window])[0].tolist())]
        values.append(tuple(second.evaluate([list(values[0])])[0].tolist()))
        async with LocalProver(middle) as prover:
            with pytest.raises(ValueError, match="hash of its input"):
                await prover.prove(ProofJob((values[0],), (values[1],)))
            with pytest.raises(ProofInvalid, match="other instances"):
                await prover.prove(ProofJob((values[0],), (values[1],), 1, built.proof.boundaries[1]))

    asyncio.run(run())


# --- on a chain ----------------------------------------------------------------------------------------------------


class OnChain:
    """The split model's contract on a local chain."""

    def __init__(self, anvil: Anvil, chain: ArtifactChain) -> None:
        self.web3 = Web3(Web3.HTTPProvider(anvil.rpc_url))
        self.sender: Any = {"from": self.web3.eth.accounts[0]}
        self.own = compiled.load("SplitVerifier")
        self.chain, self.url = chain, anvil.rpc_url
        made = self.run(lambda rpc: deploy_model(chain.path, rpc, Account.from_key(anvil.accounts[0].key), poll_s=0.05))
        self.verifiers = made.verifiers
        self.segments = [
            (address, each.model_hash is not None, each.verifier().code_hash, each.model_hash or 0)
            for address, each in zip(made.verifiers, chain.artifacts, strict=True)
        ]
        self.contract = self.web3.eth.contract(address=Web3.to_checksum_address(made.address), abi=self.own.abi)

    def run(self, work: Callable[[Rpc], Any]) -> Any:
        async def connected() -> Any:
            async with Rpc(self.url) as rpc:
                return await work(rpc)

        return asyncio.run(connected())

    def problems(self, address: str, path: Path | None = None) -> str:
        """Return what a stranger with the public files finds."""
        found = self.run(lambda rpc: verify_deployed_model(path or self.chain.path, rpc, address))
        assert found.ok == (not found.problems)
        return "; ".join(found.problems)

    def deploy(self, abi: Any, bytecode: bytes, *arguments: Any) -> str:
        made = self.web3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments)
        receipt = self.web3.eth.wait_for_transaction_receipt(made.transact(self.sender), poll_latency=0.05)
        return str(receipt["contractAddress"])

    def split(self, segments: Any, chain: ArtifactChain) -> Any:
        arguments = (segments, chain.features, chain.outputs, chain.clip)
        address = self.deploy(self.own.abi, self.own.bytecode, *arguments)
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=self.own.abi)

    def arguments(self, proof: ModelProof) -> tuple[Any, ...]:
        return list(proof.inputs), list(proof.outputs), list(proof.boundaries), list(proof.proofs)

    def verify(self, proof: ModelProof, contract: Any = None) -> bool:
        return bool((contract or self.contract).functions.verify(*self.arguments(proof)).call(self.sender))

    def refusal(self, proof: ModelProof, contract: Any = None) -> str:
        """Return the name and the arguments of the custom error."""
        with pytest.raises(ContractCustomError) as refused:
            self.verify(proof, contract)
        data = str(refused.value.args[0])
        for each in self.own.abi:
            if each["type"] == "error":
                kinds = [part["type"] for part in each["inputs"]]
                if data.startswith(Web3.to_hex(Web3.keccak(text=f"{each['name']}({','.join(kinds)})")[:4])):
                    values = self.web3.codec.decode(kinds, bytes.fromhex(data[10:]))
                    return f"{each['name']}({', '.join(str(value) for value in values)})"
        return data


@pytest.fixture(scope="module")
def deployed(built: Built, anvil: Callable[..., Anvil]) -> OnChain:
    return OnChain(anvil(), built.chain)


@pytest.mark.slow
@pytest.mark.attack
def test_on_chain_only_the_whole_chain_is_accepted(built: Built, deployed: OnChain) -> None:
    proof, chain = built.proof, built.chain
    assert deployed.verify(proof)
    for index, each in enumerate(chain.artifacts):
        _, _, code_hash, model_hash = deployed.contract.functions.segment(index).call()
        assert "0x" + code_hash.hex() == each.manifest.verifier_code_hash
        assert model_hash == (each.model_hash or 0)
    assert deployed.contract.functions.verify(*deployed.arguments(proof)).estimate_gas(deployed.sender) < 2_500_000
    swapped = (proof.proofs[1], proof.proofs[0], proof.proofs[2])
    beyond = proof.boundaries[0] + encoding.FIELD_MODULUS
    changes: list[tuple[dict[str, Any], str]] = [
        ({"proofs": swapped}, "ProofRejected(0)"),
        ({"boundaries": (proof.boundaries[0], proof.boundaries[0])}, "ProofRejected(1)"),
        ({"boundaries": (beyond, proof.boundaries[1])}, f"BoundaryOutOfRange(0, {beyond})"),
        ({"outputs": (proof.outputs[0] - 1, proof.outputs[1])}, "ProofRejected(2)"),
        ({"outputs": (2**127, proof.outputs[1])}, f"OutputOutOfRange(0, {2**127})"),
        ({"inputs": (-chain.clip - 1, *proof.inputs[1:])}, f"InputOutOfRange(0, {-chain.clip - 1})"),
        ({"inputs": (proof.inputs[0] + 1, *proof.inputs[1:])}, "ProofRejected(0)"),
        ({"proofs": proof.proofs[:2]}, "WrongProofCount(2, 3)"),
        ({"proofs": (proof.proofs[0], b"", proof.proofs[2])}, "ProofRejected(1)"),
        ({"boundaries": proof.boundaries[:1]}, "WrongBoundaryCount(1, 2)"),
    ]
    for change, says in changes:
        assert deployed.refusal(replace(proof, **change)) == says


@pytest.mark.slow
@pytest.mark.attack
def test_on_chain_the_order_of_segments_and_their_models_count(built: Built, deployed: OnChain, tmp_path: Path) -> None:
    proof, chain = built.proof, built.chain
    first, second, third = deployed.segments
    other_order = deployed.split([second, first, third], chain)
    assert deployed.refusal(proof, other_order) == "ProofRejected(0)"
    # Another private model has the same circuits and keys, and other hashes: its middle segment, on the same input.
    circuit = circuit_of(network(2))
    end = built.plan.segments[1]
    piece = pieces.piece(circuit, end.start, end.end)
    segment = chain.artifacts[1]
    values = [int(value) for value in built.plan.segments[0].circuit.evaluate([built.window])[0]]
    (tmp_path / "other.onnx").write_bytes(piece.to_onnx(1))
    with EngineProcess() as engine:
        files: dict[str, Any] = {name: segment.file(file) for name, file in FILES.items()}
        made: dict[str, Any] = {"model": str(tmp_path / "other.onnx"), "settings": files["settings"]}
        engine.call("compile_circuit", circuit=str(tmp_path / "other.ezkl"), **made)
        forged = engine.call("prove", **(files | {"circuit": str(tmp_path / "other.ezkl")}), inputs=values)
    assert forged["verified"] and int(forged["instances"][0], 16) == proof.boundaries[0]
    other = replace(
        proof,
        proofs=(proof.proofs[0], bytes.fromhex(forged["proof"]), proof.proofs[2]),
        boundaries=(proof.boundaries[0], int(forged["instances"][2], 16)),
    )
    assert deployed.refusal(other) == "ProofRejected(1)"
    # It is a valid proof, but of the model whose hash it has.
    own = deployed.split([first, (*second[:3], int(forged["instances"][1], 16)), third], chain)
    assert deployed.refusal(other, own) == "ProofRejected(2)"


@pytest.mark.slow
@pytest.mark.attack
def test_a_contract_of_another_model_is_told(built: Built, deployed: OnChain, tmp_path: Path) -> None:
    """A stranger with the public files compares the contract with them; each difference is named."""
    public = split.publish(built.chain, tmp_path / "public")
    private = {each.name for each in public.path.rglob("*")} & {*artifact.PROVER_FILES, artifact.PROBE}
    assert not private
    assert deployed.problems(deployed.contract.address, public.path) == ""
    first, second, third = deployed.segments
    chain = built.chain
    yes = deployed.deploy([], bytes.fromhex("600a600c600039600a6000f3600160005260206000f3"))
    says_yes = (yes, True, Web3.keccak(hexstr="600160005260206000f3"), second[3])
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([second, first, third], {}, "segment 1: the verifier's code has the hash"),
        ([second, first, third], {}, "it is the one of segment 2"),
        ([first, says_yes, third], {}, "segment 2: the verifier's code has the hash"),
        ([first, says_yes, third], {}, "it is none of this model's"),
        ([first, (*second[:3], second[3] + 1), third], {}, "segment 2: hash of its weights"),
        ([first, (second[0], False, second[2], 0), third], {}, f"none in the contract, {second[3]:#066x} in the model"),
        ([first, third], {}, "segments: 2 in the contract, 3 in the model"),
        (deployed.segments, {"clip": 2 * chain.clip}, f"bound of a window's integers: {2 * chain.clip} in the"),
        (deployed.segments, {"features": 4}, "integers of a window: 4 in the contract, 3 in the model"),
        (deployed.segments, {"outputs": 1}, "integers that it publishes: 1 in the contract, 2 in the model"),
    ]
    for segments, ends, says in cases:
        made = deployed.split(segments, replace(chain, **ends))
        assert says in deployed.problems(made.address), says
    # Another contract, and none.
    assert "is not this release's SplitVerifier: it has other code" in deployed.problems(deployed.verifiers[0])
    assert "it has no code" in deployed.problems("0x" + "11" * 20)

    # A verifier of a local SRS is told outside of a local chain.
    async def elsewhere(rpc: Rpc) -> Any:
        async def no() -> bool:
            return False

        rpc.is_local = no  # type: ignore[method-assign]
        found = await verify_deployed_model(chain.path, rpc, deployed.contract.address)
        with pytest.raises(InsecureSetup, match="--srs public-ceremony"):
            await deploy_model(chain.path, rpc, Account.create())
        return found

    assert all("local reference string" in each for each in deployed.run(elsewhere).problems)


@pytest.mark.slow
@pytest.mark.attack
def test_a_segment_that_does_not_follow_is_not_deployed(built: Built, deployed: OnChain, tmp_path: Path) -> None:
    """Its bytecode says yes, and all hashes of the segment and of split.json fit."""
    public = split.publish(built.chain, tmp_path / "public").path
    link = json.loads((public / split.SPLIT).read_text())["segments"][1]
    folder = public / link["folder"]
    compiled_file = json.loads((folder / artifact.COMPILED).read_text())
    code = "600160005260206000f3"
    (folder / artifact.COMPILED).write_text(
        json.dumps(compiled_file | {"runtime": code, "bytecode": "600a600c600039600a6000f3" + code})
    )
    manifest = json.loads((folder / artifact.MANIFEST).read_text())
    manifest["verifier_code_hash"] = Web3.keccak(hexstr=code).hex()
    manifest["files"][artifact.COMPILED] = sha256_of(folder / artifact.COMPILED)
    manifest["artifact_hash"] = artifact.Manifest.from_document(manifest).computed_hash()
    (folder / artifact.MANIFEST).write_text(json.dumps(manifest))
    document = json.loads((public / split.SPLIT).read_text())
    document["segments"][1]["artifact_hash"] = manifest["artifact_hash"]
    document["artifact_hash"] = split.SplitManifest.from_document(document).computed_hash()
    (public / split.SPLIT).write_text(json.dumps(document))
    split.load_chain(public, prover=False)
    account = Account.create()
    with pytest.raises(ArtifactError, match=r"runtime code in verifier\.json is not that of its key's verifier"):
        deployed.run(lambda rpc: deploy_model(public, rpc, account))
    assert "runtime code in verifier.json" in deployed.problems(deployed.contract.address, public)


@pytest.mark.slow
def test_deployed_and_verified_by_command(
    built: Built, deployed: OnChain, anvil: Callable[..., Anvil], tmp_path: Path
) -> None:
    def run(*arguments: object, code: int = 0) -> str:
        done = CliRunner().invoke(oracle, ["model", *map(str, arguments)])
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout

    told = run("publish", built.chain.path, "--out", tmp_path / "public")
    public = tmp_path / "public" / built.chain.path.name
    assert "made again from these files: key from the architecture, bytecode from the key" in told
    assert f"for: oracle model verify-deployed {public} ADDRESS" in told and "split.json" in told
    assert not any(name in told for name in (artifact.PK, artifact.MODEL, artifact.CIRCUIT))
    again = CliRunner().invoke(oracle, ["model", "publish", str(built.chain.path), "--out", str(tmp_path / "public")])
    assert isinstance(again.exception, DataError) and "exists already" in str(again.exception)
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    other = anvil()
    keystore.import_key(tmp_path / "key.json", other.accounts[0].key, "secret", iterations=2)
    key = ("--keystore", tmp_path / "key.json", "--password-file", tmp_path / "password")
    made = json.loads(run("deploy", public, "--rpc", other.rpc_url, *key, "--json"))
    assert made == {"address": deployed.contract.address, "verifiers": list(deployed.verifiers)}, "on every chain"
    told = run("verify-deployed", public, made["address"], "--rpc", other.rpc_url)
    assert "verifies inferences of this model (3 segments)" in told
    told = run("verify-deployed", public, made["verifiers"][0], "--rpc", other.rpc_url, "--json", code=1)
    assert json.loads(told)["ok"] is False
