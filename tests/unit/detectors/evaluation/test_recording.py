"""Tests of recordings for evaluations: peers at the times of a feed, from files, columns and packaged series."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from oracle.cli.detector.recordings import recording_of
from oracle.config import TrainingDataConfig
from oracle.core.errors import DataError
from oracle.detectors.evaluation.recording import Recording, load_packaged, load_recording, with_peer
from oracle.detectors.training.data import read_file

OPTIONS: dict[str, Any] = {
    "data": None,
    "series": None,
    "time_column": None,
    "value_columns": (),
    "keep_last": False,
    "peers": (),
    "peer_columns": (),
    "peer_max_age": None,
    "stretches": (),
    "others": (),
}


def series(name: str, *rows: tuple[int, str | None]) -> Recording:
    values = tuple(None if value is None else Decimal(value) for _, value in rows)
    return Recording(name, tuple(time for time, _ in rows), {name: values})


def test_a_peers_answer_is_its_last_one_unless_that_is_too_old() -> None:
    feed = series("feed", (100, "1"), (200, "1"), (210, "1"), (300, "1"), (400, "1"))
    peer = series("eth", (150, "7"), (200, "8"), (211, None), (250, "9"))
    told = [None if value is None else int(value) for value in with_peer(feed, peer, max_age=100).peers[0].values]
    assert told == [None, 8, 8, 9, None]
    # By default it may be half as old again as its answers are apart: 75 seconds.
    found = with_peer(feed, peer)
    assert [value is None for value in found.peers[0].values] == [True, False, False, False, True]
    assert found.notes == ("peer eth: it has no answer, or one that is too old, in 2 of 5 rows",)


def test_a_peer_never_is_ahead_of_the_feed() -> None:
    feed = series("feed", *((time, "1") for time in range(10, 500, 7)))
    peer = series("eth", *((time, str(time)) for time in range(3, 500, 5)))
    for time, value in zip(feed.times, with_peer(feed, peer, max_age=1_000).peers[0].values, strict=True):
        assert value is not None and time - 5 < int(value) <= time


def test_peers_that_can_not_be_are_refused() -> None:
    feed = series("feed", (100, "1"), (200, "1"))
    with pytest.raises(DataError, match="the peer eth has no answer in its time"):
        with_peer(feed, series("eth", (300, "7"), (400, "7")))
    with pytest.raises(DataError, match="a peer has one column of values, and here are a, b"):
        with_peer(feed, Recording("eth", (1,), {"a": (Decimal(1),), "b": (Decimal(1),)}))


def test_peers_are_named_by_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide, narrow = tmp_path / "wide.csv", tmp_path / "btc.csv"
    wide.write_text("time,value,close_eth\n" + "".join(f"{time},5,{time}\n" for time in range(300, 0, -60)))
    narrow.write_text("time,value\n" + "".join(f"{time},{time + 1}\n" for time in range(60, 301, 60)))
    named = {
        "data": wide,
        "peers": (str(narrow),),
        "peer_columns": ("eth=close_eth",),
        "stretches": ("1970-01-01T00:02:00..1970-01-01T00:03:00",),
    }
    found = recording_of(OPTIONS | named)
    assert [peer.name for peer in found.peers] == ["btc", "eth"]
    assert [peer.values[0] for peer in found.peers] == [Decimal(61), Decimal(60)]
    assert found.bad == ((120, 180),)
    assert "wide: rows are newest first: they were turned round" in capsys.readouterr().err
    same = recording_of(OPTIONS | {"series": "sp500", "peers": ("nasdaq",)})
    assert same.peers[0].values == load_packaged("nasdaq").venues["nasdaq"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"series": "sp500", "peer_columns": ("eth",)}, "--peer-column is of the file that --data names"),
        ({"series": "sp500", "peers": ("a", "b", "c")}, "a feed has 2 peers at most"),
        ({"series": "sp500", "stretches": ("2020",)}, "write it as FROM..TO"),
        ({"series": "sp500", "stretches": ("2020-01-02..2020-01-01",)}, "ends before it begins"),
        ({"series": "sp500", "stretches": ("soon..2020-01-01",)}, "'soon' is no time"),
        ({}, "name what to replay"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        recording_of(OPTIONS | given)
    assert says in caught.value.message


def test_evaluation_finds_columns_as_training_does(tmp_path: Path) -> None:
    path = tmp_path / "rounds.csv"
    path.write_text("round_id,answer,updated_at\n" + "".join(f"{row},{row},{row}00\n" for row in range(9, 0, -1)))
    evaluated, learnt = load_recording(path), read_file(TrainingDataConfig(file=path, decimals=0))
    assert evaluated.times == learnt.reports.times and evaluated.notes == learnt.notes
    assert evaluated.venues["answer"] == tuple(Decimal(answer) for answer in learnt.reports.answers)
