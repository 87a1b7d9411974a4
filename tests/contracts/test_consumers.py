"""Tests of other people's contracts on our feeds: Aave's oracle, Chainlink's proxy and derived feed, walks back.

The contracts are unmodified and the chain is real. Requests and answers are encoded by the ABIs of Chainlink's own
package, where it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import MAX_RUNTIME_BYTES, Compiled
from oracle.chain.deploy.adapters import AdapterMode, AdapterTerms
from oracle.chain.deploy.plan import feed_id_of
from oracle.chain.local.anvil import Anvil
from tests.contracts.market import (
    ADMIN,
    ANOMALOUS,
    CALM,
    HEARTBEAT,
    MAX_AGE,
    NOBODY,
    RELAYER,
    START,
    Contract,
    Market,
    Reverted,
    chainlink_abi,
    compile_all,
)

ETH, BTC = "ETH / USD", "BTC / USD"
UNIT = 10**8
WETH, WBTC, OTHER = (f"0x{number:040x}" for number in (0xE, 0xB, 0xC))
USD = f"0x{840:040x}"
FEED = Interface(chainlink_abi("AggregatorV2V3Interface"))
"""Chainlink's V2 and V3 interfaces, as its package has them."""

PHASE = 2**64

STRICT = AdapterTerms(AdapterMode.STRICT)
BOUND = 3 * HEARTBEAT
LAST_GOOD = AdapterTerms(AdapterMode.LAST_GOOD, BOUND)
GRACE = 1_800

Trouble = Callable[[Market], None]

V2_LATEST = ("latestAnswer", "latestTimestamp", "latestRound")


@pytest.fixture(scope="session")
def codes() -> dict[str, Compiled]:
    return compile_all()


@pytest.fixture(scope="module")
def deployed(anvil: Callable[..., Anvil], codes: dict[str, Compiled]) -> Iterator[Market]:
    with anvil(start_time=START) as chain:
        market = Market(chain, codes)
        market.add_feed(ETH)
        market.add_feed(BTC)
        market.wait(1_000)
        yield market


@pytest.fixture
def market(deployed: Market) -> Iterator[Market]:
    """Return a market of two feeds without a round. Each test finds it so."""
    snapshot, now = deployed.chain.snapshot(), deployed.now
    yield deployed
    deployed.chain.revert(snapshot)
    deployed.now = now


def plain(market: Market, description: str = ETH) -> Contract:
    """Return the linked adapter with the ABI of somebody who knows Chainlink's interfaces only."""
    address = market.call(market.hub, "aggregator", feed_id_of(description))
    return Contract(address, FEED)


def strict(market: Market, description: str = ETH) -> Contract:
    return Contract(market.adapter(description, STRICT).address, FEED)


def last_good(market: Market, description: str = ETH) -> Contract:
    return Contract(market.adapter(description, LAST_GOOD).address, FEED)


def refusal(market: Market, contract: Contract, function: str, *arguments: Any) -> bytes:
    """Return the revert data of a function."""
    with pytest.raises(Reverted) as caught:
        market.call(contract, function, *arguments)
    return caught.value.data


def reason(text: str) -> bytes:
    """Return the revert data of `require(…, text)`."""
    return error("Error(string)", text)


def error(signature: str, *values: Any) -> bytes:
    types = signature.partition("(")[2].rstrip(")")
    return keccak(text=signature)[:4] + encode(types.split(",") if types else [], values)


def history(market: Market, count: int, description: str = ETH, first: int = 2_000) -> list[tuple[int, int]]:
    """Report `count` rounds, and return their answers and times."""
    reports = []
    for step in range(count):
        answer = (first + step) * UNIT
        market.report(description, answer)
        reports.append((answer, market.now))
    return reports


def round_data(round_id: int, answer: int, at: int) -> dict[str, int]:
    """Return V3's data of a round that was observed and published at one time."""
    return {"roundId": round_id, "answer": answer, "startedAt": at, "updatedAt": at, "answeredInRound": round_id}


def make_held(market: Market, description: str = ETH) -> None:
    market.report(description, 1 * UNIT, ANOMALOUS)


def make_stale(market: Market) -> None:
    market.wait(HEARTBEAT + MAX_AGE + 1)


def make_paused(market: Market) -> None:
    market.send(market.hub, "pause", feed_id_of(ETH))


OK, HELD = 1, 2
TROUBLES = pytest.mark.parametrize("trouble", [make_held, make_stale, make_paused])
UNAVAILABLE: dict[Trouble, bytes] = {
    make_held: error("AnswerUnavailable(uint8,bool,bool)", HELD, False, False),
    make_stale: error("AnswerUnavailable(uint8,bool,bool)", OK, False, True),
    make_paused: error("AnswerUnavailable(uint8,bool,bool)", OK, True, False),
}
"""The errors by which a strict adapter names the trouble."""


# --- exactly Chainlink's ---------------------------------------------------------------------------------------------


def test_no_round_yet(market: Market) -> None:
    feed = plain(market)
    assert [market.call(feed, name) for name in V2_LATEST] == [0, 0, 0]
    assert (market.call(feed, "getAnswer", 1), market.call(feed, "getTimestamp", 1)) == (0, 0)
    for call in (("latestRoundData",), ("getRoundData", 1), ("getRoundData", 0)):
        assert refusal(market, feed, *call) == reason("No data present")


def test_rounds_are_numbered_from_one_and_stay(market: Market) -> None:
    feed = plain(market)
    reports = history(market, 3)
    for round_id, (answer, at) in enumerate(reports, start=1):
        data = market.call(feed, "getRoundData", round_id)
        assert data == round_data(round_id, answer, at)
        assert market.call(feed, "getAnswer", round_id) == answer
        assert market.call(feed, "getTimestamp", round_id) == at
    assert market.call(feed, "latestRoundData") == data
    assert [market.call(feed, name) for name in V2_LATEST] == [*reports[-1], 3]
    assert (market.call(feed, "decimals"), market.call(feed, "description")) == (8, ETH)
    assert market.call(feed, "version") == 2


def test_started_when_observed_updated_when_published(market: Market) -> None:
    market.report(ETH, 2_000 * UNIT, delay=100)
    data = market.call(plain(market), "latestRoundData")
    assert (data["startedAt"], data["updatedAt"]) == (market.now - 100, market.now)
    assert market.call(plain(market), "latestTimestamp") == market.now


def test_missing_rounds(market: Market) -> None:
    feed = plain(market)
    history(market, 2)
    # 2^32 + 1 is not round 1.
    for missing in (0, 3, 2**32 + 1, 2**80 - 1):
        assert refusal(market, feed, "getRoundData", missing) == reason("No data present")
        assert (market.call(feed, "getAnswer", missing), market.call(feed, "getTimestamp", missing)) == (0, 0)
    assert market.call(feed, "getAnswer", 2**256 - 1) == 0


def test_events_are_chainlinks(market: Market) -> None:
    logs = market.report(ETH, 2_000 * UNIT)
    address = plain(market).address
    decoded = [FEED.decode_log(log) for log in logs if log.address == address]
    relayer = market.chain.accounts[RELAYER].address
    assert decoded == [
        ("NewRound", {"roundId": 1, "startedBy": relayer, "startedAt": market.now}),
        ("AnswerUpdated", {"current": 2_000 * UNIT, "roundId": 1, "updatedAt": market.now}),
    ]
    assert market.report(ETH, 1 * UNIT, ANOMALOUS) != []
    assert [log for log in market.report(ETH, 1 * UNIT, ANOMALOUS) if log.address == address] == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("ZkAggregator", "AggregatorV2V3Interface"), ("ZkFeedRegistry", "FeedRegistryInterface")],
)
def test_nothing_of_chainlinks_abi_is_missing_or_different(codes: dict[str, Compiled], ours: str, theirs: str) -> None:
    """It compares names, types, results and mutability of functions, and types and indexing of events."""

    def types(parts: list[dict[str, Any]]) -> list[Any]:
        return [(part["type"], part.get("indexed"), types(part.get("components", []))) for part in parts]

    def shapes(abi: Any) -> set[str]:
        return {
            repr((each["type"], each["name"], types(each["inputs"]), types(each.get("outputs", [])),
                  each.get("stateMutability"), each.get("anonymous")))
            for each in abi
            if each["type"] in ("function", "event")
        }  # fmt: skip

    wanted = shapes(chainlink_abi(theirs))
    assert len(wanted) >= 12
    assert wanted - shapes(codes[ours].abi) == set()


@TROUBLES
def test_strict_adapter_withholds_the_latest_and_keeps_the_past(market: Market, trouble: Trouble) -> None:
    history(market, 2)
    open_feed, strict_feed = plain(market), strict(market)
    before = market.call(open_feed, "latestRoundData")
    assert market.call(strict_feed, "latestRoundData") == before
    trouble(market)
    assert market.call(open_feed, "latestRoundData") == before
    assert refusal(market, strict_feed, "latestRoundData") == UNAVAILABLE[trouble]
    assert [market.call(strict_feed, name) for name in V2_LATEST] == [0, 0, 0]
    assert market.call(strict_feed, "getRoundData", 2) == before


@TROUBLES
def test_last_good_adapter_gives_the_last_accepted_round_until_its_bound(market: Market, trouble: Trouble) -> None:
    history(market, 2)
    feed, observed_at = last_good(market), market.now
    before = market.call(feed, "latestRoundData")
    trouble(market)
    market.wait(observed_at + BOUND - market.now)
    assert market.call(feed, "latestRoundData") == before
    assert market.call(feed, "latestAnswer") == before["answer"]
    market.wait(1)
    too_old = error("AnswerTooOld(uint256,uint256)", observed_at, BOUND)
    assert refusal(market, feed, "latestRoundData") == too_old
    assert [market.call(feed, name) for name in V2_LATEST] == [0, 0, 0]
    assert market.call(feed, "getRoundData", 2) == before


# --- Aave ------------------------------------------------------------------------------------------------------------


def aave(market: Market, sources: dict[str, Contract], fallback: Contract | None) -> Contract:
    """Deploy Aave's oracle with a base currency of US dollars."""
    return market.deploy(
        "AaveOracle",
        NOBODY,
        list(sources),
        [source.address for source in sources.values()],
        fallback.address if fallback else NOBODY,
        NOBODY,
        UNIT,
    )


def fallback_of(market: Market, price: int) -> Contract:
    fallback = market.deploy("PriceOracle")
    market.send(fallback, "setAssetPrice", WETH, price)
    return fallback


def test_aave_reads_the_adapters(market: Market) -> None:
    oracle = aave(market, {WETH: plain(market), WBTC: strict(market, BTC)}, None)
    market.report(ETH, 2_000 * UNIT)
    market.report(BTC, 60_000 * UNIT)
    assert market.call(oracle, "getAssetPrice", WETH) == 2_000 * UNIT
    assert market.call(oracle, "getAssetsPrices", [WBTC, WETH]) == (60_000 * UNIT, 2_000 * UNIT)
    assert market.call(oracle, "getAssetPrice", NOBODY) == UNIT


@TROUBLES
def test_aave_takes_the_last_accepted_answer_of_a_plain_adapter(market: Market, trouble: Trouble) -> None:
    """Aave asks for neither time nor status: behind a plain adapter it misses the trouble, but gets no held answer."""
    oracle = aave(market, {WETH: plain(market)}, fallback_of(market, 7))
    market.report(ETH, 2_000 * UNIT)
    trouble(market)
    assert market.call(oracle, "getAssetPrice", WETH) == 2_000 * UNIT


@TROUBLES
def test_aave_asks_its_fallback_when_a_strict_adapter_withholds(market: Market, trouble: Trouble) -> None:
    source = strict(market)
    guarded = aave(market, {WETH: source}, fallback_of(market, 1_999 * UNIT))
    bare = aave(market, {WETH: source}, None)
    market.report(ETH, 2_000 * UNIT)
    assert market.call(guarded, "getAssetPrice", WETH) == 2_000 * UNIT
    trouble(market)
    assert market.call(guarded, "getAssetPrice", WETH) == 1_999 * UNIT
    # Without a fallback, nobody borrows or is liquidated at a price that the feed itself doubts.
    assert refusal(market, bare, "getAssetPrice", WETH) == b""


@TROUBLES
def test_aave_keeps_a_last_good_answer_until_it_is_too_old(market: Market, trouble: Trouble) -> None:
    oracle = aave(market, {WETH: last_good(market)}, fallback_of(market, 1_999 * UNIT))
    market.report(ETH, 2_000 * UNIT)
    observed_at = market.now
    trouble(market)
    assert market.call(oracle, "getAssetPrice", WETH) == 2_000 * UNIT
    market.wait(observed_at + BOUND + 1 - market.now)
    assert market.call(oracle, "getAssetPrice", WETH) == 1_999 * UNIT


def test_aave_returns_to_the_feed_when_the_hold_ends(market: Market) -> None:
    oracle = aave(market, {WETH: strict(market)}, fallback_of(market, 1_999 * UNIT))
    market.report(ETH, 2_000 * UNIT)
    make_held(market)
    market.report(ETH, 2_010 * UNIT)
    assert market.call(oracle, "getAssetPrice", WETH) == 2_010 * UNIT


def test_aave_falls_back_for_a_feed_without_a_round(market: Market) -> None:
    oracle = aave(market, {WETH: plain(market)}, fallback_of(market, 1_999 * UNIT))
    assert market.call(oracle, "getAssetPrice", WETH) == 1_999 * UNIT


# --- Chainlink's proxy, and a feed derived from two of them ----------------------------------------------------------


def proxy_of(market: Market, feed: Contract) -> Contract:
    return market.deploy("EACAggregatorProxy", feed.address, NOBODY)


def test_proxy_reads_the_adapter(market: Market) -> None:
    proxy = proxy_of(market, plain(market))
    assert refusal(market, proxy, "latestRoundData") == reason("No data present")
    assert market.call(proxy, "latestAnswer") == 0
    reports = history(market, 3)
    seen = Contract(proxy.address, FEED)
    for round_id, (answer, at) in enumerate(reports, start=1):
        data = market.call(seen, "getRoundData", PHASE + round_id)
        assert data == round_data(PHASE + round_id, answer, at)
        assert market.call(seen, "getAnswer", PHASE + round_id) == answer
        assert market.call(seen, "getTimestamp", PHASE + round_id) == at
    assert market.call(seen, "latestRoundData") == data
    assert [market.call(seen, name) for name in V2_LATEST] == [*reports[-1], PHASE + 3]
    assert (market.call(seen, "decimals"), market.call(seen, "description")) == (8, ETH)
    assert market.call(proxy, "aggregator") == plain(market).address


def test_proxy_changes_to_the_strict_adapter(market: Market) -> None:
    proxy, guarded = proxy_of(market, plain(market)), strict(market)
    history(market, 2)
    market.send(proxy, "proposeAggregator", guarded.address)
    assert market.call(proxy, "proposedLatestRoundData")["roundId"] == 2
    market.send(proxy, "confirmAggregator", guarded.address)
    assert market.call(proxy, "latestRound") == 2 * PHASE + 2
    make_held(market)
    assert refusal(market, proxy, "latestRoundData") == UNAVAILABLE[make_held]
    assert market.call(proxy, "latestAnswer") == 0
    # The past of both phases stays.
    for phase in (1, 2):
        assert market.call(proxy, "getAnswer", phase * PHASE + 1) == 2_000 * UNIT


def test_derived_feed_reads_through_two_proxies(market: Market) -> None:
    proxies = [proxy_of(market, feed) for feed in (plain(market, ETH), strict(market, BTC))]
    derived = market.deploy("DerivedPriceFeed", *(proxy.address for proxy in proxies), 18)
    assert refusal(market, derived, "latestRoundData") == reason("No data present")
    market.report(ETH, 2_000 * UNIT)
    market.report(BTC, 62_500 * UNIT)
    assert market.call(derived, "latestRoundData")["answer"] == 32 * 10**15
    make_held(market, BTC)
    assert refusal(market, derived, "latestRoundData") == UNAVAILABLE[make_held]


# --- walks back ------------------------------------------------------------------------------------------------------

EVER = START // 2
"""An interval that is longer than the age of any round."""


def registry_of(market: Market, *feeds: Contract) -> Contract:
    """Deploy a registry in which ETH / USD had these feeds, one after the other."""
    registry = market.deploy("ZkFeedRegistry", market.chain.accounts[ADMIN].address, 0)
    for feed in feeds:
        market.send(registry, "proposeFeed", WETH, USD, feed.address)
        market.send(registry, "confirmFeed", WETH, USD, feed.address)
    return registry


@pytest.mark.parametrize("rounds", [1, 2, 40])
@pytest.mark.parametrize("through", ["adapter", "strict adapter", "proxy", "registry"])
def test_a_walk_back_ends_and_finds_exactly_the_rounds(market: Market, through: str, rounds: int) -> None:
    walker = market.deploy("MeanPrice")
    feed = strict(market) if through == "strict adapter" else plain(market)
    answers = [answer for answer, _ in history(market, rounds)]
    expected = {"answer": sum(answers) // rounds, "rounds": rounds}
    if through == "registry":
        registry = registry_of(market, feed)
        assert market.call(walker, "meanOf", registry.address, WETH, USD, EVER) == expected
    else:
        feed = proxy_of(market, feed) if through == "proxy" else feed
        assert market.call(walker, "mean", feed.address, EVER) == expected


def test_a_walk_back_stops_at_its_interval(market: Market) -> None:
    walker, feed = market.deploy("MeanPrice"), plain(market)
    history(market, 5)
    # Two more rounds, 60 and 120 seconds before the latest.
    assert market.call(walker, "mean", feed.address, 120) == {"answer": 2_003 * UNIT, "rounds": 3}


def test_held_answers_are_no_rounds_of_a_walk(market: Market) -> None:
    walker, feed = market.deploy("MeanPrice"), plain(market)
    history(market, 3)
    for _ in range(2):
        make_held(market)
    assert market.call(walker, "mean", feed.address, EVER) == {"answer": 2_001 * UNIT, "rounds": 3}
    # The third report, after the delay, confirms the level and becomes a round like any other.
    market.report(ETH, 1 * UNIT, ANOMALOUS, after=1_000)
    assert market.call(walker, "mean", feed.address, EVER)["rounds"] == 4
    assert market.call(feed, "latestAnswer") == 1 * UNIT


def test_walks_of_a_proxy_and_a_registry_whose_feed_was_replaced(market: Market) -> None:
    """Ids that count down stay within the phase; the registry's own functions lead through both phases."""
    walker, first, second = market.deploy("MeanPrice"), plain(market), strict(market)
    market.report(ETH, 2_000 * UNIT)
    registry, proxy = registry_of(market, first), proxy_of(market, first)
    history(market, 3, first=2_001)
    for contract, pair in ((registry, (WETH, USD)), (proxy, ())):
        kind = "Feed" if pair else "Aggregator"
        market.send(contract, f"propose{kind}", *pair, second.address)
        market.send(contract, f"confirm{kind}", *pair, second.address)
    history(market, 2, first=2_004)
    # Each adapter has all six rounds of the feed; a phase has the rounds since it began.
    assert market.call(walker, "mean", proxy.address, EVER)["rounds"] == 6
    assert market.call(walker, "meanOf", registry.address, WETH, USD, EVER)["rounds"] == 6
    walked = market.call(walker, "meanOfAll", registry.address, WETH, USD)
    answers = [2_000, 2_001, 2_002, 2_003, *(2_003, 2_004, 2_005)]
    assert walked == {"answer": sum(answers) * UNIT // 7, "rounds": 7}
    # While the strict adapter withholds its latest round, the walk still knows where to begin.
    make_held(market)
    assert market.call(registry, "latestAnswer", WETH, USD) == 0
    assert market.call(walker, "meanOfAll", registry.address, WETH, USD) == walked


# --- consumers that catch, and that compare --------------------------------------------------------------------------


def test_a_branch_that_closes_at_a_revert_lives_through_a_hold_behind_a_last_good_adapter(market: Market) -> None:
    """A hold of two minutes closes it for good behind a strict one."""
    branches = {each.address: market.deploy("ClosingConsumer", each.address, 86_400) for each in (
        strict(market), last_good(market), plain(market)
    )}  # fmt: skip
    market.report(ETH, 2_000 * UNIT)
    for trouble in (lambda: None, lambda: make_held(market), lambda: market.report(ETH, 2_010 * UNIT)):
        trouble()
        for branch in branches.values():
            market.send(branch, "fetchPrice")
    closed, *open_ones = branches.values()
    assert market.call(closed, "isClosed") is True
    assert market.call(closed, "lastPrice") == 2_000 * UNIT
    for branch in open_ones:
        assert market.call(branch, "isClosed") is False
        assert market.call(branch, "lastPrice") == 2_010 * UNIT


def test_a_hold_merges_a_gradual_fall_into_one_round(market: Market) -> None:
    """No step is more than 8%, but the reports agree on no level. Patience takes the last of them as the next round."""
    comparer = market.deploy("ComparingConsumer", plain(market).address)
    history(market, 2)
    answer = 2_001 * UNIT
    assert market.call(comparer, "distrusts") is False
    for _ in range(12):
        answer = answer * 92 // 100
        market.report(ETH, answer, ANOMALOUS, after=400)
    assert market.call(plain(market), "latestRound") == 3
    assert market.call(plain(market), "latestAnswer") == answer
    assert market.call(comparer, "distrusts") is True
    # The round's score says that it was not taken for normal, but confirmed.
    assert market.call(comparer, "distrustsUnconfirmed") is False


# --- a rollup's sequencer, by Chainlink's own feed of its uptime -----------------------------------------------------

L1_SENDER = f"0x{0x11:040x}"
SENDER = f"0x{0x11 + 0x1111000000000000000000000000000000001111:040x}"
"""The sender on L1 as it is seen on an Arbitrum chain."""


def uptime_of(market: Market) -> tuple[Contract, Contract]:
    """Deploy Chainlink's feed as on an Arbitrum chain, and its proxy, which alone lets contracts read it."""
    access = market.deploy("SimpleWriteAccessController")
    lowering = market.deploy("SimpleWriteAccessController")
    flags = market.deploy("Flags", access.address, lowering.address)
    feed = market.deploy("ArbitrumSequencerUptimeFeed", flags.address, L1_SENDER)
    for controller in (access, lowering, flags):
        market.send(controller, "addAccess", feed.address)
    market.send(feed, "initialize")
    proxy = proxy_of(market, feed)
    market.send(feed, "addAccess", proxy.address)
    return feed, proxy


@pytest.mark.parametrize("terms", [STRICT, LAST_GOOD])
def test_a_guard_reads_chainlinks_feed_of_the_sequencers_uptime(market: Market, terms: AdapterTerms) -> None:
    feed, proxy = uptime_of(market)
    guarded = market.adapter(ETH, replace(terms, uptime_feed=proxy.address, grace=GRACE))
    market.wait(GRACE + 1)
    market.report(ETH, 2_000 * UNIT)
    before = market.call(guarded, "latestRoundData")
    assert before["answer"] == 2_000 * UNIT

    market.send(feed, "updateStatus", True, market.now, sender=SENDER)
    assert refusal(market, guarded, "latestRoundData") == error("SequencerDown()")
    assert [market.call(guarded, name) for name in V2_LATEST] == [0, 0, 0]
    assert market.call(guarded, "getRoundData", 1) == before

    market.wait(60)
    market.send(feed, "updateStatus", False, market.now, sender=SENDER)
    up_since = market.now
    in_grace = error("GracePeriodNotOver(uint256,uint256)", up_since, GRACE)
    assert refusal(market, guarded, "latestRoundData") == in_grace
    market.wait(GRACE)
    assert refusal(market, guarded, "latestRoundData") == in_grace
    market.wait(1)
    assert market.call(guarded, "latestRoundData") == before


def test_a_feed_that_contracts_may_not_read_is_refused_as_a_guard(market: Market) -> None:
    """Chainlink's feeds let contracts in by name. An adapter behind such a feed would never give an answer."""
    feed, _ = uptime_of(market)
    terms = replace(STRICT, uptime_feed=feed.address, grace=GRACE)
    arguments = (market.hub.address, feed_id_of(ETH), terms.values)
    assert refusal(market, market.factory, "deploy", *arguments) == error("InvalidTerms(string)", "uptimeFeed")


# --- the registry ----------------------------------------------------------------------------------------------------


def test_registry_reads_as_chainlinks_does(market: Market) -> None:
    registry = registry_of(market, plain(market))
    client = Contract(registry.address, Interface(chainlink_abi("FeedRegistryInterface")))
    answer, at = history(market, 2)[-1]
    assert market.call(client, "latestRoundData", WETH, USD) == round_data(PHASE + 2, answer, at)
    assert market.call(client, "getFeed", WETH, USD) == plain(market).address
    assert market.call(client, "isFeedEnabled", plain(market).address) is True
    assert market.call(client, "decimals", WETH, USD) == 8
    assert market.call(client, "getPhaseRange", WETH, USD, 1) == {
        "startingRoundId": PHASE + 1,
        "endingRoundId": PHASE + 2,
    }
    assert refusal(market, client, "latestAnswer", OTHER, USD) == reason("Feed not found")


def test_registry_refuses_a_feed_that_withholds_its_answer(market: Market) -> None:
    first, second = plain(market), strict(market)
    registry = registry_of(market, first)
    market.report(ETH, 2_000 * UNIT)
    make_held(market)
    market.send(registry, "proposeFeed", WETH, USD, second.address)
    withheld = error("NoAnswer(address)", second.address)
    assert refusal(market, registry, "confirmFeed", WETH, USD, second.address) == withheld
    market.report(ETH, 2_001 * UNIT)
    market.send(registry, "confirmFeed", WETH, USD, second.address)
    assert market.call(registry, "latestAnswer", WETH, USD) == 2_001 * UNIT


def test_registry_refuses_a_proxy(market: Market) -> None:
    """A proxy's ids have phases of their own, so they leave no room for the registry's."""
    registry = registry_of(market)
    proxy = proxy_of(market, plain(market))
    market.report(ETH, 2_000 * UNIT, CALM)
    market.send(registry, "proposeFeed", WETH, USD, proxy.address)
    too_large = error("RoundIdTooLarge(uint256)", PHASE + 1)
    assert refusal(market, registry, "confirmFeed", WETH, USD, proxy.address) == too_large


def test_registry_fits_a_chain(codes: dict[str, Compiled]) -> None:
    assert 0 < len(codes["ZkFeedRegistry"].runtime) <= MAX_RUNTIME_BYTES
