"""Tests of the demonstration's model and of its replay without proofs."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.core.encoding import Feature
from oracle.demo.acts import Act, follows_a_fault
from oracle.demo.model import SINCE, UNTIL, DemoModel, train, training_file
from oracle.demo.options import DemoOptions
from oracle.demo.rehearsal import Rehearsal, rehearse
from oracle.detectors.evaluation.caps import StaticCap

SEEDS = range(1, 21)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def model(folder: Path) -> DemoModel:
    return train(DemoOptions(), folder)


@pytest.fixture(scope="module")
def found(model: DemoModel) -> Rehearsal:
    return rehearse(DemoOptions(), model.detector, model.sigmas, SEEDS)


def test_the_model_has_seen_nothing_of_what_it_judges(folder: Path, model: DemoModel) -> None:
    """And it can be trained again, to the byte."""
    document = tomllib.loads((folder / "train.toml").read_text())
    for table in document["data"]:
        lines = (folder / table["file"]).read_text().splitlines()[1:]
        days = [dt.datetime.fromtimestamp(int(line.split(",")[0]), dt.UTC).date() for line in lines]
        assert days[0] >= SINCE and days[-1] <= UNTIL < dt.date.fromisoformat(DemoOptions().start)
        assert table["peers"] == [other["name"] for other in document["data"] if other is not table]
    assert {Feature.PEER_MOVE_0, Feature.PEER_SEEN_0} <= set(model.detector.features)
    assert train(DemoOptions(), folder).detector.to_json() == model.detector.to_json()
    other = training_file(replace(DemoOptions(), seed=1), 9_000)
    assert document["salt"] != tomllib.loads(other)["salt"], "another seed, another salt"


def test_over_twenty_seeds_the_indices_faults_are_seen_and_hardly_a_true_value_is_held(found: Rehearsal) -> None:
    """No fault of 3 or 5 % was, by the model before this one.

    Of the sixteen spikes of 5 %, three meet a move the other way, and what is signed is within 0.4 % of the last
    answer: a gate that a lying peer can't close must let that pass.
    """
    shares = {kind: held / injected for kind in found.kinds for injected, held in [found.recall(kind)]}
    assert shares["spike_3"] >= 0.45 and shares["spike_5"] >= 0.65, shares
    for gross in ("spike_10", "spike_20", "decimal_shift", "negative", "zero", "wrong_asset"):
        assert shares[gross] == 1, gross
    assert (found.observations, len(found.false_holds)) == (305, 20)
    assert found.mean_false_holds <= 3
    assert found.mean_after_faults <= 4


def test_a_cap_with_as_many_holds_sees_less(model: DemoModel, found: Rehearsal) -> None:
    held = rehearse(DemoOptions(), StaticCap(5_500), model.sigmas, SEEDS)
    assert held.mean_false_holds > found.mean_false_holds, "or it would be no fair comparison"
    assert held.recall("spike_3")[1] < found.recall("spike_3")[1]


def test_what_is_held_after_a_fault_is_told_apart() -> None:
    marked = {("sp500", 10): None, ("nasdaq", 20): None}
    assert follows_a_fault(marked, "sp500", 30, 10), "its level is a fault"
    assert follows_a_fault(marked, "nasdaq", 30, 10), "its peer's level is one"
    assert follows_a_fault(marked, "sp500", 20, 15), "its peer's answer is one"
    assert not follows_a_fault(marked, "sp500", 30, 15)
    assert not follows_a_fault(marked, "wti", 10, 20), "it has no peer"


def test_a_rehearsal_counts_a_fault_once(model: DemoModel) -> None:
    one = rehearse(replace(DemoOptions(), ticks=20), model.detector, model.sigmas, [1])
    two = rehearse(replace(DemoOptions(), ticks=20), model.detector, model.sigmas, [1, 1])
    assert one.observations == two.observations == 80
    assert {key: (2 * a, 2 * b) for key, (a, b) in one.faults.items()} == dict(two.faults)
    assert two.mean_false_holds == one.mean_false_holds
    assert Act({}, []).injections == []
