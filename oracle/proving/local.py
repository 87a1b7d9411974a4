"""Proving and verifying on this machine, in child processes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from oracle.errors import ProofInvalid, ProverUnavailable
from oracle.proving.artifact import CIRCUIT, PK, SETTINGS, SRS, VK, Artifact
from oracle.proving.child import EngineProcess
from oracle.proving.interface import Proof, ProofJob

DEADLINE = 60.0
"""Seconds for one proof."""


class LocalProver:
    """A pool of warm child processes that prove statements of one circuit.

    Args:
        artifact: With the prover's files.
        processes: Proofs at once. Several processes of one thread make more proofs a second than one of several
            threads; one process of several threads makes each sooner.
        threads: Threads per process; None: one if there are several processes, else all cores.
        deadline: Seconds for one proof.
    """

    def __init__(
        self, artifact: Artifact, *, processes: int = 1, threads: int | None = None, deadline: float = DEADLINE
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes {processes} must be at least 1")
        if threads is None and processes > 1:
            threads = 1
        self._artifact = artifact
        self._deadline = deadline
        self._children = [EngineProcess(threads) for _ in range(processes)]
        self._idle: asyncio.Queue[EngineProcess] = asyncio.Queue()
        for child in self._children:
            self._idle.put_nowait(child)
        self._executor = ThreadPoolExecutor(processes, thread_name_prefix="prover")
        self._closed = False

    async def __aenter__(self) -> LocalProver:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children that run now."""
        return tuple(child.pid for child in self._children if child.pid is not None)

    async def warm(self) -> int:
        """Starts all children. Returns the largest resident size of one so far, in bytes; 0 if unknown."""
        return max(await asyncio.gather(*(self._peak() for _ in self._children)))

    async def prove(self, job: ProofJob) -> Proof:
        """Proves one statement; see `Prover.prove`.

        Raises:
            ValueError: The job does not fit the circuit.
            ArtifactError: A file of the artifact is gone or damaged.
        """
        manifest = self._artifact.manifest
        if any(len(window) != manifest.features for window in job.windows):
            raise ValueError(f"a window has not the circuit's {manifest.features} features")
        if any(len(row) != manifest.outputs for row in job.scores):
            raise ValueError(f"a score vector has not the circuit's {manifest.outputs} outputs")
        expected = self._artifact.instances(job.windows, job.scores)
        paths = (("circuit", CIRCUIT), ("settings", SETTINGS), ("vk", VK), ("pk", PK), ("srs", SRS))
        result = await self._call(
            "prove",
            **{name: self._artifact.file(file) for name, file in paths},
            inputs=self._artifact.padded(job.windows),
            outputs=self._artifact.padded(job.scores),
        )
        return self._checked(result, expected, job)

    async def close(self) -> None:
        """Ends the children; jobs that wait for them raise ProverCrashed."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for child in self._children:
            child.kill()
        await asyncio.gather(*(loop.run_in_executor(None, child.close) for child in self._children))
        self._executor.shutdown(wait=False)

    def _checked(self, result: dict[str, Any], expected: tuple[int, ...], job: ProofJob) -> Proof:
        """The proof, if it is one of what was asked for. Nothing else leaves this prover."""
        manifest = self._artifact.manifest
        # 1 The witness has the scores that the integer reference gave.
        if "proof" not in result:
            raise ProofInvalid(
                f"circuit {self._artifact.path.name} computes {result['outputs']}, but the job says {job.scores}: "
                "is the artifact another model's?"
            )
        # 2 ezkl itself accepts the proof.
        if not result["verified"]:
            raise ProofInvalid("a proof does not verify although it was just made")
        # 3 It has exactly the length that the verifier asks for; ezkl ignores what follows.
        proof = bytes.fromhex(result["proof"])
        if len(proof) != manifest.proof_bytes:
            raise ProofInvalid(f"a proof has {len(proof)} bytes instead of {manifest.proof_bytes}")
        # 4 It is of the statement that the hub will write down.
        if tuple(int(element, 16) for element in result["instances"]) != expected:
            raise ProofInvalid("a proof has other instances than the hub will build")
        return Proof(proof, expected, manifest.artifact_hash, sum(result["seconds"].values()))

    async def _peak(self) -> int:
        return int((await self._call("peak_memory"))["bytes"] or 0)

    async def _call(self, op: str, **arguments: Any) -> Any:
        if self._closed:
            raise ProverUnavailable("the prover is closed")
        child = await self._idle.get()
        call = partial(child.call, op, deadline=self._deadline, **arguments)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except asyncio.CancelledError:
            # Nobody wants the proof any more, and the next job shall not wait for it.
            child.kill()
            raise
        finally:
            self._idle.put_nowait(child)


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a proof holds, and if not, why."""

    verified: bool
    reason: str = ""


class LocalVerifier:
    """Verifies proofs of one circuit off-chain, as an auditor does: with the verifying key and nothing of the prover's.

    Args:
        artifact: May lack the prover's files.
        deadline: Seconds for one proof.
    """

    def __init__(self, artifact: Artifact, *, deadline: float = DEADLINE) -> None:
        self._artifact = artifact
        self._deadline = deadline
        self._child = EngineProcess(threads=1)

    def __enter__(self) -> LocalVerifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def verify(self, proof: bytes, instances: tuple[int, ...]) -> Verification:
        """Verifies one proof against the instances that the hub built.

        Raises:
            ProverCrashed, ProverTimeout: The child failed; nothing is known of the proof.
        """
        manifest = self._artifact.manifest
        if len(proof) != manifest.proof_bytes:
            return Verification(False, f"it has {len(proof)} bytes instead of {manifest.proof_bytes}")
        if len(instances) != manifest.instance_count:
            return Verification(False, f"it has {len(instances)} instances instead of {manifest.instance_count}")
        if self._artifact.model_hash is not None and instances[0] != self._artifact.model_hash:
            return Verification(
                False, f"it is of the model {instances[0]:#066x}, not {self._artifact.model_hash:#066x}"
            )
        result = self._child.call(
            "verify",
            deadline=self._deadline,
            settings=self._artifact.file(SETTINGS),
            vk=self._artifact.file(VK),
            srs=self._artifact.file(SRS),
            proof=proof.hex(),
            instances=[hex(element) for element in instances],
        )
        return Verification(result["verified"], "" if result["verified"] else result["reason"] or "ezkl refuses it")

    def close(self) -> None:
        """Ends the child."""
        self._child.close()
