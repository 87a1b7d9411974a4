"""Tests of a hub's whole storage on a real chain: a history explains every word, and whatever it does not is found."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import rlp

from oracle.audit.report import ProblemKind
from oracle.audit.storage import Replayed, StorageComparison, StoredHub, comparison, layouts, storage_problems
from oracle.audit.storage.layouts import WordLayout
from oracle.audit.storage.roles import CURRENT, GUARDIAN_ROLE, PENDING, ROLES
from oracle.audit.storage.stored import CIRCUITS, COMMITTEES, FEED_IDS, FEEDS, ONLY_MODELS, POSITIONS, ROUNDS, STORE
from oracle.audit.storage.words import entry
from oracle.chain import compiled, trie
from oracle.chain import rpc as rpc_module
from oracle.chain.hub import hub_interface
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.contracts import deployed_profile, with_imports
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.rpc import Rpc
from oracle.chain.transport.interface import MethodMissing
from oracle.chain.trie import header_hash, proven_account, storage_root
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import checksum_address, keccak
from oracle.core.types import Status
from tests.hub_histories import START, RandomHub
from tests.transactions import mined

STRANGER = 0x5757_0000_0000_0000_0000_0000_0000_0000_0000_0001

NAMED = ("lens", "aggregatorFactory")
EMPTY = storage_root({})

PROBE = """
import {Store} from "contracts/src/libraries/Store.sol";

contract Probe { Store internal store; }
"""


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Iterator[Anvil]:
    with anvil(start_time=START) as started:
        yield started


@pytest.fixture(scope="module")
def done(chain: Anvil) -> Iterator[RandomHub]:
    """Return a hub after a long random history, with a feed that is held and one whose hold is over."""
    world = RandomHub(chain, 1)
    world.begin()
    world.go_on(300)
    yield world
    world.close()


@pytest.fixture
def world(done: RandomHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[RandomHub]:
    """Return the hub with its history; a test's changes to either are undone."""
    monkeypatch.setattr(comparison, "_SAMPLE", 8)
    snapshot = done.chain.snapshot()
    yield done.copy()
    done.chain.revert(snapshot)


def compared(world: RandomHub, replayed: Replayed | None = None, stored: StoredHub | None = None) -> StorageComparison:
    async def compare() -> StorageComparison:
        async with Rpc(world.chain.rpc_url, world.chain.chain_id) as rpc:
            known = replayed or world.replayed
            return await storage_problems([rpc], world.hub, await rpc.block(), stored or world.stored, known)

    return asyncio.run(compare())


def texts(found: StorageComparison) -> list[str]:
    return [each.text for each in found.problems]


def put(world: RandomHub, slot: int, change: Callable[[int], int]) -> None:
    """Change a word, as creation code of somebody's own could have left it."""
    word = int(world.chain.rpc("eth_getStorageAt", world.hub, hex(slot), "latest"), 16)
    world.chain.rpc("anvil_setStorageAt", world.hub, f"{slot:#066x}", f"{change(word):#066x}")


# --- what is right ---


def test_a_history_explains_every_word(anvil: Callable[..., Anvil], done: RandomHub) -> None:
    """Whatever admins, guardians and reporters do, in any order: no word is missing, and none is left over."""
    events = Counter(done.events)
    with anvil(start_time=START) as chain:
        for seed in (2, 3):
            with contextlib.closing(RandomHub(chain, seed)) as world:
                world.begin()
                for steps in (60, 160):
                    world.go_on(steps)
                    found = compared(world)
                    assert texts(found) == [], world.events
                    assert found.notes == ()
                    assert found.storage is not None
                    assert (found.storage.root, found.storage.differing) == ("whole", 0)
                world.renounce()
                assert texts(compared(world)) == []
                events.update(world.events)
    emitted = {each["name"] for each in hub_interface().abi if each["type"] == "event"}
    # The hub never changes who may grant a role, and its domain never changes.
    assert emitted - set(events) == {"RoleAdminChanged", "EIP712DomainChanged"}


def test_a_delay_that_is_settled_without_an_event(world: RandomHub) -> None:
    """`rollbackDefaultAdminDelay` after the delay took effect moves it to another word, and emits nothing."""
    world.call("cancelDefaultAdminTransfer")
    world.call("rollbackDefaultAdminDelay")
    assert world.call("changeDefaultAdminDelay", 6_000)
    world.now += 30 * 86_400
    world.chain.rpc("evm_setNextBlockTimestamp", world.now)
    world.chain.rpc("evm_mine")
    assert texts(compared(world)) == []
    before = dict(world.events)
    assert world.call("rollbackDefaultAdminDelay")
    assert world.events == before
    assert texts(compared(world)) == []
    # Half of it is no such state: the handover's delay would be the old one again.
    put(world, PENDING, lambda word: word & ~layouts.PENDING_ADMIN.mask("defaultAdminDelay"))
    (problem,) = texts(compared(world))
    assert "the roles: " in problem
    assert "defaultAdminDelay is 0, its history says" in problem


def a_written_contract(chain: Anvil, words: dict[int, int]) -> str:
    """Create a contract without code that has these words."""
    # PUSH32 word PUSH32 slot SSTORE, and STOP
    writes = [b"\x7f" + word.to_bytes(32) + b"\x7f" + slot.to_bytes(32) + b"\x55" for slot, word in words.items()]
    code = b"".join(writes) + b"\0"
    sent = {"from": chain.accounts[0].address, "data": "0x" + code.hex(), "gas": hex(20_000_000)}
    return str(mined(chain.rpc, sent)["contractAddress"])


def test_the_root_is_the_chain_s(chain: Anvil) -> None:
    """A contract that only ever set words: its root, as Anvil computes it, is ours. Roots of 1, 2 and 300 words."""
    for count in (0, 1, 2, 17, 300):
        words = {entry(index, count): (index * 7919 + 1) << 8 * (index % 29) for index in range(count)}
        created = a_written_contract(chain, words)
        assert chain.rpc("eth_getProof", created, [], "latest")["storageHash"] == "0x" + storage_root(words).hex()


def test_a_block_s_hash_tells_an_account(chain: Anvil) -> None:
    """A real block of a real node: its hash, the state's root in it, and the account in the state."""
    words = {1: 5, 2**200: 7}
    created = a_written_contract(chain, words)
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert header_hash(block) == bytes.fromhex(block["hash"][2:])
    proof = [bytes.fromhex(node[2:]) for node in chain.rpc("eth_getProof", created, [], "latest")["accountProof"]]
    root = bytes.fromhex(block["stateRoot"][2:])
    assert len(proof) > 1
    found = proven_account(root, created, proof)
    assert (found.storage_root, found.code_hash) == (storage_root(words), keccak(b""))
    assert proven_account(root, created, proof[::-1]) == found
    other = chain.accounts[0].address
    for wrong in (
        (bytes(32), created, proof),
        (root, other, proof),
        (root, created, proof[:-1]),
        (root, created, proof[1:]),
        (root, created, [*proof[:-1], proof[-1][:-1] + b"\0"]),
        (root, created, []),
        (keccak(b"\x80"), created, [b"\x80"]),
        (keccak(b"\xff"), created, [b"\xff"]),
    ):
        with pytest.raises(ValueError, match="does not hold"):
            proven_account(*wrong)
    for field in trie._HEADER:
        assert header_hash(block | {field: _other(block[field])}) != bytes.fromhex(block["hash"][2:]), field
    assert header_hash(block | {"miner": None}) != bytes.fromhex(block["hash"][2:])
    assert header_hash(block | {"number": "many"}) is None


def _other(value: str) -> str:
    return "0x" + format(int(value, 16) ^ 1, "x").zfill(len(value) - 2) if len(value) > 2 else "0x01"


# --- the compiler's layout ---


def members(output: dict[str, Any], name: str) -> dict[str, tuple[int, int]]:
    """Return slot and offset in bytes of each member of a struct."""
    types = output["contracts"]["probe"]["Probe"]["storageLayout"]["types"]
    (found,) = (each["members"] for each in types.values() if each["label"] == f"struct {name}")
    return {each["label"]: (int(each["slot"]), each["offset"]) for each in found}


def test_the_layout_is_the_compiler_s() -> None:
    root = toolchain.project_root()
    profile = deployed_profile(root)
    remappings = [tuple(each.split("=", 1)) for each in profile["remappings"]]
    hub = "contracts/src/ZkOracle.sol"
    sources = with_imports(root, [hub, "contracts/src/libraries/Store.sol"], remappings) | {"probe": PROBE}
    request = standard_input(sources, optimizer_runs=None, remappings=profile["remappings"])
    request["settings"]["outputSelection"] = {
        "probe": {"Probe": ["storageLayout"]},
        hub: {"ZkOracle": ["storageLayout"]},
    }
    output = compile_standard(request, profile["solc"])
    found = {
        each["label"]: (int(each["slot"]), each["offset"])
        for each in output["contracts"][hub]["ZkOracle"]["storageLayout"]["storage"]
    }
    assert found == {
        "_roles": (ROLES, 0),
        "_pendingDefaultAdmin": (PENDING, 0),
        "_pendingDefaultAdminSchedule": (PENDING, 20),
        "_currentDelay": (PENDING, 26),
        "_currentDefaultAdmin": (CURRENT, 0),
        "_pendingDelay": (CURRENT, 20),
        "_pendingDelaySchedule": (CURRENT, 26),
        "_nameFallback": (3, 0),
        "_versionFallback": (4, 0),
    }
    store = members(output, "Store")
    assert {name: place[0] for name, place in store.items()} == {
        **dict.fromkeys(("architectureCount", "committeeCount", "modelCount"), 0),
        "feeds": FEEDS - STORE,
        "feedIds": FEED_IDS - STORE,
        "committees": COMMITTEES - STORE,
        "models": 4,
        "circuits": CIRCUITS - STORE,
        "shapes": 6,
        "codeHashes": 7,
        "features": 8,
        "onlyModels": ONLY_MODELS - STORE,
    }
    feed = {name: place[0] for name, place in members(output, "Feed").items()}
    assert list(feed) == [
        *("config", "track", "heldAnswers", "heldRest", "peers", "peerRests", "proposals", "shadow", "description"),
        "rounds",
    ]
    assert list(feed.values()) == [0, 1, 2, 3, 4, 6, 7, 8, 10, ROUNDS]
    committee = members(output, "Committee")
    assert [committee[each][0] for each in ("reporters", "proposed", "positions")] == [1, 2, POSITIONS]
    assert [place[0] for place in members(output, "StoredModel").values()] == [0, 1, 2, 3]

    def agrees(layout: WordLayout, struct: dict[str, tuple[int, int]], slot: int = 0) -> bool:
        wanted = {name: place[1] for name, place in struct.items() if place[0] == slot}
        return {field.name: low // 8 for field, low in layout if field.name} == wanted

    assert agrees(layouts.COUNTERS, store)
    assert agrees(layouts.PROPOSALS, members(output, "IZkOracle.Proposals"))
    assert agrees(layouts.SHADOW_COUNTS, members(output, "Shadow"))
    assert agrees(layouts.SHADOW_REPORT, members(output, "Shadow"), 1)
    assert agrees(layouts.COMMITTEE, committee)


# --- what is not ---


def a_feed(world: RandomHub, *, held: bool) -> bytes:
    """Return a feed with rounds that is held now, or one with rounds that was held before."""
    return next(
        feed_id
        for feed_id, state in world.states.items()
        if state.round_id > 1 and (state.status is Status.HELD if held else feed_id in world.holds)
    )


def slot_of(feed_id: bytes) -> int:
    return entry(FEEDS, int.from_bytes(feed_id))


def test_another_verifier_where_a_submission_looks_for_it(world: RandomHub) -> None:
    """The views show the honest one: only the model's own copy of the circuit is another."""
    circuit = layouts.CIRCUIT.mask("verifier")
    put(world, entry(CIRCUITS, 1 << 8), lambda word: word & ~circuit | STRANGER)
    problems = texts(compared(world))
    honest = world.architectures[world.models[0]["architectureId"] - 1]["verifiers"][0]
    stranger = layouts.ADDRESS.fields[0].form(STRANGER)
    assert problems == [
        "model 1: the hub's storage is not what its history leads to: circuits[0]: verifier is "
        f"{stranger}, its history says {honest}"
    ]


def test_a_role_of_somebody_the_history_names(world: RandomHub) -> None:
    nobody = next(
        int(each.address, 16)
        for each in world.chain.accounts[:9]
        if not world.stored.roles._members[GUARDIAN_ROLE].get(int(each.address, 16))
    )
    put(world, entry(entry(ROLES, GUARDIAN_ROLE), nobody), lambda word: 1)
    (problem,) = texts(compared(world, replace(world.replayed, people=[f"{nobody:#042x}"])))
    assert "the guardian's role of 0x" in problem
    assert "1, its history says 0" in problem


@pytest.mark.parametrize(
    "slot",
    [
        entry(entry(ROLES, GUARDIAN_ROLE), STRANGER),
        entry(entry(ROLES, 0), STRANGER),
        entry(entry(COMMITTEES, 1) + POSITIONS, STRANGER),
        entry(CIRCUITS, 77 << 8),
        0x1234_5678,
    ],
    ids=["guardian", "admin", "position", "circuit", "anywhere"],
)
def test_a_word_that_nothing_names_changes_the_root(world: RandomHub, slot: int) -> None:
    put(world, slot, lambda word: 1)
    found = compared(world)
    assert texts(found) == [
        "the hub's storage has words that its history does not explain: its storage root is another one"
    ]
    assert found.storage is not None
    assert (found.storage.root, found.storage.differing) == ("differs", 0)


def test_a_position_of_a_reporter_who_is_none(world: RandomHub) -> None:
    """A removed reporter, or one of another committee, could sign again."""
    committee, (reporters, _, _) = next(iter(world.committees.items()))
    other = next(each.address for each in world.chain.accounts[:9] if each.address not in reporters)
    put(world, entry(entry(COMMITTEES, committee) + POSITIONS, int(other, 16)), lambda word: 1)
    (problem,) = texts(compared(world, replace(world.replayed, people=[other])))
    assert problem.startswith(f"committee {committee}: the hub's storage is not what its history leads to: ")
    assert f"the reporters' positions: that of {other}: 1, its history says 0" in problem


@pytest.mark.parametrize(
    ("place", "layout", "field", "said"),
    [
        (0, layouts.CONFIG, "heartbeat", "terms and settings: heartbeat is "),
        (0, layouts.CONFIG, "paused", "terms and settings: paused is "),
        (1, layouts.TRACK, "variance", "track: variance is "),
        (1, layouts.TRACK, "move 11", "track: move 11 is "),
        (2, layouts.HELD_ANSWERS, "firstAnswer", "the held answers: firstAnswer is "),
        (3, layouts.HELD_REST, "firstGap", "the held words: firstGap is "),
        (7, layouts.PROPOSALS, "unpauseFrom", "proposals: unpauseFrom is "),
        (8, layouts.SHADOW_COUNTS, "compared", "the shadow tally: compared is "),
        (9, layouts.SHADOW_REPORT, "pending", "the shadow's report: pending is "),
    ],
    ids=lambda each: each if isinstance(each, str) and " " not in each else "",
)
def test_a_word_of_a_feed(world: RandomHub, place: int, layout: WordLayout, field: str, said: str) -> None:
    feed_id = a_feed(world, held=False)
    low = next(low for each, low in layout if each.name == field)
    put(world, slot_of(feed_id) + place, lambda word: word ^ 1 << low)
    (problem,) = texts(compared(world))
    assert problem.startswith(f"feed {world.terms[feed_id].description}: the hub's storage is not what its history")
    assert said in problem


def test_a_round_that_was_rewritten(world: RandomHub) -> None:
    feed_id = a_feed(world, held=False)
    put(world, entry(slot_of(feed_id) + ROUNDS, 1), lambda word: word + 5)
    answer = world.rounds[feed_id, 1].answer
    (problem,) = texts(compared(world))
    assert f"round 1: answer is {answer + 5}, its history says {answer}" in problem


def test_a_round_that_is_still_to_come(world: RandomHub) -> None:
    feed_id = a_feed(world, held=False)
    after = world.states[feed_id].round_id + 1
    put(world, entry(slot_of(feed_id) + ROUNDS, after), lambda word: 5 << 128)
    (problem,) = texts(compared(world))
    assert f"round {after}: observedAt is 5, its history says 0" in problem


def test_very_many_differences_are_counted(world: RandomHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_NAMED", 2)
    feed_id = max(world.states, key=lambda each: world.states[each].round_id)
    count = world.states[feed_id].round_id
    assert count > 3
    for number in range(1, count + 1):
        put(world, entry(slot_of(feed_id) + ROUNDS, number), lambda word: word + 5)
    found = compared(world)
    (problem,) = texts(found)
    assert problem.endswith(f"; and {count - 2} more words")
    assert found.storage is not None
    assert found.storage.differing == count


# --- what a node keeps to itself ---


def test_held_reports_of_a_hold_that_is_over(world: RandomHub) -> None:
    """Their logs were withheld. The feed has had rounds since, so that nothing else shows them."""
    feed_id = a_feed(world, held=False)
    state = world.states[feed_id]
    behind = replace(state, held_reports=(state.held_reports - 3) % 256)
    replayed = replace(world.replayed, states={**world.states, feed_id: behind})
    (problem,) = texts(compared(world, replayed))
    assert "there were 3 held reports more than the logs show" in problem


@pytest.mark.parametrize(
    "call",
    [
        ("pause", lambda world: (next(each for each, feed in world.stored.feeds.items() if not feed.paused),)),
        ("proposeUnpause", lambda world: (a_feed(world, held=False),)),
        ("proposeModel", lambda world: (a_feed(world, held=False), world.models and 1, 0, 0)),
        ("addCommittee", lambda world: ([world.chain.accounts[0].address], 1)),
        ("grantRole", lambda world: (GUARDIAN_ROLE.to_bytes(32), world.chain.accounts[9].address)),
        ("beginDefaultAdminTransfer", lambda world: (world.chain.accounts[9].address,)),
        ("changeDefaultAdminDelay", lambda world: (77_777,)),
    ],
    ids=lambda each: each[0],
)
def test_an_event_that_is_withheld(world: RandomHub, call: tuple[str, Callable[[RandomHub], tuple[Any, ...]]]) -> None:
    function, arguments = call
    if function == "proposeUnpause":
        world.call("pause", a_feed(world, held=False))
    if function == "proposeModel":
        # The active model can't be proposed.
        feed_id = a_feed(world, held=False)
        number = 1 + world.stored.feeds[feed_id].model_number % len(world.models)
        given: tuple[Any, ...] = (feed_id, number, 0, 0)
    else:
        given = arguments(world)
    kept = world.stored
    world.stored = StoredHub()  # takes the event, and is thrown away
    try:
        assert world.call(function, *given)
    finally:
        world.stored = kept
    assert texts(compared(world)) != []


def test_a_history_that_begins_too_late(world: RandomHub) -> None:
    found = compared(world, Replayed({}, {}, {}), StoredHub())
    problems = texts(found)
    assert any(
        f"architectureCount is {len(world.architectures)}, its history says 0; committeeCount is" in each
        for each in problems
    )
    for feed_id in world.states:
        assert any(f"feed 0x{feed_id.hex()}: the hub has it, but its history does not" in each for each in problems)
    assert {each.kind for each in found.problems} == {ProblemKind.STORAGE, ProblemKind.HISTORY}


def test_feeds_that_could_not_be_replayed_are_no_reason_to_suspect_the_rest(world: RandomHub) -> None:
    feed_id = a_feed(world, held=True)
    lost = {key: each for key, each in world.rounds.items() if key[0] != feed_id}
    states = {**world.states, feed_id: replace(world.states[feed_id], round_id=0, status=Status.EMPTY)}
    replayed = Replayed(states, lost, world.holds, unsure={feed_id})
    found = compared(world, replayed)
    assert texts(found) == []
    assert found.storage is not None
    assert found.storage.root == "whole"
    put(world, slot_of(feed_id), lambda word: word ^ 1 << 50)
    assert len(texts(compared(world, replayed))) == 1


# --- nodes ---


class OtherAnswers(Rpc):
    """A node that answers some questions in its own way."""

    def __init__(self, url: str, chain_id: int, **answers: Any) -> None:
        super().__init__(url, chain_id)
        self._answers = answers

    async def request(self, method: str, *params: Any, **options: Any) -> Any:
        if method in self._answers:
            return self._answers[method](params)
        return await super().request(method, *params, **options)


def compared_at(world: RandomHub, **answers: Any) -> StorageComparison:
    async def compare() -> StorageComparison:
        async with OtherAnswers(world.chain.rpc_url, world.chain.chain_id, **answers) as rpc:
            pinned = await rpc.block()
            return await storage_problems([rpc], world.hub, pinned, world.stored, world.replayed, world.code())

    return asyncio.run(compare())


def test_a_node_that_contradicts_itself(world: RandomHub) -> None:
    """It shows the honest word to a call, and another one to whoever reads it directly."""
    found = compared_at(world, eth_getStorageAt=lambda params: "0x" + "07".rjust(64, "0"))
    (problem,) = found.problems
    assert problem.kind is ProblemKind.CHAIN
    assert "contradicts itself: extsload and eth_getStorageAt give other words" in problem.text


def test_a_block_that_is_not_the_latest_on_anvil(world: RandomHub) -> None:
    """It tells the storage of its latest block alone, so the audit must not take the difference for a fault."""
    block = int(world.chain.rpc("eth_blockNumber"), 16)
    world.chain.rpc("anvil_mine", "0x1")

    async def compare() -> StorageComparison:
        async with Rpc(world.chain.rpc_url, world.chain.chain_id) as rpc:
            return await storage_problems([rpc], world.hub, await rpc.block(block), world.stored, world.replayed)

    found = asyncio.run(compare())
    assert found.problems == ()
    assert found.storage is not None
    assert found.storage.root == "not compared"
    (note,) = found.notes
    assert "tells the storage of its latest block only: words beyond the" in note


def test_a_node_without_proofs(world: RandomHub) -> None:
    def unknown(_: Any) -> None:
        raise MethodMissing("http://node has no such method", "the method eth_getProof does not exist")

    found = compared_at(world, eth_getProof=unknown)
    assert found.problems == ()
    assert found.storage is not None
    assert found.storage.root == "not compared"
    (note,) = found.notes
    assert "gives no eth_getProof of block " in note


def proofs_of(
    world: RandomHub, of_hub: dict[str, Any], of_others: bytes = EMPTY
) -> Callable[[tuple[Any, ...]], dict[str, Any]]:
    """Answer eth_getProof of the hub, and of accounts without storage."""

    def proof(params: tuple[Any, ...]) -> dict[str, Any]:
        is_hub = params[0] == world.hub
        return of_hub if is_hub else of_hub | {"address": params[0], "storageHash": "0x" + of_others.hex()}

    return proof


def test_a_chain_with_another_trie(world: RandomHub) -> None:
    """Its roots say nothing, also of accounts whose storage everybody knows."""
    account = {"address": world.hub, "balance": "0x0", "nonce": "0x1", "codeHash": "0x" + "00" * 32, "storageProof": []}
    proof = account | {"storageHash": "0x" + "05" * 32, "accountProof": []}
    answer = proofs_of(world, proof, bytes(32))
    found = compared_at(world, eth_getProof=answer, web3_clientVersion=lambda params: "Geth/v1")
    assert found.problems == ()
    (note,) = found.notes
    assert "storage roots of another kind than Ethereum's: words beyond the" in note


def test_a_node_that_fails_in_the_end(world: RandomHub) -> None:
    def busy(_: Any) -> None:
        raise ChainUnavailable("http://node limits the rate of requests")

    found = compared_at(world, eth_getProof=busy)
    assert found.problems == ()
    (note,) = found.notes
    assert "the storage root could not be had: http://node limits the rate" in note


def state_of(accounts: Mapping[str, tuple[bytes, bytes]]) -> tuple[bytes, list[str]]:
    """Return the root of a state whose accounts have these storage roots and code hashes, and all nodes of its trie."""
    leaves = sorted(
        (keccak(bytes.fromhex(address[2:])).hex(), rlp.encode([b"\1", b"", *account]))
        for address, account in accounts.items()
    )
    nodes: list[bytes] = []

    def hashed(node: bytes) -> bytes:
        nodes.append(node)
        return keccak(node)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trie, "keccak", hashed)
        root = hashed(rlp.encode(trie._node(leaves, 0)))
    return root, ["0x" + node.hex() for node in nodes]


def named_by(world: RandomHub) -> dict[str, bytes]:
    """Return the code of the contracts that the hub's code names, by address."""
    hub = compiled.packaged()["ZkOracle"]
    libraries = hub.libraries_in(world.code())
    values = hub.link(libraries).immutables_in(world.code())
    places = [*libraries.values(), *(checksum_address("0x" + values[key][12:].hex()) for key in NAMED)]
    return {each: bytes.fromhex(world.chain.rpc("eth_getCode", each, "latest")[2:]) for each in places}


def right_chain(
    world: RandomHub, root: bytes, code_hash: bytes, other_code: bytes = b"", **changes: Any
) -> dict[str, Any]:
    """Return the answers of a node whose chain has the hub, with this storage root and code, and what its code names.

    Args:
        other_code: The code of one of the named contracts; empty: its own.
        changes: Fields of the block that are not those of its hash.
    """
    codes = named_by(world)
    if other_code:
        codes[next(iter(codes))] = other_code
    named = {address: (EMPTY, keccak(code)) for address, code in codes.items()}
    state, nodes = state_of({world.hub: (root, code_hash), **named})
    block = world.chain.rpc("eth_getBlockByNumber", "latest", False) | {"stateRoot": "0x" + state.hex()}
    found = header_hash(block)
    assert found is not None
    block |= {"hash": "0x" + found.hex()} | changes
    proof = {
        "address": world.hub,
        "balance": "0x0",
        "nonce": "0x1",
        "codeHash": "0x" + code_hash.hex(),
        "storageHash": "0x" + root.hex(),
        "storageProof": [],
        "accountProof": nodes,
    }
    return {
        "eth_getBlockByNumber": lambda params: block,
        "eth_getProof": proofs_of(world, proof),
        "web3_clientVersion": lambda params: "Geth/v1",
    }


def test_a_chain_whose_root_is_right(world: RandomHub) -> None:
    """Anvil counts words of zero; all other nodes leave them out."""
    there = world.storage()
    code_hash = keccak(world.code())
    found = compared_at(world, **right_chain(world, storage_root(there), code_hash))
    assert found.problems == ()
    assert found.storage is not None
    assert (found.storage.root, found.storage.is_bound) == ("whole", True)
    # Hardhat is local, too, and has no dump. A node may not tell what it is.
    for version in ("HardhatNetwork/2.22", None):

        def named(params: Any, version: str | None = version) -> str:
            if version is None:
                raise MethodMissing("http://node has no such method", "method not found")
            return version

        answers = right_chain(world, storage_root(there | {0x1234: 5}), code_hash) | {"web3_clientVersion": named}
        found = compared_at(world, **answers)
        assert found.storage is not None
        assert (found.storage.root, found.storage.is_bound) == ("differs", False)
        assert len(found.problems) == 1


def test_a_node_whose_block_does_not_have_what_it_tells(world: RandomHub) -> None:
    """Words, code and root fit each other, and are not those of the block whose hash it names."""
    root, code_hash = storage_root(world.storage()), keccak(world.code())
    other = keccak(b"another")
    for in_block, said in (
        ((other, code_hash), "the hub has other storage"),
        ((root, other), "the hub has other code"),
        ((other, other), "the hub has other storage and code"),
    ):
        answers = right_chain(world, *in_block)
        proof = answers["eth_getProof"]
        told = {"storageHash": "0x" + root.hex(), "codeHash": "0x" + code_hash.hex()}
        answers["eth_getProof"] = lambda params, proof=proof, told=told: proof(params) | told
        found = compared_at(world, **answers)
        (problem,) = found.problems
        assert problem.kind is ProblemKind.CHAIN
        assert "contradicts itself: the hash of block " in problem.text
        assert problem.text.endswith(said)
        assert found.storage is not None
        assert not found.storage.is_bound
    answers = right_chain(world, root, code_hash)
    without = answers["eth_getProof"]
    answers["eth_getProof"] = lambda params: without(params) | {"accountProof": []}
    (problem,) = compared_at(world, **answers).problems
    assert "does not hold: a node is missing" in problem.text


def test_a_node_that_names_one_block_and_shows_another(world: RandomHub) -> None:
    """The hash that the audit names is the true one. What is shown follows from another, which the node invents."""
    answers = right_chain(world, storage_root(world.storage()), keccak(world.code()))
    true = world.chain.rpc("eth_getBlockByNumber", "latest", False)
    invented, asked = answers["eth_getBlockByNumber"], []

    def either(params: Any) -> dict[str, Any]:
        asked.append(params)
        found: dict[str, Any] = true if len(asked) == 1 else invented(params)
        return found

    found = compared_at(world, **answers | {"eth_getBlockByNumber": either})
    (problem,) = found.problems
    assert problem.kind is ProblemKind.CHAIN
    assert f"was {true['hash']} before, and is " in problem.text
    assert found.storage is not None
    assert not found.storage.is_bound


def test_a_library_that_is_another_one_in_the_block_s_state(world: RandomHub) -> None:
    """The node tells this release's code of it. By the block's hash, the hub calls other code."""
    answers = right_chain(world, storage_root(world.storage()), keccak(world.code()), b"evil")
    found = compared_at(world, **answers)
    (problem,) = found.problems
    assert problem.text.endswith("(which its code names)")
    assert found.storage is not None
    assert not found.storage.is_bound


def test_no_field_of_a_header_takes_the_place_of_another(world: RandomHub) -> None:
    """Whoever leaves a field out could name a hash of the block's as the root of its state."""
    block = world.chain.rpc("eth_getBlockByNumber", "latest", False)
    names = [name for name in trie._HEADER if block.get(name) is not None]
    values = [block[name] for name in names]
    shifted = dict.fromkeys(trie._HEADER) | dict(zip(trie._HEADER[1:], values, strict=False))
    assert header_hash(shifted) is None
    assert header_hash({name: block[name] for name in names[:4]}) is None
    assert header_hash(block | {"parentHash": block["parentHash"] + "00"}) is None


def test_an_endpoint_that_gives_other_words_than_the_first(world: RandomHub) -> None:
    """Both are asked for each word: what one of them swaps is seen."""

    def swapped(params: tuple[Any, ...]) -> str:
        told = str(world.chain.rpc("eth_call", *params))
        return told[:-1] + format(int(told[-1], 16) ^ 1, "x")

    async def compare() -> StorageComparison:
        url, chain_id = world.chain.rpc_url, world.chain.chain_id
        async with Rpc(url, chain_id) as rpc, OtherAnswers(url, chain_id, eth_call=swapped) as other:
            return await storage_problems([rpc, other], world.hub, await rpc.block(), world.stored, world.replayed)

    (problem,) = asyncio.run(compare()).problems
    assert problem.kind is ProblemKind.CHAIN
    assert problem.text.startswith("the endpoints contradict each other: ")


def test_a_chain_with_other_headers(world: RandomHub) -> None:
    """Its hashes can't be made again, so that nothing follows from them. That is no fault."""
    answers = right_chain(world, storage_root(world.storage()), keccak(world.code()), extraData="0x99")
    found = compared_at(world, **answers)
    assert found.problems == ()
    assert found.storage is not None
    assert (found.storage.root, found.storage.is_bound) == ("whole", False)


def test_anvil_with_a_fork_of_a_chain(world: RandomHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has only those words of the other chain that somebody has read."""
    monkeypatch.setattr(rpc_module, "LOCAL_CHAIN_IDS", frozenset())
    found = compared(world)
    assert found.problems == ()
    (note,) = found.notes
    assert "is Anvil with a fork of a chain" in note
