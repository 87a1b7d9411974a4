"""Tests of another oracle's feed as a source: ours on a real Anvil, with Chainlink's interface; then a lying feed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

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
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.config import OnchainSourceConfig
from oracle.core.errors import ChainUnavailable, DataError, OracleError, SourceUnavailable, WrongChain
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Decided, Observed, Proven, Scored
from oracle.core.types import Kind
from oracle.sources.onchain.source import OnchainSource
from tests.chaos.proxy import Act, NodeProxy, answer, drop, http_error, rewrite
from tests.conformance import check_source
from tests.stubs import feed_config, stub_artifact

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
        self.latest, self.digits, self.error = latest, decimals, error

    async def decimals(self) -> int:
        return self.digits

    async def latest_round(self) -> LatestRound:
        if self.error is not None:
            raise self.error
        return self.latest

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
        (Liar(replace(GOOD, updated_at=0)), SourceUnavailable, "has no answer yet"),
        (Liar(replace(GOOD, round_id=0, answered_in_round=0)), SourceUnavailable, "has no answer yet"),
        (
            Liar(replace(GOOD, answered_in_round=6)),
            SourceUnavailable,
            "of round 6, its round is 7: the answer is carried over",
        ),
        (Liar(replace(GOOD, updated_at=2**200)), DataError, "not a unix time"),
        (Liar(replace(GOOD, updated_at=NOW - 61)), SourceUnavailable, "61 s old"),
        (Liar(replace(GOOD, updated_at=NOW + 61)), SourceUnavailable, "ahead"),
        (Liar(decimals=255), DataError, "answers 255 decimals"),
        (Liar(error=ChainUnavailable("down")), SourceUnavailable, "down"),
    ],
)
async def test_what_no_consumer_should_believe(liar: Liar, error: type[OracleError], what: str) -> None:
    caught = await failure(lying(liar))
    assert type(caught) is error
    assert what in str(caught)


async def test_nothing_is_asked_any_more_once_a_read_has_failed() -> None:
    """Otherwise a request would run while the source closes its connections, and open another one."""

    class Slow(Liar):
        asking, ended = asyncio.Event(), False

        async def decimals(self) -> int:
            await self.asking.wait()
            raise ChainUnavailable("down")

        async def latest_round(self) -> LatestRound:
            self.asking.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
            return self.latest

    slow = Slow()
    with pytest.raises(SourceUnavailable, match="down"):
        await lying(slow).read()
    assert slow.ended


async def test_many_digits_are_kept_and_an_absolute_feed_may_be_negative() -> None:
    digits = 12_345_678_901_234_567_890_123_456_789_012_345
    reading = await lying(Liar(replace(GOOD, answer=-digits), decimals=18), Kind.ABSOLUTE).read()
    assert reading.value == Decimal("-12345678901234567.890123456789012345")
    assert str(reading.value) == "-12345678901234567.890123456789012345"
