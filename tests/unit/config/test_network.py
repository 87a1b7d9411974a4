"""Tests of the table [network]: its members, and all that one file alone shows to be wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from oracle.config import MemberConfig, NetworkConfig
from oracle.core.errors import ConfigError
from tests.unit.config.texts import MINIMAL, Load, address, member, networked


def network_of(read: Load, text: str) -> NetworkConfig:
    network = read(text).network
    assert network is not None
    return network


def problems(read: Load, text: str) -> list[str]:
    """Return the lines with what is wrong."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    _, *several = str(caught.value).splitlines()
    return [line.strip() for line in several] or [str(caught.value).split("oracle.toml: ", 1)[1]]


def test_a_network_has_sound_defaults(read: Load) -> None:
    config = read(networked())
    network = config.network
    assert network is not None
    assert (network.committee, network.listen, network.address) == ("default", "0.0.0.0:9470", ("0.0.0.0", 9470))
    assert network.is_reporter and network.is_transmitter
    assert (network.turn_s, network.clock_bound_s, network.faulty) == (60, 2.0, 1)
    assert (network.grace_ms, network.request_timeout_s, network.max_connections) == (None, 5.0, 128)
    assert [each.name for each in network.members] == ["m1", "m2", "m3", "m4"]
    assert all(each.transmits and each.since_s is None and each.until_s is None for each in network.members)
    assert network.member(address(2)) == network.members[1]
    assert network.member(address(9)) is None
    assert read(MINIMAL).network is None


def test_the_members_are_the_committee_s_reporters(read: Load) -> None:
    config = read(networked())
    assert config.committees[0].reporters == tuple(map(address, range(1, 5)))
    assert config.members_of("default") == config.committees[0].reporters
    assert config.members_of("other") == read(MINIMAL).members_of("default") == ()


def test_an_ignored_member_does_not_sign_for_this_node(read: Load) -> None:
    config = read(networked(own=f'ignore = ["{address(4).lower()}"]'))
    assert config.members_of("default") == tuple(map(address, range(1, 4)))
    assert config.committees[0].reporters == tuple(map(address, range(1, 5)))


def test_the_only_committee_is_the_network_s(read: Load) -> None:
    assert network_of(read, networked().replace('name = "default"', 'name = "prices"')).committee == "prices"


def test_a_moment_is_utc_whatever_its_offset(read: Load) -> None:
    text = networked().replace('m4"', 'm4"\nsince = 2027-01-01T01:00:00+01:00\nuntil = 2027-06-01T00:00:00Z')
    last = network_of(read, text).members[3]
    assert last.since == datetime(2027, 1, 1, tzinfo=UTC)
    assert (last.since_s, last.until_s) == (1_798_761_600, 1_811_808_000)


def test_a_url_is_a_base(read: Load) -> None:
    network = network_of(read, networked().replace(":9471", ":9471/oracle/"))
    assert network.members[0].url == "http://127.0.0.1:9471/oracle"


@pytest.mark.parametrize(
    ("count", "quorum", "faulty"), [(4, 3, 1), (7, 5, 2), (16, 11, 5), (31, 21, 10), (3, 1, 0), (5, 3, 1), (1, 1, 0)]
)
def test_a_network_that_lives_with_its_faulty_members(read: Load, count: int, quorum: int, faulty: int) -> None:
    assert len(network_of(read, networked(count, quorum, faulty)).members) == count


@pytest.mark.parametrize(
    ("count", "quorum", "faulty", "told"),
    [
        (3, 1, 1, "network.faulty: is 1, but there are 3 members: fewer than a third may be silent or lie, so it is 0"),
        (6, 5, 2, "network.faulty: is 2, but there are 6 members: .* 1 at most, or 7 members are needed"),
        (4, 1, 1, r"committees\[0\]\.quorum: is 1, but with \[network\] faulty = 1 it has to be at least 3"),
        (7, 3, 2, r"committees\[0\]\.quorum: is 3, but with \[network\] faulty = 2 it has to be at least 5"),
        (5, 5, 1, r"committees\[0\]\.quorum: is 5, but of 5 members only 4 answer while 1 is silent"),
        (4, 5, 1, r"committees\[0\]\.quorum: is 5, but of 4 members only 3 answer"),
        (4, 2, 1, r"committees\[0\]\.quorum: is 2, but has to be odd"),
        (32, 21, 10, r"network\.members: has 32 entries, but at most 31 are allowed"),
    ],
)
def test_members_who_could_not_report_are_told(read: Load, count: int, quorum: int, faulty: int, told: str) -> None:
    [line] = problems(read, networked(count, quorum, faulty))
    assert re.search(told, line), line


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("turn_s = 5", "network.turn_s: is 5, but has to be more than twice clock_bound_s (2) and a second"),
        ("turn_s = 1", "network.turn_s: must be greater than or equal to 2"),
        (
            "turn_s = 6\ngrace_ms = 200\nrequest_timeout_s = 5.9",
            "network.request_timeout_s: is 5.9, with 'grace_ms' that is not less",
        ),
        ("roles = []", "network.roles: has too few entries: 1 or more are needed"),
        ('roles = ["reporter", "reporter"]', "network.roles: names a role twice"),
        ('roles = ["leader"]', "network.roles[0]: must be 'reporter' or 'transmitter'"),
        ('tls_key = "k.pem"', "network: 'tls_certificate' and 'tls_key' go together"),
        (f'ignore = ["{address(9)}"]', f"network.ignore[0]: {address(9)} is not the reporter of a member"),
        ('committee = "other"', "network.committee: there is no committee 'other'; name one of 'default'"),
        ("quorum = 3", "network.quorum: unknown key; it belongs to the committee: see [[committees]]"),
        ("clock_bound_s = 20", "network.clock_bound_s"),
        ("max_connections = 0", "network.max_connections: must be greater"),
    ],
)
def test_a_setting_that_can_t_be_is_told(read: Load, own: str, told: str) -> None:
    if own.startswith("clock_bound_s"):
        text = networked(own=own).replace("sigma =", "max_skew = 19\nsigma =")
        told = "feeds[0].max_skew: is 19, but has to be at least [network] clock_bound_s (20)"
    else:
        text = networked(own=own)
    [line] = problems(read, text)
    assert line.startswith(told), line


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"m2"', '"m1"', "network.members[1].name: members[0] (m1) has the same name, m1"),
        (address(2), address(1), "network.members[1].reporter: members[0] (m1) has the same key, "),
        (":9472", ":9471", "network.members[1].url: members[0] (m1) has the same URL, http://127.0.0.1:9471"),
        ("http://127.0.0.1:9472", "ftp://a", "network.members[1].url: is not a valid URL"),
        (":9472", ":9472/?a=b", "network.members[1].url: must be a base URL, without a query"),
        ("http://127.0.0.1:9472", "http://u:p@a", "network.members[1].url: has a user or a password in it"),
        ('"m2"', '"m2"\nsince = 2027-01-01T00:00:00', "network.members[1].since: needs an offset"),
        ('"m2"', '"m2"\nsince = 2027-01-01T00:00:00.5Z', "network.members[1].since: must be a whole second"),
        (
            '"m2"',
            '"m2"\nsince = 2027-01-02T00:00:00Z\nuntil = 2027-01-01T00:00:00Z',
            "network.members[1]: 'since' (2027-01-02T00:00:00Z) is not before 'until' (2027-01-01T00:00:00Z)",
        ),
        ('name = "m2"', 'names = "m2"', "network.members[1].names: unknown key; did you mean 'name'?"),
        ("sigma =", "max_skew = 1\nsigma =", "feeds[0].max_skew: is 1, but has to be at least [network] clock_bound_s"),
        ("heartbeat = 3600", "heartbeat = 30", "feeds[0].heartbeat: is 30, but a feed gets one report in a turn of 60"),
        (
            "[journal]",
            '[web]\nlisten = "127.0.0.1:9470"\n[journal]',
            "network.listen: [web] listens on port 9470, too: choose another one",
        ),
    ],
)
def test_what_does_not_fit_is_told(read: Load, old: str, new: str, told: str) -> None:
    text = networked()
    assert old in text
    [line] = problems(read, text.replace(old, new, 1))
    assert line.startswith(told), line


def test_one_place_is_seen_however_its_url_is_written(read: Load) -> None:
    text = networked().replace("http://127.0.0.1:9471", "http://Alpha.example")
    [line] = problems(read, text.replace("http://127.0.0.1:9472", "HTTP://alpha.example:80/"))
    assert "has the same URL" in line


def test_port_0_is_never_the_same(read: Load) -> None:
    text = networked().replace("0.0.0.0:9470", "127.0.0.1:0")
    assert read(text.replace("[journal]", '[web]\nlisten = "127.0.0.1:0"\n[journal]')).network is not None


def test_all_that_is_wrong_with_a_network_is_told_at_once(read: Load) -> None:
    text = networked(3, 3, own="turn_s = 4").replace(address(2), address(1)).replace(":9473", ":9471")
    found = problems(read, text)
    assert [line.split(":")[0] for line in found] == [
        "network.members[1].reporter",
        "network.members[2].url",
        "network.faulty",
        "network.turn_s",
    ]


def test_reporters_that_are_no_members_are_told(read: Load) -> None:
    named = ", ".join(f'"{address(number)}"' for number in (1, 2, 3, 9))
    [line] = problems(read, networked(committee=f"reporters = [{named}]"))
    assert line.startswith("committees[0].reporters: are not those of [[network.members]]: ")
    assert f"{address(9)} is no member" in line and "m4 is no reporter" in line


def test_the_members_may_be_named_as_reporters(read: Load) -> None:
    named = ", ".join(f'"{address(number)}"' for number in (4, 3, 2, 1))
    assert read(networked(committee=f"reporters = [{named}]")).network is not None


def test_ignoring_too_many_is_told(read: Load) -> None:
    [line] = problems(read, networked(own=f'ignore = ["{address(3)}", "{address(4)}"]'))
    assert line.startswith("committees[0].quorum: is 3, but [network] ignore leaves 2 of 4 members")


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ("transmits = false|transmits = false", "nobody takes turns: at least one member needs"),
        (
            "until = 2027-01-01T00:00:00Z|since = 2027-01-02T00:00:00Z",
            "nobody takes turns from 2027-01-01T00:00:00Z to 2027-01-02T00:00:00Z",
        ),
        (
            "until = 2027-01-01T00:00:00Z|since = 2026-01-02T00:00:00Z\nuntil = 2027-02-01T00:00:00Z",
            "nobody takes turns from 2027-02-01T00:00:00Z on",
        ),
        (
            "since = 2027-01-01T00:00:00Z|transmits = false",
            None,
        ),
        (
            "until = 2027-01-01T00:00:00Z|since = 2027-01-01T00:00:00Z",
            None,
        ),
        (
            "until = 2028-01-01T00:00:00Z|since = 2027-01-01T00:00:00Z\nuntil = 2027-02-01T00:00:00Z",
            "nobody takes turns from 2028-01-01T00:00:00Z on",
        ),
    ],
)
def test_somebody_has_to_take_turns_at_all_times(read: Load, spans: str, told: str | None) -> None:
    first, second = spans.split("|")
    text = networked(1, 1, 0) + member(2)
    text = text.replace('name = "m1"', f'name = "m1"\n{first}').replace('name = "m2"', f'name = "m2"\n{second}')
    if told is None:
        assert len(network_of(read, text).members) == 2
    else:
        [line] = problems(read, text)
        assert line.startswith(f"network.members: {told}"), line


@pytest.mark.parametrize("source", ['speed = "max"', "speed = 5", "", 'timestamps = "now"'])
def test_a_recording_at_which_members_would_be_at_different_rows_is_refused(read: Load, source: str) -> None:
    text = networked()
    text = text[: text.index("[[feeds.sources]]")] + '[[feeds.sources]]\ntype = "packaged"\nseries = "sp500"\n'
    [line] = problems(read, text + source)
    assert line.startswith('feeds[0].sources[0].timestamps: has to be "clock", with a number as'), line
    assert read(text + 'timestamps = "clock"\n').network is not None


def test_another_committee_needs_a_process_of_its_own(read: Load) -> None:
    text = (
        networked()
        .replace("[network]", '[[committees]]\nname = "own"\n[network]\ncommittee = "default"')
        .replace("sigma =", 'committee = "default"\nsigma =', 1)
    )
    feed = text[text.index("[[feeds]]") :].replace("eth-usd", "btc-usd").replace("ETH / USD", "BTC / USD")
    [line] = problems(read, text + feed.replace('"default"', '"own"', 1))
    assert line.startswith("committees[1]: is not the network's, 'default': report its feeds with another process")


def test_a_reporter_alone_needs_no_account_and_no_prover(read: Load) -> None:
    network = network_of(read, networked(own='roles = ["reporter"]'))
    assert network.is_reporter and not network.is_transmitter


def test_a_url_may_have_variables(read: Load) -> None:
    config = read(networked(), ("127.0.0.1:9471", "${ALPHA}:9471"), env={"ALPHA": "alpha.example"})
    assert config.network is not None and config.network.members[0].url == "http://alpha.example:9471"
    assert isinstance(config.network.members[0], MemberConfig)
