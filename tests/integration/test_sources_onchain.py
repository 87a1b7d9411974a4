"""Tests of another oracle's feed as a source: ours on a real Anvil, with Chainlink's interface; then a lying feed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.app.source_tests import try_feeds
from oracle.chain.chainlink import ChainlinkFeed, LatestRound
from oracle.chain.connect import pool
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.deploy.terms import AdapterMode, AdapterTerms
from oracle.chain.hub import Hub
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport import jsonrpc
from oracle.chain.transport.endpoints import Endpoints
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.config import FeedConfig, OnchainSourceConfig
from oracle.core.errors import ChainUnavailable, DataError, OracleError, SourceUnavailable, WrongChain
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Decided, Observed, Proven, Scored
from oracle.core.types import Kind
from oracle.sources.interface import Reading
from oracle.sources.onchain.source import OnchainSource
from oracle.sources.trace import Trace
from tests.chaos.proxy import Act, Call, NodeProxy, answer, drop, http_error, rewrite
from tests.conformance import check_source
from tests.fakenode import FakeNode
from tests.stubs import feed_config, stub_artifact
from tests.transactions import mined

NOW = 1_600_000_000
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@dataclass(frozen=True)
class Other:
    """The other oracle: a hub with one feed that has a round, and one that has none."""

    chain: Anvil
    deployment: Deployment

    def source(self, name: str = "price", *, now: float = NOW + 20, address: str = "", **changes: Any) -> OnchainSource:
        feed = self.deployment.feeds[name]
        found = address or (feed.adapters[0].address if changes.pop("strict", False) else feed.aggregator)
        where = {} if "rpc_urls" in changes else {"rpc_url": self.chain.rpc_url}
        settings = {"type": "onchain", "chain_id": 31337, "max_age": 60, "address": found} | where | changes
        config = OnchainSourceConfig.model_validate(settings)
        feed_reader = ChainlinkFeed(pool(config, config.timeout, attempts=1), config.address)
        return OnchainSource(config, feed_reader, measure=Kind.RELATIVE, name="other", now=lambda: now)


async def _deploy(chain: Anvil, path: Path) -> Deployment:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        owner = await keystore.local_chain_key(0, rpc)
        strict = (AdapterTerms(AdapterMode.STRICT),)
        plans = tuple(FeedPlan(name, feed_config(f"{name} / USD"), adapters=strict) for name in ("price", "empty"))
        committee = CommitteePlan("default", (str(owner.address),))
        plan = DeployPlan((committee,), plans, {"default": [stub_artifact()]}, change_delay=0)
        deployment = await deploy(plan, rpc, owner, path, poll_s=0.01)
        submitter = Submitter(Hub(rpc, deployment.hub), Sender(rpc, owner, poll_s=0.01))
        observed = Observed("price", deployment.feeds["price"].feed_id, 234_567_000_001, NOW)
        chain.rpc("evm_setNextBlockTimestamp", NOW + 10)
        report = Report(1, 1, NOW, (observed.feed_id,), (1,))
        signature = LocalReporter(owner, chain.chain_id, deployment.hub).sign_report(report, [observed.answer])
        signed = SignedReport(report, (signature,))
        scored = Scored(Decided(1, (observed,)), signed, 1, ((0,),), ((-1_000, -500),))
        proven = Proven(scored, b"\1proof", "00" * 32, 0.1)
        submitted = await submitter.sign(proven)
        await submitter.broadcast(submitted)
        await submitter.confirm(submitted)
        return deployment


@pytest.fixture(scope="module")
def other(anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    with anvil(start_time=NOW - 1_000) as chain:
        yield Other(chain, asyncio.run(_deploy(chain, tmp_path_factory.mktemp("other") / "deployment.json")))


async def failure(source: OnchainSource) -> OracleError:
    with pytest.raises(OracleError) as caught:
        await source.read()
    await source.close()
    assert str(caught.value).startswith("other (feed 0x")
    assert "\n" not in str(caught.value)
    return caught.value


async def test_an_onchain_source_conforms(other: Other) -> None:
    await check_source(other.source)


async def test_the_answer_is_read_exactly_with_its_block_time(other: Other) -> None:
    source = other.source()
    reading = await source.read()
    await source.close()
    assert str(reading.value) == "2345.67000001"
    assert reading.observed_at == NOW + 10


async def test_what_is_old_in_the_future_or_out_of_range_is_no_answer(other: Other) -> None:
    assert "updatedAt: the value is 61 s old" in str(await failure(other.source(now=NOW + 71)))
    assert "61 s ahead" in str(await failure(other.source(now=NOW - 51)))
    assert "above the configured maximum" in str(await failure(other.source(max=2_000)))


@pytest.mark.parametrize("strict", [False, True])
async def test_a_feed_without_an_answer_may_have_one_later(other: Other, strict: bool) -> None:
    caught = await failure(other.source("empty", strict=strict))
    assert type(caught) is SourceUnavailable
    assert "latestRoundData reverts: reverted: No data present" in str(caught)


async def test_no_contract_another_contract_and_another_chain(other: Other) -> None:
    nothing = await failure(other.source(address=ADDRESS))
    assert type(nothing) is DataError and "there is no contract" in str(nothing)
    hub = await failure(other.source(address=other.deployment.hub))
    # Both are asked at the same time, and either may be refused first.
    assert re.search(r"(decimals|latestRoundData) reverts", str(hub))
    chain = await failure(other.source(chain_id=1))
    assert type(chain) is DataError and isinstance(chain.__cause__, WrongChain)


async def test_a_node_that_is_gone_is_no_answer(other: Other) -> None:
    caught = await failure(other.source(rpc_url="http://127.0.0.1:9/s3cret"))
    assert type(caught) is SourceUnavailable
    assert "can't be reached" in str(caught) and "s3cret" not in str(caught)


# --- several endpoints ---


@pytest.fixture
def two(other: Other) -> Iterator[list[NodeProxy]]:
    with NodeProxy(other.chain.rpc_url) as first, NodeProxy(other.chain.rpc_url) as second:
        yield [first, second]


def urls(proxies: list[NodeProxy]) -> tuple[str, ...]:
    return tuple(f"{proxy.url}/v3/s3cret" for proxy in proxies)


BAD: dict[str, tuple[str, Act]] = {
    "gone": ("*", drop),
    "limited": ("*", http_error(429)),
    "of another chain": ("eth_chainId", answer("0x1")),
    "behind": ("eth_blockNumber", rewrite(lambda params, head: hex(int(head, 16) - 4))),
    "empty": ("eth_call", answer("0x")),
    "without end": ("eth_call", answer("0x" + "00" * (1 << 20))),
}


@pytest.mark.attack
@pytest.mark.parametrize(("method", "act"), BAD.values(), ids=BAD.keys())
async def test_another_endpoint_is_asked_where_one_will_not_do(
    other: Other, two: list[NodeProxy], method: str, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonrpc, "MAX_BODY", 1 << 20)
    monkeypatch.setitem(Endpoints.__init__.__kwdefaults__ or {}, "limit_pauses", (0.01,))
    first, second = two
    first.on(None if method == "*" else method, act)
    source = other.source(rpc_urls=urls(two))
    reading = await source.read()
    assert (str(reading.value), reading.observed_at) == ("2345.67000001", NOW + 10)
    assert second.seen["eth_call"] == 2
    asked = first.seen["eth_call"]
    assert asked == (2 if method == "eth_call" else 0)
    assert await source.read() == reading and first.seen["eth_call"] == asked, "it is left alone"
    second.down()
    if method != "eth_blockNumber":  # a node that is behind is better than none: `max_age` is checked in any case
        with pytest.raises(OracleError) as caught:
            await source.read()
        assert "s3cret" not in str(caught.value)
    await source.close()


@pytest.mark.attack
async def test_two_endpoints_that_have_to_agree(other: Other, two: list[NodeProxy]) -> None:
    def dearer(params: list[Any], found: str) -> str:
        return found[:66] + f"{2 * int(found[66:130], 16):064x}" + found[130:] if len(found) > 130 else found

    source = other.source(rpc_urls=urls(two), agreement=2)
    assert str((await source.read()).value) == "2345.67000001"
    two[1].on("eth_call", rewrite(dearer))
    with pytest.raises(SourceUnavailable, match="RPC endpoints disagree about eth_call") as caught:
        await source.read()
    assert "s3cret" not in str(caught.value)
    await source.close()


# --- a feed that says anything ---

GOOD = LatestRound(round_id=7, answer=234_567, started_at=NOW, updated_at=NOW, answered_in_round=7)


class Liar:
    """A feed in memory."""

    def __init__(self, latest: LatestRound = GOOD, decimals: int = 2, error: OracleError | None = None) -> None:
        self.round, self.digits, self.error = latest, decimals, error

    async def latest(self) -> tuple[int, LatestRound]:
        if self.error is not None:
            raise self.error
        return self.digits, self.round

    async def close(self) -> None: ...


def lying(liar: Liar, measure: Kind = Kind.RELATIVE) -> OnchainSource:
    settings = {"type": "onchain", "rpc_url": "http://x.example", "chain_id": 1, "max_age": 60, "address": ADDRESS}
    config = OnchainSourceConfig.model_validate(settings)
    return OnchainSource(config, liar, measure=measure, name="other", now=lambda: float(NOW))


@pytest.mark.parametrize(
    ("liar", "error", "what"),
    [
        (Liar(replace(GOOD, answer=0)), DataError, "is 0.00; a relative feed's values are above zero"),
        (Liar(replace(GOOD, answer=-1)), DataError, "above zero"),
        (Liar(replace(GOOD, answer=2**255 - 1)), DataError, "out of range"),
        (Liar(replace(GOOD, answer=0, updated_at=0)), SourceUnavailable, "has no answer yet (updatedAt is 0)"),
        (
            Liar(replace(GOOD, updated_at=0)),
            SourceUnavailable,
            "answers 234567, but never at any time (updatedAt is 0)",
        ),
        (Liar(replace(GOOD, started_at=0)), SourceUnavailable, "its round was never begun (startedAt is 0)"),
        (Liar(replace(GOOD, started_at=NOW + 61)), SourceUnavailable, "startedAt: the time is 61 s ahead"),
        (
            Liar(replace(GOOD, started_at=NOW + 2, updated_at=NOW - 59)),
            SourceUnavailable,
            "its round began 61 s after its answer was updated: the answer is carried over",
        ),
        (Liar(replace(GOOD, started_at=1, updated_at=NOW * 1_000)), DataError, "is a time in milliseconds (2020-09-13"),
        (Liar(replace(GOOD, started_at=1, updated_at=NOW // 1_000)), SourceUnavailable, f"{NOW - NOW // 1_000} s old"),
        (
            Liar(replace(GOOD, answered_in_round=6)),
            SourceUnavailable,
            "of round 6, its round is 7: the answer is carried over",
        ),
        (Liar(replace(GOOD, updated_at=2**200)), DataError, "not a unix time"),
        (Liar(replace(GOOD, started_at=1, updated_at=NOW - 61)), SourceUnavailable, "61 s old"),
        (Liar(replace(GOOD, updated_at=NOW + 61)), SourceUnavailable, "ahead"),
        (Liar(decimals=255), DataError, "answers 255 decimals"),
        (Liar(error=ChainUnavailable("down")), SourceUnavailable, "down"),
    ],
)
async def test_what_no_consumer_should_believe(liar: Liar, error: type[OracleError], what: str) -> None:
    caught = await failure(lying(liar))
    assert type(caught) is error
    assert what in str(caught)


@pytest.mark.parametrize(("round_id", "answered_in_round"), [(0, 0), (7, 0), (7, 7), (2**64, 2**64), (7, 8)], ids=str)
async def test_an_adapter_that_counts_no_rounds_is_read(round_id: int, answered_in_round: int) -> None:
    latest = replace(GOOD, round_id=round_id, answered_in_round=answered_in_round)
    assert str((await lying(Liar(latest)).read()).value) == "2345.67"


async def test_a_round_may_begin_by_another_clock_than_that_of_its_block() -> None:
    assert (await lying(Liar(replace(GOOD, started_at=NOW + 2))).read()).observed_at == NOW


async def test_a_trial_shows_what_the_contract_answered() -> None:
    trace = Trace()
    with pytest.raises(SourceUnavailable):
        await lying(Liar(replace(GOOD, answered_in_round=6))).read_traced(trace)
    assert [(each.where, each.found) for each in trace.matches] == [
        ("decimals", "2"),
        ("latestRoundData", f"(7, 234567, {NOW}, {NOW}, 6)"),
    ]


async def test_a_trial_of_a_feed_reads_the_chain(other: Other) -> None:
    address = other.deployment.feeds["price"].aggregator
    asked = {"type": "onchain", "rpc_url": other.chain.rpc_url, "chain_id": 31337, "max_age": 60, "address": address}
    terms = {"name": "eth", "description": "ETH / USD", "kind": "relative", "decimals": 2, "sigma": 1_000}
    terms |= {"heartbeat": 3_600, "deviation_ppm": 5_000, "min_sources": 2}
    feed = FeedConfig.model_validate({**terms, "sources": (asked, {**asked, "chain_id": 1}, {**asked, "max_age": 10})})
    (found,) = await try_feeds([feed], clock=lambda: NOW + 30)
    read, elsewhere, old = found.sources
    assert (read.outcome, str(read.value), read.answer, read.age_s) == ("ok", "2345.67000001", 234_567, 20)
    assert [each.where for each in read.matched] == ["decimals", "latestRoundData"]
    assert elsewhere.outcome == "fails" and "serves chain 31337" in elsewhere.problems[0]
    assert old.outcome == "silent" and "20 s old; at most 10 s are allowed" in old.problems[0]
    assert found.outcome == "fails" and found.problems


# --- a contract on the chain that answers what it was told ---


def _settable() -> str:
    """Return the code of a contract whose `decimals` and `latestRoundData` answer what any other call has set."""
    selector = "5f3560e01c"
    decimals_at, rounds_at = 27 + 37 + 35, 27 + 37
    jumps = f"8063313ce5671461{decimals_at:04x}57" + f"8063feaf968c1461{rounds_at:04x}57"
    setting = "".join(f"60{4 + 32 * slot:02x}3560{slot:02x}55" for slot in range(6)) + "00"
    rounds = "5b" + "".join(f"60{word + 1:02x}5460{32 * word:02x}52" for word in range(5)) + "60a05ff3"
    decimals = "5b5f545f5260205ff3"
    return "0x" + selector + jumps + setting + rounds + decimals


class Settable:
    """A feed on a chain. Its answers change with a block."""

    address = "0x00000000000000000000000000000000000feed0"

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        chain.rpc("anvil_setCode", self.address, _settable())

    def set(self, decimals: int, latest: tuple[int, int, int, int, int]) -> None:
        data = "0xffffffff" + "".join(f"{word % 2**256:064x}" for word in (decimals, *latest))
        sender = self.chain.rpc("eth_accounts")[3]
        mined(self.chain.rpc, {"from": sender, "to": self.address, "data": data})


async def test_an_adapter_on_the_chain_is_read_as_it_changes(other: Other) -> None:
    feed = Settable(other.chain)
    feed.set(18, (0, 3141_590000000000000000, NOW, NOW, 0))
    source = other.source(address=feed.address)
    assert await source.read() == Reading(Decimal("3141.590000000000000000"), NOW, "other")
    feed.set(8, (7, 3142_00000000, NOW + 1, NOW + 1, 0))
    with capture_logs() as logs:
        assert await source.read() == Reading(Decimal("3142.00000000"), NOW + 1, "other")
    (told,) = logs
    assert (told["event"], told["before"], told["now"]) == ("a feed has other decimals now", 18, 8)
    await source.close()


@pytest.mark.attack
async def test_a_proxy_that_is_pointed_elsewhere_between_two_calls_mixes_nothing(
    other: Other, two: list[NodeProxy]
) -> None:
    """The decimals of one feed with the answer of another would be a value ten orders of magnitude away."""
    feed = Settable(other.chain)
    feed.set(18, (1, 3141_590000000000000000, NOW, NOW, 1))
    switched, lock = [False], threading.Lock()

    def switch(call: Call) -> dict[str, Any]:
        with lock:
            found = call.forward()
            if not switched[0]:
                switched[0] = True
                feed.set(8, (1, 3141_59000000, NOW, NOW, 1))
            return found

    two[0].on("eth_call", switch)
    source = other.source(address=feed.address, rpc_url=two[0].url)
    assert (await source.read()).value == Decimal("3141.59")
    assert switched[0]
    assert (await source.read()).value == Decimal("3141.59")
    await source.close()


async def test_nothing_is_asked_any_more_once_a_read_has_failed() -> None:
    """Otherwise a request would run while the source closes its connections, and open another one."""

    class Slow(FakeNode):
        asking, ended = asyncio.Event(), False

        async def request(self, method: str, params: list[Any], *how: Any, **more: Any) -> Any:
            if method == "eth_blockNumber":
                return "0x1"
            if params[0]["data"].startswith("0x313ce567"):
                await self.asking.wait()
                raise ChainUnavailable("down")
            self.asking.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True

    slow = Slow()
    with pytest.raises(ChainUnavailable, match="down"):
        await ChainlinkFeed(Rpc(slow), ADDRESS).latest()
    assert slow.ended


async def test_many_digits_are_kept_and_an_absolute_feed_may_be_negative() -> None:
    digits = 12_345_678_901_234_567_890_123_456_789_012_345
    reading = await lying(Liar(replace(GOOD, answer=-digits), decimals=18), Kind.ABSOLUTE).read()
    assert reading.value == Decimal("-12345678901234567.890123456789012345")
    assert str(reading.value) == "-12345678901234567.890123456789012345"
