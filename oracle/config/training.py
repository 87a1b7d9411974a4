"""The file that `oracle detector train` reads: data, detector, split, and how many false holds are allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from oracle.config.journal import JournalConfig, journal_table
from oracle.core.encoding import MAX_PEERS, RING_SIZE
from oracle.core.report import MAX_REPORTERS
from oracle.core.settings import ConfigPath, DecimalNumber, Section, WholeSeconds, wrong, wrong_each
from oracle.core.types import Kind
from oracle.sources.recordings import parse_stretch

__all__ = ["BudgetConfig", "DetectorConfig", "SplitConfig", "TrainingConfig", "TrainingDataConfig"]

DETECTOR_KEYS: Mapping[str, frozenset[str]] = {
    "peers": frozenset({"near", "drift", "spread", "vary", "peer_lie"}),
    "cap": frozenset({"gap_scaled"}),
    "arch": frozenset(),
    "arch+window": frozenset({"drift"}),
    "cross-source": frozenset(),
    "mahalanobis": frozenset({"features"}),
    "autoencoder": frozenset({"features", "hidden", "guard", "input_scale", "param_scale"}),
    "imported": frozenset({"onnx", "input_scale", "param_scale"}),
}
"""The kinds of detectors that can be trained, and the keys that each kind takes."""

_SALT = re.compile(r"[0-9a-fA-F]{32}\Z")


def _stretch(told: object) -> tuple[int, int]:
    if not isinstance(told, tuple) or len(told) != 2:
        raise wrong('must be a pair of times, as ["2023-03-10T00:00:00", "2023-03-13T00:00:00"]')
    try:
        return parse_stretch(*told)
    except ValueError as error:
        raise wrong(str(error)) from None


Stretch = Annotated[tuple[int, int], BeforeValidator(_stretch)]
"""The first and the last second of a stretch that is known to be wrong."""

SeriesName = Annotated[str, Field(min_length=1, max_length=40)]


class TrainingDataConfig(Section):
    """A series that a detector learns from: a recording, or what a running feed wrote into its journal.

    Attributes:
        name: The series' name, for peers and for the card. None: the file's name without its end, or the feed's.
        file: A CSV, TSV, Parquet or XLSX file.
        journal: A journal that `oracle run` wrote: its file, its PostgreSQL URL, or a table like `[journal]`.
        feed: The feed's name in the journal.
        time_column: Header of the times. None: it is found.
        value_columns: Headers of the values, one for each source. With several, the answer is their median, and their
            spread can be a feature. Empty: it is found.
        peers: Names of the series that are this one's peers.
        peer_columns: Peers in the same file: the header of their values, by their names. They are of the same kind and
            have the same decimals.
        peer_max_age: The age in seconds beyond which a peer's answer counts as missing. None: 1.5 of its heartbeats.
        reference: True if the model does not learn from this series: it is only a peer of others.
        bad: Stretches that are known to be wrong: nothing is learnt from them, and holds in them are not counted.
        kind: As in the feed's table.
        decimals: As in the feed's table.
        sigma: Sigma of the feed that is to be judged. None: it is estimated on the training split.
        heartbeat: Heartbeat of that feed, in seconds. None: the median time between two rows of the training split.
        repeated_times: What to do if rows have the same time: refuse the file, or take the last of them.
        max_gap: The most heartbeats between two rows of one recording.
    """

    name: SeriesName | None = None
    file: ConfigPath | None = None
    journal: Annotated[JournalConfig | None, BeforeValidator(journal_table)] = None
    feed: Annotated[str, Field(min_length=1)] | None = None
    time_column: str | None = None
    value_columns: Annotated[tuple[str, ...], Field(max_length=MAX_REPORTERS)] = ()
    peers: Annotated[tuple[SeriesName, ...], Field(max_length=MAX_PEERS)] = ()
    peer_columns: Mapping[SeriesName, str] = Field(default_factory=dict)
    peer_max_age: WholeSeconds | None = None
    reference: bool = False
    bad: tuple[Stretch, ...] = ()
    kind: Literal["relative", "absolute"] = "relative"
    decimals: Annotated[int, Field(ge=0, le=18)] = 8
    sigma: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    heartbeat: WholeSeconds | None = None
    repeated_times: Literal["refuse", "last"] = "refuse"
    max_gap: Annotated[int, Field(ge=1)] = 100

    elsewhere: ClassVar[Mapping[str, str]] = {"value_column": "'value_columns' is a list: value_columns = [\"close\"]"}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.journal is None):
            raise wrong("needs exactly one of 'file' and 'journal'")
        if (self.journal is None) != (self.feed is None):
            raise wrong("'feed' goes with 'journal': the name of the feed in it")
        if len(set(self.value_columns)) != len(self.value_columns):
            raise wrong("'value_columns' names a column twice")
        return self

    @model_validator(mode="after")
    def _few_peers(self) -> Self:
        named = (*self.peers, *self.peer_columns)
        if len(named) > MAX_PEERS:
            raise wrong(
                f"has {len(named)} peers; a feed has {MAX_PEERS} at most: leave out those that move least with it"
            )
        if len(set(named)) != len(named):
            raise wrong("names a peer twice")
        if self.peer_columns and self.file is None:
            raise wrong(
                "'peer_columns' goes with 'file'; feeds of a journal are series of their own: [[data]], 'peers'"
            )
        columns = list(self.peer_columns.values())
        if len({*columns, *self.value_columns}) != len(columns) + len(self.value_columns):
            raise wrong("a column of 'peer_columns' is named twice, or is among 'value_columns'")
        if named and self.reference:
            raise wrong("'reference' is a peer of others: its own peers would have no use")
        return self

    @property
    def title(self) -> str:
        """The series' name."""
        return self.name or self.feed or (self.file.stem if self.file is not None else "")

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
        near: How many accepted moves are the near past, for the type "peers".
        spread: True if the spread of the sources has a limit of its own, likewise.
        vary: How far the salt moves what nearly any value would do for, from 0 to 1, likewise.
        peer_lie: Share of honest reports that may be held as one peer lies by three sigmas, likewise.
        gap_scaled: True if a cap grows with the time since the last accepted value.
        drift: True if the window's sum has a limit of its own.
        hidden: Units of the autoencoder's hidden layer.
        guard: The autoencoder's guard band, as a share of the limit.
        onnx: The file of the network, for the kind "imported".
        input_scale: A feature is divided by 2^input_scale before the network sees it.
        param_scale: The network's weights are rounded to multiples of 2^-param_scale.
    """

    type: Literal["peers", "cap", "arch", "arch+window", "cross-source", "mahalanobis", "autoencoder", "imported"] = (
        "peers"
    )
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    features: Annotated[int, Field(ge=4, le=14)] | None = None
    near: Annotated[int, Field(ge=1, le=RING_SIZE)] | None = None
    spread: bool | None = None
    vary: Annotated[DecimalNumber, Field(ge=0, le=1)] | None = None
    peer_lie: Annotated[DecimalNumber, Field(gt=0, le=1)] | None = None
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
    """The shares of the rows, in time order. The test split has the rest.

    Attributes:
        train: The share that the model learns from.
        validation: The share on which thresholds are set.
    """

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


def _one_or_several(data: object, info: ValidationInfo) -> object:
    """Return the tables of data: `[data]` is one, `[[data]]` are several."""
    if not isinstance(data, Mapping):
        return data
    return (TrainingDataConfig.model_validate(data, context=info.context),)


class TrainingConfig(Section):
    """The whole file that `oracle detector train` reads.

    Attributes:
        data: The series that share one model: `[data]`, or `[[data]]` for each of several.
        seed: Seed of all random draws.
        salt: 32 hexadecimal digits that go into the model file: the same give the same file. None: they are drawn.
            "none": the model is public, and has no salt.
    """

    data: Annotated[
        tuple[TrainingDataConfig, ...], BeforeValidator(_one_or_several), Field(min_length=1, max_length=64)
    ]
    detector: DetectorConfig
    split: SplitConfig = Field(default_factory=SplitConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    salt: str | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _series_fit(self) -> Self:
        names = [each.title for each in self.data]
        problems: list[tuple[tuple[str | int, ...], str]] = []
        for index, each in enumerate(self.data):
            place: tuple[str | int, ...] = ("data", index) if len(self.data) > 1 else ("data",)
            if each.title in names[:index]:
                problems.append(
                    ((*place, "name"), f"two series have the name {each.title!r}: give them different ones")
                )
            for peer in each.peers:
                if peer == each.title:
                    problems.append(((*place, "peers"), "a series is no peer of its own"))
                elif peer not in names:
                    known = ", ".join(name for name in names if name != each.title) or "no other"
                    problems.append(((*place, "peers"), f"there is no series {peer!r} in this file; there is {known}"))
        if all(each.reference for each in self.data):
            problems.append((("data",), "every series is a reference: there is none to learn from"))
        if self.salt is not None and self.salt != "none" and not _SALT.match(self.salt):
            problems.append((("salt",), 'must be 32 hexadecimal digits, or "none"'))
        if problems:
            raise wrong_each(problems)
        return self
