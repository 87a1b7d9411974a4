"""Tests of the doctor's findings about a network: one clear line for each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.app.checks import Check, failures
from oracle.app.network_checks import OnChain, compared, own_checks, own_member
from oracle.chain.hub import Committee
from oracle.config import Config, NetworkConfig
from oracle.core.errors import ConfigError
from oracle.network.asking import AskedMember
from oracle.network.messages import NetworkStatus
from oracle.network.terms import fingerprint
from tests.unit.config.texts import KEY, address, configured, networked

HUB, OTHER_HUB = address(1_000), address(1_001)
NOW = 1_800_000_000.0
CHAIN = 31337


class World:
    """Four members, of whom the first is this node, and all is well."""

    def __init__(self, folder: Path, text: str | None = None) -> None:
        self.config = configured(folder, text or networked())
        assert self.config.network is not None
        self.network: NetworkConfig = self.config.network
        self.own = address(1)
        reporters = tuple(each.reporter for each in self.network.members)
        self.chain: OnChain | None = OnChain(HUB, Committee(1, reporters, 3, 1), int(NOW) - 3, NOW)
        self.asked: list[AskedMember] = [self.answer(index) for index in range(len(reporters))]

    def answer(self, index: int, *, ahead: float = 0.0, takes: float = 0.1, **changes: Any) -> AskedMember:
        """Return the answer of a member, as if its clock was read halfway."""
        member = self.network.members[index]
        values: dict[str, Any] = {
            "reporter": member.reporter,
            "chain_id": CHAIN,
            "hub": HUB,
            "committee": 1,
            "epoch": 1,
            "terms": fingerprint(CHAIN, HUB, 1, self.network),
            "turn": 30_000_000,
            "time": NOW + takes / 2 + ahead,
            "roles": ("reporter", "transmitter"),
            "version": "1.0",
        } | changes
        return AskedMember(member, NetworkStatus(**values), asked_at=NOW, answered_at=NOW + takes)

    def answers(self, index: int, **changes: Any) -> None:
        self.asked[index] = self.answer(index, **changes)

    def found(self) -> dict[str, Check]:
        checks = compared(self.config, self.network, self.own, self.asked, self.chain)
        found = {check.name: check for check in checks}
        assert len(found) == len(checks), "names are what a reader refers to"
        assert all(check.ok or check.remedy for check in checks)
        return found

    def problem(self, name: str, level: str = "error") -> str:
        """Return the text of the only finding that is not ok."""
        found = self.found()
        assert [each.name for each in found.values() if not each.ok] == [name], found
        assert found[name].level == level
        return found[name].detail


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_network_in_which_all_is_well(world: World) -> None:
    found = world.found()
    assert all(check.ok for check in found.values())
    assert found["network committee"].detail == "its 4 reporters are the members; quorum 3"
    assert found["member m1"].detail == "this node; reporter and transmitter, turn 30000000"
    assert found["network terms"].detail == "m2, m3 and m4 have them"
    assert found["network clock"].detail == "at most 0.0 s from those of 3 others; 2 s are allowed"


def test_a_member_that_is_silent_is_no_error_of_this_node(world: World) -> None:
    world.asked[2] = AskedMember(world.network.members[2], problem="does not answer: no connection", is_silent=True)
    assert world.problem("member m3", "warning") == "does not answer: no connection"


def test_this_node_need_not_run(world: World) -> None:
    world.asked[0] = AskedMember(world.network.members[0], problem="does not answer: no connection", is_silent=True)
    check = world.found()["member m1"]
    assert (check.ok, check.level) == (True, "info") and "this node" in check.detail


def test_a_url_that_answers_something_else(world: World) -> None:
    world.asked[1] = AskedMember(world.network.members[1], problem="answers, but not as a member does: it answers 404")
    assert world.problem("member m2") == "answers, but not as a member does: it answers 404"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"chain_id": 1}, "reports to chain 1, not 31337"),
        ({"hub": OTHER_HUB}, f"reports to the hub {OTHER_HUB}, not {HUB}"),
        ({"committee": 2}, "signs for committee number 2, not 1"),
        (
            {"reporter": address(3)},
            f"{address(3)} answers, which is the key of the member m3; the list says {address(2)}",
        ),
        ({"reporter": address(9)}, f"{address(9)} answers, which is the key of no member"),
    ],
)
def test_a_member_that_is_elsewhere(world: World, changes: dict[str, Any], says: str) -> None:
    world.answers(1, **changes)
    assert says in world.problem("member m2")


def test_a_member_that_is_elsewhere_is_not_blamed_for_its_terms_too(world: World) -> None:
    world.answers(1, hub=OTHER_HUB, terms=b"\1" * 32)
    assert world.found()["network terms"].detail == "m3 and m4 have them"


def test_before_a_deployment_only_the_chain_can_be_compared(world: World) -> None:
    world.chain = None
    world.answers(1, hub=OTHER_HUB)
    world.answers(2, chain_id=1)
    assert "reports to chain 1" in world.problem("member m3")


def test_a_node_that_is_behind(world: World) -> None:
    world.answers(3, epoch=2)
    assert "sees epoch 2 of the committee, this node epoch 1" in world.problem("member m4", "warning")
    world.answers(3, epoch=0)
    assert all(check.ok for check in world.found().values()), "it has not read the chain yet"


def test_one_member_s_terms_differ(world: World) -> None:
    world.answers(3, terms=b"\1" * 32)
    detail = world.problem("network terms")
    assert detail.startswith("m4 has other terms than this file: turn_s, clock_bound_s, faulty, or the members'")
    assert detail.endswith("; m2 and m3 have this file's")


def test_this_file_s_terms_differ_from_all_others(world: World) -> None:
    for index in (1, 2, 3):
        world.answers(index, terms=b"\1" * 32)
    assert world.problem("network terms").startswith("m2, m3 and m4 have the same terms, and this file others: ")


def test_this_node_runs_with_terms_that_its_file_had_before(world: World) -> None:
    world.answers(0, terms=b"\1" * 32)
    assert "this node runs with other terms than this file has now" in world.problem("terms here", "warning")


@pytest.mark.parametrize(
    ("ahead", "says"), [(31.0, "is 31.0 s ahead of this machine's"), (-2.5, "is 2.5 s behind this")]
)
def test_a_clock_that_is_off(world: World, ahead: float, says: str) -> None:
    world.answers(2, ahead=ahead)
    assert says in world.problem("clock of m3")


def test_the_way_of_an_answer_is_nobody_s_fault(world: World) -> None:
    """The clock was read somewhere in the four seconds, so 3.9 s may be 1.9 s."""
    world.answers(2, ahead=3.9, takes=4.0)
    assert all(check.ok for check in world.found().values())
    world.answers(2, ahead=4.1, takes=4.0)
    assert not world.found()["clock of m3"].ok


@pytest.mark.parametrize(("ahead", "says"), [(30.0, "30.0 s behind"), (-30.0, "30.0 s ahead of")])
def test_this_machine_s_clock_is_off(world: World, ahead: float, says: str) -> None:
    for index in (1, 2, 3):
        world.answers(index, ahead=ahead)
    assert world.problem("network clock") == f"this machine's is {says} m2, m3 and m4's; 2 s are allowed"


def test_the_chain_is_ahead_of_this_machine_s_clock(world: World) -> None:
    assert world.chain is not None
    world.chain = replace(world.chain, head_at=int(NOW) + 5)
    assert "the chain's latest block is 5.0 s ahead" in world.problem("clock of the chain", "warning")


def hub_has(world: World, reporters: Sequence[int], quorum: int = 3, **changes: Any) -> None:
    committee = Committee(1, tuple(map(address, reporters)), quorum, 1, **changes)
    assert world.chain is not None
    world.chain = replace(world.chain, committee=committee)


def test_the_hub_lacks_a_member(world: World) -> None:
    hub_has(world, [1, 2, 3])
    detail = world.problem("network committee", "warning")
    assert "3 of its reporters are members: with 1 of them silent, no report is accepted" in detail
    assert f"the hub refuses the signatures of m4 ({address(4)})" in detail


def test_a_member_that_is_proposed_is_on_its_way(world: World) -> None:
    hub_has(world, [1, 2, 3, 5], proposed=tuple(map(address, [1, 2, 3, 4])), proposed_quorum=3, active_from=1)
    assert "m4" not in world.problem("network committee", "warning")


def test_the_hub_has_a_reporter_that_is_no_member(world: World) -> None:
    hub_has(world, [1, 2, 3, 4, 9])
    assert world.problem("network committee", "warning") == f"the hub's {address(9)} is not in [[network.members]]"


def test_the_members_can_t_reach_the_hub_s_quorum(world: World) -> None:
    hub_has(world, [1, 2, 8, 9], 3)
    assert "the hub's quorum is 3, and 2 of its reporters are members" in world.problem("network committee")


def test_the_hub_s_quorum_is_too_small_for_the_stated_faults(world: World) -> None:
    hub_has(world, [1, 2, 3, 4], 1)
    assert "on the hub, the quorum is 1, but with [network] faulty = 1" in world.problem("network committee")


def own_problem_of(config: Config, own: str) -> Check:
    [check] = own_checks(config, own)
    assert not check.ok and check.remedy
    return check


def test_what_the_list_says_of_this_node(tmp_path: Path) -> None:
    spread = networked().replace("sigma =", "max_spread = 3_000\nsigma =")
    [check] = own_checks(configured(tmp_path, spread), address(1))
    assert check.ok and check.detail == "m1, one of 4 members; quorum 3, 1 may be silent or lie; turns of 60 s"
    assert failures([own_problem_of(configured(tmp_path, spread), address(9))])
    lazy = own_problem_of(configured(tmp_path, networked(own='roles = ["reporter"]')), address(1))
    assert (
        lazy.level == "warning"
        and 'm1 takes turns (transmits), but [network] roles has no "transmitter"' in lazy.detail
    )
    mute = own_problem_of(configured(tmp_path, networked(own='roles = ["transmitter"]')), address(1))
    assert mute.level == "warning" and "m1 gives no answers" in mute.detail


def test_a_feed_without_a_spread_is_noted(tmp_path: Path) -> None:
    _, check = own_checks(configured(tmp_path, networked()), address(1))
    assert (check.ok, check.level) == (
        False,
        "warning",
    ) and "eth-usd: answers may be any distance apart" in check.detail


def test_the_files_alone_may_tell_which_member_this_node_is(tmp_path: Path) -> None:
    def with_key(number: int) -> Config:
        key = f'reporter = {{ remote = "https://signer.example", address = "{address(number)}" }}'
        return configured(tmp_path, networked().replace(KEY, key))

    own = own_member(with_key(2))
    assert own is not None and own.name == "m2"
    with pytest.raises(ConfigError, match=r"is no reporter of \[\[network\.members\]\]"):
        own_member(with_key(9))
    assert own_member(configured(tmp_path, networked())) is None, "a local chain's key is not in a file"


def test_whoever_ignores_a_member_is_told_how_few_others_may_be_silent(tmp_path: Path) -> None:
    spread = networked(own=f'ignore = ["{address(4)}"]').replace("[[feeds]]", "[[feeds]]\nmax_spread = 3_000")
    found = own_checks(configured(tmp_path, spread), address(1))
    assert [(each.name, each.ok, each.level) for each in found][1:] == [("network ignore", False, "warning")]
    assert "without m4 ([network] ignore), 0 of the others may be silent in this node's turns, not 1" in found[1].detail
