"""The faults: how each is caused, when it is over, what holds afterwards, and what the log says.

Each fault is a generator. It causes the fault, checks that the fault shows, yields, and ends the fault. If the daemon
has ended by then, the test starts it again. `test_faults.py` says what holds after every one of them.

`python -m tests.chaos.faults` prints the table of docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

import pytest
from eth_utils.crypto import keccak

from oracle.chain.hub import Submission, encode_submission
from oracle.chain.keys.keystore import import_key
from oracle.chain.local.anvil import Anvil
from oracle.core.stages import Submitted
from oracle.core.types import Outcome
from oracle.feeds.journal import Journal, StageName
from oracle.feeds.journal.databases import PostgresDatabase
from oracle.proving.artifact import SRS
from tests.chaos import feedserver
from tests.chaos.feedserver import FeedServer, self_signed
from tests.chaos.proxy import Call, Http, NodeProxy, answer, delay, drop, http_error, lose_answer, refuse
from tests.chaos.scene import PASSWORD, RPC_KEY, Says, Scene, events, log_lines
from tests.integration.workspace import eventually
from tests.pipes import stop, unread
from tests.postgres import Postgres
from tests.transactions import mined

Steps: TypeAlias = Iterator[None]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: The name of the test.
        group: The part that has the fault.
        what: The fault, for the table.
        then: What the daemon makes of it, for the table.
        steps: The generator: see the module.
        says: What the log has to say. Steps that wait for the fault to show wait for the first of these.
        ends: The outcomes that published observations may have.
        options: Options of the configuration.
        feed: Options of the feed.
        environment: The daemon's environment: see `tests.chaos.saboteur`.
        new_journal: Whether the case begins a second journal.
        short: Whether it is part of every test run.
    """

    name: str
    group: str
    what: str
    then: str
    steps: Callable[[Scene], Steps]
    says: tuple[Says, ...]
    ends: frozenset[Outcome] = frozenset({Outcome.ACCEPTED})
    options: Mapping[str, Any] = field(default_factory=dict)
    feed: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    new_journal: bool = False
    short: bool = False


FAULTS: list[Fault] = []


def fault(group: str, what: str, then: str, *says: Says, **more: Any) -> Callable[[Callable[[Scene], Steps]], Any]:
    """Add a generator to the faults, under its name."""

    def add(steps: Callable[[Scene], Steps]) -> Callable[[Scene], Steps]:
        FAULTS.append(Fault(steps.__name__.strip("_").replace("_", "-"), group, what, then, steps, says, **more))
        return steps

    return add


def going_on(stage: str) -> dict[str, str]:
    return {"event": "going on", "stage": stage}


AGAIN = {"event": "will try again"}
EITHER_WAY = frozenset({Outcome.ACCEPTED, Outcome.FAILED})


# --- killed --------------------------------------------------------------------------------------------------------

KILLED = "kill −9"


@fault(KILLED, "before an observation is journalled", "it is observed again", {"event": "accepted"})
def killed_before_observed(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "before:OBSERVED", journalled=False)


@fault(
    KILLED,
    "while an observation is written, before the database commits it",
    "it is observed again",
    {"event": "accepted"},
    short=True,
)
def killed_while_writing_the_observation(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "within:OBSERVED", journalled=False)


@fault(
    KILLED,
    "after an observation is journalled, before its feed's state is read",
    "the observation goes on",
    going_on("observed"),
)
def killed_observed(scene: Scene) -> Steps:
    scene.kill_at("eth_call", heard=False, stage=StageName.OBSERVED)
    scene.publish()
    scene.killed()
    yield
    scene.proxy.clear()


@fault(KILLED, "while an observation's scores are written", "the observation is scored again", going_on("observed"))
def killed_while_writing_the_score(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "within:SCORED")


@fault(KILLED, "after an observation is scored, before its proof begins", "the observation goes on", going_on("scored"))
def killed_scored(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "after:SCORED")


@fault(KILLED, "in the middle of a proof", "the proof is made anew", going_on("scored"))
def killed_while_proving(scene: Scene) -> Steps:
    scene.engine().suspend()
    scene.until_stage(scene.publish(), StageName.SCORED)
    scene.kill()
    yield


@fault(KILLED, "after a proof is made, before it is journalled", "the proof is made anew", going_on("scored"))
def killed_before_proven(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "before:PROVEN")


@fault(
    KILLED,
    "after a proof is journalled, before its transaction is simulated",
    "the same proof is used, not made again",
    going_on("proven"),
    short=True,
)
def killed_proven(scene: Scene) -> Steps:
    scene.kill_at("eth_call", heard=False, stage=StageName.PROVEN)
    key = scene.publish()
    scene.killed()
    scene.proxy.clear()
    yield
    before = len(scene.log())
    scene.start()
    scene.until_ended(key)
    lines = log_lines(scene.log()[before:])
    assert not [line for line in lines if line.get("event") == "proven" and key in line["observations"]], "made again"


@fault(
    KILLED,
    "after a transaction is signed, before it is journalled",
    "another transaction is signed; the first one was never sent",
    going_on("proven"),
)
def killed_while_writing_the_transaction(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "within:SUBMITTED")


@fault(
    KILLED,
    "after a signed transaction is journalled, before the node hears of it",
    "the same bytes are sent",
    going_on("submitted"),
    short=True,
)
def killed_submitted(scene: Scene) -> Steps:
    yield from _killed_at_broadcast(scene, heard=False)


@fault(
    KILLED,
    "after a transaction is sent, before the node's answer is read",
    "the chain is asked, and nothing is sent twice",
    going_on("submitted"),
    short=True,
)
def killed_after_broadcast(scene: Scene) -> Steps:
    yield from _killed_at_broadcast(scene, heard=True)


@fault(KILLED, "after a transaction is mined, before its receipt is read", "the receipt is read", going_on("submitted"))
def killed_before_the_receipt(scene: Scene) -> Steps:
    scene.kill_at("eth_getTransactionReceipt", heard=False, stage=StageName.SUBMITTED)
    scene.publish()
    scene.killed()
    yield
    scene.proxy.clear()


@fault(KILLED, "while an observation's outcome is written", "the receipt is read again", going_on("submitted"))
def killed_while_writing_the_end(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "within:CONFIRMED")


@fault(KILLED, "right after an observation's outcome is written", "nothing is left to do", {"event": "stopped"})
def killed_confirmed(scene: Scene) -> Steps:
    yield from _killed_by_itself(scene, "after:CONFIRMED")


@fault(
    KILLED,
    "at five stages of one observation, one after the other",
    "the observation ends once",
    going_on("observed"),
    going_on("scored"),
    going_on("proven"),
    going_on("submitted"),
)
def killed_again_and_again(scene: Scene) -> Steps:
    scene.stop()
    key = scene.publish()
    for place in ("after:OBSERVED", "after:SCORED", "after:PROVEN", "after:SUBMITTED", "before:CONFIRMED"):
        scene.start(CHAOS_KILL=place)
        scene.killed()
    yield
    scene.start()
    entry = scene.until_ended(key)
    assert entry.attempts == 1


def _killed_by_itself(scene: Scene, place: str, *, journalled: bool = True) -> Steps:
    scene.stop()
    key = scene.publish()
    scene.start(CHAOS_KILL=place)
    scene.killed()
    assert (scene.entry(key) is not None) == journalled
    yield


def _killed_at_broadcast(scene: Scene, *, heard: bool) -> Steps:
    scene.kill_at("eth_sendRawTransaction", heard=heard, stage=StageName.SUBMITTED)
    key = scene.publish()
    scene.killed()
    scene.proxy.clear()
    signed = _submitted(scene)
    known = scene.chain.rpc("eth_getTransactionByHash", "0x" + signed.tx_hash.hex())
    assert (known is not None) == heard
    yield
    scene.start()
    entry = scene.until_ended(key)
    assert entry.tx_hash == signed.tx_hash, "another transaction was signed"
    assert entry.attempts == 1


def _submitted(scene: Scene) -> Submitted:
    with scene.journal() as journal:
        [open_stage] = journal.unfinished()
    assert isinstance(open_stage, Submitted)
    return open_stage


# --- stopped -------------------------------------------------------------------------------------------------------

STOPPED = "signals"


@fault(
    STOPPED,
    "SIGSTOP while a transaction is under way, SIGCONT once it is mined",
    "the receipt is read",
    {"event": "accepted"},
)
def paused(scene: Scene) -> Steps:
    scene.chain.rpc("evm_setAutomine", False)
    scene.until_stage(scene.publish(), StageName.SUBMITTED)
    _until_in_pool(scene)
    scene.pause()
    scene.chain.rpc("evm_mine")
    yield
    scene.chain.rpc("evm_setAutomine", True)
    scene.go_on()


@fault(
    STOPPED,
    "SIGTERM while a proof takes long",
    "after ten seconds the daemon stops anyway; at the next start the observation goes on",
    {"event": "stopped", "cut_off": "1"},
    going_on("scored"),
)
def asked_to_stop_while_proving(scene: Scene) -> Steps:
    scene.engine().suspend()
    scene.until_stage(scene.publish(), StageName.SCORED)
    scene.stop()
    yield


@fault(
    STOPPED,
    "SIGTERM while a transaction waits to be mined",
    "after ten seconds the daemon stops anyway; at the next start the observation goes on",
    {"event": "stopped", "cut_off": "1"},
    going_on("submitted"),
)
def asked_to_stop_while_sending(scene: Scene) -> Steps:
    scene.chain.rpc("evm_setAutomine", False)
    scene.until_stage(scene.publish(), StageName.SUBMITTED)
    scene.stop()
    yield
    scene.chain.rpc("evm_setAutomine", True)
    scene.chain.rpc("evm_mine")


# --- the journal ---------------------------------------------------------------------------------------------------

JOURNAL = "journal"


NO_SPACE = AGAIN | {"kind": "JournalUnavailable", "error": "can't be written: .*free some space: nothing is lost"}


@fault(JOURNAL, "the disk is full for a while", "the daemon does nothing meanwhile, and tries again", NO_SPACE)
def disk_full(scene: Scene) -> Steps:
    scene.stop()
    small = scene.folder / "small"
    small.mkdir()
    with _mounted(small):
        for path in scene.folder.glob("journal.db*"):
            shutil.move(path, small / path.name)
        scene.journal_path = small / "journal.db"
        scene.configure(journal='path = "small/journal.db"')
        scene.start()
        scene.deliver()
        filler = small / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1024))
        scene.publish()
        scene.until_said()
        filler.unlink()
        scene.until_ended(scene.published[-1])
        scene.stop()
        for path in small.glob("journal.db*"):
            shutil.move(path, scene.folder / path.name)
    scene.journal_path = scene.folder / "journal.db"
    scene.configure(journal='path = "journal.db"')
    yield


@contextlib.contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    """Mount a disk of one megabyte on a folder."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("only root can mount a small disk; the limit of a file's size is tried in any case")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@fault(
    JOURNAL,
    "a quota keeps the journal's file from growing for a while",
    "the daemon does nothing meanwhile, and tries again",
    NO_SPACE,
)
def quota(scene: Scene) -> Steps:
    pid, size = scene.daemon.pid, (scene.folder / "journal.db-wal").stat().st_size
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    scene.publish()
    scene.until_said()
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@fault(JOURNAL, "another program locks the journal for a moment", "the daemon waits", {"event": "accepted"})
def journal_locked_for_a_moment(scene: Scene) -> Steps:
    with _locked(scene):
        asked = scene.source.asked
        scene.publish()
        eventually(lambda: scene.source.asked > asked, "a look at the source")
    yield


@fault(
    JOURNAL,
    "another program locks the journal for more than five seconds",
    "the daemon does nothing meanwhile, and tries again",
    AGAIN | {"kind": "JournalUnavailable", "error": "is locked by another program"},
)
def journal_locked(scene: Scene) -> Steps:
    with _locked(scene):
        scene.publish()
        scene.until_said()
    yield


@contextlib.contextmanager
def _locked(scene: Scene) -> Iterator[None]:
    other = sqlite3.connect(scene.journal_path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@fault(
    JOURNAL,
    "a power cut takes the last writes, although the disk had confirmed them",
    "the daemon asks the chain first, and does not send what the chain has",
    {"event": "accepted", "reason": "another's transaction carried it"},
)
def journal_lost_its_end(scene: Scene) -> Steps:
    older = scene.folder / "older"
    older.mkdir()

    def keep(call: Call) -> None:
        """Copy the journal while the daemon waits for an answer: it then has the observation and no more."""
        with scene.journal() as journal:
            kept = any(entry.outcome is None and entry.stage is StageName.OBSERVED for entry in journal.rows(limit=2))
        if kept:
            for path in scene.folder.glob("journal.db*"):
                shutil.copy(path, older / path.name)

    scene.proxy.on("eth_call", keep)
    scene.kill_at("eth_getTransactionReceipt", heard=False, stage=StageName.SUBMITTED)
    scene.publish()
    scene.killed()
    scene.proxy.clear()
    for path in scene.folder.glob("journal.db*"):
        path.unlink()
    for path in older.iterdir():
        shutil.copy(path, scene.folder / path.name)
    yield


@fault(
    JOURNAL,
    "PostgreSQL is switched off in the middle of a proof, and comes back",
    "the daemon does nothing without it, then goes on",
    AGAIN | {"kind": "JournalUnavailable"},
    new_journal=True,
)
def postgres_gone(scene: Scene) -> Steps:
    server = scene.keep(contextlib.closing(Postgres()))
    scene.stop()
    scene.published.clear()  # the observations are in the other journal
    url = server.url()
    scene.open_journal = lambda: Journal(PostgresDatabase(url), read_only=True)
    scene.configure(journal=f'url = "{url}"\nlease_s = 1')
    scene.start()
    scene.deliver()
    engine = scene.engine()
    engine.suspend()
    scene.until_stage(scene.publish(), StageName.SCORED)
    server.stop()
    engine.resume()
    scene.until_said()
    yield
    server.start()


@fault(
    JOURNAL,
    "the journal's file is overwritten with rubbish, then moved away",
    "the daemon ends with one line; with a new journal nothing is reported twice, because the chain has every report",
    r"error: .*is damaged or no journal .*the chain has every report",
    new_journal=True,
)
def journal_damaged(scene: Scene) -> Steps:
    scene.stop()
    for path in scene.folder.glob("journal.db-*"):
        path.unlink()
    scene.journal_path.write_bytes(os.urandom(1 << 16))
    scene.start()
    assert scene.ended() == 1
    scene.published.clear()  # the observations are in the old journal
    yield
    scene.journal_path.unlink()


# --- clocks --------------------------------------------------------------------------------------------------------

CLOCK = "clocks"
OWN_CLOCK: dict[str, Any] = {"feed": {"timestamp_path": None}, "environment": {"CHAOS_CLOCK": "clock"}}


@fault(
    CLOCK,
    "the daemon's clock is an hour ahead, then right",
    "nothing is begun until it is right, and `/readyz` says so",
    {"event": "obstacle", "obstacle": "clock", "reason": "clock is .* s ahead"},
    {"event": "obstacle is gone", "obstacle": "clock"},
    ends=EITHER_WAY,
    options={"interval": 1},
    **OWN_CLOCK,
)
def clock_ahead(scene: Scene) -> Steps:
    (scene.folder / "clock").write_text("3600")
    with _obstructed(scene, "clock"):
        yield
        (scene.folder / "clock").write_text("0")


@fault(
    CLOCK,
    "the daemon's clock is ten minutes behind, then right",
    "nothing is reported until it is right",
    {"event": "reading is older than the feed's last report"},
    **OWN_CLOCK,
)
def clock_behind(scene: Scene) -> Steps:
    (scene.folder / "clock").write_text("-600")
    scene.publish()
    scene.until_said()
    yield
    (scene.folder / "clock").write_text("0")


@fault(
    CLOCK,
    "the chain's clock is a day ahead, until the sources catch up",
    "until then, reports fail with the reason",
    {"event": "failed", "reason": "ObservationTooOld"},
    ends=EITHER_WAY,
)
def chain_clock_ahead(scene: Scene) -> Steps:
    scene.chain.rpc("evm_increaseTime", 86_000)
    scene.chain.rpc("evm_mine")
    assert scene.until_ended(scene.publish()).outcome is Outcome.FAILED
    yield
    scene.skip_time(900)


# --- the RPC endpoint ----------------------------------------------------------------------------------------------

RPC = "RPC"


@fault(
    RPC,
    "the endpoint refuses connections",
    "the daemon tries again, later each time",
    AGAIN | {"error": "can't be reached"},
    short=True,
)
def rpc_down(scene: Scene) -> Steps:
    scene.proxy.down()
    scene.publish()
    scene.until_said()
    yield
    scene.proxy.up()


@fault(
    RPC,
    "the endpoint refuses connections when the daemon starts",
    "the daemon waits for it",
    {"event": "can't begin yet", "error": "can't be reached"},
)
def rpc_down_at_the_start(scene: Scene) -> Steps:
    scene.stop()
    scene.proxy.down()
    scene.publish()
    scene.start()
    scene.until_said()
    yield
    scene.proxy.up()


@fault(
    RPC,
    "the endpoint ends each connection without an answer",
    "the daemon tries again",
    AGAIN | {"error": "can't be reached"},
)
def rpc_drops_connections(scene: Scene) -> Steps:
    yield from _rpc(scene, None, drop)


@fault(RPC, "the endpoint takes 0.4 s longer for each answer", "reports take longer", {"event": "accepted"})
def rpc_slow(scene: Scene) -> Steps:
    scene.proxy.on(None, delay(0.4), times=12)
    scene.publish()
    scene.until_ended(scene.published[-1])
    yield


@fault(
    RPC,
    "the endpoint answers HTTP 429",
    "the daemon tries again, later each time",
    AGAIN | {"error": "limits the rate of requests: HTTP 429"},
)
def rpc_limits_the_rate(scene: Scene) -> Steps:
    yield from _rpc(scene, None, http_error(429))


@fault(
    RPC,
    "the endpoint reports a rate limit as a JSON-RPC error",
    "the daemon tries again, later each time",
    AGAIN | {"error": "limits the rate"},
)
def rpc_limits_the_rate_in_words(scene: Scene) -> Steps:
    yield from _rpc(scene, None, refuse("rate limit exceeded", -32005))


@fault(RPC, "the endpoint answers HTTP 503", "the daemon tries again", AGAIN | {"error": "answers HTTP 503"})
def rpc_fails(scene: Scene) -> Steps:
    yield from _rpc(scene, None, http_error(503))


@fault(
    RPC,
    "the endpoint answers with a page of HTML",
    "the daemon tries again",
    AGAIN | {"error": "something that is not JSON-RPC"},
)
def rpc_answers_html(scene: Scene) -> Steps:
    yield from _rpc(scene, None, lambda call: Http(200, b"<html>busy</html>", (("Content-Type", "text/html"),)))


@fault(
    RPC,
    "the endpoint answers with text where a number belongs",
    "the daemon tries again",
    AGAIN | {"error": "where .* needs"},
)
def rpc_answers_rubbish(scene: Scene) -> Steps:
    yield from _rpc(scene, None, answer("rubbish"))


@fault(
    RPC,
    "the endpoint fails once, then serves another chain",
    "the daemon ends with one line; with the right chain, it goes on",
    r"error: .*serves chain 1, but chain 31337 is configured",
)
def rpc_of_another_chain(scene: Scene) -> Steps:
    scene.proxy.on("eth_chainId", answer("0x1"))
    scene.proxy.on(None, http_error(503), times=1)
    scene.publish()
    assert scene.ended() == 1
    yield
    scene.proxy.clear()


@fault(
    RPC,
    "the endpoint takes requests and never answers",
    "the daemon tries again after its timeout",
    AGAIN | {"error": "does not answer in time"},
    options={"rpc": "rpc_timeout_s = 1"},
)
def rpc_hangs(scene: Scene) -> Steps:
    over = Event()
    yield from _rpc(scene, None, lambda call: over.wait(60) and None)
    over.set()


@fault(
    RPC,
    "the endpoint answers nothing (`0x`) where the hub is",
    "the daemon does not believe it, says so in `/readyz`, and tries again, later each time",
    AGAIN | {"kind": "AnswerNotBelieved", "error": "is not believed, as the hub .*: there is no contract"},
    short=True,
)
def rpc_answers_nothing(scene: Scene) -> Steps:
    scene.proxy.on("eth_getCode", answer("0x"))  # first: a call is followed by the question for the code
    scene.proxy.on("eth_call", answer("0x"))
    scene.publish()
    scene.until_said()
    eventually(lambda: "is not believed" in scene.unready().get("chain", ""), "/readyz says so")
    yield
    scene.proxy.clear()
    eventually(lambda: "chain" not in scene.unready(), "/readyz is well again")


@fault(
    RPC,
    "the endpoint was set back to a state in which the hub has no such feed",
    "the daemon does not believe it, and tries again, later each time",
    AGAIN | {"kind": "AnswerNotBelieved", "error": "UnknownFeed"},
)
def rpc_without_the_feed(scene: Scene) -> Steps:
    unknown = keccak(text="UnknownFeed(bytes32)")[:4] + scene.deployment.feeds["one"].feed_id
    yield from _rpc(scene, "eth_call", refuse("execution reverted", 3, "0x" + unknown.hex()))


@fault(
    RPC,
    "the first of two endpoints answers nothing where the hub is",
    "the second one is asked",
    {"event": "another RPC endpoint is asked", "reason": "is not believed: .* answers nothing to feed"},
)
def rpc_answers_nothing_as_one_of_two(scene: Scene) -> Steps:
    with _endpoints(scene, 2, ""):
        scene.proxy.on("eth_call", answer("0x"))
        assert scene.until_ended(scene.publish()).outcome is Outcome.ACCEPTED
        scene.stop()
        scene.proxy.clear()
    yield


@fault(
    RPC,
    "the endpoint answers nothing where the hub is when the daemon starts",
    "the daemon ends with one line, as it can't know that the hub was ever there; with the hub back, it goes on",
    r"error: .*there is no contract; check the address and the deployment file",
)
def rpc_answers_nothing_at_the_start(scene: Scene) -> Steps:
    scene.stop()
    scene.proxy.on("eth_getCode", answer("0x"))  # first: a call is followed by the question for the code
    scene.proxy.on("eth_call", answer("0x"))
    scene.publish()
    scene.start()
    assert scene.ended() == 1
    yield
    scene.proxy.clear()


@fault(
    RPC,
    "the first of two endpoints refuses connections for a while",
    "the second one is asked at once; later the first one is asked again",
    {"event": "another RPC endpoint is asked"},
    {"event": "back to the preferred RPC endpoint"},
)
def rpc_failover(scene: Scene) -> Steps:
    with _endpoints(scene, 2, "fail_back_after_s = 1"):
        scene.proxy.down()
        assert scene.until_ended(scene.publish()).outcome is Outcome.ACCEPTED
        scene.proxy.up()
        scene.until_told("back to the preferred RPC endpoint")
        scene.stop()
    yield


@fault(
    RPC,
    "one of three endpoints lies about receipts, and two have to agree",
    "it is outvoted",
    {"event": "RPC endpoints disagree", "about": "receipt|Receipt"},
)
def rpc_outvoted(scene: Scene) -> Steps:
    with _endpoints(scene, 3, "agreement = 2"):
        scene.proxy.on("eth_getTransactionReceipt", _reverted)
        assert scene.until_ended(scene.publish()).outcome is Outcome.ACCEPTED
        scene.stop()
        scene.proxy.clear()
    yield


@contextlib.contextmanager
def _endpoints(scene: Scene, count: int, options: str) -> Iterator[None]:
    """Start the daemon again with further endpoints of the same node."""
    scene.stop()
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(NodeProxy(scene.chain.rpc_url)) for _ in range(count - 1)]
        urls = [f"{each.url}/v2/{RPC_KEY}" for each in (scene.proxy, *others)]
        scene.configure(rpc_urls=urls, rpc=options)
        scene.start()
        scene.deliver()
        yield
    scene.configure(rpc_urls=None, rpc="")


def _reverted(call: Call) -> Any:
    """Return a receipt that says the opposite of the node's."""
    found = call.forward()
    if found.get("result"):
        found["result"] |= {"status": "0x0", "logs": []}
    return found


@fault(
    RPC,
    "the endpoint is behind, and shows the feed as it was before the last report",
    "the contract refuses the report that was proven for that state; the reason is kept",
    {"event": "state moved", "reason": "WrongRound"},
    ends=EITHER_WAY,
)
def rpc_with_a_stale_head(scene: Scene) -> Steps:
    before = hex(int(scene.chain.rpc("eth_blockNumber"), 16) - 1)

    def stale(call: Call) -> Any:
        return call.forward([call.params[0], before]) if call.params[1:] == ["latest"] else None

    scene.proxy.on("eth_call", stale)
    scene.until_ended(scene.publish())
    yield
    scene.proxy.clear()


@fault(
    RPC,
    "the endpoint says that a transaction reverted, although it did not",
    "the feed's state shows that the report was accepted",
    {"event": "state moved"},
)
def rpc_lies_of_a_revert(scene: Scene) -> Steps:
    yield from _rpc_ends(scene, "eth_getTransactionReceipt", _reverted)


@fault(
    RPC,
    "the endpoint leaves the events out of a receipt",
    "the feed's state shows that the report was accepted",
    {"event": "accepted", "reason": "another's transaction carried it"},
)
def rpc_hides_events(scene: Scene) -> Steps:
    def lie(call: Call) -> Any:
        found = call.forward()
        if found.get("result"):
            found["result"] |= {"logs": []}
        return found

    yield from _rpc_ends(scene, "eth_getTransactionReceipt", lie)


@fault(
    RPC,
    "the endpoint takes a transaction and forgets it",
    "the same bytes are sent again",
    AGAIN | {"kind": "TransactionPending"},
    going_on("submitted"),
    options={"tx_deadline_s": 1},
)
def rpc_drops_the_transaction(scene: Scene) -> Steps:
    def swallow(call: Call) -> Any:
        return call.answer("0x" + _submitted(scene).tx_hash.hex())

    scene.proxy.on("eth_sendRawTransaction", swallow, times=1)
    scene.publish()
    scene.until_said()
    yield


@fault(
    RPC,
    "the endpoint takes a transaction, but its answer is lost",
    "the transaction is sent again, and the node knows it already",
    {"event": "accepted"},
)
def rpc_loses_the_answer(scene: Scene) -> Steps:
    scene.proxy.on("eth_sendRawTransaction", lose_answer, times=1)
    scene.until_ended(scene.publish())
    yield


@fault(RPC, "the endpoint gets each transaction twice", "the transaction is mined once", {"event": "accepted"})
def rpc_hears_twice(scene: Scene) -> Steps:
    def twice(call: Call) -> Any:
        call.forward()
        return None

    yield from _rpc_ends(scene, "eth_sendRawTransaction", twice)


@fault(
    RPC,
    "the endpoint says that a transaction's nonce is used up, and has no receipt for it",
    "the feed's state shows that the report was accepted",
    {"event": "state moved", "reason": "went to another one"},
    options={"tx_deadline_s": 1},
)
def rpc_without_receipts(scene: Scene) -> Steps:
    scene.proxy.on("eth_getTransactionReceipt", answer(None))
    scene.publish()
    scene.until_said()
    yield
    scene.proxy.clear()


def _rpc(scene: Scene, method: str | None, act: Any) -> Steps:
    """Apply a rule to the proxy during which no observation moves on, and check that none does."""
    scene.proxy.on(method, act)
    scene.publish()
    scene.until_said()
    yield
    scene.proxy.clear()


def _rpc_ends(scene: Scene, method: str, act: Any) -> Steps:
    """Apply a rule to the proxy during which observations still end."""
    scene.proxy.on(method, act)
    scene.until_ended(scene.publish())
    yield
    scene.proxy.clear()


# --- transactions --------------------------------------------------------------------------------------------------

TRANSACTIONS = "transactions"


@fault(
    TRANSACTIONS,
    "a transaction is mined only after its deadline",
    "the daemon keeps asking for it, and does not sign another",
    AGAIN | {"kind": "TransactionPending"},
    options={"tx_deadline_s": 1},
)
def transaction_stuck(scene: Scene) -> Steps:
    scene.chain.rpc("evm_setAutomine", False)
    scene.publish()
    scene.until_said()
    yield
    scene.chain.rpc("evm_setAutomine", True)
    scene.chain.rpc("evm_mine")


@fault(
    TRANSACTIONS,
    "another transaction takes the nonce",
    "a new transaction is signed for the same observation",
    {"event": "state moved", "reason": "nonce \\d+ is used up"},
    options={"tx_deadline_s": 1},
)
def transaction_replaced(scene: Scene) -> Steps:
    scene.chain.rpc("evm_setAutomine", False)
    scene.until_stage(scene.publish(), StageName.SUBMITTED)
    _until_in_pool(scene)
    payer = scene.chain.accounts[0].address
    other = {"from": payer, "to": payer, "nonce": hex(_submitted(scene).nonce), "maxFeePerGas": hex(10**12),
             "maxPriorityFeePerGas": hex(10**11), "gas": hex(21_000)}  # fmt: skip
    scene.chain.rpc("eth_sendTransaction", other)
    scene.chain.rpc("evm_mine")
    yield
    scene.chain.rpc("evm_setAutomine", True)


@fault(
    TRANSACTIONS,
    "fees rise after a transaction is signed, before it is sent",
    "it is replaced by the same one with higher fees",
    {"event": "fees are too low by now"},
)
def transaction_underpriced(scene: Scene) -> Steps:
    def dearer(call: Call) -> None:
        scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
        scene.chain.rpc("evm_mine")

    scene.proxy.on("eth_sendRawTransaction", dearer, times=1)
    scene.until_ended(scene.publish())
    yield


@fault(
    TRANSACTIONS,
    "fees rise after a transaction is sent",
    "it is replaced by the same one with higher fees; whichever is mined counts",
    {"event": "transaction is stuck: replaced"},
    options={"rpc": "replace_after_s = 1"},
)
def transaction_outpaced(scene: Scene) -> Steps:
    scene.chain.rpc("evm_setAutomine", False)
    scene.until_stage(scene.publish(), StageName.SUBMITTED)
    _until_in_pool(scene)
    scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    scene.chain.rpc("evm_mine")
    scene.until_said()
    yield
    scene.chain.rpc("evm_setAutomine", True)
    scene.pulse = lambda: scene.chain.rpc("evm_mine")


@fault(
    TRANSACTIONS,
    "somebody else relays the report first",
    "our transaction reverts; the observation is accepted once",
    {"event": "accepted", "reason": "another's transaction carried it"},
    short=True,
)
def transaction_front_run(scene: Scene) -> Steps:
    def relay(call: Call) -> None:
        proven = _submitted(scene).proven
        scored = proven.scored
        carried = Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof)
        submission = {"from": scene.chain.accounts[5].address, "to": scene.deployment.hub,
                      "data": "0x" + encode_submission(carried).hex()}  # fmt: skip
        mined(scene.chain.rpc, submission)  # before ours is sent: in one block, ours would be first, for it pays more

    scene.proxy.on("eth_sendRawTransaction", relay, times=1)
    scene.until_ended(scene.publish())
    yield


@fault(
    TRANSACTIONS,
    "the payer has no money any more when a signed transaction is sent",
    "the transaction waits, and is sent once there is money",
    {"event": "obstacle", "obstacle": "funds"},
    going_on("submitted"),
)
def payer_emptied_before_sending(scene: Scene) -> Steps:
    payer = scene.chain.accounts[0].address
    balance = scene.chain.rpc("eth_getBalance", payer, "latest")
    scene.proxy.on("eth_sendRawTransaction", lambda call: scene.chain.rpc("anvil_setBalance", payer, "0x0"), times=1)
    key = scene.publish()
    scene.until_told('"obstacle": "funds"')
    eventually(lambda: "funds" in scene.unready().get("next report of one", ""), "/readyz says so")
    entry = scene.entry(key)
    assert entry is not None and entry.stage is StageName.SUBMITTED and entry.outcome is None
    yield
    scene.chain.rpc("anvil_setBalance", payer, balance)


# --- obstacles -----------------------------------------------------------------------------------------------------

OBSTACLES = "obstacles"
OFTEN = {"interval": 1}
"""The daemon looks at the chain each second: so an obstacle is told soon also if nothing is due."""


def _obstacle(kind: str) -> tuple[Says, ...]:
    return {"event": "obstacle", "obstacle": kind}, {"event": "obstacle is gone", "obstacle": kind}


@contextlib.contextmanager
def _obstructed(scene: Scene, kind: str) -> Iterator[None]:
    """Check that log, /readyz and metrics tell an obstacle, and that nothing is begun or proven while it is there.

    When it is gone, all three are asked again. The log has one line for its begin, and one for its end.
    """
    what, metric = "next report of one", f'oracle_obstacle{{feed="(one)?",kind="{kind}"}} 1.0'
    eventually(lambda: kind in scene.unready().get(what, ""), f"/readyz says {kind}")
    assert scene.told(f'"obstacle": "{kind}"') and re.search(metric, scene.metrics()), "the log, and the metric"
    scene.until_idle(scene.journal_path)  # what was begun a moment before has ended
    with scene.journal() as journal:
        entries = len(journal.rows())
    scene.publish()
    proofs, asked = scene.log().count('"event": "proven"'), scene.source.asked
    eventually(lambda: scene.source.asked >= asked + 10, "looks at the source")
    with scene.journal() as journal:
        assert len(journal.rows()) == entries, "a report was begun"
    assert scene.log().count('"event": "proven"') == proofs, "something was proven"
    yield
    eventually(lambda: what not in scene.unready(), "/readyz is well again")
    assert not re.search(metric, scene.metrics()), "the metric"
    for event in ("obstacle", "obstacle is gone"):
        lines = [line for line in log_lines(scene.log()) if line.get("event") == event and line["obstacle"] == kind]
        assert len(lines) == 1, f"{event}: {lines}"


@fault(
    OBSTACLES,
    "the guardian pauses the feed, later it goes on",
    "nothing is begun until it goes on, and `/readyz` says so",
    *_obstacle("paused"),
    options=OFTEN,
    short=True,
)
def feed_paused(scene: Scene) -> Steps:
    feed_id = scene.deployment.feeds["one"].feed_id
    scene.administer("pause", feed_id)
    with _obstructed(scene, "paused"):
        yield
        scene.administer("proposeUnpause", feed_id)
        scene.administer("unpause", feed_id)


@fault(
    OBSTACLES,
    "the guardian pauses the feed while its report is proven",
    "the proof is refused, once; nothing further is begun until the feed goes on",
    {"event": "failed", "reason": "FeedPaused|the feed is paused"},
    *_obstacle("paused"),
    options=OFTEN,
    ends=EITHER_WAY,
)
def feed_paused_during_a_proof(scene: Scene) -> Steps:
    feed_id, engine = scene.deployment.feeds["one"].feed_id, scene.engine()
    engine.suspend()
    scene.until_stage(scene.publish(), StageName.SCORED)
    scene.administer("pause", feed_id)
    engine.resume()
    assert scene.until_ended(scene.published[-1]).outcome is Outcome.FAILED
    with _obstructed(scene, "paused"):
        yield
        scene.administer("proposeUnpause", feed_id)
        scene.administer("unpause", feed_id)


@fault(
    OBSTACLES,
    "the reporter is removed from the committee, later it is one again",
    "nothing is begun until it is one again, and `/readyz` says so",
    *_obstacle("reporter"),
    options=OFTEN,
)
def reporter_removed(scene: Scene) -> Steps:
    number = scene.deployment.committees["default"].number

    def rotate(account: int) -> None:
        scene.administer("proposeReporters", number, [scene.chain.accounts[account].address], 1)
        scene.administer("activateReporters", number)

    rotate(2)
    with _obstructed(scene, "reporter"):
        yield
        rotate(1)


@fault(
    OBSTACLES,
    "the reporter is removed from the committee while its report is proven",
    "the report is not sent; it waits, and is signed and proven anew once the key is a reporter again",
    {"event": "state moved", "reason": "WrongEpoch"},
    *_obstacle("reporter"),
    options=OFTEN,
)
def reporter_removed_during_a_proof(scene: Scene) -> Steps:
    number, engine = scene.deployment.committees["default"].number, scene.engine()

    def rotate(account: int) -> None:
        scene.administer("proposeReporters", number, [scene.chain.accounts[account].address], 1)
        scene.administer("activateReporters", number)

    engine.suspend()
    scene.until_stage(scene.publish(), StageName.SCORED)
    rotate(2)
    engine.resume()
    scene.until_told('"obstacle": "reporter"')
    eventually(lambda: "reporter" in scene.unready().get("next report of one", ""), "/readyz says so")
    proofs = scene.log().count('"event": "proven"')
    yield
    assert scene.log().count('"event": "proven"') == proofs
    rotate(1)


@fault(
    OBSTACLES,
    "the payer is emptied, later somebody sends it money",
    "nothing is begun until there is money, and `/readyz` says so",
    *_obstacle("funds"),
    options=OFTEN,
    short=True,
)
def payer_emptied(scene: Scene) -> Steps:
    payer = scene.chain.accounts[0].address
    balance = scene.chain.rpc("eth_getBalance", payer, "latest")
    scene.chain.rpc("anvil_setBalance", payer, "0x0")
    with _obstructed(scene, "funds"):
        yield
        scene.chain.rpc("anvil_setBalance", payer, balance)


def _until_in_pool(scene: Scene) -> None:
    tx_hash = "0x" + _submitted(scene).tx_hash.hex()
    eventually(lambda: scene.chain.rpc("eth_getTransactionByHash", tx_hash) is not None, "a transaction in the pool")


# --- the chain -----------------------------------------------------------------------------------------------------

CHAIN = "chain"


def _reorganised(depth: int) -> None:
    @fault(CHAIN, f"a reorganisation of {depth} block{'s' * (depth > 1)} takes back a report that is not final yet",
           "the same bytes are sent again", AGAIN | {"kind": "TransactionPending"}, going_on("submitted"),
           options={"tx_deadline_s": 1, "confirmations": depth + 1})  # fmt: skip
    def steps(scene: Scene) -> Steps:
        scene.pulse = lambda: None
        key = scene.publish()
        scene.until_stage(key, StageName.SUBMITTED)
        tx_hash = "0x" + _submitted(scene).tx_hash.hex()
        eventually(lambda: scene.chain.rpc("eth_getTransactionReceipt", tx_hash) is not None, "a receipt")
        for _ in range(depth - 1):
            scene.chain.rpc("evm_mine")
        scene.chain.rpc("anvil_reorg", depth, [])
        scene.chain.rpc("anvil_dropAllTransactions")
        assert scene.chain.rpc("eth_getTransactionReceipt", tx_hash) is None
        scene.until_told("without .* confirmations|is not mined")
        yield
        scene.pulse = lambda: scene.chain.rpc("evm_mine")

    FAULTS[-1] = _renamed(FAULTS[-1], f"reorganisation-of-{depth}")


def _renamed(found: Fault, name: str) -> Fault:
    from dataclasses import replace

    return replace(found, name=name)


for _depth in (1, 3, 12):
    _reorganised(_depth)


@fault(
    CHAIN,
    "a reorganisation deeper than `confirmations` takes back a final report; nodes keep the transaction",
    "the transaction is mined again",
    {"event": "accepted"},
)
def reorganisation_of_what_was_final(scene: Scene) -> Steps:
    scene.deliver()
    scene.chain.rpc("anvil_reorg", 1, [])
    yield
    scene.chain.rpc("evm_mine")


@fault(
    CHAIN,
    "the same, but all nodes forget the transaction",
    "the next report finds its nonce free again; the same bytes are sent before it",
    {"event": "sent again"},
)
def reorganisation_that_forgets_what_was_final(scene: Scene) -> Steps:
    scene.deliver()
    scene.chain.rpc("anvil_reorg", 1, [])
    scene.chain.rpc("anvil_dropAllTransactions")
    yield


@fault(CHAIN, "the node restarts with its state", "the daemon tries again, then goes on", AGAIN)
def chain_restarted(scene: Scene) -> Steps:
    scene.chain.stop()
    scene.publish()
    scene.until_said()
    yield
    scene.chain.start()
    scene.proxy.upstream = scene.chain.rpc_url


@fault(
    CHAIN,
    "the node restarts without its state, later with it",
    "the daemon does not believe it and tries again, later each time; with the state back, it goes on",
    AGAIN | {"kind": "AnswerNotBelieved", "error": "there is no contract"},
)
def chain_forgotten(scene: Scene) -> Steps:
    scene.chain.stop()
    with Anvil(scene.staged.chain.model_copy(update={"port": 0, "state_file": None})) as empty:
        scene.proxy.upstream = empty.rpc_url
        scene.publish()
        scene.until_said()
    yield
    scene.chain.start()
    scene.proxy.upstream = scene.chain.rpc_url


# --- provers -------------------------------------------------------------------------------------------------------

PROVER = "prover"


@fault(
    PROVER,
    "the proving process is killed in the middle of a proof",
    "a new process makes the proof",
    AGAIN | {"error": "the proving process died during prove: signal 9"},
    short=True,
)
def prover_killed(scene: Scene) -> Steps:
    engine = scene.engine()
    stop(engine.pid)
    scene.publish()
    eventually(lambda: unread(engine.pid) > 0, "the proof is asked for")  # else a new process would be asked at once
    engine.kill()
    scene.until_said()
    yield


@fault(PROVER, "ezkl panics", "a new process makes the proof", AGAIN | {"error": "ezkl panicked during prove"})
def prover_panics(scene: Scene) -> Steps:
    with _own_artifact(scene) as artifact:
        # An SRS for no rows at all, at which ezkl panics.
        good = (artifact / SRS).read_bytes()
        (artifact / SRS).write_bytes(bytes(len(good)))
        scene.publish()
        scene.until_said()
        yield
        (artifact / SRS).write_bytes(good)


@fault(
    PROVER,
    "the proving process takes more memory than it may",
    "the daemon ends with one line, because another attempt would take as much; with a higher limit, it goes on",
    r"error: .*MiB, more than its limit of 20 MiB: raise the limit",
)
def prover_out_of_memory(scene: Scene) -> Steps:
    scene.stop()
    scene.publish()
    scene.start(CHAOS_MEMORY_MB="20")
    assert scene.ended() == 1
    yield


@fault(
    PROVER,
    "a proof takes longer than its deadline",
    "its process is ended, and a new one makes the proof",
    AGAIN | {"error": "prove was not done within 2 s"},
    options={"prover": "deadline_s = 2"},
)
def prover_too_slow(scene: Scene) -> Steps:
    scene.engine().suspend()
    scene.publish()
    scene.until_said()
    yield


@fault(
    PROVER,
    "the proving key is gone from the disk",
    "the daemon ends with one line; with the key back, it goes on",
    r"error: .*refused prove",
)
def prover_without_its_key(scene: Scene) -> Steps:
    with _own_artifact(scene) as artifact:
        (artifact / "pk.key").rename(artifact / "away")
        scene.publish()
        assert scene.ended() == 1
        yield
        (artifact / "away").rename(artifact / "pk.key")


@contextlib.contextmanager
def _own_artifact(scene: Scene) -> Iterator[Path]:
    """Start the daemon again with a copy of the artifact, in which a test may break something."""
    scene.stop()
    path = scene.folder / "deployment.json"
    document = json.loads(path.read_text())
    [model] = document["deployment"]["models"].values()
    [(batch, folder)] = model["artifacts"].items()
    own = scene.folder / Path(folder).name
    shutil.copytree(folder, own, dirs_exist_ok=True)
    model["artifacts"] = {batch: str(own)}
    path.write_text(json.dumps(document))
    scene.start()
    scene.deliver()
    yield own


# --- sources -------------------------------------------------------------------------------------------------------

SOURCE = "source"


def _no_value(reason: str) -> dict[str, str]:
    return {"event": "source gave no value", "error": reason}


@fault(SOURCE, "the source refuses connections", "it is asked again", _no_value("can't be reached"))
def source_down(scene: Scene) -> Steps:
    scene.source.down()
    scene.until_said()
    yield
    scene.source.up()


@fault(SOURCE, "the source hangs up in the middle of an answer", "it is asked again", _no_value("can't be reached"))
def source_hangs_up(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.hang_up)


@fault(SOURCE, "the source answers HTTP 503", "it is asked again", _no_value("answered HTTP 503"))
def source_fails(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.failing)


@fault(SOURCE, "the source answers with a page of HTML", "it is asked again", _no_value("HTML or XML, not JSON"))
def source_answers_html(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.html)


@fault(SOURCE, "the source answers with half a document", "it is asked again", _no_value("it ends in the middle"))
def source_answers_half(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.cut_json)


@fault(SOURCE, "the source answers NaN", "it is asked again", _no_value("NaN, which is not a number in JSON"))
def source_answers_nan(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.not_a_number)


@fault(SOURCE, "the source gives two prices under one key", "neither is taken", _no_value("the key 'price' twice"))
def source_answers_twice(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.key_twice)


@fault(SOURCE, "a cache answers HTTP 304 for the source", "it is told as what it is", _no_value("nothing has changed"))
def source_answers_unchanged(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.unchanged)


@fault(SOURCE, "the source's answer unpacks to 64 megabytes", "it is cut off at one", _no_value("larger than 1048576"))
def source_sends_a_bomb(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.bomb)


@fault(SOURCE, "the source's answer has no end", "it is cut off at a megabyte", _no_value("larger than 1048576 bytes"))
def source_without_an_end(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.huge)


@fault(
    SOURCE,
    "the source sends a byte now and then (slow-loris)",
    "it is cut off at its timeout",
    _no_value("no answer within 1 s"),
    feed={"timeout": 1.0},
)
def source_drips(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.drip)


@fault(
    SOURCE,
    "the source redirects to another host",
    "the redirect is not followed",
    _no_value(r"a redirect to http://169\.254\.169\.254/.*, which is not followed"),
)
def source_redirects(scene: Scene) -> Steps:
    yield from _misbehaving(scene, feedserver.redirect)


@fault(SOURCE, "the source shows a certificate that nobody signed", "it is not believed", _no_value("certificate"))
def source_with_a_wrong_certificate(scene: Scene) -> Steps:
    with FeedServer(self_signed(scene.folder)) as other:
        scene.configure(url=other.url)
        scene.reload()
        scene.until_said()
        yield
        scene.configure(url=scene.source.url)
        scene.reload()


@fault(
    SOURCE,
    "the source lies: ten times the price",
    "the report is held, where everybody sees it; the next good report clears the hold",
    {"event": "held"},
    ends=frozenset({Outcome.ACCEPTED, Outcome.HELD}),
)
def source_lies(scene: Scene) -> Steps:
    for _ in range(2):
        scene.deliver()
    assert scene.until_ended(scene.publish("1000")).outcome is Outcome.HELD
    yield


@fault(
    SOURCE,
    "the source fails again and again",
    "it is suspended for a while, then asked once",
    {"event": "source suspended"},
    {"event": "source answers again"},
    feed={"suspend_after": 2},
)
def source_suspended(scene: Scene) -> Steps:
    scene.source.fault = feedserver.html
    scene.until_told("source suspended")
    yield
    scene.source.fault = None
    scene.until_told("source answers again")


@fault(
    SOURCE,
    "the source's document has another shape",
    "the source gives no value, and `/readyz` says why; with the old shape it is asked as before",
    _no_value(r"\$\.price.*"),
    {"event": "will try again", "error": r"\$\.price"},
    {"event": "has an answer again"},
    feed={"suspend_after": 1_000},
)
def source_changed_in_shape(scene: Scene) -> Steps:
    scene.source.fault = feedserver.another_shape
    scene.until_said()
    eventually(lambda: "$.price" in scene.unready().get("reports of one", ""), "/readyz says so")
    yield
    scene.source.fault = None
    eventually(lambda: not scene.unready(), "/readyz is well again")
    told = [
        line for line in log_lines(scene.log()) if line.get("event") == "will try again" and "$.price" in line["error"]
    ]
    assert len(told) == 1, "said once, however often it was asked"


@fault(
    SOURCE,
    "the source gives a value below the feed's last decimal",
    "it is told once as a problem of the source, and nothing is begun",
    {"event": "will try again", "error": "its answer would be 0: .* is 8; scale the value"},
    {"event": "has an answer again"},
)
def source_below_the_last_decimal(scene: Scene) -> Steps:
    with scene.journal() as journal:
        entries = len(journal.rows())
    scene.publish("0.000000001")
    scene.published.pop()
    scene.until_told("its answer would be 0")
    asked = scene.source.asked
    eventually(lambda: scene.source.asked >= asked + 2, "looks at the source")
    assert scene.log().count("its answer would be 0") == 1
    with scene.journal() as journal:
        assert len(journal.rows()) == entries, "a report was begun"
    yield


def _misbehaving(scene: Scene, how: feedserver.Misbehaviour) -> Steps:
    scene.source.fault = how
    scene.until_said()
    yield
    scene.source.fault = None


# --- keys and company ----------------------------------------------------------------------------------------------

KEYS = "keys"


@fault(
    KEYS,
    "the keystore is damaged",
    "the daemon does not start; with the keystore back, it goes on",
    r"error: keystore .*is not an encrypted keystore",
)
def keystore_damaged(scene: Scene) -> Steps:
    yield from _keystore(scene, lambda folder: (folder / "reporter.json").write_text('{"version": 3, "crypto": "'))


@fault(
    KEYS,
    "the keystore can't be read",
    "the daemon does not start; with the keystore back, it goes on",
    r"error: keystore .*can't be read",
)
def keystore_unreadable(scene: Scene) -> Steps:
    def unreadable(folder: Path) -> None:
        (folder / "reporter.json").unlink()
        (folder / "reporter.json").mkdir()  # not even root can read it as a file

    yield from _keystore(scene, unreadable)


@fault(
    KEYS,
    "the password is wrong",
    "the daemon does not start; with the right one, it goes on",
    r"error: keystore .*wrong password",
)
def keystore_with_a_wrong_password(scene: Scene) -> Steps:
    yield from _keystore(scene, lambda folder: (folder / "password").write_text(PASSWORD[:-1]))


def _keystore(scene: Scene, spoil: Callable[[Path], Any]) -> Steps:
    store, password = scene.folder / "reporter.json", scene.folder / "password"
    password.touch(0o600)
    password.write_text(PASSWORD)
    import_key(store, scene.chain.accounts[1].key, PASSWORD, iterations=2)
    good = store.read_text()
    scene.configure(reporter='{ keystore = "reporter.json", password_file = "password" }')
    scene.stop()
    scene.start()
    scene.deliver()
    scene.stop()
    spoil(scene.folder)
    scene.publish()
    scene.start()
    assert scene.ended() == 2
    yield
    if store.is_dir():
        store.rmdir()
    store.touch(0o600)
    store.write_text(good)
    password.write_text(PASSWORD)


COMPANY = "two daemons"


@fault(
    COMPANY,
    "they share one journal",
    "the second one does not start",
    r"error: .*is in use by another process; two daemons can't share a journal",
)
def two_daemons_on_one_journal(scene: Scene) -> Steps:
    first = scene.daemon
    second = scene.start()
    assert second.wait(60) == 1
    scene.forget(second)
    assert first.poll() is None
    yield


@fault(
    COMPANY,
    "they have journals of their own, and the same sources and keys",
    "each report is on the chain once; a report that the other daemon brought ends as the chain has it",
    {"event": "accepted"},
    new_journal=True,
)
def two_daemons_with_the_same_keys(scene: Scene) -> Steps:
    first = scene.daemon
    second_journal = scene.folder / "second.db"
    scene.configure(journal='path = "second.db"')
    second = scene.start()
    eventually(lambda: scene.log().count("leads the journal") == 2, "the second daemon")
    for _ in range(5):
        before = len(events(scene.chain, scene.folder / "deployment.json"))
        scene.publish()
        eventually(lambda: len(events(scene.chain, scene.folder / "deployment.json")) > before, "a report on the chain")  # noqa: B023
    for path in (scene.journal_path, second_journal):
        scene.until_idle(path)
    scene.forget(second)
    ends: dict[str, set[Outcome | None]] = {}
    for path in (scene.journal_path, second_journal):
        with Journal(path, read_only=True) as journal:
            for entry in journal.rows():
                ends.setdefault(entry.key, set()).add(entry.outcome)
    assert all(Outcome.ACCEPTED in ends[key] for key in scene.published), ends
    assert set().union(*ends.values()) <= {Outcome.ACCEPTED, Outcome.SUPERSEDED}
    scene.published.clear()  # either of them may have been first
    scene.configure(journal='path = "journal.db"')
    assert first.poll() is None
    yield


def table() -> str:
    """Return the faults as a table in Markdown."""
    lines = ["| kind | fault | what happens then |", "|---|---|---|"]
    for group in dict.fromkeys(each.group for each in FAULTS):
        lines += [f"| {group} | {each.what} | {each.then} |" for each in FAULTS if each.group == group]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
