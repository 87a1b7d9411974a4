"""The series that `oracle init` learns from, and which of them move together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from oracle.app.beginning.options import NAME, InitOptions
from oracle.app.training import read_data
from oracle.config import TrainingDataConfig
from oracle.config.explain import explain, tell
from oracle.core.encoding import MAX_PEERS
from oracle.core.errors import ConfigError, DataError, UserError
from oracle.core.types import Kind
from oracle.detectors.training.reports import Reports
from oracle.sources.packaged.series import SERIES, load_series

LEAST_CORRELATION = 0.3
"""A series that moves less alike with another is no peer of it: it would tell nothing."""

_COMMON = 100
"""Moves that two series must have at common times, before their correlation means anything."""


@dataclass(frozen=True)
class LearntHistory:
    """A series to learn from.

    Attributes:
        name: The name of the series, and of its feed.
        title: Its feed's name for people.
        table: Its keys in the training file.
        reports: What it recorded.
        copy: The content of the file to be written for it; empty if it is in a file or a journal already.
        peers: The names of the series that it is judged beside.
    """

    name: str
    title: str
    table: Mapping[str, Any]
    reports: Reports
    copy: str = ""
    peers: tuple[str, ...] = ()


def histories(options: InitOptions, env: Mapping[str, str]) -> list[LearntHistory]:
    """Return the series that the options name, each with its peers.

    Raises:
        ConfigError: Names or peers are wrong; all of it is told at once.
        DataError: A recording can't be read, or has too little in it.
        JournalError: The journal can't be read.
        ToolMissing: What a series or a file needs is not installed.
    """
    names = [*(name for name, _ in options.data), *options.series, *options.feeds]
    problems = [f"{name!r} is named twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    problems += [
        f"{name!r} is no name of a feed: 1 to 40 of a-z, 0-9, '-' and '_', the first no '-' or '_'"
        for name in names
        if not NAME.fullmatch(name)
    ]
    problems += [
        f"there is no packaged series {name!r}; there are {', '.join(SERIES)}"
        for name in options.series
        if name not in SERIES
    ]
    problems += [f"{path}: no such file" for _, path in options.data if not path.is_file()]
    if (options.journal is None) != (not options.feeds):
        problems.append("--journal and --feed go together: the journal, and the feeds in it")
    problems += _peer_problems(options, names)
    if problems:
        raise ConfigError(tell(problems))
    readers = [
        *(partial(_of_file, options, name, path, env) for name, path in options.data),
        *(partial(_packaged, options, name) for name in options.series),
        *(partial(_of_journal, options, name, env) for name in options.feeds),
    ]
    found = []
    for read in readers:
        try:
            found.append(read())
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise DataError(tell(problems))
    return with_peers(found, dict(options.peers))


def with_peers(found: Sequence[LearntHistory], named: Mapping[str, Sequence[str]]) -> list[LearntHistory]:
    """Return series with their peers: those that are named, or else the one that moves most alike, if any does.

    Args:
        found: The series.
        named: The names of the peers, by series.
    """
    done = []
    for each in found:
        if each.name in named:
            done.append(replace(each, peers=tuple(named[each.name])))
            continue
        alike = {other.name: alikeness(each.reports, other.reports) for other in found if other is not each}
        best = max(alike, key=lambda name: alike[name], default=None)
        done.append(replace(each, peers=(best,) if best is not None and alike[best] >= LEAST_CORRELATION else ()))
    return done


def alikeness(own: Reports, other: Reports) -> float:
    """Return how much alike two series move, from 0 to 1: the correlation of their moves, whatever its sign.

    The other's value at a time is its last one at or before that time, as the hub sees a peer.
    """
    times, theirs = np.asarray(own.times), np.asarray(other.times)
    at = np.searchsorted(theirs, times, side="right") - 1
    both = at >= 0
    if both.sum() <= _COMMON:
        return 0.0
    mine = _moves(own.kind, np.asarray(own.answers, dtype=np.float64)[both])
    others = _moves(other.kind, np.asarray(other.answers, dtype=np.float64)[at[both]])
    if not (mine.std() > 0 and others.std() > 0):
        return 0.0
    return abs(float(np.corrcoef(mine, others)[0, 1]))


def _moves(kind: Kind, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if kind is Kind.RELATIVE and (values > 0).all():
        values = np.log(values)
    moves = np.diff(values)
    # Cut, so that one jump, or one wrong row, does not decide.
    limit = 5 * moves.std()
    return np.clip(moves, -limit, limit)


def _peer_problems(options: InitOptions, names: Sequence[str]) -> list[str]:
    problems = []
    for name, peers in options.peers:
        for each in dict.fromkeys((name, *peers)):
            if each not in names:
                problems.append(f"--peer {name}: there is no series {each!r}; there are {', '.join(names) or 'none'}")
        if name in peers or len(set(peers)) != len(peers):
            problems.append(f"--peer {name}: its peers are other series, each named once")
        if len(peers) > MAX_PEERS:
            problems.append(f"--peer {name}: the hub keeps {MAX_PEERS} peers of a feed at most")
    return problems


def _of_file(options: InitOptions, name: str, path: Path, env: Mapping[str, str]) -> LearntHistory:
    table: dict[str, Any] = {"file": _place(path, options.folder)}
    if options.time_column is not None:
        table["time_column"] = options.time_column
    if options.value_columns:
        table["value_columns"] = list(options.value_columns)
    return LearntHistory(name, _title(name), table, _read(options, {**table, "file": str(path.resolve())}, env))


def _packaged(options: InitOptions, name: str) -> LearntHistory:
    rows = (f"{reading.observed_at},{reading.value}" for reading in load_series(name))
    copy = "\n".join(["time,value", *rows, ""])
    with tempfile.TemporaryDirectory(prefix="oracle-init-") as folder:
        path = Path(folder) / f"{name}.csv"
        path.write_text(copy, encoding="utf-8")
        reports = _read(options, {"file": str(path)}, {})
    return LearntHistory(name, SERIES[name].title, {"file": f"data/{name}.csv"}, reports, copy)


def _of_journal(options: InitOptions, name: str, env: Mapping[str, str]) -> LearntHistory:
    journal = options.journal or ""
    is_file = "://" not in journal
    table = {"journal": _place(Path(journal), options.folder) if is_file else journal, "feed": name}
    return LearntHistory(
        name,
        _title(name),
        table,
        _read(options, {**table, "journal": str(Path(journal).resolve()) if is_file else journal}, env),
    )


def _read(options: InitOptions, table: Mapping[str, Any], env: Mapping[str, str]) -> Reports:
    """Return what a table of the training file names."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        config = TrainingDataConfig.model_validate(
            {**given, "kind": options.kind, "decimals": options.decimals, "max_gap": options.max_gap}
        )
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
    return read_data(config, env).reports


def _place(path: Path, folder: Path) -> str:
    """Return a path as the folder's files name it: relative if it is inside the folder."""
    whole = path.resolve()
    return str(whole.relative_to(folder.resolve())) if whole.is_relative_to(folder.resolve()) else str(whole)


def _title(name: str) -> str:
    """Return a feed's name for people: "ETH / USD" for eth-usd."""
    base, dash, quote = name.partition("-")
    return f"{base} / {quote}".upper() if dash and quote and "-" not in quote else name.upper()
