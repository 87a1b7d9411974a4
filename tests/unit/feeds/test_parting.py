"""Tests of what a report's failure means for each of its feeds."""

from __future__ import annotations

import pytest

from oracle.core.errors import (
    ArtifactError,
    ChainUnavailable,
    ContractRejected,
    JournalError,
    OracleError,
    PayerEmpty,
    ProofInvalid,
    ProverCrashed,
    SignerUnavailable,
    StateMoved,
    TransactionPending,
)
from oracle.core.stages import Decided, Observed
from oracle.feeds.parting import Parts, part

IDS = {name: name.encode().ljust(32, b"\0") for name in "abcde"}


def decided(feeds: str) -> Decided:
    return Decided(1, tuple(Observed(feed, IDS[feed], 1, 1_000) for feed in feeds))


def told(parts: Parts | None) -> tuple[str, list[str]] | None:
    if parts is None:
        return None
    return "" if parts.at_fault is None else "".join(parts.at_fault.feeds), ["".join(each.feeds) for each in parts.rest]


@pytest.mark.parametrize(
    "error", [StateMoved("WrongRound", IDS["b"]), ContractRejected("FeedPaused", "FeedPaused", IDS["b"])]
)
def test_a_feed_that_the_error_names_is_parted_from_the_rest(error: OracleError) -> None:
    assert told(part(decided("abc"), error, {})) == ("b", ["ac"])
    assert told(part(decided("b"), error, {})) == ("b", [])


def test_a_peer_that_the_error_names_stands_for_the_feeds_that_have_it() -> None:
    error = ContractRejected("SpreadTooWide", "SpreadTooWide", IDS["e"])
    peers = {IDS["a"]: (IDS["e"],), IDS["c"]: (IDS["d"], IDS["e"])}
    assert told(part(decided("abc"), error, peers)) == ("ac", ["b"])


@pytest.mark.parametrize(
    "error", [ContractRejected("ProofRejected"), ProofInvalid(""), ProverCrashed(""), ArtifactError("")]
)
def test_an_error_of_an_unknown_feed_halves_the_report(error: OracleError) -> None:
    assert told(part(decided("abcde"), error, {})) == ("", ["abc", "de"])


def test_an_error_about_the_transaction_parts_nobody() -> None:
    assert told(part(decided("abc"), StateMoved("its nonce is used up"), {})) == ("", ["abc"])
    assert told(part(decided("a"), StateMoved("its nonce is used up"), {})) == ("a", [])


@pytest.mark.parametrize(
    "error",
    [
        ChainUnavailable(""), TransactionPending(""), PayerEmpty(""), SignerUnavailable(""), JournalError(""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("feeds", ["a", "abc"])
def test_what_is_nobody_s_fault_parts_nobody_and_has_to_pass(error: OracleError, feeds: str) -> None:
    assert part(decided(feeds), error, {}) is None


@pytest.mark.parametrize("error", [ProofInvalid(""), ProverCrashed(""), ArtifactError("")])
def test_alone_it_is_the_error_itself_that_says_how_to_go_on(error: OracleError) -> None:
    assert part(decided("a"), error, {}) is None
