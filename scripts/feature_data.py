"""Recordings for `scripts.feature_search`, and what a hub would derive of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLIP = 32.767
LARGE, SMALL, TINY = (0.01, 0.02, 0.03, 0.05, 0.1), (0.002, 0.003, 0.005, 0.0075, 0.01), (0.0005, 0.001, 0.002, 0.003)


@dataclass(frozen=True)
class Series:
    """One feed's answers (as logarithms), its peers' answers of the same times, and each venue's."""

    name: str
    sizes: tuple[float, ...]
    heartbeat: float
    times: Array
    answers: Array
    peers: tuple[Array, ...] = ()
    venues: Array | None = None


def load(data: Path) -> list[Series]:
    """Return all series, first halves only; the two peers of each correlate most with it where a model is fitted."""
    found: list[Series] = []
    for names, sizes, heartbeat, times, columns in _sheets(data):
        half = len(times) // 2
        answers = np.log(np.array(columns)[:, :half])
        near = np.abs(np.corrcoef(np.diff(answers)[:, : int(half * 0.6)]))
        for own, name in enumerate(names.split()):
            peers = [at for at in np.argsort(-near[own]) if at != own][:2]
            found.append(Series(name, sizes, heartbeat, times[:half], answers[own], tuple(answers[at] for at in peers)))
    return [*found, *_rounds(data), _venues(data)]


def _sheets(data: Path) -> Iterable[tuple[str, tuple[float, ...], float, Array, list[Array]]]:
    import arch.data.nasdaq
    import arch.data.sp500
    import pandas as pd

    loaded = [module.load()["Adj Close"].dropna() for module in (arch.data.sp500, arch.data.nasdaq)]
    both = pd.concat(loaded, axis=1).dropna()
    days = (both.index - both.index[0]).days.to_numpy(dtype=float) * 86_400
    yield "S&P500-day NASDAQ-day", LARGE, 86_400, days, [both.iloc[:, at].to_numpy(dtype=float) for at in (0, 1)]
    for names, sizes, heartbeat, file in (
        ("BTC-minute ETH-minute", SMALL, 60, "coinbase_btcusd_ethusd_1min_2017-09_2018-04.csv"),
        ("EUR/USD-hour NZD/USD-hour", SMALL, 3_600, "oanda_eurusd_nzdusd_1h_2010_2018.csv"),
        ("SPY-minute IBM-minute BAC-minute AIG-minute", TINY, 60, "equities_1min_2013-10.csv"),
    ):
        table = _read(data / file)
        table = table[~np.isnan(table).any(axis=1)]
        yield names, sizes, heartbeat, table[:, 0], list(table[:, 1:].T)


def _read(path: Path) -> Array:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])


def _rounds(data: Path) -> list[Series]:
    read = [_read(data / f"chainlink_{name}_usd_rounds_2023-04_2024-01.csv") for name in ("eth", "btc")]
    eth, btc = (table[np.argsort(table[:, 2], kind="stable")] for table in read)
    found = []
    for name, own, peer in (("ETH-rounds", eth, btc), ("BTC-rounds", btc, eth)):
        last = np.searchsorted(peer[:, 2], own[:, 2], side="right") - 1
        own, last = own[last >= 0], last[last >= 0]
        half = len(own) // 2
        peers = (np.log(peer[last[:half], 1]),)
        found.append(Series(name, LARGE, 3_600, own[:half, 2], np.log(own[:half, 1]), peers))
    return found


def _venues(data: Path) -> Series:
    table = _read(data / "eth_usd_multivenue_1h_2019-12_2023-01.csv")
    table = table[: len(table) // 2]
    table = table[(~np.isnan(table[:, 1:])).sum(axis=1) >= 2]
    venues = np.log(table[:, 1:])
    return Series("ETH-hour-venues", LARGE, 3_600, table[:, 0], np.nanmedian(venues, axis=1), (), venues)


class Derived:
    """The features that a hub derives of a series: moves in sigmas, gaps in heartbeats, all clipped."""

    def __init__(self, series: Series) -> None:
        moves, end = np.diff(series.answers), int((len(series.answers) - 1) * 0.6)
        self.series, self.judged = series, np.arange(len(moves)) >= end
        # The first windows have a ring that is not yet full.
        self.fit = ~self.judged & (np.arange(len(moves)) >= 16)
        self.sigma = float(moves[self.fit].std())
        self.silence = np.diff(series.times) / series.heartbeat
        self.gap = np.clip(np.round(self.silence, 3), 1, CLIP)
        self.own = clipped(moves / self.sigma)
        steps = [np.diff(peer) for peer in series.peers]
        self.peer_sigma = [float(step[self.fit].std()) for step in steps]
        scaled = [clipped(step / sigma) for step, sigma in zip(steps, self.peer_sigma, strict=True)]
        self.peers = np.array(scaled).reshape(len(steps), len(moves)).T
        if series.venues is not None:
            self.spread = spread(series.venues) / self.sigma


def clipped(moves: Array) -> Array:
    """Return moves as thousandths in an int16 have them."""
    return np.clip(np.round(moves, 3), -CLIP, CLIP)


def spread(venues: Array) -> Array:
    """Return the distance of the highest from the lowest venue in each round but the first."""
    return np.asarray(np.nanmax(venues, axis=1) - np.nanmin(venues, axis=1))[1:]


def running(square: Array, gap: Array, k: int) -> Array:
    """Return the running variance before each round, computed in integers as a hub keeps it."""
    found, value = np.empty(len(square)), 1000 << 17
    for at, share in enumerate(square / gap):
        found[at] = value / (1000 << 17)
        value += (min(int(share * 1000), 32_767) << (17 - k)) - (value >> k)
    return found


def past(moves: Array, first: int, end: int) -> Array:
    """Return the mean square of the moves `first + 1` to `end` rounds ago."""
    total, at = np.concatenate([[0.0], np.cumsum(moves**2)]), np.arange(len(moves))
    new, old = np.clip(at - first, 0, None), np.clip(at - end, 0, None)
    return np.where(new > old, (total[new] - total[old]) / np.maximum(new - old, 1), 1.0)
