"""The gas of a network's submissions: real proofs on Anvil, with a quorum of signatures and with all members'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oracle.bench.network.sizes import NetworkSize
from oracle.bench.submissions import opened_rig

__all__ = ["measure_gas"]

JUDGE = "default-private"
"""The model: the default, as a network of operators would keep it."""


async def measure_gas(
    sizes: Sequence[NetworkSize], feeds: Sequence[int], echo: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the gas of a report of each number of feeds, by size of the network.

    Args:
        sizes: The networks.
        feeds: The numbers of feeds in a report; each is a circuit of as many windows.
        echo: Takes lines for people.
    """
    counts = sorted({count for size in sizes for count in (size.quorum, size.members)})
    found: dict[int, dict[int, int]] = {}
    async with opened_rig([(JUDGE, batch) for batch in feeds], max(counts), 1, echo) as (rig, pairs):
        await rig.judge_by(JUDGE, pairs)
        for batch in feeds:
            echo(f"gas of {batch} feeds with {counts[0]} to {counts[-1]} signatures")
            async with rig.proving(JUDGE, batch):
                before, day = rig.chain.snapshot(), rig.day
                measured = await rig.report(JUDGE, pairs[:batch], counts)
                # The next batch begins in the same state: the pairs of a report have to have as many rounds.
                rig.chain.revert(before)
                rig.day = day
            found[batch] = dict(measured.gas)
    return [
        {
            "members": size.members,
            "quorum": size.quorum,
            "feeds": batch,
            "judge": JUDGE,
            "one_signature": found[batch][1],
            "with_quorum": found[batch][size.quorum],
            "with_all": found[batch][size.members],
            "per_feed_with_quorum": round(found[batch][size.quorum] / batch),
            "per_feed_with_all": round(found[batch][size.members] / batch),
        }
        for size in sizes
        for batch in feeds
    ]
