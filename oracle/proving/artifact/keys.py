"""The settings and keys of a circuit, the same in each build."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from oracle.proving.artifact.circuit import run_args
from oracle.proving.artifact.loading import Artifact
from oracle.proving.artifact.manifest import CIRCUIT, MODEL, PK, SETTINGS, SRS, VK
from oracle.proving.engine.child import EngineProcess
from oracle.proving.hashing import sha256_of
from oracle.proving.interface import Provable


def settle(settings: dict[str, Any], k: int) -> None:
    """Make settings the same in each build, and set k."""
    # ezkl's order differs from run to run, and columns follow it. Sorted, all models of one architecture have the same
    # keys.
    for listed in ("required_range_checks", "required_lookups"):
        settings[listed] = sorted(settings[listed], key=json.dumps)
    settings["run_args"]["logrows"] = k
    # The only thing in an artifact that would differ between two builds.
    settings["timestamp"] = 0


def rebuilt_key(detector: Provable, like: Artifact) -> str:
    """Return the SHA-256 of the verifying key of a detector's circuit, made with an artifact's digits, k and SRS.

    Hashed weights are witness, and in no key. So if this is the artifact's own key, the artifact's circuit has the
    detector's architecture, whoever built it: an auditor does not need the weights to know.

    Args:
        detector: Has the architecture, with any weights.
        like: The artifact; an auditor's copy will do.

    Returns:
        The hash; "" if the circuit has another number of rows or instances than the artifact's.

    Raises:
        ArtifactError: The circuit can't be built.
    """
    manifest = like.manifest
    stated = json.loads((like.path / SETTINGS).read_text(encoding="utf-8"))
    digits = {name: stated["run_args"][name] for name in ("decomp_base", "decomp_legs")}
    with tempfile.TemporaryDirectory(prefix="oracle-key-") as name, EngineProcess() as engine:
        folder = Path(name)
        model, written, circuit, vk, pk = (str(folder / each) for each in (MODEL, SETTINGS, CIRCUIT, VK, PK))
        Path(model).write_bytes(detector.to_onnx(manifest.batch))
        arguments = run_args(detector, manifest.visibility) | digits
        settings = engine.call("gen_settings", model=model, settings=written, run_args=arguments)
        if any(settings[name] != stated[name] for name in ("num_rows", "model_instance_shapes")):
            return ""
        settle(settings, manifest.k)
        write_json(Path(written), settings)
        engine.call("compile_circuit", model=model, circuit=circuit, settings=written)
        engine.call("setup", circuit=circuit, vk=vk, pk=pk, srs=like.file(SRS))
        return sha256_of(Path(vk))


def write_json(path: Path, document: object) -> None:
    """Write a document as JSON, with sorted keys."""
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
