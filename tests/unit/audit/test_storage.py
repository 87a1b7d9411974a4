"""Tests of the words of a hub's storage: layouts, the storage root, roles, and events that no hub emits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.audit.history import AdminEvent
from oracle.audit.storage import Replayed, StoredHub, StoredRoles, Word, layouts, rules, storage_root, stored
from oracle.audit.storage.layouts import Field, WordLayout
from oracle.audit.storage.roles import CURRENT, GUARDIAN_ROLE, PENDING
from oracle.audit.storage.rules import impossible_events
from oracle.audit.storage.stored import STORE
from oracle.audit.storage.words import elements, text_words
from oracle.chain.hub.types import CHANGE_WINDOW
from oracle.core.encoding import FIELD_MODULUS, Feature
from oracle.core.formats import keccak

ADMIN, GUARDIAN, HEIR = (f"0x{digit * 40}" for digit in "123")
NOBODY = "0x" + "00" * 20
DELAY, NOW = 100, 1_000_000

LAYOUTS = [each for each in vars(layouts).values() if isinstance(each, WordLayout)]


# --- layouts ---


@given(st.data())
def test_a_word_keeps_each_of_its_fields(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    assert sum(field.bits for field in layout.fields) == 256
    named = [field for field in layout.fields if field.name]
    values = []
    for field in named:
        low = -(1 << field.bits - 1) if field.signed else 0
        values.append(data.draw(st.integers(low, low + (1 << field.bits) - 1)))
    word = layout.pack(*values)
    found = layout.unpack(word)
    assert [field.decode(field.encode(value)) for field, value in zip(named, values, strict=True)] == values
    if len({field.name for field in named}) == len(named):
        assert [found[field.name] for field in named] == values
    assert layout.difference(word, word) == ""


@pytest.mark.parametrize(("field", "value"), [(Field("a", 8), 256), (Field("a", 8), -1), (Field("a", 8, True), 128)])
def test_a_value_that_does_not_fit(field: Field, value: int) -> None:
    with pytest.raises(ValueError, match="a does not fit 8 bits"):
        field.encode(value)


def test_a_difference_is_told_by_its_meaning() -> None:
    layout = WordLayout(Field("first", 8), Field("", 8), Field("second", 8, True), Field("third", 8, form=hex))
    word = Word(layout.pack(1, -2, 3), "feed X", "the word", layout)
    assert word.difference(layout.pack(1, -2, 3)) == ""
    assert word.difference(layout.pack(1, 5, 4)) == (
        "the word: second is 5, its history says -2; third is 0x4, its history says 0x3"
    )
    assert word.difference(word.value | 7 << 8) == "the word: bits that are never set hold 0x7"
    assert word.difference(word.value | 1 << 255).startswith("the word: bits that are never set hold ")
    assert Word(word.value, "x", "y", layout, layout.mask("second")).difference(layout.pack(1, 7, 3)) == ""


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_short_text_is_in_its_word(length: int) -> None:
    text = bytes(range(1, length + 1))
    ((slot, word),) = text_words(7, text, "x", "text").items()
    assert (slot, word.value.to_bytes(32)) == (7, text.ljust(31, b"\0") + bytes([2 * length]))


@pytest.mark.parametrize("length", [32, 33, 64])
def test_a_long_text_follows_its_length(length: int) -> None:
    text = bytes(range(1, length + 1))
    words = text_words(7, text, "x", "text")
    assert words.pop(7).value == 2 * length + 1
    stored = b"".join(words[elements(7) + index].value.to_bytes(32) for index in range(len(words)))
    assert stored == text.ljust(32 * len(words), b"\0")


# --- the storage root ---


def test_roots_that_everybody_knows() -> None:
    empty = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
    assert storage_root({}) == empty == storage_root({5: 0})


@given(st.dictionaries(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1), max_size=40), st.integers(0, 2**256 - 1))
def test_each_word_changes_the_root_and_zeros_do_not(words: dict[int, int], slot: int) -> None:
    root = storage_root(words)
    assert storage_root(dict(reversed(words.items()))) == root
    assert storage_root({**words, slot: words.get(slot, 0)}) == root
    assert storage_root({**words, slot: words.get(slot, 0) ^ 1}) != root


# --- roles ---


def roles(*events: tuple[str, Mapping[str, Any]]) -> StoredRoles:
    found = StoredRoles()
    for name, values in events:
        assert found.event(name, values)
    return found


def role(name: str, number: int, account: str) -> tuple[str, Mapping[str, Any]]:
    return name, {"role": number.to_bytes(32), "account": account, "sender": ADMIN}


def told(found: StoredRoles, **options: Any) -> dict[str, int]:
    words = found.words(DELAY, **options)
    return layouts.PENDING_ADMIN.unpack(words[PENDING].value) | layouts.ADMIN.unpack(words[CURRENT].value)


BEGUN = (
    role("RoleGranted", 0, ADMIN),
    ("DefaultAdminTransferScheduled", {"newAdmin": HEIR, "acceptSchedule": NOW}),
)


def test_a_handover_leaves_no_trace_of_itself() -> None:
    assert told(roles(*BEGUN))["pendingDefaultAdmin"] == int(HEIR, 16)
    done = told(roles(*BEGUN, role("RoleRevoked", 0, ADMIN), role("RoleGranted", 0, HEIR)))
    assert (done["defaultAdmin"], done["pendingDefaultAdmin"]) == (int(HEIR, 16), 0)
    cancelled = told(roles(*BEGUN, ("DefaultAdminTransferCanceled", {})))
    assert (cancelled["defaultAdmin"], cancelled["pendingDefaultAdmin"]) == (int(ADMIN, 16), 0)


def test_a_guardian_who_is_revoked_is_named() -> None:
    found = roles(role("RoleGranted", GUARDIAN_ROLE, GUARDIAN), role("RoleRevoked", GUARDIAN_ROLE, GUARDIAN))
    assert [word.value for word in found.words(DELAY).values() if "guardian's role of" in word.name] == [0]


def test_a_delay_is_settled_by_the_next_change_or_by_time() -> None:
    scheduled = ("DefaultAdminDelayChangeScheduled", {"newDelay": 500, "effectSchedule": NOW})
    found = roles(scheduled)
    assert told(found)["defaultAdminDelay"] == DELAY
    assert not found.may_be_settled(NOW)
    assert found.may_be_settled(NOW + 1)
    assert told(found, settled=True) | {"its schedule": 0} == told(found) | {
        "defaultAdminDelay": 500, "pendingDelay": 0, "its schedule": 0
    }  # fmt: skip
    again = roles(scheduled, ("DefaultAdminDelayChangeScheduled", {"newDelay": 700, "effectSchedule": NOW + 9}))
    assert told(again)["defaultAdminDelay"] == 500
    undone = roles(scheduled, ("DefaultAdminDelayChangeCanceled", {}))
    assert (told(undone)["defaultAdminDelay"], told(undone)["pendingDelay"]) == (DELAY, 0)


# --- a history ---

FEED = {
    "description": "ETH / USD", "kind": 0, "decimals": 8, "confirmations": 2, "maxRepeats": 0, "heartbeat": 3_600,
    "maxAge": 600, "maxSkew": 60, "confirmDelay": 900, "tolerance": 2_000, "maxSpread": 0, "sigma": 10_000,
    "committee": 1, "peers": (),
}  # fmt: skip
FEED_ID = keccak(b"ETH / USD")
ARCHITECTURE = {
    "features": bytes([Feature.MOVE, Feature.GAP]), "outputs": 1, "bindsModel": True, "batchSizes": (1, 4),
    "verifiers": (ADMIN, HEIR), "codeHashes": (b"\1" * 32, b"\2" * 32),
}  # fmt: skip
MODEL = {"modelHash": 7, "architectureId": 1, "artifactHash": b"\3" * 32, "scoreUnit": 1_000}
OTHERS = (HEIR, GUARDIAN, ADMIN)
LATER = NOW + DELAY


def history() -> list[AdminEvent]:
    """Return events of a hub, each of a transaction of its own."""
    scheduled = {"newAdmin": HEIR, "acceptSchedule": NOW + DELAY}
    found: list[tuple[str, Mapping[str, Any], int]] = [
        (*role("RoleGranted", 0, ADMIN), NOW),
        (*role("RoleGranted", GUARDIAN_ROLE, GUARDIAN), NOW),
        ("CommitteeAdded", {"committee": 1, "reporters": (ADMIN,), "quorum": 1}, NOW),
        ("ArchitectureAdded", {"architectureId": 1, "architecture": ARCHITECTURE}, NOW),
        ("ModelAdded", {"modelNumber": 1, "model": MODEL}, NOW),
        ("ModelAdded", {"modelNumber": 2, "model": MODEL}, NOW),
        ("FeedAdded", {"feedId": FEED_ID, "config": FEED, "modelNumber": 1}, NOW),
        ("AggregatorLinked", {"feedId": FEED_ID, "aggregator": HEIR}, NOW),
        ("Paused", {"feedId": FEED_ID}, NOW),
        ("UnpauseProposed", {"feedId": FEED_ID, "activeFrom": LATER}, NOW),
        ("Unpaused", {"feedId": FEED_ID}, LATER),
        ("ReportersProposed", {"committee": 1, "reporters": OTHERS, "quorum": 3, "activeFrom": LATER}, NOW),
        ("ReportersActivated", {"committee": 1, "epoch": 2, "reporters": OTHERS, "quorum": 3}, LATER),
        (
            "ModelProposed",
            {"feedId": FEED_ID, "modelNumber": 2, "activeFrom": LATER, "minCompared": 0, "maxDisagreements": 0},
            NOW,
        ),
        ("ModelActivated", {"feedId": FEED_ID, "modelNumber": 2, "previous": 1}, LATER + CHANGE_WINDOW),
        ("ModelRolledBack", {"feedId": FEED_ID, "modelNumber": 1, "abandoned": 2}, LATER + 2 * CHANGE_WINDOW),
        ("DefaultAdminTransferScheduled", scheduled, NOW),
        (*role("RoleRevoked", 0, ADMIN), NOW + DELAY + 1),
        (*role("RoleGranted", 0, HEIR), NOW + DELAY + 1),
        ("DefaultAdminDelayChangeScheduled", {"newDelay": 300, "effectSchedule": NOW + 300}, NOW),
    ]
    return [AdminEvent(name, values, 5, time, f"0x{index}", index) for index, (name, values, time) in enumerate(found)]


def changed(place: int, changes: Mapping[str, Any], time: int | None = None) -> list[str]:
    events = history()
    old = events[place]
    values = {**old.values, **{key: each for key, each in changes.items() if key in old.values}}
    for part in ("config", "architecture", "model"):
        if part in values:
            inner = {key: each for key, each in changes.items() if key not in old.values}
            values[part] = {**values[part], **inner}
    events[place] = AdminEvent(old.name, values, 5, old.block_time if time is None else time, old.tx_hash, place)
    return list(impossible_events(events[: place + 1], DELAY))


def test_the_bounds_are_the_contracts(project_root: Path) -> None:
    folder = project_root / "contracts" / "src" / "libraries"
    text = "".join((folder / f"{name}.sol").read_text() for name in ("Changes", "Models", "Slots", "Features"))
    constants = dict(re.findall(r"constant (\w+) = ([\w ]+);", text))
    units = {"days": 86_400, "hours": 3_600}

    def number(name: str) -> int:
        value, *unit = constants[name].replace("_", "").split()
        return int(value) * (units[unit[0]] if unit else 1)

    assert number("MAX_REPORTERS") == rules.MOST_REPORTERS
    assert number("MAX_CIRCUITS") == stored.MOST_CIRCUITS
    assert number("MAX_BATCH") == rules.MOST_WINDOWS
    assert number("MAX_PEERS") == rules.MOST_PEERS
    assert number("MOST_DECIMALS") == rules.MOST_DECIMALS
    assert number("MAX_DESCRIPTION_BYTES") == rules.MOST_DESCRIPTION_BYTES
    assert number("LONGEST_SKEW") == rules.LONGEST_SKEW
    assert number("LONGEST_AGE") == rules.LONGEST_AGE
    assert number("LONGEST_CONFIRM_DELAY") == rules.LONGEST_CONFIRM_DELAY


def test_what_a_hub_emits_is_possible() -> None:
    assert list(impossible_events(history(), DELAY)) == []
    # Without times, what does not depend on them is looked at all the same.
    timeless = [AdminEvent(each.name, each.values, 5, 0, each.tx_hash) for each in history()]
    assert list(impossible_events(timeless, DELAY)) == []


PLACES = {event.name: event.log_index for event in history()}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("CommitteeAdded", {"committee": 2}, "committee 2 does not follow committee 0"),
        ("CommitteeAdded", {"reporters": (ADMIN, HEIR), "quorum": 2}, "2 reporters with a quorum of 2"),
        ("CommitteeAdded", {"quorum": 3}, "1 reporters with a quorum of 3"),
        ("CommitteeAdded", {"reporters": (ADMIN, ADMIN)}, "named twice"),
        ("CommitteeAdded", {"reporters": (NOBODY,)}, "is nobody"),
        ("ArchitectureAdded", {"architectureId": 3}, "architecture 3 does not follow"),
        ("ArchitectureAdded", {"features": bytes([Feature.GAP])}, "features [1]"),
        ("ArchitectureAdded", {"features": bytes([0, 0])}, "features [0, 0]"),
        ("ArchitectureAdded", {"features": bytes([0, 15])}, "does not know all"),
        ("ArchitectureAdded", {"outputs": 0}, "no output"),
        ("ArchitectureAdded", {"batchSizes": (4, 1)}, "circuits for [4, 1] windows"),
        ("ArchitectureAdded", {"batchSizes": (1, 65)}, "circuits for [1, 65] windows"),
        ("ArchitectureAdded", {"batchSizes": (0, 1)}, "circuits for [0, 1] windows"),
        ("ArchitectureAdded", {"codeHashes": (b"\1" * 32,)}, "a verifier for each circuit"),
        ("ModelAdded", {"modelNumber": 7}, "model 7 does not follow model 0"),
        ("ModelAdded", {"modelHash": 0}, "its hash 0x0"),
        ("ModelAdded", {"modelHash": FIELD_MODULUS}, "its hash"),
        ("ModelAdded", {"scoreUnit": 2**41 + 1}, "its score unit"),
        ("ModelAdded", {"architectureId": 9}, "architecture 9 was never added"),
        ("FeedAdded", {"feedId": keccak(b"BTC / USD")}, "its id is not the hash of its description"),
        ("FeedAdded", {"description": "x" * 65, "feedId": keccak(b"x" * 65)}, "description is 65, not 1 to 64"),
        ("FeedAdded", {"confirmations": 0}, "confirmations is 0, not 1 to 255"),
        ("FeedAdded", {"confirmDelay": 0}, "confirmDelay is 0"),
        ("FeedAdded", {"confirmDelay": 7 * 86_400 + 1}, "confirmDelay is"),
        ("FeedAdded", {"sigma": 0}, "sigma is 0"),
        ("FeedAdded", {"heartbeat": 0}, "heartbeat is 0"),
        ("FeedAdded", {"decimals": 19}, "decimals is 19"),
        ("FeedAdded", {"maxSkew": 3_601}, "maxSkew is 3601"),
        ("FeedAdded", {"tolerance": 32_767}, "tolerance is 32767"),
        ("FeedAdded", {"committee": 2}, "committee 2 was never added"),
        ("FeedAdded", {"modelNumber": 3}, "model 3 was never added"),
        ("FeedAdded", {"peers": (FEED_ID,)}, "its peers are not others"),
        ("FeedAdded", {"peers": (bytes(32),)}, "its peers are not others"),
        ("FeedAdded", {"peers": (b"\1" * 32, b"\2" * 32, b"\3" * 32)}, "peers is 3"),
        ("UnpauseProposed", {"activeFrom": NOW + 1}, "could be activated 1 s later, where the hub's delay is 100 s"),
        ("ReportersProposed", {"activeFrom": NOW}, "could be activated 0 s later"),
        ("ReportersProposed", {"quorum": 2}, "3 reporters with a quorum of 2"),
        ("ReportersActivated", {"quorum": 1}, "others were proposed"),
        ("ReportersActivated", {"epoch": 3}, "epoch 3 does not follow 1"),
        ("ReportersActivated", {"committee": 5}, "committee 5 was never added"),
        ("ModelProposed", {"modelNumber": 1}, "model 1 can't be proposed"),
        ("ModelProposed", {"activeFrom": NOW}, "could be activated 0 s later"),
        ("ModelActivated", {"modelNumber": 1}, "model 2 was proposed in place of 1"),
        ("ModelActivated", {"feedId": b"\7" * 32}, "the feed was never added"),
        ("ModelRolledBack", {"modelNumber": 2}, "model 1 was active before 2"),
        ("DefaultAdminTransferScheduled", {"acceptSchedule": NOW}, "accepted 0 s later, where the delay is 100 s"),
        ("DefaultAdminDelayChangeScheduled", {"newDelay": 99}, "handovers would take 99 s"),
        ("DefaultAdminDelayChangeScheduled", {"effectSchedule": NOW}, "takes effect 0 s later, not 300 s"),
        ("RoleRevoked", {"account": GUARDIAN}, "could not cease to be the admin"),
    ],
)
def test_what_no_hub_emits(name: str, changes: Mapping[str, Any], said: str) -> None:
    place = next(index for index, each in enumerate(history()) if each.name == name)
    (text,) = changed(place, changes)
    assert text.startswith(f"the {name} of transaction 0x{place} can't follow from the logs before it: ")
    assert said in text


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("Unpaused", LATER - 1),
        ("Unpaused", LATER + CHANGE_WINDOW + 1),
        ("ReportersActivated", LATER - 1),
        ("ReportersActivated", LATER + CHANGE_WINDOW + 1),
        ("ModelActivated", LATER - 1),
        ("ModelActivated", LATER + CHANGE_WINDOW + 1),
        ("ModelRolledBack", LATER + 2 * CHANGE_WINDOW + 1),
        ("RoleRevoked", NOW + DELAY),
    ],
)
def test_a_change_out_of_its_time(name: str, time: int) -> None:
    assert len(changed(PLACES[name], {}, time)) == 1


@pytest.mark.parametrize("missing", ["UnpauseProposed", "ReportersProposed", "ModelProposed", "CommitteeAdded"])
def test_a_change_that_nobody_proposed(missing: str) -> None:
    assert list(impossible_events([each for each in history() if each.name != missing], DELAY)) != []


def test_a_second_admin() -> None:
    events = [*history(), AdminEvent("RoleGranted", role("", 0, GUARDIAN)[1], 5, NOW + 10_000, "0x99")]
    (text,) = impossible_events(events, DELAY)
    assert f"nobody handed over to {GUARDIAN}" in text


def test_a_model_in_the_transaction_of_its_architecture() -> None:
    events = history()
    first = next(each for each in events if each.name == "ArchitectureAdded")
    events = [AdminEvent(each.name, each.values, 5, each.block_time, first.tx_hash) for each in events]
    texts = list(impossible_events(events, DELAY))
    assert len(texts) == 2
    assert "its architecture was added in the same transaction" in texts[0]


@given(st.permutations(history()), st.integers(0, 20))
def test_no_order_of_events_makes_it_fail(events: list[AdminEvent], count: int) -> None:
    """A node may leave out what it likes: what is left has words, and reasons, but no exception."""
    hub = StoredHub()
    for event in events[:count]:
        hub.event(event)
    words = hub.words(Replayed({}, {}, {}), DELAY)
    assert words[STORE].name == "the counters"
    list(impossible_events(events[:count], DELAY))


def test_numbers_that_no_hub_has_reached_cost_nothing() -> None:
    """Other creation code can emit any number: what is between is not gone through."""
    last = 2**32 - 1
    found = StoredHub()
    for event in history():
        for key in ("committee", "architectureId"):
            if key in event.values and event.name in ("CommitteeAdded", "ArchitectureAdded"):
                found.event(AdminEvent(event.name, {**event.values, key: last}))
        found.event(event)
    words = found.words(Replayed({}, {}, {}), 0)
    owners = {word.owner for word in words.values()}
    assert {f"committee {last}", f"architecture {last}", "committee 2", "committee 3"} <= owners
    assert len(words) < 1_000


def test_many_people_in_many_committees_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other creation code can name thousands, each in a committee of its own: their products are not gone through."""
    found = StoredHub()
    for event in history():
        found.event(event)
    people = [f"0x{at:040x}" for at in range(1, 201)]
    replayed = Replayed({}, {}, {}, people=people)
    with_all = found.words(replayed, 0)
    monkeypatch.setattr(stored, "_MOST_POSITIONS", 300)
    without = found.words(replayed, 0)
    assert len(with_all) - len(without) >= 400
    # Who has a role or a place is looked at in any case.
    assert {slot for slot, word in with_all.items() if word.value} <= set(without)


def test_a_feed_of_no_kind_is_not_taken_over() -> None:
    """The words and the rules are then looked at without it."""
    found = StoredHub()
    for event in history():
        if event.name == "FeedAdded":
            config = {**event.values["config"], "kind": 255}
            with pytest.raises(ValueError, match="255 is not a valid Kind"):
                found.event(AdminEvent("FeedAdded", {**event.values, "config": config}))
        found.event(event)
    assert [each.name for each in found.history] == [each.name for each in history()]
    assert list(impossible_events(found.history, 0)) == list(impossible_events(history(), 0))
