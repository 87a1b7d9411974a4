"""Tests of the terms of a model's proposal: what is measured decides, and what can't be met is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.app.comparing import DifferingReport, ModelComparison
from oracle.app.proposing import ProposalTerms, require_terms, terms_of
from oracle.chain.activation import TriedCall, activation
from oracle.chain.hub import CHANGE_WINDOW, Proposals, ShadowTally
from oracle.chain.overview import FeedOverview, LastRound
from oracle.core.errors import DataError

NOW = 1_800_000_000
NOTHING = Proposals(None, None, None, None, None)
FEED = FeedOverview(
    name="eth-usd",
    feed_id=b"\1" * 32,
    model=1,
    paused=False,
    stale=False,
    committee="default",
    peers=(),
    last=LastRound(700, "2000.00000000", NOW, 1, 0),
    held=None,
    now=NOW,
    hub="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    change_delay=172_800,
    proposals=NOTHING,
    shadow=None,
    model_activation=None,
    unpause_activation=None,
)
DIFFERING = tuple(DifferingReport(each, NOW - 9_000 + each, "2100", 2 if each % 2 else 1) for each in range(5))
MEASURED = ModelComparison("eth-usd", 1, 2, 500, 0, DIFFERING, 900.0)
AGREEING = replace(MEASURED, differing=())


def terms(
    compared: int,
    allowed: int | None = None,
    *,
    found: FeedOverview = FEED,
    by: ModelComparison | None = MEASURED,
    why: str = "",
    has_shadows: bool = True,
) -> ProposalTerms:
    return terms_of(found, 2, by, why, compared, allowed, has_shadows=has_shadows)


def proposed(tally: ShadowTally, *, since: int = NOW - 60, succeeds: bool = False) -> FeedOverview:
    tried = activation(since, NOW, TriedCall(succeeds, "refused"), tally, 900.0)
    return replace(FEED, proposals=Proposals(2, since, None, None, None), shadow=tally, model_activation=tried)


def test_terms_follow_from_what_was_measured() -> None:
    found = terms(100)
    assert (found.min_compared, found.max_disagreements, found.problems) == (100, 5, ())
    assert found.notes[0] == (
        "of the latest 500 reports, models 1 and 2 differ on 5: 2 held by model 2 alone, 3 by model 1"
    )
    assert "--max-disagreements 5: of 100 reports no more differ, with a probability of 99%" in found.notes[1]
    assert found.expected_at == NOW + 172_800, "100 reports take a day, the delay two"
    assert terms(1_000).expected_at == NOW + 900_000
    assert terms(100, by=AGREEING).max_disagreements == 2


def test_models_that_agree_are_allowed_one_in_a_hundred() -> None:
    assert terms(1_000, by=replace(AGREEING, reports=10**6)).max_disagreements == 10


def test_a_shadow_period_that_has_failed_counts_where_it_shows_more() -> None:
    tally = ShadowTally(2, 51, 50, 10, 100, 1)
    assert terms(100, found=proposed(tally)).max_disagreements > 25
    # That of another model says nothing about this one.
    other = replace(proposed(tally), proposals=Proposals(3, NOW - 60, None, None, None))
    assert terms(100, found=other).max_disagreements == 5


def test_terms_of_few_reports_are_told_to_say_little() -> None:
    found = terms(2, by=replace(AGREEING, reports=4))
    assert found.max_disagreements == 2 and "that allows nearly anything, as 4 reports tell little" in found.notes[-1]
    assert "nearly anything" not in terms(100, by=replace(AGREEING, reports=40)).notes[-1]


def test_no_shadow_period_is_no_terms() -> None:
    found = terms(0)
    assert (found.min_compared, found.max_disagreements, found.problems) == (0, 0, ())
    assert len(found.notes) == 1 and found.expected_at == NOW + 172_800


@pytest.mark.parametrize(
    ("allowed", "problem", "note"),
    [
        (0, "passes with a probability of 37% with --max-disagreements 0, and of 99% with 5", ""),
        (1, "", "passes with a probability of 70% with --max-disagreements 1, and of 99% with 5"),
        (5, "", ""),
    ],
)
def test_terms_that_are_hardly_met_are_told_and_hopeless_ones_refused(allowed: int, problem: str, note: str) -> None:
    found = terms(100, allowed)
    assert found.max_disagreements == allowed, "nobody's terms are changed"
    assert problem in "".join(found.problems) and bool(found.problems) == bool(problem)
    assert note in "".join(found.notes[1:]) and bool(found.notes[1:]) == bool(note)


def test_more_reports_than_come_until_it_expires_are_refused() -> None:
    most = (172_800 + CHANGE_WINDOW) // 900
    assert terms(most).problems == ()
    (problem,) = terms(most + 1).problems
    assert f"and the proposal expires at 2027-02-16T08:00:00Z: demand {most:,} at most" in problem
    assert terms(2**32 - 1).problems, "and no time is wasted on it"


def test_nobody_to_make_shadow_reports_and_a_feed_that_is_paused_are_refused() -> None:
    (problem,) = terms(100, has_shadows=False).problems
    assert "name an account that pays for them in [keys] shadow" in problem
    (problem,) = terms(100, found=replace(FEED, paused=True)).problems
    assert "the feed is paused" in problem
    assert terms(0, has_shadows=False, found=replace(FEED, paused=True)).problems == ()


def test_nothing_is_guessed_where_nothing_was_measured() -> None:
    with pytest.raises(DataError, match=r"for the models could not be compared .no artifact.: say it with --max-disag"):
        terms(100, by=None, why="no artifact")
    with pytest.raises(DataError, match="for it has no reports yet"):
        terms(100, by=replace(AGREEING, reports=0, pace_s=None))
    found = terms(100, 3, by=None, why="no artifact")
    assert (found.max_disagreements, found.problems, found.expected_at) == (3, (), None)
    assert found.notes == ("the models could not be compared here: no artifact",)


def test_a_proposal_that_is_under_way_is_not_lost() -> None:
    under_way = proposed(ShadowTally(2, 51, 50, 0, 100, 1))
    (problem,) = terms(100, found=under_way).problems
    assert problem.startswith(
        "model 2 is proposed already with 50 compared reports, and can't be activated yet: 50 more"
    )
    (problem,) = terms(0, found=proposed(ShadowTally(2, 0, 0, 0, 0, 0), succeeds=True)).problems
    assert "is proposed already, and can be activated now" in problem
    # One that can't be activated any more is no loss.
    assert terms(100, found=proposed(ShadowTally(2, 51, 50, 2, 100, 1))).problems == ()
    assert terms(100, found=proposed(ShadowTally(2, 51, 50, 0, 100, 1), since=NOW - CHANGE_WINDOW - 1)).problems == ()


def test_what_was_left_out_is_told() -> None:
    assert (
        "2 differ on 5; 7 could not be judged again here: 2 held" in terms(0, by=replace(MEASURED, left_out=7)).notes[0]
    )


def test_the_refusal_names_every_problem() -> None:
    found = terms(100, 0, has_shadows=False)
    with pytest.raises(
        DataError, match=r"model 2 is not proposed for feed eth-usd: .* of 37% .*; no shadow .*--anyway"
    ):
        require_terms("eth-usd", 2, found)
    require_terms("eth-usd", 2, terms(100))
