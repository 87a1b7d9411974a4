"""Members change while the network reports: one is added, one removed, a key is rotated, the quorum is raised.

The boxes of docs/operations.md are executed, and a person's steps between them done: files, and restarts one by one.
All members are real processes. No feed misses more than one turn in a row, and each turn makes one round at most.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import cast

import pytest
from eth_account import Account

from oracle.app.local_network import FeedLayout, Layout, LocalNetwork, NetworkMember
from oracle.app.local_network.judging import evidence_of
from oracle.app.local_network.layout import MemberPlace
from oracle.chain.hub import Committee
from oracle.chain.keys.keystore import import_key
from oracle.chain.local.ports import reserved_port
from oracle.config import load
from oracle.core.formats import keccak, to_hex
from oracle.network.evidence import FaultKind
from oracle.network.exporting import chain_facts
from oracle.network.proofs import ChainFacts
from oracle.network.turns import Transmitter, Turns
from tests import circuits
from tests.integration.test_operations import boxes
from tests.integration.workspace import run_command
from tests.network.looking_back import signers
from tests.network.prices import price

pytestmark = [pytest.mark.slow]

TURN_S, BOUND_S, DELAY_S = 5, 0.2, 2
RESTARTS_S = 40
"""Seconds after which all members have restarted with their new files, or more on a machine that is busy."""
LAYOUT = Layout(
    members=6,
    turn_s=TURN_S,
    clock_bound_s=BOUND_S,
    change_delay=DELAY_S,
    feeds=(FeedLayout("one"),),
    sources=2,
    poll_interval=0.8,
)
ALPHA, BETA, GAMMA, DELTA, EPSILON, ZETA, NEXT, ETA = range(8)
"""The numbers of the members: six from the beginning, then epsilon's next key, and a member that is added."""


@dataclass(frozen=True)
class Entry:
    """An entry of [[network.members]]."""

    place: MemberPlace
    since: float | None = None
    until: float | None = None

    def text(self, url: str) -> str:
        moments = {"since": self.since, "until": self.until}
        return "\n".join(
            [
                "[[network.members]]",
                f'name = "{self.place.name}"',
                f'reporter = "{self.place.address}"',
                f'url = "{url}"',
                *(
                    f"{key} = {datetime.fromtimestamp(at, UTC).isoformat()}"
                    for key, at in moments.items()
                    if at is not None
                ),
                "",
            ]
        )


class Operators:
    """The members' operators, and the hub's admin, who follow the document."""

    def __init__(self, network: LocalNetwork, document: str) -> None:
        self.network = network
        self.entries: dict[int, Entry] = {index: Entry(each.place) for index, each in enumerate(network.members)}
        sections = list(boxes(document))
        self.change = [lines for section, lines in sections if section == "Members that change"]
        self.quorum = [lines for section, lines in sections if section == "Recipe: raise the quorum"]
        self.incident = [
            lines for section, lines in sections if section == "Incident: a member of the network misbehaves"
        ]
        self.activations: list[float] = []
        self.gone: dict[int, Entry] = {}

    @property
    def turns(self) -> Turns:
        """The turns, also of those whose entries have left the files."""
        return Turns(
            TURN_S,
            BOUND_S,
            [
                Transmitter(
                    each.place.address,
                    -inf if each.since is None else each.since,
                    inf if each.until is None else each.until,
                )
                for each in (self.entries | self.gone).values()
            ],
        )

    # --- files and restarts -----------------------------------------------------------------------------------------

    def write_files(self) -> None:
        """Write the entries into the files of all members."""
        for index, member in enumerate(self.network.members):
            text = member.place.config.read_text()
            head, _, rest = text.partition("[[network.members]]")
            listed = [each.text(self._url(index, other)) for other, each in self.entries.items()]
            member.place.config.write_text(head + "\n".join(listed) + "\n" + rest[rest.index("[[feeds]]") :])
            if index in self.entries:
                load(member.place.config, {})  # nothing is wrong with it

    def _url(self, viewer: int, other: int) -> str:
        link = self.network.links.get((viewer, other))
        return self.entries[other].place.url if link is None else link.url

    def add_place(self, index: int, name: str) -> Entry:
        """Make a new member's folder: its key, and a configuration like alpha's."""
        network, account = self.network, Account.from_key(keccak(name.encode()))
        folder = network.members[ALPHA].place.folder.parent / name
        place = MemberPlace(index, name, folder, reserved_port(), account.address)
        folder.mkdir()
        import_key(folder / "key.json", to_hex(bytes(account.key)), "password", iterations=2)
        (folder / "password").touch(0o600)
        (folder / "password").write_text("password\n")
        os.chmod(folder / "password", 0o600)
        first = network.members[ALPHA].place
        (folder / "deployment.json").write_text((first.folder / "deployment.json").read_text())
        text = first.config.read_text().replace(f'listen = "127.0.0.1:{first.port}"', f'listen = "{place.url[7:]}"')
        place.config.write_text(text.replace(f"/{first.name}/", f"/{name}/").replace(f'"{first.name}-', f'"{name}-'))
        network.chain.rpc("anvil_setBalance", account.address, hex(10**20))
        members = cast(list[NetworkMember], network.members)
        members.append(NetworkMember(place))
        assert len(members) == index + 1
        return Entry(place)

    async def restart(self, index: int) -> None:
        """Restart a member while the turn is not its own, nor the next one."""
        turns, own = self.turns, self.entries[index].place.address
        turn = first = turns.at(time.time())
        while turns.holds(own, turn) or turns.holds(own, turn + 1):
            turn += 1
        if turn > first:
            await self.network.until_turn(turn)
        await self.network.stop(index)
        await self.network.start(index)

    # --- commands -----------------------------------------------------------------------------------------------

    async def run(self, line: str, member: int = ALPHA, *, codes: Sequence[int] = (0,)) -> str:
        """Run a command in a member's folder, in a thread: the network goes on."""
        arguments = shlex.split(line, comments=True)[1:]
        folder = self.network.members[member].place.folder
        done = await asyncio.to_thread(run_command, folder, arguments, {})
        assert done.returncode in codes, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    async def propose(self, quorum: int, *indices: int, box: Sequence[str] = ()) -> str:
        """Run the box that proposes reporters, with these members' addresses."""
        addresses = [self.entries[each].place.address for each in indices]
        line, *more = box or self.change[0]
        assert re.fullmatch(r"oracle committee propose-reporters( 0x[A-Z]+)+ --quorum \d+", line)
        await self.run(f"oracle committee propose-reporters {' '.join(addresses)} --quorum {quorum}")
        return "".join([await self.run(each) for each in more])

    async def activate(self, box: Sequence[str] = ()) -> Committee:
        """Activate what is proposed, once its delay is over."""
        await asyncio.sleep(DELAY_S + 0.5)
        (line,) = box or self.change[1]
        assert line == "oracle committee activate-reporters"
        await self.run(line)
        self.activations.append(time.time())
        return await self.network.hub.committee(1)


@dataclass(frozen=True)
class Played:
    """Everything that came of it.

    Attributes:
        turns: The turns, as the entries say.
        first, last: The first turn that was looked at, and the last one.
        rounds: The turns of each feed's rounds.
        transmitted: The numbers of the members that brought rounds, by the turns.
        holders: The numbers of the members whose turns it were.
        signed: The numbers of those who signed the last rounds.
        activations: When changes were activated.
        since: From when on the new ones take turns.
        epochs: The committee after each activation.
        facts: What the chain says about all epochs to whoever judges evidence.
        logs: What each member logged.
        accused: The kinds of faults that any member keeps, and of whom.
        told: What the commands said at the end.
    """

    turns: Turns
    first: int
    last: int
    rounds: Mapping[bytes, Counter[int]]
    transmitted: Mapping[int, int]
    holders: Mapping[int, int]
    signed: set[int]
    activations: list[float]
    since: float
    epochs: list[Committee]
    facts: ChainFacts
    logs: Mapping[str, str]
    accused: Counter[tuple[str, FaultKind]]
    told: Mapping[str, str]


async def play(folder: Path, document: str) -> Played:
    async with LocalNetwork(LAYOUT, folder, circuits.artifacts(), prices=price, seed=7) as network:
        operators = Operators(network, document)
        begun = time.monotonic()
        await network.start_all()
        started_s = time.monotonic() - begun
        await network.until_rounds(2)
        first = int(time.time()) // TURN_S
        epochs = await change(network, operators, max(RESTARTS_S, round(4 * started_s)))
        seen = len(await network.rounds())
        newcomers = {network.members[index].place.address for index in (NEXT, ETA)}

        async def brought_by_newcomer() -> bool:
            return len(found := await network.rounds()) > seen and found[-1].submitter in newcomers

        await network.eventually(brought_by_newcomer, "a round of a member that came")
        turns = operators.turns
        events = await network.rounds()
        signed = set().union(*[await signers(network, each) for each in events[seen:]])
        last = turns.at(max(each.observed_at for each in events))
        told = {"status": ""}

        async def told_of_newcomer() -> bool:
            told["status"] = await operators.run("oracle network status --json", BETA)
            found = json.loads(told["status"])["transmitters"]
            return any(each["brought"] for each in found if each["reporter"] in newcomers)

        await network.eventually(told_of_newcomer, "beta has seen what a member that came has brought")
        told["evidence"] = await follow_incident(operators)
        rounds: dict[bytes, Counter[int]] = {}
        for each in events:
            rounds.setdefault(each.feed_id, Counter())[turns.at(each.observed_at)] += 1
        accused = Counter(
            (each.member, each.kind) for member in network.members for each in evidence_of(member) if each.turn >= first
        )
        places = {each.place.address: each.place.index for each in network.members}
        return Played(
            turns=turns,
            first=first,
            last=last,
            rounds=rounds,
            transmitted={turns.at(each.observed_at): places[each.submitter] for each in events},
            holders={
                turn: places[address] for turn in range(first, last + 1) if (address := turns.holder(turn)) is not None
            },
            signed=signed,
            activations=operators.activations,
            since=operators.entries[ETA].since or 0.0,
            epochs=epochs,
            facts=await chain_facts(network.hub, 1, [each.feed_id for each in network.deployment.feeds.values()]),
            logs={each.name: each.log() for each in network.members},
            accused=accused,
            told=told,
        )


async def change(network: LocalNetwork, operators: Operators, restarts_s: int) -> list[Committee]:
    """Make all changes, and return the committee after each activation. Restarts have so many seconds."""
    entries, epochs = operators.entries, []
    # Files: who comes and who goes, at one moment. Then all restart, one after the other.
    at = int(time.time()) + restarts_s
    for index, name in ((NEXT, "epsilon-next"), (ETA, "eta")):
        entries[index] = replace(operators.add_place(index, name), since=at)
    for index in (EPSILON, ZETA):
        entries[index] = replace(entries[index], until=at)
    operators.write_files()
    for index in range(LAYOUT.members):
        await operators.restart(index)
    assert time.time() < at, "the members were not restarted in time"

    # One is added: it starts when it is proposed, and signs once it is active.
    await operators.propose(3, ALPHA, BETA, GAMMA, DELTA, EPSILON, ZETA, ETA)
    await network.start(ETA)
    epochs.append(await operators.activate())

    # A key is rotated: both nodes run until the new one is active.
    await operators.propose(3, ALPHA, BETA, GAMMA, DELTA, NEXT, ZETA, ETA)
    await network.start(NEXT)
    epochs.append(await operators.activate())
    await network.stop(EPSILON)

    # One is removed.
    await operators.propose(3, ALPHA, BETA, GAMMA, DELTA, NEXT, ETA)
    epochs.append(await operators.activate())
    await asyncio.sleep(max(0.0, at - time.time()))
    await network.stop(ZETA)

    # The quorum is raised.
    proposing, activating = operators.quorum
    said = await operators.propose(5, ALPHA, BETA, GAMMA, DELTA, NEXT, ETA, box=proposing)
    later = r"can't be activated yet: its delay ends in [12] s; expected at|can be activated now, until"
    assert re.search(rf"proposed reporters +5 of 6: .*, ({later})", said), said
    epochs.append(await operators.activate(activating))

    # Afterwards: the entries of those who have gone leave the files, and the quorum is written there.
    for index in (EPSILON, ZETA):
        operators.gone[index] = entries.pop(index)
    operators.write_files()
    for index in entries:
        config = network.members[index].place.config
        config.write_text(config.read_text().replace("quorum = 3", "quorum = 5"))
        load(config, {})
    await operators.restart(BETA)
    return epochs


async def follow_incident(operators: Operators) -> str:
    """Run the boxes about a member that misbehaves. Nothing is proven here, for nobody has."""
    said = ""
    for lines in operators.incident:
        for line in lines:
            said += await operators.run(line, BETA, codes=(0, 3) if " check " in line else (0,))
    return said


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Played:
    document = (project_root / "docs/operations.md").read_text()
    return asyncio.run(play(tmp_path_factory.mktemp("membership"), document))


def test_no_feed_misses_more_than_one_turn(played: Played) -> None:
    for feed_id, found in played.rounds.items():
        missed = [turn for turn in range(played.first, played.last + 1) if turn not in found]
        assert all(turn + 1 not in missed for turn in missed), f"{feed_id.hex()}: {missed}"
        near = {played.turns.at(at) + by for at in played.activations for by in (-1, 0, 1)}
        assert len(set(missed) - near) <= 1, f"{feed_id.hex()}: {missed}, activated in {sorted(near)}"


def test_each_turn_makes_one_round_at_most_and_its_holder_brings_it(played: Played) -> None:
    assert all(count == 1 for found in played.rounds.values() for count in found.values())
    assert {turn: played.holders[turn] for turn in played.transmitted if turn >= played.first} == {
        turn: index for turn, index in played.transmitted.items() if turn >= played.first
    }


def test_the_hub_has_made_each_change(played: Played) -> None:
    assert [(each.epoch, len(each.reporters), each.quorum) for each in played.epochs] == [
        (2, 7, 3),
        (3, 7, 3),
        (4, 6, 3),
        (5, 6, 5),
    ]


def test_whoever_judges_evidence_knows_who_was_a_reporter_when(played: Played) -> None:
    now = {each.epoch: (frozenset(each.reporters), each.quorum) for each in played.epochs}
    found = {epoch: (each.reporters, each.quorum) for epoch, each in played.facts.epochs.items()}
    assert set(found) == {1, *now} and {epoch: found[epoch] for epoch in now} == now
    assert len(found[1][0]) == LAYOUT.members
    (terms,) = played.facts.feeds.values()
    assert (terms.sigma, terms.max_spread) == (LAYOUT.feeds[0].sigma, LAYOUT.feeds[0].max_spread)


def test_who_came_signs_and_transmits_and_who_went_does_not(played: Played) -> None:
    assert played.signed <= {ALPHA, BETA, GAMMA, DELTA, NEXT, ETA}
    assert {NEXT, ETA} <= played.signed
    before = {index for turn, index in played.transmitted.items() if played.turns.begin(turn) < played.since}
    after = {index for turn, index in played.transmitted.items() if played.turns.begin(turn) >= played.since}
    assert not before & {NEXT, ETA} and not after & {EPSILON, ZETA}
    assert after & {NEXT, ETA}


def test_who_is_no_reporter_yet_says_so_and_that_it_is_one_now(played: Played) -> None:
    for name in ("eta", "epsilon-next"):
        lines = [json.loads(line) for line in played.logs[name].splitlines() if '"obstacle": "reporter"' in line]
        assert [line["event"] for line in lines] == ["obstacle", "obstacle is gone"], name
        assert "it is proposed as a reporter" in lines[0]["hint"]


def test_nobody_is_accused_of_what_would_prove_a_lie(played: Played) -> None:
    provable = {FaultKind.CONTRADICTION, FaultKind.BAD_REQUEST, FaultKind.BEYOND_SPREAD, FaultKind.INVALID_SIGNATURE}
    assert not {kind for _, kind in played.accused} & provable
    for name, log in played.logs.items():
        assert "Traceback" not in log, name


def test_the_commands_of_the_page_say_so(played: Played) -> None:
    status = json.loads(played.told["status"])
    assert [each["name"] for each in status["members"]] == ["alpha", "beta", "gamma", "delta", "epsilon-next", "eta"]
    assert status["turn"]["until"] - status["turn"]["since"] == TURN_S
    evidence = " ".join(played.told["evidence"].split())
    assert "which the members use" in evidence and "judged by signatures, and what http://" in evidence
