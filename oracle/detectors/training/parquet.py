"""Parquet files as rows of times and values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from oracle.config import TrainingDataConfig
from oracle.core.errors import DataError, ToolMissing
from oracle.sources.interface import check_value


def read_parquet(path: Path, data: TrainingDataConfig) -> list[tuple[int, tuple[Decimal | None, ...]]]:
    """Return a file's rows: the time in unix seconds, and the value of each column; None where it has none.

    Args:
        path: The file.
        data: Names of its columns, and what repeated times mean.

    Raises:
        DataError: The file can't be read, a column is missing, or a cell is wrong.
        ToolMissing: pyarrow is not installed.
    """
    try:
        import pyarrow  # an extra
        from pyarrow import parquet
    except ImportError as error:
        raise ToolMissing("Parquet files are read with pyarrow: pip install 'verifiable-oracle[train]'") from error
    try:
        schema = parquet.read_schema(path)
        for column in (data.time_column, *data.value_columns):
            if column not in schema.names:
                raise DataError(f"{path}: there is no column {column!r}; it has: {', '.join(schema.names)}")
        table = parquet.read_table(path, columns=[data.time_column, *data.value_columns]).to_pydict()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error
    rows: list[tuple[int, tuple[Decimal | None, ...]]] = []
    columns = [table[column] for column in data.value_columns]
    for number, (when, *cells) in enumerate(zip(table[data.time_column], *columns, strict=True), 1):
        where = f"{path}: row {number}"
        if isinstance(when, dt.datetime):
            when = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
        if not isinstance(when, int | float) or not 0 < when < 2**32:
            raise DataError(f"{where}: column {data.time_column!r}: {when!r} is not a time in unix seconds")
        if rows and data.repeated_times == "last" and int(when) == rows[-1][0]:
            rows.pop()
        if rows and int(when) <= rows[-1][0]:
            relation = "repeats" if int(when) == rows[-1][0] else "is before"
            raise DataError(
                f"{where}: column {data.time_column!r}: {when!r} {relation} the time above; times must rise"
            )
        values: list[Decimal | None] = []
        for column, cell in zip(data.value_columns, cells, strict=True):
            if cell is None and len(cells) > 1:
                values.append(None)
                continue
            if not isinstance(cell, int | float | Decimal) or isinstance(cell, bool):
                raise DataError(f"{where}: column {column!r}: {cell!r} is not a number")
            values.append(check_value(Decimal(str(cell)), f"{where}: column {column!r}"))
        rows.append((int(when), tuple(values)))
    if not rows:
        raise DataError(f"{path}: has no rows")
    return rows
