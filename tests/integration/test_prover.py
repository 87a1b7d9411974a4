"""Proofs: that every clipped window has one, that nothing else leaves the prover, and that it outlives its children."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from oracle import encoding
from oracle.detectors.interface import Disclosure
from oracle.detectors.quadratic import PAST, QuadraticModel
from oracle.encoding import CLIP, FIELD_MODULUS, GAP_ONE
from oracle.errors import ArtifactError, ProofInvalid, ProverCrashed, ProverTimeout, ProverUnavailable
from oracle.proving.artifact import PK, Artifact, Visibility, load
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.local import LocalProver, LocalVerifier

MODEL = QuadraticModel.default()
CALM = (*(0,) * (PAST + 1), GAP_ONE)
ANOMALOUS = (CLIP, *(0,) * PAST, GAP_ONE)


def job(*windows: tuple[int, ...], model: QuadraticModel = MODEL) -> ProofJob:
    return ProofJob(windows, tuple(model.score_int(window) for window in windows))


@pytest.fixture(scope="module")
def artifact(circuits: Any) -> Artifact:
    made: Artifact = circuits()
    return made


@pytest.fixture
async def prover(artifact: Artifact) -> AsyncIterator[LocalProver]:
    async with LocalProver(artifact) as made:
        yield made


@pytest.fixture(scope="module")
def verifier(artifact: Artifact) -> Iterator[LocalVerifier]:
    with LocalVerifier(artifact) as made:
        yield made


@pytest.fixture(scope="module")
def proof(artifact: Artifact) -> Proof:
    async def make() -> Proof:
        async with LocalProver(artifact) as prover:
            return await prover.prove(job(ANOMALOUS))

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("visibility", "disclosure"), list(product(Visibility, Disclosure)), ids=lambda value: value.value
)
async def test_corners_are_provable(circuits: Any, visibility: Visibility, disclosure: Disclosure) -> None:
    """If an anomalous window had no proof, it could not be held."""
    artifact = circuits(visibility=visibility, disclosure=disclosure)
    model = MODEL.publishing(disclosure)
    alternating = tuple(CLIP if index % 2 else -CLIP for index in range(PAST + 1))
    corners = [CALM, ANOMALOUS, (*(CLIP,) * 15, CLIP), (*(-CLIP,) * 15, GAP_ONE), (*alternating, GAP_ONE)]
    async with LocalProver(artifact, processes=2) as prover:
        proofs = await asyncio.gather(*(prover.prove(job(window, model=model)) for window in corners))
    with LocalVerifier(artifact) as verifier:
        for window, made in zip(corners, proofs, strict=True):
            assert made.instances == encoding.instances(artifact.model_hash, [window], [model.score_int(window)], 1)
            assert len(made.proof) == artifact.manifest.proof_bytes
            assert made.artifact_hash == artifact.artifact_hash
            assert verifier.verify(made.proof, made.instances).verified


async def test_a_short_batch_repeats_its_last_window(circuits: Any) -> None:
    artifact = circuits(batch=4)
    async with LocalProver(artifact) as prover:
        made = await prover.prove(job(CALM, ANOMALOUS))
    rows = (CALM, ANOMALOUS, ANOMALOUS, ANOMALOUS)
    expected = encoding.instances(artifact.model_hash, rows, [MODEL.score_int(row) for row in rows], 4)
    assert made.instances == expected
    assert len(expected) == artifact.manifest.instance_count == 1 + 4 * 16 + 4 * 2


async def test_scores_that_are_not_the_circuits_are_fatal(prover: LocalProver) -> None:
    right = job(CALM)
    wrong = replace(right, scores=((right.scores[0][0] + 1, right.scores[0][1]),))
    with pytest.raises(ProofInvalid, match="another model"):
        await prover.prove(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        ProofJob((CALM[:-1],), ((0, 0),)),
        ProofJob((CALM,), ((0,),)),
        ProofJob((), ()),
        ProofJob((CALM, CALM), ((0, 0), (0, 0))),
    ],
)
async def test_jobs_that_do_not_fit_the_circuit_are_refused(prover: LocalProver, wrong: ProofJob) -> None:
    with pytest.raises(ValueError, match=r"circuit|batch"):
        await prover.prove(wrong)


@pytest.mark.attack
def test_every_changed_part_is_refused(proof: Proof, verifier: LocalVerifier) -> None:
    assert verifier.verify(proof.proof, proof.instances).verified
    for at in (0, 31, 700, 1_500, len(proof.proof) - 1):
        altered = bytearray(proof.proof)
        altered[at] ^= 1
        assert not verifier.verify(bytes(altered), proof.instances).verified, f"bit of byte {at}"
    for at in range(len(proof.instances)):
        altered_instances = list(proof.instances)
        altered_instances[at] = (altered_instances[at] + 1) % FIELD_MODULUS
        assert not verifier.verify(proof.proof, tuple(altered_instances)).verified, f"instance {at}"


@pytest.mark.attack
def test_lengths_are_exact(proof: Proof, verifier: LocalVerifier) -> None:
    assert "bytes instead of" in verifier.verify(proof.proof + b"\0", proof.instances).reason
    assert "bytes instead of" in verifier.verify(proof.proof[:-1], proof.instances).reason
    assert "instances instead of" in verifier.verify(proof.proof, (*proof.instances, 0)).reason
    aliased = (*proof.instances[:-1], proof.instances[-1] + FIELD_MODULUS)
    assert "reduced" in verifier.verify(proof.proof, aliased).reason


@pytest.mark.attack
async def test_a_proof_of_another_model_is_told_apart(circuits: Any, verifier: LocalVerifier) -> None:
    """The circuits are the same; the hash is what differs."""
    other = circuits(model=replace(MODEL, name="other", floor=MODEL.floor * 2))
    async with LocalProver(other) as prover:
        made = await prover.prove(job(CALM, model=replace(MODEL, floor=MODEL.floor * 2)))
    assert "is of the model" in verifier.verify(made.proof, made.instances).reason
    own = (verifier._artifact.model_hash or 0, *made.instances[1:])
    assert not verifier.verify(made.proof, own).verified


def test_an_auditor_needs_nothing_of_the_provers(artifact: Artifact, proof: Proof, tmp_path: Path) -> None:
    for path in artifact.path.iterdir():
        if path.name not in ("model.onnx", "circuit.ezkl", "pk.key"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with LocalVerifier(load(tmp_path, prover=False)) as verifier:
        assert verifier.verify(proof.proof, proof.instances).verified
    with pytest.raises(ArtifactError, match="lacks"):
        load(tmp_path)


@pytest.mark.chaos
async def test_a_killed_child_is_an_error_and_the_next_job_works(artifact: Artifact) -> None:
    async with LocalProver(artifact) as prover:
        await prover.warm()
        (child,) = prover.pids
        running = asyncio.create_task(prover.prove(job(CALM)))
        await asyncio.wait({running}, timeout=0.1)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ProverCrashed, match="signal 9"):
            await running
        assert (await prover.prove(job(CALM))).instances == artifact.instances((CALM,), (MODEL.score_int(CALM),))
        assert prover.pids != (child,)


@pytest.mark.chaos
async def test_a_deadline_is_kept(artifact: Artifact) -> None:
    async with LocalProver(artifact, deadline=0.02) as prover:
        with pytest.raises(ProverTimeout):
            await prover.prove(job(CALM))
        assert prover.pids == ()


@pytest.mark.chaos
async def test_a_cancelled_job_does_not_hold_up_the_next(artifact: Artifact) -> None:
    async with LocalProver(artifact) as prover:
        await prover.warm()
        before = prover.pids
        running = asyncio.create_task(prover.prove(job(CALM)))
        await asyncio.wait({running}, timeout=0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await prover.prove(job(ANOMALOUS))).proof
        assert prover.pids != before


@pytest.mark.chaos
async def test_a_damaged_key_is_told(artifact: Artifact, tmp_path: Path) -> None:
    for path in artifact.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    loaded = load(tmp_path)
    (tmp_path / PK).write_bytes(b"damaged")
    async with LocalProver(loaded) as prover:
        with pytest.raises((ArtifactError, ProverCrashed)):
            await prover.prove(job(CALM))
    with pytest.raises(ArtifactError, match=r"pk\.key is corrupt"):
        load(tmp_path)


async def test_a_closed_prover_takes_no_jobs(artifact: Artifact) -> None:
    prover = LocalProver(artifact)
    await prover.close()
    with pytest.raises(ProverUnavailable, match="closed"):
        await prover.prove(job(CALM))


async def test_children_end_with_the_prover(artifact: Artifact) -> None:
    prover = LocalProver(artifact, processes=2)
    await prover.warm()
    children = prover.pids
    assert len(set(children)) == 2
    await prover.close()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


async def test_jobs_run_side_by_side(artifact: Artifact) -> None:
    async with LocalProver(artifact, processes=2) as prover:
        windows = [(move, *(0,) * PAST, GAP_ONE) for move in range(4)]
        proofs = await asyncio.gather(*(prover.prove(job(window)) for window in windows))
    assert [made.instances for made in proofs] == [
        artifact.instances((window,), (MODEL.score_int(window),)) for window in windows
    ]
