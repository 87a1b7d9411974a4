"""The series of the detector report: the recordings of a folder and the packaged indices, with the peers of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from oracle.core.errors import DataError
from oracle.detectors.evaluation.recording import PeerSeries, Recording, load_packaged, load_recording
from oracle.detectors.evaluation.settings import FeedOptions

__all__ = ["SERIES", "ReportedSeries", "available", "with_peers"]


@dataclass(frozen=True)
class ReportedSeries:
    """A recording and the feed that it is taken for.

    Attributes:
        key: Its name in the summary.
        title: Its name, for people.
        file: The file in the folder; None: a packaged series.
        values: The columns of the values, one for each venue; of a packaged series, its name.
        time: The column of the times.
        peer: Key of the series that is its peer: of those that cover the same time, the one whose moves go with its own
            most in the first half. Empty: none does.
        other: Key of the series whose values a fault takes for this one's.
        options: The feed's parameters.
        sizes: Sizes of spikes, in percent.
        trained: False if it is too short to train on.
    """

    key: str
    title: str
    file: str | None
    values: tuple[str, ...]
    options: FeedOptions
    time: str = "unix"
    peer: str = ""
    other: str = ""
    sizes: tuple[str, ...] = ("0.2", "0.3", "0.5", "0.75", "1", "2", "3", "5", "10")
    trained: bool = True


MAX_GAP = 100
"""Heartbeats between two reports, from which on they belong to different stretches."""

_DAILY = FeedOptions(heartbeat=86_400, confirmations=1, confirm_delay=86_400)
_HOURLY = FeedOptions(heartbeat=3_600, confirmations=1)
_ROUNDS = replace(_HOURLY, decimals=0, confirm_delay=600)
_MINUTES = FeedOptions(heartbeat=60, confirmations=3, confirm_delay=120)
_LARGE = ("0.5", "1", "2", "3", "5", "10", "20")
_SMALL = ("0.05", "0.1", "0.2", "0.3", "0.5", "0.75", "1", "2", "3", "5", "10")
_FX = "oanda_eurusd_nzdusd_1h_2010_2018.csv"
_COINS = "coinbase_btcusd_ethusd_1min_2017-09_2018-04.csv"
_SHARES = "equities_1min_2013-10.csv"
_ETH = "chainlink_eth_usd_rounds_2023-04_2024-01.csv"
_BTC = "chainlink_btc_usd_rounds_2023-04_2024-01.csv"
_USDC = "chainlink_usdc_usd_rounds_2022-11_2023-03.csv"


def _packaged(key: str, title: str, peer: str, other: str) -> ReportedSeries:
    return ReportedSeries(key, title, None, (key,), _DAILY, peer=peer, other=other, sizes=_LARGE)


def _rounds(key: str, title: str, file: str, peer: str, other: str) -> ReportedSeries:
    return ReportedSeries(key, title, file, ("answer",), _ROUNDS, "updated_at", peer, other)


def _share(name: str, peer: str, other: str) -> ReportedSeries:
    title = f"{name.upper()}, minutes"
    return ReportedSeries(
        f"{name}-1min", title, _SHARES, (name,), _MINUTES, peer=f"{peer}-1min", other=f"{other}-1min", sizes=_SMALL
    )


SERIES: tuple[ReportedSeries, ...] = (
    _packaged("sp500", "S&P 500, daily", "nasdaq", "vix"),
    _packaged("nasdaq", "NASDAQ Composite, daily", "sp500", "vix"),
    replace(_packaged("vix", "VIX, daily", "sp500", "sp500"), sizes=("2", "3", "5", "10", "20", "50")),
    _packaged("wti", "WTI crude oil, daily", "", "nasdaq"),
    _rounds("eth-rounds", "ETH/USD, Chainlink's rounds", _ETH, "btc-rounds", "btc-rounds"),
    _rounds("btc-rounds", "BTC/USD, Chainlink's rounds", _BTC, "eth-rounds", "eth-rounds"),
    replace(
        _rounds("usdc-rounds", "USDC/USD, Chainlink's rounds", _USDC, "", "btc-rounds"),
        options=replace(_ROUNDS, heartbeat=86_400),
        trained=False,
    ),
    ReportedSeries(
        "eth-venues-1h",
        "ETH/USD, three venues, hourly",
        "eth_usd_multivenue_1h_2019-12_2023-01.csv",
        ("bitfinex_ethusd", "binance_ethusdt", "ftx_ethusd"),
        replace(_HOURLY, max_source_spread=Decimal(10_000)),
        other="eurusd-1h",
    ),
    ReportedSeries("eurusd-1h", "EUR/USD, hourly", _FX, ("eurusd_mid",), _HOURLY, peer="nzdusd-1h", other="nzdusd-1h"),
    ReportedSeries("nzdusd-1h", "NZD/USD, hourly", _FX, ("nzdusd_mid",), _HOURLY, peer="eurusd-1h", other="eurusd-1h"),
    ReportedSeries(
        "eurusd-1h-alone",
        "EUR/USD, hourly, no peer",
        "oanda_eurusd_1h_2015_2018.csv",
        ("eurusd_mid",),
        _HOURLY,
        other="nzdusd-1h",
    ),
    ReportedSeries("btc-1min", "BTC/USD, minutes", _COINS, ("btcusd",), _MINUTES, peer="eth-1min", other="eth-1min"),
    ReportedSeries("eth-1min", "ETH/USD, minutes", _COINS, ("ethusd",), _MINUTES, peer="btc-1min", other="btc-1min"),
    _share("spy", "aig", "bac"),
    _share("ibm", "spy", "bac"),
    _share("bac", "spy", "ibm"),
    _share("aig", "spy", "ibm"),
)


def available(data: Path, series: Sequence[ReportedSeries] = SERIES) -> dict[str, Recording]:
    """Return the recordings of all series whose file is in the folder, and of the packaged ones, by key.

    Raises:
        DataError: The folder does not exist, or has none of the files.
    """
    if not data.is_dir():
        raise DataError(f"{data}: there is no such folder; DATA is the folder with the recordings")
    found: dict[str, Recording] = {}
    for each in series:
        if each.file is None:
            found[each.key] = load_packaged(each.key)
        elif (data / each.file).exists():
            read = load_recording(data / each.file, each.time, each.values, keep_last=True, name=each.key)
            found[each.key] = read
    if not any(each.key in found and each.file for each in series):
        files = sorted({each.file for each in series if each.file})
        raise DataError(f"{data}: has none of the recordings; the report knows {', '.join(files)}")
    return found


def with_peers(series: ReportedSeries, recordings: Mapping[str, Recording], kinds: Mapping[str, int]) -> Recording:
    """Return a series' recording with its peer's last answers, and another asset's values.

    Args:
        series: The series.
        recordings: All recordings, by key.
        kinds: Decimals of each series, by key.
    """
    own = recordings[series.key]
    others: tuple[tuple[Decimal, ...], ...] = ()
    if series.other in recordings:
        _, said = _spoken(recordings[series.other])
        others = (said,)
    peers: tuple[PeerSeries, ...] = ()
    if series.peer in recordings:
        times, answers = _spoken(recordings[series.peer])
        places = [bisect_right(times, time) - 1 for time in own.times]
        values = tuple(answers[place] if place >= 0 else None for place in places)
        peers = (PeerSeries(series.peer, values, decimals=kinds[series.peer]),)
    return replace(own, name=series.key, others=others, peers=peers, bad=_joins(own.times, series.options.heartbeat))


def _joins(times: Sequence[int], heartbeat: int | None) -> tuple[tuple[int, int], ...]:
    """Return the first report after each night, or between two stretches of a recording.

    The hub holds what it can't measure, whatever the model says: such a hold is nobody's, and is not counted.
    """
    longest = MAX_GAP * (heartbeat or 0)
    return tuple((later, later) for earlier, later in pairwise(times) if longest and later - earlier > longest)


def _spoken(recording: Recording) -> tuple[list[int], tuple[Decimal, ...]]:
    """Return the times at which the first venue spoke, and what it said."""
    said = next(iter(recording.venues.values()))
    known = [(time, value) for time, value in zip(recording.times, said, strict=True) if value is not None]
    return [time for time, _ in known], tuple(value for _, value in known)
