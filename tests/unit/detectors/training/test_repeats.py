"""Tests of the repeat rule: a source that was dead for a while must not set it."""

from __future__ import annotations

from oracle.detectors.training.repeats import runs_of, usual_repeats

DAY, MINUTE = 86_400, 60


def series(runs: list[int], step: int = MINUTE) -> tuple[list[int], list[int]]:
    """Return times and answers: each number is how often an answer is repeated."""
    answers = [value for value, run in enumerate(runs) for _ in range(run + 1)]
    return [step * row for row in range(len(answers))], answers


def test_one_dead_stretch_does_not_set_the_rule() -> None:
    usual = [0, 1, 0, 2, 0, 0, 3, 1, 0] * 400
    assert usual_repeats(*series(usual)) == 5
    assert usual_repeats(*series([*usual[:900], 83, *usual[900:]])) == 5
    twice = [*usual[:900], 83, 70, *usual[900:1_800], 64, *usual[1_800:]]
    assert usual_repeats(*series(twice)) == 5, "two bad days"


def test_what_happens_every_weekend_is_usual() -> None:
    hours = [0, 1, 0, 0] * 30 + [48]
    assert usual_repeats(*series(hours * 6, 3_600)) == 50


def test_the_longest_of_many_runs_is_usual_though_it_comes_once() -> None:
    assert usual_repeats(*series([0, 1, 2, 3, 4, 6, 0, 9])) == 11
    assert usual_repeats(*series([0] * 50)) == 2
    assert usual_repeats(*series([2] * 3, DAY)) == 4
    assert usual_repeats(*series([254] * 9, DAY)) == 255, "no more fits the hub"


def test_runs_have_the_day_on_which_they_begin() -> None:
    assert runs_of([0, 10, DAY - 1, DAY, DAY + 1, 2 * DAY], [7, 7, 8, 8, 8, 9]) == [(0, 1), (0, 2)]
    assert runs_of([], []) == []
