"""The one block at which several endpoints are read, and the endpoints that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Block
from oracle.core.errors import ChainUnavailable, DataError
from oracle.core.formats import to_hex


@dataclass(frozen=True)
class LeftOut:
    """An endpoint that is not read.

    Attributes:
        name: Its name, without secrets.
        reason: The reason, as a clause.
        contradicts: True if it tells something else than the first endpoint; False if it gives no answer.
    """

    name: str
    reason: str
    contradicts: bool


@dataclass(frozen=True)
class PinnedBlock:
    """The block at which everything is read.

    Attributes:
        block: Its header.
        agreeing: The endpoints that have this very block, the first one first.
        left_out: The others.
    """

    block: Block
    agreeing: tuple[Rpc, ...]
    left_out: tuple[LeftOut, ...]


async def pin_block(rpcs: Sequence[Rpc], which: BlockTag) -> PinnedBlock:
    """Choose the block at which all endpoints are read.

    A name, such as "latest", may be another block at each endpoint: the lowest of them is taken. An endpoint of
    another chain than the first one's is left out, and so is one with another block of this number.

    Raises:
        DataError: The chain does not have a block of this number yet.
        ChainUnavailable: No endpoint has the block.
    """
    there: list[tuple[Rpc, int]] = []
    left_out: list[LeftOut] = []
    failure: ChainUnavailable | None = None
    chain: int | None = None
    for rpc in rpcs:
        try:
            chain_id, number = await rpc.chain_id(), (await rpc.block(which)).number
        except ChainUnavailable as error:
            failure = failure or error
            left_out.append(LeftOut(rpc.name, str(error), contradicts=False))
            continue
        chain = chain_id if chain is None else chain
        if chain_id == chain:
            there.append((rpc, number))
        else:
            reason = f"{there[0][0].name} is of chain {chain}, but {rpc.name} of chain {chain_id}"
            left_out.append(LeftOut(rpc.name, reason, contradicts=True))
    if failure is not None and not there:
        if isinstance(which, int):
            await _require_that_it_was(rpcs, which)
        raise failure
    (first, _), *others = there
    block = await first.block(min(number for _, number in there))
    agreeing = [first]
    for rpc, _ in others:
        try:
            found = await rpc.block(block.number)
        except ChainUnavailable as error:
            left_out.append(LeftOut(rpc.name, str(error), contradicts=False))
            continue
        if found.hash == block.hash:
            agreeing.append(rpc)
        else:
            hashes = f"{to_hex(block.hash)} at {first.name}, but {to_hex(found.hash)} at {rpc.name}"
            left_out.append(LeftOut(rpc.name, f"block {block.number} is {hashes}", contradicts=True))
    return PinnedBlock(block, tuple(agreeing), tuple(left_out))


async def _require_that_it_was(rpcs: Sequence[Rpc], number: int) -> None:
    """Raise DataError if an endpoint answers whose latest block comes before this one."""
    for rpc in rpcs:
        try:
            latest = await rpc.block_number()
        except ChainUnavailable:
            continue
        if latest < number:
            raise DataError(f"block {number} is not there yet: the latest at {rpc.name} is {latest}")
