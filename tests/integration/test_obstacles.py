"""Tests of obstacles with a real chain and a running daemon: every surface tells the same, in the same words.

Something is put in the way of the next reports, and `/readyz`, `/metrics`, `oracle doctor`, `oracle status` and `oracle
config check --chain` are asked; then it is taken away again.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as field_of
from functools import partial

import pytest

from oracle.app.asked_readiness import ask_readiness
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.hub import hub_interface
from oracle.chain.local.anvil import Anvil
from oracle.config import load
from oracle.core.obstacles import ObstacleKind
from tests.attack.storage import feed_slot
from tests.chaos.feedserver import FeedServer
from tests.circuits import artifacts
from tests.integration.workspace import Workspace, eventually, feed
from tests.transactions import mined

PAUSED, LINKED, MODEL = 2, 8, 1 << 32
"""The bits of a feed's configuration in the hub's storage; of the model's number, the lowest."""

OTHERS = tuple(f"0x{index:02x}" + "33" * 19 for index in range(1, 4))


@dataclass
class Operator:
    """Whoever runs the oracle, and looks at all that it shows."""

    workspace: Workspace
    deployment: Deployment
    unlinked: tuple[dict[str, list[str]], dict[str, str]] = field_of(default_factory=lambda: ({}, {}))
    """The words of all surfaces while one feed had no adapter."""

    def told(self) -> dict[str, list[str]]:
        """Return what each surface says of the next reports; figures are left out, as they change each second."""
        status = json.loads(self.workspace.run("status", "--json").stdout)
        doctor = json.loads(self.workspace.run("doctor", "--json").stdout)
        checked = self.workspace.run("config", "check", "--chain")
        assert status["ready"] == (not status["obstacles"]) == (checked.returncode == 0)
        return {
            "status": sorted({_told(each["kind"], each["detail"], each["remedy"]) for each in status["obstacles"]}),
            "doctor": sorted(
                _told(each["name"].rpartition("(")[2].rstrip(")"), each["detail"], each["remedy"])
                for each in doctor
                if each["name"].startswith("next report of") and not each["ok"]
            ),
            "config check": sorted(
                _without_figures(line.partition("next report of ")[2].partition(": ")[2])
                for line in checked.stderr.splitlines()
                if line.startswith("error: ") and "next report of " in line
            ),
        }

    def ready(self) -> dict[str, str]:
        """Return what /readyz says of the next reports that would not be taken, by feed."""
        found = json.loads(self.page("readyz"))["checks"]
        return {
            each["name"].removeprefix("next report of "): _without_figures(each["detail"])
            for each in found
            if each["name"].startswith("next report of ") and not each["ok"]
        }

    def page(self, name: str) -> str:
        """Return a page of the daemon."""
        port = re.findall(r'"port": (\d+)', self.workspace.log())[-1]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=60) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def shown(self) -> set[tuple[str, str]]:
        """Return feed and kind of each obstacle that the metrics show."""
        found = re.findall(r'^oracle_obstacle\{feed="(\w*)",kind="(\w+)"\} 1\.0$', self.page("metrics"), re.MULTILINE)
        return set(found)

    def rpc(self, method: str, *params: object) -> None:
        self.workspace.chain.rpc(method, *params)

    def change(self, name: str, bits: int) -> None:
        """Change bits of a feed's configuration in the hub's storage."""
        slot = hex(feed_slot(self.deployment.feeds[name].feed_id))
        word = int(self.workspace.chain.rpc("eth_getStorageAt", self.deployment.hub, slot, "latest"), 16) ^ bits
        self.rpc("anvil_setStorageAt", self.deployment.hub, slot, "0x" + word.to_bytes(32).hex())

    def reporters(self, quorum: int, *addresses: str) -> None:
        """Replace the committee's reporters; `oracle committee` would refuse what puts the quorum out of reach."""
        number = self.deployment.committees["default"].number
        for name, arguments in (("proposeReporters", (number, addresses, quorum)), ("activateReporters", (number,))):
            data = "0x" + hub_interface().encode_call(name, *arguments).hex()
            sent = {"from": self.deployment.admin, "to": self.deployment.hub, "data": data}
            assert mined(self.workspace.chain.rpc, sent)["status"] == "0x1", name

    def feed(self, command: str, name: str) -> None:
        done = self.workspace.run("feed", command, name)
        assert done.returncode == 0, done.stderr


def _told(kind: str, detail: str, remedy: str) -> str:
    return _without_figures(f"{kind}: {detail}; {remedy}" if remedy else f"{kind}: {detail}")


def _without_figures(text: str) -> str:
    return re.sub(r"(?<!\w)\d(?:[\d,.]*\d)?(?!\w)", "#", text)


def _off_by(seconds: float) -> float:
    """Return the time by a clock that is ahead by so many seconds."""
    return time.time() + seconds


def source(server: FeedServer, name: str) -> str:
    return f'{{ type = "http", url = "{server.url}/{name}", path = "$.price", allow_string = true }}'


LIMIT = "[budget]\nether_per_day = 0.2"
GWEI = 10**9

FEEDS = {"heartbeat": 3_600, "max_age": 600, "max_skew": 60, "poll_interval": 0.2}


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with FeedServer() as made:
        made.next = lambda name: ("100", int(time.time()))
        yield made


@pytest.fixture(scope="module")
def feeds(server: FeedServer) -> tuple[str, str]:
    """Return two feeds; the second one has the first as its peer."""
    return (
        feed("one", source(server, "one"), **FEEDS),
        feed("two", source(server, "two"), **FEEDS, peers=["ONE"]),
    )


@pytest.fixture(scope="module")
def operator(
    anvil: Callable[..., Anvil], feeds: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """Deploy two feeds, and run a daemon until it has reported both. At first, one of them has no adapter.

    An adapter that was linked stays linked, so the daemon looks no more once it is.
    """
    with Workspace(tmp_path_factory.mktemp("obstacles"), anvil()) as workspace, pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.app.doctor.examine", lambda **given: [])  # programs of this machine, which take seconds
        workspace.configure(*feeds, more=LIMIT)
        done = workspace.run("deploy")
        assert done.returncode == 0, done.stderr
        made = Operator(workspace, load_deployment(workspace.folder / "deployment.json"))
        made.change("two", LINKED)
        workspace.start("run")
        eventually(lambda: workspace.counts().get("accepted", 0) >= 2, "a round of each feed, linked or not")
        eventually(lambda: made.shown() == {("two", "adapter")}, "the adapter in the metrics")
        made.unlinked = made.told(), made.ready()
        made.change("two", LINKED)
        yield made


@pytest.fixture
def ready(operator: Operator) -> Operator:
    """Wait until the daemon is ready again."""
    eventually(lambda: not operator.shown() and json.loads(operator.page("readyz"))["ok"], "a daemon that is ready")
    return operator


def pause(operator: Operator) -> None:
    operator.feed("pause", "one")


def unpause(operator: Operator) -> None:
    operator.feed("propose-unpause", "one")
    operator.feed("unpause", "one")


def gas_costs(operator: Operator, gwei: int) -> None:
    operator.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
    operator.rpc("evm_mine")


def mine(operator: Operator) -> str:
    return str(operator.workspace.chain.accounts[1].address)


CASES: dict[str, tuple[ObstacleKind, str, set[str], Callable[[Operator], object], Callable[[Operator], object]]] = {
    "paused": (ObstacleKind.PAUSED, "the feed is paused; .*`oracle feed propose-unpause one`", {"one"}, pause, unpause),
    "the key is no reporter": (
        ObstacleKind.REPORTER,
        r"\[keys\] reporter is 0x.*, which is not among the committee's reporters, 0x.*`oracle committee propose-",
        {"one", "two"},
        lambda operator: operator.reporters(1, *OTHERS[:1]),
        lambda operator: operator.reporters(1, mine(operator)),
    ),
    "the quorum is out of reach": (
        ObstacleKind.QUORUM,
        r"this process has # reporter key for it, the quorum is #: no report would ever be accepted",
        {"one", "two"},
        lambda operator: operator.reporters(3, mine(operator), *OTHERS[:2]),
        lambda operator: operator.reporters(1, mine(operator)),
    ),
    "the payer is empty": (
        ObstacleKind.FUNDS,
        "the payer 0x.* has # ether, and the next report may cost #: # gas at up to # gwei; send it ether",
        {""},
        lambda operator: operator.rpc("anvil_setBalance", operator.workspace.chain.accounts[0].address, "0x0"),
        lambda operator: operator.rpc("anvil_setBalance", operator.workspace.chain.accounts[0].address, hex(10**22)),
    ),
    "the daily limit": (
        ObstacleKind.BUDGET,
        r"# of the # ether that # hours may cost .*and the next report may cost #; "
        r"raise \[budget\] ether_per_day: it is less than one report may cost",
        {""},
        partial(gas_costs, gwei=400),
        partial(gas_costs, gwei=1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_obstacle_is_told_everywhere_in_the_same_words_until_it_is_gone(ready: Operator, name: str) -> None:
    kind, says, feeds, begin, end = CASES[name]
    begin(ready)
    try:
        eventually(lambda: ready.shown() == {(feed, kind.value) for feed in feeds}, f"{kind} in the metrics")
        told, page = ready.told(), ready.ready()
    finally:
        end(ready)
    [words] = set(page.values())
    assert set(page) == (feeds if feeds != {""} else {"one", "two"})
    assert re.search(says, words), words
    assert told == {surface: [words] for surface in told}


def test_what_was_paid_is_what_the_chain_has_taken(ready: Operator) -> None:
    told = json.loads(ready.workspace.run("cost", "--json").stdout)
    with ready.workspace.journal() as journal:
        sent = {f"0x{each.tx_hash.hex()}" for each in journal.confirmed() if each.tx_hash is not None}
    receipts = [ready.workspace.chain.rpc("eth_getTransactionReceipt", each) for each in sent]
    paid = sum(int(each["gasUsed"], 16) * int(each["effectiveGasPrice"], 16) for each in receipts)
    assert paid and told["paid"] == told["limit"]["dearest"] == paid
    assert told["limit"]["spent"] == paid and told["limit"]["set_aside"] == 0, "nothing is under way"
    assert set(told["feeds"]) == {"one", "two"} and told["price"]["basis"] == "measured"


def test_an_adapter_that_is_not_linked_is_told_and_stops_no_report(operator: Operator) -> None:
    told, page = operator.unlinked
    words = (
        "adapter: the hub links no adapter to it: consumers of Chainlink's interface hear of no round; "
        "run `oracle deploy` again: it adds what is missing"
    )
    assert page == {"two": words}
    assert told == {surface: [words] for surface in told}


def test_an_active_model_that_is_not_here_is_told(ready: Operator) -> None:
    """The words differ: a command looks for the artifact, and the daemon for a prover that it has started."""
    ready.change("one", MODEL * 3)  # number 2 in the place of 1
    try:
        eventually(lambda: ready.shown() == {("one", "model")}, "the model in the metrics")
        told, page = ready.told(), ready.ready()
    finally:
        ready.change("one", MODEL * 3)
    assert set(page) == {"one"} and "has started with provers for # only" in page["one"]
    [words] = told["status"]
    assert words.startswith("model: its active model is number #: the deployment file has # only")
    assert told == {surface: [words] for surface in told}


@pytest.fixture
def changed(ready: Operator) -> Iterator[Operator]:
    """Return the operator, whose files may be changed: they are as before afterwards. The daemon does not read them."""
    kept = {name: (ready.workspace.folder / name).read_text() for name in ("oracle.toml", "deployment.json")}
    yield ready
    for name, text in kept.items():
        (ready.workspace.folder / name).write_text(text)


def test_a_feed_that_is_not_deployed_is_shown_and_told(
    changed: Operator, feeds: tuple[str, str], server: FeedServer
) -> None:
    changed.workspace.configure(*feeds, feed("three", source(server, "three"), **FEEDS))
    told = changed.told()
    words = ["deployment: the deployment file does not have it; not deployed: run `oracle deploy`"]
    assert told == dict.fromkeys(told, words)
    shown = json.loads(changed.workspace.run("status", "--json").stdout)["feeds"]
    assert {each["name"]: each["status"] for each in shown}["three"] == "not deployed: run `oracle deploy`"
    assert "not deployed" in changed.workspace.run("status").stdout


def test_settings_that_the_hub_has_otherwise_are_told(changed: Operator, feeds: tuple[str, str]) -> None:
    """With other decimals, each answer would be a hundredth of what it should be."""
    changed.workspace.configure(feeds[0].replace("decimals = 8", "decimals = 6"), feeds[1])
    told = changed.told()
    words = "deployment: decimals is # in the configuration, and # on the hub, where it never changes; correct it, or "
    assert told == {surface: [f"{words}deploy a feed of another name"] for surface in told}


def test_a_peer_that_is_not_configured_is_told(changed: Operator, server: FeedServer) -> None:
    """The file alone shows nothing wrong: the feed's peers are the hub's."""
    changed.workspace.configure(feed("two", source(server, "two"), **FEEDS))
    told = changed.told()
    words = ["peer: its peer one is not among [[feeds]]; configure it with sources, as it is signed, too"]
    assert told == dict.fromkeys(told, words)


def test_an_artifact_that_is_not_here_is_told(changed: Operator, feeds: tuple[str, str]) -> None:
    changed.workspace.configure(*feeds, artifacts="elsewhere")
    path = changed.workspace.folder / "deployment.json"
    path.write_text(path.read_text().replace(str(artifacts()), "/nowhere"))
    told = changed.told()
    [words] = told["status"]
    assert re.search("model: its active model is number #: the artifact of model # .* copy its folder there", words)
    assert told == {surface: [words] for surface in told}


def test_an_adapter_that_is_not_deployed_is_told(changed: Operator, feeds: tuple[str, str]) -> None:
    changed.workspace.configure(
        feeds[0].replace("min_sources", 'adapters = [{ mode = "strict" }]\nmin_sources'), feeds[1]
    )
    told = changed.told()
    words = (
        "adapter: its strict adapter of the configuration is not deployed; run `oracle deploy` again: it adds what is "
    )
    assert told == {surface: [f"{words}missing"] for surface in told}


def test_keys_that_are_not_here_are_told(changed: Operator, feeds: tuple[str, str]) -> None:
    """To whoever looks it is an obstacle; to the check of the configuration, a wrong file, too."""
    changed.workspace.configure(*feeds, reporter='{ keystore = "none.json", password_file = "none" }')
    told = changed.told()
    [words] = told["status"]
    assert re.search(r"reporter: the reporter key is not here: .*none\.json", words)
    assert told == {surface: [words] for surface in told}
    checked = changed.workspace.run("config", "check", "--chain")
    assert checked.returncode == 2 and "none.json" in checked.stderr


def test_another_chain_s_deployment_file_is_told(changed: Operator) -> None:
    path = changed.workspace.folder / "deployment.json"
    path.write_text(path.read_text().replace('"chain_id": 31337', '"chain_id": 5'))
    done = changed.workspace.run("config", "check", "--chain")
    assert done.returncode == 1
    assert (
        "next report of every feed: deployment: " in done.stderr
        and "is of chain 5, but the RPC serves 31337" in done.stderr
    )


def test_the_clock_is_compared_with_the_chain_s(ready: Operator) -> None:
    """Ahead of it, as the machine sees it whose clock is wrong; and behind it, as all do once the chain's is ahead."""
    config = load(ready.workspace.folder / "oracle.toml", {})
    for ahead, says in ((-700, "# s behind the chain's"), (70, "# s ahead of the chain's")):
        read = asyncio.run(ask_readiness(config, {}, clock=partial(_off_by, ahead)))
        assert [each.kind for each in read.obstacles] == [ObstacleKind.CLOCK] * 2
        assert all(says in _without_figures(each.detail) for each in read.obstacles)
    ready.rpc("evm_increaseTime", 700)
    ready.rpc("evm_mine")
    eventually(lambda: ready.shown() == {("one", "clock"), ("two", "clock")}, "the clock in the metrics")
    told, page = ready.told(), ready.ready()
    [words] = set(page.values())
    assert (
        "# s behind the chain's, and the feed takes observations that are max_age = # s old at most; set it by NTP"
        in words
    )
    assert told == {surface: [words] for surface in told}


def test_a_chain_that_does_not_answer_is_told_at_last(operator: Operator) -> None:
    """This is the last test: the chain is gone then."""
    operator.workspace.chain.stop()
    eventually(lambda: ("", "chain") in operator.shown(), "the chain in the metrics")
    done = operator.workspace.run("config", "check", "--chain")
    assert done.returncode == 75 and "error: next report of every feed: chain: " in done.stderr
    assert operator.workspace.run("status").returncode == 75
    doctor = json.loads(operator.workspace.run("doctor", "--json").stdout)
    assert {each["name"] for each in doctor if not each["ok"]} >= {"next report of every feed (chain)"}
