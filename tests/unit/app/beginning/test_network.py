"""Tests of `oracle init --network`: the folders of all members fit together, and no key is anybody else's."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from oracle.app.beginning import members
from oracle.app.beginning.members import planned
from oracle.app.beginning.options import NetworkOptions
from oracle.app.network_checks import own_member
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import load_anvil_config
from oracle.config import Config, load
from oracle.core.errors import ConfigError
from oracle.network.terms import fingerprint
from tests.integration.workspace import Done, run_command
from tests.unit.app.beginning.test_making import files, recording
from tests.unit.app.beginning.test_texts import walk
from tests.unit.config.texts import address


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "SCRYPT", 2)


def init(folder: Path, *arguments: str, chain: int = 31337) -> Done:
    done = run_command(folder, ["init", "net", "--chain-id", str(chain), *arguments], {})
    assert "Traceback" not in done.stderr
    return done


def made(folder: Path, *arguments: str, chain: int = 31337) -> dict[str, Config]:
    """Return the configurations that were made, by the member's name."""
    done = init(folder, *arguments, chain=chain)
    assert done.returncode == 0, done.stderr
    found = {path.parent.name: load(path, {}) for path in sorted((folder / "net").glob("*/oracle.toml"))}
    assert len({fingerprint_of(each) for each in found.values()}) == 1, "the terms are equal in all files"
    return found


def fingerprint_of(config: Config) -> bytes:
    assert config.network is not None
    return fingerprint(31337, address(1), 1, config.network)


def test_four_members_on_one_machine(tmp_path: Path) -> None:
    found = made(tmp_path, "--network", "4")
    assert list(found) == ["alpha", "beta", "delta", "gamma"]
    listening = set()
    for name, config in found.items():
        network = config.network
        assert network is not None
        own = own_member(config)
        assert own is not None and own.name == name, "the key in its folder is the one in the list"
        assert (config.committees[0].quorum, network.faulty, network.turn_s, network.clock_bound_s) == (3, 1, 60, 2.0)
        assert own.url == f"http://{network.listen}"
        listening |= {network.listen, config.web.listen}
        key = config.keys.reporter
        assert key.keystore is not None and key.password_file is not None
        for path in (key.keystore, key.password_file):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        signing = keystore.load(key.keystore, keystore.password_from_file(key.password_file))
        assert signing.address == own.reporter
        assert config.journal.path == tmp_path / "net" / name / "journal.sqlite"
        assert all(feed.max_spread for feed in config.feeds)
        assert config.chain.deployment == tmp_path / "net" / name / "deployment.json"
    assert len(listening) == 8, "all can run at once"
    payers = [config.keys.submitter.anvil_account for config in found.values()]
    assert sorted(payers, key=str) == [1, 2, 3, 4]
    owners = {name: "deployer" in config.keys.model_fields_set for name, config in found.items()}
    assert owners == {"alpha": True, "beta": False, "delta": False, "gamma": False}
    passwords = {path.read_text() for path in (tmp_path / "net").glob("*/keystore/password")}
    assert len(passwords) == 4
    assert {config.prover.artifacts for config in found.values()} == {tmp_path / "net/alpha/../artifacts"} | {
        tmp_path / f"net/{name}/../artifacts" for name in ("beta", "gamma", "delta")
    }


def test_it_says_what_comes_next_and_finds_it_again(tmp_path: Path) -> None:
    first = init(tmp_path, "--network", "4")
    for line in (
        "member alpha: http://127.0.0.1:9471, reporter 0x",
        "oracle deploy --config alpha/oracle.toml",
        "cp alpha/deployment.json beta/",
        "oracle run --config alpha/oracle.toml",
    ):
        assert line in first.stdout, first.stdout
    assert "warning: whoever has this folder" not in first.stdout, "a local chain's keys protect nothing"
    before = files(tmp_path)
    again = init(tmp_path, "--network", "4", "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["written"] == [] and [each["name"] for each in report["members"]] == [
        "alpha",
        "beta",
        "gamma",
        "delta",
    ]
    assert files(tmp_path) == before, "the keys are the same"
    other = init(tmp_path, "--network", "5")
    assert other.returncode == 2 and "alpha/oracle.toml: is there already, with other content" in other.stderr
    assert files(tmp_path) == before, "nothing is left of what failed, not even a key"


def test_a_private_model_is_every_transmitter_s(tmp_path: Path) -> None:
    recording(tmp_path / "eth.csv", walk(11, count=4_000))
    found = made(tmp_path, "--network", "3", "--data", "eth.csv", "--turn", "8")
    assert {(config.committees[0].quorum, config.network and config.network.faulty) for config in found.values()} == {
        (1, 0)
    }
    models = {(tmp_path / f"net/{name}/models/first.json").read_bytes() for name in found}
    assert len(models) == 1, "one model, with one salt"
    for name, config in found.items():
        assert (tmp_path / f"net/{name}/models/first.json").stat().st_mode & 0o077 == 0
        [source] = config.feeds[0].sources
        assert (source.type, getattr(source, "timestamps", "")) == ("replay", "clock")
        assert config.network is not None
        assert (config.network.turn_s, config.network.clock_bound_s) == (8, 1.0)
        assert config.feeds[0].heartbeat == 10
    assert not (tmp_path / "net/beta/train.toml").exists(), "the first one learns"


def test_a_turn_is_no_longer_than_the_shortest_heartbeat(tmp_path: Path) -> None:
    recording(tmp_path / "eth.csv", walk(11, count=4_000))
    found = made(tmp_path, "--network", "2", "--data", "eth.csv")
    assert {config.network.turn_s for config in found.values() if config.network} == {10}


def test_organisations_with_keys_and_machines_of_their_own(tmp_path: Path) -> None:
    """Nobody has another's key: each has made its own, and says its address."""
    told = [
        part
        for number, name in enumerate(("north", "south", "east", "west"), 1)
        for part in (
            "--url",
            f"{name}=https://{name}.example:9470/",
            "--reporter",
            f"{name}={address(0xABCDEF00 + number).lower()}",
        )
    ]
    found = made(tmp_path, "--network", "4", *told, chain=1)
    assert list(found) == ["east", "north", "south", "west"]
    assert not list((tmp_path / "net").glob("*/keystore/*")), "no key is made"
    network = found["south"].network
    assert network is not None
    assert [each.url for each in network.members] == [
        f"https://{name}.example:9470" for name in ("north", "south", "east", "west")
    ]
    assert network.members[0].reporter == address(0xABCDEF01)
    assert network.listen == "0.0.0.0:9470" and found["south"].web.listen == "127.0.0.1:9464"
    assert found["south"].prover.artifacts == tmp_path / "net/south/artifacts"
    said = init(tmp_path, "--network", "4", *told, chain=1).stdout
    assert "a key that its operator has" in said and "warning: whoever has this folder" not in said
    assert "cp -r north/deployment.json north/artifacts south/" in said


def test_keys_that_are_made_for_others_are_warned_of_on_a_live_chain(tmp_path: Path) -> None:
    done = init(tmp_path, "--network", "2", "--reporter", f"north={address(77)}", chain=1)
    assert done.returncode == 0, done.stderr
    assert "warning: whoever has this folder has the keys that were made here" in done.stdout
    assert {str(path.relative_to(tmp_path / "net")) for path in (tmp_path / "net").glob("*/keystore/*.json")} == {
        "alpha/keystore/reporter.json",
        "alpha/keystore/submitter.json",
    }


@pytest.mark.parametrize(
    ("count", "quorum", "faulty", "terms"),
    [
        (4, None, None, (3, 1)),
        (7, None, None, (5, 2)),
        (31, None, None, (21, 10)),
        (5, 5, None, (5, 0)),
        (7, 3, None, (3, 1)),
        (7, None, 1, (3, 1)),
        (2, None, None, (1, 0)),
    ],
)
def test_the_quorum_follows_from_the_faulty_and_the_other_way_round(
    count: int, quorum: int | None, faulty: int | None, terms: tuple[int, int]
) -> None:
    options = NetworkOptions(count, quorum, faulty)
    assert options.terms == terms
    assert len(planned(options)) == count


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (NetworkOptions(4, turn_s=1), "--turn: must be greater"),
        (NetworkOptions(4, 2), "--quorum: is 2, but has to be odd"),
        (NetworkOptions(4, 3, 2), "--faulty: is 2, but there are 4 members"),
        (NetworkOptions(4, 1, 1), r"--quorum: is 1, but with \[network\] faulty = 1 it has to be at least 3"),
        (NetworkOptions(5, 5, 1), "--quorum: is 5, but of 5 members only 4 answer"),
        (NetworkOptions(4, 5), "--quorum: is 5, but there are 4 reporters"),
        (NetworkOptions(2, urls=(("a", "http://a"), ("a", "http://b"))), "--url a: is given twice"),
        (NetworkOptions(2, urls=(("a", "ftp://a"),)), "--url a: is not a URL; write it as a=https://a.example:9470"),
        (NetworkOptions(2, urls=(("A", "http://a"),)), "'A' is no name of a member"),
        (NetworkOptions(2, reporters=(("a", "0x12"),)), "--reporter a: .*has 2 digits"),
        (
            NetworkOptions(2, urls=(("a", "http://a"), ("b", "http://b")), reporters=(("c", address(1)),)),
            "--url and --reporter name 3 members, but --network is 2",
        ),
    ],
)
def test_options_that_do_not_fit_are_told_before_anything_is_made(options: NetworkOptions, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        planned(options)


def test_all_that_is_wrong_with_the_options_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        planned(NetworkOptions(4, 2, urls=(("a", "ftp://a"),), reporters=(("B", "0x12"),)))
    assert len(str(caught.value).splitlines()) == 5


def test_a_key_or_a_url_of_two_members_leaves_nothing(tmp_path: Path) -> None:
    for option in ("--reporter", "--url"):
        value = address(5) if option == "--reporter" else "https://one.example"
        done = init(tmp_path, "--network", "4", option, f"a={value}", option, f"b={value}")
        assert done.returncode == 2 and "members[0] (a) has the same" in done.stderr, done.stderr
        assert not (tmp_path / "net").exists()


def test_options_of_a_network_need_one(tmp_path: Path) -> None:
    done = init(tmp_path, "--quorum", "3")
    assert done.returncode == 2 and "are for a network: add --network N" in done.stderr
    bad = init(tmp_path, "--network", "2", "--url", "http://x")
    assert bad.returncode == 2 and "--url http://x: write it as NAME=VALUE" in bad.stderr


def test_a_large_network_has_an_account_for_each(tmp_path: Path) -> None:
    found = made(tmp_path, "--network", "31")
    assert len(found) == 31 and {"alpha", "omega", "zayin"} <= set(found)
    assert load_anvil_config(tmp_path / "net/anvil.toml").accounts == 32
    assert {config.keys.submitter.anvil_account for config in found.values()} == set(range(1, 32))


def test_another_host_is_listened_to_from_everywhere(tmp_path: Path) -> None:
    found = made(tmp_path, "--network", "2", "--host", "fd00::5")
    network = found["beta"].network
    assert network is not None
    assert (network.listen, network.members[1].url) == ("0.0.0.0:9472", "http://[fd00::5]:9472")
    assert "state_file" in tomllib.loads((tmp_path / "net/anvil.toml").read_text())
