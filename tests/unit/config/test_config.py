"""The configuration: what is right loads, and what is wrong is one line that says where and what to do."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from oracle.app.deploy import terms
from oracle.config import (
    DENOMINATIONS,
    Config,
    ExchangeSourceConfig,
    HttpSourceConfig,
    OnchainSourceConfig,
    PackagedSourceConfig,
    PushSourceConfig,
    ReplaySourceConfig,
    load,
)
from oracle.core.errors import ConfigError
from oracle.core.types import Kind

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OTHER_ADDRESS = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"

MINIMAL = """
[chain]
rpc_url = "http://127.0.0.1:8545"
chain_id = 31337
deployment = "deployments/31337.json"

[keys]
reporter = { anvil_account = 1 }

[journal]
path = "journal.sqlite"

[[feeds]]
name = "eth-usd"
description = "ETH / USD"
kind = "relative"
decimals = 8
sigma = 6_000
heartbeat = 3600
deviation_ppm = 5_000
min_sources = 1

[[feeds.sources]]
type = "http"
url = "https://prices.example/eth"
path = "$.price"
"""

ABSOLUTE = MINIMAL.replace('"relative"', '"absolute"').replace("deviation_ppm = 5_000", "deviation = 5_000")

Load = Callable[..., Config]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Loads a configuration from its text, with changes: pairs of what to replace and by what."""

    def read(text: str = MINIMAL, *changes: tuple[str, str], env: dict[str, str] | None = None) -> Config:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "oracle.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, env or {})

    return read


def test_a_minimal_configuration_has_sound_defaults(read: Load, tmp_path: Path) -> None:
    config = read()
    assert config.chain.deployment == tmp_path / "deployments/31337.json"
    assert config.journal.path == tmp_path / "journal.sqlite"
    assert config.keys.submitter == config.keys.deployer == config.keys.reporter
    assert config.keys.shadow is None
    assert (config.prover.srs, config.prover.visibility, config.prover.disclosure) == (
        "public-ceremony",
        "private",
        "score",
    )
    assert config.prover.workers >= 1
    assert config.deploy.change_delay == 172_800
    feed = config.feed("eth-usd")
    assert feed.measure is Kind.RELATIVE
    assert (feed.quorum, feed.min_sources, feed.max_age, feed.confirm_delay) == (1, 1, 3_600, 3_600)
    assert (feed.confirmations, feed.max_repeats) == (3, 0)
    assert feed.max_source_spread_ppm == 10_000
    [source] = feed.sources
    assert isinstance(source, HttpSourceConfig)
    assert source.allow_string is False


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
        if field.name != "kind":
            assert getattr(given, field.name) == getattr(feed, field.name), field.name


def test_batch_sizes_are_ascending_and_what_the_contract_takes(read: Load) -> None:
    def sizes(text: str) -> tuple[int, ...]:
        return read(MINIMAL, ("[journal]", f"[prover]\nbatch_sizes = {text}\n[journal]")).prover.batch_sizes

    assert read().prover.batch_sizes == (1,)
    assert sizes("[16, 1, 4]") == (1, 4, 16)
    for text, says in (
        ("[]", "at least 1"),
        ("[1, 1]", "has a batch size twice"),
        ("[0]", "from 1 to 64"),
        ("[65]", "from 1 to 64"),
        ("[true]", "whole number"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "at most 8"),
        ("4", "list"),
    ):
        with pytest.raises(ConfigError, match=rf"prover\.batch_sizes.*{says}"):
            sizes(text)


def test_provers_are_on_this_machine_or_on_a_cluster(read: Load) -> None:
    def prover(text: str) -> Any:
        return read(MINIMAL, ("[journal]", f"[prover]\n{text}\n[journal]")).prover

    default = read().prover
    assert (default.backend, default.ray_address, default.memory_mb, default.queue) == ("local", None, None, 64)
    assert default.proof_cache is None
    cluster = prover('backend = "ray"\nray_address = "10.0.0.1:6379"\nmemory_mb = 2048\nqueue = 0')
    assert (cluster.backend, cluster.ray_address, cluster.memory_mb, cluster.queue) == (
        "ray",
        "10.0.0.1:6379",
        2_048,
        0,
    )
    for text, says in (
        ('ray_address = "10.0.0.1:6379"', "is for backend"),
        ('backend = "cloud"', "'local' or 'ray'"),
        ("memory_mb = 1", "64"),
        ("queue = -1", "0"),
    ):
        with pytest.raises(ConfigError, match=rf"prover.*{says}"):
            prover(text)


def test_the_example_loads(project_root: Path) -> None:
    config = load(project_root / "config.example.toml", {})
    assert {type(source) for feed in config.feeds for source in feed.sources} == {
        HttpSourceConfig,
        PackagedSourceConfig,
    }
    assert config.prover.srs == "insecure-local"


def test_the_example_names_every_key_of_the_chain_and_keys_sections(project_root: Path) -> None:
    text = (project_root / "config.example.toml").read_text(encoding="utf-8")
    for section in ("chain", "keys", "prover", "journal", "deploy"):
        annotation: Any = Config.model_fields[section].annotation
        missing = [name for name in annotation.model_fields if f"{name} =" not in text]
        assert missing == [], section


def test_values_are_exact_decimals(read: Load) -> None:
    config = read(MINIMAL + "min = 0.1\nmax = 1_000_000\n")
    source = config.feeds[0].sources[0]
    assert isinstance(source, HttpSourceConfig)
    assert (source.min, source.max) == (Decimal("0.1"), Decimal(1_000_000))
    assert str(source.min) == "0.1"


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


def test_absolute_paths_stay(read: Load, tmp_path: Path) -> None:
    config = read(MINIMAL, ('"journal.sqlite"', f'"{tmp_path}/elsewhere/j.sqlite"'))
    assert config.journal.path == tmp_path / "elsewhere/j.sqlite"


def test_addresses_are_checksummed(read: Load) -> None:
    for written in (ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()):
        config = read(MINIMAL, ("sigma", f'reporters = ["{written}"]\nsigma'))
        assert config.feeds[0].reporters == (ADDRESS,)


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


def test_variables_are_replaced_in_urls_and_headers(read: Load) -> None:
    config = read(
        MINIMAL + 'headers = { Authorization = "Bearer ${TOKEN}" }\n',
        ("127.0.0.1:8545", "node.example/v3/${RPC_KEY}"),
        env={"RPC_KEY": "s3cret", "TOKEN": "t0ken"},
    )
    assert config.chain.rpc_url == "http://node.example/v3/s3cret"
    source = config.feeds[0].sources[0]
    assert isinstance(source, HttpSourceConfig)
    assert source.headers == {"Authorization": "Bearer t0ken"}
    assert "s3cret" not in repr(config)
    assert "t0ken" not in repr(config)


def test_a_configuration_is_frozen(read: Load) -> None:
    config = read()
    with pytest.raises(Exception, match="frozen"):
        config.chain.chain_id = 1  # type: ignore[misc]


def test_the_visibility_can_be_replaced(read: Load) -> None:
    config = read()
    public = config.with_visibility("public")
    assert (public.prover.visibility, config.prover.visibility) == ("public", "private")
    assert public.feeds == config.feeds


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("polycommit", "'polycommit' is refused, because it commits to the weights without blinding"),
        ("hashed/private/0", "no constraint ties"),
        ("fixed", "'fixed' is called \"public\" here"),
        ("secret", "'secret' is not a visibility of weights"),
    ],
)
def test_a_visibility_that_no_feed_can_rest_on_is_refused_with_the_reason(read: Load, word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"prover\.visibility: ") as refused:
        read(MINIMAL + f'\n[prover]\nvisibility = "{word}"\n')
    assert says in str(refused.value)


HTTP = 'path = "$.price"'
KEY = "reporter = { anvil_account = 1 }"
SEVERAL = 'rpc_urls = ["http://a/${KEY}", "https://b/x"]\nws_url = "wss://a/${KEY}"\nagreement = 2'


def test_several_endpoints(read: Load) -> None:
    chain = read(MINIMAL, ('rpc_url = "http://127.0.0.1:8545"', SEVERAL), env={"KEY": "s3cret"}).chain
    assert chain.endpoints == ("http://a/s3cret", "https://b/x")
    assert (chain.ws_url, chain.agreement, chain.rpc_url) == ("wss://a/s3cret", 2, None)
    assert "s3cret" not in repr(chain)
    assert read().chain.endpoints == ("http://127.0.0.1:8545",)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "chain: needs either 'rpc_url', or several endpoints in 'rpc_urls'"),
        ("rpc_urls = []", "chain: needs either 'rpc_url', or several endpoints in 'rpc_urls'"),
        ('rpc_url = "http://a"\nrpc_urls = ["http://b"]', "chain: needs either 'rpc_url', or several"),
        ('rpc_urls = ["http://a", "http://a"]', "has an endpoint twice"),
        ('rpc_urls = ["http://a", "nothing"]', "chain.rpc_urls[1]: is not a valid URL; write it as https://host/path"),
        ('rpc_urls = ["http://${KEY}/"]', "chain.rpc_urls[0]: the environment variable KEY is not set"),
        ('rpc_url = "http://a"\nagreement = 2', "'agreement' of 2 needs as many endpoints in 'rpc_urls'"),
        (
            'rpc_url = "http://a"\nws_url = "http://a"',
            "chain.ws_url: is not a websocket URL; write it as wss://host/path",
        ),
        ('rpc_url = "http://a"\nws_url = "ws://s3cret:x/"', "chain.ws_url: is not a valid URL"),
        ('rpc_url = "http://a"\nmax_fee_gwei = 0', "chain.max_fee_gwei: must be greater than 0"),
    ],
)
def test_endpoints_that_are_wrong(read: Load, lines: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL, ('rpc_url = "http://127.0.0.1:8545"', lines))
    assert says in str(caught.value) and "s3cret" not in str(caught.value)


SECOND_SOURCE = '\n[[feeds.sources]]\ntype = "http"\nurl = "https://b.example"\npath = "$.p"\n'
ONE = ("min_sources = 1\n", "")


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("heartbeat", "heartbeet", "feeds[0].heartbeet", "unknown key; did you mean 'heartbeat'?"),
        (HTTP, HTTP + "\nfoo = 1", "feeds[0].sources[0].foo", "unknown key; known keys: type, name, min"),
        ("[journal]", "[journals]", "journals", "unknown key; did you mean 'journal'?"),
        (KEY, "reporter = { anvil_acount = 1 }", "keys.reporter.anvil_acount", "did you mean 'anvil_account'?"),
        ("chain_id = 31337", "", "chain.chain_id", "is missing"),
        ("[journal]\npath", "[deploy]\nchange_delay = 1\n#", "journal", "is missing"),
        ("chain_id = 31337", 'chain_id = "31337"', "chain.chain_id", "must be a whole number"),
        ("chain_id = 31337", "chain_id = true", "chain.chain_id", "must be a whole number"),
        ("chain_id = 31337", "chain_id = 0", "chain.chain_id", "must be greater than or equal to 1"),
        ("decimals = 8", "decimals = 8.5", "feeds[0].decimals", "must be a whole number"),
        ("decimals = 8", "decimals = 19", "feeds[0].decimals", "must be less than or equal to 18"),
        ('"relative"', '"relativ"', "feeds[0].kind", "must be 'relative' or 'absolute'"),
        ('"ETH / USD"', "7", "feeds[0].description", "must be a string"),
        ('"ETH / USD"', '"' + "€" * 22 + '"', "feeds[0].description", "takes 66 bytes"),
        ('"eth-usd"', '"ETH@USD"', "feeds[0].name", "must be 1 to 40 of a-z"),
        ('"http://127.0.0.1:8545"', '"127.0.0.1:8545"', "chain.rpc_url", "write it as https://host/path"),
        ('"http://127.0.0.1:8545"', '"ftp://h/"', "chain.rpc_url", "write it as https://host/path"),
        ('"http://127.0.0.1:8545"', '"http://h:x/"', "chain.rpc_url", "is not a valid URL"),
        ('"http://127.0.0.1:8545"', '"http://h/${KEY}"', "chain.rpc_url", "variable KEY is not set"),
        ('"http://127.0.0.1:8545"', '"http://h/${a b}"', "chain.rpc_url", "not of the form ${NAME}"),
        ('"ETH / USD"', '"${KEY}"', "feeds[0].description", "URLs and header values only"),
        (HTTP, 'path = "price["', "feeds[0].sources[0].path", "write it as $.data.price"),
        (HTTP, 'path = ""', "feeds[0].sources[0].path", "is not a JSONPath"),
        (
            'type = "http"',
            'type = "htp"',
            "feeds[0].sources[0].type",
            "'htp' is not one of 'http', 'exchange', 'onchain'",
        ),
        ('type = "http"', "", "feeds[0].sources[0]", "needs 'type': one of 'http', 'exchange', 'onchain', 'push'"),
        (HTTP, HTTP + "\ntimeout = 0", "feeds[0].sources[0].timeout", "must be greater than 0"),
        (HTTP, HTTP + "\ntimeout = inf", "feeds[0].sources[0].timeout", "must be"),
        (HTTP, HTTP + "\ntimeout = true", "feeds[0].sources[0].timeout", "must be a number"),
        (HTTP, HTTP + '\nmin = "1"', "feeds[0].sources[0].min", "must be a number"),
        (HTTP, HTTP + "\nmin = nan", "feeds[0].sources[0].min", "must be a finite number"),
        (HTTP, HTTP + "\nmin = 2\nmax = 1", "feeds[0].sources[0]", "'min' (2) is above 'max' (1)"),
        (HTTP, HTTP + "\nmax_age = 5", "feeds[0].sources[0]", "needs 'timestamp_path'"),
        ("deviation_ppm = 5_000", "", "feeds[0]", "a relative feed needs 'deviation_ppm'"),
        ("deviation_ppm", "deviation", "feeds[0]", "does not fit a relative feed; use 'deviation_ppm'"),
        ("sigma", "max_source_spread = 1\nsigma", "feeds[0]", "use 'max_source_spread_ppm'"),
        ("min_sources = 1", "min_sources = 2", "feeds[0]", "'min_sources' is 2, but there are 1 sources"),
        ("sigma", "quorum = 2\nsigma", "feeds[0]", "'quorum' is 2, but there are 1 reporters"),
        ("sigma", "confirmations = 0\nsigma", "feeds[0].confirmations", "could be held for ever"),
        ("sigma", "confirmations = 256\nsigma", "feeds[0].confirmations", "must be less than or equal to 255"),
        (
            "sigma",
            "confirm_delay = 604_801\nsigma",
            "feeds[0].confirm_delay",
            "is 604801 seconds, but the contract allows 604800 at most (7 days)",
        ),
        (
            "sigma",
            "max_age = 7_776_001\nsigma",
            "feeds[0].max_age",
            "is 7776001 seconds, but the contract allows 7776000 at most (90 days)",
        ),
        ("sigma", "max_repeats = 256\nsigma", "feeds[0].max_repeats", "must be less than or equal to 255"),
        ("sigma", "max_repeats = -1\nsigma", "feeds[0].max_repeats", "must be greater than or equal to 0"),
        ("sigma", "poll_interval = -1\nsigma", "feeds[0].poll_interval", "must be greater than 0"),
        ("min_sources = 1\n", "", "feeds[0]", "has one source, which nothing checks"),
        (HTTP, HTTP + "\nattempts = 0", "feeds[0].sources[0].attempts", "greater than or equal to 1"),
        (HTTP, HTTP + "\nsuspend_for = 0", "feeds[0].sources[0].suspend_for", "greater than 0"),
        (HTTP, HTTP + '\nname = "a"' + SECOND_SOURCE + 'name = "a"', "feeds[0]", "two sources have the name 'a'"),
        (
            KEY,
            KEY + "\nshadow = { anvil_account = 1 }",
            "keys",
            "'shadow' is the submitter's key: a shadow report that is stuck",
        ),
        (KEY, "reporter = {}", "keys.reporter", "exactly one of 'keystore', 'remote' and 'anvil_account'"),
        (
            KEY,
            'reporter = { anvil_account = 1, keystore = "k" }',
            "keys.reporter",
            "exactly one of 'keystore', 'remote' and 'anvil_account'",
        ),
        (KEY, 'reporter = { keystore = "k" }', "keys.reporter", "exactly one of 'password_file', 'password_env'"),
        (
            KEY,
            'reporter = { keystore = "k", password_file = "p", password_prompt = true }',
            "keys.reporter",
            "exactly one of 'password_file'",
        ),
        (KEY, 'reporter = { remote = "https://s" }', "keys.reporter", "'remote' and 'address' go together"),
        (KEY, 'reporter = { remote = "http://s.example" }', "keys.reporter.remote", "needs https"),
        (KEY, 'reporter = { remote = "https://s.example/?k=1" }', "keys.reporter.remote", "without a query"),
        ('path = "journal.sqlite"', 'url = "mysql://h/db"', "journal.url", "is not a PostgreSQL database"),
        ('path = "journal.sqlite"', 'url = "postgresql://h"', "journal.url", "is not a PostgreSQL database"),
        ('path = "journal.sqlite"', 'url = "postgresql://u:pw@h/db"', "journal.url", "has a password in it"),
        ('path = "journal.sqlite"', 'url = "postgresql://h/db?password=pw"', "journal.url", "has a password in it"),
        ('path = "journal.sqlite"', "standby = true", "journal", "exactly one of 'path'"),
        ('path = "journal.sqlite"', 'path = "j"\npassword_env = "P"', "journal", "is for PostgreSQL only"),
        ('path = "journal.sqlite"', 'path = "j"\nkeep_days = 0', "journal.keep_days", "greater than or equal to 1"),
        (
            KEY,
            'reporter = { anvil_account = 1, password_env = "P" }',
            "keys.reporter",
            "takes no password",
        ),
        (KEY, "", "keys.reporter", "is missing"),
        (KEY, "reporter = 1", "keys.reporter", "must be a table"),
        ('path = "journal.sqlite"', 'path = ""', "journal.path", "must be a path"),
        ('path = "journal.sqlite"', "path = 1", "journal.path", "must be a path"),
        ("[journal]", "[prover]\nworkers = 0\n[journal]", "prover.workers", "greater than or equal to 1"),
        (
            "[journal]",
            '[prover]\nsrs = "local"\n[journal]',
            "prover.srs",
            "must be 'public-ceremony' or 'insecure-local'",
        ),
        ("[journal]", "[deploy]\nchange_delay = -1\n[journal]", "deploy.change_delay", "greater than or equal to 0"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    read: Load, tmp_path: Path, old: str, new: str, where: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL, (old, new))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'oracle.toml'}: {where}: ")
    assert what in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "fails its checksum"),
        (ADDRESS[:-1], "has 39 digits"),
        (ADDRESS + "0", "has 41 digits"),
        (ADDRESS[2:], "no 0x in front"),
        ("0x" + "g" * 40, "characters that are no digits"),
        ("vitalik.eth", "characters that are no digits"),
        ("0x" + "0" * 40, "zero address"),
        ("", "has 0 digits"),
    ],
)
def test_a_bad_address_is_told(read: Load, address: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"feeds\[0\]\.reporters\[1\]: .*{what}"):
        read(MINIMAL, ("sigma", f'reporters = ["{OTHER_ADDRESS}", "{address}"]\nsigma'))
    with pytest.raises(ConfigError, match=rf"deploy\.guardian: .*{what}"):
        read(MINIMAL, ("[journal]", f'[deploy]\nguardian = "{address}"\n[journal]'))


def test_a_reporter_counts_once(read: Load) -> None:
    with pytest.raises(ConfigError, match="names an address twice"):
        read(MINIMAL, ("sigma", f'reporters = ["{ADDRESS}", "{ADDRESS.lower()}"]\nsigma'))


def test_an_absolute_feed_with_several_sources_needs_a_spread(read: Load) -> None:
    assert read(ABSOLUTE).feeds[0].measure is Kind.ABSOLUTE
    with pytest.raises(ConfigError, match="needs 'max_source_spread', in its own units"):
        read(ABSOLUTE + SECOND_SOURCE, ONE)
    config = read(ABSOLUTE + SECOND_SOURCE, ONE, ("sigma", "max_source_spread = 0.5\nsigma"))
    assert config.feeds[0].max_source_spread == Decimal("0.5")


def test_one_source_of_several_is_never_enough(read: Load) -> None:
    with pytest.raises(ConfigError, match="at least 2 with several sources"):
        read(MINIMAL + SECOND_SOURCE)
    assert [read(MINIMAL + SECOND_SOURCE * more, ONE).feeds[0].min_sources for more in (1, 2, 4)] == [2, 2, 2]


def test_a_single_source_has_to_be_meant(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"if it lies, so does the feed.*'min_sources = 1'"):
        read(MINIMAL, ONE)


EXCHANGE = '{ type = "exchange", exchange = "kraken", symbol = "ETH/USD" }'
ONCHAIN = (
    '{ type = "onchain", rpc_url = "http://n.example/${KEY}", chain_id = 1, max_age = 3600, '
    f'address = "{ADDRESS}" }}'
)
PUSH = '{ type = "push", name = "desk", max_age = 60, key_file = "desk.key" }'
LISTENING = '[push]\nlisten = "127.0.0.1:9465"\n[journal]'


def with_source(source: str) -> str:
    return MINIMAL[: MINIMAL.index("[[feeds.sources]]")] + f"sources = [{source}]\n"


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


@pytest.mark.parametrize("key", ["name", "description"])
def test_feeds_are_distinct(read: Load, key: str) -> None:
    feed = MINIMAL[MINIMAL.index("[[feeds]]") :]
    other = feed.replace('"eth-usd"', '"b"') if key == "description" else feed.replace('"ETH / USD"', '"B"')
    with pytest.raises(ConfigError, match=rf"feeds\[0\] and feeds\[1\] have the same {key}"):
        read(MINIMAL + other)


def test_an_unknown_feed_is_named_with_those_that_are(read: Load) -> None:
    with pytest.raises(ConfigError, match="no feed 'btc-usd'; configured are: eth-usd"):
        read().feed("btc-usd")


def test_further_problems_are_counted(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"\(and 1 more problem\)"):
        read(MINIMAL, ("decimals = 8", "decimals = 99"), ("sigma = 6_000", "sigma = 0"))


def test_an_error_in_a_union_is_one_message(read: Load) -> None:
    http = MINIMAL[MINIMAL.index('type = "http"') :]
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.sources\[0\]\.speed: .*'max'") as caught:
        read(MINIMAL, (http, 'type = "packaged"\nseries = "wti"\nspeed = "fast"'))
    assert "more problem" not in str(caught.value)


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


def test_secrets_are_in_no_message(read: Load) -> None:
    for change in (
        ('"http://127.0.0.1:8545"', '"htp://user:s3cret@host/${KEY}"'),
        ('"http://127.0.0.1:8545"', '"http://user:s3cret@host:x/${KEY}"'),
    ):
        with pytest.raises(ConfigError) as caught:
            read(MINIMAL, change, env={"KEY": "s3cret"})
        assert "s3cret" not in str(caught.value)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "oracle.toml"
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(path, {})
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path, {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(path, {})
    path.write_text("[chain\n")
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 1") as caught:
        load(path, {})
    assert "\n" not in str(caught.value)
    path.write_text("a = 1\na = 2\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load(path, {})
    path.write_text("")
    with pytest.raises(ConfigError, match="chain: is missing"):
        load(path, {})


def test_importing_reads_nothing_and_stays_light() -> None:
    heavy = ("web3", "ezkl", "numpy", "httpx", "sqlalchemy", "jsonpath", "eth_utils", "platformdirs")
    script = f"import sys, oracle.config; print([name for name in {heavy!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_minimal_configuration_is_what_toml_says() -> None:
    assert set(tomllib.loads(MINIMAL)) == {"chain", "keys", "journal", "feeds"}
