"""One cache of circuits for all tests, all workers, and all runs: `build/test-cache`.

Each folder in it belongs to one state of the code that builds circuits, and to one release of ezkl. It has the layout
of the product's cache: `artifacts`, and beside it `srs`, the reference strings of the artifacts. In it, the product
finds a circuit again by its model and its settings. It builds under a lock file, and puts a whole circuit in place in
one step, so that processes can share the folder. Solc's output is kept in `build/cache/solc`, by solc's input.

Nobody may alter anything in the cache: a test that damages a circuit damages a copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import time
from functools import cache
from pathlib import Path

from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.interface import Provable
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin, SrsSource

BUILDERS = ("oracle/proving", "oracle/core/encoding.py", "oracle/core/privacy.py")
"""The code that determines a circuit's files, besides the model and its settings."""


KEPT_S = 7 * 86_400
"""Seconds that a folder is kept which no run uses."""


@cache
def folder() -> Path:
    """Return the cache's folder for the present state of the code."""
    root = toolchain.project_root(Path(__file__).parent)
    files = [path for each in BUILDERS for path in ((root / each).rglob("*.py") if "." not in each else [root / each])]
    content = hashlib.sha256(importlib.metadata.version("ezkl").encode())
    for file in sorted(files):
        content.update(f"\0{file.relative_to(root)}\0".encode() + file.read_bytes())
    found = root / "build" / "test-cache" / content.hexdigest()[:16]
    found.mkdir(parents=True, exist_ok=True)
    os.utime(found)
    for other in found.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            if time.time() - other.stat().st_mtime > KEPT_S:
                shutil.rmtree(other, ignore_errors=True)
    return found


def artifacts() -> Path:
    """Return the folder of circuits, for configurations and commands."""
    return folder() / "artifacts"


def regenerated() -> Path:
    """Return the folder of keys and bytecode that were made, which commands use, too."""
    return toolchain.regenerated_dir()


def srs() -> SrsSource:
    """Return the reference strings that this machine generates, one for each k."""
    return SrsCache(folder() / "srs").source(SrsOrigin.INSECURE_LOCAL)


compiler = Solc()
"""Compiles verifiers, or returns the results of earlier compilations."""


def circuit(detector: Provable, batch: int = 1, visibility: Visibility = Visibility.PRIVATE) -> Artifact:
    """Build a circuit, or find it in the cache."""
    return build(
        detector,
        batch,
        visibility=visibility,
        srs=srs(),
        compile_standard=compiler,
        cache=artifacts(),
        kept=regenerated(),
    )


def quadratic(
    *,
    batch: int = 1,
    visibility: Visibility = Visibility.PRIVATE,
    disclosure: Disclosure = Disclosure.SCORE,
    model: QuadraticModel | None = None,
) -> Artifact:
    """Build a quadratic model's circuit, or find it in the cache. Without `detector`, it is the default model's."""
    return circuit((model or QuadraticModel.default()).publishing(disclosure), batch, visibility)
