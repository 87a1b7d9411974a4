"""Tests of the tables [[feeds]]: defaults, addresses, pairs, and the settings that several sources need."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracle.app.deploy import terms
from oracle.config import DENOMINATIONS
from oracle.core.errors import ConfigError
from oracle.core.types import Kind
from tests.unit.config.texts import ABSOLUTE, ADDRESS, MINIMAL, ONE, OTHER_ADDRESS, SECOND_SOURCE, Load

OTHER_COMMITTEES = f'''
[[committees]]
name = "default"
[[committees]]
name = "other"
reporters = ["{OTHER_ADDRESS}"]
'''


def test_waits_default_to_the_heartbeat_as_far_as_the_contract_allows(read: Load) -> None:
    [feed] = read(MINIMAL, ("heartbeat = 3600", "heartbeat = 10_000_000")).feeds
    assert (feed.max_age, feed.confirm_delay) == (90 * 86_400, 7 * 86_400)
    [feed] = read(MINIMAL, ("sigma", "max_age = 7_776_000\nconfirm_delay = 604_800\nmax_repeats = 255\nsigma")).feeds
    assert (feed.max_age, feed.confirm_delay, feed.max_repeats) == (90 * 86_400, 7 * 86_400, 255)


def test_what_is_configured_of_a_feed_is_what_the_contract_is_given(read: Load) -> None:
    [feed] = read(MINIMAL, ("sigma", "max_repeats = 5\nconfirmations = 4\nmax_spread = 7\nsigma")).feeds
    given = terms(feed)
    assert given.kind is Kind.RELATIVE
    for field in fields(given):
        if field.name not in ("kind", "committee"):
            assert getattr(given, field.name) == getattr(feed, field.name), field.name
    assert given.committee == 0, "the hub gives the committee its number"


def test_peers_are_named_by_their_descriptions_and_go_to_the_contract_as_ids(read: Load) -> None:
    other = (
        MINIMAL[MINIMAL.index("[[feeds]]") :].replace('"eth-usd"', '"btc-usd"').replace('"ETH / USD"', '"BTC / USD"')
    )
    one, two = read(MINIMAL + other, ("sigma", 'peers = ["BTC / USD"]\nsigma')).feeds
    assert terms(one).peers == (keccak(b"BTC / USD"),) and terms(two).peers == ()


@pytest.mark.parametrize(
    ("peers", "where", "what"),
    [
        ('["ETH / USD"]', "peers", "names the feed itself"),
        ('["BTC / USD", "BTC / USD"]', "peers", "names a feed twice"),
        ('["A", "B", "C"]', "peers", "has 3 entries, but at most 2 are allowed"),
        (
            '["BTC-USD"]',
            r"peers\[0\]",
            "no feed has the description 'BTC-USD': a peer is observed here, as it is signed",
        ),
        ('["GBP / USD"]', r"peers\[0\]", "'GBP / USD' is of committee 'other', this feed is of 'default'"),
    ],
)
def test_bad_peers_are_told(read: Load, peers: str, where: str, what: str) -> None:
    feed = MINIMAL[MINIMAL.index("[[feeds]]") :]
    more = feed.replace('"eth-usd"', '"btc-usd"').replace('"ETH / USD"', '"BTC / USD"')
    more += feed.replace('"eth-usd"', '"gbp-usd"').replace('"ETH / USD"', '"GBP / USD"')
    more = more.replace("sigma", 'committee = "other"\nsigma', 2).replace('committee = "other"\nsigma', "sigma", 1)
    text = MINIMAL.replace("sigma", f"peers = {peers}\nsigma") + more
    with pytest.raises(ConfigError, match=rf"feeds\[0\]\.{where}: .*{what}"):
        read(text, ("[[feeds]]", f"{OTHER_COMMITTEES}[[feeds]]"))


def test_a_pair_is_of_addresses_or_names(read: Load) -> None:
    config = read(MINIMAL, ("sigma", 'pair = ["ETH", "USD"]\nsigma'))
    assert config.feeds[0].pair == (DENOMINATIONS["ETH"], "0x0000000000000000000000000000000000000348")
    config = read(MINIMAL, ("sigma", f'pair = ["{ADDRESS.lower()}", "BTC"]\nsigma'))
    assert config.feeds[0].pair == (ADDRESS, "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB")
    assert read(MINIMAL).feeds[0].pair is None


@pytest.mark.parametrize(
    ("pair", "where", "what"),
    [
        ('["ETH"]', "", "base and quote"),
        ('["ETH", "USD", "EUR"]', "", "base and quote"),
        ('["USD", "USD"]', "", "two different assets"),
        ('["ETH", "Usd"]', r"\[1\]", "'Usd' is neither an address nor one of ETH, BTC, USD"),
        ('["0x12", "USD"]', r"\[0\]", "has 2 digits"),
    ],
)
def test_a_bad_pair_is_told(read: Load, pair: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"feeds\[0\]\.pair{where}: .*{what}"):
        read(MINIMAL, ("sigma", f"pair = {pair}\nsigma"))


@pytest.mark.parametrize("name", [name for name in DENOMINATIONS if name != "USD"])
def test_every_denomination_is_an_address(read: Load, name: str) -> None:
    pair = read(MINIMAL, ("sigma", f'pair = ["{name}", "USD"]\nsigma')).feeds[0].pair
    assert pair is not None
    assert pair[0] == to_checksum_address(DENOMINATIONS[name])


def test_an_absolute_feed_with_several_sources_needs_a_spread(read: Load) -> None:
    assert read(ABSOLUTE).feeds[0].measure is Kind.ABSOLUTE
    with pytest.raises(ConfigError, match="needs 'max_source_spread', in its own units"):
        read(ABSOLUTE + SECOND_SOURCE, ONE)
    config = read(ABSOLUTE + SECOND_SOURCE, ONE, ("sigma", "max_source_spread = 0.5\nsigma"))
    assert config.feeds[0].max_source_spread == Decimal("0.5")


@pytest.mark.parametrize("line", ["quorum = 3", 'reporters = ["0x1"]'])
def test_a_key_of_the_committee_is_sent_there(read: Load, line: str) -> None:
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.\w+: unknown key; it belongs to .*\[\[committees\]\]"):
        read(MINIMAL, ("sigma", f"{line}\nsigma"), ONE)


def test_one_source_of_several_is_never_enough(read: Load) -> None:
    with pytest.raises(ConfigError, match="at least 2 with several sources"):
        read(MINIMAL + SECOND_SOURCE)
    assert [read(MINIMAL + SECOND_SOURCE * more, ONE).feeds[0].min_sources for more in (1, 2, 4)] == [2, 2, 2]


def test_a_single_source_has_to_be_meant(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"if it lies, so does the feed.*'min_sources = 1'"):
        read(MINIMAL, ONE)


@pytest.mark.parametrize("key", ["name", "description"])
def test_feeds_are_distinct(read: Load, key: str) -> None:
    feed = MINIMAL[MINIMAL.index("[[feeds]]") :]
    other = feed.replace('"eth-usd"', '"b"') if key == "description" else feed.replace('"ETH / USD"', '"B"')
    with pytest.raises(ConfigError, match=rf"feeds\[0\] and feeds\[1\] have the same {key}"):
        read(MINIMAL + other)


def test_an_unknown_feed_is_named_with_those_that_are(read: Load) -> None:
    with pytest.raises(ConfigError, match="no feed 'btc-usd'; configured are: eth-usd"):
        read().feed("btc-usd")
