"""A whole network on this machine: a chain, prices, links, and members as processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import psutil

from oracle.app.deploy import deploy
from oracle.app.local_network import nursery, process
from oracle.app.local_network.layout import Layout, MemberPlace, places, write_members
from oracle.app.local_network.links import MemberLink
from oracle.app.local_network.nursery import LOG, ChildDaemon
from oracle.app.local_network.prices import Prices, PriceServer, Quirks, SourceTrouble
from oracle.app.local_network.ways import Way, write_plan
from oracle.chain.deploy import Deployment
from oracle.chain.hub import Hub, RoundEvent
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.chain.local.ports import reserve
from oracle.chain.rpc import Rpc
from oracle.config import Config, load
from oracle.core import http
from oracle.core.documents import parse_json
from oracle.core.errors import Fatal
from oracle.feeds.journal import Journal, open_journal
from oracle.network.turns import Transmitter, Turns

__all__ = ["LocalNetwork", "NetworkMember"]

T = TypeVar("T")

PATIENCE_S = 60.0
_LOOK_S = 0.05
_INSIDE = 0.9
"""The share of the spread that `Way.INSIDE_SPREAD` uses: the honest answers differ, too."""

_LAST_LINES = 12


class NetworkMember:
    """A member, whether it runs or not.

    Attributes:
        place: Its folder, port and address.
        config: Its configuration.
    """

    def __init__(self, place: MemberPlace) -> None:
        """Take a member whose folder has been written."""
        self.place = place
        self.config: Config = load(place.config, {})
        self._process: ChildDaemon | None = None

    @property
    def name(self) -> str:
        """Return its name."""
        return self.place.name

    @property
    def runs(self) -> bool:
        """True if its process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the id of its process. Raises: Fatal if it was never started."""
        if self._process is None:
            raise Fatal(f"{self.name} was not started")
        return self._process.pid

    def log(self) -> str:
        """Return all that its processes have logged."""
        path = self.place.folder / LOG
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def events(self, event: str | None = None) -> list[Mapping[str, Any]]:
        """Return the lines of its log as objects: all, or those of one event."""
        found: list[Mapping[str, Any]] = []
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                document = parse_json(line)
                if isinstance(document, dict) and (event is None or document.get("event") == event):
                    found.append(document)
        return found

    def journal(self) -> Journal:
        """Open its journal to read it. Raises: OracleError if it has not begun one."""
        return open_journal(self.config.journal, {}, read_only=True)

    def begin(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start its process. Use `LocalNetwork.start`."""
        if self.runs:
            raise Fatal(f"{self.name} runs already")
        self._process = nursery.start(process.main, self.place.folder, arguments, environment)

    def send_signal(self, number: int) -> None:
        """Send its process a signal, unless it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut does, with its provers."""
        if self._process is None:
            return
        provers: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            provers = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for each in provers:
            with contextlib.suppress(psutil.Error):
                each.kill()

    def stop(self, timeout: float = 30.0) -> int:
        """Ask it to end, and return its exit code."""
        if self._process is None:
            raise Fatal(f"{self.name} was not started")
        self._process.terminate()
        return self._process.wait(timeout)

    def ended(self) -> str:
        """Return the end of its log, for messages."""
        return "\n".join(self.log().splitlines()[-_LAST_LINES:])


def _address_of(index: int) -> str | None:
    """Return the address that a member's connections come from; None: the same as all others'.

    Members limit each other by address before they know who asks. All of 127.0.0.0/8 is this machine on Linux only.
    """
    return f"127.0.0.{10 + index}" if sys.platform == "linux" else None


class LocalNetwork:
    """A network on this machine. An async context manager: it deploys when entered, and ends all when left.

        async with LocalNetwork(Layout(), folder, artifacts, prices=lambda feed, now: 100.0) as network:
            await network.start_all()
            await network.until_rounds(8)
            network.links[0, 3].cut()

    Attributes:
        layout: What its members agree on.
        members: Its members, by their numbers.
        links: The link that the first of two members has to the second, by their numbers.
        prices: The members' sources.
        chain: The chain.
        rpc, hub, deployment: The chain and the hub, as a stranger reads them.
    """

    members: Sequence[NetworkMember]
    links: Mapping[tuple[int, int], MemberLink]
    prices: PriceServer
    chain: Anvil
    rpc: Rpc
    hub: Hub
    deployment: Deployment

    def __init__(
        self,
        layout: Layout,
        folder: Path,
        artifacts: Path,
        *,
        prices: Prices,
        quirks: Quirks | None = None,
        seed: int = 0,
        progress: Callable[[str], None] = lambda step: None,
    ) -> None:
        """Prepare a network; nothing is started.

        Args:
            layout: What its members agree on.
            folder: An empty folder for the members' folders.
            artifacts: The folder of circuits. Those that are missing there are built.
            prices: The path that all sources follow.
            quirks: How far sources may differ.
            seed: Decides how they do.
            progress: Called with each step of the deployment.
        """
        self.layout = layout
        self._folder = folder
        self._artifacts = artifacts
        self.prices = PriceServer(prices, seed, quirks or Quirks())
        self._progress = progress
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        nursery.prepare()
        async with contextlib.AsyncExitStack() as stack:
            # One account for each member, and one that deploys.
            config = load_anvil_config(port=0, accounts=self.layout.members + 1)
            self.chain = Anvil(config)
            stack.push_async_callback(asyncio.to_thread, self.chain.stop)
            await asyncio.to_thread(self.chain.start)
            await stack.enter_async_context(self.prices.serving())
            kept = [stack.enter_context(reserve()) for _ in range(self.layout.members)]
            found = places(self.layout, self._folder, self.chain, [int(each.getsockname()[1]) for each in kept])
            self.links = {
                (one.index, other.index): await stack.enter_async_context(
                    MemberLink(other.port, address=_address_of(one.index))
                )
                for one in found
                for other in found
                if one is not other
            }
            write_members(
                self.layout,
                found,
                self.chain,
                self._artifacts.resolve(),
                lambda one, other: self.links[one, other].url,
                self.prices.url,
            )
            self.members = [NetworkMember(place) for place in found]
            transmitters = [Transmitter(each.address) for each in found if self.layout.transmits(each.index)]
            self._turns = Turns(self.layout.turn_s, self.layout.clock_bound_s, transmitters)
            stack.push_async_callback(asyncio.to_thread, self._end_all)
            # Whoever asks the members uses one connection to each, as they do among themselves.
            self._session = await stack.enter_async_context(http.open_session(keep_alive=True))
            await self._deploy()
            self.rpc = await stack.enter_async_context(Rpc(self.chain.rpc_url, self.chain.chain_id))
            self.hub = Hub(self.rpc, self.deployment.hub)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _deploy(self) -> None:
        """Deploy as the first member, and give all of them the file of the deployment."""
        first = self.members[0].config
        self.deployment = await deploy(first, self._progress)
        for member in self.members[1:]:
            await asyncio.to_thread(shutil.copy, first.chain.deployment, member.config.chain.deployment)

    # --- members ----------------------------------------------------------------------------------------------

    async def start(
        self,
        index: int,
        *,
        clock_offset: float = 0.0,
        pause_at: str | None = None,
        faulty: bool = False,
        environment: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> NetworkMember:
        """Start a member, and wait until it answers the others.

        Args:
            index: Its number.
            clock_offset: Seconds by which its clock is ahead.
            pause_at: The stage at which it stops itself; see `oracle.app.local_network.process.PAUSES`.
            faulty: It may be told to misbehave, by `misbehave`.
            environment: Variables to add to its environment.
            ready: Wait until it answers.
        """
        member = self.members[index]
        arguments = ["oracle.toml", "--clock-offset", str(clock_offset)]
        if pause_at is not None:
            arguments += ["--pause-at", pause_at]
        if faulty:
            arguments.append("--faulty")
        await asyncio.to_thread(member.begin, arguments, environment or {})
        if ready:
            await self.until_ready(index)
        return member

    async def start_all(self, indices: Sequence[int] | None = None, *, faulty: Sequence[int] = ()) -> None:
        """Start members side by side, and wait until all of them answer.

        Args:
            indices: Their numbers; None: all.
            faulty: The numbers of those that may be told to misbehave.
        """
        chosen = range(self.layout.members) if indices is None else indices
        for index in chosen:
            await self.start(index, faulty=index in faulty, ready=False)
        for index in chosen:
            await self.until_ready(index)

    async def until_ready(self, index: int) -> None:
        """Wait until a member answers the others. Raises: Fatal if it ends instead."""
        member = self.members[index]

        async def answers() -> Mapping[str, Any] | None:
            if not member.runs:
                raise Fatal(f"{member.name} ended at its start:\n{member.ended()}")
            return await self.shows(index)

        await self.eventually(answers, f"{member.name} answers")

    async def shows(self, index: int) -> Mapping[str, Any] | None:
        """Return what a member shows of itself (`GET /v1/network`); None if it does not answer."""
        url = f"{self.members[index].place.url}/v1/network"
        try:
            async with asyncio.timeout(2.0), self._session.get(url) as response:
                answer = await http.receive(response, 1 << 20)
            document = answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, ValueError, http.BodyTooLarge):
            return None
        return document if isinstance(document, dict) else None

    async def kill(self, index: int) -> None:
        """End a member as a power cut does."""
        await asyncio.to_thread(self.members[index].kill)

    async def stop(self, index: int) -> int:
        """Ask a member to end, and return its exit code."""
        return await asyncio.to_thread(self.members[index].stop)

    async def stop_all(self) -> list[int]:
        """Ask all members that run to end, all at once, and return their exit codes."""
        return await asyncio.gather(*(self.stop(member.place.index) for member in self.members if member.runs))

    def _end_all(self) -> None:
        for member in self.members:
            member.kill()

    def misbehave(self, index: int, plan: Mapping[int, Way], otherwise: Way | None = None) -> None:
        """Let a member be faulty from now on. If it runs, it was started as one that may be faulty.

        Args:
            index: Its number.
            plan: A way for each turn in which it is faulty.
            otherwise: The way in all other turns; None: it is honest in them.
        """
        member = self.members[index]
        write_plan(member.place.folder, plan, otherwise)
        factors = {
            feed.name: {
                Way.TIMES_TEN: 10.0,
                Way.TENTH: 0.1,
                Way.INSIDE_SPREAD: 1 + _INSIDE * feed.max_spread / 1_000 * feed.sigma / 1e6,
            }
            for feed in self.layout.feeds
        }

        def lie(feed: str, now: float) -> SourceTrouble:
            # What a source says is signed a little later.
            way = plan.get(self.turn(now + 2 * self.layout.poll_interval), otherwise)
            return SourceTrouble() if way is None else SourceTrouble(factor=factors[feed].get(way, 1.0))

        self.prices.lies[member.name] = lie

    # --- links ------------------------------------------------------------------------------------------------

    def split(self, *groups: Sequence[int]) -> None:
        """Cut all links between members of different groups, and heal those within a group."""
        where = {index: number for number, group in enumerate(groups) for index in group}
        for (one, other), link in self.links.items():
            if where[one] == where[other]:
                link.heal()
            else:
                link.cut()

    def heal(self) -> None:
        """Heal all links."""
        for link in self.links.values():
            link.heal()

    # --- what happens -----------------------------------------------------------------------------------------

    def turn(self, now: float | None = None) -> int:
        """Return the number of the turn at a time (unix seconds); None: now."""
        return self._turns.at(time.time() if now is None else now)

    def holder(self, turn: int) -> int:
        """Return the number of the member whose turn it is."""
        address = self._turns.holder(turn)
        return next(member.place.index for member in self.members if member.place.address == address)

    async def rounds(self, feed: str | None = None) -> list[RoundEvent]:
        """Return the rounds so far, held ones included: of one feed, or of all, as the chain has them."""
        events = await self.hub.logs(self.deployment.block, await self.rpc.block_number())
        if feed is None:
            return events
        return [event for event in events if event.feed_id == self.deployment.feeds[feed].feed_id]

    async def until_rounds(
        self, more: int, *, feed: str | None = None, patience_s: float = PATIENCE_S
    ) -> list[RoundEvent]:
        """Wait for so many further rounds, and return them."""
        before = len(await self.rounds(feed))

        async def there() -> list[RoundEvent] | None:
            found = (await self.rounds(feed))[before:]
            return found if len(found) >= more else None

        return await self.eventually(there, f"{more} further rounds", patience_s)

    async def until_turn(self, turn: int) -> None:
        """Wait until a turn begins."""
        await asyncio.sleep(max(0.0, turn * self.layout.turn_s - time.time()))

    async def eventually(
        self, holds: Callable[[], Awaitable[T | None]], what: str, patience_s: float = PATIENCE_S
    ) -> T:
        """Wait until something is there and true, and return it.

        Args:
            holds: Returns it.
            what: The same in words, for the message.
            patience_s: Seconds after which it is given up.

        Raises:
            Fatal: It was not there in time. The message has the ends of the members' logs.
        """
        until = time.monotonic() + patience_s
        while True:
            found = await holds()
            if found:
                return found
            if time.monotonic() > until:
                logs = "\n".join(f"--- {member.name}\n{member.ended()}" for member in self.members)
                raise Fatal(f"not within {patience_s:g} s: {what}\n{logs}")
            await asyncio.sleep(_LOOK_S)
