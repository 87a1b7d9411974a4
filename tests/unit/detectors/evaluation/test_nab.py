"""Tests of Numenta's scoring rules, on cases that are computed by hand."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.cli import oracle
from oracle.core.errors import DataError
from oracle.detectors.evaluation.nab import (
    PROFILES,
    ScoringProfile,
    robust_sigma,
    run,
    score_corpus,
    severities,
    sigmoid,
    weights,
)
from oracle.detectors.evaluation.nab_corpus import CorpusFile, load_corpus
from oracle.detectors.kinds.quadratic import QuadraticModel

STANDARD, LOW_FP, LOW_FN = PROFILES


def series(rows: int, *windows: tuple[int, int], name: str = "a/b.csv") -> CorpusFile:
    return CorpusFile(name, tuple(range(0, rows * 300, 300)), tuple(map(Decimal, range(rows))), windows)


def alarms(rows: int, *at: int) -> list[float]:
    return [1.0 if row in at else 0.0 for row in range(rows)]


def test_known_values_of_the_sigmoid() -> None:
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert sigmoid(0.0) == 0.0
    assert sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert sigmoid(3.0) == sigmoid(50.0) == -1.0


def test_the_weights_profiles_are_the_published_ones() -> None:
    assert [(p.true_positive, p.false_positive, p.false_negative) for p in PROFILES] == [
        (1.0, 0.11, 1.0),
        (1.0, 0.22, 1.0),
        (1.0, 0.11, 2.0),
    ]


def test_a_detection_weighs_by_its_place() -> None:
    # The window is rows 40 to 49: its width is 10, and the last row is a tenth of it before the right edge.
    found = weights(series(100, (40, 49)))
    assert found[39] == (None, -1.0), "before any window"
    assert found[40] == (0, 1.0)
    assert found[45][1] == pytest.approx(sigmoid(-0.5) / sigmoid(-1))
    assert found[49][1] == pytest.approx(sigmoid(-0.1) / sigmoid(-1))
    for row, place in ((50, 1 / 9), (58, 1.0)):
        assert found[row][0] is None
        assert found[row][1] == pytest.approx(sigmoid(place))
    assert found[76] == (None, -1.0), "three widths behind"


def test_a_perfect_detector_has_100_and_a_silent_one_0() -> None:
    files = [series(100, (40, 49), (80, 84)), series(200, (100, 120), name="a/c.csv"), series(60, name="a/d.csv")]
    perfect = [alarms(100, 40, 80), alarms(200, 100), alarms(60)]
    assert [score.score for score in score_corpus(files, perfect)] == pytest.approx([100.0] * 3)
    silent = [alarms(100), alarms(200), alarms(60)]
    scores = score_corpus(files, silent)
    assert [score.score for score in scores] == [0.0] * 3
    assert all(math.isinf(score.threshold) for score in scores)


def test_one_late_detection_and_one_false_one_by_hand() -> None:
    files = [series(100, (40, 49), (80, 89))]
    # One is found in the middle of the first window, one is false and far before, and the second window is missed.
    given = score_corpus(files, [alarms(100, 45, 30)])
    in_window = sigmoid(-0.5) / sigmoid(-1)
    standard = 100 * ((in_window - 0.11 - 1) + 2) / 4
    assert given[0].score == pytest.approx(standard)
    assert given[1].score == pytest.approx(100 * ((in_window - 0.22 - 1) + 2) / 4)
    assert given[2].score == pytest.approx(100 * ((in_window - 0.11 - 2) + 4) / 6)
    assert (given[0].found, given[0].windows, given[0].false_positives) == (1, 2, 1)


def test_only_the_best_detection_of_a_window_counts() -> None:
    files = [series(100, (40, 49))]
    once = score_corpus(files, [alarms(100, 42)])
    often = score_corpus(files, [alarms(100, 42, 43, 44, 49)])
    assert [score.score for score in once] == [score.score for score in often]


def test_a_false_detection_right_behind_a_window_costs_little() -> None:
    files = [series(100, (40, 49))]
    near = score_corpus(files, [alarms(100, 40, 50)], [STANDARD])[0].score
    far = score_corpus(files, [alarms(100, 40, 99)], [STANDARD])[0].score
    assert near == pytest.approx(100 * (1 + 0.11 * sigmoid(1 / 9) + 1) / 2)
    assert far == pytest.approx(100 * (1 - 0.11 + 1) / 2)


def test_the_probationary_rows_are_not_scored() -> None:
    file = series(100, (40, 49))
    assert file.probation == 15
    assert series(10_000, (8_000, 8_100)).probation == 750, "at most 15 % of 5,000"
    early = score_corpus([file], [alarms(100, 3, 14, 40)])
    assert [score.score for score in early] == pytest.approx([100.0] * 3)
    assert score_corpus([file], [alarms(100, 15, 40)])[0].score < 100


def test_the_threshold_is_the_best_for_the_whole_corpus() -> None:
    files = [series(100, (40, 49)), series(100, (40, 49), name="a/c.csv")]
    loud = [0.0] * 100
    loud[40], loud[60] = 0.9, 0.5
    quiet = [0.0] * 100
    quiet[40] = 0.6
    (found,) = score_corpus(files, [loud, quiet], [STANDARD])
    assert (found.threshold, found.score, found.false_positives) == (0.6, 100.0, 0)
    # To find a window is worth a false positive that costs next to nothing.
    quiet[40] = 0.4
    (found,) = score_corpus(files, [loud, quiet], [ScoringProfile("cheap", 1.0, 0.01, 1.0)])
    assert (found.threshold, found.found, found.false_positives) == (0.4, 2, 1)


def test_a_corpus_without_windows_can_not_be_scored() -> None:
    with pytest.raises(DataError, match="no labelled window"):
        score_corpus([series(100)], [alarms(100)])


def test_sigma_is_robust_but_not_nothing() -> None:
    steps = [Decimal(abs(value)) for value in (1, -2, 3, -1, 2, 1, 3, 2, 1, 2)] * 20
    assert robust_sigma(steps) == robust_sigma([*steps, Decimal(10**9)])
    mostly_still = [Decimal(0)] * 995 + [Decimal(10)] * 5
    assert robust_sigma(mostly_still) > 0
    assert robust_sigma([]) == 0


def test_a_detector_sees_the_jump_in_a_corpus_from_files(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    (file,) = load_corpus(tmp_path)
    assert file.windows == ((150, 169),)
    model = QuadraticModel.default()
    found = severities(model, file)
    assert max(range(len(found)), key=found.__getitem__) == 155
    assert run(model, [file])[0].score > 90


def test_the_command_puts_a_detector_among_the_published_ones(tmp_path: Path) -> None:
    write_corpus(tmp_path / "nab")
    arguments = ["detector", "nab", str(tmp_path / "nab"), "--out", str(tmp_path / "out" / "nab.json")]
    result = CliRunner().invoke(oracle, arguments)
    assert result.exit_code == 0, result.output
    assert "peers-v1" in result.output and "Numenta HTM" in result.output and "1 of 1" in result.output
    figures = json.loads((tmp_path / "out" / "nab.json").read_text(encoding="utf-8"))
    assert set(figures["detectors"]) == {"cap", "peers-v1"}
    assert set(figures["detectors"]["cap"]) == {"standard", "reward_low_FP", "reward_low_FN"}
    assert figures["published"]["CAD OSE"] == [69.9, 67.0, 73.2]


def write_corpus(folder: Path, end: str = "2020-01-01 14:05:00.000000") -> None:
    (folder / "labels").mkdir(parents=True)
    (folder / "data" / "real").mkdir(parents=True)
    rows = ["timestamp,value"]
    for row in range(300):
        level = 40 if row >= 155 else 0
        rows.append(f"2020-01-01 {row // 12:02}:{row % 12 * 5:02}:00,{level + row * 7 % 5}.5")
    rows[289:] = []
    (folder / "data" / "real" / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    labels = {"real/a.csv": [["2020-01-01 12:30:00.000000", end]]}
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels), encoding="utf-8")


def test_a_corpus_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_corpus(tmp_path / "nab")
    with pytest.raises(DataError, match=r"there is no labels/combined_windows\.json"):
        load_corpus(tmp_path)
    (tmp_path / "nab.tar").write_text("no archive", encoding="utf-8")
    with pytest.raises(DataError, match="neither a folder nor a tar archive"):
        load_corpus(tmp_path / "nab.tar")
    write_corpus(tmp_path / "a", end="2021-01-01 00:00:00.000000")
    with pytest.raises(DataError, match=r"data/real/a\.csv: a window in .* where there is no row"):
        load_corpus(tmp_path / "a")
    write_corpus(tmp_path / "b")
    (tmp_path / "b/data/real/a.csv").write_text("timestamp,value\n2020-01-01 00:00:00,much\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 1: 'much' is not a plain decimal number"):
        load_corpus(tmp_path / "b")
    (tmp_path / "b/data/real/a.csv").unlink()
    with pytest.raises(DataError, match=r"the labels name real/a\.csv, but there is no data/real/a\.csv"):
        load_corpus(tmp_path / "b")
