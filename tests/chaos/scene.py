"""A scene to try a fault on: a daemon as a process, with sources and a chain that a test controls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, RoundAccepted, hub_interface
from oracle.chain.local.anvil import Anvil, AnvilConfig
from oracle.chain.rpc import Rpc
from oracle.core.errors import OracleError
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, Journal, StageName
from tests import circuits
from tests.chaos import nursery
from tests.chaos.feedserver import FeedServer
from tests.chaos.nursery import Daemon
from tests.chaos.proxy import Call, Dropped, NodeProxy
from tests.integration.workspace import Workspace, eventually
from tests.transactions import mined

T = TypeVar("T")
Says: TypeAlias = str | Mapping[str, str]
"""A pattern that the log's text matches, or patterns of one line's fields."""

RPC_KEY = "rpc-key-8d1f4b"
SOURCE_KEY = "source-key-5c2e9a"
PASSWORD = "correct-horse-71"
"""Words that no log may contain."""

AHEAD = 1_000
"""Seconds between the first observation's time and the present; each further observation is a second later."""


def feed_table(name: str, url: str, **changes: Any) -> str:
    """Return a feed's part of the configuration. Each new reading of its source is due at once."""
    keys: dict[str, Any] = {
        "name": name,
        "description": name.upper(),
        "kind": "relative",
        "decimals": 8,
        "sigma": 10_000,
        "heartbeat": 1,
        "max_age": 86_400,
        "max_skew": 600,
        "deviation_ppm": 1,
        "confirmations": 2,
        "confirm_delay": 1,
        "poll_interval": 0.05,
        "min_sources": 1,
    }
    source: dict[str, Any] = {
        "type": "http",
        "name": f"{name}-source",
        "url": f"{url}/{name}?token={SOURCE_KEY}",
        "path": "$.price",
        "allow_string": True,
        "timestamp_path": "$.time",
        "timeout": 10.0,
        "suspend_after": 5,
        "suspend_for": 1.0,
    }
    for key, value in changes.items():
        (source if key in source else keys)[key] = value
    inline = ", ".join(f"{key} = {json.dumps(value)}" for key, value in source.items() if value is not None)
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[[feeds]]", *lines, f"sources = [{{ {inline} }}]", ""])


def write_config(
    folder: Path,
    chain: AnvilConfig,
    artifacts: Path,
    feeds: Sequence[str],
    feed_options: Mapping[str, Any],
    **options: Any,
) -> None:
    """Write an `oracle.toml`."""
    values: dict[str, Any] = {
        "reporter": "{ anvil_account = 1 }",
        "submitter": "{ anvil_account = 0 }",
        "tx_deadline_s": 20,
        "confirmations": 1,
        "rpc": "",
        "prover": "",
        "workers": 1,
        "batch_sizes": [1],
        "journal": 'path = "journal.db"',
        "listen": "127.0.0.1:0",
        "interval": 5,
        "more": "",
    } | options
    (folder / "oracle.toml").write_text(
        f"""[chain]
{f"rpc_urls = {json.dumps(urls)}" if (urls := values.get("rpc_urls")) else f'rpc_url = "{values["rpc_url"]}"'}
chain_id = {chain.chain_id}
deployment = "deployment.json"
confirmations = {values["confirmations"]}
tx_deadline_s = {values["tx_deadline_s"]}
{values["rpc"]}

[keys]
reporter = {values["reporter"]}
submitter = {values["submitter"]}

[prover]
artifacts = "{artifacts}"
srs = "insecure-local"
visibility = "public"
workers = {values["workers"]}
batch_sizes = {values["batch_sizes"]}
{values["prover"]}

[journal]
{values["journal"]}

[deploy]
change_delay = 0

[web]
listen = "{values["listen"]}"
interval = {values["interval"]}

{values["more"]}
"""
        + "\n".join(feed_table(name, values["url"], **feed_options) for name in feeds)
    )


@dataclass(frozen=True)
class Staged:
    """A deployment that was made once: a chain's state, and the folder of the deployment file."""

    state: Path
    deployment: Path
    chain: AnvilConfig
    artifacts: Path


def stage(folder: Path, chain: AnvilConfig, feeds: Sequence[str], **options: Any) -> Staged:
    """Deploy and keep the chain's state. Each scene begins with a copy of it."""
    state = folder / "anvil.json"
    artifacts = circuits.artifacts()
    with Anvil(chain.model_copy(update={"port": 0, "state_file": state})) as node:
        write_config(folder, chain, artifacts, feeds, {}, rpc_url=node.rpc_url, url="http://127.0.0.1:9", **options)
        done = Workspace(folder, node).run("deploy")
        assert done.returncode == 0, done.stderr
    return Staged(state, folder / "deployment.json", chain, artifacts)


class Scene:
    """One daemon's folder, chain, proxy and sources. A context manager, which ends all of them."""

    def __init__(self, folder: Path, staged: Staged, feeds: tuple[str, ...] = ("one",)) -> None:
        self.folder = folder
        self.staged = staged
        self.feeds = feeds
        self.state = folder / "anvil.json"
        shutil.copy(staged.state, self.state)
        shutil.copy(staged.deployment, folder / "deployment.json")
        self.deployment = load_deployment(folder / "deployment.json")
        self.chain = Anvil(staged.chain.model_copy(update={"state_file": self.state, "port": 0}))
        self.source = FeedServer()
        self.environment: dict[str, str] = {}
        self.options: dict[str, Any] = {}
        self.feed_options: dict[str, Any] = {}
        self.journal_path = folder / "journal.db"
        self.open_journal: Callable[[], Journal] = lambda: Journal(self.journal_path, read_only=True)
        self.pulse: Callable[[], object] = lambda: None
        self.says: tuple[Says, ...] = ()
        self.published: list[str] = []
        self._stack = contextlib.ExitStack()
        self._started: list[Daemon] = []
        self._engines: set[psutil.Process] = set()
        self._moment = int(time.time()) - AHEAD
        self._step = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.chain)
            self.proxy = stack.enter_context(NodeProxy(self.chain.rpc_url))
            stack.enter_context(self.source)
            stack.callback(self._end_all)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def keep(self, context: AbstractContextManager[T]) -> T:
        """Enter a context that ends with the scene."""
        return self._stack.enter_context(context)

    # --- the daemon ---

    def configure(self, **options: Any) -> None:
        """Write the configuration. `options` stay in force for later calls."""
        self.options |= options
        values = {"rpc_url": f"{self.proxy.url}/v2/{RPC_KEY}", "url": self.source.url} | self.options
        write_config(self.folder, self.staged.chain, self.staged.artifacts, self.feeds, self.feed_options, **values)

    def start(self, **environment: str) -> Daemon:
        """Start the daemon. Its log goes to `log` in the folder.

        Args:
            environment: See `tests.chaos.saboteur`.
        """
        self.configure()
        process = nursery.start(self.folder, {**self.environment, **environment})
        self._started.append(process)
        return process

    @property
    def daemon(self) -> Daemon:
        """Return the latest daemon."""
        return self._started[-1]

    def kill(self) -> None:
        """Send SIGKILL, and wait until no process of the daemon is left."""
        self.daemon.kill()
        self.daemon.wait(30)

    def stop(self) -> None:
        """Send SIGTERM, and wait for an orderly end."""
        self.daemon.send_signal(signal.SIGTERM)
        assert self.daemon.wait(60) == 0, self.log()[-3_000:]

    def ended(self) -> int:
        """Wait until the daemon ends by itself, and return its exit code."""
        return self.daemon.wait(60)

    def pause(self) -> None:
        """Send SIGSTOP."""
        self.daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Send SIGCONT."""
        self.daemon.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Write the configuration as it is now, and send SIGHUP."""
        self.configure()
        self.daemon.send_signal(signal.SIGHUP)

    def killed(self) -> None:
        """Wait until the daemon has killed itself or was killed."""
        assert self.daemon.wait(60) == -signal.SIGKILL, self.log()[-3_000:]

    def forget(self, process: Daemon) -> None:
        """Forget the latest daemon, which has ended or is stopped."""
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        self._started.remove(process)

    def engine(self) -> psutil.Process:
        """Return the id of the daemon's proving process."""
        found: list[psutil.Process] = []

        def there() -> bool:
            found[:] = [
                child
                for child in psutil.Process(self.daemon.pid).children(recursive=True)
                if any("oracle.proving.engine.worker" in word for word in child.cmdline())
            ]
            return bool(found)

        eventually(there, "a proving process")
        self._engines.add(found[0])  # if it is stopped, it outlives its daemon
        return found[0]

    # --- its input and output ---

    def publish(self, price: str | None = None, feed: str | None = None) -> str:
        """Publish a new reading of the source, a second after the last one, and return its observation's key."""
        feed = feed or self.feeds[0]
        self._step += 1
        moment = self._moment + self._step
        self.source.set(feed, price or f"{100 + (self._step * 7 % 5) * 0.3:.2f}", moment)
        key = f"{feed}@{moment}"
        if not self._has_own_clock:
            self.published.append(key)
        return key

    @property
    def _has_own_clock(self) -> bool:
        """True if the source gives no times, so that the daemon's clock gives each look one."""
        return self.feed_options.get("timestamp_path", "") is None

    def skip_time(self, seconds: int) -> None:
        """Let the next readings be so much later."""
        self._moment += seconds

    def log(self) -> str:
        """Return the log of all daemons so far."""
        path = self.folder / "log"
        # It may be read in the middle of a line, and of a character.
        return path.read_text(errors="replace") if path.exists() else ""

    def told(self, pattern: str) -> bool:
        """Return whether a line of the log matches."""
        return re.search(pattern, self.log()) is not None

    def until_told(self, pattern: str) -> None:
        """Wait until a line of the log matches."""
        self._eventually(lambda: self.told(pattern), f"{pattern!r} in the log")

    def said(self, says: Says) -> bool:
        """Return whether the log says something."""
        log = self.log()
        if isinstance(says, str):
            return re.search(says, log) is not None
        return any(
            all(re.search(pattern, str(line.get(name, ""))) for name, pattern in says.items())
            for line in log_lines(log)
        )

    def until_said(self) -> None:
        """Wait until the log says the first of what it has to say of the fault: any other line may have come before."""
        says = self.says[0]
        self._eventually(lambda: self.said(says), f"{says} in the log")

    def unready(self) -> dict[str, str]:
        """Return the failed checks that `/readyz` of the latest daemon shows, with their reasons."""
        try:
            with urlopen(f"{self._web()}/readyz", timeout=60) as found:
                document = json.load(found)
        except HTTPError as error:
            with error:
                document = json.load(error)
        return {check["name"]: check["detail"] for check in document["checks"] if not check["ok"]}

    def metrics(self) -> str:
        """Return what `/metrics` of the latest daemon shows."""
        with urlopen(f"{self._web()}/metrics", timeout=60) as found:
            return str(found.read().decode())

    def _web(self) -> str:
        port = [line["port"] for line in log_lines(self.log()) if line.get("event") == "serving"][-1]
        return f"http://127.0.0.1:{port}"

    def administer(self, action: str, *arguments: Any) -> None:
        """Call a function of the hub from the admin's account: the payer's, unless the configuration has another."""
        data = hub_interface().encode_call(action, *arguments)
        admin = self.chain.accounts[0].address
        receipt = mined(self.chain.rpc, {"from": admin, "to": self.deployment.hub, "data": "0x" + data.hex()})
        assert receipt["status"] == "0x1", f"{action}: {receipt}"

    def entry(self, key: str) -> Entry | None:
        """Return an observation as the journal has it. A daemon may be writing it meanwhile."""
        try:
            with self.journal() as journal:
                return next((entry for entry in journal.rows() if entry.key == key), None)
        except OracleError:
            return None  # not begun yet, or being written

    def journal(self) -> Journal:
        """Open the journal for reading."""
        return self.open_journal()

    def until_stage(self, key: str, stage: StageName) -> None:
        """Wait until an observation has reached a stage."""

        def reached() -> bool:
            entry = self.entry(key)
            return entry is not None and entry.stage >= stage

        self._eventually(reached, f"{key} {stage.name}")

    def until_ended(self, key: str) -> Entry:
        """Wait until an observation has ended."""

        def reached() -> bool:
            self.pulse()
            entry = self.entry(key)
            return entry is not None and entry.outcome is not None

        self._eventually(reached, f"the end of {key}")
        found = self.entry(key)
        assert found is not None
        return found

    def accepted(self) -> int:
        """Return how many observations were accepted."""
        try:
            with self.journal() as journal:
                return journal.counts()["accepted"]
        except OracleError:
            return 0

    def until_idle(self, journal_path: Path) -> None:
        """Wait until a journal has nothing open."""

        def idle() -> bool:
            with Journal(journal_path, read_only=True) as journal:
                return journal.counts()["open"] == 0

        eventually(idle, f"the end of everything in {journal_path.name}")

    def deliver(self) -> Entry:
        """Publish a reading and wait until it is accepted."""
        if self._has_own_clock:
            return self._deliver_by_own_clock()
        entry = self.until_ended(self.publish())
        assert entry.outcome is Outcome.ACCEPTED, f"{entry}\n{self.log()[-3_000:]}"
        return entry

    def _deliver_by_own_clock(self) -> Entry:
        """Deliver from a source without times: the daemon's clock sets a time that nobody knows in advance."""
        before = self.accepted()
        self.publish()
        self._eventually(lambda: self.accepted() > before, "a further round")
        with self.journal() as journal:
            return journal.confirmed()[-1]

    def kill_at(self, method: str, *, heard: bool, stage: StageName) -> None:
        """Kill the daemon at its next request of a method, once the journal has an open observation at that stage.

        Args:
            heard: Whether the node hears the request.
        """

        def act(call: Call) -> None:
            with self.journal() as journal:
                if not any(entry.outcome is None and entry.stage is stage for entry in journal.rows(limit=5)):
                    return
            if heard:
                call.forward()
            self.daemon.kill()
            raise Dropped

        self.proxy.on(method, act)

    # --- the invariants ---

    def assert_exactly_once(self, *, new_journal: bool = False) -> list[tuple[bytes, int, Outcome, int]]:
        """Assert that the chain's events match the journal's ended observations, one to one, and that none is open.

        Where the daemon's clock gives each look a time of its own, what was due when it stopped may be open.

        Args:
            new_journal: The journal was begun anew, so it lacks what the chain had before.
        """
        on_chain = events(self.chain, self.folder / "deployment.json")
        with self.journal() as journal:
            entries = [(entry.feed_id, entry.observed_at, entry.outcome, entry.answer) for entry in journal.confirmed()]
            left = {(each.feed_id, each.observed_at) for stage in journal.unfinished() for each in stage.due}
        twice = [each for each, count in Counter(each[:2] for each in on_chain).items() if count > 1]
        assert twice == [], f"twice on the chain: {twice}"
        assert not left or self._has_own_clock, f"{left} never ended"
        on_chain = [event for event in on_chain if event[:2] not in left]
        if new_journal:
            on_chain = [event for event in on_chain if event in entries]
        chain: Counter[tuple[object, ...]] = Counter(on_chain)
        kept: Counter[tuple[object, ...]] = Counter(entries)
        alone = f"on the chain alone: {list(chain - kept)}; in the journal alone: {list(kept - chain)}"
        assert chain == kept, f"{alone}\n{self.log()[-3_000:]}"
        return on_chain

    def assert_nothing_secret(self) -> None:
        """Assert that the log contains no key, password, token or traceback."""
        log = self.log()
        keys = [account.key.removeprefix("0x") for account in self.chain.accounts[:2]]
        for secret in (RPC_KEY, SOURCE_KEY, PASSWORD, *keys):
            assert secret not in log, "a secret is in the log"
        assert "Traceback" not in log, log

    def _eventually(self, holds: Callable[[], bool], what: str) -> None:
        try:
            eventually(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log ends with\n{self.log()[-3_000:]}") from None

    def _end_all(self) -> None:
        for process in self._started:
            children: list[psutil.Process] = []
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait(30)
            for child in [*children, *self._engines]:
                with contextlib.suppress(psutil.Error):
                    child.kill()


def events(chain: Anvil, deployment: Path) -> list[tuple[bytes, int, Outcome, int]]:
    """Return the events of the hub: feed, time, outcome, answer."""
    found = load_deployment(deployment)

    async def read() -> list[tuple[bytes, int, Outcome, int]]:
        async with Rpc(chain.rpc_url) as rpc:
            logs = await Hub(rpc, found.hub).logs(found.block, await rpc.block_number())
        return [
            (
                event.feed_id,
                event.observed_at,
                Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD,
                event.answer,
            )
            for event in logs
        ]

    return asyncio.run(read())


def log_lines(text: str) -> list[Mapping[str, Any]]:
    """Return the lines of the log that are JSON."""
    found: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            if isinstance(document, dict):
                found.append(document)
    return found
