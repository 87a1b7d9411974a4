"""Tests of the tables [[feeds.sources]] of each kind, and of the table [push] that one of them needs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.config import (
    ExchangeSourceConfig,
    OnchainSourceConfig,
    PackagedSourceConfig,
    PushSourceConfig,
    ReplaySourceConfig,
)
from oracle.core.errors import ConfigError
from tests.unit.config.texts import ADDRESS, EXCHANGE, LISTENING, MINIMAL, ONCHAIN, PUSH, Load, with_source


def test_a_packaged_series_takes_dates_of_either_notation(read: Load) -> None:
    http = MINIMAL[MINIMAL.index('type = "http"') :]
    config = read(
        MINIMAL, (http, 'type = "packaged"\nseries = "wti"\nstart = 2008-01-01\nend = "2008-12-31"\nspeed = "max"')
    )
    [source] = config.feeds[0].sources
    assert isinstance(source, PackagedSourceConfig)
    assert (source.start, source.end, source.speed) == (dt.date(2008, 1, 1), dt.date(2008, 12, 31), "max")


def test_a_replay_is_found_from_the_files_folder(read: Load, tmp_path: Path) -> None:
    http = MINIMAL[MINIMAL.index('type = "http"') :]
    config = read(MINIMAL, (http, 'type = "replay"\nfile = "data/a.csv"\nspeed = 60'))
    [source] = config.feeds[0].sources
    assert isinstance(source, ReplaySourceConfig)
    assert source.file == tmp_path / "data/a.csv"
    assert source.speed == Decimal(60)


def test_the_other_kinds_of_live_sources(read: Load, tmp_path: Path) -> None:
    [exchange] = read(with_source(EXCHANGE)).feeds[0].sources
    assert isinstance(exchange, ExchangeSourceConfig)
    assert (exchange.what, exchange.timeout, exchange.attempts, exchange.suspend_after) == ("last", 10, 2, 5)
    [onchain] = read(with_source(ONCHAIN), env={"KEY": "s3cret"}).feeds[0].sources
    assert isinstance(onchain, OnchainSourceConfig)
    assert onchain.rpc_url == "http://n.example/s3cret" and "s3cret" not in repr(onchain)
    config = read(with_source(PUSH), ("[journal]", LISTENING))
    [push] = config.feeds[0].sources
    assert isinstance(push, PushSourceConfig)
    assert push.key_file == tmp_path / "desk.key"
    assert config.push.address == ("127.0.0.1", 9465)


@pytest.mark.parametrize(
    ("source", "listen", "what"),
    [
        (PUSH, None, "feeds[0] has the push source 'desk', but nothing listens: add [push]"),
        (
            PUSH.replace("key_file", "token_file"),
            '0.0.0.0:9465"\nbehind_proxy = true #',
            "with a token, which could be read",
        ),
        (PUSH, "0.0.0.0:9465", "other machines can reach 0.0.0.0:9465, and pushes could be read on their way"),
        (PUSH, '0.0.0.0:9465"\ntls_key = "k.pem', "'tls_certificate' and 'tls_key' go together"),
        (PUSH.replace(', key_file = "desk.key"', ""), "127.0.0.1:1", "exactly one of 'key_file'"),
        (PUSH.replace('"desk"', '"a/b"'), "127.0.0.1:1", "feeds[0].sources[0].name"),
        (PUSH.replace("max_age = 60, ", ""), "127.0.0.1:1", "feeds[0].sources[0].max_age: is missing"),
        (ONCHAIN.replace("max_age = 3600, ", ""), None, "feeds[0].sources[0].max_age: is missing"),
        (ONCHAIN.replace(ADDRESS, ADDRESS[:-1]), None, "has 39 digits"),
        (EXCHANGE.replace("kraken", "../x"), None, "feeds[0].sources[0].exchange"),
    ],
)
def test_a_source_that_can_not_be_meant_so(read: Load, source: str, listen: str | None, what: str) -> None:
    section = "[journal]" if listen is None else f'[push]\nlisten = "{listen}"\n[journal]'
    with pytest.raises(ConfigError) as caught:
        read(with_source(source), ("[journal]", section), env={"KEY": "s3cret"})
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_a_token_is_taken_from_this_machine(read: Load, listen: str) -> None:
    source = PUSH.replace("key_file", "token_file")
    assert read(with_source(source), ("[journal]", f'[push]\nlisten = "{listen}"\n[journal]')).push.is_local


@pytest.mark.parametrize("more", ["behind_proxy = true", 'tls_certificate = "c.pem"\ntls_key = "k.pem"'])
def test_pushes_come_from_elsewhere_with_tls_or_by_a_proxy_that_has_it(read: Load, tmp_path: Path, more: str) -> None:
    push = read(with_source(PUSH), ("[journal]", f'[push]\nlisten = "0.0.0.0:1"\n{more}\n[journal]')).push
    assert push.has_tls != push.behind_proxy
    if push.has_tls:
        assert (push.tls_certificate, push.tls_key) == (tmp_path / "c.pem", tmp_path / "k.pem")
        token = PUSH.replace("key_file", "token_file")
        assert read(with_source(token), ("[journal]", f'[push]\nlisten = "0.0.0.0:1"\n{more}\n[journal]')).push


def test_an_onchain_source_has_several_endpoints(read: Load) -> None:
    several = 'rpc_urls = ["http://a/${KEY}", "http://b"], agreement = 2'
    text = ONCHAIN.replace('rpc_url = "http://n.example/${KEY}"', several)
    [onchain] = read(with_source(text), env={"KEY": "s3cret"}).feeds[0].sources
    assert isinstance(onchain, OnchainSourceConfig)
    assert onchain.endpoints == ("http://a/s3cret", "http://b") and "s3cret" not in repr(onchain)
    assert (onchain.agreement, onchain.max_head_lag, onchain.chain_id) == (2, 3, 1)
    with pytest.raises(ConfigError, match=r"sources\[0\]: 'agreement' of 3 needs as many endpoints"):
        read(with_source(text.replace("agreement = 2", "agreement = 3")), env={"KEY": "s3cret"})
    with pytest.raises(ConfigError, match=r"sources\[0\]: needs either 'rpc_url', or several endpoints"):
        read(with_source(text.replace(several, "attempts = 1")))


@pytest.mark.parametrize(
    ("fragment", "what"),
    [
        ('series = "wti"\nstart = 2008-02-01\nend = 2008-01-01', "'start' .* is after 'end'"),
        ('series = "wti"\nstart = "soon"', "'soon' is not a date"),
        ('series = "wti"\nstart = 2008-01-01T00:00:00', "write the date only"),
        ('series = "gold"', "'sp500', 'nasdaq', 'wti' or 'vix'"),
        ('series = "wti"\nspeed = 0', "greater than 0"),
        ('series = "wti"\nspeed = "max"\ntimestamps = "now"', "needs a numeric 'speed'"),
    ],
)
def test_mistakes_of_a_packaged_source(read: Load, fragment: str, what: str) -> None:
    http = MINIMAL[MINIMAL.index('type = "http"') :]
    with pytest.raises(ConfigError, match=rf"feeds\[0\]\.sources\[0\].*{what}"):
        read(MINIMAL, (http, f'type = "packaged"\n{fragment}'))


def test_readings_are_kept_for_90_days_and_served_where_it_is_said(read: Load, tmp_path: Path) -> None:
    table = read().readings
    assert (table.days, table.address, table.tls_certificate) == (90, None, None)
    more = '[readings]\ndays = 7\nlisten = "0.0.0.0:9472"\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n'
    table = read(MINIMAL.replace("[[feeds]]", f"{more}[[feeds]]", 1)).readings
    assert (table.days, table.address) == (7, ("0.0.0.0", 9472))
    assert (table.tls_certificate, table.tls_key) == (tmp_path / "c.pem", tmp_path / "k.pem")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("days = 0", "readings.days: must be greater than or equal to 1"),
        ('tls_key = "k.pem"', "readings: 'tls_certificate' and 'tls_key' go together"),
        ('listen = "here"', "readings.listen: 'here' is not an address to listen on"),
    ],
)
def test_readings_that_can_not_be_served_are_refused(read: Load, line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL.replace("[[feeds]]", f"[readings]\n{line}\n[[feeds]]", 1))
    assert says in str(caught.value)


def test_a_feed_has_no_more_sources_than_a_readings_document_holds(read: Load) -> None:
    more = "".join(
        f'[[feeds.sources]]\ntype = "http"\nname = "s{at}"\nurl = "http://a.example"\npath = "$.a"\n'
        for at in range(64)
    )
    with pytest.raises(ConfigError, match="has 65 entries, but at most 64 are allowed"):
        read(MINIMAL + more)


@pytest.mark.parametrize("name", ["a\\nb", "\\u001b[2J", "\\u0085"])
def test_a_name_that_can_not_be_shown_is_refused(read: Load, name: str) -> None:
    for key in ("description", "name"):
        where = '[[feeds.sources]]\ntype = "http"\n' if key == "name" else 'description = "ETH / USD"'
        new = f'{where}name = "{name}"\n' if key == "name" else f'description = "{name}"'
        assert where in MINIMAL
        with pytest.raises(ConfigError, match="can't be shown"):
            read(MINIMAL.replace(where, new, 1))
