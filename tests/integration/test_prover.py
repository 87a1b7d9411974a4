"""Tests of proofs: every clipped window has one, nothing else leaves the prover, and it survives its children."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from oracle.core import encoding
from oracle.core.encoding import CLIP, FIELD_MODULUS, GAP_ONE
from oracle.core.errors import ArtifactError, ProverCrashed, ProverUnavailable
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel
from oracle.proving.artifact import PK, SRS, Artifact, Visibility, load
from oracle.proving.engine.child import EngineProcess
from oracle.proving.engine.staging import StagedFiles
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.pool.pool import PooledProver
from oracle.proving.pool.ray import _Worker
from oracle.proving.verification import LocalVerifier
from tests.pipes import stop, unread
from tests.proving_conformance import PATIENCE, Events, ProverSuite

MODEL = QuadraticModel.default()
CALM = (*(0,) * (PAST + 1), GAP_ONE)
ANOMALOUS = (CLIP, *(0,) * PAST, GAP_ONE)


def job(*windows: tuple[int, ...], model: QuadraticModel = MODEL) -> ProofJob:
    return ProofJob(windows, tuple(model.score_int(window) for window in windows))


@pytest.fixture(scope="module")
def artifact(circuits: Any) -> Artifact:
    made: Artifact = circuits()
    return made


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
    """An anomalous window without a proof could not be held."""
    artifact = circuits(visibility=visibility, disclosure=disclosure)
    model = MODEL.publishing(disclosure)
    alternating = tuple(CLIP if index % 2 else -CLIP for index in range(PAST + 1))
    corners = [CALM, ANOMALOUS, (*(CLIP,) * 13, CLIP), (*(-CLIP,) * 13, GAP_ONE), (*alternating, GAP_ONE)]
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
    assert len(expected) == artifact.manifest.instance_count == 1 + 4 * 14 + 4 * 2


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
    """The circuits are the same; only the hash differs."""
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


class LocalRig:
    """The rig of local provers: see `tests.proving_conformance.Rig`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._reached = threading.Semaphore(0)
        line = EngineProcess._line

        def spy(*arguments: Any) -> bytes:
            if arguments[2] == "prove":
                self._reached.release()
            return line(*arguments)

        monkeypatch.setattr(EngineProcess, "_line", spy)

    def make(self, artifact: Artifact, *, workers: int = 1, **options: Any) -> LocalProver:
        return LocalProver(artifact, processes=workers, **options)

    async def engines(self, prover: PooledProver) -> list[int]:
        assert isinstance(prover, LocalProver)
        return list(prover.pids)

    async def kill_worker(self, prover: PooledProver) -> None:
        [child] = await self.engines(prover)
        os.kill(child, signal.SIGKILL)

    async def begun(self, prover: PooledProver) -> None:
        assert await asyncio.to_thread(self._reached.acquire, timeout=PATIENCE)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> LocalRig:
    return LocalRig(monkeypatch)


class TestLocalProver(ProverSuite):
    """The suite of provers, for local ones."""


async def test_keys_in_memory_are_the_artifacts_and_go_with_the_prover(artifact: Artifact, tmp_path: Path) -> None:
    async with LocalProver(artifact, tmpfs=tmp_path) as prover:
        assert await prover.warm() > 0
        staged = [path for path in _files(tmp_path) if path.name == PK]
        assert [path.read_bytes() for path in staged] == [(artifact.path / PK).read_bytes()]
        assert staged[0].parent.stat().st_mode & 0o077 == 0
        # The proof is made with the copy.
        (staged[0].parent / "circuit.ezkl").unlink()
        with pytest.raises((ArtifactError, ProverCrashed)):
            await prover.prove(job(CALM))
    assert _files(tmp_path) == []
    async with LocalProver(artifact, tmpfs=tmp_path / "missing") as prover:
        with pytest.raises(ProverUnavailable, match="can't be staged"):
            await prover.prove(job(CALM))


async def test_a_prover_that_is_closed_while_it_starts_leaves_nothing(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_go_on = threading.Event(), threading.Event()
    stage = StagedFiles._stage

    def slowly(*arguments: Any) -> None:
        began.set()
        assert may_go_on.wait(PATIENCE)
        stage(*arguments)

    monkeypatch.setattr(StagedFiles, "_stage", slowly)
    prover = LocalProver(artifact, tmpfs=tmp_path)
    running = asyncio.create_task(prover.prove(job(CALM)))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    closing = asyncio.create_task(prover.close())
    with pytest.raises(ProverUnavailable, match="closed"):
        await running
    may_go_on.set()
    await closing
    assert _files(tmp_path) == []


@pytest.mark.chaos
async def test_a_panic_is_a_crash_and_may_be_tried_again(artifact: Artifact, tmp_path: Path) -> None:
    for path in artifact.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    loaded = load(tmp_path)
    # An SRS for no rows at all, at which ezkl panics.
    (tmp_path / SRS).write_bytes(bytes((artifact.path / SRS).stat().st_size))
    events = Events()
    async with LocalProver(loaded, retries=1, on_event=events) as prover:
        with pytest.raises(ProverCrashed, match="ezkl panicked during prove"):
            await prover.prove(job(CALM))
        assert events.kinds() == ["queued", "started", "retried", "started", "failed"]
        (tmp_path / SRS).write_bytes((artifact.path / SRS).read_bytes())
        assert (await prover.prove(job(CALM))).proof


@pytest.mark.chaos
async def test_a_worker_that_dies_while_all_are_warmed_leaves_none_at_work(artifact: Artifact) -> None:
    """Otherwise a worker would get a job while it is still asked for its memory."""
    async with LocalProver(artifact, processes=2) as prover:
        await prover.warm()
        dying, hanging = prover.pids
        for pid in (dying, hanging):
            stop(pid)
        warming = asyncio.create_task(prover.warm())
        # Both have to be asked first: a worker that is dead before is replaced, and nothing fails.
        while not all(map(unread, (dying, hanging))):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        os.kill(dying, signal.SIGKILL)
        with pytest.raises(ProverCrashed):
            await warming
        windows = [(move, *CALM[1:]) for move in (1, 2, 3)]
        proofs = await asyncio.gather(*(prover.prove(job(window)) for window in windows))
        assert len({proof.proof for proof in proofs}) == 3
        assert not {dying, hanging} & set(prover.pids)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.chaos
def test_a_job_is_cancelled_although_the_next_one_is_there_already() -> None:
    """On a cluster, a cancellation can arrive after the worker has its next job."""
    worker = _Worker(1, None)
    jobs: dict[int, tuple[str | None, Any]] = {}

    def run(number: int) -> None:
        jobs[number] = worker.call(number, "peak_memory", PATIENCE, {}, {})

    def wait(reached: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end
            os.sched_yield()

    try:
        run(0)
        engine = worker.state()["engine"]
        stop(engine)
        threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
        threads[0].start()
        wait(lambda: worker.state()["job"] == 1)
        threads[1].start()
        wait(lambda: 2 in worker._cancelled)
        worker.cancel(1)
        for thread in threads:
            thread.join(PATIENCE)
        assert jobs[1][0] == "ProverCrashed"
        assert jobs[2][0] is None and jobs[2][1]["bytes"] > 1 << 20
        assert worker.state()["engine"] != engine
        worker.cancel(2)  # it has ended, so nothing happens to the next one
        run(3)
        assert jobs[3][0] is None
    finally:
        worker.close()
