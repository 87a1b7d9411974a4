"""Tests of the detector report, on a tiny folder of made-up recordings."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from oracle.detectors.kinds.quadratic import QuadraticModel
from scripts import detector_report
from scripts.report_baselines import BASELINES, graded, kept_features, scalable
from scripts.report_networks import FEATURES, Networks, OfSeries, learn_all
from scripts.report_series import SERIES, ReportedSeries
from scripts.report_tables import BEGIN, END

FILE = "coinbase_btcusd_ethusd_1min_2017-09_2018-04.csv"
KEYS = {
    "false_holds_per_10k",
    "recall",
    "cap_recall",
    "joint_recall",
    "peer_lie_holds_own",
    "shock_rounds_max",
    "written_wrong",
    "flips",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins that move together, for 1,000 minutes."""
    folder = tmp_path_factory.mktemp("prices")
    rng = np.random.default_rng(1)
    common, own = rng.normal(0, 1e-3, 1_000), rng.normal(0, 3e-4, (2, 1_000))
    with (folder / FILE).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["unix", "btcusd", "ethusd"])
        logs = np.cumsum(common + own, axis=1)
        for minute, (btc, eth) in enumerate(logs.T.tolist()):
            rows.writerow([1_504_396_860 + 60 * minute, f"{4_600 * math.exp(btc):.2f}", f"{350 * math.exp(eth):.2f}"])
    return folder


@pytest.fixture(autouse=True)
def few_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two coins are all series there are, and the slowest trainers are left out."""
    coins = tuple(series for series in SERIES if series.file == FILE)
    kinds = {name: detector_report.TRAINED[name] for name in ("peers", "cap", "arch+window")}
    monkeypatch.setattr("scripts.detector_report.SERIES", coins)
    monkeypatch.setattr("scripts.report_series.SERIES", coins)
    monkeypatch.setattr("scripts.detector_report.available", lambda folder: _available(folder, coins))
    monkeypatch.setattr("scripts.detector_report.TRAINED", kinds)
    monkeypatch.setattr("scripts.detector_report.THOROUGH", ("peers",))


def _available(folder: Path, series: tuple[ReportedSeries, ...]) -> object:
    from scripts.report_series import available

    return available(folder, series)


def test_a_summary_of_all_series_and_the_tables(data: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "detector-report.md").write_text(f"# Title\n\n{BEGIN}\nvery old\n{END}\n\nThe end.\n")
    given = [str(data), "--out", str(tmp_path / "out"), "--docs", str(docs), "--count", "20", "--jobs", "1"]
    assert detector_report.main([*given, "--without-baselines", "--only", "btc-1min"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == ["btc-1min"]
    for detectors in summary.values():
        assert {"peers", "cap", "arch-window"} <= set(detectors)
        for figures in detectors.values():
            assert set(figures) >= KEYS and figures["false_holds_per_10k"] <= 5
            assert set(figures["recall"]["spike"]) == set(figures["cap_recall"]["spike"]) >= {"0.2", "0.75", "10"}
            assert set(figures["learnt_limits"]) >= KEYS - {"learnt_limits"}
        peers, cap = detectors["peers"], detectors["cap"]
        # The peer shows what the move alone doesn't.
        assert peers["recall"]["spike"]["0.3"] > 0.5 > cap["recall"]["spike"]["0.3"]
        assert peers["recall"]["gross"]["decimal_shift"] == 1 and peers["flips"] == 0
        assert set(peers["joint_recall"]["spike"]) == set(peers["recall"]["spike"])
        assert 0 <= peers["peer_lie_holds_own"] <= 1 and 0 < peers["written_wrong"]["drift"]["0.1"] <= 1
    page = (docs / "detector-report.md").read_text()
    assert "very old" not in page and page.startswith("# Title\n") and page.endswith("The end.\n")
    assert re.search(r"\| `btc-1min` \| `eth-1min` \(0\.[89]", page) and "`peers`" in page
    assert {path.name for path in docs.glob("*.png")} == {
        f"detector-report-{name}.png" for name in ("overview", "recall", "holds")
    }


def test_a_folder_without_recordings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, why in ((tmp_path / "none", "no such folder"), (tmp_path, f"the report knows {FILE}")):
        assert detector_report.main([str(folder), "--without-baselines", "--jobs", "1"]) == 1
        assert why in capsys.readouterr().err


def test_an_unknown_series_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detector_report.main([str(data), "--without-baselines", "--jobs", "1", "--only", "gold"]) == 1
    assert "there is no series 'gold'; there are: btc-1min, eth-1min" in capsys.readouterr().err


def windows(rows: int, columns: int) -> np.ndarray:
    """Return made-up windows in sigmas; running variance and gap are 1."""
    found = np.random.default_rng(2).standard_t(4, (rows, columns))
    if columns == len(FEATURES):
        found[:, [13, -1]] = 1
    return found


def test_one_network_learns_from_all_series_and_sees_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 2, "EPOCHS": 100, "MEMBERS": 2, "TREES": 5}.items():
        monkeypatch.setattr(f"scripts.report_networks.{name}", value)
    halves = {key: windows(400, len(FEATURES)) for key in ("one", "two")}
    halves["two"][:, 0] += 0.9 * halves["two"][:, 14]
    learnt = learn_all(halves, seed=1)
    network = learnt["two"].models["network"]
    assert isinstance(network, Networks) and network.weights == 2 * (13 * 16 + 16 + 16 + 1)
    assert learnt["two"].terms.correlation > 0.4 > abs(learnt["one"].terms.correlation)
    judge = graded("network", FEATURES, OfSeries(network, learnt["two"].terms), halves["two"], 0.005)
    calm = np.zeros((1, len(FEATURES)))
    calm[:, [13, -1]] = 1
    spike = calm.copy()
    spike[:, 0] = 12
    assert judge.severity_many(1_000 * calm)[0] < 1 < judge.severity_many(1_000 * spike)[0]
    # A market that is twice as wild as a whole gets the same verdict: but for the floor, which is small beside it.
    wild = 100 * spike
    wild[:, 13] = 100**2
    wild[:, -1] = 1
    assert judge.severity_many(1_000 * wild)[0] > 1


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_are_those_of_pyod(name: str) -> None:
    models = pytest.importorskip("pyod.models")
    learnt, asked = windows(300, 6), windows(5, 6) * 2
    ours = BASELINES[name](learnt, 1)(asked)
    module = __import__(f"{models.__name__}.{name}", fromlist=[name.upper()])
    theirs = getattr(module, name.upper())()
    theirs.fit(learnt)
    for row, score in zip(asked, ours.tolist(), strict=True):
        assert float(theirs.decision_function(row[None])[0]) == pytest.approx(score, rel=1e-6)


def test_half_space_trees_are_those_of_river() -> None:
    anomaly = pytest.importorskip("river.anomaly")
    learnt, asked = windows(600, 5), windows(20, 5)
    ours = BASELINES["half-space-trees"](learnt, 1)(asked)
    low, high = learnt.min(axis=0), learnt.max(axis=0)
    width = np.where(high > low, high - low, 1)
    theirs = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1)
    for row in ((learnt - low) / width).tolist():
        theirs.learn_one(dict(enumerate(row)))
    for row, score in zip(((asked - low) / width).tolist(), ours.tolist(), strict=True):
        assert theirs.score_one(dict(enumerate(row))) == pytest.approx(score, rel=1e-9)


def test_the_features_of_baselines_are_the_hubs() -> None:
    assert len(kept_features(0)) == 15 and len(kept_features(2)) == 17


def test_a_measure_of_its_own_objects_where_the_detector_does() -> None:
    model = QuadraticModel.default()
    rng = np.random.default_rng(3)
    asked = np.clip(rng.standard_t(3, (500, len(model.features))) * 1_000, -30_000, 30_000).astype(np.int64)
    asked[:, 0] = np.clip(asked[:, 0] * 8, -30_000, 30_000)
    asked[:, -1] = rng.integers(1_000, 5_000, 500)
    scaled = scalable(model)
    severities = np.array([scaled.explain(tuple(row))[0].measured for row in asked.tolist()])
    objects = (model.score_many(asked) > 0).any(axis=1)
    assert 20 < objects.sum() < 480 and ((severities > 1) == objects).all()
