"""The file that `oracle detector train` reads: data, detector, split, and how many false holds are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from oracle.config.journal import JournalConfig, journal_table
from oracle.core.report import MAX_REPORTERS
from oracle.core.settings import ConfigPath, DecimalNumber, Section, WholeSeconds, wrong
from oracle.core.types import Kind

__all__ = ["BudgetConfig", "DetectorConfig", "SplitConfig", "TrainingConfig", "TrainingDataConfig"]

DETECTOR_KEYS: Mapping[str, frozenset[str]] = {
    "cap": frozenset({"gap_scaled"}),
    "arch": frozenset(),
    "arch+window": frozenset({"drift"}),
    "cross-source": frozenset(),
    "mahalanobis": frozenset({"features"}),
    "autoencoder": frozenset({"features", "hidden", "guard", "input_scale", "param_scale"}),
    "imported": frozenset({"onnx", "input_scale", "param_scale"}),
}
"""The kinds of detectors that can be trained, and the keys that each kind takes."""


class TrainingDataConfig(Section):
    """The data that a detector learns from: a recording, or the journal of a running feed.

    Attributes:
        file: A CSV file with a header, or a Parquet file.
        journal: A journal that `oracle run` wrote: its file, its PostgreSQL URL, or a table like `[journal]`.
        feed: The feed's name in the journal.
        time_column: Header of the times: unix seconds, or ISO 8601.
        value_columns: Headers of the values, one for each source. With several, the answer is their median, and their
            spread can be a feature.
        kind: As in `FeedConfig`.
        decimals: As in `FeedConfig`.
        sigma: Sigma of the feed that is to be judged. None: it is estimated on the training split.
        heartbeat: Heartbeat of that feed, in seconds. None: the median time between two rows of the training split.
        repeated_times: What to do if rows have the same time: refuse the file, or take the last of them.
        max_gap: The most heartbeats between two rows of one recording.
    """

    file: ConfigPath | None = None
    journal: Annotated[JournalConfig | None, BeforeValidator(journal_table)] = None
    feed: Annotated[str, Field(min_length=1)] | None = None
    time_column: str = "time"
    value_columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_REPORTERS)] = ("value",)
    kind: Literal["relative", "absolute"] = "relative"
    decimals: Annotated[int, Field(ge=0, le=18)] = 8
    sigma: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    heartbeat: WholeSeconds | None = None
    repeated_times: Literal["refuse", "last"] = "refuse"
    max_gap: Annotated[int, Field(ge=1)] = 100

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.journal is None):
            raise wrong("needs exactly one of 'file' and 'journal'")
        if (self.journal is None) != (self.feed is None):
            raise wrong("'feed' goes with 'journal': the name of the feed in it")
        if len(set(self.value_columns)) != len(self.value_columns):
            raise wrong("'value_columns' names a column twice")
        return self

    @property
    def measure(self) -> Kind:
        """The measure of a move, as the contract's number for it."""
        return Kind.RELATIVE if self.kind == "relative" else Kind.ABSOLUTE


class DetectorConfig(Section):
    """The kind of detector, and its options; see docs/detectors.md.

    Attributes:
        type: The kind.
        name: The model's name: lower-case letters, digits, hyphens.
        features: The number of features, n, for kinds with which it can be chosen.
        gap_scaled: True if a cap grows with the time since the last accepted value.
        drift: True if the window's sum has a limit of its own.
        hidden: Units of the autoencoder's hidden layer.
        guard: The autoencoder's guard band, as a share of the limit.
        onnx: The file of the network, for the kind "imported".
        input_scale: A feature is divided by 2^input_scale before the network sees it.
        param_scale: The network's weights are rounded to multiples of 2^-param_scale.
    """

    type: Literal["cap", "arch", "arch+window", "cross-source", "mahalanobis", "autoencoder", "imported"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    features: Annotated[int, Field(ge=4, le=14)] | None = None
    gap_scaled: bool | None = None
    drift: bool | None = None
    hidden: Annotated[int, Field(ge=1, le=16)] | None = None
    guard: Annotated[DecimalNumber, Field(ge=0, lt=1)] | None = None
    onnx: ConfigPath | None = None
    input_scale: Annotated[int, Field(ge=0, le=20)] | None = None
    param_scale: Annotated[int, Field(ge=1, le=20)] | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        given = {key for key in self.model_fields_set if getattr(self, key) is not None} - {"type", "name"}
        if strange := sorted(given - DETECTOR_KEYS[self.type]):
            takes = ", ".join(sorted(DETECTOR_KEYS[self.type])) or "nothing else"
            raise wrong(f"a detector of type {self.type!r} has no {strange[0]!r}; it takes {takes}")
        if self.type == "imported" and self.onnx is None:
            raise wrong("a detector of type 'imported' needs 'onnx', the network's file")
        return self

    def options(self) -> dict[str, Any]:
        """Return what was given beyond type and name."""
        keys = DETECTOR_KEYS[self.type]
        return {key: getattr(self, key) for key in sorted(keys) if getattr(self, key) is not None}


class SplitConfig(Section):
    """The shares of the rows, in time order. The test split has the rest."""

    train: Annotated[DecimalNumber, Field(gt=0, lt=1)] = Decimal("0.6")
    validation: Annotated[DecimalNumber, Field(gt=0, lt=1)] = Decimal("0.2")

    @model_validator(mode="after")
    def _leaves_a_test(self) -> Self:
        if self.train + self.validation >= 1:
            raise wrong(f"'train' and 'validation' are {self.train + self.validation}: nothing is left for the test")
        return self


class BudgetConfig(Section):
    """The false holds that are allowed.

    Attributes:
        false_holds_per_10k: How many of 10,000 reports without a fault the model may hold.
        confidence: Confidence level of the interval that is given with each rate.
    """

    false_holds_per_10k: Annotated[DecimalNumber, Field(gt=0, lt=500)] = Decimal(5)
    confidence: Annotated[DecimalNumber, Field(ge=Decimal("0.5"), lt=1)] = Decimal("0.95")


class TrainingConfig(Section):
    """The whole file that `oracle detector train` reads.

    Attributes:
        seed: Seed of all random draws.
    """

    data: TrainingDataConfig
    detector: DetectorConfig
    split: SplitConfig = Field(default_factory=SplitConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
