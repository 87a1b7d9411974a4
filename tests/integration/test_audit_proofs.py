"""Tests of an audit's pool with real proofs and real child processes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.audit import proofs as pooled
from oracle.audit.proofs import ProofPool, ProofTask
from oracle.proving.artifact import SRS, VK, Artifact, load
from oracle.proving.verification import Verification, verify_in
from tests.attack.proofs import CALM, Proofs
from tests.pipes import kill_once_asked


class Given:
    """The circuits of an audit that has one."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def artifact(self, model_number: int, batch: int) -> Artifact:
        return self._artifact


@pytest.fixture(scope="module")
def proofs() -> Iterator[Proofs]:
    with Proofs() as made:
        yield made


@pytest.fixture(scope="module")
def good(proofs: Proofs) -> ProofTask:
    instances = proofs.artifact().instances((CALM,), (proofs.scores(CALM),))
    return ProofTask((0,), 1, 1, proofs.prove(CALM), instances)


def altered(task: ProofTask, at: int) -> ProofTask:
    return ProofTask((1,), 1, 1, task.proof, (*task.instances[:at], task.instances[at] + 1, *task.instances[at + 1 :]))


def verified(artifact: Artifact, *tasks: ProofTask, **options: Any) -> list[bool | str]:
    async def run() -> list[bool | str]:
        with ProofPool(Given(artifact), **options) as pool:
            found = {id(task): result async for task, result in pool.verify(tasks)}
        return [found[id(task)] for task in tasks]

    return asyncio.run(run())


def test_good_and_bad_proofs(proofs: Proofs, good: ProofTask) -> None:
    flipped = ProofTask((2,), 1, 1, bytes([good.proof[0] ^ 1]) + good.proof[1:], good.instances)
    short = ProofTask((3,), 1, 1, good.proof[:-1], good.instances)
    tasks = [good, altered(good, -1), flipped, good, short]
    assert verified(proofs.artifact(), *tasks, jobs=2) == [True, False, False, True, False]


@pytest.mark.chaos
@pytest.mark.parametrize(("deaths", "result"), [(1, True), (2, "the proving process died during verify: signal 9")])
def test_a_child_that_dies(
    proofs: Proofs, good: ProofTask, monkeypatch: pytest.MonkeyPatch, deaths: int, result: bool | str
) -> None:
    died = 0

    def dying(child: Any, *arguments: Any, **options: Any) -> Verification:
        nonlocal died
        if died < deaths:
            died += 1
            child.call("peak_memory")
            kill_once_asked(child.pid)
        return verify_in(child, *arguments, **options)

    monkeypatch.setattr(pooled, "verify_in", dying)
    assert verified(proofs.artifact(), good, altered(good, -1), jobs=1) == [result, False]


@pytest.mark.chaos
def test_a_proof_that_takes_too_long(proofs: Proofs, good: ProofTask) -> None:
    assert verified(proofs.artifact(), good, jobs=1, deadline=1e-6) == ["verify was not done within 1e-06 s"]


@pytest.mark.chaos
@pytest.mark.parametrize("name", [VK, SRS])
def test_a_file_that_is_damaged_meanwhile_fails_no_proof(
    proofs: Proofs, good: ProofTask, tmp_path: Path, name: str
) -> None:
    shutil.copytree(proofs.artifact().path, tmp_path / "copy")
    artifact = load(tmp_path / "copy", prover=False)
    (artifact.path / name).write_bytes(b"damaged")
    (result,) = verified(artifact, good, jobs=1)
    assert isinstance(result, str)
    assert f"{name} has changed since it was loaded" in result or "panicked" in result
