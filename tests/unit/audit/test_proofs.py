"""Tests of the pool that verifies an audit's proofs. The children are real processes only in the integration test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.audit import proofs
from oracle.audit.progress import AuditStep
from oracle.audit.proofs import ProofPool, ProofTask
from oracle.audit.record import AuditRecord
from oracle.core.errors import ArtifactError, ProverCrashed, ProverTimeout
from oracle.proving.verification import VERIFYING_FILES, Verification

HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def task(at: int, proof: bytes = b"good") -> ProofTask:
    return ProofTask((at,), 1, 1, proof, (at,))


class Circuits:
    def __init__(self, key: str = "aa") -> None:
        self._artifact: Any = SimpleNamespace(manifest=SimpleNamespace(files=dict.fromkeys(VERIFYING_FILES, key)))

    def artifact(self, model_number: int, batch: int) -> Any:
        assert (model_number, batch) == (1, 1)
        return self._artifact


class Verifying:
    """Stands in for `verify_in`: a proof's bytes say what happens to it."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.children: set[int] = set()
        self.here = threading.local()
        """Has the proof that this thread verifies."""
        self.wait: Callable[[], object] = lambda: None

    def __call__(
        self,
        child: Any,
        artifact: Any,
        proof: bytes,
        instances: tuple[int, ...],
        *,
        deadline: float,
        cancelled: threading.Event,
    ) -> Verification:
        if cancelled.is_set():
            raise ProverCrashed("closed")
        self.calls.append(proof)
        self.children.add(id(child))
        self.here.proof = proof
        self.wait()
        tried = self.calls.count(proof)
        if proof == b"crashes" or (proof == b"crashes once" and tried == 1):
            raise ProverCrashed("the proving process died during verify: signal 11")
        if proof == b"hangs":
            raise ProverTimeout("verify was not done within 60 s")
        if proof == b"damaged":
            raise ArtifactError("artifact a: vk.key has changed")
        return Verification(proof != b"bad")


@pytest.fixture
def verifying(monkeypatch: pytest.MonkeyPatch) -> Verifying:
    made = Verifying()
    monkeypatch.setattr(proofs, "verify_in", made)
    return made


@pytest.fixture
def pool(verifying: Verifying) -> Iterator[ProofPool]:
    with ProofPool(Circuits(), jobs=2) as made:
        yield made


async def results(pool: ProofPool, *tasks: ProofTask) -> dict[bytes, bool | str]:
    return {task.proof: result async for task, result in pool.verify(tasks)}


async def test_each_proof_has_its_result(pool: ProofPool, verifying: Verifying) -> None:
    """A proof that can't be checked is neither taken for good nor for bad, and the others are checked all the same."""
    kinds = [b"good", b"bad", b"crashes", b"crashes once", b"hangs", b"damaged", b"fine"]
    found = await results(pool, *(task(at, kind) for at, kind in enumerate(kinds)))
    assert found == {
        b"good": True,
        b"bad": False,
        b"crashes": "the proving process died during verify: signal 11",
        b"crashes once": True,
        b"hangs": "verify was not done within 60 s",
        b"damaged": "artifact a: vk.key has changed",
        b"fine": True,
    }
    assert [verifying.calls.count(kind) for kind in kinds] == [1, 1, 2, 2, 2, 1, 1]


async def test_proofs_are_verified_at_once(pool: ProofPool, verifying: Verifying) -> None:
    """Each waits for the other."""
    barrier = threading.Barrier(2)
    verifying.wait = lambda: barrier.wait(timeout=60)
    assert await results(pool, task(0, b"a"), task(1, b"b")) == {b"a": True, b"b": True}
    assert len(verifying.children) == 2


async def test_results_come_as_they_are_ready(pool: ProofPool, verifying: Verifying) -> None:
    first = threading.Event()
    verifying.wait = lambda: first.wait(timeout=60) if verifying.here.proof == b"slow" else None
    order = []
    async for done, _ in pool.verify([task(0, b"slow"), task(1, b"quick")]):
        order.append(done.proof)
        first.set()
    assert order == [b"quick", b"slow"]


async def test_tasks_are_not_taken_long_before_they_are_verified(pool: ProofPool, verifying: Verifying) -> None:
    gate = threading.Event()
    verifying.wait = lambda: gate.wait(timeout=60)
    taken = 0

    async def endless() -> AsyncIterator[ProofTask]:
        nonlocal taken
        while True:
            taken += 1
            if taken == 34:
                gate.set()
            yield task(taken)

    checked = pool.verify(endless())
    await anext(checked)
    assert taken == 34  # two that are verified, and sixteen behind each
    await checked.aclose()


async def test_a_failure_to_fetch_ends_it(pool: ProofPool, verifying: Verifying) -> None:
    async def failing() -> AsyncIterator[ProofTask]:
        yield task(0)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        async for _ in pool.verify(failing()):
            pass


async def test_closing_gives_up_what_waits(verifying: Verifying) -> None:
    """The first is done, the second is being verified when the pool is closed, and no other is begun."""
    with ProofPool(Circuits(), jobs=1) as pool:
        verifying.wait = lambda: len(verifying.calls) == 1 or pool._closed.wait(timeout=60)
        async for _ in pool.verify(task(at, b"%d" % at) for at in range(1_000)):
            break
    assert len(verifying.calls) <= 2


async def test_what_was_verified_is_not_verified_again(verifying: Verifying, tmp_path: Path) -> None:
    """A failed or unchecked proof is verified again: a file that was damaged may be whole by then."""
    kinds = [b"good", b"bad", b"crashes"]
    tasks = [task(at, kind) for at, kind in enumerate(kinds)]

    async def audit(circuits: Circuits) -> dict[bytes, bool | str]:
        verifying.calls.clear()
        with AuditRecord(tmp_path / "state", 1, HUB) as record, ProofPool(circuits, jobs=2, record=record) as pool:
            return await results(pool, *tasks)

    first = await audit(Circuits())
    assert sorted(verifying.calls) == [b"bad", b"crashes", b"crashes", b"good"]
    assert await audit(Circuits()) == first
    assert sorted(verifying.calls) == [b"bad", b"crashes", b"crashes"]
    await audit(Circuits("another key"))
    assert b"good" in verifying.calls


async def test_progress_is_told(verifying: Verifying) -> None:
    told: list[tuple[AuditStep, int, int | None]] = []
    with ProofPool(Circuits(), jobs=1, progress=lambda *each: told.append(each)) as pool:
        await results(pool, task(0, b"a"), task(1, b"b"))
    assert [(step, done) for step, done, _ in told] == [(AuditStep.PROOFS, 1), (AuditStep.PROOFS, 2)]
    assert told[-1][2] == 2


def test_no_jobs() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ProofPool(Circuits(), jobs=0)
