"""Tests of warnings: a training must not look well where its figures mislead."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from oracle.core.types import Kind
from oracle.detectors.training.cautions import clipped, disagreeing, far_over, holding, tail_sigma, unlike
from tests.recordings import walk, write_csv
from tests.training import CARD, Run, configure

ROWS = 1_600


def trained(run: Run, *, code: int = 0) -> tuple[dict[str, Any], str]:
    found, out, errors = run("detector", "train", "train.toml")
    assert found == code, errors + out
    return json.loads(Path(CARD).read_text(encoding="utf-8")), " ".join(out.split())


def test_a_quiet_training_says_nothing(run: Run) -> None:
    write_csv(Path("prices.csv"), walk(ROWS))
    configure()
    card, out = trained(run)
    assert card["warnings"] == [] and card["usable"] and "WARNING" not in out
    assert card["series"][0]["splits"]["test"]["clipped_moves"] == 0


def test_a_tiny_sigma_makes_the_clip_the_detector_and_that_is_loud(run: Run) -> None:
    write_csv(Path("prices.csv"), walk(ROWS))
    configure(data='file = "prices.csv"\nsigma = 50')
    card, out = trained(run, code=1)
    assert not card["usable"] and "This model is of no use" in out
    (section,) = card["series"]
    test = section["splits"]["test"]
    assert test["reasons"]["clipped"] > 100 and "clipped" in out
    assert test["objections"]["count"] < test["reasons"]["clipped"], "no objection of the model tells of them"
    assert test["error_while_held"]["worst"] > 0.002
    warning = next(each for each in card["warnings"] if "the test split" in each and "moves are clipped" in each)
    assert warning.split(", 32.8 sigmas")[0].endswith("more than 0.16 %")
    proposed = int(warning.split("with a sigma of ")[1].split(" ppm")[0].replace(",", ""))
    assert warning in " ".join(Path("build/models/mine.card.md").read_text(encoding="utf-8").split())
    configure(data=f'file = "prices.csv"\nsigma = {proposed}')
    card, _ = trained(run)
    assert not any("clipped" in each for each in card["warnings"]), "the proposed sigma fits"


def test_venues_that_quote_another_thing_are_named(run: Run) -> None:
    rows = walk(ROWS, sources=5)
    for index in range(ROWS * 4 // 5, ROWS):
        _, values = rows[index]
        for venue in (1, 3):
            values[venue] *= 0.97
    write_csv(Path("prices.csv"), rows, ("a", "b", "c", "d", "e"))
    configure("cross-source", 'file = "prices.csv"\nvalue_columns = ["a", "b", "c", "d", "e"]')
    card, out = trained(run, code=1)
    (named,) = [each for each in card["warnings"] if "venues disagree" in each]
    assert "the test split: venues disagree" in named
    assert "b in 100.0% of the rows, then typically by 3 %" in named and "d in 100.0%" in named
    assert " a in" not in named and " e in" not in named
    assert "WARNING" in out and named.split(": ", 1)[1][:60] in out
    assert any("honest reports are held; the budget is 20" in each for each in card["warnings"])


def test_a_split_unlike_the_others_is_told(run: Run) -> None:
    rows = walk(ROWS, sigma=0.001)
    price = rows[ROWS * 4 // 5][1][0]
    draw = random.Random(3)
    for index in range(ROWS * 4 // 5, ROWS):
        price *= 1 + draw.gauss(0, 0.004)
        rows[index][1][0] = price
    write_csv(Path("prices.csv"), rows)
    configure(budget="400")
    code, _, errors = run("detector", "train", "train.toml")
    assert code in (0, 1), errors
    card = json.loads(Path(CARD).read_text(encoding="utf-8"))
    assert any("the test split is unlike the others: its moves are" in each for each in card["warnings"])


def test_a_source_that_was_dead_is_held_apart(run: Run) -> None:
    """Repeated reports are not the model's false holds, and the card says how many there are."""
    rows = walk(ROWS)
    for index in range(ROWS * 4 // 5 + 100, ROWS * 4 // 5 + 180):
        rows[index][1][0] = rows[ROWS * 4 // 5 + 99][1][0]
    for index in range(300, 383):
        rows[index][1][0] = rows[299][1][0]
    write_csv(Path("prices.csv"), rows)
    configure()
    card, _ = trained(run)
    (section,) = card["series"]
    assert section["data"]["max_repeats"] == 2, "not 85: the dead stretch of the training split"
    test = section["splits"]["test"]
    assert test["reasons"]["repeated"] == 78 and test["judged_holds"]["count"] < 5
    assert any("78 reports are held because they repeat the one before" in each for each in card["warnings"])


def test_a_card_tells_of_lies_with_the_peer_and_of_the_peer(run: Run) -> None:
    rows = walk(ROWS, sigma=0.006)
    draw = random.Random(5)
    both = [(time, [values[0], values[0] * (1 + draw.gauss(0, 0.0002))]) for time, values in rows]
    write_csv(Path("prices.csv"), both, ("value", "other"))
    configure("peers", 'file = "prices.csv"\nvalue_columns = ["value"]\npeer_columns = { other = "other" }')
    card, out = trained(run)
    (section,) = card["series"]
    assert section["data"]["peers"][0]["name"] == "other"
    assert set(section["joint_recall"]) == set(section["unseen_recall"]) == set(section["spikes"])
    assert 0.5 < section["spikes"]["2 %"] > section["joint_recall"]["2 %"] + 0.3
    assert set(section["peer_lie_holds_own"]) == {"1 sigmas", "3 sigmas", "10 sigmas", "missing", "clipped"}
    held = section["peer_lie_holds_own"]
    assert held["missing"] <= 0.05 and held["clipped"] <= 0.05, "what is not seen holds nothing"
    assert "only the peer lies" in out
    text = Path("build/models/mine.card.md").read_text(encoding="utf-8")
    assert "the first peer lies along" in text and "only its first peer is wrong" in text


def test_the_sigma_that_fits_a_tail() -> None:
    assert tail_sigma(Kind.ABSOLUTE, [0, 1_600, 1_500]) == 100
    assert tail_sigma(Kind.RELATIVE, [100, 116, 100]) == 10_000
    assert clipped("all", Kind.RELATIVE, 100, [40_000, *[0] * 99], 100, [1, 2]) is None, "within the budget"


def test_two_samples_must_differ_by_enough_to_matter() -> None:
    draw = random.Random(1)
    one, other = ([draw.gauss(0, 1) for _ in range(5_000)] for _ in range(2))
    assert unlike("it", one, other, "that", "moves") is None
    slightly = [value * 1.15 for value in other]
    assert unlike("it", one, slightly, "that", "moves") is None, "significant, and it matters little"
    assert "0.33 times" in (unlike("it", [value / 3 for value in one], other, "that", "moves") or "")
    assert unlike("it", one[:5], other, "that", "moves") is None


@pytest.mark.parametrize(
    ("rate", "low", "far"), [(5_642, 5_000, True), (60, 55, False), (150, 4, False), (150, 40, True)]
)
def test_far_over_the_budget(rate: float, low: float, far: bool) -> None:
    assert far_over(rate, low, 5) is far
    told = holding("all", rate, low, 5)
    assert told is None if low < 5 else told == f"all: {rate:,.4g} of 10,000 honest reports are held; the budget is 5"
    assert holding("all", rate, 4, 5) is None


def test_venues_are_compared_with_the_median_of_all() -> None:
    same = [1_000_000] * 100
    off = [1_000_000] * 90 + [1_100_000] * 10
    told = disagreeing("all", Kind.RELATIVE, 10_000, {"a": same, "b": same, "c": off}, range(100))
    assert told is not None and "c in 10.0% of the rows, then typically by 10 %" in told
    assert disagreeing("all", Kind.RELATIVE, 10_000, {"a": same, "b": same, "c": off}, range(90)) is None
    assert disagreeing("all", Kind.RELATIVE, 10_000, {"a": same}, range(90)) is None
    assert disagreeing("all", Kind.RELATIVE, 10_000, {"a": same, "b": [None] * 100}, range(90)) is None
