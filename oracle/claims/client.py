"""The client: it registers models, proves claims about private inputs, and verifies claims of others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.claims.circuit import ClaimCircuit
from oracle.claims.constraints import Constraints
from oracle.claims.models import ModelSpec
from oracle.claims.proof import ClaimProof, ClaimVerdict, Commitment
from oracle.claims.statement import SALT_BITS, SALT_LIMBS, ClaimShape, new_salt
from oracle.core.errors import DataError
from oracle.core.formats import from_hex, keccak
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.artifact.verifier import Compiler
from oracle.proving.engine.child import EngineProcess
from oracle.proving.interface import ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin, SrsSource
from oracle.proving.verification import LocalVerifier

LIFETIME = 30 * 86_400
"""Seconds that a claim is valid by default."""

Progress = Callable[[str], None]


class ClaimNotMet(DataError):
    """The model's output on these inputs is not what the claim says. Nothing is wrong with the arguments."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier data of the same subject, from which changes are measured. Nothing of it is published but its commitment.

    Attributes:
        inputs: The value of each feature by name.
        salt: The salt of the commitment that the earlier claim rests on.
    """

    inputs: Mapping[str, Any] = field(repr=False)
    salt: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class Registered:
    """A registered model with its circuit."""

    spec: ModelSpec
    circuit: ClaimCircuit
    artifact: Artifact

    @property
    def model_hash(self) -> int:
        """The Poseidon hash of the weights, a field element."""
        return self.artifact.manifest.model_hash

    @property
    def model_id(self) -> int:
        """The id in `ClaimRegistry`, a hash of all that counts; see `registered_id`."""
        manifest = self.artifact.manifest
        code_hash = from_hex(manifest.verifier_code_hash)
        return registered_id(self.model_hash, code_hash, manifest.proof_bytes, self.circuit.shape)

    @property
    def told_band(self) -> str:
        """The guard band in words, which say how near a bound nothing can be proven; "" if the model is exact."""
        circuit, spec = self.circuit, self.spec
        if not circuit.band:
            return ""
        width = circuit.band / circuit.score_unit
        if spec.classes:
            return f"classes whose scores are no more than {2 * width:.3g} apart"
        before = f" before its {spec.activation}" if spec.activation else ""
        changes = f", ±{2 * width:.3g} of each bound of a change" if circuit.changes else ""
        return f"±{width:.3g} of each bound{before}{changes}"


@dataclass(frozen=True, slots=True)
class PreparedClaim:
    """A claim that holds and is not proven yet. It has the private data, which its repr does not show.

    Attributes:
        model: The model.
        job: The statement, for any prover of the model's circuit.
        told: The claim without its proof, all of which is public.
    """

    model: Registered = field(repr=False)
    job: ProofJob = field(repr=False)
    told: ClaimProof

    def claim(self, proof: bytes) -> ClaimProof:
        """Return the claim with its proof, as the prover gave it."""
        return replace(self.told, proof=proof)


def registered_id(model_hash: int, code_hash: bytes, proof_bytes: int, shape: ClaimShape) -> int:
    """Return the id that `ClaimRegistry` gives to a model.

    It is keccak256(abi.encode(model hash, verifier code hash, proof bytes, limit, outputs, changes)).
    """
    form = (shape.limit, shape.outputs, int(shape.changes))
    words = (model_hash, int.from_bytes(code_hash, "big"), proof_bytes, *form)
    return int.from_bytes(keccak(b"".join(word.to_bytes(32, "big") for word in words)), "big")


class ZkmlClient:
    """A client that proves and verifies claims. Child processes make proofs; each is verified before it is returned.

    Use it as a context manager, sync or async, and from one thread at a time.

    Args:
        folder: Folder of circuits and their keys, which are built once. Keys of private models contain the weights.
        srs: Source of reference strings; None: local ones, which are for local chains only.
        compiler: solc 0.8.20; None: the project's own.
        threads: Threads of a proof; None: all cores.
    """

    def __init__(
        self,
        folder: Path,
        *,
        srs: SrsSource | None = None,
        compiler: Compiler | None = None,
        threads: int | None = None,
    ) -> None:
        self._folder = folder
        self._srs = srs or SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL)
        self._compiler = compiler or Solc()
        self._threads = threads
        self._models: dict[str, Registered] = {}
        self._verifiers: dict[str, LocalVerifier] = {}
        self._engine = EngineProcess(threads=1)
        self._lock = threading.RLock()

    def __enter__(self) -> ZkmlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> ZkmlClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the child processes."""
        self._engine.close()
        for verifier in self._verifiers.values():
            verifier.close()

    # --- sync --------------------------------------------------------------------------------------------------

    def register_model(self, spec: ModelSpec, progress: Progress = lambda step: None) -> Registered:
        """Build a model's circuit, or find it again. Names are unique within a client.

        Raises:
            ModelError: The model can't be proven.
            DataError: Another model is registered under its name.
            ArtifactError, CompileError: Its circuit can't be built.
        """
        circuit = spec.circuit()
        artifact = build(
            circuit,
            1,
            visibility=Visibility.PRIVATE,
            srs=self._srs,
            compile_standard=self._compiler,
            cache=self._folder / "artifacts",
            kept=toolchain.regenerated_dir(),
            progress=progress,
        )
        with self._lock:
            known = self._models.get(spec.name)
            if known is not None and known.artifact.artifact_hash != artifact.artifact_hash:
                raise DataError(f"another model is registered as {spec.name!r}")
            self._models[spec.name] = registered = Registered(spec, circuit, artifact)
            return registered

    def commit(
        self, model: str | ModelSpec, inputs: Mapping[str, Any], salt: tuple[int, ...] | None = None
    ) -> Commitment:
        """Encode data and commit to it, as issuers do.

        Args:
            model: Name of a registered model; or a model's features, as an issuer needs nothing else of it.
            inputs: The value of each feature by name: numbers in the trained range, categories by name.
            salt: The salt of an earlier commitment; None draws a fresh one.

        Raises:
            DataError: The model is not registered, or the inputs do not have its features.
        """
        features = (model if isinstance(model, ModelSpec) else self.registered(model).spec).encode(inputs)
        salt = new_salt() if salt is None else salt
        if len(salt) != SALT_LIMBS or not all(type(limb) is int and 0 <= limb < 1 << SALT_BITS for limb in salt):
            raise DataError(f"a salt is {SALT_LIMBS} integers of {SALT_BITS} bits")
        (value,) = self._hashes([*features, *salt])
        return Commitment(features, salt, value)

    def generate_inference_proof(
        self,
        model: str,
        inputs: Mapping[str, Any],
        output_constraint: Constraints,
        subject: str,
        *,
        salt: tuple[int, ...] | None = None,
        earlier: Earlier | None = None,
        expires_at: int | None = None,
        progress: Progress = lambda step: None,
    ) -> ClaimProof:
        """Prove that the model's output on these inputs is within the constraint.

        Args:
            model: Name of a registered model.
            inputs: See `commit`.
            output_constraint: Constraints in the model's own units: of its only output, or by name of some of several.
            subject: Address of the claim's owner; nobody else can use the claim.
            salt: The salt of the commitment that an issuer signed; None draws a fresh one.
            earlier: The data that changes are measured from, if the constraints have any.
            expires_at: Unix seconds; None: `LIFETIME` from now.
            progress: Called with the name of each step before it begins, and with nothing private.

        Raises:
            DataError: The claim does not hold ("output is outside the range"), or an argument is wrong. Then nothing is
                proven.
            ProverUnavailable: Proving failed for now.
        """
        return asyncio.run(
            self.prove(
                model,
                inputs,
                output_constraint,
                subject,
                salt=salt,
                earlier=earlier,
                expires_at=expires_at,
                progress=progress,
            )
        )

    def prepare(
        self,
        model: str,
        inputs: Mapping[str, Any],
        output_constraint: Constraints,
        subject: str,
        *,
        salt: tuple[int, ...] | None = None,
        earlier: Earlier | None = None,
        expires_at: int | None = None,
    ) -> PreparedClaim:
        """Commit to the inputs, and check that the claim holds, so that any prover of the circuit can prove it.

        The arguments are those of `generate_inference_proof`.

        Raises:
            ClaimNotMet: The output is outside the range; of an approximate model, maybe only within the guard band. The
                message is the same.
            DataError: An argument is wrong.
        """
        found = self.registered(model)
        circuit = found.circuit
        since = None if earlier is None else self.commit(model, earlier.inputs, earlier.salt)
        since_value = 0 if since is None else since.value
        terms = found.spec.terms(output_constraint, circuit.score_unit, circuit.limit, since_value, circuit.band)
        expires_at = int(time.time()) + LIFETIME if expires_at is None else expires_at
        if type(expires_at) is not int or not 0 < expires_at < 1 << 40:
            raise DataError(f"expires_at {expires_at!r} is not a time in Unix seconds")
        statement = circuit.shape.statement(terms, expires_at, subject)
        commitment = self.commit(model, inputs, salt)
        # Without a change, the earlier data are the same data, as the registry demands.
        before = since or commitment
        quantities = circuit.quantities(commitment.features, before.features)
        # The outputs are private even here, where their owner gets the error: errors end up in logs.
        ranges = circuit.shape.ranges(terms)
        if not all(lo <= least and most <= hi for (least, most), (lo, hi) in zip(quantities, ranges, strict=True)):
            near = f", or within the guard band ({found.told_band})" if circuit.band else ""
            raise ClaimNotMet(f"output is outside the range{near}: no claim of {model} can be proven with these bounds")
        data = (*commitment.features, *commitment.salt)
        both = (*data, *before.features, *before.salt) if circuit.changes else data
        (statement_hash,) = self._hashes(statement)
        told = ClaimProof(
            model=model,
            model_id=found.model_id,
            model_hash=found.model_hash,
            commitment=commitment.value,
            terms=terms,
            unit=circuit.score_unit,
            subject=subject,
            expires_at=expires_at,
            statement_hash=statement_hash,
            proof=b"",
        )
        hashes = circuit.shape.hashes(commitment.value, terms, statement_hash)
        return PreparedClaim(found, ProofJob(((*both, *statement),), ((*statement, 1),), hashes), told)

    def verify_inference_proof(self, proof: ClaimProof, *, now: int | None = None) -> ClaimVerdict:
        """Verify the proof of a claim about a model that is registered here, without believing what the claim says.

        This does not check the attestation. The registry does, because it knows which issuers to trust.

        Args:
            now: Unix seconds; None: the time of this machine's clock.

        Raises:
            ProverUnavailable: The verifying process failed; nothing is known of the proof.
        """
        # 1. The model is known here, by hash and circuit, not by name.
        models = {found.model_id: found for found in self._models.values()}
        found = models.get(proof.model_id)
        if found is None or proof.model_hash != found.model_hash:
            return ClaimVerdict(False, "its model is not registered here")
        # 2. The circuit is sound for the bounds and the unit.
        unit = found.circuit.score_unit
        if proof.unit != unit:
            return ClaimVerdict(False, f"its unit is {proof.unit}, the model's {unit}")
        problem = found.circuit.shape.problem(proof.terms)
        if problem is not None:
            return ClaimVerdict(False, problem)
        # 3. The claim is still valid.
        if not 0 < proof.expires_at < 1 << 40 or proof.expires_at <= (int(time.time()) if now is None else now):
            return ClaimVerdict(False, "it has expired")
        # 4. The proof holds for the instances that are built here.
        try:
            instances = proof.instances(found.circuit.shape)
        except (DataError, ValueError) as error:
            return ClaimVerdict(False, str(error))
        with self._lock:
            verifier = self._verifiers.setdefault(found.spec.name, LocalVerifier(found.artifact))
            verification = verifier.verify(proof.proof, instances)
        return ClaimVerdict(verification.verified, verification.reason)

    def registered(self, model: str) -> Registered:
        """Return a registered model.

        Raises:
            DataError: No model has that name.
        """
        if model not in self._models:
            known = ", ".join(sorted(self._models)) or "none"
            raise DataError(f"no model {model!r} is registered, only {known}")
        return self._models[model]

    # --- async -------------------------------------------------------------------------------------------------

    async def register(self, spec: ModelSpec, progress: Progress = lambda step: None) -> Registered:
        """Do the same as `register_model`, without blocking the event loop."""
        return await asyncio.to_thread(self.register_model, spec, progress)

    async def prove(
        self,
        model: str,
        inputs: Mapping[str, Any],
        output_constraint: Constraints,
        subject: str,
        *,
        salt: tuple[int, ...] | None = None,
        earlier: Earlier | None = None,
        expires_at: int | None = None,
        progress: Progress = lambda step: None,
    ) -> ClaimProof:
        """Do the same as `generate_inference_proof`, as a coroutine. If cancelled, it ends its child process."""
        progress("commit")
        prepared = await asyncio.to_thread(
            self.prepare, model, inputs, output_constraint, subject, salt=salt, earlier=earlier, expires_at=expires_at
        )
        progress("prove")
        async with LocalProver(prepared.model.artifact, threads=self._threads) as prover:
            made = await prover.prove(prepared.job)
        progress("proven")
        return prepared.claim(made.proof)

    async def verify(self, proof: ClaimProof, *, now: int | None = None) -> ClaimVerdict:
        """Do the same as `verify_inference_proof`, without blocking the event loop."""
        return await asyncio.to_thread(self.verify_inference_proof, proof, now=now)

    def _hashes(self, *vectors: Any) -> tuple[int, ...]:
        found = self._engine.call("poseidon", vectors=[list(vector) for vector in vectors])
        return tuple(int(each, 16) for each in found)
