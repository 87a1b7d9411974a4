"""Tests of the files that `oracle init` writes: they are what the configuration takes."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.app.beginning import texts
from oracle.app.beginning.histories import LearntHistory, alikeness, with_peers
from oracle.app.beginning.options import InitOptions, named_file, named_peers
from oracle.chain.local.anvil import load_anvil_config
from oracle.config import load, load_training
from oracle.core.errors import ConfigError
from oracle.core.types import Kind
from oracle.detectors.training.reports import Reports

HOUR = 3_600


def walk(seed: int, beside: Reports | None = None, count: int = 900, start: int = 1_600_000_000) -> Reports:
    """Return an hourly random walk; one beside another moves half with it."""
    draw, values = random.Random(seed), [10_000_000_000]
    for at in range(1, count):
        common = 0.0 if beside is None else beside.answers[at] / beside.answers[at - 1] - 1
        values.append(round(values[-1] * (1 + common + draw.gauss(0, 0.004))))
    times = tuple(start + HOUR * at for at in range(count))
    return Reports(Kind.RELATIVE, 8, times, tuple(values))


ETH = walk(1)
BTC = walk(2, ETH)
OTHER = walk(3)


def history(name: str, reports: Reports) -> LearntHistory:
    return LearntHistory(name, name.upper(), {"file": f"{name}.csv"}, reports)


def test_who_moves_alike_is_a_peer_and_nobody_else() -> None:
    assert alikeness(ETH, BTC) > 0.5 > 0.2 > alikeness(ETH, OTHER)
    found = with_peers([history("eth", ETH), history("btc", BTC), history("other", OTHER)], {})
    assert [each.peers for each in found] == [("btc",), ("eth",), ()]
    named = with_peers([history("eth", ETH), history("btc", BTC)], {"eth": ()})
    assert [each.peers for each in named] == [(), ("eth",)], "what is said is not searched for"


def test_a_peer_that_stands_still_or_hardly_overlaps_is_none() -> None:
    still = Reports(Kind.RELATIVE, 8, ETH.times, (5,) * len(ETH))
    later = walk(2, ETH, start=ETH.times[-50])
    assert alikeness(ETH, still) == alikeness(ETH, later) == 0.0


@pytest.mark.parametrize("chain_id", [31337, 1])
@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_the_configuration_is_one(tmp_path: Path, chain_id: int, kind: str) -> None:
    """On a local chain the end of the history is replayed; elsewhere a person puts sources in."""
    options = InitOptions(tmp_path, kind=kind)  # type: ignore[arg-type]
    found = with_peers([history("eth-usd", ETH), history("btc-usd", BTC)], {})
    terms = {"eth-usd": texts.LearntTerms(4_000, HOUR), "btc-usd": texts.LearntTerms(5_600, HOUR)}
    text = texts.configuration(options, chain_id, found, terms, "models/first.json")
    (tmp_path / "oracle.toml").write_text(text)
    config = load(tmp_path / "oracle.toml", {})
    assert (config.prover.privacy.visibility, config.prover.privacy.disclosure) == ("private", "verdict")
    assert [(feed.sigma, feed.kind) for feed in config.feeds] == [(4_000, kind), (5_600, kind)]
    assert [feed.peers for feed in config.feeds] == [("BTC-USD",), ("ETH-USD",)]
    assert config.chain.chain_id == chain_id
    local = chain_id == 31337
    assert {feed.heartbeat for feed in config.feeds} == {10 if local else HOUR}
    assert {feed.sources[0].type for feed in config.feeds} == {"replay" if local else "http"}
    assert config.prover.srs == ("insecure-local" if local else "public-ceremony")
    if local:
        # So the gap, in heartbeats, is that of the history.
        assert {int(feed.sources[0].speed) * feed.heartbeat for feed in config.feeds} == {HOUR}  # type: ignore[union-attr]
    else:
        assert config.deploy.change_delay == 172_800


def test_without_a_history_the_packaged_model_judges_a_live_feed(tmp_path: Path) -> None:
    (tmp_path / "oracle.toml").write_text(texts.configuration(InitOptions(tmp_path), 31337, [], {}, None))
    config = load(tmp_path / "oracle.toml", {})
    assert config.prover.model is None and config.prover.privacy.visibility == "public"
    assert [len(feed.sources) for feed in config.feeds] == [3]


def test_the_local_chain_is_where_the_configuration_looks_for_it(tmp_path: Path) -> None:
    options = InitOptions(tmp_path, rpc_url="http://127.0.0.1:8123")
    (tmp_path / "anvil.toml").write_text(texts.local_chain(options, 1337))
    chain = load_anvil_config(tmp_path / "anvil.toml")
    assert (chain.host, chain.port, chain.chain_id) == ("127.0.0.1", 8123, 1337)


def test_a_url_with_a_variable_stays_one(tmp_path: Path) -> None:
    options = InitOptions(tmp_path, rpc_url="https://node.example/${RPC_KEY}")
    (tmp_path / "oracle.toml").write_text(texts.configuration(options, 1, [], {}, None))
    with pytest.raises(ConfigError, match="RPC_KEY is not set"):
        load(tmp_path / "oracle.toml", {})
    assert load(tmp_path / "oracle.toml", {"RPC_KEY": "s3"}).chain.endpoints == ("https://node.example/s3",)


def test_the_training_file_is_one(tmp_path: Path) -> None:
    options = InitOptions(tmp_path, name="mine", max_gap=200, false_holds_per_10k=Decimal("2.5"))
    several = with_peers([history("eth", ETH), history("btc", BTC)], {})
    for found, name in ((several, "several"), (several[:1], "one")):
        found = (
            [LearntHistory(each.name, each.title, each.table, each.reports) for each in found]
            if name == "one"
            else found
        )
        (tmp_path / "train.toml").write_text(texts.training(options, found))
        config = load_training(tmp_path / "train.toml")
        assert (config.detector.type, config.detector.name) == ("peers", "mine")
        assert [each.file for each in config.data] == [tmp_path / f"{each.name}.csv" for each in found]
        assert [each.max_gap for each in config.data] == [200 for _ in found]
        assert config.budget.false_holds_per_10k == Decimal("2.5")
    (tmp_path / "train.toml").write_text(texts.training(options, several))
    assert [each.peers for each in load_training(tmp_path / "train.toml").data] == [("btc",), ("eth",)]


def test_replays_begin_with_one_time_and_have_what_was_not_fitted_to() -> None:
    late = walk(4, start=ETH.times[40])
    written = texts.replays([history("eth", ETH), history("late", late)], 0.8)
    rows = {name: [line.split(",") for line in text.splitlines()] for name, text in written.items()}
    firsts = {name: int(lines[1][0]) for name, lines in rows.items()}
    assert set(firsts.values()) == {late.times[720]}, "the later of the two ends"
    assert rows["late"][0] == ["time", "value"] and len(rows["late"]) == 1 + 180
    assert Decimal(rows["late"][1][1]) == Decimal(late.answers[720]).scaleb(-8)


def test_options_are_taken_apart() -> None:
    assert named_file("eth-usd=a/b=c.csv") == ("eth-usd", Path("a/b=c.csv"))
    assert named_file("data/ETH USD (1h).csv") == ("eth-usd-1h", Path("data/ETH USD (1h).csv"))
    assert named_file("./x=y.csv") == ("x-y", Path("./x=y.csv"))
    assert named_peers("eth=btc,sol") == ("eth", ("btc", "sol"))
    assert named_peers("eth=") == ("eth", ())
    for wrong in ("eth", "=btc"):
        with pytest.raises(ConfigError, match="write it as FEED=PEER"):
            named_peers(wrong)
    with pytest.raises(ConfigError, match=r"NAME=\?\.csv"):
        named_file("?.csv")
