"""What the rest of the package knows about a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


class Disclosure(StrEnum):
    """What the circuit publishes of a window.

    Scores are linear in the weights and the features are public, so about as many published scores as there are
    weights give the weights away, hashed or not. Verdicts do not; see `docs/privacy.md`.
    """

    SCORE = "score"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one of a detector's outputs is what it is: for people, never for the gate.

    Attributes:
        output: Its name.
        score: In score units; above 0 it objects to the window.
        parts: Addends of the score, by name, in score units; they sum to it, but for floats' rounding.
        measured: What the output limits, in sigmas; None where that has no meaning.
        limit: How much of it would just pass, in sigmas; None likewise.
        meaning: What is measured, in a few words.
    """

    output: str
    score: float
    parts: Mapping[str, float]
    measured: float | None
    limit: float | None
    meaning: str

    @property
    def objects(self) -> bool:
        return self.score > 0


@runtime_checkable
class Detector(Protocol):
    """A model whose circuit is exact over the integers: the reference equals the circuit bit for bit.

    `tests/detector_conformance.py` is what each implementation must pass.

    Attributes:
        name: For people, logs and artifact folders; letters, digits and hyphens.
        format: Of its file: the key by which `oracle.detectors.load` knows how to read it.
        features: n, the length of a feature vector: the move now, n − 2 past moves, the gap; with `spread`, one past
            move less and the spread before the gap.
        spread: Whether the vector's last but one feature is the spread of the round's answers.
        outputs: Scores per window.
        param_scale: p; every weight is a multiple of 2^-p.
        score_unit: What a score is divided by when it is shown: the contract's `scoreUnit`.
        disclosure: What the circuit publishes.
    """

    @property
    def name(self) -> str: ...

    @property
    def format(self) -> str: ...

    @property
    def features(self) -> int: ...

    @property
    def spread(self) -> bool: ...

    @property
    def outputs(self) -> int: ...

    @property
    def param_scale(self) -> int: ...

    @property
    def score_unit(self) -> int: ...

    @property
    def disclosure(self) -> Disclosure: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """The integers that the circuit publishes for one feature vector; all ≤ 0 accepts.

        Args:
            features: n integers, clipped.

        Returns:
            `outputs` integers, below 2^127 in magnitude.

        Raises:
            ValueError: Another number of features, or one that is not clipped.
        """
        ...

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """`score_int` of many windows at once, exactly.

        Args:
            windows: Integers [count, n], clipped.

        Returns:
            Integers [count, outputs], of dtype object: Python's own, however large.
        """
        ...

    def score_bound(self) -> int:
        """A number that no intermediate value of the circuit exceeds in magnitude, over all clipped inputs."""
        ...

    def to_onnx(self, batch: int) -> bytes:
        """The ONNX graph for `batch` windows: input `x` [batch, n], output `s` [batch, outputs]."""
        ...

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """What speaks for and against a window: one explanation for each output, whatever the circuit publishes."""
        ...

    def publishing(self, disclosure: Disclosure) -> Self:
        """The same model in a circuit that publishes scores, or verdicts only. Its hash is the same.

        Raises:
            DataError: It can't.
        """
        ...

    def to_json(self) -> str:
        """The model file, which `oracle.detectors.load` reads: the same bytes for the same model."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a trainer learns from: windows as the contract derives them, in time order.

    Attributes:
        fit: Windows that coefficients are fitted to, oldest first: [x_now, 14 past moves, gap], or with `spread`
            [x_now, 13 past moves, spread, gap].
        calibrate: Later windows, on which the thresholds are set.
        spread: Whether the vectors have a spread.
        budget: Share of the calibration windows that may be held.
        seed: Of whatever is drawn.
    """

    fit: Sequence[tuple[int, ...]]
    calibrate: Sequence[tuple[int, ...]]
    spread: bool
    budget: Fraction
    seed: int


class Trainer(Protocol):
    """Fits a detector of one kind. The same lesson gives the same detector, to the byte of its file."""

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """The fitted detector, thresholds folded into its weights.

        Args:
            name: Of the detector.
            lesson: What to learn from.

        Raises:
            DataError: The data can't carry a fit.
            ToolMissing: The `train` extra is not installed.
        """
        ...
