"""Test of docs/operations.md as it is written: each box of shell commands in order, with a person's steps between them.

There is one folder, one chain, a feed of three sources and later another one, and real proofs. In the first evening all
of it runs in a shell, with the programs of the built wheel and nothing of this clone. Afterwards `oracle run` is a
process of its own, other commands of `oracle` run in this process, and everything else runs in a shell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_account import Account

from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, ShadowTally
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil, AnvilConfig
from oracle.chain.local.ports import reserved_port
from oracle.chain.rpc import Rpc
from oracle.core.errors import ChainUnavailable
from oracle.core.stages import Proven, Scored
from oracle.core.types import Outcome
from oracle.feeds.journal import Journal
from tests import circuits
from tests.chaos import nursery
from tests.chaos.feedserver import FeedServer
from tests.chaos.nursery import Daemon
from tests.chaos.scene import events
from tests.integration.workspace import OWN, Workspace, eventually
from tests.wheel import User

GWEI = 10**9
FEED = "eth-usd"
EVENING = "The first evening"
COMMANDS = 25
"""The most commands of the first evening."""

ELSEWHERE = frozenset(
    {"Members that change", "Recipe: raise the quorum", "Incident: a member of the network misbehaves"}
)
"""The sections whose boxes tests/network/test_membership.py executes, with a network."""

FAST = {
    "heartbeat = 3_600": "heartbeat = 1",
    "max_age = 300": "max_age = 86_400",
    "confirm_delay = 1_800": "confirm_delay = 60",
    "poll_interval = 15": "poll_interval = 0.2",
    "max_repeats = 6": "max_repeats = 0",
}
"""Terms of the document's feeds, and the short ones of this test."""


def boxes(document: str) -> Iterator[tuple[str, list[str]]]:
    """Return each box of shell commands: its section, and its lines."""
    for section in re.split(r"^## ", document, flags=re.MULTILINE)[1:]:
        for box in re.findall(r"^ *```sh\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL):
            yield section.splitlines()[0], [line.strip() for line in box.splitlines()]


class OwnChain(Anvil):
    """The chain that `oracle chain up` of the document has started."""

    def __init__(self, port: int) -> None:
        super().__init__(AnvilConfig(port=port))

    @property
    def port(self) -> int:
        return self.config.port


class WheelDaemon:
    """An `oracle run` of the wheel."""

    def __init__(self, user: User, folder: Path) -> None:
        with (folder / "oracle.log").open("a") as log:
            self._process = subprocess.Popen(
                [user.oracle, "run"], cwd=folder, env=user.env, stderr=log, stdin=subprocess.DEVNULL
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float) -> int:
        return self._process.wait(timeout)


class Operator:
    """A person who follows the document. A context manager, which ends what still runs."""

    def __init__(self, folder: Path, document: str) -> None:
        self.user: User | None = User(folder, has_tools=True)
        self._with_curl(folder / "system")
        self.folder = self.user.folder
        self.document = document
        self.boxes = [each for each in boxes(document) if each[0] not in ELSEWHERE]
        self.listen = f"127.0.0.1:{reserved_port()}"
        self.chain = OwnChain(reserved_port())
        self.source = FeedServer()
        self.lies: dict[str, str] = {}
        self.price, self.moment = "", int(time.time()) - 1_000
        self.source.next = lambda name: (self.lies.get(name, self.price), self.moment)
        self.daemon: Daemon | WheelDaemon | None = None
        self.environment: dict[str, str] = {}

    @staticmethod
    def _with_curl(programs: Path) -> None:
        found = shutil.which("curl")
        assert found is not None, "the document asks for curl"
        (programs / "curl").symlink_to(found)

    def __enter__(self) -> Operator:
        self.source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait(30)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "chain.pid").read_text()), signal.SIGTERM)
        self.source.__exit__(*error)  # type: ignore[arg-type]

    # --- what the document says ---

    def follow(self, section: str) -> str:
        """Run the next box, which is in this section, and return the output of its commands."""
        found, lines = self.boxes.pop(0)
        assert found == section
        return "\n".join(self._do(line) for line in lines)

    def _do(self, line: str) -> str:
        line = line.replace("127.0.0.1:9464", self.listen)
        if line.startswith("oracle run"):
            self.run()
            return ""
        if self.user is not None:
            return self._do_in_the_evening(line)
        if line.startswith("oracle "):
            return self.command(
                re.sub(r"\$\(oracle ([^()]*)\)", lambda inner: self.command(f"oracle {inner[1]}"), line)
            )
        line, wait, _ = line.partition("; wait $(cat oracle.pid)")
        done = subprocess.run(["bash", "-c", f"umask 077; {line}"], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        if wait:
            assert self.daemon is not None and self.daemon.wait(60) == 0, self.log()[-3_000:]
        return done.stdout

    def _do_in_the_evening(self, line: str) -> str:
        """Run a line in a shell, as whoever has installed the wheel."""
        assert self.user is not None
        if line == "pip install verifiable-oracle":
            return ""  # from the wheel that was built of this clone: see tests/wheel.py
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        line = line.replace("oracle chain up", f"oracle chain up --port {self.chain.port}")
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, env=self.user.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def command(self, line: str) -> str:
        done = Workspace(self.folder, self.chain).run(*shlex.split(line, comments=True)[1:])
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return " ".join(done.stdout.split()) if "key show-address" in line else done.stdout + done.stderr

    def run(self) -> None:
        if self.user is not None:
            self.daemon = WheelDaemon(self.user, self.folder)
        else:
            self.daemon = nursery.start(self.folder, self.environment)
        (self.folder / "oracle.pid").write_text(f"{self.daemon.pid}\n")

    # --- what a person does in between ---

    def configure(self) -> None:
        """Put this test's addresses and short times into the configuration that `oracle init` has written."""
        edits = FAST | {
            "http://127.0.0.1:8545": self.chain.rpc_url,
            'artifacts = "artifacts"': f'artifacts = "{circuits.artifacts()}"\nshadow_wait_ms = 60_000',
            'listen = "127.0.0.1:9464"': f'listen = "{self.listen}"\ninterval = 0.5',
        }
        for there, here in edits.items():
            self.edit(there, here)
        path = self.folder / "oracle.toml"
        path.write_text(self.with_sources(path.read_text()))

    def with_sources(self, text: str) -> str:
        """Return a configuration whose sources are those of this test, in place of exchanges."""
        return re.sub(
            r'^name = "(\w+)"\nurl = ".*"\npath = ".*"$',
            rf'name = "\1"\nurl = "{self.source.url}/\1"\ntimestamp_path = "$.time"\npath = "$.price"',
            text,
            flags=re.MULTILINE,
        )

    def documented_feed(self, section: str) -> str:
        """Return the feed's table that a section shows, with this test's times and sources."""
        found = re.search(rf"^## {section}$.*?^ *```toml\n(.*?)^ *```$", self.document, re.MULTILINE | re.DOTALL)
        assert found is not None
        text = textwrap.dedent(found[1])
        for there, here in FAST.items():
            text = text.replace(there, here)
        return self.with_sources(text)

    def lighten_keys(self) -> None:
        """Put others in the places of the keys: a keystore that takes a second to open costs each command a second."""
        password = (self.folder / "keystore/password").read_text().strip()
        for path in sorted((self.folder / "keystore").glob("*.json")):
            path.unlink()
            keystore._store(path, Account.create(), password, 2)

    def edit(self, before: str, after: str) -> None:
        path = self.folder / "oracle.toml"
        assert path.read_text().count(before) == 1, before
        path.write_text(path.read_text().replace(before, after))

    def publish(self, price: str) -> None:
        """Let the sources give this price from now on, observed a second later than before."""
        self.price, self.moment = price, self.moment + 1

    def delivers(self, price: str, outcome: Outcome = Outcome.ACCEPTED, feed: str = FEED) -> None:
        """Publish a new price, and wait until its observation ends with this outcome."""
        self.publish(price)
        self.until(lambda: self.ended(f"{feed}@{self.moment}") is outcome, f"{price} {outcome.value}")

    # --- what can be observed ---

    def until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            eventually(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3_000:]}") from None

    def until_told(self, text: str) -> None:
        self.until(lambda: text in self.log(), f"{text!r} in the log")

    def ended(self, key: str) -> Outcome | None:
        found = self._asked("SELECT outcome FROM outcomes WHERE key = ?", key)
        return Outcome(found[0]) if found else None

    def is_idle(self) -> bool:
        """Return whether no observation is open, shadows included."""
        return self._asked("SELECT 1 FROM observations WHERE key NOT IN (SELECT key FROM outcomes)") is None

    def _asked(self, query: str, *values: str) -> tuple[str] | None:
        """Return a row of the journal's file. Opening the journal takes longer than what the test waits for."""
        try:
            with contextlib.closing(sqlite3.connect(self.folder / "journal.sqlite")) as connection:
                row: tuple[str] | None = connection.execute(query, values).fetchone()
        except sqlite3.Error:
            return None  # the journal is being created
        return row

    def has_chain(self) -> bool:
        """Return whether the chain answers."""
        with contextlib.suppress(ChainUnavailable):
            return bool(self.chain.rpc("eth_chainId") == hex(self.chain.chain_id))
        return False

    def has_looked(self) -> bool:
        """Return whether the daemon knows of every comparison that the hub has made."""
        tally = self.tally()
        return tally is not None and self.metrics().get("oracle_shadow_compared") == tally.compared

    def journal(self) -> Journal:
        return Journal(self.folder / "journal.sqlite", read_only=True)

    def log(self) -> str:
        return "".join(path.read_text() for name in ("oracle.log", "log") if (path := self.folder / name).exists())

    def metrics(self) -> dict[str, float]:
        """Return the daemon's metrics: values by name, for any feed."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}/metrics") as answer:
                text = answer.read().decode()
        except OSError:
            return {}  # not yet
        return {name: float(value) for name, value in re.findall(r"^(\w+)(?:{.*})? (\S+)$", text, re.MULTILINE)}

    def tally(self) -> ShadowTally | None:
        """Return the results of the proposed model, as the hub has them."""
        deployment = load_deployment(self.folder / "deployment.json")

        async def read() -> ShadowTally | None:
            async with Rpc(self.chain.rpc_url) as rpc:
                return await Hub(rpc, deployment.hub).shadow(deployment.feeds[FEED].feed_id)

        return asyncio.run(read())


@pytest.fixture
def operator(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    # A keystore that takes a second to open costs each command a second.
    store = keystore._store
    monkeypatch.setattr(keystore, "_store", lambda path, account, password, _: store(path, account, password, 2))
    pages = ("tutorials/run-a-feed.md", "operations.md")
    with Operator(tmp_path, "\n".join((project_root / "docs" / page).read_text() for page in pages)) as made:
        yield made


def test_the_first_evening_recipes_and_incidents(operator: Operator) -> None:
    the_first_evening(operator)
    operator.user = None
    what_it_costs(operator)
    a_feed_is_added(operator)
    a_feed_is_removed(operator)
    a_key_is_rotated(operator)
    a_model_is_replaced(operator)
    a_source_lies(operator)
    the_chain_is_congested(operator)
    a_feed_is_held(operator)
    assert operator.boxes == []
    assert operator.daemon is not None
    operator.daemon.terminate()
    assert operator.daemon.wait(60) == 0

    with operator.journal() as journal:
        assert journal.check().problems == ()
        ended = [(entry.feed_id, entry.observed_at, entry.outcome, entry.answer) for entry in journal.confirmed()]
        assert journal.counts()["open"] == 0
    assert sorted(events(operator.chain, operator.folder / "deployment.json")) == sorted(ended)
    assert "Traceback" not in operator.log()
    assert (operator.folder / "keystore/password").read_text().strip() not in operator.log()


def test_the_first_evening_is_short(project_root: Path) -> None:
    document = (project_root / "docs/tutorials/run-a-feed.md").read_text()
    lines = [line for section, box in boxes(document) if section == EVENING for line in box]
    assert lines[0] == "pip install verifiable-oracle" and len(lines) <= COMMANDS


def the_first_evening(operator: Operator) -> None:
    operator.follow(EVENING)
    listed = operator.follow(EVENING)
    assert re.findall(r"0x\w{40} +keystore/(\w+)\.json", listed) == ["admin", "reporter", "submitter"]
    folder = operator.folder / "keystore"
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}
    operator.lighten_keys()
    operator.follow(EVENING)
    operator.configure()
    operator.publish("2000.00")
    operator.until(operator.has_chain, "the chain")
    assert operator.follow(EVENING).count("2000") >= 3
    deployed = operator.follow(EVENING)
    assert "1 feed(s), no errors" in deployed and f"would take the next report of {FEED}" in deployed
    operator.follow(EVENING)
    operator.until(lambda: operator.ended(f"{FEED}@{operator.moment}") is Outcome.ACCEPTED, "the first round")
    operator.until(lambda: operator.metrics().get("oracle_ready") == 1, "readiness")
    shown = operator.follow(EVENING)
    assert "2000.00000000" in shown and '"ok": true' in shown and "accepted" in shown
    metrics = operator.follow(EVENING)
    alerts((operator.folder / "alerts.yml").read_text(), metrics)


def alerts(rules: str, metrics: str) -> None:
    """Check that the daemon shows each metric that an alert rule names; one without a network has no members."""
    named = set(re.findall(r"\b(oracle_\w+)", "\n".join(re.findall(r"expr: (.*)", rules))))
    named = {each for each in named if not each.startswith(("oracle_member_", "oracle_transmitter_"))}
    assert len(named) > 8
    assert named - set(re.findall(r"^# TYPE (\w+) ", metrics, re.MULTILINE)) == set()


def a_source_lies(operator: Operator) -> None:
    operator.lies["kraken"] = "3000"
    operator.delivers("2000.10")
    operator.until_told("outlier left out")
    assert re.search(r"kraken.*outlier.*3000", operator.follow("Incident: a source lies"))
    operator.edit("/kraken", "/gemini")
    operator.follow("Incident: a source lies")
    operator.until_told("sources reloaded")
    operator.delivers("2000.20")
    operator.until(lambda: operator.metrics().get("oracle_feed_sources_agreeing") == 3, "three that agree")


def the_chain_is_congested(operator: Operator) -> None:
    operator.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(3_000 * GWEI))
    operator.chain.rpc("anvil_mine", "0x1")
    operator.publish("2000.30")
    operator.until_told("gas costs")
    assert re.search(r"gas\s+costs\s+[\d,.]+\s+gwei", operator.follow("Incident: the chain is congested"))
    operator.edit("chain_id = 31337", "chain_id = 31337\nmax_fee_gwei = 10_000")
    operator.follow("Incident: the chain is congested")
    key = f"{FEED}@{operator.moment}"
    operator.until(lambda: operator.ended(key) is Outcome.ACCEPTED, "a report that is paid for")
    operator.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    operator.chain.rpc("anvil_mine", "0x1")
    operator.edit("max_fee_gwei = 10_000\n", "")


def a_feed_is_held(operator: Operator) -> None:
    operator.delivers("2900", Outcome.HELD)
    operator.until(lambda: operator.metrics().get("oracle_feed_held") == 1, "the alert's metric")
    explained = operator.follow("Incident: a feed is held")
    assert "2900 of" in explained and "is held" in explained and "σ" in explained
    assert re.search(r"paused +yes", operator.follow("Incident: a feed is held"))
    operator.publish("2000.40")
    operator.until_told("the feed is paused")
    key = f"{FEED}@{operator.moment}"
    assert operator.ended(key) is None
    assert re.search(r"paused +no", operator.follow("Incident: a feed is held"))
    operator.until(lambda: operator.ended(key) is Outcome.ACCEPTED, "the report that the pause has kept back")
    operator.delivers("2000.50")
    operator.until(lambda: operator.metrics().get("oracle_feed_held") == 0, "the hold's end")


def what_it_costs(operator: Operator) -> None:
    assert "ether" in operator.follow("Money")


def a_feed_is_added(operator: Operator) -> None:
    section = "Recipe: add a feed"
    path = operator.folder / "oracle.toml"
    path.write_text(f"{path.read_text()}\n{operator.documented_feed(section)}")
    tried = operator.follow(section)
    assert "2 feed(s), no errors" in tried and "btc-usd" in tried
    assert "btc-usd" in operator.follow(section)
    operator.delivers("2000.01", feed="btc-usd")
    operator.until(lambda: operator.ended(f"{FEED}@{operator.moment}") is Outcome.ACCEPTED, "the other feed goes on")


def a_feed_is_removed(operator: Operator) -> None:
    section = "Recipe: remove a feed"
    assert re.search(r"paused +yes", operator.follow(section))
    path = operator.folder / "oracle.toml"
    text = path.read_text()
    path.write_text(text[: text.rindex("[[feeds]]")])
    said = operator.follow(section)
    assert "1 feed(s), no errors" in said and re.search(r"btc-usd +\w+ \(paused\)", said)
    operator.delivers("2000.02")


def a_key_is_rotated(operator: Operator) -> None:
    section = "Recipe: rotate a key"

    def new() -> str:
        return keystore.address_of(operator.folder / "keystore/next.json")

    said = operator.follow(section)
    assert f"oracle committee propose-reporters {new()} --quorum 1" in said, "what it prints is what the box has"
    assert re.search(rf"proposed reporters +1 of 1: {new()}, can be activated now", said)
    assert f"committee default: done, {new()} reports" in operator.follow(section)
    operator.edit("keystore/reporter.json", "keystore/next.json")
    operator.follow(section)
    operator.delivers("2000.60")
    assert "100 ether" in operator.follow(section)
    operator.edit("keystore/submitter.json", "keystore/payer.json")
    operator.follow(section)
    operator.delivers("2000.70")
    assert "payer " + keystore.address_of(operator.folder / "keystore/payer.json") in operator.command("oracle status")


def a_model_is_replaced(operator: Operator) -> None:
    """Replace a model, with shadow reports; the first is killed between its proof and its transaction."""
    section = "Recipe: replace a model"
    (operator.folder / "other.json").write_text(OWN.to_json())
    operator.follow(section)
    operator.edit('srs = "insecure-local"', 'model = "other.json"\nsrs = "insecure-local"')
    operator.edit(
        "[keys]", '[keys]\nshadow = { keystore = "keystore/shadow.json", password_file = "keystore/password" }'
    )
    operator.environment = {"CHAOS_KILL": f"before:SUBMITTED:{FEED}#2"}
    assert "stays with model 1: model 2 has to be proposed for it" in operator.follow(section)
    compared = operator.follow(section)
    assert re.search(r"of the latest \d+ reports, models 1 and 2 differ on 0$", compared, re.MULTILINE)
    assert re.search(r"^--min-compared 2 --max-disagreements [012]$", compared, re.MULTILINE)
    said = operator.follow(section)
    assert "0 of 2 reports compared" in said
    assert "can't be activated yet: 2 more of 2 reports have to be compared; expected at 20" in said
    operator.until_told('"event": "shadow reports"')
    operator.publish("2000.80")
    assert operator.daemon is not None and operator.daemon.wait(60) == -9, operator.log()[-3_000:]
    with operator.journal() as journal:
        left = {stage.feeds[0]: stage for stage in journal.unfinished()}
    shadow, report = left[f"{FEED}#2"], left[FEED]
    # The report's own proof is made beside the shadow's, so it may or may not have ended.
    assert isinstance(shadow, Proven) and isinstance(report, (Scored, Proven))
    operator.environment = {}
    operator.run()
    operator.until(lambda: operator.ended(report.keys[0]) is Outcome.ACCEPTED, "the report")
    for price in ("2000.90", "2001.00", "2001.10", "2001.20"):
        operator.until(operator.is_idle, "the end of its shadow")
        operator.until(operator.has_looked, "the daemon's look at what the hub has compared")
        operator.delivers(price)
    operator.until(operator.is_idle, "the end of all")
    tally = operator.tally()
    assert tally is not None and (tally.reports, tally.compared, tally.disagreements) == (3, 2, 0), "enough is enough"
    with operator.journal() as journal:
        shadows = journal.rows(f"{FEED}#2")
    assert [(each.outcome, each.attempts) for each in shadows] == [(Outcome.ACCEPTED, 1)] * 3
    assert shadows[-1].key == shadow.keys[0]
    assert shadows[-1].prove_seconds == shadow.prove_seconds, "the proof from before it was killed"
    assert "2 of 2 reports compared, 0 verdicts differ" in operator.command("oracle status")
    assert operator.metrics().get("oracle_shadow_compared") == 2

    active = operator.follow(section)
    assert "2, can be activated now, until 20" in active and re.search(r"model +2, before it 1", active)
    operator.delivers("2001.50")
    assert re.search(r"model +1\b", operator.follow(section))
    operator.delivers("2001.60")
