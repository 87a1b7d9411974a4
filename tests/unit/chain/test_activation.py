"""Tests of what is told of a proposal: "now" after a simulated call alone, else what is missing, and when it comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from oracle.chain.activation import Activation, Change, TriedCall, activation, try_change
from oracle.chain.hub import CHANGE_WINDOW, Hub, ShadowTally, hub_interface
from oracle.core.errors import ChainUnavailable, ContractRejected, OracleError
from oracle.core.formats import NOBODY

NOW = 1_800_000_000
PASSED = TriedCall(succeeds=True)
SHORT = TriedCall(False, "the proposed model has 5 compared reports, its proposal demands 8", "ShadowTooShort")
FAR = TriedCall(False, "the proposed model disagrees with the active one", "ShadowTooFar")
EARLY = TriedCall(False, "the change takes effect later", "TooEarly")
TALLY = ShadowTally(2, 6, 5, 0, 8, 1)


def test_now_is_said_of_a_call_that_succeeds() -> None:
    assert str(activation(NOW - 1, NOW, PASSED)) == "can be activated now, until 2027-02-14T07:59:59Z"
    # The tally lags behind by a report: the activation compares it. The hub's own answer counts.
    assert activation(NOW, NOW, PASSED, TALLY, 60).is_possible


def test_a_refusal_is_never_now_whatever_times_and_tallies_say() -> None:
    done = replace(TALLY, compared=8)
    for tried in (SHORT, FAR, EARLY, TriedCall(False, "the hub has no admin any more, so nobody can activate it")):
        found = activation(NOW - 1, NOW, tried, done, 60)
        assert not found.is_possible and found.expected_at is None
        assert str(found) == f"can't be activated: {tried.refusal}"


@pytest.mark.parametrize(
    ("since", "tally", "pace", "missing", "expected"),
    [
        (NOW + 90, None, None, "its delay ends in 90 s", NOW + 90),
        (NOW - 1, TALLY, 40.0, "3 more of 8 reports have to be compared", NOW + 120),
        (NOW + 90, TALLY, 40.0, "its delay ends in 90 s; 3 more of 8 reports have to be compared", NOW + 120),
        (NOW + 900, TALLY, 40.0, "its delay ends in 900 s; 3 more of 8 reports have to be compared", NOW + 900),
        (NOW - 1, TALLY, None, "3 more of 8 reports have to be compared, and the feed makes no reports now", None),
        (
            NOW - CHANGE_WINDOW + 100,
            TALLY,
            40.0,
            "3 more of 8 reports have to be compared, more than come until it expires at 2027-01-15T08:01:40Z: "
            "propose it again with fewer",
            None,
        ),
        (NOW - CHANGE_WINDOW - 1, TALLY, 40.0, "it has expired at 2027-01-15T07:59:59Z: propose it again", None),
    ],
)
def test_it_is_told_what_is_missing_and_when_it_comes(
    since: int, tally: ShadowTally | None, pace: float | None, missing: str, expected: int | None
) -> None:
    found = activation(since, NOW, SHORT, tally, pace)
    assert found == Activation(since, since + CHANGE_WINDOW, False, missing, expected)


def test_a_shadow_period_that_can_not_pass_any_more_says_which_terms_would() -> None:
    found = activation(NOW - 1, NOW, FAR, ShadowTally(2, 101, 100, 3, 100, 1), 40)
    assert "3 verdicts differ in 100 compared reports, and 1 may" in found.missing
    assert "propose it again with --min-compared 100 --max-disagreements 11, as measured" in found.missing
    assert found.expected_at is None
    # It is lost even before the last report is compared, or its delay is over.
    assert "1 verdict differs in 5" in activation(NOW + 9, NOW, EARLY, ShadowTally(2, 6, 5, 1, 8, 0), 40).missing


def test_what_is_allowed_counts_only_if_reports_are_demanded() -> None:
    assert activation(NOW - 1, NOW, PASSED, ShadowTally(2, 6, 5, 3, 0, 0)).is_possible
    assert activation(NOW - 1, NOW, EARLY, ShadowTally(2, 6, 5, 3, 0, 0)).missing == EARLY.refusal


class SimulatedHub:
    """A hub that is asked for its admin and for one simulated call."""

    address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

    def __init__(self, admin: str, answer: OracleError | bytes = b"") -> None:
        self.rpc = self
        self.calls: list[tuple[bytes, str, str]] = []
        self._admin, self._answer = admin, answer

    async def read(self, function: str) -> str:
        assert function == "defaultAdmin"
        return self._admin

    async def call(self, to: str, data: bytes, *, sender: str, block: str, decode: Any) -> bytes:
        assert to == self.address
        self.calls.append((data, sender, block))
        if isinstance(self._answer, OracleError):
            raise self._answer
        return self._answer


ADMIN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


async def tried(hub: SimulatedHub, change: Change = Change.MODEL, of: Any = b"\1" * 32) -> TriedCall:
    return await try_change(cast(Hub, hub), change, of)


@pytest.mark.parametrize(
    ("change", "of"), [(Change.MODEL, b"\1" * 32), (Change.UNPAUSE, b"\1" * 32), (Change.REPORTERS, 3)]
)
async def test_the_admins_own_call_is_tried_in_the_next_block(change: Change, of: Any) -> None:
    hub = SimulatedHub(ADMIN)
    assert await tried(hub, change, of) == TriedCall(succeeds=True)
    assert hub.calls == [(hub_interface().encode_call(change, of), ADMIN, "pending")]


async def test_a_refusal_and_a_silent_chain_are_no_success() -> None:
    refused = await tried(SimulatedHub(ADMIN, ContractRejected("ShadowTooShort: too few", "ShadowTooShort")))
    assert refused == TriedCall(False, "ShadowTooShort: too few", "ShadowTooShort")
    silent = await tried(SimulatedHub(ADMIN, ChainUnavailable("no answer")))
    assert silent == TriedCall(False, "it could not be tried: no answer")
    assert str(activation(NOW - 1, NOW, silent)) == "can't be activated: it could not be tried: no answer"


async def test_a_hub_without_an_admin_activates_nothing_any_more() -> None:
    hub = SimulatedHub(NOBODY)
    assert (await tried(hub)).refusal == "the hub has no admin any more, so nobody can activate it"
    assert hub.calls == []
