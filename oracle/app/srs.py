"""The structured reference strings of a configuration: `oracle srs …`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.app.assembly import detector, srs_cache
from oracle.chain.local import toolchain
from oracle.core.errors import ArtifactError, DataError

if TYPE_CHECKING:
    from oracle.config import Config
    from oracle.proving.inspect import SrsFinding
    from oracle.proving.srs import SrsCache, SrsStatus


def _default_srs_cache() -> SrsCache:
    """The cache of a configuration that names no artifacts folder."""
    from oracle.config import ProverConfig

    return srs_cache(ProverConfig().artifacts)


def srs_status(config: Config | None = None) -> list[SrsStatus]:
    """What is in the SRS cache; without a configuration, in the user's and in the project's, which the demo uses."""
    if config is not None:
        return srs_cache(config.prover.artifacts).status()
    caches = (_default_srs_cache(), srs_cache(toolchain.build_dir() / "artifacts"))
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
    """Fetch the public ceremony's SRS; returns the files.

    Args:
        what: For each of these: a k, or an artifact's folder. None: what the configured circuits need.
        config: Its cache, and its mirror, are used.
        mirror: In the place of the configured one.
        deadline_s: For each file.
        progress: Told how much of a file is there.

    Raises:
        DataError: Something that is to be fetched is neither.
    """
    from oracle.proving.srs import CEREMONY_SHA256, SrsCache
    from oracle.proving.srs.download import Patience

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
    directory = (_default_srs_cache() if config is None else srs_cache(config.prover.artifacts)).directory
    cache = SrsCache(directory, mirror, Patience(deadline_s=deadline_s), progress)
    return [cache.public_ceremony(k).path for k in dict.fromkeys(sizes)]


def _k_of(what: str) -> int:
    """The k that a user means by a number or by an artifact's folder."""
    from oracle.proving import artifact

    if what.isdecimal():
        return int(what)
    try:
        return artifact.load(Path(what), prover=False).manifest.k
    except ArtifactError as error:
        raise DataError(f"{what!r} is neither a k nor an artifact's folder: {error}") from error


def _needed_k(config: Config, batch: int) -> int:
    """The k with which building the configured circuit begins, asked of the build itself."""
    import tempfile

    from oracle.proving import artifact
    from oracle.proving.srs import SrsFile, SrsOrigin

    class Asked(Exception):
        pass

    class Ask:
        origin = SrsOrigin.PUBLIC_CEREMONY

        def file(self, k: int) -> SrsFile:
            raise Asked(k)

    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        try:
            artifact.build(
                detector(config),
                batch,
                visibility=artifact.Visibility(config.prover.visibility),
                srs=Ask(),
                compile_standard=dict,
                cache=Path(folder),
            )
        except Asked as asked:
            return int(asked.args[0])
    raise AssertionError("a circuit was built without an SRS")


def srs_generate(k: int, config: Config | None = None) -> Path:
    """Generate an SRS, with which this machine could forge proofs: for local chains; returns its file."""
    cache = _default_srs_cache() if config is None else srs_cache(config.prover.artifacts)
    return cache.insecure_local(k).path


def srs_verify(config: Config | None = None) -> list[SrsFinding]:
    """Each SRS, checked, with the artifacts that use it; without a configuration, the user's and the project's."""
    from oracle.config import ProverConfig
    from oracle.proving.inspect import check_srs

    folders = [ProverConfig().artifacts, toolchain.build_dir() / "artifacts"]
    if config is not None:
        folders = [config.prover.artifacts]
    return check_srs({folder: srs_cache(folder) for folder in folders})


def srs_import(path: Path, config: Config | None = None) -> Path:
    """Take the public ceremony's SRS from a file whose hash is checked; returns its place in the cache."""
    cache = _default_srs_cache() if config is None else srs_cache(config.prover.artifacts)
    return cache.import_file(path).path
