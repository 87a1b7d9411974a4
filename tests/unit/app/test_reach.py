"""Tests of whether this process's reporter key can report for a committee, now and after a proposal."""

from __future__ import annotations

from dataclasses import replace

from oracle.app.reach import out_of_reach, reach_of
from oracle.chain.hub import CHANGE_WINDOW, Committee

OURS, THEIRS = "0x" + "11" * 20, "0x" + "22" * 20
COMMITTEE = Committee(1, (OURS, THEIRS), 1, 1)
NOW = 1_800_000_000


def test_a_key_of_the_committee_that_meets_the_quorum_can_report() -> None:
    assert out_of_reach((OURS, THEIRS), 1, [OURS]) == ""


def test_a_key_that_is_no_reporter_is_told_with_the_reporters() -> None:
    problem = out_of_reach((THEIRS,), 1, [OURS])
    assert f"[keys] reporter is {OURS}, which is not among the committee's reporters, {THEIRS}" in problem


def test_a_quorum_of_more_than_one_is_out_of_reach() -> None:
    assert "1 reporter key for it, the quorum is 3" in out_of_reach((OURS, THEIRS, "0x3"), 3, [OURS])


def test_a_proposal_that_leaves_this_key_out_is_told_while_it_can_be_activated() -> None:
    proposed = replace(COMMITTEE, proposed=(THEIRS,), proposed_quorum=1, active_from=NOW)
    found = reach_of(proposed, [OURS], NOW)
    assert found.problem == "" and "not among the committee's reporters" in found.later
    assert reach_of(proposed, [OURS], NOW + CHANGE_WINDOW).later
    assert not reach_of(proposed, [OURS], NOW + CHANGE_WINDOW + 1).later
    assert not reach_of(proposed, [THEIRS], NOW).later
    assert not reach_of(COMMITTEE, [OURS], NOW).later
