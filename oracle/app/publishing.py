"""`oracle model publish`: the public files of artifacts, made again before anyone gets them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.app.regeneration import regenerated
from oracle.core.errors import ArtifactError, DataError
from oracle.proving import artifact as artifacts
from oracle.proving import split
from oracle.proving.artifact import Artifact, Regeneration

__all__ = ["PublishedModel", "publish_model"]


@dataclass(frozen=True)
class PublishedModel:
    """The public files of a model.

    Attributes:
        path: The folder that has them.
        made: Its circuits, made again from these files alone.
        files: Size in bytes by name, of every file.
        uses: The commands that take the folder, or the folder that it is in.
    """

    path: Path
    made: tuple[Regeneration, ...]
    files: Mapping[str, int]
    uses: tuple[str, ...]


def publish_model(path: Path, out: Path, progress: Callable[[str], None] = lambda step: None) -> PublishedModel:
    """Copy what strangers need of an artifact into a folder of its name, and make its keys and bytecode again from it.

    Args:
        path: The artifact, of any kind, split or not.
        out: The folder of public artifacts, which may have others already.
        progress: Called with each step.

    Raises:
        DataError: There is no artifact in the path.
        ArtifactError: The copy can't be written, or the key does not follow from it: nothing is published then.
    """
    if not path.is_dir():
        raise DataError(f"{path} is no folder: name that of an artifact, as `oracle model build` prints it")
    target = out / path.resolve().name
    if target.exists():
        raise DataError(f"{target} exists already: remove it, or name another folder with --out")
    try:
        if split.is_split(path):
            whole = split.publish(split.load_chain(path, prover=False), target)
            circuits: tuple[Artifact, ...] = whole.artifacts
            told = list(split.chain_problems(whole))
        else:
            circuits, told = (artifacts.publish(_load(path), target),), []
        made = tuple(regenerated(each, progress) for each in circuits)
        if problems := [*told, *(problem for each in made for problem in each.problems)]:
            raise ArtifactError(f"{path} is not published, nobody could check it: {'; '.join(problems)}")
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    files = {str(each.relative_to(target)): each.stat().st_size for each in sorted(target.rglob("*")) if each.is_file()}
    return PublishedModel(target, made, files, tuple(_uses(circuits[0], target, split.is_split(path))))


def _load(path: Path) -> Artifact:
    try:
        return artifacts.load(path, prover=False)
    except ArtifactError as error:
        raise DataError(str(error)) from error


def _uses(circuit: Artifact, target: Path, is_split: bool) -> list[str]:
    manifest = circuit.manifest
    facts = manifest.imported or {}
    if "audit" in facts:
        return [f"oracle claim fairness verify AUDIT --set SET --artifact {target}"]
    if manifest.features:
        return [
            f"oracle audit HUB --artifacts {target.parent}",
            f"oracle verify-deployment HUB --artifacts {target.parent}",
            f"oracle card verify CARD --artifact {target}",
        ]
    if is_split or (facts and manifest.batch == 1 and "claim" not in facts):
        return [f"oracle model verify {target} PROOF", f"oracle model verify-deployed {target} ADDRESS"]
    return [f"oracle model inspect {target}"]
