"""The chain of artifacts that proves one inference, read from its folder and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import read_json
from oracle.core.errors import ArtifactError, DataError
from oracle.proving import artifact
from oracle.proving.artifact import Artifact, Manifest
from oracle.proving.artifact.circuit import table_rows
from oracle.proving.artifact.loading import read_document
from oracle.proving.cost import Estimate, estimate
from oracle.proving.imported import FLOAT_TYPES
from oracle.proving.split.manifest import SPLIT, SplitManifest


@dataclass(frozen=True, slots=True)
class ArtifactChain:
    """The artifacts that together prove one inference of a model, in order. All hashes were right when it was loaded.

    Attributes:
        path: The folder.
        name: The model's name.
        artifacts: One, or one for each segment.
        features: Integers of a window.
        outputs: Published integers.
        input_scale: A window's integer x means x / 2^input_scale.
        output_scale: Scale of the published integers.
        clip: Every integer of a window is in ±clip.
        artifact_hash: Hash of the whole.
        model_hash: Hash of the whole model, hex.
        manifest: The manifest of a split model; None for a model of one circuit.
        types: Sizes and types of the model's inputs, if not all are floats: the numbers of each follow each other.
        shifts: A window's integer x means x / 2^(input_scale + shift) for each feature's shift; none: all are 0.
    """

    path: Path
    name: str
    artifacts: tuple[Artifact, ...]
    features: int
    outputs: int
    input_scale: int
    output_scale: int
    clip: int
    artifact_hash: str
    model_hash: str
    manifest: SplitManifest | None = None
    shifts: tuple[int, ...] = ()
    types: tuple[tuple[int, str], ...] = ()

    @property
    def described(self) -> Manifest | SplitManifest:
        """The manifest that says how the model's outputs are read: its guard band, and what it publishes."""
        return self.artifacts[0].manifest if self.manifest is None else self.manifest

    def misfit(self, inputs: Sequence[int]) -> str:
        """Return why a window is none of this model's: a fraction where it takes whole numbers; or ""."""
        kinds = [kind for size, kind in self.types for _ in range(size)]
        shifts = self.shifts or (0,) * len(inputs)
        for at, (value, kind, shift) in enumerate(zip(inputs, kinds, shifts, strict=False)):
            unit = 1 << max(0, self.input_scale + shift)
            is_fraction = kind not in FLOAT_TYPES and value % unit
            is_below = kind.startswith(("u", "bool")) and value < 0
            if is_fraction or is_below or (kind == "bool" and value > unit):
                return f"number {at} is {value / unit:g}, and {self.name} takes one of type {kind} there"
        return ""

    def instances(
        self, inputs: Sequence[int], outputs: Sequence[int], boundaries: Sequence[int]
    ) -> list[tuple[int, ...]]:
        """Return the instances of each proof, with the same number on both sides of a boundary.

        Raises:
            ValueError: The statement does not fit this chain.
        """
        if len(inputs) != self.features or len(outputs) != self.outputs:
            raise ValueError(
                f"it has {len(inputs)} inputs and {len(outputs)} outputs; {self.name} has {self.features} and "
                f"{self.outputs}"
            )
        if len(boundaries) != len(self.artifacts) - 1:
            raise ValueError(f"it has {len(boundaries)} boundaries; {len(self.artifacts) - 1} are between the segments")
        if any(abs(value) > self.clip for value in inputs):
            raise ValueError(f"an input is outside of ±{self.clip}, for which a proof says nothing")
        if misfit := self.misfit(inputs):
            raise ValueError(misfit)
        if any(not 0 <= value < encoding.FIELD_MODULUS for value in boundaries):
            raise ValueError("a boundary is not a reduced field element")
        ends: list[int | None] = [None, *boundaries, None]
        return [each.instances([inputs], [outputs], ends[at], ends[at + 1]) for at, each in enumerate(self.artifacts)]


def load_chain(path: Path, *, prover: bool = True) -> ArtifactChain:
    """Read the artifact of an imported model, split or not, and check every hash.

    Args:
        path: The folder.
        prover: False if the public files are enough.

    Raises:
        ArtifactError: The artifact is missing, incomplete, altered, of another release, or not of a whole model.
    """
    if (path / SPLIT).exists() or not (path / artifact.MANIFEST).exists():
        return _load_split(path, prover=prover)
    found = artifact.load(path, prover=prover)
    manifest, facts = found.manifest, found.manifest.imported
    if facts is None:
        raise ArtifactError(f"{path} is the circuit of a detector: its proofs are the hub's to build and to verify")
    if manifest.hashed:
        raise ArtifactError(f"{path} is a segment of a split model, and proves nothing alone: name the folder it is in")
    if manifest.batch != 1:
        raise ArtifactError(f"{path} has {manifest.batch} windows; take the artifact of one window")
    return ArtifactChain(
        path,
        manifest.name,
        (found,),
        manifest.width,
        manifest.outputs,
        int(facts["input_scale"]),
        int(facts["output_scale"]),
        int(facts["clip"]),
        found.artifact_hash,
        found.manifest.circuit_hash if found.model_hash is None else f"{found.model_hash:#066x}",
        shifts=tuple(int(each) for each in facts.get("input_shifts", ())),
        types=_types(facts),
    )


def _load_split(path: Path, *, prover: bool) -> ArtifactChain:
    try:
        manifest = SplitManifest.from_document(read_document(path / SPLIT))
    except OSError as error:
        raise ArtifactError(f"there is no artifact in {path}: {error}. Build it first") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path / SPLIT} is not a manifest of this release: {error}") from error
    # 1 The manifest was not altered.
    if manifest.computed_hash() != manifest.artifact_hash or manifest.computed_model_hash() != manifest.model_hash:
        raise ArtifactError(f"{path / SPLIT} was altered: its own hashes do not fit. Build the model again")
    # 2 Each segment is the one that it names.
    found = [artifact.load(path / link.folder, prover=prover) for link in manifest.segments]
    for link, each in zip(manifest.segments, found, strict=True):
        own = each.manifest
        stated = (own.artifact_hash, own.circuit_hash, each.model_hash, own.width, own.outputs, own.visibility)
        if stated != (
            link.artifact_hash,
            link.circuit_hash,
            link.model_hash,
            link.inputs,
            link.outputs,
            manifest.visibility,
        ):
            raise ArtifactError(f"{each.path} is another segment than {path / SPLIT} names. Build the model again")
    # 3 The segments form a chain: each computes as much as the next one takes, and every end between them is hashed.
    last = len(found) - 1
    sizes = [(link.inputs, link.outputs) for link in manifest.segments]
    fits = bool(found) and (sizes[0][0], sizes[-1][1]) == (manifest.features, manifest.outputs)
    fits = fits and all(before[1] == after[0] for before, after in pairwise(sizes))
    for at, each in enumerate(found):
        fits = fits and each.manifest.hashed == ("input",) * (at > 0) + ("output",) * (at < last)
    if not fits or not 1 <= manifest.clip <= encoding.CLIP:
        raise ArtifactError(f"{path / SPLIT}: its segments do not form a chain. Build the model again")
    # 4 The window is the first segment's, and what it says of its prover's freedom is not less than they say.
    facts = [each.manifest.imported or {} for each in found]
    first = (facts[0].get("clip"), facts[0].get("input_scale"), facts[-1].get("output_scale"))
    is_same = first == (manifest.clip, manifest.input_scale, manifest.output_scale)
    is_same = is_same and all(each.get("rebase", 0) == manifest.facts.get("rebase", 0) for each in facts)
    if not is_same or manifest.exact != all(each.manifest.exact for each in found):
        raise ArtifactError(
            f"{path / SPLIT} says another range, scale or rebase than its segments. Build the model again"
        )
    return ArtifactChain(
        path,
        manifest.name,
        tuple(found),
        manifest.features,
        manifest.outputs,
        manifest.input_scale,
        manifest.output_scale,
        manifest.clip,
        manifest.artifact_hash,
        manifest.model_hash,
        manifest,
        tuple(int(each) for each in manifest.facts.get("input_shifts", ())),
        _types(manifest.facts),
    )


def _types(facts: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    return tuple((int(size), str(kind)) for size, kind in facts.get("input_types", ()))


def is_split(path: Path) -> bool:
    """Return True if there is a split model at this path; each of its segments is an artifact of its own."""
    return (path / SPLIT).is_file()


def inspect_split(path: Path) -> ArtifactChain:
    """Read a split model, or its public files alone, and check its hashes.

    Raises:
        DataError: It is damaged, or of another release.
    """
    try:
        return load_chain(path, prover=False)
    except ArtifactError as error:
        raise DataError(str(error)) from error


def estimated_cost(found: Artifact) -> Estimate:
    """Return the estimated cost of a proof by a circuit, from the circuit's settings."""
    settings = read_json(found.path / artifact.SETTINGS)
    arguments = settings["run_args"]
    table = table_rows((found.manifest.imported or {}).get("table"))
    lookups = bool(settings["required_range_checks"]) or arguments["decomp_base"] > 2 or table > 0
    return estimate(
        settings["num_rows"],
        instances=found.manifest.instance_count,
        private=found.model_hash is not None or bool(found.manifest.hashed),
        lookups=lookups,
        columns=arguments["num_inner_cols"],
        table=max(arguments["decomp_base"], table) if lookups else 0,
        k=arguments["logrows"],
    )
