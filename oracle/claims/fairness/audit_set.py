"""A public set of rows on which a private model is audited: a CSV file with a column `group` and one per feature."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.claims.models import ClaimFeature, ModelSpec
from oracle.core.errors import DataError
from oracle.proving.hashing import digest

GROUP = "group"
MOST_ROWS = 10_000


@dataclass(frozen=True)
class AuditSet:
    """Rows as people write them, and the group of each.

    Attributes:
        rows: For each row, the value of each feature by name.
        groups: The group of each row.
    """

    rows: tuple[Mapping[str, Any], ...]
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= MOST_ROWS or len(self.rows) != len(self.groups):
            raise DataError(f"an audit set has 1 to {MOST_ROWS:,} rows and a group for each, not {len(self.rows):,}")
        if not all(self.groups):
            raise DataError(f"row {1 + self.groups.index('')} of the audit set has no group")

    def encode(self, features: Sequence[ClaimFeature]) -> tuple[tuple[int, ...], ...]:
        """Return the rows as the circuit's integers.

        Raises:
            DataError: A row lacks a feature, or has an unknown one, or a value outside the trained range.
        """
        model = ModelSpec("audited", b"", tuple(features))
        found = []
        for number, row in enumerate(self.rows, 1):
            try:
                found.append(model.encode(row))
            except DataError as error:
                raise DataError(f"row {number} of the audit set: {error}") from error
        return tuple(found)

    def fingerprint(self, features: Sequence[ClaimFeature]) -> str:
        """Return the SHA-256 of groups and encoded rows, as hex. It names the set, however its file is written."""
        return digest({"groups": self.groups, "rows": self.encode(features)})

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            DataError: It can't be written.
        """
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
    def load(path: Path, features: Sequence[ClaimFeature]) -> AuditSet:
        """Read a file.

        Args:
            features: They say which columns are numbers.

        Raises:
            DataError: The file can't be read, or is not an audit set.
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
            raise DataError(f"{path} is not a CSV file: {error}") from error
        return AuditSet(tuple(rows), tuple(groups))


def _number(text: str) -> Any:
    """Return a number, or the text if it is not one, which the encoder then refuses."""
    try:
        return float(text)
    except ValueError:
        return text
