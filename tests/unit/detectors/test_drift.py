"""Tests of drift: a model that fits is left alone, and one that does not is retrained as a proposal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.app.detectors import load_detector
from oracle.config import TrainingDataConfig
from oracle.core.errors import DataError
from oracle.detectors import drift
from oracle.detectors.training.data import from_reports, read_file
from tests.recordings import walk, write_csv
from tests.training import CARD, Run, files, refused


def test_a_model_that_fits_is_left_alone(carded: Run) -> None:
    write_csv(Path("recent.csv"), walk(2_000, seed=6))
    code, out, errors = carded("detector", "monitor", CARD, "--data", "recent.csv")
    assert code == 0, out + errors
    assert "nothing says that it should be retrained" in out


def test_drift_is_seen_and_a_proposal_is_made_and_not_activated(carded: Run) -> None:
    """The market no longer clusters, and moves eight times as much."""
    write_csv(Path("recent.csv"), walk(3_000, seed=6, sigma=0.016))
    before = files()
    code, out, errors = carded("detector", "monitor", CARD, "--data", "recent.csv", "--retrain", "proposed", "--json")
    assert code == 1, errors
    told = json.loads(out)
    (series,) = told["series"]
    assert told["retrain"] and "distributed otherwise" in series["reasons"][0]
    assert series["p_value"] < drift.SIGNIFICANCE and series["statistic"] > 0.2
    proposed = json.loads(Path("proposed/mine-2.card.json").read_text())
    # The feed's sigma and heartbeat are fixed on-chain, so a proposal has the same.
    card = json.loads(before["mine.card.json"])
    (now,), (then,) = proposed["series"], card["series"]
    assert all(now["data"][key] == then["data"][key] for key in ("sigma", "heartbeat"))
    assert files() == before
    code, out, _ = carded("detector", "monitor", CARD, "--data", "recent.csv", "--retrain", "proposed")
    assert "proposed, and not active: proposed/mine-2.json" in out and "`oracle deploy`" in out
    code, out, errors = carded("detector", "monitor", "proposed/mine-2.card.json", "--data", "recent.csv")
    assert code == 0, out


def test_too_many_false_holds_are_seen(carded: Run) -> None:
    card = drift.load_card(Path(CARD))
    detector = load_detector(Path("build/models/mine.json"))
    write_csv(Path("recent.csv"), walk(2_000, seed=6))
    (where,) = drift.data_of(card, {"": Path("recent.csv")})
    learnt = read_file(where)
    (rarely,) = drift.monitor(card, detector, [replace(learnt, held=(100, 101, 102, 103))])
    assert not rarely.retrain
    (often,) = drift.monitor(card, detector, [replace(learnt, held=tuple(range(50, 1_900, 50)))])
    assert often.retrain and "false holds are 185 per 10,000" in often.reasons[0]


def test_monitoring_mistakes_are_one_line(carded: Run) -> None:
    write_csv(Path("recent.csv"), walk(300, seed=6))
    refused(carded("detector", "monitor", CARD, "--data", "recent.csv"), r"too few reports: 300, and at least 403")
    refused(carded("detector", "monitor", "none.json", "--data", "recent.csv"), r"none\.json can't be read")
    refused(carded("detector", "monitor", "build/models/mine.json", "--data", "recent.csv"), "not a model card")
    Path("build/models/mine.json").write_text("{}")
    refused(carded("detector", "monitor", CARD, "--data", "recent.csv"), "is not the model of this card")
    assert carded("detector", "monitor", CARD)[0] == 2


@pytest.mark.parametrize(("name", "then"), [("mine", "mine-2"), ("mine-2", "mine-3"), ("eth-usd", "eth-usd-2")])
def test_names_of_proposals(name: str, then: str) -> None:
    assert drift.proposed_name(name) == then


def test_a_network_is_not_retrained_here(tmp_path: Path) -> None:
    card = {"detector": {"type": "imported"}, "name": "x"}
    learnt = from_reports([(1, 1, False)], TrainingDataConfig(file=Path("x")), "j")
    with pytest.raises(DataError, match="not trained here"):
        drift.retrain(card, [learnt])
