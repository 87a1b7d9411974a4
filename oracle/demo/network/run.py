"""The course of a network's demonstration: deploy, start the members, let some be faulty, read back, audit, write."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Collection, Mapping, Sequence

from rich.console import Console

from oracle.app.audit import ReadingsPlaces, audit
from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, NetworkMember, Quirks
from oracle.app.local_network.judging import evidence_of, signed_answers
from oracle.app.local_network.ways import Way, planned
from oracle.app.progress import finished_steps
from oracle.audit.readings import ReadingsPlace
from oracle.chain.hub import RoundEvent
from oracle.chain.local import installing, toolchain
from oracle.chain.local.installing import VERIFIER_SOLC
from oracle.demo.network.board import TurnBoard
from oracle.demo.network.market import RecordedMarket, market
from oracle.demo.network.options import NetworkDemoOptions
from oracle.demo.network.summary import NetworkPlayed, network_audited, summarise_network
from oracle.demo.summary import Performance

__all__ = ["run_network"]

_LOOK_S = 0.2
_AHEAD_S = 1.0
"""Seconds from the plan to the first turn that is played, at least: sources lie a little before."""


async def run_network(options: NetworkDemoOptions, console: Console) -> Performance:
    """Play, read back, audit, and write the summary.

    Args:
        options: What to play; `out` is emptied first.
        console: Shows what happens.

    Raises:
        DataError: The start is not a date, or the series have too few days around it.
        Fatal: The members make no round.
        ToolMissing: A program is missing that runs the chain or compiles the verifier.
    """
    installing.require("anvil", VERIFIER_SOLC)
    played_market = market(options, time.time())
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    artifacts = toolchain.build_dir() / "artifacts"
    network = LocalNetwork(
        _layout(options, played_market),
        options.out / "members",
        artifacts,
        prices=played_market.price,
        quirks=Quirks(),
        seed=options.seed,
        progress=finished_steps(lambda line: console.print(f"  {line}", highlight=False)),
    )
    async with network:
        names = ", ".join(member.name for member in network.members)
        told = f"{options.reporters} members, each a process: {names}; {options.quorum} have to answer"
        console.print(told, highlight=False, soft_wrap=True)
        await network.start_all(faulty=options.faulty_members())
        await network.until_rounds(1)
        first = network.turn(time.time() + _AHEAD_S) + 1
        turns = range(first, first + options.turns)
        plans = _plans(options, network, turns)
        feeds = {deployed.feed_id: name for name, deployed in network.deployment.feeds.items()}
        holders = {turn: network.members[network.holder(turn)].name for turn in turns}
        honest = [member for member in network.members if member.name not in plans]
        with TurnBoard(console, feeds, turns, options.turn_s, holders, plans) as board:
            events, messages = await _watch(network, turns, {member.place.index for member in honest}, board)
        of = network.deployment
        # The members serve the readings behind what they have signed.
        places = {each.place.address: ReadingsPlace(each.name, each.place.url) for each in network.members}
        report = await audit(of.hub, network.chain.rpc_url, artifacts, of.block, ReadingsPlaces(places))
        await asyncio.gather(*(network.stop(member.place.index) for member in network.members))
        played = NetworkPlayed(
            turns=turns,
            turn_s=options.turn_s,
            feeds=list(feeds),
            events=events,
            honest=signed_answers(network, honest, turns),
            plans=plans,
            honest_transmitters=[member.place.address for member in honest],
            transmitters={member.place.address: member.name for member in network.members},
            latencies=_latencies(honest, turns, options.turn_s),
            messages=messages,
            evidence=_evidence(honest, turns),
        )
    found = summarise_network(played, options.reporters, options.quorum)
    checked = network_audited(report, plans)
    summary = {"network": found, "audit": checked, "seed": options.seed}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return Performance(summary, checked["ok"] and not found["harm"])


def _layout(options: NetworkDemoOptions, played: RecordedMarket) -> Layout:
    return Layout(
        members=options.reporters,
        quorum=options.quorum,
        faulty=options.faulty,
        turn_s=options.turn_s,
        feeds=tuple(FeedLayout(name, sigma) for name, sigma in played.sigmas.items()),
        # One proof for both feeds.
        prover=f'visibility = "public"\nbatch_sizes = [{len(played.sigmas)}]',
    )


def _plans(options: NetworkDemoOptions, network: LocalNetwork, turns: Sequence[int]) -> Mapping[str, Mapping[int, Way]]:
    """Give the faulty members their plans, and return them by the members' names."""
    plans = {}
    for index in options.faulty_members():
        member = network.members[index]
        plan = planned(turns, [network.holder(turn) == index for turn in turns], options.ways(index))
        network.misbehave(index, plan)
        plans[member.name] = plan
    return plans


async def _watch(
    network: LocalNetwork, turns: Sequence[int], honest: Collection[int], board: TurnBoard
) -> tuple[list[RoundEvent], int]:
    """Show the turns until a turn after the last one, and return their rounds and the number of messages."""
    await network.until_turn(turns[0])
    before = _messages(network, honest)
    found: list[RoundEvent] = []
    block = network.deployment.block
    turn_s = network.layout.turn_s
    end = (turns[-1] + 2) * turn_s
    messages = 0
    while (now := time.time()) < end:
        head = await network.rpc.block_number()
        fresh = await network.hub.logs(block, head) if head >= block else []
        block = max(block, head + 1)
        found += [event for event in fresh if event.observed_at // turn_s in turns]
        board.take(fresh, time.time())
        board.show(now)
        if now < (turns[-1] + 1) * turn_s:
            messages = _messages(network, honest) - before
        await asyncio.sleep(_LOOK_S)
    board.show(end)
    return found, messages


def _messages(network: LocalNetwork, honest: Collection[int]) -> int:
    """Return how many messages honest members have begun to exchange so far: each request has an answer."""
    return 2 * sum(sum(link.requests.values()) for (one, _), link in network.links.items() if one in honest)


def _latencies(members: Sequence[NetworkMember], turns: Sequence[int], turn_s: int) -> list[float]:
    """Return the seconds from due to confirmed of all observations as of these turns that members have reported."""
    found = []
    for member in members:
        with member.journal() as journal:
            found += [
                entry.latency
                for entry in journal.confirmed()
                if entry.latency is not None and entry.observed_at // turn_s in turns
            ]
    return found


def _evidence(honest: Sequence[NetworkMember], turns: Sequence[int]) -> Mapping[str, Sequence[str]]:
    """Return the kinds of these turns' faults that honest members have noted, by whom they accuse; each once a turn."""
    found = {
        (case.member, case.kind.value, case.turn)
        for member in honest
        for case in evidence_of(member)
        if case.turn in turns
    }
    kinds: dict[str, list[str]] = {}
    for address, kind, _ in sorted(found):
        kinds.setdefault(address, []).append(kind)
    return kinds
