"""The meaning of a node's error, whichever words, code and HTTP status it comes with.

No standard says how errors are worded, and codes mean one thing here and another there: -32005 is a rate limit with one
provider and a range that is too large with another, and either comes with HTTP 200, 400, 413, 429 or 500. So the method
that was asked and the words decide first, and codes where words say nothing. `docs/chains.md` lists whose words these
are; `tests/nodes` has an answer for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from oracle.chain.transport.patterns import NO_FUNDS, words
from oracle.chain.transport.reverts import revert_data, says_revert
from oracle.core.formats import one_line

__all__ = ["HEAVY", "Meaning", "Refusal", "read_refusal"]

HEAVY = frozenset({"eth_getLogs", "debug_traceTransaction", "trace_transaction"})
"""The methods whose answers may be too much for a node that is otherwise well."""

_CALLS = frozenset({"eth_call", "eth_estimateGas"})
"""The methods that execute code."""

_NO_WORDS = "an error without words"
_SHOWN, _READ = 300, 1_200
"""Characters of a node's words that are shown, and that are read."""


class Meaning(Enum):
    """The meaning of an error."""

    REVERT = "a contract refused the call"
    FUNDS = "the account has too little"
    GAS = "it needs more gas than it may use"
    RATE = "the rate of requests is limited"
    TOO_MUCH = "it is too much for one answer"
    HISTORY = "the node no longer has it"
    METHOD = "the node does not have the method"
    BLOCK = "the node does not have the block"
    NULL_ROUND = "the chain does not have the block"
    DENIED = "the node does not serve us"
    PASSING = "it may pass"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node's error, understood.

    Attributes:
        said: The node's words, as one line.
        data: What the contract returned, if the meaning is a revert.
        pause: Seconds that the node asks to wait.
        sizes: The numbers of blocks that the node names; one of them may be the most that it takes.
        suggested: The range of blocks that the node says would do.
    """

    meaning: Meaning
    said: str
    data: bytes = b""
    pause: float | None = None
    sizes: tuple[int, ...] = ()
    suggested: tuple[int, int] | None = None


def read_refusal(
    method: str,
    failure: Any,
    status: int = 200,
    pause: float | None = None,
    hide: Callable[[str], str] = lambda text: text,
) -> Refusal:
    """Return the meaning of an error.

    Args:
        method: The method that was asked.
        failure: The value of "error" in the node's answer.
        status: The HTTP status that it came with.
        pause: The seconds of a Retry-After header.
        hide: Takes secrets out of the node's words, before they are cut.
    """
    code = _code(failure)
    said = _said(failure, hide)
    heard, said = said.lower(), said[:_SHOWN]
    if method in _CALLS:
        data = revert_data(failure)
        # A selector and whole words are a revert, whatever is said with them.
        if data and (code == _REVERTED or says_revert(heard) or len(data) % 32 == 4):
            return Refusal(Meaning.REVERT, said, data)
        # Some nodes check the balance before they execute anything. A contract's own reason follows "reverted".
        if NO_FUNDS.search(heard) and not heard.startswith("execution reverted"):
            return Refusal(Meaning.FUNDS, said)
        if code == _REVERTED or says_revert(heard):
            return Refusal(Meaning.REVERT, said)
    if method == "eth_getLogs" and _is_too_much(code, heard, status):
        return Refusal(Meaning.TOO_MUCH, said, sizes=_sizes(heard), suggested=_suggested(heard))
    if _is_rate(code, heard, status):
        return Refusal(Meaning.RATE, said, pause=pause if pause is not None else _asked_pause(failure))
    return Refusal(_meaning(method, code, heard, status), said)


# --- words -------------------------------------------------------------------------------------------------------


_REVERTED = 3
_RATE_CODES = frozenset({429, 15, -32007, -32016, -32029, -32090})
_LIMIT = -32005
"""The code for a limit: of the rate, or of what is asked for."""
_RANGE_CODES = frozenset({_LIMIT, -32008, -32614})
_UNKNOWN_METHOD = -32601
_UNKNOWN_BLOCK = -39001

_RATE = words(r"""
    rate.?limit
    limits? the rate
    over rate
    too many (?:requests|connections)
    compute units
    \bcapacity\b
    throughput
    throttl
    per (?:second|minute|day)
    \brps\b
    requests? (?:limit|count)
    slow down
    \bquota\b
    overloaded|server (?:is )?(?:too )?busy
""")

_TOO_MUCH = words(r"""
    \brange\b
    \bresults\b
    \blogs (?:size|count|limit|exceed)|(?:many|more|max\w*) (?:\S+ )?logs
    [\d,]k? blocks|blocks per|many blocks|blocks limit
    too (?:large|big|wide|high|complex|expensive|heavy)
    size (?:limit )?exceed|exceed\w* (?:the )?(?:max\w* )?(?:response |result )?size
    time(?:d |d-|d)?\s?out
    deadline|too long
    duration
    limit exceeded|exceed\w* limit
""")

_HISTORY = words(r"""
    missing trie node
    state (?:data )?(?:is )?(?:not available|unavailable|missing|not found|pruning|recreation)
    no state available
    historical state
    world state
    prun(?:ed|ing)
    archive
    old data not available
    proof window
    history (?:is |has been )?(?:not available|unavailable|expired)
    lookbacks of more than
""")

_METHOD = words(r"""
    method.*(?:not (?:found|exist|available|supported|allowed|enabled|implemented|whitelisted)|unavailable|unsupported)
    method.*disabled
    (?:unknown|unsupported|unrecognized|disallowed|restricted|no such)(?: json-rpc| rpc)? method
    unsupported json-rpc
    not (?:yet )?implemented
    is not available on
    not available (?:in|for|on|with) (?:the |your )?(?:free|current|this)
    namespace.*(?:disabled|not )
    tracer.*not (?:found|supported|defined)
    upgrade your
""")

_NULL_ROUND = words(r"""
    null (?:round|epoch|tipset)
""")

_BLOCK = words(r"""
    header (?:for hash )?not found
    (?:unknown|invalid|missing) block\b(?! range)
    blocks? specified
    block.*(?:not (?:found|available|yet|exist|known)|not be found)
    beyond (?:the )?(?:current )?head
    after last accepted
    unfinalized
    (?:greater|higher) than (?:the )?(?:latest|head|current)
    (?<!too far )(?:in|from) (?:the|a) future
    block tag
    (?:safe|finalized|pending) (?:block|header)
""")

_GAS = words(r"""
    gas required exceeds
    exceeds block gas limit
    gas limit (?:is )?(?:too high|exceed)
    gas.?limit.*(?:exceed|above|cap\b)
    out of gas|outofgas
    intrinsic gas
    exceeds allowance
    cannot estimate gas|unable to estimate gas
""")

_DENIED = words(r"""
    unauthori[sz]ed
    authenticat
    api.?key
    project id
    forbidden
    access denied
    payment required
    not whitelisted
""")

_PASSING = words(r"""
    time(?:d |d-|d)?\s?out
    temporar
    try again|retry
    unavailable
    deadline
    connection (?:reset|refused|closed)
""")

_SIZE = re.compile(
    r"(?<![\w.\[-])(\d[\d,]*)(k?)\b(?! ?(?:\w+ )?(?:results|logs|events|bytes|seconds?|days?|mb\b|ms\b|s\b))"
)
"""A number that is not one of results, bytes or seconds."""

_OF_RESULTS = re.compile(r"(?:results|logs|events|size)\W+(?:\w+ )?[\d,]+k?")
_NUMBER = re.compile(r"-?\d{1,9}")
_PAIR = re.compile(r"(0x[0-9a-f]+|\d+) ?(?:,|-|to|\.\.) ?(0x[0-9a-f]+|\d+)")
_OFFERS = ("should work", "try with", "retry with", "try again with")


def _code(failure: Any) -> int | None:
    """Return the error's code; None if it has none. Some write it as text."""
    code = failure.get("code") if isinstance(failure, Mapping) else None
    if isinstance(code, str) and _NUMBER.fullmatch(code):
        return int(code)
    return code if isinstance(code, int) else None


def _said(failure: Any, hide: Callable[[str], str]) -> str:
    """Return what the error says: its message, and the words that some nodes put elsewhere."""
    if not isinstance(failure, Mapping):
        return (_line(hide(failure)) if isinstance(failure, str) else "") or _NO_WORDS
    data = failure.get("data")
    parts = [failure.get("message")]
    if isinstance(data, Mapping):
        parts += [data.get(key) for key in ("message", "payload", "details", "reason")]
    elif isinstance(data, str) and not data.lower().startswith("0x"):
        parts.append(data)
    lines = [_line(hide(part)) for part in parts if isinstance(part, str) and part.strip()]
    return ": ".join(dict.fromkeys(lines)) or _NO_WORDS


def _line(text: str) -> str:
    return " ".join(one_line(text, _READ).split())


def _is_too_much(code: int | None, heard: str, status: int) -> bool:
    if _BLOCK.search(heard) or _NULL_ROUND.search(heard):
        return False
    about_range = "range" in heard or "results" in heard
    if not about_range and (_RATE.search(heard) or _HISTORY.search(heard) or _METHOD.search(heard)):
        return False
    return status == 413 or (code in _RANGE_CODES and status != 429) or _TOO_MUCH.search(heard) is not None


def _is_rate(code: int | None, heard: str, status: int) -> bool:
    return status == 429 or code in _RATE_CODES or code == _LIMIT or _RATE.search(heard) is not None


def _meaning(method: str, code: int | None, heard: str, status: int) -> Meaning:
    """Return the meaning of an error that is neither a revert nor about a limit."""
    if _NULL_ROUND.search(heard):
        return Meaning.NULL_ROUND
    if code == _UNKNOWN_METHOD or _METHOD.search(heard):
        return Meaning.METHOD
    if method != "eth_sendRawTransaction":
        if _HISTORY.search(heard):
            return Meaning.HISTORY
        if code == _UNKNOWN_BLOCK or _BLOCK.search(heard):
            return Meaning.BLOCK
    if method in _CALLS and NO_FUNDS.search(heard):
        return Meaning.FUNDS
    if method in _CALLS and _GAS.search(heard):
        return Meaning.GAS
    if status in (401, 402, 403) or _DENIED.search(heard):
        return Meaning.DENIED
    if status in (408, 425) or status >= 500 or _PASSING.search(heard):
        return Meaning.PASSING
    return Meaning.OTHER


def _asked_pause(failure: Any) -> float | None:
    """Return the seconds that an error's data asks to wait."""
    data = failure.get("data") if isinstance(failure, Mapping) else None
    rate = data.get("rate") if isinstance(data, Mapping) else None
    for source in (rate, data):
        value = source.get("backoff_seconds") if isinstance(source, Mapping) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
    return None


def _sizes(heard: str) -> tuple[int, ...]:
    """Return the numbers of blocks that a refusal names, but for the range that it offers."""
    offer = _offer_at(heard)
    named = heard if offer < 0 else heard[:offer]
    found = _SIZE.findall(_OF_RESULTS.sub(" ", named))
    sizes = {int(digits.replace(",", "")[:18]) * (1_000 if thousands else 1) for digits, thousands in found}
    return tuple(sorted(size for size in sizes if size))


def _suggested(heard: str) -> tuple[int, int] | None:
    """Return the range of blocks that a refusal offers; None if it offers none."""
    offer = _offer_at(heard)
    found = _PAIR.search(heard, offer) if offer >= 0 else None
    if found is None:
        return None
    first, last = (int(each, 16) if each.startswith("0x") else int(each) for each in found.groups())
    return (first, last) if first <= last else None


def _offer_at(heard: str) -> int:
    return max(heard.find(offer) for offer in _OFFERS)
