"""Tests of whether this process's reporter key can report for a committee, now and after a proposal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oracle.chain.hub import CHANGE_WINDOW, Committee
from oracle.chain.reach import joins, out_of_reach, own_problem, reach_of
from tests.unit.config.texts import address, configured, networked

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


THIRD, FOURTH = "0x" + "33" * 20, "0x" + "44" * 20
ALL = (OURS, THEIRS, THIRD, FOURTH)


def test_members_of_a_network_reach_a_quorum_together() -> None:
    assert out_of_reach(ALL, 3, [OURS], ALL) == ""
    assert out_of_reach(ALL, 3, [OURS], ALL[:3]) == ""


def test_a_quorum_that_the_members_can_t_reach_is_told_with_who_is_missing() -> None:
    problem = out_of_reach(ALL, 3, [OURS], ALL[:2])
    assert "only 2 of the committee's reporters are in [[network.members]] and not ignored, the quorum is 3" in problem
    assert problem.endswith(f"Missing: {THIRD}, {FOURTH}")


def test_members_do_not_help_a_key_that_is_no_reporter() -> None:
    assert "not among the committee's reporters" in out_of_reach(ALL[1:], 3, [OURS], ALL)


def test_without_a_network_a_quorum_of_several_points_at_it() -> None:
    assert "[[network.members]]" in out_of_reach(ALL, 3, [OURS])


def test_a_proposal_that_the_members_can_t_reach_is_told() -> None:
    proposed = replace(COMMITTEE, reporters=ALL, quorum=3, proposed=ALL, proposed_quorum=5, active_from=NOW)
    found = reach_of(proposed, [OURS], NOW, ALL)
    assert found.problem == "" and "the quorum is 5" in found.later


def test_a_key_joins_while_its_proposal_is_open() -> None:
    proposed = replace(COMMITTEE, reporters=(THEIRS,), proposed=(OURS, THEIRS), proposed_quorum=1, active_from=NOW)
    assert joins(proposed, OURS, NOW)
    assert not joins(proposed, THEIRS, NOW)
    assert not joins(proposed, OURS, NOW + CHANGE_WINDOW + 1)
    assert not joins(COMMITTEE, THIRD, NOW)


def test_this_node_s_key_has_to_be_a_member_s(tmp_path: Path) -> None:
    own, network = address(2), configured(tmp_path, networked())
    assert own_problem(network, own) == ""
    assert own_problem(configured(tmp_path), own) == ""
    told = own_problem(network, address(9))
    assert f"[keys] reporter is {address(9)}, which is no reporter of [[network.members]]" in told
    ignoring = configured(tmp_path, networked(own=f'ignore = ["{own}"]'))
    assert "is this node's own key (m2)" in own_problem(ignoring, own)
