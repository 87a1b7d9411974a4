"""The cost of private claims: proving, the registry's gas, verification off-chain; and its growth with the inputs.

The packaged models are proven on inputs that are made up; linear models of 8 to 128 inputs have random weights: what a
proof costs depends on their shape, not on what they have learned. Each claim is made by the client, attested by an
issuer and submitted to a registry on Anvil; then the same statement is proven again by a warm process, in turns.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from eth_account.signers.local import LocalAccount
from onnx import TensorProto, helper, numpy_helper
from rich.table import Table

from oracle.bench.cases import CLAIMS, PACKAGED_CLAIMS
from oracle.bench.memory import megabytes
from oracle.bench.transactions import bare_call, first_sender, send, verify
from oracle.chain.keys.keystore import local_chain_key
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.rpc import Rpc
from oracle.claims import Between, attest, demo
from oracle.claims.client import Registered, ZkmlClient
from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.claims.onchain import Registry
from oracle.claims.proof import ClaimProof, Commitment
from oracle.core.errors import Fatal
from oracle.proving.engine.child import EngineProcess
from oracle.proving.pool.pool import PROVING_FILES

Echo = Callable[[str], None]

_MARGIN = 0.02
_LIFETIME = 86_400


@dataclass
class _Case:
    """A claim that is on the chain, with what is needed to prove it again."""

    model: Registered
    claim: ClaimProof
    commitment: Commitment
    report: dict[str, Any]


def linear(count: int) -> ModelSpec:
    """Return a logistic regression of this many inputs in [0, 1], with seeded random weights."""
    weights = np.random.default_rng(count).normal(size=(count, 1)).astype(np.float32)
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([-weights.sum() / 2], dtype=np.float32), "b"),
    ]
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"]), helper.make_node("Sigmoid", ["y"], ["p"])]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in (("x", count), ("p", 1))
    ]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], constants)
    document = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    features = tuple(ClaimFeature(f"x_{at}") for at in range(count))
    return ModelSpec(f"linear-{count}", document.SerializeToString(), features, "Sigmoid")


async def run(cases: Sequence[str], repeat: int, echo: Echo) -> dict[str, dict[str, Any]]:
    """Measure some of the cases `CLAIMS`, and return the reports by case.

    Args:
        cases: The cases to measure.
        repeat: Proofs per case, after one that warms up.
        echo: Takes lines for people.

    Raises:
        Fatal: The registry does not take a claim that holds.
    """
    found: dict[str, _Case] = {}
    with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder, Anvil(load_anvil_config(port=0)) as chain:
        async with Rpc(chain.rpc_url, chain.chain_id) as rpc, ZkmlClient(Path(folder)) as client:
            issuer = await local_chain_key(1, rpc)
            registry = await Registry.deploy(rpc, await local_chain_key(0, rpc), 0, poll_s=0.02)
            account = await local_chain_key(2, rpc)
            subject = Registry(rpc, registry.address, account, poll_s=0.02)
            for case in cases:
                echo(f"claim of {case}")
                found[case] = await _submitted(CLAIMS[case], client, registry, subject, account.address, issuer)
            _prove_in_turns(found, repeat, echo)
    return {case: each.report for case, each in found.items()}


async def _submitted(
    name: str, client: ZkmlClient, registry: Registry, subject: Registry, address: str, issuer: LocalAccount
) -> _Case:
    """Register a model, prove a claim of it, and have it recorded.

    Args:
        name: The model's name.
        client: Proves.
        registry: The registry, as its admin.
        subject: The registry, as the claim's subject.
        address: The subject's address.
        issuer: The issuer that attests; the registry comes to trust it.
    """
    spec = ModelSpec.packaged(name) if name in PACKAGED_CLAIMS else linear(int(name.rpartition("-")[2]))
    began = time.perf_counter()
    model = await client.register(spec)
    setup = time.perf_counter() - began
    proposal = await registry.propose(model)
    await registry.trust(issuer.address, model)
    inputs = demo.example(model, 0.2, 0.8)
    output = demo.output(model, inputs)
    now, chain_id = (await subject.rpc.block()).timestamp, await subject.rpc.chain_id()
    commitment = client.commit(name, inputs)
    marks: dict[str, float] = {}

    def mark(step: str) -> None:
        marks[step] = time.perf_counter()

    claim = await client.prove(
        name,
        inputs,
        Between(output - _MARGIN, output + _MARGIN),
        address,
        salt=commitment.salt,
        expires_at=now + _LIFETIME,
        progress=mark,
    )
    signature = attest(
        issuer,
        chain_id=chain_id,
        registry=registry.address,
        model_id=model.model_id,
        subject=address,
        commitment=claim.commitment,
        expires_at=now + _LIFETIME,
    )
    if not client.verify_inference_proof(claim, now=now):
        raise Fatal(f"{name}: the client's own claim does not verify")
    receipt = await subject.submit(replace(claim, attestation=signature))
    if not await subject.is_valid(claim):
        raise Fatal(f"{name}: the registry has recorded no claim")
    payer = await first_sender(subject.rpc)
    artifact = model.artifact
    deployed = await send(payer, None, artifact.verifier().bytecode)
    assert deployed.contract_address is not None
    instances = claim.instances(model.circuit.shape)
    call = bare_call(artifact.verifier().abi, claim.proof, instances)
    verified = await verify(payer, deployed.contract_address, call)
    return _Case(
        model,
        claim,
        commitment,
        {
            "inputs": model.circuit.model.width,
            "weights": model.circuit.circuit.weights,
            "k": artifact.manifest.k,
            "setup_s": round(setup, 2),
            "claim_s": round(marks["proven"] - marks["commit"], 3),
            "gas": receipt.gas_used,
            "verify_gas": verified.gas_used,
            "propose_gas": proposal.gas_used,
            "proof_bytes": len(claim.proof),
            "instances": len(instances),
        },
    )


def _prove_in_turns(cases: Mapping[str, _Case], repeat: int, echo: Echo) -> None:
    """Prove each statement again, and verify it as others do; add the medians to the reports."""
    taken: dict[str, dict[str, list[float]]] = {
        case: {name: [] for name in ("witness", "prove", "verify")} for case in cases
    }
    with contextlib.ExitStack() as stack:
        engines = {case: stack.enter_context(EngineProcess()) for case in cases}
        verifiers = {case: stack.enter_context(EngineProcess(threads=1)) for case in cases}
        for turn in range(1 + repeat):
            echo(f"claims, round {turn} of {repeat}" + ("" if turn else " (warm-up)"))
            for case, each in cases.items():
                claim, files = each.claim, dict[str, Any]()
                files |= {key: each.model.artifact.file(name) for key, name in PROVING_FILES.items()}
                shape = each.model.circuit.shape
                statement = list(shape.statement(claim.terms, claim.expires_at, claim.subject))
                made = engines[case].call(
                    "prove", inputs=[[*each.commitment.features, *each.commitment.salt], statement], **files
                )
                began = time.perf_counter()
                checked = verifiers[case].call(
                    "verify",
                    **{name: files[name] for name in ("settings", "vk", "srs")},
                    proof=made["proof"],
                    instances=[hex(element) for element in claim.instances(each.model.circuit.shape)],
                )
                if not checked["verified"]:
                    raise Fatal(f"{case}: a claim that is proven again does not verify: its statement is another")
                if turn:
                    taken[case]["witness"].append(made["seconds"]["witness"])
                    taken[case]["prove"].append(made["seconds"]["prove"])
                    taken[case]["verify"].append(time.perf_counter() - began)
        for case, each in cases.items():
            each.report |= {f"{name}_s": round(statistics.median(values), 4) for name, values in taken[case].items()}
            each.report["rss_mb"] = megabytes(int(engines[case].call("peak_memory")["bytes"] or 0))
            each.report["verify_rss_mb"] = megabytes(int(verifiers[case].call("peak_memory")["bytes"] or 0))


COLUMNS = (
    "inputs",
    "weights",
    "k",
    "prove",
    "whole claim",
    "gas of submitClaim",
    "gas of the verification",
    "proof",
    "memory",
    "verify off-chain",
    "set-up",
)


def cells(of: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a case's row, without its name."""
    return (
        str(of["inputs"]),
        str(of["weights"]),
        str(of["k"]),
        f"{of['prove_s']:.3f} s",
        f"{of['claim_s']:.2f} s",
        f"{of['gas']:,}",
        f"{of['verify_gas']:,}",
        f"{of['proof_bytes']:,} B",
        f"{of['rss_mb']:.0f} MB",
        f"{of['verify_s']:.3f} s",
        f"{of['setup_s']:.1f} s",
    )


def table(report: Mapping[str, Any]) -> Table:
    """Return the claims by case, for people."""
    found = Table(box=None, pad_edge=False, header_style="bold", title="claims", title_justify="left")
    found.add_column("case")
    for column in COLUMNS:
        found.add_column(column, justify="right")
    for case in (case for case in CLAIMS if case in report):
        found.add_row(case, *cells(report[case]))
    return found
