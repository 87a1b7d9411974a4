"""Tests of this feed in incidents that other feeds are known for, with the default model and real proofs.

Prices and times are near the public record, which each section names. The record has levels and durations; the values
between them are made up here. Each section also shows what this feed would *not* have prevented. The table in
`docs/contracts.md` sums it up, and `tests/unit/docs/test_docs.py` checks that each of its tests exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.deploy.adapters import NO_FEED, AdapterMode
from oracle.chain.hub import aggregator_interface, hub_interface
from oracle.chain.local.anvil import Anvil
from oracle.core.errors import ContractRejected
from oracle.core.types import FeedState, HoldReason, Status
from tests.attack.calldata import Calldata
from tests.attack.node import GENESIS
from tests.attack.proofs import Proofs
from tests.attack.rig import COMMITTEE, REPORTER, SOLO, UNIT, Rig, Sighting

MINUTE = 60
HOUR = 60 * MINUTE
MAX_AGE = 10 * MINUTE


def units(price: float) -> int:
    """Return a price in a feed's 8 decimals."""
    return round(price * UNIT)


@dataclass
class Market:
    """A feed, and reporters who report its market. The default model judges it in the circuit with public weights,
    whose proofs are the fastest; its scores are the private circuit's.

    Attributes:
        accounts: The reporters. If there are several, each sees a venue of its own.
        at: Time of the latest observation, in seconds from the rig's start.
    """

    rig: Rig
    model_number: int
    name: str
    accounts: Sequence[int]
    adapters: dict[bool, str] = field(default_factory=dict)
    at: int = 0

    def signed(self, *prices: float, wait: int = 0) -> Calldata:
        """Return a report observed `wait` seconds after the last one, with a price from each of the first reporters."""
        seen = zip(self.accounts, prices, strict=False)
        sightings = [Sighting(units(price), self.at + wait, account) for account, price in seen]
        return self.rig.honest(self.name, *sightings, kind="public", model_number=self.model_number)

    def report(self, *prices: float, wait: int = 10 * MINUTE) -> FeedState:
        """Send a report that the hub takes as soon as it is observed, and return the feed afterwards."""
        submission = self.signed(*prices, wait=wait)
        self.pass_time(wait)
        # A second later, on a slow machine too: the delay of a hold counts from block to block.
        self.rig.chain.rpc("evm_setNextBlockTimestamp", self.rig.start + self.at + 1)
        assert self.rig.accepts(submission)
        return self.state

    def pass_time(self, seconds: int) -> None:
        self.at += seconds
        self.rig.wait_until(self.at)

    @property
    def state(self) -> FeedState:
        return self.rig.state(self.name)

    def read(self, function: str, *arguments: Any) -> Any:
        """Return the result of a view of the hub for this feed, or the name of the error that it reverts with."""
        return self._call(self.rig.hub.address, hub_interface(), function, self.rig.feed_id(self.name), *arguments)

    def adapter(self, function: str, *arguments: Any, strict: bool) -> Any:
        """Return the same for a view of its adapter."""
        return self._call(self.adapters[strict], aggregator_interface(), function, *arguments)

    def _call(self, to: str, interface: Interface, function: str, *arguments: Any) -> Any:
        data = interface.encode_call(function, *arguments)
        try:
            answer = self.rig.run(self.rig.rpc.call(to, data, decode=interface.decode_error))
        except ContractRejected as error:
            return error.name or str(error)
        return interface.decode_output(function, answer)

    def withholds(self) -> bool:
        """Return whether a consumer that asks for a current answer gets none, by every way to ask."""
        answers: set[bool] = {
            self.adapter("latestRoundData", strict=True) == "AnswerUnavailable",
            self.adapter("latestAnswer", strict=True) == 0,
            self.read("getPriceNoOlderThan", HOUR) in ("FeedHeld", "PriceTooOld"),
        }
        assert len(answers) == 1
        return answers.pop()

    def price(self) -> int:
        """Return the price that consumers get."""
        assert not self.withholds()
        answer: int = self.adapter("latestAnswer", strict=True)
        assert self.read("getPriceNoOlderThan", HOUR)["answer"] == answer
        return answer


@pytest.fixture(scope="module")
def proofs() -> Iterator[Proofs]:
    with Proofs() as made:
        yield made


@pytest.fixture(scope="module")
def deployed(
    anvil: Callable[..., Anvil], proofs: Proofs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Rig, int]]:
    """Deploy a hub, and return it with the number of the model whose weights are public."""
    rig = Rig.build(proofs, anvil(start_time=GENESIS), tmp_path_factory.mktemp("incidents"))
    try:
        yield rig, rig.add_model("public", rig.add_architecture("public"))
    finally:
        rig.close()


@pytest.fixture
def market(deployed: tuple[Rig, int]) -> Iterator[Callable[..., Market]]:
    """Return a function that makes feeds with a first answer and a calm history. They are undone after the test."""
    rig, model_number = deployed
    snapshot = rig.chain.snapshot()
    factory = Interface(compiled.load("ZkAggregatorFactory").abi)

    def make(name: str, first: float, *, reporters: int = 1, quorum: int = 1, **terms: int) -> Market:
        accounts = COMMITTEE[:reporters] if reporters > 1 else (REPORTER,)
        rig.admin("addCommittee", [rig.address(account) for account in accounts], quorum)
        committee = rig.run(rig.hub.committee_count())
        usual = {"heartbeat": HOUR, "max_age": MAX_AGE, "confirmations": 2, "tolerance": 3_000, "max_spread": 0}
        rig.add_feed(name, SOLO, committee=committee, **(usual | terms))
        rig.activate(name, model_number)
        made = Market(rig, model_number, name, accounts, at=rig.now() - rig.start + MINUTE)
        address = rig.run(rig.hub.read("aggregatorFactory"))
        for strict in (False, True):
            terms_of_adapter = (int(AdapterMode.STRICT if strict else AdapterMode.PLAIN), 0, NO_FEED, 0)
            adapter = (rig.hub.address, rig.feed_id(name), terms_of_adapter)
            made.adapters[strict] = made._call(address, factory, "addressOf", *adapter)
            assert rig.send(factory.encode_call("deploy", *adapter), to=address)
        for _ in range(2):
            assert made.report(*[first] * max(quorum, 1)).status is Status.OK
        assert made.price() == units(first)
        return made

    yield make
    rig.chain.revert(snapshot)


def held(state: FeedState, answer: int, reason: HoldReason = HoldReason.ANOMALOUS) -> bool:
    """Assert that the feed is held and has this held answer."""
    return (
        state.status is Status.HELD
        and state.answer == answer
        and state.held is not None
        and state.held.reason is reason
    )


# --- Synthetix, sKRW, 24 June 2019 -----------------------------------------------------------------------------------
# One of two price sources that were left reported the won 1000 times too high, on and off, for less than an hour; the
# oracle took the mean of the two. Bots traded into and out of sKRW. Source: Synthetix, "Response to Oracle Incident".

KRW = 0.000864
WRONG = 1_000 * KRW
KRW_TERMS = {"sigma": 3_000, "confirm_delay": HOUR}


def test_skrw_a_mean_with_a_wrong_source(market: Callable[..., Market]) -> None:
    """As it happened: the reporter itself takes the mean of two sources. Right reports clear the hold of wrong ones."""
    won = market("krw", KRW, **KRW_TERMS)
    mean = (KRW + WRONG) / 2
    for price in (mean, KRW * 1.001, mean, mean, mean, KRW, mean, mean, KRW * 0.999):
        before = won.state.answer
        state = won.report(price, wait=5 * MINUTE)
        if price == mean:
            assert held(state, before) and won.withholds()
        else:
            assert state.status is Status.OK
            assert won.price() == units(price)


def test_skrw_one_of_three_reporters(market: Callable[..., Market]) -> None:
    """The median of three reporters is not affected."""
    won = market("krw", KRW, reporters=3, quorum=3, **KRW_TERMS)
    for price in (KRW, KRW * 1.001, KRW):
        assert won.report(price, WRONG, price).status is Status.OK
        assert won.price() == units(price)


def test_skrw_reporters_who_are_too_far_apart(market: Callable[..., Market]) -> None:
    """A bound on the spread refuses every report with the wrong price in it. The others report without it."""
    won = market("krw", KRW, reporters=5, quorum=3, max_spread=3_000, **KRW_TERMS)
    for prices in ((WRONG, KRW, KRW), (KRW, KRW, KRW, WRONG)):
        assert won.rig.refusal(won.signed(*prices, wait=MINUTE)) == "SpreadTooWide"
    assert won.report(KRW * 1.001, KRW, KRW).status is Status.OK
    assert won.price() == units(KRW)


def test_skrw_one_of_two_reporters(market: Callable[..., Market]) -> None:
    """The median of two is the higher answer. Without a bound on the spread, the model has to hold it, and does."""
    won = market("krw", KRW, reporters=2, **KRW_TERMS)
    assert held(won.report(KRW, WRONG), units(KRW))
    assert won.withholds()
    assert won.report(KRW, KRW).status is Status.OK


# --- Compound, DAI, 26 November 2020 ---------------------------------------------------------------------------------
# DAI traded at up to 1.30 on Coinbase Pro for part of an hour, and was high on Uniswap, but not on most other venues;
# Compound's price was Coinbase Pro's, within 20 % of Uniswap's. About 89 million dollars were liquidated.
# Sources: the Compound forum's "DAI Liquidation Event"; press of the day after.

DAI_AT_ONE_VENUE = (1.02, 1.05, 1.10, 1.17, 1.25, 1.30, 1.30, 1.28, 1.20, 1.12, 1.06, 1.02)
DAI_TERMS = {"sigma": 3_000, "confirm_delay": HOUR}


def test_dai_from_one_venue(market: Callable[..., Market]) -> None:
    """With Compound's one source, nothing of the spike is written, and consumers get no answer for an hour.

    This also stops liquidations that are due: ETH itself fell by 8 % in that hour.
    """
    dai = market("dai", 1.0, **DAI_TERMS)
    for price in DAI_AT_ONE_VENUE:
        assert held(dai.report(price, wait=5 * MINUTE), units(1.0))
        assert dai.withholds()
    assert dai.report(1.005, wait=5 * MINUTE).status is Status.OK
    assert dai.price() == units(1.005)


def test_dai_from_three_venues(market: Callable[..., Market]) -> None:
    """If one of three sources spikes, the median is the others' answer, and there is no hold.

    Had two of the three been Coinbase Pro and Uniswap, the result would have been that of a single source.
    """
    dai = market("dai", 1.0, reporters=3, quorum=3, **DAI_TERMS)
    for spike, price in zip(DAI_AT_ONE_VENUE, (1.002, 1.004, 1.006, 1.008, 1.010, 1.010), strict=False):
        assert dai.report(spike, price, price + 0.001, wait=5 * MINUTE).status is Status.OK
        assert dai.price() == units(price + 0.001)


# --- Venus and Blizz, LUNA, 11 to 13 May 2022 ------------------------------------------------------------------------
# LUNA fell from 17 dollars to a hundredth of a cent in three days. Chainlink's feed stopped at 0.107, near its smallest
# answer, while the market was at 0.01; both protocols lent against LUNA at that price. Venus lost 11.2 million dollars,
# Blizz all it had. Sources: Venus Protocol's incident updates; rekt.news; press of 12 and 13 May.

LUNA_LEVELS = (4.46, 1.05, 0.69, 0.20, 0.107, 0.028, 0.010, 0.0001)
LUNA_TERMS = {"sigma": 20_000, "confirm_delay": 20 * MINUTE}


def test_luna_is_followed_all_the_way_down(market: Callable[..., Market]) -> None:
    """A real crash passes: each level that is too far from the last one to be measured is held until it is confirmed,
    and no longer.

    After the first level, moves within the clip pass at once: the model expects moves of the size that it has seen.
    """
    luna = market("luna", 17.38, **LUNA_TERMS)
    held_reports, started = 0, luna.at
    for level in LUNA_LEVELS:
        for _ in range(3):
            state = luna.report(level)
            if state.status is Status.HELD:
                assert luna.withholds()
                held_reports += 1
            else:
                assert luna.price() == units(level)
        assert state.status is Status.OK
    # Only 0.69 is within 32 sigmas of the level before it.
    assert held_reports == 2 * (len(LUNA_LEVELS) - 1)
    assert luna.state.answer == units(0.0001)
    # The third report of the first level confirms it, 20 minutes after the first one; the crash lasts four hours.
    assert luna.read("getRound", 3)["observedAt"] - luna.rig.start - started == 30 * MINUTE
    assert luna.read("getRound", 3)["scoreRatio"] > 0


def falling(luna: Market, reports: int) -> float:
    """Let the price fall by 15 % from one report to the next, and return the last price."""
    price = 17.38
    for _ in range(reports):
        price *= 0.85
        luna.report(price)
    return price


def test_luna_in_free_fall_is_followed_in_the_end(market: Callable[..., Market]) -> None:
    """With a narrow tolerance, reports that are never near each other confirm no level. After four times the reports
    and the time that would confirm one, the feed follows all the same, and from then on at once.

    Meanwhile, consumers that check get no answer; one that reads a plain adapter and checks nothing has 17.38.
    """
    luna = market("luna", 17.38, **LUNA_TERMS)
    price = falling(luna, 11)
    assert held(luna.state, units(17.38))
    assert luna.withholds()
    assert luna.adapter("latestAnswer", strict=False) == units(17.38)
    assert luna.state.held is not None and luna.state.held.answer == units(price)
    assert luna.state.held.anomalies == 11
    for _ in range(4):
        price *= 0.85
        assert luna.report(price).status is Status.OK
        assert luna.price() == units(price)


def test_luna_in_free_fall_with_a_wide_tolerance(market: Callable[..., Market]) -> None:
    """Levels within 30 sigmas count as one: the third report of the fall is accepted, and the later ones at once."""
    luna = market("luna", 17.38, **(LUNA_TERMS | {"tolerance": 30_000}))
    for report in range(1, 7):
        price = 17.38 * 0.85**report
        state = luna.report(price)
        assert state.status is (Status.HELD if report < 3 else Status.OK)
    assert luna.price() == units(price)


def test_after_a_confirmed_jump_a_decimal_error_is_held(market: Callable[..., Market]) -> None:
    """For 12 rounds, the default model expects a move that it has seen once. Clipped moves are held all the same.

    A move of 30 sigmas is not held.
    """
    luna = market("luna", 17.38, **LUNA_TERMS)
    for _ in range(3):
        luna.report(4.46)
    assert luna.price() == units(4.46)
    assert held(luna.report(446.0), units(4.46))
    assert luna.report(4.46).status is Status.OK
    assert luna.report(4.46 * 1.6).status is Status.OK


# --- Mango Markets, MNGO, 11 October 2022 ----------------------------------------------------------------------------
# Purchases on thin markets took MNGO from 0.038 to as much as 0.91 dollars within about ten minutes; the buyer borrowed
# more than 110 million dollars against it; then it fell to less than it had been. Sources: press and post-mortems of
# that week, which give peaks between 0.54 and 0.91.

MNGO_UP = (0.05, 0.09, 0.16, 0.30, 0.54, 0.91)
MNGO_TERMS = {"sigma": 15_000, "confirm_delay": 30 * MINUTE}


def test_mango_is_held_while_it_is_pushed_up(market: Callable[..., Market]) -> None:
    """None of it is written. The later fall below the old price is held and confirmed in its turn."""
    mango = market("mango", 0.038, **MNGO_TERMS)
    for price in (*MNGO_UP, 0.91, 0.70, 0.30, 0.10):
        assert held(mango.report(price, wait=2 * MINUTE), units(0.038))
        assert mango.withholds()
    for _ in range(3):
        assert mango.state.answer == units(0.038)
        mango.report(0.025, wait=15 * MINUTE)
    assert mango.price() == units(0.025)


# --- a price that nobody corrects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "right", "wrong", "terms"),
    [
        ("krw", KRW, WRONG, KRW_TERMS),
        ("dai", 1.0, 1.3, DAI_TERMS),
        ("mango", 0.038, 0.54, MNGO_TERMS),
    ],
    ids=["synthetix", "compound", "mango"],
)
def test_a_wrong_price_that_lasts_is_accepted(
    market: Callable[..., Market], name: str, right: float, wrong: float, terms: dict[str, int]
) -> None:
    """Not prevented: a wrong price that lasts longer than `confirm_delay` is accepted, as a real change is.

    The feed can't tell the two apart. It gives a public delay, and a mark on the round.
    """
    feed = market(name, right, **terms)
    reports = 3
    for report in range(reports):
        assert feed.state.answer == units(right)
        # The blocks have to be so far apart, too: they come up to a second after the observations.
        feed.report(wrong, wait=terms["confirm_delay"] // (reports - 1) + 1)
        assert feed.withholds() is (report < reports - 1)
    assert feed.price() == units(wrong)
    assert feed.read("getRound", 3)["scoreRatio"] > 0


# --- stale prices ----------------------------------------------------------------------------------------------------
# 12 March 2020: Ethereum was congested while ETH fell from 194 to about 110 dollars. Updates of feeds waited to be
# mined, and consumers that did not check an answer's time used the old one. It was the same when LUNA's feed stopped.


def test_reporters_stop(market: Callable[..., Market]) -> None:
    """A consumer that asks for a fresh answer gets none, and neither does one that simply reads a strict adapter."""
    eth = market("eth", 194.0, sigma=10_000, confirm_delay=20 * MINUTE)
    eth.pass_time(HOUR + MAX_AGE - MINUTE)
    assert not eth.read("isStale")
    assert eth.adapter("latestAnswer", strict=True) == units(194.0)
    assert eth.read("getPriceNoOlderThan", HOUR) == "PriceTooOld"
    eth.pass_time(2 * MINUTE)
    assert eth.read("isStale")
    assert eth.withholds()
    # Not prevented: a plain adapter is Chainlink's feed, and gives the old answer with its old time.
    assert eth.adapter("latestRoundData", strict=False) != "AnswerUnavailable"
    assert eth.adapter("latestAnswer", strict=False) == units(194.0)
    assert eth.adapter("latestTimestamp", strict=False) < eth.rig.now() - HOUR


def test_a_report_that_comes_late(market: Callable[..., Market]) -> None:
    """An old observation does not become a new answer: after `max_age` it is refused, however late it was mined."""
    eth = market("eth", 194.0, sigma=10_000, confirm_delay=20 * MINUTE)
    late = eth.signed(192.0, wait=MINUTE)
    eth.pass_time(MINUTE + MAX_AGE + 30)
    assert eth.rig.refusal(late) == "ObservationTooOld"
    assert eth.report(190.0, wait=MINUTE).status is Status.OK


# --- wrong decimals --------------------------------------------------------------------------------------------------
# Pyth, BTC, 20 September 2021: two publishers sent next to nothing for two minutes. One had made an integer of a
# fraction, one had used the exponent 0 instead of -8. The aggregate fell from 43,500 to 5,402 dollars. Source: Pyth
# Network's root cause analysis.

BTC = 43_500.0
BTC_TERMS = {"sigma": 8_000, "confirm_delay": 20 * MINUTE}


@pytest.mark.parametrize(
    "wrong",
    [BTC * 100, BTC / 100, BTC * 10, BTC * 10**10, BTC / 10**8, 5_402.0],
    ids=["x100", "/100", "x10", "18-for-8", "exponent-0", "pyth"],
)
def test_wrong_decimals_are_held(market: Callable[..., Market], wrong: float) -> None:
    btc = market("btc", BTC, **BTC_TERMS)
    for _ in range(3):
        assert held(btc.report(wrong, wait=MINUTE), units(BTC))
        assert btc.withholds()
    assert btc.report(BTC * 1.002, wait=MINUTE).status is Status.OK
    assert btc.price() == units(BTC * 1.002)


def test_a_price_of_zero_is_never_confirmed(market: Callable[..., Market]) -> None:
    """A fraction that became the integer 0 is held, however long it lasts."""
    btc = market("btc", BTC, **BTC_TERMS)
    for _ in range(5):
        assert held(btc.report(0.0), units(BTC), HoldReason.NOT_POSITIVE)
    assert btc.report(BTC).status is Status.OK


def test_wrong_decimals_from_the_first_report(market: Callable[..., Market]) -> None:
    """Not prevented: a first answer has nothing to be measured against. The right one then has to be confirmed."""
    btc = market("btc", BTC * 100, **BTC_TERMS)
    for _ in range(2):
        assert held(btc.report(BTC), units(BTC * 100))
    assert btc.report(BTC).status is Status.OK
    assert btc.price() == units(BTC)
