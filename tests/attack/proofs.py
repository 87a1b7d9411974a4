"""Real circuits and real proofs of them, each made once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.quadratic import FEATURES, QuadraticModel
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.interface import ProofJob
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from tests.circuits import circuit, folder
from tests.peer_models import peer_model

T = TypeVar("T")
Window = tuple[int, ...]

MODEL = QuadraticModel.default()
CALM: Window = encoding.calm_window(FEATURES)


class Proofs:
    """Make each artifact and each proof once. All asynchronous work runs on an event loop of this object's own."""

    DETECTORS: ClassVar[dict[str, QuadraticModel | PolynomialModel]] = {
        "private": MODEL,
        "public": MODEL,
        "verdict": MODEL.publishing(Disclosure.VERDICT),
        # The same architecture with other weights.
        "other": replace(MODEL, name="quadratic-other", floor=MODEL.floor * 2, drift_floor=MODEL.drift_floor * 2),
        "peer": peer_model(),
    }

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._provers: dict[tuple[str, int, bool], LocalProver] = {}
        self._artifacts: dict[tuple[str, int], Artifact] = {}
        self._made: dict[tuple[str, int, tuple[Window, ...]], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for prover in self._provers.values():
            self.run(prover.close())
        self._runner.close()

    def run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(awaitable)

    def artifact(self, kind: str = "private", batch: int = 1) -> Artifact:
        """Return the circuit of the default model, or of another one from `DETECTORS`, for a batch size."""
        if (kind, batch) not in self._artifacts:
            visibility = Visibility.PUBLIC if kind == "public" else Visibility.PRIVATE
            self._artifacts[kind, batch] = circuit(self.DETECTORS[kind], batch, visibility)
        return self._artifacts[kind, batch]

    def listed(self, kind: str = "private") -> tuple[Feature, ...]:
        """Return the features that a model takes, in its order."""
        return self.DETECTORS[kind].features

    def scores(self, window: Window, kind: str = "private") -> tuple[int, ...]:
        return self.DETECTORS[kind].score_int(window)

    def prove(self, *windows: Window, kind: str = "private", batch: int = 1, anew: bool = False) -> bytes:
        """Prove the scores of some windows; the last window is repeated up to `batch`.

        An earlier proof of the same statement is returned, unless `anew` is set.
        """
        return self.run(self.proof(*windows, kind=kind, batch=batch, anew=anew))

    async def proof(self, *windows: Window, kind: str = "private", batch: int = 1, anew: bool = False) -> bytes:
        """Do the same as `prove`, for callers on the event loop."""
        if anew or (kind, batch, windows) not in self._made:
            if (kind, batch, anew) not in self._provers:
                # `anew` asks for another proof of the same statement; a proof without it may come from an earlier run.
                cache = ProofCache(entries=0) if anew else ProofCache(folder=folder() / "proofs")
                self._provers[kind, batch, anew] = LocalProver(self.artifact(kind, batch), cache=cache)
            job = ProofJob(windows, tuple(self.scores(window, kind) for window in windows))
            self._made[kind, batch, windows] = (await self._provers[kind, batch, anew].prove(job)).proof
        return self._made[kind, batch, windows]


def limit(gap: int = encoding.GAP_ONE, kind: str = "private") -> int:
    """Return the largest move, in thousandths of sigma, that a model accepts after a calm time."""
    model, low, high = Proofs.DETECTORS[kind], 0, encoding.CLIP
    while high - low > 1:
        middle = (low + high) // 2
        accepted = max(model.score_int((middle, *CALM[1:-1], gap))) <= 0
        low, high = (middle, high) if accepted else (low, middle)
    return low
