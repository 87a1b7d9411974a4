"""The interfaces of this room: a detector, and a trainer that fits one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from oracle.core.encoding import Feature
from oracle.core.types import Kind

if TYPE_CHECKING:
    import numpy as np


class Disclosure(StrEnum):
    """The part of a window's result that the circuit publishes: a score for each output, or one verdict for all.

    Scores are linear in the weights and the features are public, so about as many published scores as there are
    weights give the weights away, hashed or not. Verdicts do not; see `docs/privacy.md`.
    """

    SCORE = "score"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for one of a detector's outputs: for people, never for the gate.

    Attributes:
        output: The output's name.
        score: The score, in score units; above 0 the output objects to the window.
        parts: Addends of the score, by name, in score units; they sum to it, up to the rounding of floats.
        measured: The quantity that the output limits, in sigmas; None where that has no meaning.
        limit: The largest value of `measured` that passes, in sigmas; None likewise.
        meaning: The measured quantity, in a few words.
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
    """A model whose circuit is exact over the integers: the integer reference equals the circuit bit for bit.

    Every implementation passes the suite in `tests/detector_conformance.py`.

    Attributes:
        name: Its name for people, logs and artifact folders; letters, digits and hyphens.
        format: The file's format: the key by which `oracle.detectors.registry` finds its reader.
        features: The feature list: which numbers a window has, in order.
        width: n, the length of a window.
        outputs: Published numbers per window: scores, or one verdict.
        param_scale: p; every weight is a multiple of 2^-p.
        score_unit: The score that is shown as 1: the contract's `scoreUnit`.
        disclosure: What the circuit publishes.
    """

    @property
    def name(self) -> str: ...

    @property
    def format(self) -> str: ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def width(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def param_scale(self) -> int: ...

    @property
    def score_unit(self) -> int: ...

    @property
    def disclosure(self) -> Disclosure: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes for one feature vector; all ≤ 0 accepts it.

        Args:
            features: n integers, clipped.

        Returns:
            `outputs` integers, below 2^127 in magnitude.

        Raises:
            ValueError: There is another number of features, or one is not clipped.
        """
        ...

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return `score_int` of many windows at once, exactly.

        Args:
            windows: Integers [count, n], clipped.

        Returns:
            Python's own integers [count, outputs], in an array of dtype object.
        """
        ...

    def score_bound(self) -> int:
        """Return a number that no intermediate value of the circuit exceeds in magnitude, over all clipped inputs."""
        ...

    def to_onnx(self, batch: int) -> bytes:
        """Return the ONNX graph for `batch` windows: input `x` [batch, n], output `s` [batch, outputs].

        Raises:
            ValueError: The batch is below 1.
        """
        ...

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Return what speaks for and against a window: one explanation per output, whatever the circuit publishes."""
        ...

    def publishing(self, disclosure: Disclosure) -> Self:
        """Return the same model in a circuit that publishes scores, or one verdict: 1 if any score is positive, else 0.

        Raises:
            DataError: It can't publish that.
        """
        ...

    def to_json(self) -> str:
        """Return the model file, which `oracle.detectors.registry.load` reads: the same bytes for the same model."""
        ...


@dataclass(frozen=True, slots=True)
class LessonSeries:
    """A series' part of a lesson.

    Attributes:
        name: Its name, for messages.
        kind: How its moves are measured.
        sigma: The feed's: ppm, or answer units.
        heartbeat: The feed's, in seconds.
        peers: How many peers it has; the features of others are 0.
        sources: How many sources it has; with one, the spread is 0.
        fit: The place of its windows in `Lesson.fit`.
        calibrate: The place of its windows in `Lesson.calibrate`.
    """

    name: str
    kind: Kind
    sigma: int
    heartbeat: int
    peers: int
    sources: int
    fit: slice
    calibrate: slice


@dataclass(frozen=True, slots=True)
class Lesson:
    """A trainer's input: windows as the contract derives them, of one series after the other, each in time order.

    Attributes:
        fit: Windows that coefficients are fitted to.
        calibrate: The windows on which the thresholds are set: those of `fit`, and later ones.
        features: The feature list of these windows: all features there are, the move first and the gap last.
        budget: Share of the calibration windows that may be held.
        seed: Seed of whatever is drawn.
        series: The series, in the order of their windows.
        salt: 16 random bytes that go into the model file, so that nobody finds the model by its hash; empty for a model
            that is public.
    """

    fit: Sequence[tuple[int, ...]]
    calibrate: Sequence[tuple[int, ...]]
    features: tuple[Feature, ...]
    budget: Fraction
    seed: int
    series: tuple[LessonSeries, ...]
    salt: bytes = field(default=b"", repr=False)

    @property
    def spread(self) -> bool:
        """True if a series has several sources."""
        return any(each.sources > 1 for each in self.series)

    @property
    def peers(self) -> int:
        """The most peers that a series has."""
        return max(each.peers for each in self.series)


class Trainer(Protocol):
    """A procedure that fits a detector. The same lesson, its salt included, gives the same bytes of its file."""

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit a detector whose thresholds are folded into its weights.

        Args:
            name: The detector's name.
            lesson: The data to learn from.

        Raises:
            DataError: The data can't carry a fit.
            ToolMissing: The `train` extra is not installed.
        """
        ...
