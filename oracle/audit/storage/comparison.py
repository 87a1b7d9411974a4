"""Compare a hub's whole storage, at one block, with what its history leads to."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from oracle.audit.report import AuditProblem, ComparedStorage, ProblemKind
from oracle.audit.storage.binding import follows_from_hash
from oracle.audit.storage.layouts import HELD_REST
from oracle.audit.storage.roles import CURRENT
from oracle.audit.storage.rules import impossible_events
from oracle.audit.storage.stored import FEED_IDS, FEEDS, ROUNDS, Replayed, StoredHub
from oracle.audit.storage.words import Word, elements, entry
from oracle.chain import contract
from oracle.chain.hub import hub_interface
from oracle.chain.local.state import whole_storage
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Block
from oracle.chain.transport.interface import NodeError
from oracle.chain.trie import storage_root
from oracle.core.concurrency import together
from oracle.core.errors import ChainUnavailable, ContractRejected, DeploymentError
from oracle.core.formats import NOBODY, to_hex
from oracle.core.types import HELD_REPORTS

SLOTS_AT_ONCE = 1_000
"""Slots in one call of `extsload`. Each costs 2,100 gas, and nodes allow a call only so much."""

_CALLS_AT_ONCE = 8
_SAMPLE = 256
"""Words that are read a second time, by `eth_getStorageAt`."""

_NAMED = 6
"""Differences of one thing that are told; the others are counted."""

_MOST_NEW = 256
"""Feeds that the history lacks, and that are named at most."""

_MOST_UNSURE = 200_000
"""Rounds of one feed that are read at most, where its reports could not be replayed."""

_MOST_IMPOSSIBLE = 12
"""Events that the hub's code never emits, and that are named at most."""


@dataclass(frozen=True)
class StorageComparison:
    """The result of a comparison.

    Attributes:
        problems: Each thing whose words differ, with how.
        notes: All that the comparison could not exclude.
        storage: The comparison in figures; None if the node could not tell the words.
    """

    problems: tuple[AuditProblem, ...]
    notes: tuple[str, ...] = ()
    storage: ComparedStorage | None = None


async def storage_problems(
    rpcs: Sequence[Rpc], hub: str, block: Block, stored: StoredHub, replayed: Replayed, code: bytes = b""
) -> StorageComparison:
    """Compare every word of a hub's storage with what its history leads to.

    Args:
        rpcs: Endpoints; all have to give the words that the first one gives.
        hub: Checksummed address.
        block: The last block of the history.
        stored: The history's other events, replayed.
        replayed: The history's reports, replayed.
        code: The hub's code at this block, as it was checked; empty: it was not.

    Raises:
        ChainUnavailable: No endpoint answers at all.
    """
    rpc, block_number = rpcs[0], block.number
    try:
        # 1. The words that must be there.
        change_delay = int(await contract.read(rpc, hub_interface(), hub, "changeDelay", block=block_number))
        words = stored.words(replayed, change_delay)
        # 2. The words that are there.
        found = await read_words(rpc, hub, list(words), block_number)
        if stored.roles.may_be_settled(block.timestamp):
            settled = stored.words(replayed, change_delay, settled=True)
            if found[CURRENT] == settled[CURRENT].value:
                words = settled
        found |= await _unsure_rounds(rpc, hub, stored, replayed, found, block_number)
    except ValueError as error:
        return StorageComparison((AuditProblem(ProblemKind.HISTORY, f"the history leads to no storage: {error}"),))
    except (ContractRejected, DeploymentError) as error:
        return StorageComparison((AuditProblem(ProblemKind.STORAGE, f"the hub does not show its storage: {error}"),))
    except NodeError as error:
        text = f"the hub's storage at block {block_number} can't be read: {error}"
        return StorageComparison((AuditProblem(ProblemKind.NODE, text),))
    impossible = list(islice(impossible_events(stored.history, change_delay), _MOST_IMPOSSIBLE))
    problems = [AuditProblem(ProblemKind.HISTORY, text) for text in impossible]
    problems += [*_differences(words, found), *await _unknown_feeds(rpc, hub, stored, found, block_number)]
    differing = sum(1 for slot, word in words.items() if word.difference(found[slot]))
    # 3. Another question gives the same words, and another endpoint does.
    problems += await _contradictions(rpc, hub, words, found, block_number)
    for other in rpcs[1:]:
        problems += await _other_words(rpc, other, hub, words, found, block_number)
    # 4. No other word is set anywhere.
    root, note = await _compare_root(rpc, hub, found, block_number)
    is_bound, contradiction = False, ""
    if root == "whole" and code:
        # 5. All of it follows from the block's hash.
        is_bound, contradiction = await follows_from_hash(rpc, hub, code, storage_root(found), block)
    if contradiction and not await _is_anvil(rpc):  # Anvil's words can be changed without a block
        problems.append(AuditProblem(ProblemKind.CHAIN, contradiction))
    notes = [f"{note}: words beyond the {len(words)} known ones of the hub could not be excluded"] if note else []
    if root == "differs":
        text = "the hub's storage has words that its history does not explain: its storage root is another one"
        problems.append(AuditProblem(ProblemKind.STORAGE, text))
    return StorageComparison(tuple(problems), tuple(notes), ComparedStorage(len(words), differing, root, is_bound))


async def read_words(rpc: Rpc, hub: str, slots: Sequence[int], block: int) -> dict[int, int]:
    """Return words of a hub's storage, by slot, as its `extsload` gives them.

    Raises:
        ContractRejected: The contract has no `extsload`.
        DeploymentError: It answers something else.
        ChainUnavailable: No answer.
    """
    found: dict[int, int] = {}
    parts = [slots[first : first + SLOTS_AT_ONCE] for first in range(0, len(slots), SLOTS_AT_ONCE)]
    for first in range(0, len(parts), _CALLS_AT_ONCE):
        for words in await together(
            *(_extsload(rpc, hub, part, block) for part in parts[first : first + _CALLS_AT_ONCE])
        ):
            found |= words
    return found


async def _extsload(rpc: Rpc, hub: str, slots: Sequence[int], block: int) -> dict[int, int]:
    keys = [slot.to_bytes(32) for slot in slots]
    words: Sequence[bytes] = await contract.read(rpc, hub_interface(), hub, "extsload", keys, block=block)
    if len(words) != len(slots):
        raise DeploymentError(f"{hub} gives {len(words)} words for {len(slots)} slots")
    return {slot: int.from_bytes(word) for slot, word in zip(slots, words, strict=True)}


async def _unsure_rounds(
    rpc: Rpc, hub: str, stored: StoredHub, replayed: Replayed, found: Mapping[int, int], block: int
) -> dict[int, int]:
    """Return the rounds of feeds whose reports could not all be replayed: they are no reason to suspect the rest."""
    slots = []
    for feed_id in stored.feed_ids:
        if feed_id in replayed.unsure:
            feed = entry(FEEDS, int.from_bytes(feed_id))
            count = min(found[feed + 1] & 0xFFFFFFFF, _MOST_UNSURE)
            slots += [entry(feed + ROUNDS, number) for number in range(1, count + 1)]
    return await read_words(rpc, hub, [slot for slot in slots if slot not in found], block)


def _differences(words: Mapping[int, Word], found: Mapping[int, int]) -> Iterable[AuditProblem]:
    by_owner: dict[str, list[str]] = {}
    for slot, word in words.items():
        if difference := word.difference(found[slot]):
            difference += _withheld_holds(word, found[slot])
            by_owner.setdefault(word.owner, []).append(difference)
    for owner, differences in by_owner.items():
        more = len(differences) - _NAMED
        rest = f"; and {more} more words" if more > 0 else ""
        text = f"{owner}: the hub's storage is not what its history leads to: {'; '.join(differences[:_NAMED])}{rest}"
        yield AuditProblem(ProblemKind.STORAGE, text)


def _withheld_holds(word: Word, found: int) -> str:
    """Say how many held reports the history lacks, of a word that counts them."""
    if word.layout is not HELD_REST:
        return ""
    counted, logged = (word.layout.unpack(each)["heldReports"] for each in (found, word.value))
    more = (counted - logged) % HELD_REPORTS
    return f"; there were {more} held reports more than the logs show" if more else ""


async def _unknown_feeds(
    rpc: Rpc, hub: str, stored: StoredHub, found: Mapping[int, int], block: int
) -> list[AuditProblem]:
    """Name the feeds that the hub has and its history does not."""
    known, count = len(stored.feed_ids), found[FEED_IDS]
    slots = [elements(FEED_IDS) + index for index in range(known, min(count, known + _MOST_NEW))]
    problems = []
    for word in (await read_words(rpc, hub, slots, block)).values():
        text = f"feed {to_hex(word.to_bytes(32))}: the hub has it, but its history does not: the logs are not whole"
        problems.append(AuditProblem(ProblemKind.HISTORY, text))
    return problems


async def _compare_root(rpc: Rpc, hub: str, found: Mapping[int, int], block: int) -> tuple[str, str]:
    """Compare the storage root with that of the words which were found.

    Returns:
        The result as `ComparedStorage` has it, and why there is none.
    """
    try:
        return await _root_of_node(rpc, hub, found, block)
    except ChainUnavailable as error:
        return "not compared", f"the storage root could not be had: {error}"


async def _root_of_node(rpc: Rpc, hub: str, found: Mapping[int, int], block: int) -> tuple[str, str]:
    account = await rpc.proof(hub, block)
    if account is None:
        return "not compared", f"{rpc.name} gives no eth_getProof of block {block}"
    if account.storage_hash == storage_root(found):
        return "whole", ""
    if not await _is_anvil(rpc):
        # Chains with another trie have other roots. Nobody has the key of the zero address, nor can put code there.
        nobody = await rpc.proof(NOBODY, block)
        if nobody is None or nobody.storage_hash != storage_root({}):
            return "not compared", f"{rpc.name} gives storage roots of another kind than Ethereum's"
        return "differs", ""
    # Anvil's root counts words of zero, and what it has of another chain is not all. But it tells all words of a chain
    # of its own, at its latest block.
    if not await rpc.is_local():
        return "not compared", f"{rpc.name} is Anvil with a fork of a chain, whose storage root it does not know"
    there = await whole_storage(rpc, hub)
    if await rpc.block_number() != block:
        return "not compared", f"{rpc.name} is Anvil, which tells the storage of its latest block only"
    return "whole" if there == {slot: word for slot, word in found.items() if word} else "differs", ""


async def _is_anvil(rpc: Rpc) -> bool:
    try:
        return (await rpc.client_version()).lower().startswith("anvil")
    except NodeError:
        return False


async def _contradictions(
    rpc: Rpc, hub: str, words: Mapping[int, Word], found: Mapping[int, int], block: int
) -> list[AuditProblem]:
    """Ask for some words again, in another way. A node that answers calls by itself may not do so here."""
    slots = list(words)
    if len(slots) > _SAMPLE:
        # Nobody can tell in advance which words are looked at.
        slots = random.SystemRandom().sample(slots, _SAMPLE)
    try:
        again = await rpc.storage(hub, slots, block)
    except ChainUnavailable as error:
        return [AuditProblem(ProblemKind.NODE, f"the hub's storage could not be read a second time: {error}")]
    told = {slot: int.from_bytes(word) for slot, word in zip(slots, again, strict=True)}
    text = f"{rpc.name} contradicts itself: extsload and eth_getStorageAt give other words"
    return _contradiction(text, words, told, found)


async def _other_words(
    rpc: Rpc, other: Rpc, hub: str, words: Mapping[int, Word], found: Mapping[int, int], block: int
) -> list[AuditProblem]:
    """Ask a further endpoint for all words."""
    try:
        told = await read_words(other, hub, list(words), block)
    except (ChainUnavailable, ContractRejected, DeploymentError) as error:
        return [AuditProblem(ProblemKind.NODE, f"{other.name} does not give the hub's storage: {error}")]
    text = f"the endpoints contradict each other: {rpc.name} and {other.name} give other words of the hub's storage"
    return _contradiction(text, words, told, found)


def _contradiction(
    text: str, words: Mapping[int, Word], told: Mapping[int, int], found: Mapping[int, int]
) -> list[AuditProblem]:
    first = next((words[slot] for slot, word in told.items() if word != found[slot]), None)
    return (
        []
        if first is None
        else [AuditProblem(ProblemKind.CHAIN, f"{text}, for instance {first.name} of {first.owner}")]
    )
