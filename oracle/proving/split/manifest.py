"""The manifest of a split model: its segments, and the hashes that bind them to each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from oracle.proving.artifact import Visibility
from oracle.proving.artifact.manifest import check_approximation, check_reading
from oracle.proving.hashing import digest

SPLIT = "split.json"
SCHEMA = 3


@dataclass(frozen=True, slots=True)
class Link:
    """A segment, as the manifest of the whole lists it.

    Attributes:
        folder: Folder of its artifact, in the folder of the whole.
        artifact_hash: Its artifact's hash.
        circuit_hash: Its circuit's hash.
        model_hash: Hash of its weights, a field element; None if they are in its key.
        inputs: Integers that it takes.
        outputs: Integers that it computes.
        nodes: Its first and its last node of the model.
    """

    folder: str
    artifact_hash: str
    circuit_hash: str
    model_hash: int | None
    inputs: int
    outputs: int
    nodes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class SplitManifest:
    """The description of a split model.

    Attributes:
        schema: Version of the manifest's format.
        name: The model's name.
        features: Integers of a window.
        outputs: Published integers.
        input_scale: A window's integer x means x / 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        output_scale: Scale of the published integers.
        clip: Every integer of a window is in ±clip.
        visibility: Where the weights are.
        disclosure: What a proof publishes: "score" or "verdict".
        weights: Weights of all segments.
        ezkl: Version of ezkl.
        segments: The segments, in order.
        facts: Source, shapes, fidelity.
        model_hash: Digest over the segments' model and circuit hashes: names the model and the way it is cut.
        artifact_hash: SHA-256 of this manifest without this field, as canonical JSON.
        exact: True if nothing is looked up, and a prover chooses nothing in any segment.
        errors: See `Manifest.errors`: those of the whole.
        guard_band: See `Manifest.guard_band`. A prover's choices in all segments together are within it.
    """

    schema: int
    name: str
    features: int
    outputs: int
    input_scale: int
    param_scale: int
    output_scale: int
    clip: int
    visibility: Visibility
    disclosure: str
    weights: int
    ezkl: str
    segments: tuple[Link, ...]
    facts: Mapping[str, Any]
    model_hash: str
    artifact_hash: str = ""
    exact: bool = True
    errors: tuple[float, ...] = ()
    guard_band: tuple[int, ...] = ()

    @property
    def score_unit(self) -> int:
        """The published integer that stands for an output of 1."""
        return 1 << self.output_scale

    def document(self) -> dict[str, Any]:
        """Return the manifest as JSON, with field elements as hex."""
        document = asdict(self)
        document["visibility"] = self.visibility.value
        for link in document["segments"]:
            link["model_hash"] = None if link["model_hash"] is None else f"{link['model_hash']:#066x}"
            link["nodes"] = list(link["nodes"])
        for key in ("segments", "errors", "guard_band"):
            document[key] = list(document[key])
        return document

    def computed_model_hash(self) -> str:
        """Return the value that `model_hash` must have."""
        links = self.document()["segments"]
        return digest([[link["model_hash"], link["circuit_hash"]] for link in links])

    def computed_hash(self) -> str:
        """Return the value that `artifact_hash` must have."""
        document = self.document()
        del document["artifact_hash"]
        return digest(document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> SplitManifest:
        """Return the manifest of a document, as `document` makes it.

        Raises:
            KeyError, TypeError, ValueError: The document is not a manifest of this release.
        """
        values = dict(document)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}; this release reads {SCHEMA}")
        values["visibility"] = Visibility(values["visibility"])
        links = []
        for each in values["segments"]:
            link = Link(**each)
            # The name becomes a path.
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", link.folder):
                raise ValueError(f"{link.folder!r} is not a segment's folder")
            number = None if link.model_hash is None else int(str(link.model_hash), 16)
            first, last = link.nodes
            links.append(
                Link(
                    link.folder,
                    link.artifact_hash,
                    link.circuit_hash,
                    number,
                    int(link.inputs),
                    int(link.outputs),
                    (str(first), str(last)),
                )
            )
        values["segments"] = tuple(links)
        if not isinstance(values["facts"], dict):
            raise TypeError("facts must be an object")
        if values["disclosure"] not in ("score", "verdict"):
            raise ValueError(f"disclosure {values['disclosure']!r}; it is score or verdict")
        for name in ("features", "outputs", "input_scale", "param_scale", "output_scale", "clip", "weights"):
            if type(values[name]) is not int:
                raise TypeError(f"{name} must be an integer")
        check_reading(values["facts"], values["features"])
        check_approximation(values, values["facts"])
        return SplitManifest(**values)
