"""Tests of the reports that gas is measured with."""

from __future__ import annotations

import pytest

from oracle.bench import submissions, submitted
from oracle.bench.cases import SIGNATURES, SUBMITTED_BATCHES, WORTH
from oracle.bench.detectors import detector
from oracle.bench.windows import HEARTBEAT, derived_windows
from oracle.chain.deploy import feed_id_of
from oracle.core.errors import Fatal
from tests.benchmark_report import example_report


def test_calm_stretches_are_never_held() -> None:
    """They are reported day after day to empty feeds, and each stretch differs from the others."""
    judges = [detector("peers"), detector("quadratic")]
    found = submitted.calm_stretches(judges, 3, 20)
    assert len({answers for stretch in found for answers in stretch}) == 6
    times = [HEARTBEAT * day for day in range(20)]
    for stretch in found:
        for series, answers, beside in zip(submitted.PAIR, stretch, reversed(stretch), strict=True):
            assert len(answers) == 20
            for judge in judges:
                windows = derived_windows(judge.features, times, series, answers, beside)
                assert not any(max(judge.score_int(window)) > 0 for window in windows)
    with pytest.raises(Fatal, match="calm stretches of 6000 days, not 3"):
        submitted.calm_stretches(judges, 3, 6_000)


def test_a_day_that_a_model_would_hold_is_found() -> None:
    judges = [detector("peers")]
    calm = [list(answers) for answers in submitted.calm_stretches(judges, 1, 20)[0]]
    assert submitted.first_held(judges, calm) is None
    calm[1][15] *= 3
    assert submitted.first_held(judges, calm) == 15


def test_feeds_name_each_other_as_peers() -> None:
    """A pair's feeds are at the same place of a report, whose feeds ascend; and each is beside its peer."""
    pairs = submitted.feed_pairs([detector("peers")], 6, 14)
    for without in (False, True):
        ids = [pair.bare if without else pair.linked for pair in pairs]
        assert ids == sorted(ids) and len(set(ids)) == 6
    for at, pair in enumerate(pairs):
        assert pair.peer is pairs[at ^ 1] and pair.series != pair.peer.series
        linked, bare = pair.terms()
        assert linked.peers == (pair.peer.linked,) and bare.peers == (pair.peer.bare,)
        assert feed_id_of(linked.description) == pair.linked
        assert feed_id_of(bare.description) == pair.bare
    assert all(batch == 1 or batch % 2 == 0 for batch in SUBMITTED_BATCHES)


def test_the_reporters_answers_differ_and_the_recorded_one_is_their_median() -> None:
    for signatures in SIGNATURES:
        offsets = [submissions._offset(row, signatures) for row in range(signatures)]
        assert len(set(offsets)) == signatures
        assert sorted(offsets)[signatures // 2] == 0


def test_rows_say_what_is_missed_and_by_how_much() -> None:
    """A feed may cost 91,000 and 96,000 gas here."""
    report = example_report()
    alone, single, several, public, trees, *_ = submissions.rows(report)
    assert alone[-1] == "600,000: missed by 40,000" and trees[0] == "submit-trees-public-b32-q1"
    assert single[:3] == ("submit-default-private-b16-q1", "1,440,000", "90,000") and single[-1] == "91,000: met"
    assert single[-2] == "50,000"
    assert several[-1] == "96,000: missed by 1,500" and several[-2] == ""
    assert public[0] == "submit-default-public-b16-q1" and public[-1] == ""
    assert {of.signatures for of in WORTH.values()} == {1}
