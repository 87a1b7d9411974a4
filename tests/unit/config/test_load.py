"""Tests of loading: files, paths, variables, numbers, and how light the import is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle.config import (
    AdapterConfig,
    CommitteeConfig,
    Config,
    FeedConfig,
    HttpSourceConfig,
    MemberConfig,
    NetworkConfig,
    PackagedSourceConfig,
    load,
)
from oracle.core.errors import ConfigError
from oracle.core.types import Kind
from tests.unit.config.texts import MINIMAL, Load, address


def test_a_minimal_configuration_has_sound_defaults(read: Load, tmp_path: Path) -> None:
    config = read()
    assert config.chain.deployment == tmp_path / "deployments/31337.json"
    assert config.journal.path == tmp_path / "journal.sqlite"
    assert config.keys.submitter == config.keys.deployer == config.keys.reporter
    assert config.keys.shadow is None
    assert (config.prover.srs, config.prover.model) == ("public-ceremony", None)
    assert config.prover.workers >= 1
    assert config.deploy.change_delay == 172_800
    feed = config.feed("eth-usd")
    assert feed.measure is Kind.RELATIVE
    assert (feed.min_sources, feed.max_age, feed.confirm_delay) == (1, 3_600, 3_600)
    assert (feed.committee, feed.peers) == ("default", ())
    assert [(each.name, each.reporters, each.quorum) for each in config.committees] == [("default", (), 1)]
    assert (feed.confirmations, feed.max_repeats) == (3, 0)
    assert feed.max_source_spread_ppm == 10_000
    [source] = feed.sources
    assert isinstance(source, HttpSourceConfig)
    assert source.allow_string is False


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_files_of_windows_are_read(tmp_path: Path, project_root: Path, encoding: str) -> None:
    text = (project_root / "config.example.toml").read_text(encoding="utf-8")
    path = tmp_path / "oracle.toml"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    plain = tmp_path / "plain.toml"
    plain.write_text(text, encoding="utf-8")
    assert load(path, {}) == load(plain, {})


def test_the_example_loads(project_root: Path) -> None:
    config = load(project_root / "config.example.toml", {})
    assert {type(source) for feed in config.feeds for source in feed.sources} == {
        HttpSourceConfig,
        PackagedSourceConfig,
    }
    assert config.prover.srs == "insecure-local"


def test_the_example_names_every_key_of_its_tables(project_root: Path) -> None:
    text = (project_root / "config.example.toml").read_text(encoding="utf-8")
    for section in ("chain", "keys", "prover", "journal", "deploy"):
        annotation: Any = Config.model_fields[section].annotation
        missing = [name for name in annotation.model_fields if f"{name} =" not in text]
        assert missing == [], section
    told = text.split("# Who signs.", 1)[1]
    for table in (CommitteeConfig, NetworkConfig, MemberConfig, FeedConfig, AdapterConfig):
        tables = ("feeds", "network")
        missing = [
            name
            for name in table.model_fields
            if f"{name} = " not in told and not any(f"[[{outer}.{name}]]" in told for outer in tables)
        ]
        # What an absolute feed has instead is told at the end, in words.
        assert {name for name in missing if f"`{name}`" not in told} == set(), table.__name__


def test_the_example_of_a_network_is_one(read: Load, project_root: Path) -> None:
    """Each line of it is right by itself, but for the addresses, of which there are too few."""
    text = (project_root / "config.example.toml").read_text(encoding="utf-8")
    lines = text.split("# [network]\n", 1)[1].split("\n\n", 1)[0].splitlines()
    table = "\n".join(["[network]", *(line.removeprefix("# ").removeprefix("#") for line in lines)])
    own, member = table.split("[[network.members]]", 1)
    own = own.replace('["0x…"]', "[]").replace("faulty = 1 ", "faulty = 0 ")
    members = "".join(
        "\n[[network.members]]"
        + member.replace('"0x…"', f'"{address(number)}"').replace("alpha", f"m{number}").replace("until", "#")
        for number in range(1, 4)
    )
    network = read(MINIMAL.replace("[[feeds]]", f"{own}{members}\n[[feeds]]", 1)).network
    assert network is not None and len(network.members) == 3
    defaults = {"turn_s", "clock_bound_s", "request_timeout_s", "max_connections", "roles", "committee"}
    fewer = NetworkConfig.model_validate(
        {"listen": "0.0.0.0:9470", "faulty": 0, "members": network.members}, context={}
    )
    assert all(getattr(network, name) == getattr(fewer, name) for name in defaults), "it names the defaults"


def test_values_are_exact_decimals(read: Load) -> None:
    config = read(MINIMAL + "min = 0.1\nmax = 1_000_000\n")
    source = config.feeds[0].sources[0]
    assert isinstance(source, HttpSourceConfig)
    assert (source.min, source.max) == (Decimal("0.1"), Decimal(1_000_000))
    assert str(source.min) == "0.1"


def test_absolute_paths_stay(read: Load, tmp_path: Path) -> None:
    config = read(MINIMAL, ('"journal.sqlite"', f'"{tmp_path}/elsewhere/j.sqlite"'))
    assert config.journal.path == tmp_path / "elsewhere/j.sqlite"


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
    path.write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="can't be read: it is not text in UTF-8: byte 0"):
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
    heavy = ("web3", "ezkl", "numpy", "aiohttp", "sqlalchemy", "jsonpath", "eth_utils", "platformdirs")
    script = f"import sys, oracle.config; print([name for name in {heavy!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_minimal_configuration_is_what_toml_says() -> None:
    assert set(tomllib.loads(MINIMAL)) == {"chain", "keys", "journal", "feeds"}
