"""Four members as processes, with real HTTP, real proofs and a real chain: three transmit, one only answers.

Each one's turn comes, a member that is restarted costs nothing but its own turns, and who only answers stays small.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, NetworkMember
from oracle.chain.hub import RoundEvent
from tests import circuits
from tests.network.looking_back import assert_rounds_follow_each_other_once, signers, transmitter

TURN_S = 2
ANSWERS_ONLY = 3
TRANSMIT = (0, 1, 2)
HEAVY = ("ezkl", "onnx", "numpy", "scipy", "pandas")


@dataclass(frozen=True)
class Seen:
    """Everything that came of it.

    Attributes:
        quiet: Who brought each round, and who signed it, while all was well.
        restarted: The rounds of each turn while members were restarted, one after the other.
        holders: Whose turn each of these was.
        stopped: In which turns each member was not there, or had just started.
        exits: How each member ended when it was asked to.
        children: The numbers of processes that belong to a transmitter, and to who only answers.
        memory: The bytes that a transmitter's own process has, and who only answers.
        libraries: What a transmitter and its provers have loaded of `HEAVY`, and who only answers.
        start: The seconds of CPU that who only answers took until it answered.
        events: The events in the log of who only answers.
        ready: Whether who only answers calls itself ready, and its checks.
    """

    quiet: Sequence[tuple[int, set[int]]]
    restarted: Mapping[int, int]
    holders: Mapping[int, int]
    stopped: Mapping[int, range]
    exits: Sequence[int]
    children: tuple[int, int]
    memory: tuple[int, int]
    libraries: tuple[set[str], set[str]]
    start: float
    events: Counter[str]
    ready: tuple[int, Mapping[str, bool]]


def price(feed: str, now: float) -> float:
    return 100.0 + 2.0 * math.sin(now / 5.0)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return asyncio.run(play(tmp_path_factory.mktemp("four")))


async def play(folder: Path) -> Seen:
    layout = Layout(turn_s=TURN_S, transmitters=len(TRANSMIT), feeds=(FeedLayout("one"), FeedLayout("two")))
    async with LocalNetwork(layout, folder, circuits.artifacts(), prices=price, seed=7) as network:
        await network.start_all()
        used = psutil.Process(network.members[ANSWERS_ONLY].pid).cpu_times()
        await network.until_rounds(1)
        quiet = [
            (transmitter(network, event), await signers(network, event))
            for event in await network.until_rounds(len(layout.feeds) * (len(TRANSMIT) + 1))
        ]
        processes = [psutil.Process(network.members[index].pid) for index in (TRANSMIT[0], ANSWERS_ONLY)]
        children = (len(processes[0].children(recursive=True)), len(processes[1].children(recursive=True)))
        memory = (processes[0].memory_info().rss, processes[1].memory_info().rss)
        libraries = (loaded(processes[0]), loaded(processes[1]))
        # The others are asked at intervals: those who started last may be silent to it until the next look.
        for _ in range(15):
            ready = await readiness(network.members[ANSWERS_ONLY])
            if ready[0] == 200:
                break
            await network.until_turn(network.turn() + 1)
        first, stopped, exits = network.turn() + 1, {}, []
        for index in range(layout.members):
            began = network.turn()
            exits.append(await network.stop(index))
            await network.start(index)
            # A signer signs nothing new in the turn in which it starts, nor in the next if that is near.
            away = range(began, network.turn() + 2)
            stopped[index] = away
            await network.until_turn(away.stop)
        last = network.turn()
        await network.until_turn(last + 1)
        events = await network.rounds()
        for index in range(layout.members):
            exits.append(await network.stop(index))
        assert_rounds_follow_each_other_once(network, events)
        told = Counter(str(each.get("event")) for each in network.members[ANSWERS_ONLY].events())
        restarted = _by_turn(events, range(first, last))
        return Seen(
            quiet,
            restarted,
            {turn: network.holder(turn) for turn in restarted},
            stopped,
            exits,
            children,
            memory,
            libraries,
            used.user + used.system,
            told,
            ready,
        )


def loaded(process: psutil.Process) -> set[str]:
    """Return which heavy libraries a process has in its memory, or one of its children."""
    files = [each.path for one in (process, *process.children(recursive=True)) for each in one.memory_maps()]
    return {name for name in HEAVY if any(f"/{name}" in path for path in files)}


async def readiness(member: NetworkMember) -> tuple[int, Mapping[str, bool]]:
    """Return the status of a member's `/readyz`, and the result of each check by its name."""
    port = member.events("serving")[-1]["port"]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        document = await response.json()
        return response.status, {each["name"]: each["ok"] for each in document["checks"]}


def _by_turn(events: Sequence[RoundEvent], turns: range) -> Mapping[int, int]:
    counted = Counter(event.observed_at // TURN_S for event in events)
    return {turn: counted[turn] for turn in turns}


def test_each_transmitter_s_turn_comes_and_nobody_else_s(seen: Seen) -> None:
    assert {who for who, _ in seen.quiet} == set(TRANSMIT)


def test_each_round_has_the_signatures_of_a_quorum_and_those_of_who_only_answers_count(seen: Seen) -> None:
    assert all(len(signed) >= 3 for _, signed in seen.quiet)
    assert any(ANSWERS_ONLY in signed for _, signed in seen.quiet)


def test_who_only_answers_proves_and_sends_nothing_and_has_no_provers(seen: Seen) -> None:
    assert seen.children[0] >= 1 and seen.children[1] == 0
    assert seen.events["serving members"] == 2, "it was started twice"
    assert not {"due", "collected", "proven", "accepted"} & set(seen.events)


def test_who_only_answers_has_room_in_a_small_machine(seen: Seen) -> None:
    assert seen.memory[1] < 256 << 20
    assert seen.memory[1] <= seen.memory[0] * 1.1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell nobody what a process has loaded")
def test_who_only_answers_loads_nothing_that_proves_or_computes(seen: Seen) -> None:
    transmitter, answers_only = seen.libraries
    assert "ezkl" in transmitter
    assert answers_only == set()


def test_who_only_answers_starts_at_once(seen: Seen) -> None:
    """A second or so, where nobody else needs the machine. Here only its own work counts, and that loosely."""
    assert seen.start < 5.0


def test_who_only_answers_is_ready_if_its_sources_and_the_chain_answer_and_it_is_a_member(seen: Seen) -> None:
    status, checks = seen.ready
    assert status == 200 and all(checks.values())
    assert {
        "chain",
        *(f"{what} {feed}" for what in ("feed", "next report of", "reports of") for feed in ("one", "two")),
    } <= set(checks)
    assert "balance" not in checks, "nobody pays here"


def test_members_are_restarted_one_after_the_other_without_a_missed_round_of_others(seen: Seen) -> None:
    assert seen.exits == [0] * 8
    there = {turn: turn not in seen.stopped[holder] for turn, holder in seen.holders.items()}
    missed = [turn for turn, rounds in seen.restarted.items() if there[turn] and not rounds]
    assert sum(there.values()) >= len(there) // 2
    # Whoever was there in its turn has brought a round, with or without the others. A busy machine may lose one.
    assert len(missed) <= 1, missed
