"""Tests of the places and values of a hub's words: a history with something of everything, and all words it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracle.audit.history import AdminEvent, shadow_scored
from oracle.audit.storage import Replayed, StoredHub, Word, layouts
from oracle.audit.storage.layouts import WordLayout
from oracle.audit.storage.stored import STORE
from oracle.chain.hub import ShadowScored
from oracle.chain.hub.types import CHANGE_WINDOW
from oracle.core.gate import empty_feed
from oracle.core.types import HeldAnswer, HoldReason, Kind, Round, Status

LAYOUTS = {
    "NUMBER": "value@0",
    "HASH": "value@0",
    "MODEL_HASH": "value@0",
    "ADDRESS": "value@0 | @160",
    "COUNTERS": "architectureCount@0 | committeeCount@32 | modelCount@64 | @80",
    "CONFIG": (
        "relative@0 | paused@1 | held@2 | linked@3 | peers@4 | @6 | decimals@8 | confirmations@16 | maxRepeats@24 | "
        "modelNumber@32 | heartbeat@48 | maxAge@72 | maxSkew@96 | confirmDelay@112 | tolerance@136 | maxSpread@152 | "
        "committee@168 | sigma@192"
    ),
    "TRACK": (
        "roundId@0 | variance@32 | move 0±@64 | move 1±@80 | move 2±@96 | move 3±@112 | move 4±@128 | move 5±@144 | "
        "move 6±@160 | move 7±@176 | move 8±@192 | move 9±@208 | move 10±@224 | move 11±@240"
    ),
    "HELD_ANSWERS": "answer±@0 | firstAnswer±@128",
    "HELD_REST": (
        "firstObservedAt@0 | firstSeenAt@32 | observedAt@64 | confirmations@96 | modelNumber@104 | scoreRatio±@120 | "
        "reason@144 | anomalies@152 | anomalousSince@168 | anomalousSeenAt@200 | firstGap@232 | heldReports@248"
    ),
    "PEER": "answer±@0 | first half of the id@128",
    "PEER_RESTS": "second half of the first id@0 | of the second id@128",
    "PROPOSALS": "modelFrom@0 | unpauseFrom@64 | previousUntil@128 | model@192 | previousModel@208 | @224",
    "SHADOW_COUNTS": "reports@0 | compared@32 | disagreements@64 | minCompared@96 | maxDisagreements@128 | @160",
    "SHADOW_REPORT": "answer±@0 | observedAt@128 | roundId@160 | anomalous@192 | pending@200 | @208",
    "ROUND": (
        "answer±@0 | observedAt@128 | publishedAfter@160 | repeats@184 | modelNumber@192 | scoreRatio±@208 | "
        "spread@232 | count@248 | @253"
    ),
    "COMMITTEE": "epoch@0 | quorum@32 | size@40 | proposedQuorum@48 | proposedFrom@56 | @120",
    "CIRCUIT": (
        "verifier@0 | bindsModel@160 | @161 | features@168 | outputs@176 | count@184 | batchSize@192 | "
        "scoreUnit's exponent@208 | scoreUnit's mantissa@216"
    ),
    "PENDING_ADMIN": "pendingDefaultAdmin@0 | its schedule@160 | defaultAdminDelay@208",
    "ADMIN": "defaultAdmin@0 | pendingDelay@160 | its schedule@208",
}
"""Each field with its lowest bit, as `contracts/src/libraries/Slots.sol` draws them; ± marks two's complement."""


@pytest.mark.parametrize("name", LAYOUTS)
def test_fields_are_where_the_contracts_have_them(name: str) -> None:
    layout: WordLayout = getattr(layouts, name)
    assert " | ".join(f"{each.name}{'±' * each.signed}@{low}" for each, low in layout) == LAYOUTS[name]


def test_there_are_no_other_layouts() -> None:
    assert {name for name, each in vars(layouts).items() if isinstance(each, WordLayout)} == set(LAYOUTS)


ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize(
    ("name", "field", "value", "says"),
    [
        ("NUMBER", "value", 17, "17"),
        ("HASH", "value", 17, f"0x{17:064x}"),
        ("MODEL_HASH", "value", 17, "0x11"),
        ("ADDRESS", "value", int(ADDRESS, 16), ADDRESS),
        ("ADMIN", "defaultAdmin", int(ADDRESS, 16), ADDRESS),
        ("PENDING_ADMIN", "pendingDefaultAdmin", int(ADDRESS, 16), ADDRESS),
        ("CIRCUIT", "verifier", int(ADDRESS, 16), ADDRESS),
        ("PEER", "first half of the id", 17, "0x11"),
        ("PEER_RESTS", "second half of the first id", 17, "0x11"),
        ("PEER_RESTS", "of the second id", 17, "0x11"),
    ],
)
def test_fields_are_written_for_people(name: str, field: str, value: int, says: str) -> None:
    layout: WordLayout = getattr(layouts, name)
    low = next(low for each, low in layout if each.name == field)
    subject = "" if name in ("NUMBER", "HASH", "MODEL_HASH") else f"{field} is "
    assert layout.difference(0, value << low).startswith(f"{subject}{says}, its history says ")


def test_a_number_of_160_bits_is_an_address_and_a_longer_one_is_none() -> None:
    form = layouts.ADDRESS.fields[0].form
    assert form((1 << 160) - 1).lower() == "0x" + "ff" * 20
    assert form(1 << 160) == "0x1" + "0" * 40
    assert form(1) == "0x" + "0" * 39 + "1"


def test_four_fields_are_named_and_the_others_counted() -> None:
    every = layouts.PROPOSALS.pack(1, 2, 3, 4, 5)
    four = layouts.PROPOSALS.pack(1, 2, 3, 4, 0)
    assert layouts.PROPOSALS.difference(0, four).count(";") == 3
    assert layouts.PROPOSALS.difference(0, every).endswith("model is 4, its history says 0; and 1 more fields")
    assert layouts.PROPOSALS.mask("model", "unpauseFrom") == 0xFFFF << 192 | (1 << 64) - 1 << 64


# --- a hub ---

ONE, TWO, THREE, FOUR = (f"0x{number:040x}" for number in (0xA1, 0xA2, 0xA3, 0xA4))
ETH, BTC = "ETH / USD", "a description of more than thirty-one bytes / USD"
ETH_ID, BTC_ID = keccak(text=ETH), keccak(text=BTC)
SOL_ID = keccak(text="SOL / USD")
NOW = 1_000_000


def terms(description: str, **changes: Any) -> dict[str, Any]:
    found = {
        "description": description, "kind": 0, "decimals": 8, "confirmations": 2, "maxRepeats": 3, "heartbeat": 3_600,
        "maxAge": 601, "maxSkew": 61, "confirmDelay": 901, "tolerance": 2_001, "maxSpread": 7, "sigma": 10_000,
        "committee": 1, "peers": (),
    }  # fmt: skip
    return found | changes


BOUND = {
    "features": bytes([0, 1]), "outputs": 2, "bindsModel": True, "batchSizes": (1, 4),
    "verifiers": (ONE, TWO), "codeHashes": (b"\1" * 32, b"\2" * 32),
}  # fmt: skip
OPEN = BOUND | {"features": bytes([3]), "bindsModel": False, "batchSizes": (2,), "verifiers": (THREE,), "outputs": 1}
UNIT = 3 * 2**45


def hub(*more: AdminEvent) -> StoredHub:
    found = StoredHub()
    events: list[tuple[str, Mapping[str, Any]]] = [
        ("CommitteeAdded", {"committee": 1, "reporters": (ONE, TWO, THREE), "quorum": 3}),
        ("CommitteeAdded", {"committee": 2, "reporters": (FOUR,), "quorum": 1}),
        ("ReportersProposed", {"committee": 2, "reporters": (ONE, FOUR), "quorum": 1, "activeFrom": 77}),
        ("ArchitectureAdded", {"architectureId": 1, "architecture": BOUND}),
        ("ArchitectureAdded", {"architectureId": 2, "architecture": OPEN}),
        ("ModelAdded", {"modelNumber": 1, "model": model(1, 7, 1_000)}),
        ("ModelAdded", {"modelNumber": 2, "model": model(2, 0, UNIT)}),
        ("FeedAdded", {"feedId": ETH_ID, "config": terms(ETH), "modelNumber": 1}),
        ("FeedAdded", {"feedId": BTC_ID, "config": terms(BTC, kind=1, peers=(ETH_ID, SOL_ID)), "modelNumber": 2}),
    ]
    for each in (*(AdminEvent(name, values, 5, NOW) for name, values in events), *more):
        found.event(each)
    return found


def model(architecture: int, model_hash: int, unit: int) -> dict[str, Any]:
    return {
        "modelHash": model_hash,
        "architectureId": architecture,
        "artifactHash": bytes([architecture]) * 32,
        "scoreUnit": unit,
    }


def event(name: str, time: int = NOW, **values: Any) -> AdminEvent:
    return AdminEvent(name, {"feedId": ETH_ID, **values}, 5, time)


def entry(mapping: int, key: int) -> int:
    return int.from_bytes(keccak(encode(["uint256", "uint256"], [key, mapping])))


def elements(slot: int) -> int:
    return int.from_bytes(keccak(encode(["uint256"], [slot])))


def words_of(found: StoredHub, **replayed: Any) -> dict[int, Word]:
    given: dict[str, Any] = {"states": {}, "rounds": {}, "holds": {}, **replayed}
    return found.words(Replayed(**given), 100)


def fields(word: Word) -> dict[str, int]:
    """Return the fields of a word that are not zero."""
    return {name: value for name, value in word.layout.unpack(word.value).items() if value}


FEEDS, COMMITTEES, MODELS = STORE + 1, STORE + 3, STORE + 4
ETH_SLOT, BTC_SLOT = entry(FEEDS, int.from_bytes(ETH_ID)), entry(FEEDS, int.from_bytes(BTC_ID))


def test_the_store_is_where_its_name_puts_it() -> None:
    inner = int.from_bytes(keccak(text="verifiable-oracle.hub")) - 1
    assert elements(inner) & ~0xFF == STORE


def test_counters_and_the_list_of_feeds() -> None:
    words = words_of(hub())
    assert fields(words[STORE]) == {"architectureCount": 2, "committeeCount": 2, "modelCount": 2}
    assert (words[STORE].owner, words[STORE].name) == ("the hub", "the counters")
    first = elements(STORE + 2)
    assert [words[slot].value for slot in (STORE + 2, first, first + 1, first + 2)] == [
        2, int.from_bytes(ETH_ID), int.from_bytes(BTC_ID), 0
    ]  # fmt: skip
    assert [words[slot].name for slot in (STORE + 2, first, first + 2)] == [
        "number of feedIds", "feedIds[0]", "feedIds[2]"
    ]  # fmt: skip
    assert words[first].layout is layouts.HASH and words[first].owner == "the hub"


def test_committees_with_their_reporters_and_who_is_proposed() -> None:
    words = words_of(hub())
    first, second, third = (entry(COMMITTEES, number) for number in (1, 2, 3))
    assert fields(words[first]) == {"epoch": 1, "quorum": 3, "size": 3}
    assert fields(words[second]) == {"epoch": 1, "quorum": 1, "size": 1, "proposedQuorum": 1, "proposedFrom": 77}
    assert (words[first].owner, words[first].name) == ("committee 1", "quorum, epoch and proposal")
    assert (words[third].value, words[third].owner) == (0, "committee 3")
    lists = {"reporters": (1, (ONE, TWO, THREE)), "proposed reporters": (2, ())}
    for name, (place, people) in lists.items():
        assert (words[first + place].value, words[first + place].name) == (len(people), f"number of {name}")
        for index, each in enumerate((*people, "0x0")):
            word = words[elements(first + place) + index]
            assert (word.value, word.name, word.layout) == (int(each, 16), f"{name}[{index}]", layouts.ADDRESS)
    assert [words[elements(second + 2) + index].value for index in range(3)] == [int(ONE, 16), int(FOUR, 16), 0]
    assert (words[first + 3].value, words[first + 3].name) == (0, "the word of the positions' mapping")
    positions = [words[entry(first + 3, int(each, 16))].value for each in (ONE, TWO, THREE, FOUR)]
    assert positions == [1, 2, 3, 0]
    assert [words[entry(second + 3, int(each, 16))].value for each in (ONE, FOUR)] == [0, 1]
    name = words[entry(first + 3, int(TWO, 16))].name
    assert name.lower() == f"the reporters' positions: that of {TWO}"


def test_people_of_whom_the_history_tells_have_no_position() -> None:
    """Also reporters that were replaced, and who submitted."""
    activated = AdminEvent("ReportersActivated", {"committee": 2, "reporters": (ONE,), "quorum": 1, "epoch": 2})
    words = words_of(hub(activated), people=["0xb5"])
    slot = entry(COMMITTEES, 2)
    assert fields(words[slot]) == {"epoch": 2, "quorum": 1, "size": 1}
    assert [words[entry(slot + 3, int(each, 16))].value for each in (ONE, FOUR, "0xb5")] == [1, 0, 0]
    cancelled = AdminEvent("ReportersProposalCancelled", {"committee": 2})
    assert fields(words_of(hub(cancelled))[slot]) == {"epoch": 1, "quorum": 1, "size": 1}
    for key in ("account", "newAdmin", "submitter"):
        words = words_of(hub(AdminEvent("Anything", {key: "0xb6"})))
        assert words[entry(slot + 3, 0xB6)].value == 0


def test_architectures_with_their_circuits() -> None:
    words = words_of(hub())
    shapes, hashes, features, only = STORE + 6, STORE + 7, STORE + 8, STORE + 9
    assert words[entry(features, 1)].value == int.from_bytes(b"\0\1".ljust(32, b"\0"))
    assert words[entry(features, 2)].value == 3 << 248
    # Only an architecture that binds no model has an only model.
    assert [words[entry(only, number)].value for number in (1, 2, 3)] == [0, 2, 0]
    assert [words[entry(only, 1)].name, words[entry(features, 1)].name] == ["its only model", "features"]
    shape = {"verifier": int(TWO, 16), "bindsModel": 1, "features": 2, "outputs": 2, "count": 2, "batchSize": 4}
    assert fields(words[entry(shapes, 1 << 8 | 1)]) == shape
    assert fields(words[entry(shapes, 2 << 8)]) == {
        "verifier": int(THREE, 16), "features": 1, "outputs": 1, "count": 1, "batchSize": 2
    }  # fmt: skip
    for index in range(8):
        word, code = words[entry(shapes, 1 << 8 | index)], words[entry(hashes, 1 << 8 | index)]
        assert (word.owner, word.name, code.name) == ("architecture 1", f"shapes[{index}]", f"codeHashes[{index}]")
        assert code.value == (int.from_bytes(bytes([index + 1]) * 32) if index < 2 else 0)
        assert (word.value == 0) == (index >= 2)
        assert words[entry(shapes, 3 << 8 | index)].value == words[entry(hashes, 3 << 8 | index)].value == 0
    assert entry(shapes, 1 << 8 | 8) not in words


def test_models_with_their_circuits() -> None:
    words, circuits = words_of(hub()), STORE + 5
    first, second, third = (entry(MODELS, number) for number in (1, 2, 3))
    assert [words[first + at].value for at in range(4)] == [
        7, int.from_bytes(b"\0\1".ljust(32, b"\0")), int.from_bytes(b"\1" * 32), 1
    ]  # fmt: skip
    assert [words[first + at].name for at in range(4)] == ["modelHash", "features", "artifactHash", "architectureId"]
    assert [words[second + at].value for at in (0, 3)] == [0, 2] and words[second].owner == "model 2"
    assert [words[third + at].value for at in range(4)] == [0] * 4
    assert fields(words[entry(circuits, 1 << 8 | 1)])["scoreUnit's mantissa"] == 1_000
    assert "scoreUnit's exponent" not in fields(words[entry(circuits, 1 << 8)])
    unit = fields(words[entry(circuits, 2 << 8)])
    # 3·2^45 does not fit 40 bits: it is 3·2^38·2^7.
    assert (unit["scoreUnit's mantissa"], unit["scoreUnit's exponent"]) == (3 << 38, 7)
    assert [bool(words[entry(circuits, 2 << 8 | index)].value) for index in range(8)] == [True] + [False] * 7
    assert words[entry(circuits, 2 << 8)].name == "circuits[0]"
    assert [words[entry(circuits, 3 << 8 | index)].value for index in range(8)] == [0] * 8


@pytest.mark.parametrize(("unit", "mantissa", "exponent"), [(2**40 - 1, 2**40 - 1, 0), (2**40, 2**39, 1)])
def test_a_score_unit_is_shifted_as_little_as_can_be(unit: int, mantissa: int, exponent: int) -> None:
    found = hub(AdminEvent("ModelAdded", {"modelNumber": 3, "model": model(1, 9, unit)}))
    circuit = words_of(found)[entry(STORE + 5, 3 << 8)].layout.unpack(words_of(found)[entry(STORE + 5, 3 << 8)].value)
    assert (circuit["scoreUnit's mantissa"], circuit["scoreUnit's exponent"]) == (mantissa, exponent)


# --- feeds ---


def settings(words: Mapping[int, Word]) -> dict[str, int]:
    """Return the settings and proposals of the first feed that are not zero, without its terms."""
    found = {**fields(words[ETH_SLOT + 7]), **fields(words[ETH_SLOT + 8]), **fields(words[ETH_SLOT + 9])}
    return found | {key: fields(words[ETH_SLOT]).get(key, 0) for key in ("paused", "linked", "modelNumber")}


def test_terms_of_feeds() -> None:
    words = words_of(hub())
    common = {
        "decimals": 8, "confirmations": 2, "maxRepeats": 3, "heartbeat": 3_600, "maxAge": 601, "maxSkew": 61,
        "confirmDelay": 901, "tolerance": 2_001, "maxSpread": 7, "committee": 1, "sigma": 10_000,
    }  # fmt: skip
    assert fields(words[ETH_SLOT]) == {"relative": 1, "modelNumber": 1} | common
    assert fields(words[BTC_SLOT]) == {"peers": 2, "modelNumber": 2} | common
    assert (words[ETH_SLOT].owner, words[ETH_SLOT].name) == ("feed ETH / USD", "terms and settings")
    names = [words[ETH_SLOT + at].name for at in range(1, 10)]
    assert names == [
        "track", "the held answers", "the held words", "peer 1", "peer 2", "the peers' ids", "proposals",
        "the shadow tally", "the shadow's report",
    ]  # fmt: skip
    assert [words[ETH_SLOT + at].value for at in range(1, 10)] == [0] * 9
    eth, sol = (int.from_bytes(each) for each in (ETH_ID, SOL_ID))
    assert [fields(words[BTC_SLOT + at]) for at in (4, 5)] == [
        {"first half of the id": eth >> 128}, {"first half of the id": sol >> 128}
    ]  # fmt: skip
    low = (1 << 128) - 1
    assert list(fields(words[BTC_SLOT + 6]).values()) == [eth & low, sol & low]
    assert words[ETH_SLOT + 10].value == int.from_bytes(ETH.encode().ljust(31, b"\0") + bytes([2 * len(ETH)]))
    assert words[BTC_SLOT + 10].value == 2 * len(BTC) + 1
    assert words[elements(BTC_SLOT + 10)].value.to_bytes(32) == BTC.encode()[:32]
    assert words[elements(BTC_SLOT + 10) + 1].value.to_bytes(32) == BTC.encode()[32:].ljust(32, b"\0")
    assert words[BTC_SLOT + 10].name == "description's length" and words[ETH_SLOT + 10].name == "description"
    assert (words[ETH_SLOT + 11].value, words[ETH_SLOT + 11].name) == (0, "the word of the rounds' mapping")
    assert all(not word.unsure for word in words.values())


PROPOSED = event("ModelProposed", modelNumber=2, activeFrom=88, minCompared=3, maxDisagreements=1)
PERIOD = {"modelFrom": 88, "model": 2, "minCompared": 3, "maxDisagreements": 1}
SCORED = ShadowScored(ETH_ID, 4, -55, 999, 2, (-1, 0), 5, b"\x12", 0)
REPORT = {"answer": -55, "observedAt": 999, "roundId": 4, "pending": 1}
ACTIVE = event("ModelActivated", modelNumber=2, previous=1)
BACK = event("ModelRolledBack", modelNumber=1, abandoned=2)
PREVIOUS = {"previousModel": 1, "previousUntil": NOW + CHANGE_WINDOW}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {}),
        ([event("AggregatorLinked")], {"linked": 1}),
        ([event("Paused")], {"paused": 1}),
        ([event("Paused"), event("UnpauseProposed", activeFrom=66)], {"paused": 1, "unpauseFrom": 66}),
        ([event("Paused"), event("UnpauseProposed", activeFrom=66), event("Paused")], {"paused": 1}),
        ([event("Paused"), event("UnpauseProposed", activeFrom=66), event("Unpaused")], {}),
        ([PROPOSED], PERIOD),
        ([PROPOSED, event("ModelProposalCancelled")], {}),
        ([PROPOSED, shadow_scored(SCORED)], PERIOD | REPORT | {"reports": 1}),
        (
            [PROPOSED, shadow_scored(replace(SCORED, scores=(-1, 1)))],
            PERIOD | REPORT | {"reports": 1, "anomalous": 1},
        ),
        ([PROPOSED, shadow_scored(replace(SCORED, scores=(2, -1)))], PERIOD | REPORT | {"reports": 1, "anomalous": 1}),
        (
            [
                PROPOSED,
                shadow_scored(SCORED),
                event("ShadowCompared", agrees=True),
                shadow_scored(SCORED),
                event("ShadowCompared", agrees=False),
                shadow_scored(SCORED),
            ],
            PERIOD | REPORT | {"reports": 3, "compared": 2, "disagreements": 1},
        ),
        ([PROPOSED, shadow_scored(SCORED), PROPOSED], PERIOD),
        ([PROPOSED, shadow_scored(SCORED), event("ModelProposalCancelled")], {}),
        ([PROPOSED, shadow_scored(SCORED), ACTIVE], PREVIOUS | {"modelNumber": 2}),
        ([PROPOSED, ACTIVE, BACK], {}),
        ([PROPOSED, event("Paused", feedId=SOL_ID)], PERIOD),
    ],
)
def test_settings_and_proposals_of_feeds(events: list[AdminEvent], expected: dict[str, int]) -> None:
    words = words_of(hub(*events))
    assert settings(words) == {"paused": 0, "linked": 0, "modelNumber": 1} | expected
    assert words[ETH_SLOT + 7].unsure == 0


def test_an_activation_of_which_the_time_is_not_known() -> None:
    words = words_of(hub(PROPOSED, replace(ACTIVE, block_time=0)))
    assert settings(words) == {"paused": 0, "linked": 0, "modelNumber": 2, "previousModel": 1}
    assert words[ETH_SLOT + 7].unsure == ((1 << 64) - 1) << 128
    again = words_of(hub(PROPOSED, replace(ACTIVE, block_time=0), BACK))
    assert again[ETH_SLOT + 7].unsure == 0


STATE = replace(
    empty_feed(ETH_ID, Kind.RELATIVE, 10_000, 3_600, 1),
    status=Status.HELD, round_id=2, variance=44, returns=tuple(range(-5, 7)), held_reports=9,
)  # fmt: skip
HELD = HeldAnswer(HoldReason.REPEATED, -8, 9, 11, 12, 13, 14, 15, -16, 17, 18, 19, 20)


def test_what_reports_wrote_of_a_feed() -> None:
    words = words_of(hub(), states={ETH_ID: STATE}, holds={ETH_ID: HELD})
    assert fields(words[ETH_SLOT])["held"] == 1 and "held" not in fields(words[BTC_SLOT])
    assert words[ETH_SLOT + 1].layout.unpack(words[ETH_SLOT + 1].value) == {
        "roundId": 2, "variance": 44, **{f"move {age}": age - 5 for age in range(12)}
    }  # fmt: skip
    assert fields(words[ETH_SLOT + 2]) == {"answer": -8, "firstAnswer": 9}
    assert fields(words[ETH_SLOT + 3]) == {
        "firstObservedAt": 11, "firstSeenAt": 12, "observedAt": 13, "confirmations": 14, "modelNumber": 15,
        "scoreRatio": -16, "reason": 3, "anomalies": 17, "anomalousSince": 18, "anomalousSeenAt": 19, "firstGap": 20,
        "heldReports": 9,
    }  # fmt: skip
    # The hub does not clear what it held last, and counts on.
    accepted = replace(STATE, status=Status.OK)
    words = words_of(hub(), states={ETH_ID: accepted}, holds={ETH_ID: HELD})
    assert "held" not in fields(words[ETH_SLOT]) and fields(words[ETH_SLOT + 2])["answer"] == -8
    words = words_of(hub(), states={ETH_ID: accepted})
    assert fields(words[ETH_SLOT + 3]) == {"heldReports": 9} and words[ETH_SLOT + 2].value == 0
    first = replace(STATE, round_id=0)
    assert words_of(hub(), states={ETH_ID: first})[ETH_SLOT + 1].value == 0
    with pytest.raises(ValueError, match="held without a reason"):
        words_of(hub(), holds={ETH_ID: replace(HELD, reason=HoldReason.NONE)})


def test_answers_of_peers() -> None:
    state = replace(STATE, feed_id=BTC_ID, peers=(ETH_ID, SOL_ID), peer_answers=(70, -71))
    for answers, expected in (((70, -71), [70, -71]), ((70,), [70, 0]), ((), [0, 0])):
        words = words_of(hub(), states={BTC_ID: replace(state, peer_answers=answers)})
        assert [fields(words[BTC_SLOT + at]).get("answer", 0) for at in (4, 5)] == expected


def round_(number: int, answer: int, **changes: Any) -> Round:
    return replace(Round(number, answer, 500, 490, 2, -3, 4, 5), **changes)


def test_rounds_with_their_repetitions() -> None:
    answers = (7, 7, 7, -8, 7)
    rounds = {(ETH_ID, number): round_(number, answer) for number, answer in enumerate(answers, 1)}
    rounds[BTC_ID, 1] = round_(1, 0, published_at=510)
    words = words_of(hub(), rounds=rounds)
    mapping = ETH_SLOT + 11
    found = [fields(words[entry(mapping, number)]) for number in range(7)]
    # A block may be as much as an hour before the signed time, so the hub stores an hour more than the difference.
    common = {"observedAt": 500, "publishedAfter": 3_590, "modelNumber": 2, "scoreRatio": -3, "spread": 4, "count": 5}
    repeats: list[dict[str, int]] = [{}, {"repeats": 1}, {"repeats": 2}, {}, {}]
    expected = [common | {"answer": answer} | more for answer, more in zip(answers, repeats, strict=True)]
    assert found == [{}, *expected, {}]
    names = [words[entry(mapping, number)].name for number in (0, 1, 6)]
    assert names == ["round 0", "round 1", "round 6"] and words[entry(mapping, 6)].owner == "feed ETH / USD"
    assert entry(mapping, 7) not in words
    # A first answer of zero repeats nothing.
    first = fields(words[entry(BTC_SLOT + 11, 1)])
    assert "repeats" not in first and first["publishedAfter"] == 3_610


def test_repetitions_are_counted_up_to_255() -> None:
    rounds = {(ETH_ID, number): round_(number, 7) for number in range(1, 259)}
    words = words_of(hub(), rounds=rounds)
    counted = [fields(words[entry(ETH_SLOT + 11, number)])["repeats"] for number in (255, 256, 257, 258)]
    assert counted == [254, 255, 255, 255]


def test_of_a_feed_that_could_not_be_replayed_only_the_terms_are_sure() -> None:
    rounds = {(ETH_ID, 1): round_(1, 7), (BTC_ID, 1): round_(1, 7)}
    words = words_of(hub(), states={}, rounds=rounds, unsure=frozenset({BTC_ID}))
    everything, answer = (1 << 256) - 1, (1 << 128) - 1
    unsure = [words[BTC_SLOT + at].unsure for at in range(12)]
    assert unsure == [1 << 2, everything, everything, everything, answer, answer, *[0] * 6]
    mapping = BTC_SLOT + 11
    assert [words[entry(mapping, number)].unsure for number in range(3)] == [0, everything, everything]
    assert not any(words[ETH_SLOT + at].unsure for at in range(12))
    assert not any(words[entry(ETH_SLOT + 11, number)].unsure for number in range(3))


def test_feeds_have_names() -> None:
    found = hub()
    assert (found.owner(ETH_ID), found.owner(SOL_ID)) == ("feed ETH / USD", f"feed 0x{SOL_ID.hex()}")
    assert found.feed_ids == [ETH_ID, BTC_ID] and len(found.history) == 9


def test_words_of_everything_that_is_there_and_of_the_next_of_its_kind() -> None:
    owners = {word.owner for word in words_of(hub()).values()}
    numbered = {f"{kind} {number}" for kind in ("committee", "architecture", "model") for number in (1, 2, 3)}
    assert owners == {"the hub", "the roles", f"feed {ETH}", f"feed {BTC}"} | numbered


def test_ids_of_peers_are_kept_to_the_last_bit() -> None:
    peers = (b"\xff" * 32, b"\xfd" * 31 + b"\1")
    added = AdminEvent("FeedAdded", {"feedId": SOL_ID, "config": terms("SOL / USD", peers=peers), "modelNumber": 1})
    words, slot = words_of(hub(added)), entry(FEEDS, int.from_bytes(SOL_ID))
    halves = [fields(words[slot + at])["first half of the id"].to_bytes(16) for at in (4, 5)]
    halves += [value.to_bytes(16) for value in fields(words[slot + 6]).values()]
    assert halves == [peers[0][:16], peers[1][:16], peers[0][16:], peers[1][16:]]


def test_a_shadow_report_with_its_arguments_by_name() -> None:
    values = {
        "feedId": ETH_ID, "roundId": 4, "answer": -55, "observedAt": 999, "modelNumber": 2, "scores": (-1, 0)
    }  # fmt: skip
    assert shadow_scored(SCORED) == AdminEvent("ShadowScored", values, 5, 0, "0x12", 0)
