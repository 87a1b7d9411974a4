"""Tests of the bounds between what a hub's own code emits and what it never does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from oracle.audit.history import AdminEvent
from oracle.audit.storage import StoredRoles
from oracle.audit.storage.roles import CURRENT, DEFAULT_ADMIN_ROLE, GUARDIAN_ROLE, PENDING
from oracle.audit.storage.rules import impossible_events
from oracle.audit.storage.words import entry
from oracle.chain.hub.types import CHANGE_WINDOW
from oracle.core.encoding import FIELD_MODULUS, MAX_FEATURES, Feature
from oracle.core.formats import keccak
from oracle.core.times import utc

ADMIN, GUARDIAN, HEIR = (f"0x{digit * 40}" for digit in "123")
NOW, DELAY, DAY = 1_000_000, 100, 86_400
LATER = NOW + DELAY
FEED = {
    "description": "ETH / USD", "kind": 0, "decimals": 8, "confirmations": 2, "maxRepeats": 0, "heartbeat": 3_600,
    "maxAge": 600, "maxSkew": 60, "confirmDelay": 900, "tolerance": 2_000, "maxSpread": 0, "sigma": 10_000,
    "committee": 1, "peers": (),
}  # fmt: skip
ARCHITECTURE = {
    "features": bytes([0, 1]), "outputs": 1, "bindsModel": True, "batchSizes": (1, 4),
    "verifiers": (ADMIN, HEIR), "codeHashes": (b"\1" * 32, b"\2" * 32),
}  # fmt: skip
MODEL = {"modelHash": 7, "architectureId": 1, "artifactHash": b"\3" * 32, "scoreUnit": 1_000}


def event(name: str, values: Mapping[str, Any], time: int = NOW, tx_hash: str = "") -> AdminEvent:
    return AdminEvent(name, values, 5, time, tx_hash or f"0x{name}")


def committee(number: int = 1, *, reporters: tuple[str, ...] = (ADMIN,), quorum: int = 1) -> AdminEvent:
    return event("CommitteeAdded", {"committee": number, "reporters": reporters, "quorum": quorum})


def architecture(number: int = 1, **changes: Any) -> AdminEvent:
    return event("ArchitectureAdded", {"architectureId": number, "architecture": ARCHITECTURE | changes})


def model(number: int = 1, **changes: Any) -> AdminEvent:
    return event("ModelAdded", {"modelNumber": number, "model": MODEL | changes})


def feed(**changes: Any) -> AdminEvent:
    config: dict[str, Any] = FEED | changes
    feed_id = keccak(config["description"].encode())
    return event("FeedAdded", {"feedId": feed_id, "config": config, "modelNumber": 1})


FEED_ID = keccak(b"ETH / USD")
HUB = (committee(), committee(2), architecture(), model(), model(2))


def said(*events: AdminEvent) -> list[str]:
    """Return what is wrong with the last event."""
    found = list(impossible_events((*HUB, *events), DELAY))
    told = f"the {events[-1].name} of transaction {events[-1].tx_hash} can't follow from the logs before it: "
    assert all(each.startswith(told) for each in found), found
    return [each.removeprefix(told) for each in found]


# --- what is added ---


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("decimals", 0, 18),
        ("sigma", 1, 2**64 - 1),
        ("heartbeat", 1, 2**24 - 1),
        ("maxAge", 1, 90 * DAY),
        ("maxSkew", 0, 3_600),
        ("confirmations", 1, 255),
        ("confirmDelay", 1, 7 * DAY),
        ("tolerance", 0, 32_766),
        ("maxSpread", 0, 32_766),
    ],
)
def test_the_bounds_of_a_feeds_terms(name: str, least: int, most: int) -> None:
    assert said(feed(**{name: least})) == said(feed(**{name: most})) == []
    for value in (least - 1, most + 1):
        assert said(feed(**{name: value})) == [f"{name} is {value}, not {least} to {most}"]


def test_a_feeds_description_and_peers() -> None:
    assert said(feed(description="x")) == said(feed(description="x" * 64)) == []
    assert said(feed(description="")) == ["description is 0, not 1 to 64"]
    assert said(feed(description="x" * 65)) == ["description is 65, not 1 to 64"]
    assert said(feed(), feed()) == ["it was added before"]
    one, two = b"\1" * 32, b"\2" * 32
    assert said(feed(peers=(one, two))) == []
    # The hub keeps the halves of ids: peers have to differ in the first one.
    for peers in ((one, one[:16] + bytes(16)), (FEED_ID[:16] + bytes(16),), (bytes(32),)):
        assert said(feed(peers=peers)) == ["its peers are not others"]
    other = feed(description="BTC", committee=2)
    peer = other.values["feedId"]
    assert said(feed(description="BTC"), feed(peers=(peer,))) == []
    assert said(other, feed(peers=(peer,))) == ["a peer is of another committee"]
    assert said(feed(committee=3)) == ["committee 3 was never added"]


PEOPLE = tuple(f"0x{number:040x}" for number in range(1, 33))


@pytest.mark.parametrize(
    ("reporters", "quorum", "says"),
    [
        (PEOPLE[:31], 31, []),
        (PEOPLE[:31], 1, []),
        (PEOPLE, 1, ["32 reporters with a quorum of 1"]),
        (PEOPLE[:2], 3, ["2 reporters with a quorum of 3"]),
        (PEOPLE[:3], 2, ["3 reporters with a quorum of 2"]),
        ((PEOPLE[0], PEOPLE[0]), 1, ["a reporter is named twice, or is nobody"]),
        ((PEOPLE[0], "0x" + "00" * 20), 1, ["a reporter is named twice, or is nobody"]),
    ],
)
def test_the_bounds_of_a_committee(reporters: tuple[str, ...], quorum: int, says: list[str]) -> None:
    assert said(committee(3, reporters=reporters, quorum=quorum)) == says
    values = {"committee": 1, "reporters": reporters, "quorum": quorum, "activeFrom": LATER}
    assert said(event("ReportersProposed", values)) == says


def circuits(*sizes: int) -> dict[str, Any]:
    return {"batchSizes": sizes, "verifiers": (ADMIN,) * len(sizes), "codeHashes": (b"\1" * 32,) * len(sizes)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": bytes(sorted(Feature)[:MAX_FEATURES])}, []),
        ({"features": bytes([0])}, []),
        ({"features": b""}, ["features []"]),
        ({"features": bytes([1])}, ["features [1]"]),
        ({"features": bytes([0, 2, 2])}, ["features [0, 2, 2]"]),
        ({"outputs": 0}, ["it has no output"]),
        (circuits(*range(1, 8), 64), []),
        (circuits(1), []),
        (circuits(), ["circuits for [] windows"]),
        (circuits(*range(1, 10)), [f"circuits for {list(range(1, 10))} windows"]),
        (circuits(1, 1), ["circuits for [1, 1] windows"]),
        (circuits(0, 1), ["circuits for [0, 1] windows"]),
        (circuits(65), ["circuits for [65] windows"]),
        ({"verifiers": (ADMIN,)}, ["it does not have a verifier for each circuit"]),
        ({"codeHashes": (b"\1" * 32,)}, ["it does not have a verifier for each circuit"]),
    ],
)
def test_the_bounds_of_an_architecture(changes: dict[str, Any], says: list[str]) -> None:
    assert said(architecture(2, **changes)) == says


def test_numbers_follow_each_other() -> None:
    assert said(committee(3)) == said(architecture(2)) == said(model(3)) == []
    assert said(committee(4)) == ["committee 4 does not follow committee 2"]
    assert said(committee(2)) == ["committee 2 does not follow committee 2"]
    assert said(architecture(1)) == ["architecture 1 does not follow architecture 1"]
    assert said(model(4)) == ["model 4 does not follow model 2"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"modelHash": FIELD_MODULUS - 1}, []),
        ({"modelHash": FIELD_MODULUS}, [f"its hash {FIELD_MODULUS:#x}"]),
        ({"modelHash": 0}, ["its hash 0x0"]),
        ({"scoreUnit": 0}, ["its score unit 0"]),
        ({"architectureId": 2, "modelHash": 0}, []),
        ({"architectureId": 2}, ["its hash 0x7"]),
        ({"architectureId": 3}, ["architecture 3 was never added"]),
    ],
)
def test_a_model_and_its_architecture(changes: dict[str, Any], says: list[str]) -> None:
    assert said(architecture(2, bindsModel=False), model(3, **changes)) == says


def test_an_architecture_that_binds_no_model_is_one_models() -> None:
    of_it = {"architectureId": 2, "modelHash": 0}
    first = (architecture(2, bindsModel=False), model(3, **of_it))
    assert said(*first, model(4, **of_it)) == ["architecture 2 is another model's"]
    assert said(*first, model(4)) == []


def test_a_model_comes_in_a_later_transaction_than_its_architecture() -> None:
    """An event that follows from storage has no transaction, so nothing is said of it."""
    added = architecture(2)
    inside = AdminEvent("ModelAdded", model(3, architectureId=2).values, 5, NOW, added.tx_hash)
    assert said(added, inside) == ["its architecture was added in the same transaction"]
    wrong = AdminEvent("CommitteeAdded", committee(9).values, 5, NOW, "")
    assert list(impossible_events((*HUB, wrong), DELAY)) == []


# --- changes ---


def of_feed(name: str, time: int = NOW, **values: Any) -> AdminEvent:
    return event(name, {"feedId": FEED_ID, **values}, time)


PAUSED = of_feed("Paused")
UNPAUSE = of_feed("UnpauseProposed", activeFrom=LATER)
PROPOSED = of_feed("ModelProposed", modelNumber=2, activeFrom=LATER, minCompared=0, maxDisagreements=0)
ACTIVATED = of_feed("ModelActivated", LATER, modelNumber=2, previous=1)
SHADOW: dict[str, Any] = {"scores": (1,), "answer": 1, "observedAt": 1, "roundId": 1}


def in_time(start: int, time: int) -> str:
    return f"at {time}, where its proposal could be activated from {start} on, for 30 days"


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([of_feed("AggregatorLinked", aggregator=HEIR)], []),
        ([of_feed("AggregatorLinked", aggregator=HEIR)] * 2, ["an adapter was linked before"]),
        ([PAUSED], []),
        ([UNPAUSE], ["the feed was not paused"]),
        ([PAUSED, UNPAUSE], []),
        ([PAUSED, of_feed("Unpaused", LATER)], ["no unpause was proposed"]),
        ([PAUSED, UNPAUSE, of_feed("Unpaused", LATER)], []),
        ([PAUSED, UNPAUSE, of_feed("Unpaused", LATER - 1)], [in_time(LATER, LATER - 1)]),
        ([PAUSED, UNPAUSE, of_feed("Unpaused", LATER + CHANGE_WINDOW)], []),
        ([PAUSED, UNPAUSE, PAUSED, of_feed("Unpaused", LATER)], ["no unpause was proposed"]),
        ([PROPOSED], []),
        ([PROPOSED, ACTIVATED], []),
        ([PROPOSED, of_feed("ModelProposalCancelled", modelNumber=2)], []),
        ([of_feed("ModelProposalCancelled", modelNumber=2)], ["no model was proposed"]),
        ([ACTIVATED], ["no model was proposed", "model 0 was proposed in place of 1"]),
        (
            [PROPOSED, of_feed("ModelActivated", LATER, modelNumber=2, previous=2)],
            ["model 2 was proposed in place of 1"],
        ),
        (
            [of_feed("ModelProposed", modelNumber=3, activeFrom=LATER, minCompared=0, maxDisagreements=0)],
            ["model 3 can't be proposed"],
        ),
        ([of_feed("ModelRolledBack", modelNumber=1, abandoned=2)], ["model 0 was active before 1"]),
        (
            [PROPOSED, ACTIVATED, of_feed("ModelRolledBack", LATER + CHANGE_WINDOW, modelNumber=1, abandoned=2)],
            [],
        ),
        (
            [PROPOSED, ACTIVATED, of_feed("ModelRolledBack", LATER + CHANGE_WINDOW + 1, modelNumber=1, abandoned=2)],
            [f"a rollback was possible until {utc(LATER + CHANGE_WINDOW)}"],
        ),
        (
            [PROPOSED, ACTIVATED, of_feed("ModelRolledBack", LATER, modelNumber=1, abandoned=1)],
            ["model 1 was active before 2"],
        ),
        ([of_feed("ShadowScored", **SHADOW)], ["no model was proposed"]),
        ([PROPOSED, of_feed("ShadowScored", **SHADOW), of_feed("ShadowCompared", agrees=True)], []),
        ([of_feed("ShadowCompared", agrees=True)], ["no model was proposed"]),
    ],
)
def test_changes_of_a_feed(events: list[AdminEvent], says: list[str]) -> None:
    assert said(feed(), *events) == says


NEW = {"committee": 1, "reporters": (HEIR, ADMIN, GUARDIAN), "quorum": 3}
NAMED = event("ReportersProposed", NEW | {"activeFrom": LATER})


def taken(time: int = LATER, **changes: Any) -> AdminEvent:
    return event("ReportersActivated", NEW | {"epoch": 2} | changes, time)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([NAMED, taken()], []),
        ([NAMED, taken(LATER - 1)], [in_time(LATER, LATER - 1)]),
        ([NAMED, taken(LATER + CHANGE_WINDOW)], []),
        ([NAMED, taken(LATER + CHANGE_WINDOW + 1)], [in_time(LATER, LATER + CHANGE_WINDOW + 1)]),
        ([NAMED, taken(reporters=(HEIR,))], ["others were proposed"]),
        ([NAMED, taken(quorum=1)], ["others were proposed"]),
        ([NAMED, taken(epoch=1)], ["epoch 1 does not follow 1"]),
        ([taken()], ["no reporters was proposed", "others were proposed"]),
        ([event("ReportersProposalCancelled", {"committee": 1})], ["no reporters was proposed"]),
        ([NAMED, event("ReportersProposalCancelled", {"committee": 1})], []),
        ([event("ReportersProposalCancelled", {"committee": 3})], ["committee 3 was never added"]),
        (
            [event("ReportersProposed", NEW | {"activeFrom": LATER - 1})],
            ["it could be activated 99 s later, where the hub's delay is 100 s"],
        ),
    ],
)
def test_changes_of_reporters(events: list[AdminEvent], says: list[str]) -> None:
    assert said(*events) == says


# --- roles ---


def role(name: str, account: str, number: int = DEFAULT_ADMIN_ROLE) -> tuple[str, Mapping[str, Any]]:
    return name, {"role": number.to_bytes(32), "account": account, "sender": ADMIN}


def handover(at: int, new: str = HEIR) -> tuple[str, Mapping[str, Any]]:
    return "DefaultAdminTransferScheduled", {"newAdmin": new, "acceptSchedule": at}


def slower(delay: int, at: int) -> tuple[str, Mapping[str, Any]]:
    return "DefaultAdminDelayChangeScheduled", {"newDelay": delay, "effectSchedule": at}


FIRST = role("RoleGranted", ADMIN)
GONE, COME = role("RoleRevoked", ADMIN), role("RoleGranted", HEIR)
UNTIL = 5 * DAY


@pytest.mark.parametrize(
    ("events", "last", "time", "says"),
    [
        ([], FIRST, NOW, ""),
        ([FIRST], role("RoleGranted", GUARDIAN, GUARDIAN_ROLE), NOW, ""),
        ([FIRST], role("RoleRevoked", GUARDIAN, GUARDIAN_ROLE), NOW, ""),
        ([FIRST, handover(LATER), GONE], COME, LATER + 1, ""),
        ([FIRST, handover(LATER), GONE], COME, 0, ""),
        ([FIRST, handover(LATER), GONE], COME, LATER, f"nobody handed over to {HEIR}"),
        ([FIRST, handover(LATER), GONE], role("RoleGranted", GUARDIAN), LATER + 1, f"nobody handed over to {GUARDIAN}"),
        ([FIRST, handover(LATER)], COME, LATER + 1, f"nobody handed over to {HEIR}"),
        ([FIRST], COME, 0, f"nobody handed over to {HEIR}"),
        ([FIRST, handover(LATER)], GONE, LATER + 1, ""),
        ([FIRST, handover(LATER)], GONE, 0, ""),
        ([FIRST, handover(LATER)], GONE, LATER, f"{ADMIN} could not cease to be the admin"),
        ([FIRST], GONE, 0, f"{ADMIN} could not cease to be the admin"),
        ([FIRST, handover(LATER)], role("RoleRevoked", HEIR), LATER + 1, f"{HEIR} could not cease to be the admin"),
        ([FIRST, handover(LATER), ("DefaultAdminTransferCanceled", {})], GONE, LATER + 1, f"{ADMIN} could not cease"),
        ([FIRST], ("RoleAdminChanged", {"role": bytes(32), "newAdminRole": bytes(32)}), NOW, "nobody can change who"),
        ([FIRST], handover(LATER), NOW, ""),
        ([FIRST], handover(LATER), 0, ""),
        ([FIRST], handover(LATER + 1), NOW, "it could be accepted 101 s later, where the delay is 100 s"),
        # A longer delay that has taken effect is the one of the next handover; one that has not is not.
        ([FIRST, slower(300, NOW)], handover(NOW + 301), NOW + 1, ""),
        ([FIRST, slower(300, NOW)], handover(NOW + 100), NOW, ""),
        ([FIRST, slower(300, NOW)], handover(NOW + 300), NOW, "accepted 300 s later, where the delay is 100 s"),
        ([FIRST, slower(300, NOW), slower(400, NOW)], handover(NOW + 300), NOW, ""),
        ([FIRST], slower(300, NOW + 300), NOW, ""),
        ([FIRST], slower(300, NOW + 301), NOW, "it takes effect 301 s later, not 300 s"),
        ([FIRST], slower(300, NOW + 301), 0, ""),
        ([FIRST], slower(UNTIL - 1, NOW + UNTIL - 1), NOW, ""),
        ([FIRST], slower(UNTIL + 9, NOW + UNTIL), NOW, ""),
        ([FIRST], slower(DELAY, NOW), NOW, ""),
        ([FIRST], slower(DELAY - 1, NOW + 1), NOW, "handovers would take 99 s, less than other changes"),
        # A shorter delay takes effect after the difference.
        ([FIRST, slower(300, NOW - 1)], slower(120, NOW + 180), NOW, ""),
        ([FIRST, slower(300, NOW - 1)], slower(120, NOW + 120), NOW, "it takes effect 120 s later, not 180 s"),
    ],
)
def test_events_of_roles(
    events: list[tuple[str, Mapping[str, Any]]], last: tuple[str, Mapping[str, Any]], time: int, says: str
) -> None:
    made = StoredRoles()
    for each in events:
        assert made.event(*each)
    found = made.wrong(*last, time, DELAY)
    assert says in found and bool(says) == bool(found)


def test_words_of_roles() -> None:
    made = StoredRoles()
    for each in (FIRST, role("RoleGranted", GUARDIAN, GUARDIAN_ROLE), handover(LATER), slower(300, NOW)):
        made.event(*each)
    made.event("RoleAdminChanged", {"role": (9).to_bytes(32), "newAdminRole": (8).to_bytes(32)})
    made.event(*role("RoleGranted", HEIR, 9))
    assert not made.event("Paused", {})
    words = made.words(DELAY, [int(HEIR, 16)])
    assert words[PENDING].layout.unpack(words[PENDING].value) == {
        "pendingDefaultAdmin": int(HEIR, 16), "its schedule": LATER, "defaultAdminDelay": DELAY
    }  # fmt: skip
    assert words[CURRENT].layout.unpack(words[CURRENT].value) == {
        "defaultAdmin": int(ADMIN, 16), "pendingDelay": 300, "its schedule": NOW
    }  # fmt: skip
    assert [(words[slot].value, words[slot].name) for slot in (0, 1, 2, 3, 4)] == [
        (0, "the word of the roles' mapping"),
        (words[PENDING].value, "the admin's handover"),
        (words[CURRENT].value, "the admin"),
        (0, "the domain's name"),
        (0, "the domain's version"),
    ]
    names = {DEFAULT_ADMIN_ROLE: "the admin's role", GUARDIAN_ROLE: "the guardian's role", 9: f"role 0x{9:064x}"}
    members = {DEFAULT_ADMIN_ROLE: {ADMIN}, GUARDIAN_ROLE: {GUARDIAN}, 9: {HEIR}}
    for number, name in names.items():
        slot = entry(0, number)
        assert (words[slot + 1].value, words[slot + 1].name) == (8 if number == 9 else 0, f"the admin role of {name}")
        assert words[slot + 1].owner == "the roles"
        for account in (*members[number], HEIR):
            word = words[entry(slot, int(account, 16))]
            assert (word.value, word.name) == (account in members[number], f"{name} of {account}")
    assert int.from_bytes(keccak(b"GUARDIAN_ROLE")) == GUARDIAN_ROLE


def test_who_ceases_to_be_the_admin() -> None:
    """A renouncement names nobody. A role of somebody else that ends changes no handover."""
    made = StoredRoles()
    for each in (FIRST, role("RoleGranted", HEIR, GUARDIAN_ROLE), handover(LATER), role("RoleRevoked", HEIR)):
        made.event(*each)
    pending = made.words(DELAY)[PENDING]
    assert pending.layout.unpack(pending.value)["pendingDefaultAdmin"] == int(HEIR, 16)
    made.event(*role("RoleRevoked", ADMIN, GUARDIAN_ROLE))
    assert made.words(DELAY)[CURRENT].value == int(ADMIN, 16)
    made.event(*GONE)
    words = made.words(DELAY)
    assert words[CURRENT].value == 0 and words[PENDING].value == DELAY << 208
    assert words[entry(entry(0, 0), int(ADMIN, 16))].value == 0


def test_changes_of_what_was_never_added() -> None:
    for name in ("Paused", "AggregatorLinked", "ShadowCompared"):
        assert said(of_feed(name, agrees=True)) == ["the feed was never added"]


def test_a_delay_that_nobody_changes_needs_no_settling() -> None:
    made = StoredRoles()
    assert not made.may_be_settled(NOW)
    made.event(*slower(300, NOW))
    assert [made.may_be_settled(time) for time in (NOW - 1, NOW, NOW + 1)] == [False, False, True]
    made.event("DefaultAdminDelayChangeCanceled", {})
    assert not made.may_be_settled(NOW + 1)
