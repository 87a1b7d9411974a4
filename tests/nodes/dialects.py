"""Nodes that differ from Anvil: rules for `tests/chaos/proxy.py` that make a real Anvil answer as each of them.

A dialect is a list of quirks. A quirk takes a request and the rest of the dialect, and returns the answer: it refuses,
asks something else, or changes what the rest answers. The words are those of the corpus beside this file.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.chaos.proxy import Act, Call, Http
from tests.nodes.corpus import recorded, with_data

Answer: TypeAlias = dict[str, Any] | Http
Rest: TypeAlias = Callable[[Call], Answer]
Quirk: TypeAlias = Callable[[Call, Rest], Answer]

OTHER = "0x000000000000000000000000000000000000dead"
_BLOCK_AT = {
    "eth_getBlockByNumber": 0, "eth_getCode": 1, "eth_getBalance": 1, "eth_getTransactionCount": 1, "eth_call": 1,
    "eth_estimateGas": 1, "eth_getStorageAt": 2, "eth_getProof": 2,
}  # fmt: skip
_QUANTITIES = frozenset(
    {"eth_blockNumber", "eth_getBalance", "eth_getTransactionCount", "eth_gasPrice", "eth_estimateGas"}
)


@dataclass(frozen=True)
class Dialect:
    """A kind of node.

    Attributes:
        quirks: The outermost first.
        lacks: The abilities that it does not have, of "pending", "finalized", "trace", "proof".
        blocks: The most blocks of one request for logs; None: any number.
    """

    name: str
    quirks: Sequence[Quirk]
    lacks: frozenset[str] = frozenset()
    blocks: int | None = None

    def act(self) -> Act:
        """Return what a proxy does with each request."""

        def handle(call: Call, quirks: Sequence[Quirk]) -> Answer:
            if not quirks:
                return call.forward()
            return quirks[0](call, lambda inner: handle(inner, quirks[1:]))

        return lambda call: handle(call, self.quirks)


def _error(call: Call, code: int, message: str, status: int, data: Any = None) -> Answer:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return _as_http(call.refuse("") | {"error": error}, status)


def _as_http(answer: Mapping[str, Any], status: int, *headers: tuple[str, str]) -> Answer:
    if status == 200 and not headers:
        return dict(answer)
    return Http(status, json.dumps(answer).encode(), (("Content-Type", "application/json"), *headers))


# --- quirks --------------------------------------------------------------------------------------------------------


def tag_refused(tag: str, message: str | None, code: int = -32000, status: int = 200, data: Any = None) -> Quirk:
    """A block by this name is refused; without a message, it is null."""

    def quirk(call: Call, rest: Rest) -> Answer:
        at = _BLOCK_AT.get(call.method)
        if at is None or len(call.params) <= at or call.params[at] != tag:
            return rest(call)
        return call.answer(None) if message is None else _error(call, code, message, status, data)

    return quirk


def lacking(methods: Sequence[str], message: str, code: int = -32601, status: int = 200) -> Quirk:
    """Some methods are missing."""
    return lambda call, rest: (
        _error(call, code, message.format(method=call.method), status) if call.method in methods else rest(call)
    )


def blocks_limited(most: int, message: str, code: int, status: int = 200) -> Quirk:
    """A request for logs may be about so many blocks."""

    def quirk(call: Call, rest: Rest) -> Answer:
        if call.method == "eth_getLogs":
            first, last = (int(call.params[0][key], 16) for key in ("fromBlock", "toBlock"))
            if last - first + 1 > most:
                said = message.format(most=most, asked=last - first + 1, first=hex(first), last=hex(first + most - 1))
                return _error(call, code, said, status)
        return rest(call)

    return quirk


def logs_limited(most: int, message: str, code: int, status: int = 200) -> Quirk:
    """A request for logs may have so many results."""

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        if call.method == "eth_getLogs" and isinstance(answer, dict) and len(answer.get("result") or ()) > most:
            return _error(call, code, message, status)
        return answer

    return quirk


def rate_limited(after: int, message: str, code: int, status: int = 200, wait: str | None = "0") -> Quirk:
    """After so many requests, one is too many."""
    number = itertools.count(1)

    def quirk(call: Call, rest: Rest) -> Answer:
        if next(number) != after:
            return rest(call)
        refused = call.refuse("") | {"error": {"code": code, "message": message}}
        return _as_http(refused, status, *(() if wait is None else (("Retry-After", wait),)))

    return quirk


def reverting_as(node: str) -> Quirk:
    """Refused calls are told in a node's form."""
    (form,) = [each for each in recorded("reverts") if each["node"] == node]

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        error = answer.get("error") if isinstance(answer, dict) else None
        if call.method not in ("eth_call", "eth_estimateGas") or not error or "data" not in error:
            return answer
        assert isinstance(answer, dict)
        data = bytes.fromhex(error["data"].removeprefix("0x"))
        return _as_http(answer | {"error": with_data(form["error"], data)}, form["status"])

    return quirk


def saying(words: Mapping[str, str], code: int = -32000, status: int = 200) -> Quirk:
    """Refused transactions are told in other words than Anvil's."""

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        error = answer.get("error") if isinstance(answer, dict) else None
        if call.method != "eth_sendRawTransaction" or not error:
            return answer
        said = next((words[known] for known in words if known in error["message"].lower()), error["message"])
        return _error(call, code, said, status)

    return quirk


def changing(method: str | None, change: Callable[[Any], Any]) -> Quirk:
    """The results of a method are written otherwise."""

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        if method not in (None, call.method) or not isinstance(answer, dict) or answer.get("result") is None:
            return answer
        return answer | {"result": change(answer["result"])}

    return quirk


def late(method: str, times: int = 1) -> Quirk:
    """New objects are null at first, as they come from another machine."""
    seen: dict[str, int] = {}

    def quirk(call: Call, rest: Rest) -> Answer:
        key = json.dumps(call.params)
        if call.method != method or not str(call.params[0]).startswith("0x"):
            return rest(call)
        seen[key] = seen.get(key, 0) + 1
        return call.answer(None) if seen[key] <= times else rest(call)

    return quirk


def statuses(status: int) -> Quirk:
    """Every JSON-RPC error comes with this HTTP status."""

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        return _as_http(answer, status) if isinstance(answer, dict) and answer.get("error") else answer

    return quirk


def in_a_list(call: Call, rest: Rest) -> Answer:
    """Answer errors in a list."""
    answer = rest(call)
    if isinstance(answer, dict) and answer.get("error"):
        return Http(200, json.dumps([answer]).encode(), (("Content-Type", "application/json"),))
    return answer


def quantities(change: Callable[[str], Any]) -> Quirk:
    """Numbers are written otherwise."""

    def quirk(call: Call, rest: Rest) -> Answer:
        answer = rest(call)
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), str | dict):
            return answer
        result = answer["result"]
        if call.method in _QUANTITIES:
            return answer | {"result": change(result)}
        if isinstance(result, dict):
            keys = ("number", "timestamp", "gasLimit", "blockNumber", "status", "gasUsed", "nonce", "gas")
            changed = {key: change(result[key]) for key in keys if isinstance(result.get(key), str)}
            # A block's nonce is eight bytes, and no number.
            if call.method == "eth_getBlockByNumber":
                changed.pop("nonce", None)
            return answer | {"result": result | changed}
        return answer

    return quirk


def repeated(events: Sequence[Any]) -> list[Any]:
    return [*reversed(events), *events]


def padded_with_others(events: Sequence[Any]) -> list[Any]:
    """Add events of another contract, of another block, and one that a reorganisation removed."""
    strangers = [
        each | change
        for each in events[:1]
        for change in ({"address": OTHER}, {"blockNumber": "0xffffff"}, {"removed": True, "logIndex": "0xff"})
    ]
    return [*strangers, *events]


def indexed_in_transactions(events: Sequence[Any]) -> list[Any]:
    counts: dict[str, itertools.count[int]] = {}
    return [
        each | {"logIndex": hex(next(counts.setdefault(each["transactionHash"], itertools.count())))} for each in events
    ]


def without(*keys: str) -> Callable[[Any], Any]:
    return lambda result: {key: value for key, value in result.items() if key not in keys}


def having(**more: Any) -> Callable[[Any], Any]:
    return lambda result: result | more


# --- the nodes -----------------------------------------------------------------------------------------------------

_PROOF, _TRACE = frozenset({"proof"}), frozenset({"trace"})
_DEBUG = ("debug_traceTransaction", "trace_transaction")
_FEES = ("eth_feeHistory", "eth_maxPriorityFeePerGas")

DIALECTS = (
    Dialect(
        "geth",
        (
            lacking(("trace_transaction",), "the method {method} does not exist/is not available"),
            reverting_as("geth"),
            saying({"already imported": "already known", "nonce too low": "nonce too low: next nonce 5, tx nonce 3"}),
            tag_refused("finalized", "finalized block not found", -39001),
        ),
        lacks=frozenset({"finalized"}),
    ),
    Dialect(
        "nethermind",
        (
            lacking(("debug_traceTransaction",), "The method '{method}' is found but its namespace is disabled."),
            reverting_as("nethermind of 2022"),
            saying({"already imported": "AlreadyKnown", "nonce too low": "OldNonce, Current nonce: 5"}, -32010),
            logs_limited(2, "Too many logs requested. Max logs per response is 2.", -32005),
        ),
    ),
    Dialect(
        "besu",
        (
            lacking(_DEBUG, "Method not enabled", -32604),
            reverting_as("besu"),
            saying({"already imported": "Known transaction", "nonce too low": "Nonce too low"}, -32001),
            blocks_limited(5, "Requested range exceeds maximum RPC range limit", -32005),
            changing("eth_getBlockByNumber", having(baseFeePerGas=None)),
        ),
        lacks=_TRACE,
        blocks=5,
    ),
    Dialect(
        "erigon",
        (
            lacking(("eth_getProof",), "the method {method} does not exist/is not available"),
            reverting_as("erigon"),
            saying({"already imported": "already known"}),
            late("eth_getBlockByNumber"),
            changing("eth_getLogs", repeated),
        ),
        lacks=_PROOF,
    ),
    Dialect(
        "openethereum",
        (
            reverting_as("openethereum"),
            tag_refused(
                "pending", "This request is not supported because your node is running with state pruning. "
                "Run with --pruning=archive.",
            ),
            lacking(_FEES, "Method not found"),
            saying({"already imported": "Transaction with the same hash was already imported.",
                    "nonce too low": "Transaction nonce is too low. Try incrementing the nonce."}, -32010),
            changing("eth_getTransactionReceipt", without("contractAddress", "effectiveGasPrice", "type")),
            quantities(lambda number: f"0x{int(number, 16):08x}"),
        ),
        lacks=frozenset({"pending"}),
    ),
    Dialect(
        "arbitrum",
        (
            reverting_as("arbitrum"),
            statuses(400),
            logs_limited(3, "query returned more than 10000 results", -32005),
            changing("eth_getTransactionReceipt", having(type="0x6a", gasUsedForL1="0x5", l1BlockNumber="0x1")),
            changing("eth_getBlockByNumber", having(gasLimit="0x4000000000000", l1BlockNumber="0x1")),
        ),
    ),
    Dialect(
        "op",
        (
            reverting_as("op"),
            changing("eth_getTransactionReceipt", having(type="0x7e", l1Fee="0x1", l1FeeScalar="0.684")),
            rate_limited(7, "over rate limit", -32016, 429),
            tag_refused("pending", None),
        ),
        lacks=frozenset({"pending"}),
    ),
    Dialect(
        "zksync-like",
        (
            lacking(("eth_getProof", *_DEBUG), "Method not found"),
            reverting_as("zksync-like"),
            saying({"already imported": "known transaction. transaction with hash 0x1 is already in the system",
                    "nonce too low": "nonce too low. allowed nonce range: 5 - 15, actual: 0"}, 3),
            blocks_limited(9, "Query returned more than 10000 results. Try with this block range [{first}, {last}].",
                           -32602),
            changing("eth_getTransactionReceipt", having(type="0xff", l1BatchNumber="0x1", l2ToL1Logs=[])),
            changing("eth_getBlockByNumber", having(gasLimit="0xffffffff", l1BatchNumber="0x1")),
        ),
        lacks=_PROOF | _TRACE,
        blocks=9,
    ),
    Dialect(
        "hiero",
        (
            statuses(400),
            lacking(("eth_getProof", *_DEBUG), "[Request ID: 1] Unsupported JSON-RPC method"),
            reverting_as("hiero"),
            tag_refused("pending", "[Request ID: 1] Invalid parameter: pending", -32602),
            saying({"already imported": "[Request ID: 1] DUPLICATE_TRANSACTION",
                    "nonce too low": "[Request ID: 1] Nonce too low. Provided nonce: 1, current nonce: 2"}, 32001),
            late("eth_getTransactionReceipt", 2),
            changing("eth_getLogs", indexed_in_transactions),
            blocks_limited(10, "[Request ID: 1] Exceeded maximum block range: {most}", -32000),
            lacking(_FEES, "[Request ID: 1] Unsupported JSON-RPC method"),
        ),
        lacks=_PROOF | _TRACE | {"pending"},
        blocks=10,
    ),
    Dialect(
        "filecoin",
        (
            statuses(500),
            lacking(("eth_getProof", *_DEBUG), "method '{method}' not found"),
            reverting_as("filecoin of 2024"),
            saying({"nonce too low": "message nonce too low: minimum expected nonce is 5"}, 1),
            tag_refused("safe", "requested epoch was a null round (5)", 12),
            changing("eth_getLogs", repeated),
            quantities(lambda number: "0X" + number[2:].upper()),
        ),
        lacks=_PROOF | _TRACE,
    ),
    Dialect(
        "alchemy",
        (
            rate_limited(6, "Your app has exceeded its compute units per second capacity.", 429, 200, None),
            lacking(_DEBUG, "{method} is not available on the Free tier - upgrade to Pay As You Go.", -32600, 400),
            reverting_as("alchemy"),
            blocks_limited(
                3, "You can make eth_getLogs requests with up to a {most} block range. Based on your parameters, this "
                "block range should work: [{first}, {last}]", -32600, 400,
            ),
        ),
        lacks=_TRACE,
        blocks=3,
    ),
    Dialect(
        "quicknode",
        (
            rate_limited(9, "15/second request limit reached - reduce calls per second", -32007),
            reverting_as("infura"),
            lacking(_DEBUG, "method {method} not found"),
            blocks_limited(5, "eth_getLogs is limited to a {most} range", -32614, 413),
        ),
        lacks=_TRACE,
        blocks=5,
    ),
    Dialect(
        "a gateway",
        (
            rate_limited(8, "Too many request, try again later", 15),
            in_a_list,
            reverting_as("a proxy"),
            tag_refused("pending", "pending block is not available", -32001, 404),
            tag_refused("finalized", None),
            blocks_limited(1, "invalid params", -32602),
            quantities(lambda number: int(number, 16)),
            changing("eth_getLogs", padded_with_others),
            changing("eth_getStorageAt", lambda word: hex(int(word, 16))),
        ),
        lacks=frozenset({"pending", "finalized"}),
        blocks=1,
    ),
)  # fmt: skip
