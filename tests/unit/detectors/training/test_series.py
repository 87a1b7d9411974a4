"""Tests of models that several series share, of peers from files, columns and journals, and of bad stretches."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.app.training import read_data
from oracle.config import TrainingDataConfig, journal_at, load_training
from oracle.core.encoding import Feature
from oracle.core.stages import Decided, Observed
from oracle.detectors.training import run as training
from oracle.detectors.training.data import beside, read_file
from oracle.detectors.training.reports import FEATURES, Terms
from oracle.feeds.journal import Journal
from tests.fitted_detectors import TRAINERS, fitted, lesson_of
from tests.training import Run, files, refused
from tests.unit.feeds.journal.test_journal import FEED_ID, PEER_ID, way

ROWS = 1_600
MINUTE = 60
START = 1_700_000_000

TWO = """
salt = "00112233445566778899aabbccddeeff"

[[data]]
file = "one.csv"
peers = ["two"]

[[data]]
file = "two.csv"
peers = ["one"]

[detector]
name = "mine"

[budget]
false_holds_per_10k = 20
"""

SETTINGS = """
[data]
file = "one.csv"
BAD

[detector]
type = "TYPE"
name = "mine"

[budget]
false_holds_per_10k = 20
"""


def pair(count: int = ROWS, seed: int = 1) -> list[tuple[int, float, float]]:
    """Return rows of two series that move together, the second twice as much."""
    draw = random.Random(seed)
    one, two, rows = 100.0, 50.0, []
    for index in range(count):
        market = draw.gauss(0, 0.002) * (1 + 2 * (index % 400 > 300))
        one *= 1 + market + draw.gauss(0, 0.0004)
        two *= 1 + 2 * market + draw.gauss(0, 0.0008)
        rows.append((START + MINUTE * index, one, two))
    return rows


def write_pair(rows: list[tuple[int, float, float]]) -> None:
    for name, column in (("one", 1), ("two", 2)):
        Path(f"{name}.csv").write_text("time,value\n" + "".join(f"{row[0]},{row[column]:.8f}\n" for row in rows))
    wide = "".join(f"{time},{one:.8f},{two:.8f}\n" for time, one, two in rows)
    Path("wide.csv").write_text("time,value,close_two\n" + wide)


def test_two_series_share_a_model_as_each_others_peers(run: Run) -> None:
    write_pair(pair())
    Path("train.toml").write_text(TWO)
    code, out, errors = run("detector", "train", "train.toml")
    assert code == 0, errors
    first = files()
    card = json.loads(first["mine.card.json"])
    assert [section["name"] for section in card["series"]] == ["one", "two"]
    one, two = (section["data"] for section in card["series"])
    assert [each["name"] for each in one["peers"]] == ["two"] and one["peers"][0]["sigma"] == two["sigma"]
    assert one["sigma"] < two["sigma"] and one["peers"][0]["missing"] == 0
    assert "peer_move_0" in card["model"]["features"] and "peer_move_1" not in card["model"]["features"]
    # Beside its peer a model sees what a cap with as many objections does not.
    for section in card["series"]:
        assert list(section["cap_spikes"]) == list(section["spikes"])
        assert list(section["cap_spikes"].values()) == sorted(section["cap_spikes"].values())
    seen, by_cap = (card["series"][0][key]["1 %"] for key in ("spikes", "cap_spikes"))
    assert seen > 0.8 > 0.5 > by_cap
    assert "a cap would" in out and "one" in out and "two" in out
    # The same files, seed and salt give the same bytes.
    assert run("detector", "train", "train.toml")[0] == 0 and files() == first
    salt = "00112233445566778899aabbccddeeff"
    assert salt not in first["mine.card.json"].decode() + first["mine.card.md"].decode() + out + errors


def test_a_column_of_the_file_is_a_peer_as_a_file_of_its_own_is(run: Run) -> None:
    rows = pair()
    write_pair(rows)
    Path("train.toml").write_text(
        '[[data]]\nfile = "one.csv"\npeers = ["two"]\n[[data]]\nfile = "two.csv"\nreference = true\n'
        '[detector]\nname = "mine"\n'
    )
    apart = load_training(Path("train.toml"))
    Path("train.toml").write_text(
        '[data]\nfile = "wide.csv"\npeer_columns = { two = "close_two" }\n[detector]\nname = "mine"\n'
    )
    wide = load_training(Path("train.toml"))
    lessons = [
        training.lesson_of(config, training.learnt(config, [read_file(each) for each in config.data]))
        for config in (apart, wide)
    ]
    assert lessons[0].fit == lessons[1].fit and lessons[0].calibrate == lessons[1].calibrate
    (series,) = lessons[1].series
    assert (series.peers, series.sources, len(series.calibrate.indices(10**6))) == (1, 1, 3)
    assert {window[FEATURES.index(Feature.PEER_SEEN_0)] for window in lessons[1].fit} == {1}


def test_windows_of_bad_stretches_are_left_out_and_not_counted(run: Run) -> None:
    """A day of nonsense in the training split changes neither sigma nor model, once it is marked."""
    rows = pair()
    write_pair(rows)
    settings = 'salt = "none"\n' + SETTINGS.replace("TYPE", "arch+window")
    bad = f"bad = [[{rows[300][0]}, {rows[320][0]}]]"
    Path("train.toml").write_text(settings.replace("BAD", bad))
    assert run("detector", "train", "train.toml", "--out", "a")[0] == 0
    wild = [(time, one * (5 if 300 <= at <= 320 else 1), two) for at, (time, one, two) in enumerate(rows)]
    write_pair(wild)
    assert run("detector", "train", "train.toml", "--out", "b")[0] == 0
    assert files("a")["mine.json"] == files("b")["mine.json"]
    cards = [json.loads(files(folder)["mine.card.json"])["series"][0] for folder in ("a", "b")]
    assert cards[0]["data"]["sigma"] == cards[1]["data"]["sigma"]
    assert cards[1]["data"]["bad"] == [["2023-11-15 03:13:20", "2023-11-15 03:33:20"]]
    assert cards[0]["splits"]["train"]["holds"]["reports"] == 960 - 13 - 21
    Path("train.toml").write_text(settings.replace("BAD", ""))
    assert run("detector", "train", "train.toml", "--out", "c")[0] == 0
    unmarked = json.loads(files("c")["mine.card.json"])["series"][0]
    assert unmarked["data"]["sigma"] > 2 * cards[0]["data"]["sigma"]


def test_a_gap_is_no_problem_where_it_is_marked(run: Run) -> None:
    rows = pair()
    write_pair(rows[:900] + rows[1_100:])
    settings = SETTINGS.replace("TYPE", "cap")
    Path("train.toml").write_text(settings.replace("BAD", ""))
    refused(run("detector", "train", "train.toml"), "201 heartbeats of 60 s: fill the gap, .* mark it as bad")
    Path("train.toml").write_text(settings.replace("BAD", f"bad = [[{rows[899][0] + 1}, {rows[1_100][0] - 1}]]"))
    assert run("detector", "train", "train.toml")[0] == 0


def test_what_was_changed_is_said_and_stands_in_the_card(run: Run) -> None:
    rows = pair()
    text = "".join(f"{row[0]}000,{row[1]:.8f}\n" for row in reversed(rows))
    Path("one.csv").write_text("https://example.org\ntime,value\n" + text)
    two = "".join(f"{row[0]},{row[2]:.8f}\n" for row in rows[:1_000])
    Path("two.csv").write_text("time,value\n" + two)
    Path("train.toml").write_text(
        '[[data]]\nfile = "one.csv"\npeers = ["two"]\n[[data]]\nfile = "two.csv"\nreference = true\n'
        '[detector]\ntype = "cap"\nname = "mine"\n[budget]\nfalse_holds_per_10k = 20\n'
    )
    code, _, errors = run("detector", "train", "train.toml")
    assert code == 0, errors
    notes = json.loads(files()["mine.card.json"])["series"][0]["data"]["notes"]
    assert notes == [
        "line 1 is above the table, and was skipped: https://example.org",
        "unix times in milliseconds are taken in seconds: 1600 of 1600",
        "rows are newest first: they were turned round",
        "peer two: it has no answer, or one that is too old, in 599 of 1600 rows",
    ]
    for note in notes:
        assert f"one.csv: {note}" in errors
        assert note in files()["mine.card.md"].decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[data]]\nfile = "a.csv"\npeers = ["b"]\n', r"data.*peers: there is no series 'b' in this file"),
        ('[[data]]\nfile = "a.csv"\npeers = ["a"]\n', r"data.*peers: a series is no peer of its own"),
        ('[[data]]\nfile = "a.csv"\n[[data]]\nfile = "x/a.csv"\n', r"data\[1\]\.name: two series have the name 'a'"),
        ('[data]\nfile = "a.csv"\nreference = true\n', r"every series is a reference"),
        (
            '[data]\nfile = "a.csv"\npeers = ["b", "c"]\npeer_columns = { d = "d" }\n',
            r"data: has 3 peers; a feed has 2 at most",
        ),
        ('[data]\nfile = "a.csv"\npeer_columns = { d = "x", e = "x" }\n', r"a column of 'peer_columns' is named twice"),
        ('[data]\nfile = "a.csv"\nvalue_columns = ["x"]\npeer_columns = { d = "x" }\n', r"is among 'value_columns'"),
        ('[data]\nfile = "a.csv"\nbad = [["2023-03-11", "2023-03-10"]]\n', r"data\.bad\[0\]: the stretch ends before"),
        ('[data]\nfile = "a.csv"\nbad = ["2023-03-11"]\n', r"data\.bad\[0\]: must be a pair of times"),
        ('[data]\nfile = "a.csv"\nvalue_column = "x"\n', r"data\.value_column: unknown key; 'value_columns' is a list"),
        ('[data]\nfile = "a.csv"\nkind = "x"\n', r"data\.kind: must be 'relative' or 'absolute'"),
        ('[[data]]\nfile = "a.csv"\n[[data]]\nfile = "b.csv"\nkind = "x"\n', r"data\[1\]\.kind: must be"),
    ],
)
def test_bad_series_are_one_line(run: Run, text: str, says: str) -> None:
    Path("train.toml").write_text(f'{text}[detector]\nname = "mine"\n')
    refused(run("detector", "train", "train.toml"), says)


def test_a_salt_is_never_told(run: Run) -> None:
    Path("train.toml").write_text('salt = "s3cret"\n[data]\nfile = "a.csv"\n[detector]\nname = "mine"\n')
    code, out, errors = run("detector", "train", "train.toml")
    assert code == 2 and "salt: must be 32 hexadecimal digits" in errors and "s3cret" not in out + errors
    Path("train.toml").write_text(TWO)
    assert "0011" not in repr(load_training(Path("train.toml")))


@pytest.mark.parametrize("kind", sorted(TRAINERS))
def test_every_type_of_model_takes_the_salt_of_its_lesson(kind: str) -> None:
    """Two trainings on the same data give models that nobody can tell to be the same by their hashes."""
    given = lesson_of(kind)
    salted, public = TRAINERS[kind].fit(kind, replace(given, salt=bytes(range(16)))), fitted(kind)
    documents = [json.loads(each.to_json()) for each in (salted, public)]
    assert [document.pop("salt") for document in documents] == ["000102030405060708090a0b0c0d0e0f", ""]
    # What a private model is like inside stands in its weights only.
    for document in documents:
        document.pop("training")
    assert documents[0] == documents[1]


def test_a_salt_is_drawn_unless_the_model_is_public(run: Run) -> None:
    write_pair(pair(700))
    salts = []
    for given in ("", "", 'salt = "none"\n'):
        Path("train.toml").write_text(given + SETTINGS.replace("TYPE", "cap").replace("BAD", ""))
        run("detector", "train", "train.toml")
        salts.append(json.loads(files()["mine.json"])["salt"])
    assert len({*salts[:2]}) == 2 and [len(salt) for salt in salts] == [32, 32, 0]


def test_monitoring_compares_each_series_beside_its_peers(run: Run) -> None:
    write_pair(pair(4_000))
    Path("train.toml").write_text(TWO)
    assert run("detector", "train", "train.toml")[0] == 0
    write_pair(pair(2_000, seed=7))
    card = "build/models/mine.card.json"
    code, out, errors = run("detector", "monitor", card, "--data", "one=one.csv", "--data", "two=two.csv", "--json")
    assert code == 0, out + errors
    assert [each["series"] for each in json.loads(out)["series"]] == ["one", "two"]
    refused(run("detector", "monitor", card, "--data", "one=one.csv"), "series one has the peer two: give its reports")
    refused(run("detector", "monitor", card, "--data", "one.csv"), "the model has several series, so say which: NAME=")
    refused(run("detector", "monitor", card, "--data", "x=one.csv"), "no series or peer 'x'; it has one, two")


def test_a_journals_peers_have_an_answer_in_each_report_due_or_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        # Due once, and never reported: so its name is known, and its answer then.
        journal.record(Decided(3, (Observed("two", PEER_ID, 7, 50),), ()))
        for at in (100, 200, 300):
            for stage in way(Decided(3, (Observed("one", FEED_ID, 10 + at, at),), ((PEER_ID, 20 + at),))):
                journal.record(stage)
        assert journal.answers("one") == [(100, 110), (200, 210), (300, 310)]
        assert journal.answers("two") == [(50, 7), (100, 120), (200, 220), (300, 320)]
        assert journal.answers("none") == []
    one = read_data(TrainingDataConfig(journal=journal_at(str(path)), feed="one", peers=("two",)), {})
    two = read_data(TrainingDataConfig(journal=journal_at(str(path)), feed="two", reference=True), {})
    assert one.reports.answers == (110, 210, 310)
    (peer,) = beside(one.reports, [(two, Terms(10_000, 60))], None).peers
    assert peer.answers == (120, 220, 320) and peer.sigma == 10_000
