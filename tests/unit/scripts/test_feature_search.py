"""The search for the features that a hub derives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from scripts import feature_data, feature_search
from scripts.feature_data import Derived, Series
from scripts.feature_search import Detector, Form, judge


def planted(rounds: int = 3_000, venues: bool = False) -> Series:
    """Return a feed whose moves are its peer's, and a tenth of noise."""
    rng = np.random.default_rng(7)
    peer = rng.normal(0, 0.01, rounds)
    own = peer + rng.normal(0, 0.001, rounds)
    answers, times = np.cumsum(own, dtype=np.float64), np.arange(rounds, dtype=np.float64) * 60
    said = answers[:, None] + rng.normal(0, 1e-4, (rounds, 3)) if venues else None
    return Series("planted", (0.02, 0.03), 60, times, answers, (np.cumsum(peer),), said)


def test_a_peer_shows_what_the_own_past_can_not() -> None:
    alone, judged = judge(planted(), Form()), judge(planted(), Form(peers=1))
    assert judged.recall[0] > alone.recall[0] + 0.4
    # Without the own move's floor, the peer would decide alone.
    fooled = judge(planted(), Form(peers=1, extra="no floor"))
    assert fooled.peer_lie_holds_own[0] > 0.8 > 0.2 > judged.peer_lie_holds_own[0]
    assert judged.joint_recall[0] < judged.recall[0] - 0.4


def test_a_peer_that_is_noise_shows_nothing() -> None:
    rng = np.random.default_rng(8)
    series = replace(planted(), peers=(np.cumsum(rng.normal(0, 0.01, 3_000)),))
    assert judge(series, Form(peers=1)).recall[0] == pytest.approx(judge(series, Form()).recall[0], abs=0.1)


def test_unseen_peers_hold_no_more_than_the_own_move_does() -> None:
    flag, without, flag_large, without_large, clip, clip_without = feature_search.held_unseen(planted())
    assert flag < 0.005 and flag_large < 0.1 and clip < 0.005
    assert without > 0.02 and without_large > 0.8 and clip_without > 0.02


def test_the_spread_shows_wrong_venues_as_an_output_alone() -> None:
    series = planted(venues=True)
    assert min(feature_search.wrong_venues(series, "an output", 1)) == 1
    assert max(feature_search.wrong_venues(series, "unused", 1)) < 0.05
    assert feature_search.wrong_venues(series, "an output", 3)[0] < 0.1


def test_what_is_judged_does_not_fit() -> None:
    series = planted()
    changed = replace(series, answers=np.where(np.arange(3_000) > 1_800, series.answers * 3, series.answers))
    before, after = (Detector(Derived(found), Form(variance=6, peers=1)) for found in (series, changed))
    for name in ("own", "residual", "square", "beta", "level"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert judge(series, Form()).recall[0] != judge(changed, Form()).recall[0]


def test_second_halves_are_not_read_into_a_series(tmp_path: Path) -> None:
    name = "chainlink_{}_usd_rounds_2023-04_2024-01.csv"
    for end in (1, 100):
        for feed in ("eth", "btc"):
            rows = [f"{at},{(1000 + at) * (end if at >= 50 else 1)},{at * 60}" for at in range(100)]
            (tmp_path / name.format(feed)).write_text("\n".join(["round_id,answer,updated_at", *rows]))
        found = feature_data._rounds(tmp_path)
        assert [len(series.answers) for series in found] == [50, 50]
        assert found[0].answers.tolist() == np.log(1000 + np.arange(50)).tolist()


def test_the_running_variance_is_the_hubs() -> None:
    found = feature_data.running(np.array([0.0, 4.0, 1e6, 0.0]), np.array([1.0, 2.0, 1.0, 1.0]), 5)
    value, expected = 1000 << 17, []
    for square in (0, 2000, 32_767, 0):
        expected.append(value / (1000 << 17))
        value = value - (value >> 5) + (square << 12)
    assert found.tolist() == expected
    # The largest value that it can reach fits 32 bits.
    assert feature_data.running(np.full(9_000, 1e9), np.ones(9_000), 5)[-1] * (1000 << 17) < 1 << 32


def test_the_past_is_of_earlier_rounds_alone() -> None:
    moves = np.array([1.0, 2.0, 3.0, 4.0])
    assert feature_data.past(moves, 0, 2).tolist() == [1.0, 1.0, 2.5, 6.5]
    assert feature_data.past(moves, 2, 12).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_the_forms_differ_and_tables_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(set(feature_search.forms().values())) == len(feature_search.forms())
    feature_search.table(("a", "b"), [("row", (0.5, 0.123))])
    assert capsys.readouterr().out.split() == ["a", "b", "row", "50.0", "12.3"]
