"""A faulty member: a real node whose parts are bent at its seams, in the way that its plan says for the present turn.

Its server misbehaves, its signer signs what it should not, its collecting and sending cheat. That its sources lie is up
to whoever serves them: see `oracle.app.local_network.network.LocalNetwork.misbehave`. Nothing here is new to an
attacker, and nothing is more than what a member with its own key could do with any HTTP client.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from aiohttp import ClientError, ClientSession, web
from aiohttp.typedefs import Handler
from eth_account.signers.local import LocalAccount

from oracle.app.local_network.ways import FaultPlan, Way
from oracle.app.seams import AnsweringMember, NodeSeams
from oracle.chain.deploy import Deployment
from oracle.chain.keys.signer import ReporterKey
from oracle.config import NetworkConfig
from oracle.core import http
from oracle.core.errors import SignerUnavailable
from oracle.core.formats import keccak
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Confirmed, Proven, Submitted
from oracle.feeds.interface import Signers, SigningCommittee, TransactionSender
from oracle.network.client import MemberInvalid, MemberSilent, open_members
from oracle.network.messages import REPORT_PATH, AnswerMessage, RefusalCode, Refused, ReportRequest, SignedRequest

__all__ = ["LATE_CLOCK_S", "FaultyNode"]

log = structlog.get_logger(__name__)

LATE_CLOCK_S = 30.0
"""Seconds by which the clock of a member with `Way.CLOCK_OFF` is late."""

_HOUR = 3_600
_SILENT_S = 20.0
_DRIP_S = 0.05
_BLOCK = b" " * (1 << 16)
_MOST_BLOCKS = 1 << 14
_REPLAYED = 10
_FLOOD_EACH = 200
_FLOOD_AT_ONCE = 4
_OTHER_HUB = "0x000000000000000000000000000000000000dEaD"


class FaultyNode:
    """The seams of one faulty member."""

    def __init__(
        self, plan: FaultPlan, network: NetworkConfig, account: LocalAccount, clock: Callable[[], float]
    ) -> None:
        """Prepare the seams.

        Args:
            plan: In which way the member is faulty, and when.
            network: Its configuration.
            account: Its reporter's key.
            clock: Unix seconds, as they are.
        """
        self._plan = plan
        self._network = network
        self._account = account
        self._clock = clock
        self._background: set[asyncio.Task[None]] = set()
        self._withheld: set[int] = set()

    def seams(self, deployment: Deployment) -> NodeSeams:
        """Return the seams.

        Args:
            deployment: The contracts' addresses.
        """
        return NodeSeams(
            member=lambda member: _FaultyMember(self, member, deployment),
            signers=lambda signers: _FaultySigners(self, signers),
            sender=lambda sender: _FaultySender(self, sender),
            middlewares=(self._serve,),
        )

    def now(self) -> float:
        """Return the time by the member's clock, which may be off."""
        now = self._clock()
        return now - LATE_CLOCK_S if self._plan.at(self.turn(now)) is Way.CLOCK_OFF else now

    def way(self) -> Way | None:
        """Return the way in which the member is faulty now; None: it is honest."""
        return self._plan.at(self.turn(self._clock()))

    def turn(self, now: float) -> int:
        """Return the number of the turn at a time, unix seconds."""
        return int(now // self._network.turn_s)

    def until_turn_ends(self) -> float:
        """Return the seconds until the present turn ends."""
        now = self._clock()
        return (self.turn(now) + 1) * self._network.turn_s - now

    @property
    def others(self) -> Sequence[tuple[str, str, str]]:
        """The other members: name, reporter's address and URL of each."""
        return [
            (each.name, each.reporter, each.url)
            for each in self._network.members
            if each.reporter != self._account.address
        ]

    @property
    def account(self) -> LocalAccount:
        """The member's key."""
        return self._account

    @property
    def quorum_grace_s(self) -> float:
        """Seconds for which a transmitter waits for the rest."""
        return (self._network.grace_ms or 0) / 1_000

    def in_background(self, work: Awaitable[None]) -> None:
        """Do something meanwhile."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def withholds(self, turn: int) -> bool:
        """Return whether the member has collected in this turn already, to send nothing."""
        return turn in self._withheld

    def withhold(self, turn: int) -> None:
        """Take note that the member has collected in this turn, and is going to send nothing."""
        self._withheld.add(turn)

    # --- its server ---

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST" or request.path != REPORT_PATH:
            return await handler(request)
        match self.way():
            case Way.SILENT:
                await asyncio.sleep(_SILENT_S)
            case Way.SLOW:
                await asyncio.sleep(self.quorum_grace_s + 0.3)
            case Way.GARBAGE:
                noise = random.Random(int(self._clock())).randbytes(2_000)
                return web.Response(body=noise, content_type="application/json")
            case Way.HUGE:
                return await _endless(request, _BLOCK, _MOST_BLOCKS, 0.0)
            case Way.SLOW_LORIS:
                return await _endless(request, b" ", int(_SILENT_S / _DRIP_S), _DRIP_S)
            case _:
                pass
        return await handler(request)


async def _endless(request: web.Request, block: bytes, times: int, pause_s: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(times):
            await response.write(block)
            if pause_s:
                await asyncio.sleep(pause_s)
    except OSError:
        pass  # the client has seen enough
    return response


class _FaultyMember:
    """A signer that signs what it should not. The honest answer was signed, journalled and told to all before."""

    def __init__(self, node: FaultyNode, member: AnsweringMember, deployment: Deployment) -> None:
        self._node = node
        self._member = member
        self._chain_id, self._hub = deployment.chain_id, deployment.hub

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        """Answer as the plan says."""
        way = self._node.way()
        requester = signed.requester(self._chain_id, self._hub)
        if way is Way.SOME_MEMBERS and self._is_left_out(requester):
            raise Refused(RefusalCode.UNAVAILABLE, "not for you")
        message = await self._member.answer(signed)
        match way:
            case Way.TWO_ANSWERS:
                return await self._signed(_other_answers(message))
            case Way.LIES_TO_ONE:
                lie = await self._signed(_other_answers(message))
                self._node.in_background(self._tell_one(lie, requester))
            case Way.REPLAYS:
                self._node.in_background(self._replay(signed))
            case Way.FLOODS:
                self._node.in_background(self._flood(signed.request))
            case Way.OTHER_ROUND:
                rounds = tuple(each + 1 if each else 0 for each in message.report.round_ids)
                return await self._signed(replace(message, report=replace(message.report, round_ids=rounds)))
            case Way.OTHER_FEED:
                return await self._signed(_other_feed(message))
            case Way.OTHER_HUB:
                return await self._signed(message, hub=_OTHER_HUB)
            case Way.OTHER_CHAIN:
                return await self._signed(message, chain_id=self._chain_id + 1)
            case Way.OLD_TIME:
                return await self._signed(_at(message, message.report.observed_at - _HOUR))
            case Way.FUTURE_TIME:
                return await self._signed(_at(message, message.report.observed_at + _HOUR))
            case _:
                pass
        return message

    async def heard_own(self, message: AnswerMessage) -> None:
        """Ignore what it has signed beside its ledger, which others show to it."""

    def _is_left_out(self, requester: str) -> bool:
        addresses = sorted(reporter for _, reporter, _ in self._node.others)
        return requester in addresses[::2]

    async def _signed(
        self, message: AnswerMessage, chain_id: int | None = None, hub: str | None = None
    ) -> AnswerMessage:
        key = ReporterKey(self._node.account, chain_id or self._chain_id, hub or self._hub)
        found = await key.sign_report(message.report, message.answers, message.readings)
        return replace(message, r=found.r, vs=found.vs)

    async def _tell_one(self, lie: AnswerMessage, requester: str) -> None:
        chosen = next(each for each in self._node.others if each[1] != requester)
        async with open_members([chosen], timeout_s=1.0) as clients:
            for client in clients.values():
                await _quietly(client.tell(lie))

    async def _replay(self, signed: SignedRequest) -> None:
        async with open_members(self._node.others, timeout_s=1.0) as clients:
            for _ in range(_REPLAYED):
                await asyncio.gather(*(_quietly(client.ask(signed)) for client in clients.values()))

    async def _flood(self, request: ReportRequest) -> None:
        """Send all members requests of its own out of turn, and noise, until the turn ends or there was enough."""
        key = ReporterKey(self._node.account, self._chain_id, self._hub)
        of = request.report, request.turn, request.deadline, request.terms
        body = json.dumps(SignedRequest(request, await key.sign_request(*of)).to_json()).encode()
        noise = random.Random(request.turn).randbytes(200)

        async def pester(session: ClientSession, url: str) -> None:
            for number in range(_FLOOD_EACH // _FLOOD_AT_ONCE):
                try:
                    async with session.post(url + REPORT_PATH, data=noise if number % 2 else body) as response:
                        await http.read_body(response, 1 << 16)
                except (ClientError, OSError, http.BodyTooLarge):
                    pass

        async with http.open_session(keep_alive=True) as session:
            try:
                async with asyncio.timeout(self._node.until_turn_ends()):
                    urls = [url for _, _, url in self._node.others for _ in range(_FLOOD_AT_ONCE)]
                    await asyncio.gather(*(pester(session, url) for url in urls))
            except TimeoutError:
                pass


async def _quietly(asking: Awaitable[object]) -> None:
    try:
        await asking
    except (Refused, MemberSilent, MemberInvalid) as error:
        log.info("a member does not fall for it", reason=str(error))


def _other_answers(message: AnswerMessage) -> AnswerMessage:
    return replace(
        message, answers=tuple(each + max(1, each // 5_000) if each > 0 else each for each in message.answers)
    )


def _other_feed(message: AnswerMessage) -> AnswerMessage:
    """Return the message with another feed in place of the first, in its place among the others."""
    report = message.report
    ids = [keccak(report.feed_ids[0]), *report.feed_ids[1:]]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    other = replace(
        report, feed_ids=tuple(ids[each] for each in order), round_ids=tuple(report.round_ids[each] for each in order)
    )
    answers = tuple(message.answers[each] for each in order)
    return replace(message, report=other, answers=answers, readings=tuple(message.readings[each] for each in order))


def _at(message: AnswerMessage, observed_at: int) -> AnswerMessage:
    return replace(message, report=replace(message.report, observed_at=observed_at))


class _FaultySigners:
    """Collects, and cheats with what it has."""

    def __init__(self, node: FaultyNode, signers: Signers) -> None:
        self._node = node
        self._signers = signers

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        """Collect as the plan says."""
        way, turn = self._node.way(), self._node.turn(report.observed_at)
        if self._node.withholds(turn):
            raise SignerUnavailable("this turn's answers are withheld")
        found = await self._signers.collect(report, answers, committee)
        if way is Way.WITHHOLDS:
            self._node.withhold(turn)
            raise SignerUnavailable("this turn's answers are withheld")
        if way is Way.WORSE_SET:
            highest = sorted(found.signatures, key=lambda each: each.answers[report.due[0]], reverse=True)
            return SignedReport(report, tuple(highest[: committee.quorum]))
        return found


class _FaultySender:
    """Sends late what it should have sent at once."""

    def __init__(self, node: FaultyNode, sender: TransactionSender) -> None:
        self._node = node
        self._sender = sender

    async def sign(self, proven: Proven) -> Submitted:
        """See `TransactionSender`."""
        return await self._sender.sign(proven)

    async def broadcast(self, submitted: Submitted) -> None:
        """Send the transaction, with `Way.OLD_REPORT` when the next member's turn has begun."""
        if self._node.way() is Way.OLD_REPORT:
            await asyncio.sleep(self._node.until_turn_ends() + 0.05)
        await self._sender.broadcast(submitted)

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        """See `TransactionSender`."""
        return await self._sender.confirm(submitted)
