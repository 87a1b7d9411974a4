"""What the rest of the package knows about a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Disclosure(StrEnum):
    """What the circuit publishes of a window.

    Scores are linear in the weights and the features are public, so about as many published scores as there are
    weights give the weights away, hashed or not. Verdicts do not; see `docs/privacy.md`.
    """

    SCORE = "score"
    VERDICT = "verdict"


@runtime_checkable
class Detector(Protocol):
    """A model whose circuit is a polynomial over the integers: the reference equals the circuit bit for bit.

    Attributes:
        name: For people, logs and artifact folders; letters, digits and hyphens.
        features: n, the length of a feature vector.
        outputs: Scores per window.
        param_scale: p; every weight is a multiple of 2^-p, and scores are integers at that scale.
        score_unit: What a score is divided by when it is shown: the contract's `scoreUnit`.
        disclosure: What the circuit publishes.

    It may have an attribute `spread`: true if the last feature but one is the spread between the reporters' answers, in
    thousandths of sigma, in the place of the oldest move. Then it has 4 features at least.
    """

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int: ...

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
        """
        ...

    def score_bound(self) -> int:
        """A number that no intermediate value of the circuit exceeds in magnitude, over all clipped inputs."""
        ...

    def to_onnx(self, batch: int) -> bytes:
        """The ONNX graph for `batch` windows: input `x` [batch, n], output `s` [batch, outputs]."""
        ...

    def explain(self, features: Sequence[int]) -> Mapping[str, float]:
        """What speaks for and against a window, by name, in score units: for people, never for the gate."""
        ...
