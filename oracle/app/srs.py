"""`oracle srs`: the structured reference strings of a configuration."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oracle.app.detectors import configured_detector
from oracle.chain.local import toolchain
from oracle.config import Config, ProverConfig
from oracle.core.errors import ArtifactError, DataError
from oracle.proving import artifact
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.ceremony import CEREMONY_SHA256
from oracle.proving.srs.check import SrsFinding, check_srs
from oracle.proving.srs.download import Patience
from oracle.proving.srs.files import SrsFile, SrsOrigin

__all__ = ["srs_cache", "srs_fetch", "srs_generate", "srs_import", "srs_status", "srs_verify"]


def srs_cache(artifacts: Path) -> SrsCache:
    """Return the cache of SRS files beside a folder of artifacts."""
    return SrsCache(artifacts.parent / "srs")


def srs_status(config: Config | None = None) -> list[SrsFile]:
    """Return what is in the SRS cache; without a configuration, in the user's cache and the project's (the demo's)."""
    if config is not None:
        return _cache(config).status()
    caches = (_cache(None), srs_cache(toolchain.build_dir() / "artifacts"))
    # Outside of a project they are one.
    return [found for cache in {each.directory: each for each in caches}.values() for found in cache.status()]


def srs_fetch(
    what: Sequence[str],
    config: Config | None = None,
    *,
    mirror: str | None = None,
    deadline_s: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Fetch the public ceremony's SRS, and return the files.

    Args:
        what: Sizes k or folders of artifacts to fetch it for. Empty: the configured circuits.
        config: Its cache, and its mirror, are used.
        mirror: A mirror to use instead of the configured one.
        deadline_s: Seconds for each file.
        progress: Called with the part of a file that is there.

    Raises:
        DataError: An item of `what` is neither a k nor an artifact's folder, or there is nothing to fetch for.
    """
    if not what and config is None:
        raise DataError("say what for: a k (rows are 2^k), an artifact's folder, or a configuration with --config")
    sizes = [_k_of(each) for each in what]
    if not what and config is not None:
        sizes = [_needed_k(config, batch) for batch in config.prover.batch_sizes]
    for k in sizes:
        if k not in CEREMONY_SHA256:
            raise DataError(f"k = {k}: the public ceremony's SRS is known for k of 1 to {max(CEREMONY_SHA256)}")
    if mirror is not None and not mirror.startswith(("https://", "http://")):
        raise DataError("--mirror: write it as https://host/path")
    cache = SrsCache(_cache(config).directory, mirror, Patience(deadline_s=deadline_s), progress)
    return [cache.public_ceremony(k).path for k in dict.fromkeys(sizes)]


def srs_generate(k: int, config: Config | None = None) -> Path:
    """Generate an SRS for local chains, and return its file. Whoever generates one can forge proofs with it."""
    return _cache(config).insecure_local(k).path


def srs_verify(config: Config | None = None) -> list[SrsFinding]:
    """Check each SRS, and find the artifacts that use it; without a configuration, the user's and the project's."""
    folders = [ProverConfig().artifacts, toolchain.build_dir() / "artifacts"]
    if config is not None:
        folders = [config.prover.artifacts]
    return check_srs([(srs_cache(folder), artifact.srs_uses(folder)) for folder in dict.fromkeys(folders)])


def srs_import(path: Path, config: Config | None = None) -> Path:
    """Check the hash of a file with the public ceremony's SRS, copy it to the cache, and return its place there."""
    return _cache(config).import_file(path).path


def _cache(config: Config | None) -> SrsCache:
    """Return the configured cache, or that of a configuration that names no artifacts folder."""
    return srs_cache((ProverConfig() if config is None else config.prover).artifacts)


def _k_of(what: str) -> int:
    """Return the k that a user means by a number or by an artifact's folder."""
    if what.isdecimal():
        return int(what)
    try:
        return artifact.load(Path(what), prover=False).manifest.k
    except ArtifactError as error:
        raise DataError(f"{what!r} is neither a k nor an artifact's folder: {error}") from error


class _SizeAsked(Exception):
    """The build asked for an SRS of this size."""


class _AskingSource:
    """An SRS source that has no file, and raises which size it was asked for."""

    origin = SrsOrigin.PUBLIC_CEREMONY

    def file(self, k: int) -> SrsFile:
        raise _SizeAsked(k)


class _Unasked:
    """A compiler that is never run: the build ends when it asks for an SRS."""

    def require(self) -> None:
        pass

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("a verifier was compiled without an SRS")


def _needed_k(config: Config, batch: int) -> int:
    """Return the k with which building the configured circuit begins, as the build itself says it."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        try:
            artifact.build(
                configured_detector(config),
                batch,
                visibility=artifact.Visibility(config.prover.privacy.visibility),
                srs=_AskingSource(),
                compile_standard=_Unasked(),
                cache=Path(folder),
            )
        except _SizeAsked as asked:
            return int(asked.args[0])
    raise AssertionError("a circuit was built without an SRS")
