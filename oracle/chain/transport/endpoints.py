"""Several RPC endpoints of one chain that act as one: health, failover, and agreement where it counts.

The endpoints are in order of preference. The first healthy one is asked; if it fails, the next takes its place at once.
A preferred endpoint that recovers has to stay well for a while before it is asked again, so that an unsteady one does
not make every other request fail. An endpoint whose head lags behind is not healthy, however readily it answers.

With `agreement`, all endpoints are asked for everything that decides: the feed's state, receipts, the nonce, the head.
An answer counts if that many endpoints gave it, of the same block. So one endpoint that lies, or is on a fork, can
delay a report, but it can't misguide it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from oracle.chain.listener import ChainListener
from oracle.chain.transport.agreement import Answered
from oracle.chain.transport.endpoint import BLOCK_AT, Endpoint
from oracle.chain.transport.interface import (
    BlockMissing,
    Doubt,
    EndpointState,
    HistoryMissing,
    MethodMissing,
    NodeError,
    RateLimited,
)
from oracle.chain.transport.pace import LONGEST_PAUSE_S
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.core.concurrency import together
from oracle.core.errors import (
    AnswerNotBelieved,
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    PayerEmpty,
    TransactionRejected,
    WrongChain,
)

log = structlog.get_logger(__name__)

_RECEIPT, _HEAD, _BLOCK = "eth_getTransactionReceipt", "eth_blockNumber", "eth_getBlockByNumber"

_DECIDING = {method: at for method, at in BLOCK_AT.items() if method != "eth_estimateGas"}
"""The methods that all endpoints are asked, with the position of the parameter that says the block."""

_ANSWERED = frozenset({"eth_sendRawTransaction", "eth_getLogs", "eth_maxPriorityFeePerGas", "eth_feeHistory"})
"""The methods where a node's error is an answer, which another node would give too."""

_NOT_HERE = (HistoryMissing, MethodMissing, BlockMissing)
"""A node's errors that another node need not have."""

_CHECK_TIMEOUT_S = 5.0
_LIMIT_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses before all are asked again, where too few answer because they limit the rate."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """The rules by which endpoints are left, and taken again.

    Attributes:
        agreement: How many endpoints have to give the same answer to what decides.
        max_lag: How many blocks a head may be behind the others.
        check_s: Seconds between two checks of all of them.
        fail_back_s: Seconds that a preferred endpoint has to be well before it is asked again.
    """

    agreement: int = 1
    max_lag: int = 3
    check_s: float = 15.0
    fail_back_s: float = 60.0


@dataclass(eq=False)
class _Member:
    """An endpoint of the pool, with its health.

    Attributes:
        problem: What is wrong with it; empty if it is healthy.
        since: The time of its last change, by the pool's clock.
        is_foreign: True if it serves another chain: then it is never asked.
    """

    endpoint: Endpoint
    problem: str = ""
    since: float = float("-inf")
    head: int | None = None
    is_foreign: bool = False

    @property
    def name(self) -> str:
        return self.endpoint.name


class Endpoints:
    """A transport to several endpoints; see `oracle.chain.transport.interface.Transport`.

    Args:
        urls: The endpoints, in order of preference.
        expected_chain_id: The chain that all of them have to serve.
        listener: Notified of failovers.
        timeout: Seconds for one request to one endpoint.
        limit_pauses: Seconds before all are asked again, where too few answer because they limit the rate.
        clock: Monotonic seconds.

    Raises:
        ConfigError: A URL is not one, or there are fewer than have to agree.
    """

    def __init__(
        self,
        urls: Sequence[str],
        expected_chain_id: int,
        policy: PoolPolicy | None = None,
        *,
        listener: ChainListener | None = None,
        timeout: float = 15.0,
        limit_pauses: Sequence[float] = _LIMIT_PAUSES_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy or PoolPolicy()
        if len(urls) < max(1, self._policy.agreement):
            raise ConfigError(f"{self._policy.agreement} RPC endpoints have to agree, but only {len(urls)} are given")
        # Asking another endpoint is better than asking the same one again.
        self._members = [
            _Member(Endpoint(url, expected_chain_id, timeout=timeout, attempts=1 if len(urls) > 1 else 3))
            for url in urls
        ]
        self._current = self._members[0]
        self._listener = listener or ChainListener()
        self._clock = clock
        self._limit_pauses = limit_pauses
        self._checked_at: float | None = None
        self._checking: asyncio.Task[None] | None = None
        self._check_lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Endpoints({', '.join(member.name for member in self._members)})"

    @property
    def name(self) -> str:
        return self._current.name

    async def chain_id(self) -> int:
        """Return the chain id of the endpoint that is asked now. Raises as `Rpc.chain_id`."""
        return await self._any("eth_chainId", lambda member: member.endpoint.chain_id())  # type: ignore[no-any-return]

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """Make one request. Raises as `Rpc.request`."""
        for pause in self._limit_pauses:
            try:
                return await self._request(method, params, decode, doubt)
            except RateLimited as error:
                if (error.pause or 0) > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(max(pause, error.pause or 0))
        return await self._request(method, params, decode, doubt)

    async def _request(self, method: str, params: list[Any], decode: ErrorDecoder | None, doubt: Doubt | None) -> Any:
        if self._policy.agreement > 1:
            if method in (_HEAD, _RECEIPT):
                return await self._agreed(method, params, decode, doubt)
            if method == _BLOCK and params[0] == "pending":
                return await self._agreed_pending(params)
            if method in _DECIDING and params[_DECIDING[method]] != "pending":
                return await self._agreed(method, params, decode, doubt)
        return await self._any(method, lambda member: member.endpoint.request(method, params, decode, doubt))

    async def states(self) -> Sequence[EndpointState]:
        """Return the state of each endpoint, looked at now."""
        await self.check()
        return [
            EndpointState(each.name, each.problem, each.head, in_use=each is self._current) for each in self._members
        ]

    def keep_open(self) -> None:
        """Keep connections for further requests until `close`, in one event loop."""
        for member in self._members:
            member.endpoint.keep_open()

    async def close(self) -> None:
        """Close all connections. It may be used again."""
        checking, self._checking = self._checking, None
        if checking is not None:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)
        for member in self._members:
            await member.endpoint.close()

    # --- health ------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Check all endpoints: that they answer, that they serve this chain, and that their heads are near."""
        # One at a time: an older check must not overwrite what a newer one found.
        async with self._check_lock:
            self._checked_at = self._clock()
            found = await together(*(self._look(member) for member in self._members))
            heads = [head for head in found if head is not None]
            for member, head in zip(self._members, found, strict=True):
                if head is None:
                    continue
                member.is_foreign = False
                lag = _reference(heads) - head
                if lag > self._policy.max_lag:
                    self._down(member, f"its head, block {head}, is {lag} blocks behind the others")
                else:
                    self._up(member)
            self._settle()

    async def _look(self, member: _Member) -> int | None:
        """Return the head of an endpoint; note what is wrong with it and return None if there is none."""
        try:
            member.head = await asyncio.wait_for(member.endpoint.head(), _CHECK_TIMEOUT_S)
        except TimeoutError:
            member.head = None
            self._down(member, f"it does not answer within {_CHECK_TIMEOUT_S:g} s")
        except (ChainUnavailable, WrongChain) as error:
            member.head = None
            self._down(member, str(error), is_foreign=isinstance(error, WrongChain))
        return member.head

    async def _checked(self) -> None:
        """Make sure that all endpoints were checked not long ago. Only the first check is waited for."""
        if len(self._members) == 1:
            return
        due = self._checked_at is None or self._clock() - self._checked_at >= self._policy.check_s
        if due and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self.check(), name="endpoints")
        if self._checking is not None and self._members_unseen():
            await asyncio.wait({self._checking})
        self._settle()

    def _members_unseen(self) -> bool:
        return all(member.head is None and not member.problem for member in self._members)

    def _down(self, member: _Member, problem: str, *, is_foreign: bool = False) -> None:
        was_healthy = not member.problem
        member.problem, member.is_foreign = problem, is_foreign
        if was_healthy:
            member.since = self._clock()
            log.warning("RPC endpoint is left alone", endpoint=member.name, reason=problem)
            self._tell()
        self._settle()

    def _up(self, member: _Member) -> None:
        if member.problem:
            member.problem, member.since = "", self._clock()
            log.info("RPC endpoint is well again", endpoint=member.name)
        self._tell()

    def _tell(self) -> None:
        self._listener.endpoints(sum(not member.problem for member in self._members), len(self._members))

    def _settle(self) -> None:
        """Choose the endpoint that is asked."""
        now, before = self._clock(), self._current
        healthy = [member for member in self._members if not member.problem]
        if not healthy:
            return
        lasting = [each for each in healthy if each is before or now - each.since >= self._policy.fail_back_s]
        after = (lasting or healthy)[0]
        if after is not before:
            self._current = after
            self._listener.failed_over()
            back = self._members.index(after) < self._members.index(before)
            log.warning(
                "back to the preferred RPC endpoint" if back else "another RPC endpoint is asked",
                endpoint=after.name,
                before=before.name,
                reason=before.problem,
            )

    # --- one answer --------------------------------------------------------------------------------------------

    def _order(self) -> list[_Member]:
        """Return whom to ask, the best first. Those with a problem come last: their problem may be over."""
        members = [member for member in self._members if not member.is_foreign]
        return sorted(members, key=lambda member: (bool(member.problem), member is not self._current))

    async def _any(self, method: str, ask: Callable[[_Member], Any]) -> Any:
        await self._checked()
        failures: list[ChainUnavailable] = []
        refusal: NodeError | None = None
        for member in self._order():
            try:
                return await ask(member)
            except NodeError as error:
                if method in _ANSWERED and not isinstance(error, _NOT_HERE):
                    raise
                refusal = refusal or error
            except WrongChain as error:
                self._down(member, str(error), is_foreign=True)
            except ChainUnavailable as error:
                failures.append(error)
                self._down(member, str(error))
        if refusal is not None:
            raise refusal
        foreign = [member.problem for member in self._members if member.is_foreign]
        if len(foreign) == len(self._members):
            raise WrongChain(foreign[0])
        said = "; ".join([*map(str, failures), *foreign])
        if len(failures) == len(self._members) and all(isinstance(each, AnswerNotBelieved) for each in failures):
            raise AnswerNotBelieved(said)
        message = f"no RPC endpoint of {len(self._members)} answers: {said}"
        raise _shortest(message, failures) or ChainUnavailable(message)

    # --- several answers ---------------------------------------------------------------------------------------

    async def _agreed(self, method: str, params: list[Any], decode: ErrorDecoder | None, doubt: Doubt | None) -> Any:
        await self._checked()
        heads = await self._heads()
        if method == _HEAD:
            return hex(min(heads.values()))
        if method == _RECEIPT:
            return await self._agreed_receipt(params, heads)
        at = _DECIDING[method]
        if not str(params[at]).startswith("0x"):
            # All of them are asked about the same block: the latest that all have.
            params = [*params[:at], await self._number_of(params[at], heads), *params[at + 1 :]]
        answers = await self._all(heads, method, params, decode, doubt)
        return self._vote(method, f"{method} at block {int(params[at], 16)}", answers).value()

    async def _number_of(self, tag: str, heads: Mapping[_Member, int]) -> str:
        """Return the number, in hexadecimal, of the block that all who answer agree to call so, or have passed."""
        if tag == "latest":
            return hex(min(heads.values()))
        if tag == "earliest":
            return "0x0"
        found = await self._all(heads, _BLOCK, [tag, False])
        numbers = [_block(each.result.get("number")) for each in found.values() if isinstance(each.result, Mapping)]
        if len(numbers) < self._policy.agreement:
            raise BlockMissing(f"{len(numbers)} of {len(heads)} RPC endpoints have a {tag} block", "it answers nothing")
        return hex(min(numbers))

    async def _agreed_pending(self, params: list[Any]) -> Any:
        """Return the pending block with the latest time that enough endpoints call so, or have passed.

        Each has one of its own, so that they can't agree on it.
        """
        await self._checked()
        found = await self._all(await self._heads(), _BLOCK, params)
        blocks = [each.result for each in found.values() if isinstance(each.result, Mapping)]
        if len(blocks) < self._policy.agreement:
            raise BlockMissing(f"{len(blocks)} RPC endpoints have a pending block", "it answers nothing")
        return sorted(blocks, key=lambda block: -_block(block.get("timestamp")))[self._policy.agreement - 1]

    async def _heads(self) -> dict[_Member, int]:
        """Return the heads of the endpoints that are not too far behind; at least as many as have to agree."""
        voters = [member for member in self._order() if not member.problem]
        if len(voters) < self._policy.agreement:
            voters = self._order()
        answers = await self._all(voters, _HEAD, [])
        heads = {}
        for member, answer in answers.items():
            try:
                heads[member] = int(answer.value(), 16)
            except (TypeError, ValueError, ContractRejected, PayerEmpty, TransactionRejected):
                self._down(member, f"RPC endpoint {member.name} answers no number as its head")
        if heads:
            reference = _reference(list(heads.values()))
            for member, head in list(heads.items()):
                if reference - head > self._policy.max_lag:
                    self._down(member, f"its head, block {head}, is {reference - head} blocks behind the others")
                    del heads[member]
        self._require(len(heads))
        return heads

    async def _agreed_receipt(self, params: list[Any], heads: Mapping[_Member, int]) -> Any:
        answers = await self._all(heads, _RECEIPT, params)
        found = {member: answer for member, answer in answers.items() if answer.value() is not None}
        if len(answers) - len(found) >= self._policy.agreement:
            return None
        if len(found) >= self._policy.agreement:
            return self._vote(_RECEIPT, _RECEIPT, found).value()
        for member, answer in found.items():
            receipt = answer.value()
            block = receipt.get("blockNumber") if isinstance(receipt, Mapping) else None
            behind = [other for other in answers if other not in found and heads[other] < _block(block)]
            if behind:
                log.debug("a receipt that only one endpoint has yet", endpoint=member.name)
                return None
        return self._vote(_RECEIPT, _RECEIPT, answers).value()

    async def _all(
        self,
        members: Collection[_Member],
        method: str,
        params: list[Any],
        decode: ErrorDecoder | None = None,
        doubt: Doubt | None = None,
    ) -> dict[_Member, Answered]:
        """Return the answers of all that answer; at least as many as have to agree."""
        disbelieved: list[str] = []
        failures: list[ChainUnavailable] = []

        async def ask(member: _Member) -> Answered | None:
            try:
                return Answered(await member.endpoint.request(method, params, decode, doubt))
            except (ContractRejected, PayerEmpty, TransactionRejected) as error:
                return Answered(None, error)
            except NodeError as error:
                failures.append(error)
                log.warning("RPC endpoint does not say what others do", endpoint=member.name, reason=str(error))
            except (ChainUnavailable, WrongChain) as error:
                if isinstance(error, ChainUnavailable):
                    failures.append(error)
                if isinstance(error, AnswerNotBelieved):
                    disbelieved.append(str(error))
                self._down(member, str(error), is_foreign=isinstance(error, WrongChain))
            return None

        found = await together(*(ask(member) for member in members))
        answers = {member: answer for member, answer in zip(members, found, strict=True) if answer is not None}
        if len(disbelieved) == len(self._members):
            raise AnswerNotBelieved("; ".join(disbelieved))
        self._require(len(answers), failures)
        return answers

    def _require(self, answered: int, failures: Sequence[ChainUnavailable] = ()) -> None:
        if answered < self._policy.agreement:
            refusals = [str(each) for each in failures if isinstance(each, NodeError)]
            problems = [f"{each.name}: {each.problem}" for each in self._members if each.problem]
            said = "; ".join([*problems, *refusals])
            message = f"{self._policy.agreement} RPC endpoints have to agree, and {answered} answer"
            message += f" ({said})" if said else ""
            # What all of them refuse for one reason is refused for that reason.
            kinds = {type(each) for each in failures}
            if refusals and len(refusals) == len(failures) and len(kinds) == 1:
                raise kinds.pop()(message, message)
            raise _shortest(message, failures) or ChainUnavailable(message)

    def _vote(self, method: str, what: str, answers: Mapping[_Member, Answered]) -> Answered:
        """Return the answer that enough of them gave.

        Args:
            what: The question, for messages.
        """
        groups: dict[str, list[_Member]] = {}
        for member, answer in answers.items():
            groups.setdefault(answer.key(method), []).append(member)
        largest = max(groups.values(), key=len)
        if len(groups) == 1:
            return answers[largest[0]]
        said = "; ".join(
            f"{', '.join(member.name for member in members)} says {answers[members[0]].shown(method)}"
            for members in groups.values()
        )
        self._listener.disagreed()
        log.warning("RPC endpoints disagree", about=what, said=said)
        if len(largest) < self._policy.agreement:
            raise ChainUnavailable(f"RPC endpoints disagree about {what}: {said}")
        # They are left alone until the next check of all of them: one on a fork may come back.
        for outvoted in set(answers) - set(largest):
            self._down(outvoted, f"it says something else than {len(largest)} others about {what}")
        return answers[largest[0]]


def _shortest(message: str, failures: Sequence[ChainUnavailable]) -> RateLimited | None:
    """Return the error for a rate limit that is among failures, with the shortest pause; None if none is."""
    limits = [each for each in failures if isinstance(each, RateLimited)]
    return RateLimited(message, min(each.pause or 0.0 for each in limits)) if limits else None


def _reference(heads: Sequence[int]) -> int:
    """Return the head that others are compared with: the highest; of three and more the second, as one may be a lie."""
    ordered = sorted(heads, reverse=True)
    return ordered[1] if len(ordered) > 2 else ordered[0]


def _block(value: Any) -> int:
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        return 0
