"""An artifact that is read from its folder, and the checks that it passes first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.core import encoding, privacy
from oracle.core.errors import ArtifactError
from oracle.proving.artifact.circuit import arranged
from oracle.proving.artifact.manifest import (
    AUDIT_FILES,
    COMPILED,
    MANIFEST,
    PROBE,
    PROVER_FILES,
    SETTINGS,
    SOLIDITY,
    SRS,
    Manifest,
    Visibility,
)
from oracle.proving.artifact.verifier import CompiledVerifier
from oracle.proving.hashing import sha256_of
from oracle.proving.interface import Probe
from oracle.proving.srs.files import SrsUse, origin_of

_REMEDY = "Restore the folder, or delete it and build it again; a deployed verifier may then have to be replaced"

_REBUILD = "Restore it, or delete the folder and build the artifact again: its verifier stays the same"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact, all of whose hashes were right when it was loaded."""

    path: Path
    manifest: Manifest

    @property
    def artifact_hash(self) -> str:
        return self.manifest.artifact_hash

    @property
    def model_hash(self) -> int | None:
        """The model's hash as the first instance; None if the circuit has none."""
        return self.manifest.model_hash if self.manifest.visibility is Visibility.PRIVATE else None

    def file(self, name: str) -> str:
        """The path of one of the artifact's files."""
        return str(self.path / name)

    def verifier_source(self) -> str:
        """The hardened Solidity source."""
        return (self.path / SOLIDITY).read_text(encoding="utf-8")

    def verifier(self) -> CompiledVerifier:
        """The compiled verifier."""
        document = json.loads((self.path / COMPILED).read_text(encoding="utf-8"))
        return CompiledVerifier(
            abi=document["abi"],
            bytecode=bytes.fromhex(document["bytecode"]),
            runtime=bytes.fromhex(document["runtime"]),
        )

    def probe(self) -> Probe:
        """The artifact's first proof, of the calmest window: what a feed's first report shows.

        Raises:
            ArtifactError: It is not there, or is none of this artifact's.
        """
        return _read_probe(self)

    def instances(
        self,
        windows: Sequence[Sequence[int]],
        scores: Sequence[Sequence[int]],
        input_hash: int | tuple[int, ...] | None = None,
        output_hash: int | None = None,
    ) -> tuple[int, ...]:
        """The instances of a statement in this circuit, as the hub builds them; with hashes for a segment's ends."""
        return encoding.instances(
            self.model_hash, windows, scores, self.manifest.batch, input_hash=input_hash, output_hash=output_hash
        )

    def padded(self, windows: Sequence[Sequence[int]]) -> list[int]:
        """The circuit's input: the windows, the last one repeated to B, flattened."""
        missing = self.manifest.batch - len(windows)
        return [value for window in [*windows, *[windows[-1]] * missing] for value in window]

    def arranged(self, windows: Sequence[Sequence[int]]) -> list[int] | list[list[int]]:
        """`padded`, cut into the circuit's inputs if it has several."""
        return arranged(self.padded(windows), self.manifest.inputs)


def load(path: Path, *, prover: bool = True) -> Artifact:
    """Reads an artifact and checks every hash.

    Args:
        path: The folder.
        prover: False for an auditor's copy, which may lack `PROVER_FILES` and the probe.

    Raises:
        ArtifactError: It is not there, incomplete, altered, or of another release.
    """
    try:
        document = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest.from_document(document)
    except OSError as error:
        raise ArtifactError(f"there is no artifact in {path}: {error}. Build it first") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path / MANIFEST} is not a manifest of this release: {str(error)[:200]}") from error
    if manifest.computed_hash() != manifest.artifact_hash:
        raise ArtifactError(f"{path / MANIFEST} was altered: its own hash does not fit. {_REMEDY}")
    if set(manifest.files) != {*PROVER_FILES, *AUDIT_FILES}:
        raise ArtifactError(f"{path / MANIFEST} lists other files than an artifact has. {_REMEDY}")
    for name, expected in manifest.files.items():
        file = path / name
        if not file.is_file():
            if not prover and name in PROVER_FILES:
                continue
            raise ArtifactError(f"artifact {path} lacks {name}. {_REMEDY}")
        if sha256_of(file) != expected:
            raise ArtifactError(f"artifact {path}: {name} is corrupt, its SHA-256 is not the manifest's. {_REMEDY}")
    artifact = Artifact(path, manifest)
    _check_settings(artifact)
    if artifact.verifier().code_hash.hex() != manifest.verifier_code_hash.removeprefix("0x"):
        raise ArtifactError(f"artifact {path}: the verifier's code hash is not the manifest's. {_REMEDY}")
    if manifest.files[SRS] != manifest.srs_sha256:
        raise ArtifactError(f"artifact {path}: the manifest names two hashes of one SRS. {_REMEDY}")
    if origin_of(manifest.k, manifest.srs_sha256) is not manifest.srs_origin:
        raise ArtifactError(f"artifact {path}: the SRS is not of the origin that the manifest states. {_REMEDY}")
    if not manifest.hashed and (prover or (path / PROBE).exists()):
        artifact.probe()
    return artifact


def _check_settings(artifact: Artifact) -> None:
    """Hashes that fit say that a folder is whole, not that its circuit is one that a feed can rest on."""
    path, manifest = artifact.path / SETTINGS, artifact.manifest
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        problem = privacy.settings_problem(settings, manifest.visibility.value, manifest.hashed)
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is no settings file of ezkl's: {error}. {_REMEDY}") from error
    private = manifest.visibility is Visibility.PRIVATE
    # One hash stands for all of an end that is hashed.
    ends = {"input": manifest.features, "output": manifest.outputs}
    hashes = {"input": max(1, len(manifest.inputs)), "output": 1}
    count = private + sum(
        hashes[end] if end in manifest.hashed else manifest.batch * width for end, width in ends.items()
    )
    if not problem and manifest.instance_count != count:
        problem = f"its circuit has {manifest.instance_count} instances; the contract builds {count}"
    if problem:
        raise ArtifactError(
            f"artifact {artifact.path} is refused, though its hashes fit: {problem}. Build it with `oracle model build`"
        )


def _read_probe(artifact: Artifact) -> Probe:
    path, manifest = artifact.path / PROBE, artifact.manifest
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        window, scores = document["window"], document["scores"]
        proof = bytes.fromhex(document["proof"])
        if document["artifact_hash"] != manifest.artifact_hash:
            raise ValueError("it is another artifact's")
        if (len(window), len(scores), len(proof)) != (manifest.features, manifest.outputs, manifest.proof_bytes):
            raise ValueError("its window, its scores or its proof is not of this circuit's size")
        if not all(type(value) is int and abs(value) <= encoding.CLIP for value in window):
            raise ValueError("its window is not of clipped integers")
        if not all(type(value) is int and abs(value) <= encoding.INT128_MAX for value in scores):
            raise ValueError("its scores are not integers of the circuit")
    except OSError as error:
        raise ArtifactError(f"artifact {artifact.path} lacks {PROBE}. {_REBUILD}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is no probe of this artifact: {error}. {_REBUILD}") from error
    return Probe(tuple(window), tuple(scores), proof)


def srs_uses(folder: Path) -> list[SrsUse]:
    """Return which SRS each artifact in a folder was made from. Artifacts of other releases are left out."""
    uses = []
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            manifest = Manifest.from_document(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, KeyError, TypeError, ValueError):
            continue
        uses.append(SrsUse(path.parent.name, path.parent / SRS, manifest.k, manifest.srs_sha256))
    return uses
