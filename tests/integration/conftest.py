"""Circuits for integration tests, built once per session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oracle.chain.local.solc import compile_standard
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving.artifact import Artifact, Visibility, build
from oracle.proving.artifact.verifier import SOLC_VERSION
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin

Circuits = Callable[..., Artifact]


@pytest.fixture(scope="session")
def circuits(tmp_path_factory: pytest.TempPathFactory) -> Circuits:
    """Builds circuits, or finds them again: `circuits(batch=4, visibility=Visibility.PUBLIC, model=…)`.

    All share one folder and one SRS per k, which this session generated.
    """
    folder = tmp_path_factory.mktemp("circuits")
    srs = SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL)

    def make(
        *,
        batch: int = 1,
        visibility: Visibility = Visibility.PRIVATE,
        disclosure: Disclosure = Disclosure.SCORE,
        model: QuadraticModel | None = None,
    ) -> Artifact:
        return build(
            (model or QuadraticModel.default()).publishing(disclosure),
            batch,
            visibility=visibility,
            srs=srs,
            compile_standard=lambda request: compile_standard(request, SOLC_VERSION, use_cache=False),
            cache=folder / "artifacts",
        )

    return make
