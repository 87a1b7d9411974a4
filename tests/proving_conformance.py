"""The conformance suite of provers. A test module inherits `ProverSuite`, and gives it a `Rig` that makes one kind.

Engines are stopped (SIGSTOP) where a test needs a job in progress, so no test depends on how long a proof takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from oracle.core.encoding import GAP_ONE
from oracle.core.errors import (
    MemoryExceeded,
    ProofInvalid,
    ProverBusy,
    ProverCrashed,
    ProverTimeout,
    ProverUnavailable,
)
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel
from oracle.proving.artifact import Artifact
from oracle.proving.interface import EventKind, Proof, ProofJob, ProverEvent
from oracle.proving.pool.cache import ProofCache, statement_of
from oracle.proving.pool.pool import PROVING_FILES, PooledProver
from oracle.proving.verification import LocalVerifier
from tests.pipes import stop

MODEL = QuadraticModel.default()
PATIENCE = 60.0
"""The seconds after which a test that waits for something fails."""


def job(move: int = 0, model: QuadraticModel = MODEL) -> ProofJob:
    """Return a statement for a move."""
    window = (move, *(0,) * PAST, GAP_ONE)
    return ProofJob((window,), (model.score_int(window),))


class Rig(Protocol):
    """An interface that makes provers of one kind and reaches their processes."""

    def make(self, artifact: Artifact, **options: Any) -> PooledProver:
        """Return a prover with the options that all kinds have, and `workers`."""
        ...

    async def engines(self, prover: PooledProver) -> list[int]:
        """Return the processes in which ezkl runs."""
        ...

    async def kill_worker(self, prover: PooledProver) -> None:
        """Kill the worker that has a job, surely while it has it."""
        ...

    async def begun(self, prover: PooledProver) -> None:
        """Wait until each started job has reached its worker."""
        ...


class Events:
    """A record of a prover's events."""

    def __init__(self) -> None:
        self.seen: list[ProverEvent] = []
        self._news = asyncio.Event()

    def __call__(self, event: ProverEvent) -> None:
        self.seen.append(event)
        self._news.set()

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.seen]

    def count(self, kind: EventKind) -> int:
        return self.kinds().count(kind)

    async def until(self, kind: EventKind, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.count(kind) < count:
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def held(rig: Rig, prover: PooledProver) -> AsyncIterator[list[int]]:
    """Stop all engines within the block, so that none works."""
    await prover.warm()
    engines = await rig.engines(prover)
    for pid in engines:
        stop(pid)
    try:
        yield engines
    finally:
        for pid in engines:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def counted(prover: PooledProver) -> list[str]:
    """Count the requests to the workers from now on."""
    asked: list[str] = []
    execute = prover._execute

    async def spy(worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
        asked.append(op)
        return await execute(worker, op, arguments, files)

    prover._execute = spy  # type: ignore[method-assign]
    return asked


def _flipped(answer: dict[str, Any]) -> dict[str, Any]:
    altered = bytearray.fromhex(answer["proof"])
    altered[700] ^= 1
    return {**answer, "proof": altered.hex()}


TAMPERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a byte more": lambda answer: {**answer, "proof": answer["proof"] + "00"},
    "a byte less": lambda answer: {**answer, "proof": answer["proof"][:-2]},
    "another instance": lambda answer: {**answer, "instances": [*answer["instances"][:-1], "0x1"]},
    "an instance more": lambda answer: {**answer, "instances": [*answer["instances"], "0x0"]},
    "not verified": lambda answer: {**answer, "verified": False},
    "no proof": lambda answer: {"outputs": answer["outputs"]},
}


def assert_gone(pids: Sequence[int]) -> None:
    """Wait until these processes have ended."""
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(left, PATIENCE)
    assert alive == []


class ProverSuite:
    """The suite. The modules of its subclasses have the fixtures `rig` and `artifact`."""

    async def test_a_proof_is_right(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        async with rig.make(artifact, on_event=events) as prover:
            made = await prover.prove(job(7))
            assert await prover.warm() > 1 << 20
        assert made.instances == artifact.instances(job(7).windows, job(7).scores)
        assert len(made.proof) == artifact.manifest.proof_bytes
        assert made.artifact_hash == artifact.artifact_hash
        assert made.seconds > 0
        with LocalVerifier(artifact) as verifier:
            assert verifier.verify(made.proof, made.instances).verified
        assert events.kinds() == [EventKind.QUEUED, EventKind.STARTED, EventKind.PROVEN]
        assert len({event.statement for event in events.seen}) == 1
        assert (events.seen[1].running, events.seen[1].waiting, events.seen[2].running) == (1, 0, 0)
        assert events.seen[2].seconds >= made.seconds

    async def test_wrong_scores_and_misfits_are_refused(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        async with rig.make(artifact, on_event=events) as prover:
            asked = counted(prover)
            for misfit in (
                ProofJob((job().windows[0][:-1],), job().scores),
                ProofJob(job().windows, ((0,),)),
                ProofJob((), ()),
                ProofJob(job().windows * 2, job().scores * 2),
            ):
                with pytest.raises(ValueError, match=r"circuit|batch"):
                    await prover.prove(misfit)
            assert asked == []
            wrong = replace(job(), scores=((job().scores[0][0] + 1, job().scores[0][1]),))
            for _ in range(2):  # a refusal is not remembered as a proof
                with pytest.raises(ProofInvalid, match="another model"):
                    await prover.prove(wrong)
            assert events.count(EventKind.FAILED) == 2
            assert (await prover.prove(job())).proof

    @pytest.mark.attack
    async def test_a_changed_answer_of_a_worker_is_refused(self, rig: Rig, artifact: Artifact) -> None:
        async with rig.make(artifact) as prover:
            await prover.warm()
            inputs = {"inputs": list(job().windows[0]), "outputs": list(job().scores[0])}
            honest = await prover._execute(0, "prove", inputs, PROVING_FILES)
            changes = {**TAMPERED, "a bit flipped": _flipped} if prover.rechecks else TAMPERED
            for name, change in changes.items():
                _answering(prover, change(honest))
                with pytest.raises(ProofInvalid):
                    pytest.fail(f"{name}: {await prover.prove(job())}")
            _answering(prover, honest)
            assert (await prover.prove(job())).proof.hex() == honest["proof"]

    @pytest.mark.chaos
    async def test_a_deadline_is_kept(self, rig: Rig, artifact: Artifact) -> None:
        async with rig.make(artifact) as prover:
            async with held(rig, prover) as engines:
                patience, prover._deadline = prover._deadline, 0.1
                with pytest.raises(ProverTimeout, match=r"0\.1 s"):
                    await prover.prove(job())
            prover._deadline = patience
            assert (await prover.prove(job())).proof
            assert await rig.engines(prover) != engines

    @pytest.mark.chaos
    async def test_a_cancelled_job_frees_its_worker(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        async with rig.make(artifact, on_event=events) as prover, held(rig, prover):
            running = asyncio.create_task(prover.prove(job()))
            await events.until(EventKind.STARTED)
            # To cancel a job that has not reached its worker takes no engine; this engine is stopped.
            await rig.begun(prover)
            waiting = asyncio.create_task(prover.prove(job(1)))
            await events.until(EventKind.QUEUED, 2)
            waiting.cancel()
            running.cancel()
            for task in (waiting, running):
                with pytest.raises(asyncio.CancelledError):
                    await task
            await events.until(EventKind.CANCELLED, 2)
            # The engine is still stopped, if it was not killed.
            async with asyncio.timeout(PATIENCE):
                made = await prover.prove(job())
        assert made.instances == artifact.instances(job().windows, job().scores)
        assert events.count(EventKind.STARTED) == 2

    @pytest.mark.chaos
    async def test_a_full_queue_holds_back(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        async with rig.make(artifact, workers=1, queue=1, on_event=events) as prover:
            known = await prover.prove(job(9))
            events.seen.clear()
            async with held(rig, prover):
                tasks = [asyncio.create_task(prover.prove(job(move), wait=False)) for move in (0, 1)]
                await events.until(EventKind.STARTED)
                await events.until(EventKind.QUEUED, 2)
                with pytest.raises(ProverBusy, match="2 jobs"):
                    await prover.prove(job(2), wait=False)
                # Neither a known proof nor a job in progress needs a place.
                assert await prover.prove(job(9), wait=False) == known
                tasks.append(asyncio.create_task(prover.prove(job(1), wait=False)))
                patient = [asyncio.create_task(prover.prove(job(move))) for move in (2, 3)]
                await events.until(EventKind.QUEUED, 4)
                assert events.count(EventKind.STARTED) == 1
                assert events.seen[-1].waiting == 3
                patient[0].cancel()
                with pytest.raises(asyncio.CancelledError):
                    await patient[0]
            proofs = await asyncio.gather(*tasks, patient[1])
            # All places are free again, also those of cancelled jobs.
            await asyncio.gather(*(prover.prove(job(move), wait=False) for move in (4, 5)))
        assert [made.instances for made in proofs] == [
            artifact.instances(job(move).windows, job(move).scores) for move in (0, 1, 1, 3)
        ]
        started = [event.statement for event in events.seen if event.kind is EventKind.STARTED]
        queued = [event.statement for event in events.seen if event.kind is EventKind.QUEUED]
        assert started == [queued[0], queued[1], *queued[3:]], "first come, first served"

    @pytest.mark.chaos
    async def test_jobs_run_side_by_side(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        async with rig.make(artifact, workers=2, on_event=events) as prover:
            async with held(rig, prover) as engines:
                assert len(set(engines)) == 2
                tasks = [asyncio.create_task(prover.prove(job(move))) for move in range(4)]
                await events.until(EventKind.STARTED, 2)
                assert (events.seen[-1].running, events.seen[-1].waiting) == (2, 2)
            proofs = await asyncio.gather(*tasks)
        assert [made.instances for made in proofs] == [
            artifact.instances(job(move).windows, job(move).scores) for move in range(4)
        ]
        assert max(event.running for event in events.seen) == 2

    @pytest.mark.chaos
    @pytest.mark.parametrize("retries", [0, 1])
    async def test_a_worker_is_killed_in_the_middle(self, rig: Rig, artifact: Artifact, retries: int) -> None:
        events = Events()
        async with rig.make(artifact, retries=retries, on_event=events) as prover:
            async with held(rig, prover) as engines:
                running = asyncio.create_task(prover.prove(job()))
                await events.until(EventKind.STARTED)
                await rig.begun(prover)
                await rig.kill_worker(prover)
                if retries:
                    assert (await running).instances == artifact.instances(job().windows, job().scores)
                else:
                    with pytest.raises(ProverCrashed, match="died"):
                        await running
            assert events.count(EventKind.RETRIED) == retries
            assert (await prover.prove(job(1))).proof
            assert not set(engines) & set(await rig.engines(prover))

    @pytest.mark.chaos
    async def test_memory_is_limited(self, rig: Rig, artifact: Artifact) -> None:
        async with rig.make(artifact, memory_mb=16, retries=1) as prover:
            asked = counted(prover)
            for _ in range(2):  # the worker is back, and so is the limit
                with pytest.raises(MemoryExceeded, match="limit of 16 MiB: raise"):
                    await prover.prove(job())
            assert asked == ["prove", "prove"], "it was tried again in vain"
        async with rig.make(artifact, memory_mb=2_048) as prover:
            assert (await prover.prove(job())).proof

    async def test_nothing_is_proven_twice(self, rig: Rig, artifact: Artifact, tmp_path: Path) -> None:
        async with rig.make(artifact, cache=ProofCache(folder=tmp_path / "proofs")) as prover:
            asked = counted(prover)
            made = await prover.prove(job())
            assert await asyncio.gather(*(prover.prove(job()) for _ in range(3))) == [made] * 3
            # Several callers ask for it at once, and one of them does not wait for it.
            both = [asyncio.create_task(prover.prove(job(1))) for _ in range(3)]
            await asyncio.sleep(0)
            both[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await both[0]
            assert await both[1] == await both[2]
            assert asked == ["prove", "prove"]
        # The same holds after a restart.
        events = Events()
        async with rig.make(artifact, cache=ProofCache(folder=tmp_path / "proofs"), on_event=events) as prover:
            asked = counted(prover)
            assert await prover.prove(job()) == made
            assert await prover.prove(job()) == made
            assert asked == []
            assert events.kinds() == [EventKind.QUEUED, EventKind.CACHED, EventKind.CACHED]
            assert (await prover.prove(job(2))).proof
            assert asked == ["prove"]

    @pytest.mark.attack
    async def test_a_proof_on_disk_is_verified(self, rig: Rig, artifact: Artifact, tmp_path: Path) -> None:
        async with rig.make(artifact, cache=ProofCache(folder=tmp_path)) as prover:
            made: Proof = await prover.prove(job())
            other = await prover.prove(job(1))
        file = tmp_path / f"{statement_of(artifact.artifact_hash, made.instances)}.json"
        assert made.proof.hex() in file.read_text()
        for altered in (
            {"proof": _flipped({"proof": made.proof.hex()})["proof"], "seconds": 1.0},
            {"proof": made.proof.hex() + "00", "seconds": 1.0},
            {"proof": other.proof.hex(), "seconds": 1.0},
            {"proof": made.proof.hex()},
            ["proof"],
        ):
            file.write_text(json.dumps(altered))
            async with rig.make(artifact, cache=ProofCache(folder=tmp_path)) as prover:
                _refusing(prover)
                with pytest.raises(ProverUnavailable, match="asked to prove"):
                    await prover.prove(job())
            assert not file.exists(), altered

    async def test_it_closes(self, rig: Rig, artifact: Artifact) -> None:
        events = Events()
        prover = rig.make(artifact, on_event=events)
        async with held(rig, prover) as engines:
            tasks = [asyncio.create_task(prover.prove(job(move))) for move in range(2)]
            await events.until(EventKind.STARTED)
            await prover.close()
            for task in tasks:
                with pytest.raises(ProverUnavailable, match="closed"):
                    await task
        assert_gone(engines)
        await prover.close()
        for call in (prover.prove(job()), prover.warm()):
            with pytest.raises(ProverUnavailable, match="closed"):
                await call
        # A prover that was never used can be closed.
        await rig.make(artifact).close()


def _answering(prover: PooledProver, answer: dict[str, Any]) -> None:
    """Let every worker give this answer."""

    async def execute(worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
        return answer

    prover._execute = execute  # type: ignore[method-assign]


def _refusing(prover: PooledProver) -> None:
    """Let no worker do anything."""

    async def execute(worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
        raise ProverUnavailable(f"asked to {op}")

    prover._execute = execute  # type: ignore[method-assign]
