"""The artifacts of a detector: built as configured, or found again for a deployed model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import structlog

from oracle.app.detectors import configured_detector, keep_detector
from oracle.app.srs import srs_cache
from oracle.chain.deploy import Deployment
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.config import Config
from oracle.core.errors import ArtifactError, ConfigError
from oracle.proving import artifact
from oracle.proving.artifact import Artifact
from oracle.proving.srs.files import SrsOrigin

__all__ = ["Progress", "build_artifact", "deployed_artifact", "deployed_circuits", "find_artifact"]

log = structlog.get_logger(__name__)

Progress: TypeAlias = Callable[[str], None]
"""Called with each step."""


def find_artifact(config: Config, batch: int = 1, progress: Progress = lambda step: None) -> Artifact:
    """Return the circuit that the configuration asks for, and build it if the artifacts folder does not have it.

    Args:
        config: The configuration.
        batch: Windows of the circuit.
        progress: Called with each step.
    """
    detector = configured_detector(config)
    found = artifact.build(
        detector,
        batch,
        visibility=artifact.Visibility(config.prover.privacy.visibility),
        srs=srs_cache(config.prover.artifacts).source(SrsOrigin(config.prover.srs)),
        compile_standard=Solc(),
        cache=config.prover.artifacts,
        kept=toolchain.regenerated_dir(),
        progress=progress,
    )
    _require_exact(config, found)
    if config.prover.model is not None:
        keep_detector(detector, found)
    return found


def _require_exact(config: Config, found: Artifact) -> None:
    """Make sure that a feed's verdicts are nobody's choice.

    Raises:
        ConfigError: The circuit is not exact, and the configuration does not say that such circuits may judge.
    """
    manifest = found.manifest
    if not manifest.exact and not config.prover.approximate:
        raise ConfigError(
            f"{found.path} is not exact: within ±{max(manifest.guard_band) / manifest.score_unit:g} of the gate its "
            "prover decides. Use an exact model, or set [prover] approximate = true if that is good enough for you"
        )


async def build_artifact(config: Config, batch: int) -> Path:
    """Build or find the configured circuit, and return its folder."""
    return (await asyncio.to_thread(find_artifact, config, batch)).path


def deployed_artifact(config: Config, deployment: Deployment, number: int) -> Artifact:
    """Return the artifact of a deployed model's smallest circuit.

    It is looked for in the folder that it was deployed from, then in the artifacts folder.

    Raises:
        ArtifactError: The artifact is not here, or is another one.
    """
    model = deployment.models[number]
    hint = Path(model.artifacts[min(model.artifacts)])
    for folder in _folders(config, hint):
        if (folder / artifact.MANIFEST).is_file():
            found = artifact.load(folder)
            if found.artifact_hash != model.artifact_hash:
                raise ArtifactError(
                    f"{folder} is artifact {found.artifact_hash}, but model {number} was deployed from "
                    f"{model.artifact_hash}: restore that one, or propose this one as a new model"
                )
            _require_exact(config, found)
            return found
    raise ArtifactError(
        f"the artifact of model {number} ({hint.name}) is neither at {hint} nor in {config.prover.artifacts}: "
        "copy its folder there from the machine that deployed it"
    )


def deployed_circuits(config: Config, deployment: Deployment, number: int) -> dict[int, Artifact]:
    """Return the artifacts of a deployed model by their windows; larger circuits that are not here are left out.

    Raises:
        ArtifactError: The artifact of the smallest circuit is not here, or is another one.
    """
    model = deployment.models[number]
    smallest = min(model.artifacts)
    found = {smallest: deployed_artifact(config, deployment, number)}
    verifiers = {each.code_hash for each in deployment.verifiers}
    for batch in sorted(model.artifacts.keys() - {smallest}):
        hint = Path(model.artifacts[batch])
        for folder in _folders(config, hint):
            if (folder / artifact.MANIFEST).is_file():
                circuit = artifact.load(folder)
                _require_exact(config, circuit)
                if bytes.fromhex(circuit.manifest.verifier_code_hash.removeprefix("0x")) in verifiers:
                    found[batch] = circuit
                    break
        else:
            log.warning("no circuit for batches of this size", batch=batch, artifact=hint.name)
    return found


def _folders(config: Config, hint: Path) -> tuple[Path, Path]:
    return hint, config.prover.artifacts / hint.name
