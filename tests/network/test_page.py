"""Test of docs/tutorials/join-a-network.md as it is written: four daemons on one chain, with real proofs.

Each `oracle run` is a process of its own, other commands of `oracle` run in this process, and the rest runs in a shell.
Only ports, the chain and the pace are not those of the page.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.app import doctor
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.ports import reserved_port
from oracle.chain.rpc import Rpc
from oracle.config import load
from oracle.core.formats import checksum_address
from oracle.core.types import Round
from tests.chaos import nursery
from tests.chaos.nursery import Daemon
from tests.integration.test_operations import boxes
from tests.integration.workspace import eventually, run_command

NAMES = ("alpha", "beta", "gamma", "delta")
TURN_S = 5


class Organisations:
    """Whoever follows the page. A context manager, which ends what still runs."""

    def __init__(self, folder: Path, chain: Anvil, page: str) -> None:
        self.folder = folder
        self.chain = chain
        self.boxes = [lines for _, lines in boxes(page)]
        self.ports = {str(port): str(reserved_port()) for base in (9471, 9601) for port in range(base, base + 4)}
        self.daemons: dict[str, Daemon] = {}

    def __enter__(self) -> Organisations:
        return self

    def __exit__(self, *error: object) -> None:
        for daemon in self.daemons.values():
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(30)

    def follow(self) -> str:
        """Run the next box, and return the output of its commands."""
        lines = re.sub(r"\\\n\s*", " ", "\n".join(self.boxes.pop(0))).splitlines()
        return "\n".join(self._do(line) for line in lines)

    def _do(self, line: str) -> str:
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        if line == "oracle chain up &":
            assert load_anvil_config(self.folder / "anvil.toml").port == int(self.chain.rpc_url.rpartition(":")[2])
            return ""
        if started := re.fullmatch(r"oracle (run --config (\w+)/oracle.toml) +2>> \w+/oracle.log +& echo .*", line):
            self.run(started[2], started[1])
            return ""
        if line.startswith("oracle "):
            return self.command(line)
        for port, own in self.ports.items():
            line = line.replace(f"127.0.0.1:{port}", f"127.0.0.1:{own}")
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout

    def command(self, line: str) -> str:
        if "--series" in line:
            line += f" --turn {TURN_S} --rpc-url {self.chain.rpc_url}"
        done = run_command(self.folder, shlex.split(line)[1:], {"COLUMNS": "500"})
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, name: str, command: str) -> None:
        self.daemons[name] = nursery.start(self.folder, {}, command.split())
        (self.folder / name / "oracle.pid").write_text(f"{self.daemons[name].pid}\n")

    def adapt(self) -> None:
        """Let the members listen on ports of this test's own, and report once a turn: a day takes five seconds."""
        changes = {f"127.0.0.1:{port}": f"127.0.0.1:{own}" for port, own in self.ports.items()}
        changes |= {"heartbeat = 10": f"heartbeat = {TURN_S}", "speed = 8640": f"speed = {86_400 // TURN_S}"}
        for name in NAMES:
            path = self.folder / name / "oracle.toml"
            text = path.read_text()
            for old, new in changes.items():
                text = text.replace(old, new)
            path.write_text(text)

    def rounds(self) -> list[Round]:
        """Return the feed's rounds, as the hub has them."""
        deployment = load_deployment(self.folder / "alpha/deployment.json")
        feed_id = deployment.feeds["sp500"].feed_id

        async def read() -> list[Round]:
            async with Rpc(self.chain.rpc_url) as rpc:
                hub = Hub(rpc, deployment.hub)
                last = (await hub.feed_state(feed_id)).round_id
                found = [await hub.round(feed_id, number) for number in range(1, last + 1)]
            return [each for each in found if each is not None]

        return asyncio.run(read())

    def log(self) -> str:
        """Return the end of what all daemons have logged."""
        path = self.folder / "log"
        return path.read_text()[-8_000:] if path.exists() else ""


@pytest.fixture
def organisations(
    tmp_path: Path, anvil: Callable[..., Anvil], project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Organisations]:
    store = keystore._store
    monkeypatch.setattr(keystore, "_store", lambda path, account, password, _: store(path, account, password, 2))
    monkeypatch.setattr(doctor, "_for_proofs", lambda srs_in_use: [])  # programs have tests of their own
    with Organisations(tmp_path, anvil(), (project_root / "docs/tutorials/join-a-network.md").read_text()) as made:
        yield made


@pytest.mark.slow
def test_four_operators_from_nothing_to_a_feed(organisations: Organisations) -> None:
    on_one_machine(organisations)
    organisations.folder = organisations.folder.parent / "apart"
    organisations.folder.mkdir()
    with_keys_of_their_own(organisations)
    assert organisations.boxes == []


def on_one_machine(them: Organisations) -> None:
    begun = them.follow()
    for name in NAMES:
        assert f"member {name}: http://127.0.0.1:947" in begun
    them.adapt()
    deployed = them.follow()
    assert "network: delta, one of 4 members, quorum 3; 1 may be silent or lie" in deployed
    them.follow()
    eventually(lambda: bool(them.rounds()), f"a round\n{them.log()}")
    assert them.rounds()[-1].count >= 3

    looked = them.follow()
    assert re.search(r"ok +member delta +[\d.]+ +http://127\.0\.0\.1:\d+ +reporter and transmitter", looked), looked
    assert "beta, gamma and delta have them" in looked
    assert re.search(r"sp500 +OK +\d+ +\d+\.\d+", looked)
    assert '"roles": ["reporter", "transmitter"]' in looked
    assert "at most 1 faulty" in looked
    assert "what became of it" in looked and " accepted, mined " in looked

    broken = them.follow()
    assert them.daemons["delta"].wait(30) == -9
    assert "member delta" in broken and "does not answer: Connection refused" in broken
    gone = time.time()

    def without_delta() -> list[Round]:
        return [each for each in them.rounds() if each.observed_at > gone]  # an earlier one may have its signature

    eventually(lambda: bool(without_delta()), f"a round without delta\n{them.log()}")
    assert without_delta()[0].count == 3
    for name in NAMES[:3]:
        them.daemons[name].terminate()
    assert [them.daemons[name].wait(60) for name in NAMES[:3]] == [0, 0, 0]
    assert "Traceback" not in them.log()
    for path in them.folder.glob("*/keystore/password"):
        assert path.read_text().strip() not in them.log()


def with_keys_of_their_own(them: Organisations) -> None:
    """Nobody has another's key; each looks at its own folder."""
    (them.folder / "keystore").mkdir()
    password = them.folder / "keystore/password"
    password.write_text("a long password\n")
    password.chmod(0o600)
    assert re.fullmatch(r"(0x\w{40})\s+\1\s*", them.follow())
    assert "a key that its operator has" in them.follow()
    assert not list(them.folder.glob("net/*/keystore"))
    config = load(them.folder / "net/south/oracle.toml", {})
    assert config.network is not None
    assert [each.name for each in config.network.members] == ["north", "south", "east", "west"]
    # South's key is one that is here.
    made = (them.folder / "keystore/reporter.json").read_text()
    own = checksum_address("0x" + json.loads(made)["address"].removeprefix("0x"))
    file = them.folder / "net/south/oracle.toml"
    file.write_text(file.read_text().replace(config.network.members[1].reporter, own))
    for key in (config.keys.reporter, config.keys.submitter, config.keys.shadow):
        if key is not None and key.keystore is not None and key.password_file is not None:
            key.keystore.parent.mkdir(exist_ok=True)
            key.keystore.write_text(made)
            key.password_file.write_text("a long password\n")
            for path in (key.keystore, key.password_file):
                path.chmod(0o600)
    checked = them.follow()
    assert "network: south, one of 4 members, quorum 3" in checked
