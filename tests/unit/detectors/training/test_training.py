"""Tests of training on a user's data: the same to the byte, no look ahead, and one line for each mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.app.training import read_data
from oracle.config import TrainingDataConfig, journal_at, load_training
from oracle.detectors.training.data import from_reports
from oracle.detectors.training.model_card import rate
from oracle.feeds.journal import open_journal
from tests.recordings import walk, write_csv
from tests.training import CARD, Run, configure, files, refused
from tests.unit.feeds.journal.test_journal import stages

ROWS = 1_600


def test_training_writes_model_graph_and_card_the_same_bytes_each_time(run: Run) -> None:
    write_csv(Path("prices.csv"), walk(ROWS))
    configure()
    code, out, errors = run("detector", "train", "train.toml", "--json")
    assert code == 0, errors
    first = files()
    assert sorted(first) == ["mine.card.json", "mine.card.md", "mine.json", "mine.onnx"]
    card = json.loads(out)["card"]
    assert card == json.loads(first["mine.card.json"])
    (section,) = card["series"]
    assert section["data"]["rows"] == ROWS and section["data"]["heartbeat"] == 60
    assert card["budget"]["calibration"]["per_10k"] <= 20
    assert section["splits"]["test"]["holds"]["reports"] == ROWS // 5
    low, high = section["splits"]["test"]["objections"]["interval_per_10k"]
    assert low <= section["splits"]["test"]["objections"]["per_10k"] <= high
    assert section["spikes"]["20 %"] == 1.0 >= section["spikes"]["1 %"]
    text = first["mine.card.md"].decode()
    assert section["data"]["sha256"] in text and "## Limits" in text
    code, out, errors = run("detector", "train", "train.toml")
    assert code == 0 and files() == first
    assert "test" in out and "build/models/mine.json" in out


def test_nothing_of_the_test_split_is_in_the_model(run: Run) -> None:
    """Other rows after the validation split give the same model, to the byte, and another card."""
    rows = walk(ROWS)
    configure()
    write_csv(Path("prices.csv"), rows)
    assert run("detector", "train", "train.toml", "--out", "one")[0] == 0
    wild = [(time, [value * (3 if index % 2 else 1) for value in values]) for index, (time, values) in enumerate(rows)]
    write_csv(Path("prices.csv"), rows[: ROWS * 4 // 5] + wild[ROWS * 4 // 5 :])
    # So many holds make it of no use, and the command says so.
    assert run("detector", "train", "train.toml", "--out", "two")[0] == 1
    one, two = files("one"), files("two")
    assert one["mine.json"] == two["mine.json"]
    held = [
        json.loads(found["mine.card.json"])["series"][0]["splits"]["test"]["holds"]["count"] for found in (one, two)
    ]
    assert held[0] < 10 < held[1]


def test_parquet_gives_the_same_model_as_csv(run: Run) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = walk(ROWS)
    write_csv(Path("prices.csv"), rows)
    values = [round(values[0], 8) for _, values in rows]
    table = pyarrow.table({"time": [time for time, _ in rows], "value": values})
    parquet.write_table(table, "prices.parquet")
    configure("cap")
    assert run("detector", "train", "train.toml", "--out", "one")[0] == 0
    configure("cap", 'file = "prices.parquet"')
    assert run("detector", "train", "train.toml", "--out", "two")[0] == 0
    assert files("one")["mine.json"] == files("two")["mine.json"]
    configure("cap", 'file = "prices.parquet"\nvalue_columns = ["price"]')
    assert "there is no column 'price'; the header has: time, value" in run("detector", "train", "train.toml")[2]
    configure("cap", 'file = "prices.parquet"')
    Path("prices.parquet").write_text("no parquet")
    assert "not a Parquet file" in run("detector", "train", "train.toml")[2]


def test_several_sources(run: Run) -> None:
    names = ("a", "b", "c")
    rows = walk(ROWS, sources=3)
    write_csv(Path("prices.csv"), rows, names)
    configure("cross-source", 'file = "prices.csv"\nvalue_columns = ["a", "b", "c"]')
    code, _, errors = run("detector", "train", "train.toml")
    assert code == 0, errors
    card = json.loads(files()["mine.card.json"])
    assert card["model"]["features"][-2:] == ["spread", "gap"]
    assert card["features"][-2:] == ["the spread of the sources", "the time gap"]
    lines = Path("prices.csv").read_text().splitlines()
    lines[700] = lines[700].split(",")[0] + ",,,5"
    Path("prices.csv").write_text("\n".join(lines) + "\n")
    assert "only 1 of the columns have a value" in run("detector", "train", "train.toml")[2]


def change(at: int, to: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:at], to, *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
            r"prices.csv:3: .*is before the time of the row above; times must rise",
        ),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], r"prices.csv:3: .*repeats the time of the row above"),
        (change(5, "1700000240,nan"), r"prices.csv:6: column 'value': 'nan' is not a plain decimal number"),
        (change(5, "1700000240,"), r"prices.csv:6: column 'value': is empty"),
        (change(5, "1700000240,-3"), r"2023-11-14 22:17:20 the value is -3\.0*; a relative feed has values above zero"),
        (change(5, "1700000240,0"), r"the value is 0"),
        (lambda lines: lines[:500], r"too few rows: 499, and at least 600"),
        (lambda lines: lines[:1], r"has no rows"),
        (lambda lines: lines[:900] + lines[1100:], r"nothing from .* to .*, 201 heartbeats of 60 s: fill the gap"),
        (lambda lines: [lines[0], *(f"{line.split(',')[0]},7" for line in lines[1:])], r"no value .* differs"),
    ],
)
def test_bad_data_is_one_line(run: Run, damage: Any, says: str) -> None:
    path = write_csv(Path("prices.csv"), walk(ROWS))
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    configure("cap")
    refused(run("detector", "train", "train.toml"), says)
    assert not Path("build").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "oracle"}, r"train.toml: detector\.type: must be 'peers', 'cap', 'arch'"),
        ({"budget": "0"}, r"budget\.false_holds_per_10k"),
        (
            {"budget": "1"},
            r"impossible budget: 1 false holds per 10,000 are less than one of the 1267 calib",
        ),
        ({"budget": "700"}, r"budget\.false_holds_per_10k"),
        ({"more": "hidden = 3"}, r"a detector of type 'arch\+window' has no 'hidden'; it takes drift"),
        ({"kind": "imported"}, r"needs 'onnx'"),
        ({"kind": "imported", "more": 'onnx = "none.onnx"'}, r"none\.onnx can't be read"),
        ({"kind": "cross-source"}, r"needs several value columns"),
        ({"data": 'file = "other.csv"'}, r"other\.csv: no such file"),
        ({"data": 'journal = "none.db"'}, r"'feed' goes with 'journal'"),
        ({"data": ""}, r"exactly one of 'file' and 'journal'"),
        ({"data": 'file = "prices.csv"\nvalue_columns = ["value", "value"]'}, r"names a column twice"),
        ({"more": "\n[split]\ntrain = 0.8\nvalidation = 0.2"}, r"nothing is left for the test"),
    ],
)
def test_bad_configurations_are_one_line(run: Run, changes: dict[str, str], says: str) -> None:
    write_csv(Path("prices.csv"), walk(ROWS))
    configure(**changes)
    refused(run("detector", "train", "train.toml"), says)


def test_a_missing_configuration_is_one_line(run: Run) -> None:
    refused(run("detector", "train", "none.toml"), r"none\.toml: no such configuration file; docs/detectors\.md")


# --- rates -------------------------------------------------------------------------------------------------------


def test_objections_that_share_a_window_are_one_event() -> None:
    clustered, apart = rate([10, 11, 12, 13], 4_000, 0.95), rate([10, 110, 210, 310], 4_000, 0.95)
    assert clustered["per_10k"] == apart["per_10k"] == 10
    assert (clustered["episodes"], apart["episodes"]) == (1, 4)
    assert clustered["interval_per_10k"][0] < apart["interval_per_10k"][0]
    assert clustered["interval_per_10k"][1] > apart["interval_per_10k"][1]
    assert rate([], 4_000, 0.95)["interval_per_10k"][0] == 0


def test_a_held_answer_counts_if_its_level_was_accepted() -> None:
    data = TrainingDataConfig(file=Path("x"), sigma=10_000)
    fault, shock = (3, 90_000, True), (5, 5_000, True)
    reports = [(1, 1_000, False), (2, 1_001, False), fault, (4, 1_002, False), shock, (6, 5_010, False), (7, 9, True)]
    learnt = from_reports(reports, data, "journal")
    assert learnt.reports.times == (1, 2, 4, 5, 6)
    assert learnt.dropped == 2 and learnt.held == (3,)


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_journal_in_either_database_is_read_and_not_written(
    carded: Run, where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, database = "journal.sqlite", None
    if where == "postgresql":
        database = request.getfixturevalue("postgres")
        at = database.url()
    monkeypatch.setenv("THE_PASSWORD", "s3cret")
    with open_journal(journal_at(at), {}) as journal:  # the daemon, which keeps writing
        for observed_at in (1, 2, 3):
            for stage in stages(observed_at):
                journal.record(stage)
        Path("train.toml").write_text(
            f'[data]\njournal = "{at}"\nfeed = "eth-usd"\n[detector]\ntype = "cap"\nname = "mine"\n'
        )
        learnt = read_data(load_training(Path("train.toml")).data[0], {})
        assert learnt.reports.times == (1, 2, 3)
        assert learnt.source == ("journal.sqlite" if database is None else journal.name)
        for data in (f'journal = "{at}"', f'journal = {{ {"url" if database else "path"} = "{at}" }}'):
            configure(data=f'{data}\nfeed = "eth-usd"\nsigma = 100\nheartbeat = 1')
            refused(carded("detector", "train", "train.toml"), r"too few rows: 3, and at least 600")
        feed = ("--feed", "eth-usd", "--journal", at)
        refused(carded("detector", "monitor", CARD, *feed), "too few reports: 3")
        journal.record(stages(4)[0])
        assert journal.leader().epoch == 1
    if database is not None:
        with_password = at.replace("postgres@", "postgres:s3cret@")
        code, _, errors = carded("detector", "monitor", CARD, "--feed", "eth-usd", "--journal", with_password)
        assert code == 2 and "error: journal: url: has a password in it" in errors and "s3cret" not in errors
        configure(data=f'journal = {{ url = "{at}", password_env = "THE_PASSWORD" }}\nfeed = "none"')
        refused(carded("detector", "train", "train.toml"), "there is no accepted or held report of a feed 'none'")


def test_the_training_configuration_of_the_documentation(project_root: Path, tmp_path: Path) -> None:
    pages = ("detectors.md", "tutorials/train-a-detector.md")
    text = "".join((project_root / "docs" / page).read_text() for page in pages)
    written = [block.split("```")[0] for block in text.split("```toml\n")[1:]]
    blocks = [block for block in written if block.startswith(("[data]", "[[data]]"))]
    assert blocks
    for block in blocks:
        (tmp_path / "train.toml").write_text(block)
        load_training(tmp_path / "train.toml")
