"""Tests of proposed reporters: what the hub would refuse, and what could never report."""

from __future__ import annotations

import pytest

from oracle.chain.admin import reporters_of
from oracle.core.errors import ConfigError, DataError
from tests.unit.config.texts import address

ALL = tuple(map(address, range(1, 8)))


def test_one_operator_proposes_who_may_stand_in_for_each_other() -> None:
    assert reporters_of(ALL[:2], 1) == ([*ALL[:2]], 1)
    with pytest.raises(DataError, match=r"the quorum is 3: .* \[\[network\.members\]\]"):
        reporters_of(ALL[:3], 3)


def test_a_network_proposes_its_members() -> None:
    assert reporters_of(ALL[:4], 3, ALL, 1) == ([*ALL[:4]], 3)
    assert reporters_of(ALL, 5, ALL, 1) == ([*ALL], 5), "a quorum that is raised before faulty is"
    assert reporters_of(tuple(each.lower() for each in ALL[:4]), 3, ALL, 1) == ([*ALL[:4]], 3)


@pytest.mark.parametrize(
    ("reporters", "quorum", "members", "faulty", "told"),
    [
        (ALL[:4], 3, ALL[:2], 1, f"only 2 of them are in .*, the quorum is 3: first name {ALL[2]}, {ALL[3]} there"),
        (ALL[:4], 1, ALL, 1, r"the quorum is 1, but with \[network\] faulty = 1 it has to be at least 3"),
        (ALL[:3], 3, ALL, 1, "they are 3: while 1 of them are silent .*, 3 don't answer"),
        (ALL[:4], 2, ALL, 0, "'quorum' is 2, but has to be odd"),
        ((ALL[0], ALL[0], ALL[1]), 1, ALL, 0, "'reporters' names an address twice"),
    ],
)
def test_members_who_could_not_report_are_not_proposed(
    reporters: tuple[str, ...], quorum: int, members: tuple[str, ...], faulty: int, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        reporters_of(reporters, quorum, members, faulty)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        reporters_of(ALL[:4], 2, ALL[:1], 1)
    assert len(str(caught.value).split("; ")) == 3


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ConfigError, match="REPORTER"):
        reporters_of(("0x12",), 1)
