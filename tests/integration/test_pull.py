"""Tests of pulled feeds end to end: a real daemon with real proofs, a real chain, and a consumer that uses viem."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import SubmitCall, decode_submission
from oracle.chain.hub.interface import hub_interface, lens_interface
from oracle.chain.local import contracts
from oracle.chain.local.anvil import Anvil
from oracle.core.types import Outcome
from scripts.bootstrap import Bootstrap
from tests.circuits import artifacts
from tests.integration.workspace import DEADLINE_S, Workspace, eventually, feed
from tests.transactions import mined

BUYER, RIVAL = 5, 6
SCALE = 10**8


@dataclass
class Price:
    """The price of a source; None: it is down."""

    value: float | None = 100.0

    def __call__(self, request: Request) -> Response:
        return Response(status=500) if self.value is None else Response(json.dumps({"price": self.value}))


@dataclass
class Pulled:
    """A daemon with a pulled feed, and the chain that it reports to.

    Attributes:
        price: What the feed's source says.
        updates: The adapter for ERC-7412.
    """

    workspace: Workspace
    price: Price
    updates: str = ""
    _answers: list[Any] = field(default_factory=list)

    @property
    def chain(self) -> Anvil:
        return self.workspace.chain

    @property
    def hub(self) -> str:
        return load_deployment(self.workspace.folder / "deployment.json").hub

    @property
    def feed_id(self) -> bytes:
        return load_deployment(self.workspace.folder / "deployment.json").feeds["eth"].feed_id

    @property
    def url(self) -> str:
        """The address at which the latest daemon serves updates."""
        port = re.findall(r'"updates_port": (\d+)', self.workspace.log())[-1]
        return f"http://127.0.0.1:{port}"

    def begin(self) -> Any:
        """Start the daemon, and wait until it serves."""
        before = self.workspace.log().count("updates_port") if (self.workspace.folder / "log").exists() else 0
        daemon = self.workspace.start("run")
        eventually(lambda: self.workspace.log().count("updates_port") > before, "a daemon that serves updates")
        return daemon

    def get(self, name: str = "eth", **headers: str) -> tuple[int, dict[str, Any], Any]:
        """Return status, document and headers."""
        asked = urllib.request.Request(f"{self.url}/v1/update/{name}", headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                body = answer.read()
                return answer.status, json.loads(body) if body else {}, answer.headers
        except urllib.error.HTTPError as error:
            body = error.read()
            return error.code, json.loads(body) if body else {}, error.headers

    def update(self, after: int = 0) -> dict[str, Any]:
        """Wait for an update that was observed later than this."""
        found: dict[str, Any] = {}

        def is_there() -> bool:
            nonlocal found
            status, found, _ = self.get()
            return status == 200 and found["observedAt"] > after

        eventually(is_there, "an update")
        return found

    def metric(self, name: str) -> float:
        port = re.findall(r'"port": (\d+)', self.workspace.log())[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            [value] = re.findall(rf'^oracle_{name}_total{{feed="eth"}} (\S+)$', answer.read().decode(), re.MULTILINE)
        return float(value)

    # --- the chain ---

    def deploy(self, code: Compiled, *arguments: Any) -> str:
        data = "0x" + (code.bytecode + Interface(code.abi).encode_constructor(*arguments)).hex()
        address: str = self._mined({"from": self.chain.accounts[BUYER].address, "data": data})["contractAddress"]
        return address

    def send(self, account: int, to: str, calldata: str) -> dict[str, Any]:
        """Send a call, and return its receipt."""
        return self._mined({"from": self.chain.accounts[account].address, "to": to, "data": calldata})

    def _mined(self, transaction: dict[str, Any]) -> dict[str, Any]:
        found = mined(self.chain.rpc, {"gas": hex(5_000_000), **transaction})
        assert found["status"] == "0x1", found
        return found

    def state(self) -> dict[str, Any]:
        """Return the feed's state on the chain."""
        lens = self._call(hub_interface(), self.hub, "lens")
        state: dict[str, Any] = self._call(lens_interface(), lens, "feedState", self.hub, self.feed_id)
        return state

    def _call(self, interface: Interface, to: str, function: str, *arguments: Any) -> Any:
        data = "0x" + interface.encode_call(function, *arguments).hex()
        answer = self.chain.rpc("eth_call", {"to": to, "data": data}, "latest")
        return interface.decode_output(function, bytes.fromhex(answer[2:]))


@pytest.fixture
def pulled(tmp_path: Path, anvil: Callable[..., Anvil], httpserver: HTTPServer) -> Iterator[Pulled]:
    price = Price()
    httpserver.expect_request("/price").respond_with_handler(price)
    with Workspace(tmp_path, anvil()) as workspace:
        yield Pulled(workspace, price)


def configure(pulled: Pulled, httpserver: HTTPServer, **changes: Any) -> None:
    source = f'{{ type = "http", url = "{httpserver.url_for("/price")}", path = "$.price", suspend_after = 1_000 }}'
    interval = changes.pop("interval", 1)
    terms = {"mode": "pull", "pull_interval": interval, "heartbeat": 3_600, "poll_interval": 0.1}
    section = f'[updates]\nlisten = "127.0.0.1:0"\n{changes.pop("updates", "")}\n'
    pulled.workspace.configure(feed("eth", source, **terms), more=section, **changes)
    done = pulled.workspace.run("deploy")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def node(project_root: Path) -> str:
    """Return a Node.js that has what the example needs."""
    setup = Bootstrap(project_root)
    assert setup.npm_is_current(), "run `make setup`"
    return shutil.which("node") or str(setup.wheel_node())


def pull(node: str, project_root: Path, pulled: Pulled, consumer: str, **settings: str) -> dict[str, Any]:
    """Run the example's script, and return what it prints."""
    environment = {
        "RPC_URL": pulled.chain.rpc_url,
        "UPDATES_URL": pulled.url,
        "PRIVATE_KEY": pulled.chain.accounts[BUYER].key,
        "DEADLINE_S": str(int(DEADLINE_S)),
        **settings,
    }
    script = project_root / "examples" / "pull" / "pull.mjs"
    done = subprocess.run(
        [node, str(script), consumer],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S + 30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def deployed_consumer(pulled: Pulled) -> str:
    pulled.updates = pulled.deploy(compiled.load("Erc7412Updates"), pulled.hub)
    code = contracts.compile_contracts({"PullConsumer": "contracts/examples/PullConsumer.sol"})["PullConsumer"]
    return pulled.deploy(code, pulled.updates, pulled.feed_id, 3_600)


def test_a_consumer_brings_the_answer_that_it_uses(
    pulled: Pulled, httpserver: HTTPServer, project_root: Path, node: str
) -> None:
    """Kept and not sent, served, pulled with viem, raced, over a restart, and audited; a fault is sent and held."""
    configure(pulled, httpserver)
    consumer = deployed_consumer(pulled)
    daemon = pulled.begin()

    # The first round is sent, and nothing after it: the rest is kept.
    update = pulled.update()
    assert pulled.workspace.counts()["accepted"] == 1
    assert (pulled.state()["roundId"], update["roundId"]) == (1, 2)
    assert (update["hub"], update["chainId"], update["value"]) == (pulled.hub, 31337, "0")
    assert update["answer"] == str(100 * SCALE) and update["goodUntil"] == update["observedAt"] + 600
    submission = decode_submission(bytes.fromhex(update["calldata"][2:]), [SubmitCall.SUBMIT_IF_NEWER])
    assert submission.signed.report.feed_ids == (pulled.feed_id,)
    _, same, headers = pulled.get("0x" + pulled.feed_id.hex())
    assert same["feedId"] == update["feedId"] and headers["Access-Control-Allow-Origin"] == "*"
    assert pulled.get("btc")[0] == 404

    # A consumer orders, learns that it needs an update, and brings it in the transaction that uses it.
    pulled.price.value = 100.3
    filled = pull(node, project_root, pulled, consumer)
    assert filled["broughtIt"] and filled["answer"] in (str(100 * SCALE), str(round(100.3 * SCALE)))
    state = pulled.state()
    assert (state["roundId"], str(state["answer"]), state["observedAt"]) == (
        2, filled["answer"], filled["observedAt"]
    )  # fmt: skip
    eventually(lambda: pulled.metric("updates_pulled") == 1, "the daemon that sees it")
    assert pulled.workspace.counts()["accepted"] == 1, "nobody but the consumer paid for it"

    # Two bring the same update: the second one's transaction succeeds, and does nothing. So does an older one.
    older = pulled.update(after=state["observedAt"])
    raced = pulled.update(after=older["observedAt"])
    pulled.send(RIVAL, pulled.hub, raced["calldata"])
    for calldata in (raced["calldata"], older["calldata"]):
        receipt = pulled.send(BUYER, pulled.hub, calldata)
        assert receipt["logs"] == [] and int(receipt["gasUsed"], 16) < 250_000
    assert pulled.state()["observedAt"] == raced["observedAt"]
    eventually(lambda: pulled.get()[1].get("roundId") != 3, "no more updates of a round that the chain has")

    # What is kept survives a restart, also if no source answers any more.
    kept = pulled.update(after=raced["observedAt"])
    pulled.price.value = None
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, pulled.workspace.log()
    with pulled.workspace.journal() as journal:
        [newest] = journal.kept()
        assert {entry.outcome for entry in journal.rows()} <= {Outcome.ACCEPTED, Outcome.OFFERED, Outcome.SUPERSEDED}
        assert journal.check().problems == ()
    daemon = pulled.begin()
    again = pulled.update()  # as soon as it has read the chain
    assert again["observedAt"] == newest.observed_at >= kept["observedAt"]

    # A fault is sent: everybody has to see that the answer is in doubt. Nothing is served of a feed that is held.
    pulled.price.value = 1_000.0
    eventually(lambda: pulled.workspace.counts().get("held", 0) >= 1, "a held answer")
    eventually(lambda: pulled.get()[0] in (204, 503), "no update of a held feed")
    pulled.price.value = 100.4
    eventually(lambda: pulled.state()["status"] == 1, "the end of the hold, which is sent, too")

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, pulled.workspace.log()
    assert "Traceback" not in pulled.workspace.log()
    audited = pulled.workspace.run(
        "audit", pulled.hub, "--rpc", pulled.chain.rpc_url, "--artifacts", str(artifacts()), "--json"
    )
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert json.loads(audited.stdout)["failed"] == 0


def test_a_private_models_verdicts_are_for_known_callers_and_an_interval_apart(
    pulled: Pulled, httpserver: HTTPServer
) -> None:
    token = pulled.workspace.folder / "desk.token"
    token.write_text("a-token-of-the-desk")
    token.chmod(0o600)
    own = pulled.workspace.own_model()
    callers = 'callers = [{ name = "desk", token_file = "desk.token" }]'
    configure(pulled, httpserver, updates=callers, prover=own, interval=2)
    daemon = pulled.begin()
    known = {"Authorization": "Bearer a-token-of-the-desk"}
    eventually(lambda: pulled.get(**known)[0] == 200, "an update")
    for headers in ({}, {"Authorization": "Bearer another-one"}, {"Authorization": "a-token-of-the-desk"}):
        status, document, given = pulled.get(**headers)
        assert (status, given["WWW-Authenticate"]) == (401, "Bearer")
        assert set(document) == {"error"}
    _, _, given = pulled.get(**known)
    assert given["Cache-Control"] == "private, no-store"

    # The price walks, beyond the deviation at each look. Nobody sees more verdicts for that.
    def walk() -> bool:
        pulled.price.value = 101.0 if pulled.price.value == 100.0 else 100.0
        return pulled.workspace.counts().get("offered", 0) >= 4

    eventually(walk, "some verdicts")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, pulled.workspace.log()
    with pulled.workspace.journal() as journal:
        times = sorted(entry.observed_at for entry in journal.rows() if entry.outcome is Outcome.OFFERED)
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 2
    assert "a-token-of-the-desk" not in pulled.workspace.log()
