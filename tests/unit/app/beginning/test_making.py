"""Tests of `oracle init`: what it writes and keeps, what it refuses, and that a failure leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oracle.app.beginning import members, texts
from oracle.app.beginning.making import begin
from oracle.app.beginning.options import InitOptions
from oracle.chain.keys import keystore
from oracle.chain.local import installing
from oracle.config import load
from oracle.core.errors import ChainUnavailable, ConfigError, DataError, OracleError
from oracle.detectors.registry import load as load_detector
from tests.integration.workspace import Done, run_command
from tests.unit.app.beginning.test_texts import BTC, ETH, walk


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "SCRYPT", 2)


def recording(path: Path, reports: Any) -> Path:
    rows = (f"{time},{answer / 10**8:.8f}" for time, answer in zip(reports.times, reports.answers, strict=True))
    path.write_text("\n".join(["time,value", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def long() -> Mapping[str, Any]:
    eth = walk(11, count=4_000)
    return {"eth": eth, "btc": walk(12, eth, count=4_000)}


def init(folder: Path, *arguments: str) -> Done:
    return run_command(folder, ["init", *arguments], {})


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_folder_from_two_recordings(tmp_path: Path, long: Mapping[str, Any]) -> None:
    """It has a private model, says how good it is beside a cap, and is found again as it is."""
    for name, reports in long.items():
        recording(tmp_path / f"{name}.csv", reports)
    arguments = ["mine", "--data", "eth.csv", "--data", "btc.csv", "--chain-id", "31337"]
    made = init(tmp_path, *arguments)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "mine"
    assert set(files(folder)) == {
        "anvil.toml",
        "oracle.toml",
        "train.toml",
        "replay/eth.csv",
        "replay/btc.csv",
        *(f"models/first{end}" for end in (".json", ".card.json", ".card.md", ".onnx")),
    }
    assert (folder / "models/first.json").stat().st_mode & 0o077 == 0, "only its owner reads the weights"
    config = load(folder / "oracle.toml", {})
    assert [feed.peers for feed in config.feeds] == [("BTC",), ("ETH",)]
    assert load_detector(folder / "models/first.json").name == "first"
    for part in (
        "wrote mine/oracle.toml",
        "private, publishes verdicts: the model is your own",
        "eth is judged beside btc",
        "held of 10,000",
        "spikes of, %",
        "What a stranger can know",
        "a salt of 128 bits",
        "oracle chain up",
    ):
        assert part in made.stdout, made.stdout
    before = files(folder)
    again = init(tmp_path, *arguments, "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["written"] == [] and len(report["kept"]) == len(before)
    assert files(folder) == before, "not trained again"
    for quality in report["quality"]:
        assert quality["recall"]["3 %"][0] >= quality["recall"]["3 %"][1]


def test_what_is_there_is_never_overwritten(tmp_path: Path, long: Mapping[str, Any]) -> None:
    recording(tmp_path / "eth.csv", long["eth"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/oracle.toml").write_text("# mine\n")
    (tmp_path / "mine/notes.txt").write_text("keep\n")
    before = files(tmp_path)
    for arguments in (["--data", "eth.csv"], []):
        refused = init(tmp_path, "mine", *arguments, "--chain-id", "31337")
        assert refused.returncode == 2 and "oracle.toml: is there already, with other content" in refused.stderr
        assert "overwrites nothing" in refused.stderr
        assert files(tmp_path) == before, "nothing is left of what failed"


def test_without_a_history_it_says_what_the_packaged_model_means(tmp_path: Path) -> None:
    made = init(tmp_path, "new", "--chain-id", "31337")
    assert made.returncode == 0, made.stderr
    assert set(files(tmp_path / "new")) == {"anvil.toml", "oracle.toml"}
    assert "the packaged one, public, publishes scores" in made.stdout
    assert "Everybody has it, and can walk just below its limits" in made.stdout
    assert run_command(tmp_path / "new", ["config", "check"], {}).returncode == 0


@pytest.mark.parametrize(("chain", "arguments"), [("31337", ["--keys", "new"]), ("1", [])])
def test_keys_of_ones_own(tmp_path: Path, chain: str, arguments: list[str]) -> None:
    """Only their owner reads them and the password, the configuration finds them, and they are never made twice."""
    made = init(tmp_path, "new", "--chain-id", chain, *arguments)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "new"
    paths = [folder / "keystore" / name for name in ("password", "reporter.json", "submitter.json", "admin.json")]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    assert {path.parent.stat().st_mode & 0o777 for path in paths} == {0o700}, "nobody else can replace them"
    keys = load(folder / "oracle.toml", {}).keys
    named = {"reporter": keys.reporter, "submitter": keys.submitter, "admin": keys.deployer}
    addresses = {}
    for name, key in named.items():
        assert key is not None and key.keystore == folder / "keystore" / f"{name}.json"
        assert key.password_file is not None
        addresses[name] = keystore.load(key.keystore, keystore.password_from_file(key.password_file)).address
        assert f"key {name}: {addresses[name]}" in made.stdout
    assert len(set(addresses.values())) == 3
    paying = (addresses["submitter"], addresses["admin"])
    local = "oracle chain up --fund keystore/submitter.json --fund keystore/admin.json"
    told = local if arguments else "send {} and {} some ether"
    assert told.format(*paying) in made.stdout
    assert paths[0].read_text().strip() not in made.stdout + made.stderr
    before = files(folder)
    again = init(tmp_path, "new", "--chain-id", chain, *arguments)
    assert again.returncode == 0 and files(folder) == before
    assert f"key admin: {addresses['admin']}" in again.stdout


def test_keys_that_everybody_has_are_for_local_chains(tmp_path: Path) -> None:
    refused = init(tmp_path, "new", "--chain-id", "1", "--keys", "anvil")
    assert refused.returncode == 2 and "everybody has these keys, so they are refused on chain 1" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_no_key_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "configuration", lambda *_: pytest.fail("the disk is full", pytrace=False))
    with pytest.raises(pytest.fail.Exception):
        run(InitOptions(tmp_path / "new", chain_id=1))
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    refused = init(tmp_path)
    assert refused.returncode == 2 and "name the folder to make, for instance: oracle init oracle" in refused.stderr


def test_programs_that_the_next_steps_need_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*names: str) -> list[str]:
        return list(names)

    monkeypatch.setattr(installing, "missing", missing)
    made = init(tmp_path, "new", "--chain-id", "31337")
    assert "oracle toolchain install     # anvil, solc-0.8.20\n" in made.stdout
    made = init(tmp_path, "new", "--chain-id", "31337", "--json")
    assert json.loads(made.stdout)["missing"] == ["anvil", "solc-0.8.20"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    recording(tmp_path / "eth.csv", ETH)
    given = [
        "x",
        "--data",
        "eth.csv",
        "--data",
        "eth=none.csv",
        "--series",
        "dax",
        "--feed",
        "sol",
        "--peer",
        "eth=doge",
    ]
    refused = init(tmp_path, *given, "--chain-id", "31337")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    for part in ("'eth' is named twice", "none.csv: no such file", "'dax'", "--journal and --feed", "'doge'"):
        assert part in refused.stderr, refused.stderr
    assert not (tmp_path / "x").exists()


def test_a_history_that_can_not_carry_a_training_leaves_nothing(tmp_path: Path) -> None:
    recording(tmp_path / "btc.csv", BTC)
    (tmp_path / "short.csv").write_text("time,value\n1600000000,1\n")
    for name, says in (("btc", "budget|windows"), ("short", "too few rows")):
        with pytest.raises(OracleError, match=says):
            run(InitOptions(tmp_path / "x", data=((name, tmp_path / f"{name}.csv"),), chain_id=31337))
        assert not (tmp_path / "x").exists()


def test_a_chain_elsewhere_has_to_say_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oracle.app.beginning import making

    class Down:
        def __init__(self, *given: Any, **options: Any) -> None: ...

        async def __aenter__(self) -> Down:
            raise ChainUnavailable("node.example: no answer")

        async def __aexit__(self, *error: object) -> None: ...

    monkeypatch.setattr(making, "Rpc", Down)
    with pytest.raises(ConfigError, match=r"--rpc-url: node\.example: no answer; correct it, or .* --chain-id"):
        run(InitOptions(tmp_path / "x", rpc_url="https://node.example"))
    made = run(InitOptions(tmp_path / "x", rpc_url="https://node.example", chain_id=1))
    assert (made.chain_id, made.is_local) == (1, False)
    assert run(InitOptions(tmp_path / "y")).chain_id == 31337, "a local chain need not run yet"


def run(options: InitOptions) -> Any:
    import asyncio

    return asyncio.run(begin(options, {}))


def test_a_packaged_series_is_copied_so_that_the_training_can_be_repeated(tmp_path: Path) -> None:
    made = run(InitOptions(tmp_path / "x", series=("sp500",), chain_id=31337))
    assert (tmp_path / "x/data/sp500.csv").read_text().startswith("time,value\n")
    trained = run_command(tmp_path / "x", ["detector", "train", "train.toml", "--out", "again"], {})
    assert trained.returncode == 0, trained.stderr
    assert made.model is not None
    salted = [json.loads(path.read_text()) for path in (made.model, tmp_path / "x/again/first.json")]
    assert salted[0] != salted[1], "another salt"
    assert made.peers == {"sp500": ()} and made.quality[0].name == "sp500"


def test_a_mistake_in_a_recording_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("time,value\n1600000000,1\n1600003600,x\n")
    with pytest.raises(DataError, match=r"bad\.csv:3"):
        run(InitOptions(tmp_path / "x", data=(("bad", tmp_path / "bad.csv"),), chain_id=31337))
