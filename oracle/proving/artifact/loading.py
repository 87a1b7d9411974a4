"""An artifact that is read from its folder, and the checks that it passes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.core import encoding, privacy
from oracle.core.documents import parse_json
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
    """A loaded artifact. All of its hashes were right when it was loaded.

    Attributes:
        path: The folder.
        manifest: The manifest in it.
    """

    path: Path
    manifest: Manifest

    @property
    def artifact_hash(self) -> str:
        """The hash that names the artifact."""
        return self.manifest.artifact_hash

    @property
    def model_hash(self) -> int | None:
        """The model's hash, which is the first instance; None if the weights are in the verifying key."""
        return self.manifest.model_hash if self.manifest.visibility is Visibility.PRIVATE else None

    def file(self, name: str) -> str:
        """Return the path of one of the artifact's files."""
        return str(self.path / name)

    def verifier_source(self) -> str:
        """Return the hardened Solidity source."""
        return (self.path / SOLIDITY).read_text(encoding="utf-8")

    def verifier(self) -> CompiledVerifier:
        """Return the compiled verifier."""
        document = read_document(self.path / COMPILED)
        return CompiledVerifier(
            abi=document["abi"],
            bytecode=bytes.fromhex(document["bytecode"]),
            runtime=bytes.fromhex(document["runtime"]),
        )

    def probe(self) -> Probe:
        """Return the artifact's first proof. It is of the calmest window, which a feed's first report shows.

        Raises:
            ArtifactError: The proof is missing, or belongs to another artifact.
        """
        return _read_probe(self)

    def instances(
        self,
        windows: Sequence[Sequence[int]],
        scores: Sequence[Sequence[int]],
        input_hash: int | tuple[int, ...] | None = None,
        output_hash: int | None = None,
    ) -> tuple[int, ...]:
        """Return the instances of a statement in this circuit, in the order in which the hub builds them.

        Args:
            windows: The windows, at most B.
            scores: What the circuit publishes of each.
            input_hash: Stands for the windows if the circuit hashes them; a hash of each input, if it has several.
            output_hash: Stands for the scores if the circuit hashes them.
        """
        return encoding.instances(
            self.model_hash, windows, scores, self.manifest.batch, input_hash=input_hash, output_hash=output_hash
        )

    def padded(self, windows: Sequence[Sequence[int]]) -> list[int]:
        """Return the circuit's input: the windows, flattened; the last one is repeated to fill the batch."""
        missing = self.manifest.batch - len(windows)
        return [value for window in [*windows, *[windows[-1]] * missing] for value in window]

    def arranged(self, windows: Sequence[Sequence[int]]) -> list[int] | list[list[int]]:
        """Return `padded`, cut into the circuit's inputs if it has several."""
        return arranged(self.padded(windows), self.manifest.inputs)


def read_document(path: Path) -> Any:
    """Return the content of a JSON file that a stranger may have written.

    Raises:
        OSError: It can't be read.
        ValueError: It is not JSON, or nested so deep that parsing it could end the process.
    """
    return parse_json(path.read_bytes())


def load(path: Path, *, prover: bool = True) -> Artifact:
    """Read an artifact and check every hash.

    Args:
        path: The folder.
        prover: False if the public files are enough: `PROVER_FILES` and the probe may be missing.

    Raises:
        ArtifactError: The artifact is missing, incomplete, altered, or of another release.
    """
    try:
        document = read_document(path / MANIFEST)
        manifest = Manifest.from_document(document)
    except OSError as error:
        raise ArtifactError(f"there is no artifact in {path}: {error}. Build it first") from error
    except (KeyError, TypeError, ValueError) as error:
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
    try:
        artifact.verifier_source()
        code_hash = artifact.verifier().code_hash
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"artifact {path}: {SOLIDITY} or {COMPILED} is none: {error!r}. {_REMEDY}") from error
    if code_hash.hex() != manifest.verifier_code_hash.removeprefix("0x"):
        raise ArtifactError(f"artifact {path}: the verifier's code hash is not the manifest's. {_REMEDY}")
    if manifest.files[SRS] != manifest.srs_sha256:
        raise ArtifactError(f"artifact {path}: the manifest names two hashes of one SRS. {_REMEDY}")
    if origin_of(manifest.k, manifest.srs_sha256) is not manifest.srs_origin:
        raise ArtifactError(f"artifact {path}: the SRS is not of the origin that the manifest states. {_REMEDY}")
    if not manifest.hashed and (prover or (path / PROBE).exists()):
        artifact.probe()
    return artifact


def _check_settings(artifact: Artifact) -> None:
    """Raise ArtifactError if a feed can't rest on the circuit. Hashes that fit only show that the folder is whole."""
    path, manifest = artifact.path / SETTINGS, artifact.manifest
    try:
        settings = read_document(path)
        problem = privacy.settings_problem(settings, manifest.visibility.value, manifest.hashed)
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is not a settings file of ezkl: {error}. {_REMEDY}") from error
    private = manifest.visibility is Visibility.PRIVATE
    # An end that is hashed has one instance, its hash.
    ends = {"input": manifest.width, "output": manifest.outputs}
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
        document = read_document(path)
        window, scores = document["window"], document["scores"]
        proof = bytes.fromhex(document["proof"])
        if document["artifact_hash"] != manifest.artifact_hash:
            raise ValueError("it is another artifact's")
        if (len(window), len(scores), len(proof)) != (manifest.width, manifest.outputs, manifest.proof_bytes):
            raise ValueError("its window, its scores or its proof is not of this circuit's size")
        if not all(type(value) is int and abs(value) <= encoding.CLIP for value in window):
            raise ValueError("its window is not of clipped integers")
        if not all(type(value) is int and abs(value) <= encoding.INT128_MAX for value in scores):
            raise ValueError("its scores are not integers of the circuit")
    except OSError as error:
        raise ArtifactError(f"artifact {artifact.path} lacks {PROBE}. {_REBUILD}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is not a probe of this artifact: {error}. {_REBUILD}") from error
    return Probe(tuple(window), tuple(scores), proof)


def with_code(folder: Path, code_hash: bytes) -> list[Artifact]:
    """Return the artifacts in a folder whose manifests state this hash of their verifier's code; it is not believed.

    Args:
        folder: Folder of artifacts; they may lack what only a prover needs. Those that can't be read are left out.
        code_hash: keccak256 of runtime code.
    """
    found = []
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            stated = read_document(path)["verifier_code_hash"]
            if stated.removeprefix("0x").lower() == code_hash.hex():
                found.append(load(path.parent, prover=False))
        except (OSError, KeyError, TypeError, AttributeError, ValueError, ArtifactError):
            continue
    return found


def srs_uses(folder: Path) -> list[SrsUse]:
    """Return which SRS each artifact in a folder was made from. Artifacts of other releases are left out."""
    uses = []
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            manifest = Manifest.from_document(read_document(path))
        except (OSError, KeyError, TypeError, ValueError):
            continue
        uses.append(SrsUse(path.parent.name, path.parent / SRS, manifest.k, manifest.srs_sha256))
    return uses
