"""Tests of the terms that a model is judged at: its card's, unless others are given, which is said."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.cli import oracle
from oracle.core.errors import OracleError
from tests.recordings import walk, write_csv
from tests.training import Run, configure, trained_in

ROWS = 1_600
MODEL = "build/models/mine.json"


def evaluated(*options: str) -> tuple[dict[str, Any], str]:
    few = ("--fault", "spike_1", "--fault", "stuck", "--count", "20", "--no-curve", "--json")
    result = CliRunner().invoke(oracle, ["detector", "evaluate", MODEL, *few, *options])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout), result.stderr


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model that was trained on a calm series, which ends before the wild one that is judged."""

    def prepare() -> None:
        write_csv(Path("prices.csv"), walk(ROWS, sigma=0.0005))
        configure(data='file = "prices.csv"\ndecimals = 6')

    return trained_in(tmp_path_factory.mktemp("calm"), prepare)


@pytest.fixture
def trained(calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put that model into the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(calm, tmp_path, dirs_exist_ok=True)


@pytest.mark.usefixtures("trained")
def test_an_evaluation_takes_the_terms_of_the_models_card() -> None:
    write_csv(Path("wild.csv"), walk(ROWS, seed=2, sigma=0.0008))
    card = json.loads(Path("build/models/mine.card.json").read_text(encoding="utf-8"))["series"][0]["data"]
    found, _ = evaluated("--data", "wild.csv")
    feed = found["feed"]
    assert (feed["sigma"], feed["heartbeat"], feed["decimals"]) == (card["sigma"], card["heartbeat"], 6)
    assert found["notes"] == [
        f"terms of the card of mine, series prices: sigma {card['sigma']:,} ppm, heartbeat {card['heartbeat']} s"
    ]
    assert not any("trained at" in each for each in found["warnings"])


@pytest.mark.usefixtures("trained")
def test_terms_that_are_not_the_cards_are_told() -> None:
    found, _ = evaluated("--data", "prices.csv", "--sigma", "5000", "--heartbeat", "300")
    assert found["feed"]["sigma"] == 5_000
    assert any(
        "model mine was trained at sigma" in each and "judged at sigma 5,000 ppm" in each for each in found["warnings"]
    )
    assert any("trained with a heartbeat of 60 s, and is judged with 300 s" in each for each in found["warnings"])


@pytest.mark.usefixtures("trained")
def test_a_card_of_another_model_is_refused() -> None:
    model = Path(MODEL)
    model.write_text(model.read_text(encoding="utf-8").replace('"param_scale"', ' "param_scale"'), encoding="utf-8")
    result = CliRunner().invoke(oracle, ["detector", "evaluate", MODEL, "--data", "prices.csv"])
    assert isinstance(result.exception, OracleError) and "is not the model of this card" in str(result.exception)


@pytest.mark.usefixtures("trained")
def test_without_a_card_sigma_is_found_and_that_is_said() -> None:
    Path("build/models/mine.card.json").unlink()
    found, _ = evaluated("--data", "prices.csv")
    assert found["notes"] == ["no model has a card beside it: sigma is found in the first half of the recording"]


def test_a_peer_of_the_card_has_the_cards_sigma_and_one_that_is_missing_is_told(run: Run) -> None:
    draw = random.Random(2)
    rows = [(time, [values[0], values[0] * (1 + draw.gauss(0, 0.0005))]) for time, values in walk(ROWS)]
    write_csv(Path("prices.csv"), rows, ("value", "other"))
    configure("peers", 'file = "prices.csv"\nvalue_columns = ["value"]\npeer_columns = { other = "other" }')
    assert run("detector", "train", "train.toml")[0] == 0
    (peer,) = json.loads(Path("build/models/mine.card.json").read_text(encoding="utf-8"))["series"][0]["data"]["peers"]
    found, _ = evaluated("--data", "prices.csv", "--value-column", "value", "--peer-column", "other")
    assert found["feed"]["peers"] == [{"name": "other", "kind": "relative", "sigma": peer["sigma"]}]
    (own,) = found["detectors"]
    assert own["joint"]["spike_1"]["recall"] < own["faults"]["spike_1"]["recall"]
    assert set(own["peer_lie_holds_own"]) >= {
        "peer_lies_1",
        "peer_lies_3",
        "peer_lies_10",
        "peer_clipped",
        "peer_missing",
    }
    found, _ = evaluated("--data", "prices.csv", "--value-column", "value")
    assert any("was trained beside other, and here it sees no peer" in each for each in found["warnings"])


def test_a_stretch_that_is_known_to_be_wrong_is_reported_apart(run: Run) -> None:
    rows = walk(ROWS)
    for index in range(1_200, 1_260):
        rows[index][1][0] = rows[1_199][1][0]
    write_csv(Path("prices.csv"), rows)
    configure()
    run("detector", "train", "train.toml")
    first, last = rows[1_199][0], rows[1_262][0]
    found, _ = evaluated("--data", "prices.csv")
    (own,) = found["detectors"]
    assert own["reasons"]["repeated"] == 58 and own["held_in_bad_stretches"] == {}
    found, _ = evaluated("--data", "prices.csv", "--bad", f"{first}..{last}")
    (marked,) = found["detectors"]
    assert "repeated" not in marked["reasons"] and marked["held_in_bad_stretches"]["repeated"] == 58
    assert marked["reports"] == own["reports"] - 64 and marked["false_holds"] <= own["false_holds"] - 58
