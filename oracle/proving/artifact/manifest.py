"""The manifest of an artifact: what the artifact is, and the hashes of its files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from oracle.core import encoding, privacy
from oracle.core.errors import DataError
from oracle.proving.hashing import digest
from oracle.proving.srs.files import SrsOrigin

SCHEMA = 4

MODEL, SETTINGS, CIRCUIT = "model.onnx", "settings.json", "circuit.ezkl"
VK, PK, SRS = "vk.key", "pk.key", "kzg.srs"
SOLIDITY, COMPILED = "Verifier.sol", "verifier.json"
ARCHITECTURE = "architecture.onnx"
"""The graph from which anyone can make the key again: a public model's own, or a private one's without its weights."""

MANIFEST, PROBE = "manifest.json", "probe.json"
DETECTOR = "detector.json"
"""The model file beside the artifact's own. A deployed model is run from it, whatever is configured by now."""

PROVER_FILES = (MODEL, CIRCUIT, PK)
AUDIT_FILES = (SETTINGS, VK, SRS, SOLIDITY, COMPILED, ARCHITECTURE)

DISCLOSURES = ("score", "verdict")


class Visibility(StrEnum):
    """The two places where weights can be. The values are those of the command line."""

    PRIVATE = "private"
    PUBLIC = "public"

    @property
    def param_visibility(self) -> str:
        """ezkl's name: `hashed` blinds the weights and publishes their Poseidon hash; `fixed` has them in the key."""
        return privacy.VISIBILITIES[self.value]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of an artifact.

    Attributes:
        schema: Version of the manifest's format.
        name: The detector's name.
        batch: B, windows per proof.
        width: n, integers in a window.
        outputs: Scores per window.
        param_scale: p; weights are multiples of 2^-p.
        score_unit: The contract's `scoreUnit`.
        visibility: Where the weights are.
        disclosure: "score" or "verdict": what a proof publishes.
        model_hash: Poseidon hash of the weights, a field element; 0 if the circuit has the weights in its key.
        ezkl: Version of ezkl.
        solc: Version of solc.
        hardening: Version of what was added to the verifier.
        k: The circuit has 2^k rows.
        proof_bytes: Exact length of each proof.
        instance_count: Exact number of instances.
        srs_sha256: SHA-256 of the SRS.
        srs_origin: Says who knew the SRS's secret.
        verifier_code_hash: keccak256 of the verifier's code on-chain, hex.
        circuit_hash: Hash of everything that makes the verifier; the same for all private models of one architecture.
        files: SHA-256 by file name.
        artifact_hash: SHA-256 of this manifest without this field, as canonical JSON; the same for the same model, SRS
            and tools.
        imported: Facts about an imported model: scales, clip, source, fidelity (`ImportedModel.facts`).
        features: The names of a feed model's features, in order; empty if it is no feed's model.
        hashed: Ends of a segment of a split model that are published as hashes: "input", "output" or both.
        inputs: Lengths of the circuit's inputs, if it has several; each has a hash of its own. A window is all of them.
        exact: True if nothing is looked up, and a prover chooses nothing. False for a circuit that looks functions up,
            or that divides values whose scale is too large.
        errors: Of a circuit that is not exact, the largest distance from the float model on the samples, for each
            output, in output units. It is measured and not a bound. Empty if outputs can't be compared.
        guard_band: Of a circuit that is not exact, half the width of the band around a threshold in which a published
            integer decides nothing, for each output, in published integers.
    """

    schema: int
    name: str
    batch: int
    width: int
    outputs: int
    param_scale: int
    score_unit: int
    visibility: Visibility
    disclosure: str
    model_hash: int
    ezkl: str
    solc: str
    hardening: int
    k: int
    proof_bytes: int
    instance_count: int
    srs_sha256: str
    srs_origin: SrsOrigin
    verifier_code_hash: str
    circuit_hash: str
    files: Mapping[str, str]
    artifact_hash: str = ""
    imported: Mapping[str, Any] | None = None
    features: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()
    exact: bool = True
    errors: tuple[float, ...] = ()
    guard_band: tuple[int, ...] = ()

    @property
    def model_hash_at(self) -> int:
        """The index of the model's hash among the instances, if they have it."""
        return max(1, len(self.inputs)) if "input" in self.hashed else 0

    def document(self) -> dict[str, Any]:
        """Return the manifest as JSON: 256-bit numbers as hex, enumerations by their values."""
        document = asdict(self)
        document["model_hash"] = f"{self.model_hash:#066x}"
        for key in ("visibility", "srs_origin"):
            document[key] = document[key].value
        if self.imported is None:
            del document["imported"]
        for key in ("features", "hashed", "inputs"):
            if document[key]:
                document[key] = list(document[key])
            else:
                del document[key]
        for key in ("errors", "guard_band"):
            document[key] = list(document[key])
        if self.exact:
            for key in ("exact", "errors", "guard_band"):
                del document[key]
        return document

    def computed_hash(self) -> str:
        """Return the value that `artifact_hash` must have.

        The compiled circuit is left out: ezkl writes its maps in an order that differs from build to build.
        """
        document = self.document()
        del document["artifact_hash"]
        document["files"] = {name: digest for name, digest in self.files.items() if name != CIRCUIT}
        return digest(document)

    def privacy(self) -> dict[str, Any]:
        """Return what visibility and disclosure mean. The statement follows from the two, so no hash covers it."""
        return privacy.statement(self.visibility.value, self.disclosure)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Manifest:
        """Return the manifest of a document, as `document` makes it.

        Raises:
            KeyError, TypeError, ValueError: The document is not a manifest of this release.
        """
        values = dict(document)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}; this release reads {SCHEMA}")
        _check_kinds(values)
        values["model_hash"] = int(values["model_hash"], 16)
        values["visibility"] = Visibility(values["visibility"])
        if values["disclosure"] not in DISCLOSURES:
            raise ValueError(f"disclosure {values['disclosure']!r} is none of {', '.join(DISCLOSURES)}")
        values["srs_origin"] = SrsOrigin(values["srs_origin"])
        files = values["files"]
        if not isinstance(files, dict) or not all(isinstance(each, str) for each in (*files, *files.values())):
            raise TypeError("files must be an object of texts")
        stated = values.pop("privacy", None)
        if not isinstance(values.get("imported"), dict | None):
            raise TypeError("imported must be an object")
        values["features"] = _features(values.get("features", ()), values["width"])
        values["hashed"] = tuple(values.get("hashed", ()))
        if values["hashed"] not in ((), ("input",), ("output",), ("input", "output")):
            raise ValueError(f"hashed {list(values['hashed'])} is none of input, output, or both in this order")
        values["inputs"] = tuple(values.get("inputs", ()))
        if values["inputs"] and (values["batch"], sum(values["inputs"])) != (1, values["width"]):
            raise ValueError("its inputs are not the integers of one window")
        facts = values.get("imported") or {}
        # A segment's window is a tensor, and has one scale.
        check_reading(facts, None if "input" in values["hashed"] else values["width"])
        check_approximation(values, facts)
        manifest = Manifest(**values)
        if stated not in (None, manifest.privacy()):
            raise ValueError("its statement on privacy is not that of its visibility and disclosure")
        return manifest


_NUMBERS = (
    *("batch", "width", "outputs", "param_scale", "score_unit"),
    *("hardening", "k", "proof_bytes", "instance_count"),
)
_TEXTS = ("name", "ezkl", "solc", "artifact_hash")
_HASHES = ("srs_sha256", "verifier_code_hash", "circuit_hash")

_MOST_SHIFT = 1_100
"""No float has an exponent of more bits."""


def _check_kinds(values: Mapping[str, Any]) -> None:
    """Check the kinds of a manifest's values: whoever reads it may have it from a stranger.

    Raises:
        KeyError: One is missing.
        TypeError: One is of another kind.
        ValueError: A hash is none.
    """
    for key in _NUMBERS:
        if type(values[key]) is not int or not 0 <= values[key] < 1 << 128:
            raise TypeError(f"{key} must be a number")
    for key in (*_TEXTS, *_HASHES):
        if not isinstance(values[key], str):
            raise TypeError(f"{key} must be a text")
    for key in _HASHES:
        if not re.fullmatch(r"(0x)?[0-9a-f]{64}", values[key]):
            raise ValueError(f"{key} must be 64 hexadecimal digits")


def check_approximation(values: dict[str, Any], facts: Mapping[str, Any]) -> None:
    """Check what a manifest says of an approximate circuit, and turn its lists into tuples.

    Args:
        values: The manifest's values, which are completed.
        facts: Its facts about the imported model.

    Raises:
        TypeError: A value is of another kind.
        ValueError: The values contradict each other.
    """
    exact = values.setdefault("exact", True)
    if type(exact) is not bool:
        raise TypeError("exact must be true or false")
    errors, band = (tuple(values.get(key, ())) for key in ("errors", "guard_band"))
    if any(type(each) not in (int, float) or not 0 <= each < math.inf for each in errors):
        raise TypeError("errors must be numbers, none of them negative")
    if any(type(each) is not int or not 0 <= each < 1 << 127 for each in band):
        raise TypeError("guard_band must be whole numbers, none of them negative")
    expected = 0 if exact else values["outputs"]
    if len(errors) not in (0, expected) or len(band) != expected:
        raise ValueError("a circuit that is not exact has an error and a guard band for each output, others have none")
    if exact != (not facts.get("looked_up") and not facts.get("rebase")):
        raise ValueError("it is exact if nothing is looked up and nothing is divided, and only then")
    if not exact and values["disclosure"] == "verdict" and values["visibility"] is Visibility.PUBLIC:
        raise ValueError("a public circuit that is not exact publishes its outputs, not verdicts")
    values |= {"errors": errors, "guard_band": band}


def check_reading(facts: Mapping[str, Any], width: int | None) -> None:
    """Check what a manifest says of how a window is written and an output is read, as far as it is more than scales.

    The graph has neither: it takes integers, and publishes a label's place.

    Args:
        facts: The manifest's facts about the imported model.
        width: The integers of a window; None: it has one scale.

    Raises:
        TypeError: A value is of another kind.
        ValueError: There are not as many scales as features, or two labels are the same.
    """
    shifts, labels = facts.get("input_shifts"), facts.get("labels")
    if shifts is not None:
        if not isinstance(shifts, list) or any(type(each) is not int or abs(each) > _MOST_SHIFT for each in shifts):
            raise TypeError(f"input_shifts must be whole numbers from -{_MOST_SHIFT} to {_MOST_SHIFT}")
        if len(shifts) != width:
            there = "a segment's window has one scale" if width is None else f"its windows have {width} integers"
            raise ValueError(f"input_shifts are of {len(shifts)} features, and {there}")
    if labels is not None:
        if not isinstance(labels, list) or not labels or not all(isinstance(each, str) for each in labels):
            raise TypeError("labels must be texts")
        if len(set(labels)) != len(labels):
            raise ValueError("two of its labels are the same")


def _features(names: Any, width: int) -> tuple[str, ...]:
    """Return a manifest's feature list as names.

    Raises:
        ValueError: It is none that the hub takes, or not as long as a window.
    """
    found = tuple(names)
    if not found:
        return ()
    try:
        encoding.parse_features(found)
    except DataError as error:
        raise ValueError(str(error)) from error
    if len(found) != width:
        raise ValueError(f"it has {len(found)} features, and its windows {width} integers")
    return found
