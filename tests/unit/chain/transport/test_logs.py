"""Tests of reading events: every limit that a node may set is found, and each event comes once, in order, as asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log
from oracle.chain.transport.interface import HistoryMissing, MethodMissing, NodeError, NullRound, TooMuchAsked
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable
from oracle.core.formats import to_hex

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER = "0x000000000000000000000000000000000000dEaD"
TOPIC, TOPIC_2 = b"\1" * 32, b"\2" * 32

Refuse = Callable[[int, int], dict[str, Any] | None]


def event(block: int, index: int = 0, **changes: Any) -> dict[str, Any]:
    """Return an event as a node writes it."""
    return {
        "address": ADDRESS.lower(),
        "topics": [to_hex(TOPIC)],
        "data": to_hex(bytes([index])),
        "blockNumber": hex(block),
        "blockHash": to_hex(block.to_bytes(32)),
        "transactionHash": to_hex((100 * block + index).to_bytes(32)),
        "transactionIndex": hex(index),
        "logIndex": hex(index),
        "removed": False,
    } | changes


class Chain:
    """A chain with an event in every second block, behind a node with limits.

    Attributes:
        refuse: Returns a node's error for a range; None: it is answered.
        answer: Changes an answer.
        asked: The ranges that were asked for.
    """

    def __init__(self, rpc: Rpc, head: int = 1_000) -> None:
        self.head = head
        self.refuse: Refuse = lambda first, last: None
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda events: events
        self.asked: list[tuple[int, int]] = []
        rpc.transport._provider.make_request = self.make_request  # type: ignore[attr-defined]

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if method != "eth_getLogs":
            return {"result": "0x7a69"}
        first, last = (int(params[0][key], 16) for key in ("fromBlock", "toBlock"))
        self.asked.append((first, last))
        refusal = self.refuse(first, last)
        if refusal is not None:
            return {"error": refusal}
        return {"result": self.answer([event(block) for block in range(first, last + 1) if block % 2 == 0])}

    @property
    def taken(self) -> list[tuple[int, int]]:
        """The ranges that were answered."""
        return [asked for asked in self.asked if self.refuse(*asked) is None]


@pytest.fixture
async def rpc(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rpc]:
    async def no_pause(seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", no_pause)
    async with Rpc("http://node.example", 31337) as rpc:
        yield rpc


def over(most: int, message: str, code: int = -32602) -> Refuse:
    """Refuse ranges of more than so many blocks."""

    def refuse(first: int, last: int) -> dict[str, Any] | None:
        asked = last - first + 1
        said = message.format(most=most, asked=asked, first=hex(first), last=hex(first + most - 1))
        return {"code": code, "message": said} if asked > most else None

    return refuse


def blocks(events: list[Log]) -> list[int]:
    return [each.block_number for each in events]


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3, 10, 100, 300, 301])
@pytest.mark.parametrize(
    "message",
    [
        "block range too large",
        "up to a {most} block range",
        "You can make requests with up to a {most} block range. This block range should work: [{first}, {last}]",
        "range {asked} is bigger than range limit {most}",
        "query returned more than 10000 results",
        "query timeout exceeded",
        "words that nobody knows",
    ],
)
async def test_any_limit_of_blocks_in_any_words(rpc: Rpc, most: int, message: str) -> None:
    chain = Chain(rpc, 300)
    chain.refuse = over(most, message)
    found = await rpc.logs(ADDRESS, 0, chain.head, chunk=5_000)
    assert blocks(found) == list(range(0, 301, 2))
    covered = [block for first, last in chain.taken for block in range(first, last + 1)]
    assert covered == list(range(301)), "each block once, in order"
    refused = len(chain.asked) - len(chain.taken)
    assert refused <= 13 + len(chain.taken) // 8


async def test_a_named_limit_costs_one_request_and_is_remembered(rpc: Rpc) -> None:
    chain = Chain(rpc)
    chain.refuse = over(3, "You can make eth_getLogs requests with up to a {most} block range.", -32600)
    await rpc.logs(ADDRESS, 0, 299)
    assert chain.asked[0] == (0, 299) and chain.asked[1] == (0, 2)
    assert len(chain.asked) - len(chain.taken) == 1
    chain.asked.clear()
    await rpc.logs(ADDRESS, 300, 320)
    assert chain.asked == [(first, first + 2) for first in range(300, 320, 3)]


async def test_a_limit_that_was_found_is_tried_again_more_and_more_rarely(rpc: Rpc) -> None:
    chain = Chain(rpc, 20_000)
    chain.refuse = over(100, "too many logs")
    await rpc.logs(ADDRESS, 0, chain.head, chunk=1_000)
    refused = [at for at, asked in enumerate(chain.asked) if asked not in chain.taken]
    assert 4 <= len(refused) <= 12
    widths = [last - first + 1 for first, last in chain.taken[-20:]]
    assert min(widths[:-1]) >= 50


async def test_a_dense_range_is_halved_and_a_sparse_one_is_widened_again(rpc: Rpc) -> None:
    chain = Chain(rpc, 60_000)
    dense = over(4, "query returned more than 10000 results", -32005)
    chain.refuse = lambda first, last: dense(first, last) if first < 200 else None
    await rpc.logs(ADDRESS, 0, chain.head, chunk=1_000)
    widths = [last - first + 1 for first, last in chain.taken]
    assert max(widths) >= 500 and len(chain.asked) < 500


async def test_a_suggestion_that_does_not_do_is_no_trap(rpc: Rpc) -> None:
    """A node was seen to suggest the range that it refuses, and one whose answer is too large all the same."""
    chain = Chain(rpc)
    chain.refuse = lambda first, last: (
        {"code": -32602, "message": f"query exceeds max results 20000, retry with the range {first}-{last}"}
        if last - first > 9
        else None
    )
    assert blocks(await rpc.logs(ADDRESS, 0, 1_000)) == list(range(0, 1_001, 2))
    chain.asked.clear()
    chain.refuse = lambda first, last: (
        {"code": -32602, "message": f"Query returned more than 10000 results. Try with this block range [{hex(first)}, "
         f"{hex(first + 700)}]."} if last - first > 700 else {"code": -32008, "message": "Response is too big"}
        if last - first > 3 else None
    )  # fmt: skip
    assert blocks(await Rpc(rpc.transport).logs(ADDRESS, 0, 1_000)) == list(range(0, 1_001, 2))


@pytest.mark.parametrize(
    ("error", "wanted", "most"),
    [
        ({"code": -32602, "message": "invalid argument 0: topics must be 32 bytes"}, NodeError, 2),
        ({"code": -32000, "message": "response is out of the allowed range of this plan"}, TooMuchAsked, 6),
        ({"code": -32601, "message": "method not found"}, MethodMissing, 1),
        ({"code": 4444, "message": "pruned history unavailable"}, HistoryMissing, 1),
        ({"code": -32000, "message": "header not found"}, NodeError, 3),
    ],
)
async def test_an_error_that_no_range_mends_is_not_halved_down_to_one_block(
    rpc: Rpc, error: dict[str, Any], wanted: type[Exception], most: int
) -> None:
    chain = Chain(rpc)
    chain.refuse = lambda first, last: error
    with pytest.raises(wanted, match=error["message"]):
        await rpc.logs(ADDRESS, 0, 999)
    assert len(chain.asked) <= most


async def test_a_block_with_too_much_in_it_ends_with_the_node_s_words(rpc: Rpc) -> None:
    chain = Chain(rpc)
    chain.refuse = lambda first, last: (
        {"code": -32005, "message": "query returned more than 10000 results"} if first <= 70 <= last else None
    )
    with pytest.raises(TooMuchAsked, match="more than 10000 results"):
        await rpc.logs(ADDRESS, 0, 100)
    assert (70, 70) in chain.asked


async def test_words_that_may_mean_a_rate_limit_too(rpc: Rpc) -> None:
    """BNB chain's "limit exceeded" is one of the range, or one of the rate."""
    chain = Chain(rpc)
    limits = iter([True] * 4 + [False] * 999)
    chain.refuse = lambda first, last: {"code": -32005, "message": "limit exceeded"} if next(limits) else None
    assert blocks(await rpc.logs(ADDRESS, 0, 99)) == list(range(0, 100, 2))
    limits = iter([True, True] + [False] * 999)
    assert blocks(await rpc.logs(ADDRESS, 12, 12)) == [12]


@pytest.mark.parametrize("says", ["({hole})", "", "(9)"])
async def test_blocks_that_nobody_made_at_the_ends_of_a_range(rpc: Rpc, says: str) -> None:
    """Filecoin's null rounds, whichever end the message names. Between the ends they do not matter."""
    chain = Chain(rpc)
    holes = {99, 98, 100, 101, 199}
    chain.refuse = lambda first, last: next(
        (
            {"code": 1, "message": f"failed to get events: requested epoch was a null round {says.format(hole=hole)}"}
            for hole in (first, last)
            if hole in holes
        ),
        None,
    )
    assert blocks(await rpc.logs(ADDRESS, 0, 99)) == list(range(0, 98, 2))
    assert blocks(await rpc.logs(ADDRESS, 98, 120)) == list(range(102, 121, 2))
    assert blocks(await rpc.logs(ADDRESS, 199, 209)) == [200, 202, 204, 206, 208]
    assert await rpc.logs(ADDRESS, 99, 100) == []


@pytest.mark.attack
async def test_a_node_that_calls_a_range_null_and_no_end_of_it_is_refused(rpc: Rpc) -> None:
    chain = Chain(rpc)
    chain.refuse = lambda first, last: {"code": 12, "message": "null round"} if first != last else None
    with pytest.raises(NullRound):
        await rpc.logs(ADDRESS, 0, 9)


# --- what a node adds, repeats and reorders ------------------------------------------------------------------------


async def test_repeated_and_in_any_order(rpc: Rpc) -> None:
    chain = Chain(rpc)
    expected = await rpc.logs(ADDRESS, 0, 50)
    chain.answer = lambda events: [*reversed(events), *events, *events[:3]]
    assert await rpc.logs(ADDRESS, 0, 50) == expected


async def test_what_was_not_asked_for_is_left_out_and_said(rpc: Rpc) -> None:
    chain = Chain(rpc)
    expected = await rpc.logs(ADDRESS, 10, 20, [[TOPIC]])
    assert expected
    chain.answer = lambda events: [
        *events,
        event(12, 7, address=OTHER.lower()),
        event(9, 7),
        event(21, 7),
        event(12, 8, topics=[to_hex(TOPIC_2)]),
        event(12, 9, topics=[]),
        event(14, 7, removed=True),
        event(14, 8, blockNumber=None, blockHash=None, logIndex=None),
    ]
    with capture_logs() as logs:
        assert await rpc.logs(ADDRESS, 10, 20, [[TOPIC]]) == expected
    (record,) = [each for each in logs if "not asked for" in each["event"]]
    assert record["events"] == {
        "of another contract": 1,
        "outside of the range": 2,
        "with other topics": 2,
        "removed by a reorganisation": 1,
        "not in a block yet": 1,
    }


@pytest.mark.attack
@pytest.mark.parametrize(
    "changes",
    [{"data": "0x63"}, {"topics": [to_hex(TOPIC_2)]}, {"transactionHash": to_hex(b"\5" * 32)}],
    ids=["data", "topics", "transaction"],
)
async def test_two_contents_of_one_event_are_not_believed_and_it_is_named(rpc: Rpc, changes: dict[str, Any]) -> None:
    chain = Chain(rpc)
    chain.answer = lambda events: [*events, event(12, 0, **changes)]
    with pytest.raises(AnswerNotBelieved, match=r"two different events 0 of block 12, in transactions 0x"):
        await rpc.logs(ADDRESS, 10, 20)


@pytest.mark.attack
async def test_two_blocks_of_one_number_are_not_believed(rpc: Rpc) -> None:
    chain = Chain(rpc)
    chain.answer = lambda events: [*events, event(12, 1, blockHash=to_hex(b"\5" * 32))]
    with pytest.raises(AnswerNotBelieved, match=r"two blocks with number 12, .* reorganised meanwhile, or"):
        await rpc.logs(ADDRESS, 10, 20)


async def test_an_index_that_is_counted_in_each_transaction(rpc: Rpc) -> None:
    """Some chains count so. The transaction's index tells the events apart, and orders them."""
    chain = Chain(rpc)
    chain.answer = lambda events: [event(12, 2, logIndex="0x0"), event(12, 1, logIndex="0x0"), event(12, 1)]
    found = await rpc.logs(ADDRESS, 12, 12)
    assert [each.place for each in found] == [(12, 1, 0), (12, 1, 1), (12, 2, 0)]


@pytest.mark.parametrize(
    "key", ["address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex"]
)
async def test_an_event_without_what_identifies_it(rpc: Rpc, key: str) -> None:
    chain = Chain(rpc)
    chain.answer = lambda events: [{name: value for name, value in event(12).items() if name != key}]
    with pytest.raises(ChainUnavailable, match=f"answers a log without {key}"):
        await rpc.logs(ADDRESS, 12, 12)


@pytest.mark.parametrize(("said", "time"), [("0x64", 100), (None, None), ("0x0", None), (100, 100)])
async def test_the_time_of_a_log_s_block(rpc: Rpc, said: Any, time: int | None) -> None:
    chain = Chain(rpc)
    chain.answer = lambda events: [event(12, blockTimestamp=said)]
    assert [each.block_time for each in await rpc.logs(ADDRESS, 12, 12)] == [time]
