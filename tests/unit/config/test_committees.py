"""Tests of the tables [[committees]]: who signs, and what this process could never reach."""

from __future__ import annotations

import pytest

from oracle.config import reporters_problems, unreachable
from oracle.core.errors import ConfigError
from tests.unit.config.texts import ADDRESS, MINIMAL, OTHER_ADDRESS, Load

THIRD = "0x" + "33" * 20


def with_committees(*tables: str) -> tuple[str, str]:
    """Return the change that puts tables of committees in front of the feeds."""
    return "[[feeds]]", "\n".join(f"[[committees]]\n{table}" for table in tables) + "\n[[feeds]]"


def test_addresses_are_checksummed(read: Load) -> None:
    for written in (ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()):
        config = read(MINIMAL, with_committees(f'name = "default"\nreporters = ["{written}"]'))
        assert config.committees[0].reporters == (ADDRESS,)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "fails its checksum"),
        (ADDRESS[:-1], "has 39 digits"),
        (ADDRESS + "0", "has 41 digits"),
        (ADDRESS[2:], "no 0x in front"),
        ("0x" + "g" * 40, "characters that are not digits"),
        ("vitalik.eth", "characters that are not digits"),
        ("0x" + "0" * 40, "zero address"),
        ("", "has 0 digits"),
    ],
)
def test_a_bad_address_is_told(read: Load, address: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"committees\[0\]\.reporters\[1\]: .*{what}"):
        read(MINIMAL, with_committees(f'name = "default"\nreporters = ["{OTHER_ADDRESS}", "{address}"]'))
    with pytest.raises(ConfigError, match=rf"deploy\.guardian: .*{what}"):
        read(MINIMAL, ("[journal]", f'[deploy]\nguardian = "{address}"\n[journal]'))


def test_the_only_committee_is_every_feed_s(read: Load) -> None:
    config = read(MINIMAL, with_committees(f'name = "mine"\nreporters = ["{ADDRESS}"]'))
    assert [feed.committee for feed in config.feeds] == ["mine"]
    assert config.committee_of(config.feeds[0]) == config.committee("mine") == config.committees[0]
    with pytest.raises(ConfigError, match="there is no committee 'other'; configured are: mine"):
        config.committee("other")


def test_of_several_committees_a_feed_names_one(read: Load) -> None:
    both = with_committees('name = "a"', f'name = "b"\nreporters = ["{ADDRESS}"]')
    with pytest.raises(
        ConfigError, match=r"feeds\[0\]\.committee: there is no committee 'default'; name one of 'a', 'b'"
    ):
        read(MINIMAL, both)
    with pytest.raises(ConfigError, match=r"committees\[0\]: no feed names the committee 'a'"):
        read(MINIMAL, ("sigma", 'committee = "b"\nsigma'), both)


@pytest.mark.parametrize(
    ("table", "where", "what"),
    [
        (f'reporters = ["{ADDRESS}", "{ADDRESS.lower()}"]', "reporters", "names an address twice"),
        ("quorum = 3", "quorum", "this process has 1 reporter key for it, the quorum is 3"),
        (f'reporters = ["{ADDRESS}"]\nquorum = 3', "quorum", "is 3, but there are 1 reporters"),
        ("quorum = 0", "quorum", "must be greater than or equal to 1"),
        ("quorum = 33", "quorum", "must be less than or equal to 31"),
        (f'reporters = ["{ADDRESS}", "{OTHER_ADDRESS}"]\nquorum = 2', "quorum", "is 2, but has to be odd"),
        (
            f'reporters = ["{ADDRESS}", "{OTHER_ADDRESS}", "{THIRD}"]\nquorum = 3',
            "quorum",
            "this process has 1 reporter key for it, the quorum is 3: .* Name all reporters and their URLs in "
            r"\[\[network\.members\]\]",
        ),
    ],
)
def test_a_committee_that_can_t_be_is_told(read: Load, table: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"committees\[0\]\.{where}: {what}"):
        read(MINIMAL, with_committees(f'name = "default"\n{table}'))


def test_committees_are_distinct(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"committees\[0\] and committees\[1\] have the same name 'default'"):
        read(MINIMAL, with_committees('name = "default"', f'name = "default"\nreporters = ["{ADDRESS}"]'))
    with pytest.raises(ConfigError, match=r"committees\[1\]: has reporters and quorum of committees\[0\]"):
        read(MINIMAL, with_committees('name = "default"', 'name = "b"'))


def test_several_reporters_may_stand_in_for_each_other(read: Load) -> None:
    """With a quorum of 1 any of them is enough, so this process reaches it alone."""
    config = read(MINIMAL, with_committees(f'name = "default"\nreporters = ["{ADDRESS}", "{OTHER_ADDRESS}"]'))
    assert config.committees[0].quorum == 1


@pytest.mark.parametrize(
    ("keys", "quorum", "reachable"), [(1, 1, True), (0, 1, False), (1, 3, False), (3, 3, True), (2, 3, False)]
)
def test_what_this_process_can_reach(keys: int, quorum: int, reachable: bool) -> None:
    assert (unreachable(keys, quorum) is None) is reachable


def test_no_more_reporters_than_the_contract_allows() -> None:
    many = tuple(f"0x{number:040x}" for number in range(1, 33))
    assert reporters_problems(many[:31], 31, 31) == []
    assert reporters_problems(many, 32, 1) == [(("reporters",), "32 are more than the 31 that the contract allows")]
