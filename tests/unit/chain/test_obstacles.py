"""Tests of the judgement whether the chain would take a next report: each rule at its bound, and in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oracle.chain.deploy.terms import PLAIN, AdapterMode, AdapterTerms
from oracle.chain.hub import CHANGE_WINDOW, Committee, HubFeedConfig, HubModel
from oracle.chain.obstacles import SHARED_CLOCK_S, HubFacts, NodeFacts, ReportedFeed, obstacles_of
from oracle.chain.readiness import Readiness
from oracle.chain.transport.answers import Block, Market
from oracle.chain.tx.fees import GWEI, FeePolicy
from oracle.core import gate
from oracle.core.errors import ChainUnavailable, WrongChain
from oracle.core.obstacles import Obstacle, ObstacleKind, grouped, lines, obstacles_for
from oracle.core.types import Kind

NOW = 1_800_000_000
ETH, BTC = b"\x01" * 32, b"\x02" * 32
OURS, ALICE, BOB = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
PAYER, ADAPTER = "0x" + "44" * 20, "0x" + "55" * 20
STRICT = AdapterTerms(AdapterMode.STRICT)
TERMS = HubFeedConfig("ETH", Kind.RELATIVE, 8, 2, 0, 60, 300, 20, 60, 3_000, 0, 1_000, 1)
STATE = gate.empty_feed(ETH, Kind.RELATIVE, 1_000, 60, 1)
FIXED: dict[str, str | int] = {"description": "ETH", "kind": Kind.RELATIVE, "decimals": 8}
FEED = ReportedFeed("eth", ETH, "default", FIXED, {PLAIN: ADAPTER})
NODE = NodeFacts(
    (FEED,), {ETH: "eth", BTC: "btc"}, OURS, unprovable=lambda number: "", payer=PAYER, gas=1_000, artifacts={1: b"a"}
)
CHAIN = HubFacts(
    head=Block(9, NOW - 12, 1, 30_000_000),
    next_at=NOW,
    states={ETH: STATE},
    terms={ETH: TERMS},
    committees={1: Committee(1, (OURS,), 1, 1)},
    linked={ETH: ADAPTER},
    coded=frozenset({ADAPTER}),
    models={1: HubModel(0, 1, b"a", 1)},
    market=Market(GWEI, GWEI),
    balance=10**18,
)


def judged(node: NodeFacts = NODE, chain: HubFacts = CHAIN, now: float = NOW) -> list[ObstacleKind]:
    return [each.kind for each in obstacles_of(node, chain, now)]


def only(node: NodeFacts = NODE, chain: HubFacts = CHAIN, now: float = NOW) -> Obstacle:
    [found] = obstacles_of(node, chain, now)
    assert found.remedy or found.kind is ObstacleKind.MODEL
    return found


def of(**state: Any) -> HubFacts:
    return replace(CHAIN, states={ETH: replace(STATE, **state)})


def test_nothing_stands_in_the_way() -> None:
    assert judged() == []


def test_a_feed_that_is_not_there_is_told_alone() -> None:
    found = only(replace(NODE, feeds=(replace(FEED, feed_id=None),)))
    assert (found.kind, found.feed) == (ObstacleKind.DEPLOYMENT, "eth")
    assert str(found) == "the deployment file does not have it; not deployed: run `oracle deploy`"
    assert "the hub does not have it" in only(chain=replace(CHAIN, states={})).detail
    # It was taken back by a reorganisation between two questions, or the node lies about one of them.
    assert "the hub does not have it" in only(chain=replace(CHAIN, terms={})).detail


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decimals": 6}, "decimals is 6 in the configuration, and 8 on the hub, where it never changes"),
        ({"kind": Kind.ABSOLUTE}, "kind is absolute in the configuration, and relative on the hub"),
        ({"description": "ETH / EUR"}, "description is 'ETH / EUR' in the configuration, and 'ETH' on the hub"),
    ],
)
def test_answers_that_would_mean_another_value(change: dict[str, Any], says: str) -> None:
    found = only(replace(NODE, feeds=(replace(FEED, fixed=FIXED | change),)))
    assert found.kind is ObstacleKind.DEPLOYMENT and says in found.detail


@pytest.mark.parametrize(
    ("since", "says"),
    [
        (None, "`oracle feed propose-unpause eth`"),
        (NOW + 60, "it can go on in 60 s: then `oracle feed unpause eth`"),
        (NOW - 1, "it can go on now: `oracle feed unpause eth`"),
        (NOW - CHANGE_WINDOW - 1, "`oracle feed propose-unpause eth`"),
    ],
)
def test_a_paused_feed_with_the_way_out(since: int | None, says: str) -> None:
    found = only(chain=replace(of(paused=True), unpaused_from={ETH: since}))
    assert found.kind is ObstacleKind.PAUSED and says in found.remedy


def test_a_key_that_is_no_reporter_and_one_that_is_proposed() -> None:
    committee = Committee(1, (ALICE,), 1, 2)
    found = only(chain=replace(CHAIN, committees={1: committee}))
    assert found.kind is ObstacleKind.REPORTER and f"which is not among the committee's reporters, {ALICE}" in str(
        found
    )
    joining = replace(committee, proposed=(OURS,), proposed_quorum=1, active_from=NOW)
    assert "it is proposed as a reporter" in only(chain=replace(CHAIN, committees={1: joining})).remedy


def test_a_key_that_is_not_here_is_told_once() -> None:
    found = only(replace(NODE, reporter=None, keyless="key.json: no such file"))
    assert (found.kind, found.feed) == (ObstacleKind.REPORTER, "") and "key.json: no such file" in found.detail


def test_a_quorum_that_the_members_can_not_meet_or_do_not() -> None:
    chain = replace(CHAIN, committees={1: Committee(1, (OURS, ALICE, BOB), 3, 1)})
    assert only(chain=chain).kind is ObstacleKind.QUORUM
    node = replace(NODE, members={"default": (OURS, ALICE)})
    assert "only 2 of the committee's reporters" in only(node, chain).detail
    node = replace(NODE, members={"default": (OURS, ALICE, BOB)})
    assert judged(node, chain) == []
    silent = only(replace(node, silent={BOB: "bob does not answer: refused"}), chain)
    assert silent.kind is ObstacleKind.SILENT and not silent.kind.stops_reports
    assert "2 members answer, and the quorum is 3: bob does not answer: refused" in silent.detail
    one_is_enough = replace(CHAIN, committees={1: Committee(1, (OURS, ALICE, BOB), 1, 1)})
    assert judged(replace(node, silent={BOB: "bob does not answer"}), one_is_enough) == []


def test_a_quorum_that_liars_could_have() -> None:
    chain = replace(CHAIN, committees={1: Committee(1, (OURS, ALICE, BOB), 1, 1)})
    node = replace(NODE, members={"default": (OURS, ALICE, BOB)}, faulty={"default": 1})
    found = only(node, chain)
    assert found.kind is ObstacleKind.QUORUM and "with [network] faulty = 1 it has to be at least 3" in found.detail


def test_each_peer_is_configured_deployed_and_of_the_same_committee() -> None:
    chain = of(peers=(BTC,))
    assert only(chain=chain).detail == "the hub does not have its peer btc"
    chain = replace(chain, terms={ETH: TERMS, BTC: replace(TERMS, committee=2)})
    assert "its peer btc is of committee number 2, and the feed itself of 1" in only(chain=chain).detail
    chain = replace(chain, terms={ETH: TERMS, BTC: TERMS})
    found = only(chain=chain)
    assert (found.kind, found.detail) == (ObstacleKind.PEER, "its peer btc is not among [[feeds]]")
    both = replace(NODE, feeds=(FEED, ReportedFeed("btc", BTC, "default")))
    assert judged(both, replace(chain, states={**chain.states, BTC: replace(STATE, feed_id=BTC)})) == []


@pytest.mark.parametrize(
    ("clock", "says"),
    [
        (NOW + 20, None),
        (NOW + 21, "21 s ahead of the chain's, and the feed takes observations that are max_skew = 20 s ahead at most"),
        (NOW - 300, None),
        (NOW - 301, "301 s behind the chain's, and the feed takes observations that are max_age = 300 s old at most"),
    ],
)
def test_the_clock_at_its_bounds(clock: int, says: str | None) -> None:
    if says is None:
        assert judged(now=clock) == []
        return
    found = only(now=clock)
    assert found.kind is ObstacleKind.CLOCK and says in found.detail
    assert judged(replace(NODE, feeds=(replace(FEED, is_recorded=True),)), now=clock) == [], "a recording has its own"


def test_a_report_from_the_future_holds_up_all_that_are_before_it() -> None:
    assert judged(chain=of(last_report_at=NOW + SHARED_CLOCK_S)) == []
    found = only(chain=of(last_report_at=NOW + SHARED_CLOCK_S + 1))
    assert found.kind is ObstacleKind.CLOCK and "has a report observed 6 s ahead" in found.detail


def test_a_model_that_can_not_be_proven_here() -> None:
    found = only(
        replace(NODE, unprovable=lambda number: f"no artifact of {number}" if number == 7 else ""), of(model_number=7)
    )
    assert (found.kind, str(found)) == (ObstacleKind.MODEL, "its active model is number 7: no artifact of 7")
    assert judged(replace(NODE, unprovable=None), of(model_number=7)) == [], "who only signs proves nothing"
    other = replace(CHAIN, models={1: HubModel(0, 1, b"b", 1)})
    assert "of artifact 0x62 on the hub, and of 0x61 in the deployment file" in only(chain=other).detail


def test_adapters_that_are_not_linked_not_deployed_or_gone() -> None:
    assert "links no adapter" in only(chain=replace(CHAIN, linked={ETH: None})).detail
    assert f"links the adapter {ALICE} to it" in only(chain=replace(CHAIN, linked={ETH: ALICE})).detail
    for address, says in ((None, "its strict adapter of the configuration is not deployed"), (BOB, "no contract at")):
        feed = replace(FEED, adapters={PLAIN: ADAPTER, STRICT: address})
        found = only(replace(NODE, feeds=(feed,)))
        assert found.kind is ObstacleKind.ADAPTER and says in found.detail
        assert not found.kind.stops_reports


def test_a_payer_at_the_bound_and_gas_above_the_caps() -> None:
    cost = 1_000 * 3 * GWEI  # twice the base fee, and the tip
    assert judged(chain=replace(CHAIN, balance=cost)) == []
    found = only(chain=replace(CHAIN, balance=cost - 1))
    assert (found.kind, found.feed) == (ObstacleKind.FUNDS, "")
    assert f"the payer {PAYER} has " in found.detail and "1,000 gas at up to 3 gwei" in found.detail
    assert judged(replace(NODE, payer=None), replace(CHAIN, balance=0)) == [], "who only answers pays nothing"
    dear = only(replace(NODE, fees=FeePolicy(max_fee=GWEI // 2)))
    assert dear.kind is ObstacleKind.FUNDS and "gas costs 1 gwei" in dear.detail


def test_several_obstacles_are_all_told() -> None:
    chain = replace(of(paused=True), committees={1: Committee(1, (ALICE,), 1, 1)}, balance=0)
    assert judged(chain=chain) == [ObstacleKind.FUNDS, ObstacleKind.PAUSED, ObstacleKind.REPORTER]


def test_one_reason_is_told_once_with_its_feeds() -> None:
    paused = [Obstacle(ObstacleKind.PAUSED, each, "the feed is paused", "") for each in ("eth", "btc")]
    funds = Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")
    assert grouped([*paused, funds]) == ((("eth", "btc"), paused[0]), ((), funds))
    assert lines([*paused, funds])[0] == "next report of eth, btc: paused: the feed is paused"
    assert obstacles_for("btc", [*paused, funds]) == (paused[1], funds)


def test_the_exit_code_says_who_has_to_do_something() -> None:
    chain = Obstacle(ObstacleKind.CHAIN, "", "no answer", "")
    silent = Obstacle(ObstacleKind.SILENT, "eth", "1 member answers", "")
    paused = Obstacle(ObstacleKind.PAUSED, "eth", "the feed is paused", "")
    assert Readiness(()).exit_code == Readiness((silent,)).exit_code == 0
    assert Readiness((paused, silent)).exit_code == 1
    assert Readiness((chain,), error=ChainUnavailable("no answer")).exit_code == 75
    assert Readiness((chain,), error=WrongChain("another")).exit_code == 1
    assert Readiness((paused, chain), error=ChainUnavailable("no answer")).exit_code == 1
