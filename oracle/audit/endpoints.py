"""The hub at the pinned block, as all endpoints have to tell it: the block, the code, the counts and heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oracle.audit.fetch import ReadEvent
from oracle.audit.history import AdminEvent
from oracle.audit.pinned import read_pinned, read_rounds, supplied
from oracle.audit.pinning import pin_block
from oracle.audit.report import ProblemKind, ReportDraft
from oracle.audit.withheld import Holes, PinnedHub, find_holes
from oracle.chain.deploy import code_problems
from oracle.chain.hub import Hub
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Block
from oracle.chain.transport.interface import NodeError
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, ContractRejected, DeploymentError

_UNREADABLE = (DeploymentError, ContractRejected, NodeError, AnswerNotBelieved)
"""Errors by which the hub's state can't be read, but the history can be replayed all the same."""


async def pin(rpcs: Sequence[Rpc], which: BlockTag, draft: ReportDraft) -> tuple[Block, list[Rpc]]:
    """Return the block at which all endpoints are read, and the endpoints that have it. Raises as `pin_block`."""
    pinned = await pin_block(rpcs, which)
    for each in pinned.left_out:
        if each.contradicts:
            draft.problem(ProblemKind.CHAIN, f"the endpoints contradict each other: {each.reason}: it is left out")
        else:
            draft.problem(ProblemKind.NODE, f"{each.name} is left out: {each.reason}")
    return pinned.block, list(pinned.agreeing)


async def check_code(rpcs: Sequence[Rpc], hub: str, chain_id: int, block: Block, draft: ReportDraft) -> bytes:
    """Check the hub's code and the code that it names, at each endpoint; return it as the first one gives it."""
    first = b""
    for rpc in rpcs:
        try:
            code = await rpc.code(hub, block.number)
        except ChainUnavailable as error:
            if rpc is rpcs[0] and not isinstance(error, NodeError):
                raise
            draft.problem(ProblemKind.NODE, f"the code at block {block.number} can't be read: {error}")
            continue
        if not code and rpc is rpcs[0]:
            raise DeploymentError(f"there is no contract at {hub} on chain {chain_id} at block {block.number}")
        first = first or code
        if code != first:
            text = f"{rpcs[0].name} and {rpc.name} give other code of the hub at block {block.number}"
            draft.problem(ProblemKind.CHAIN, f"the endpoints contradict each other: {text}")
        try:
            for text in await code_problems(rpc, hub, block=block.number, code=code):
                draft.problem(ProblemKind.CODE, text)
        except (DeploymentError, ContractRejected, ChainUnavailable) as error:
            if rpc is rpcs[0] and not isinstance(error, _UNREADABLE):
                raise
            draft.problem(ProblemKind.CODE, f"the hub's code can't be compared: {error}")
    return first


async def read_agreed(
    rpcs: Sequence[Rpc], hub: str, block: Block, events: Sequence[ReadEvent], draft: ReportDraft
) -> tuple[PinnedHub, Holes, list[AdminEvent]]:
    """Compare the history with the hub's own counts and heads; return what is missing, and what can be supplied."""
    of_first = Hub(rpcs[0], hub)
    try:
        pinned = await read_pinned(of_first, block.number)
        await _check_agreement(rpcs, hub, block, pinned, draft)
        holes = find_holes([each.event for each in events], pinned)
        draft.problems += holes.problems
        missing = [(feed_id, number) for feed_id, numbers in holes.rounds.items() for number in numbers]
        pinned = replace(pinned, rounds=await read_rounds(of_first, missing, block.number))
        return pinned, holes, await supplied(of_first, holes, pinned, block.number)
    except _UNREADABLE as error:
        draft.problem(
            ProblemKind.STORAGE, f"the hub's state can't be read, so nothing shows that the history is whole: {error}"
        )
        return PinnedHub(), Holes(), []


async def _check_agreement(rpcs: Sequence[Rpc], hub: str, block: Block, pinned: PinnedHub, draft: ReportDraft) -> None:
    """Check that the further endpoints give the same state of the hub as the first one."""
    for rpc in rpcs[1:]:
        try:
            if await read_pinned(Hub(rpc, hub), block.number) != pinned:
                text = f"{rpcs[0].name} and {rpc.name} give other states of the hub at block {block.number}"
                draft.problem(ProblemKind.CHAIN, f"the endpoints contradict each other: {text}")
        except _UNREADABLE as error:
            draft.problem(ProblemKind.NODE, f"{rpc.name} does not give the hub's state: {error}")
