"""Administration of a feed: what its admin and guardian see, and the calls that they make.

Changes of a feed are proposed in the open and take effect after the hub's delay; pauses, cancellations and rollbacks
take effect at once. Nothing here can set an answer: the hub has no such function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.chain.addresses import require_address
from oracle.chain.deploy import Deployment
from oracle.chain.hub import Hub, Proposals, ShadowTally, hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.tx.call import Call
from oracle.core.errors import ConfigError, DataError
from oracle.core.formats import to_hex

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class FeedOverview:
    """A feed as its admin sees it. Times are unix seconds.

    Attributes:
        name: The feed's name in the configuration.
        model: Number of the active model.
        paused: True if the guardian has paused it.
        reporters: The addresses that may sign.
        quorum: How many of them have to sign.
        change_delay: Seconds from a proposal to its activation.
        proposals: The open proposals.
        shadow: The proposed model's tally so far; None if no model is proposed.
    """

    name: str
    feed_id: bytes
    hub: str
    model: int
    paused: bool
    reporters: tuple[str, ...]
    quorum: int
    change_delay: int
    proposals: Proposals
    shadow: ShadowTally | None


def feed_id(deployment: Deployment, name: str) -> bytes:
    """Return the id of a deployed feed. Raises: ConfigError."""
    try:
        return deployment.feeds[name].feed_id
    except KeyError:
        known = ", ".join(sorted(deployment.feeds)) or "none"
        raise ConfigError(f"no feed {name!r} is deployed; the deployment has: {known}") from None


async def overview(rpc: Rpc, deployment: Deployment, name: str) -> FeedOverview:
    """Read a feed and its proposals.

    Raises:
        ConfigError: There is no such feed.
        ChainUnavailable: No answer.
    """
    hub, of = Hub(rpc, deployment.hub), feed_id(deployment, name)
    state, config = await hub.feed_state(of), await hub.fresh_feed_config(of)
    return FeedOverview(
        name=name,
        feed_id=of,
        hub=hub.address,
        model=state.model_number,
        paused=state.paused,
        reporters=await hub.reporters(of),
        quorum=config.quorum,
        change_delay=await hub.read("changeDelay"),
        proposals=await hub.proposals(of),
        shadow=await hub.shadow(of),
    )


def call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    """Return the call of an administrative action.

    Args:
        deployment: Has the hub and its feeds.
        name: The feed's name.
        action: A function of the hub that takes a feed, for instance "proposeModel".
        arguments: The function's further arguments.

    Raises:
        ConfigError: There is no such feed.
    """
    data = hub_interface().encode_call(action, feed_id(deployment, name), *arguments)
    told = ", ".join([name, *(str(each) for each in arguments)])
    return Call(f"{action}({told})", deployment.hub, data, hub_interface())


def reporters_of(addresses: tuple[str, ...], quorum: int) -> tuple[list[str], int]:
    """Return proposed reporters as the hub takes them.

    Raises:
        ConfigError: One is not an address.
        DataError: An address is there twice, or the quorum is larger than the number of reporters.
    """
    found = [require_address(each, "REPORTER") for each in addresses]
    if len(set(found)) != len(found):
        raise DataError("a reporter is named twice")
    if not 1 <= quorum <= len(found):
        raise DataError(f"a quorum of {quorum} of {len(found)} reporters: it is from 1 to their number")
    return found, quorum


def lines(found: FeedOverview, clock: Clock = time.time) -> Mapping[str, str]:
    """Return the overview as lines of text by their labels."""
    now, proposed, shadow = clock(), found.proposals, found.shadow
    told = {
        "feed": f"{found.name} ({to_hex(found.feed_id)}) of hub {found.hub}",
        "model": f"{found.model}" + (f", before it {proposed.previous_model}" if proposed.previous_model else ""),
        "reporters": f"{found.quorum} of {len(found.reporters)}: {', '.join(found.reporters)}",
        "paused": "yes" if found.paused else "no",
        "change delay": f"{found.change_delay:,} s",
    }
    if proposed.model:
        told["proposed model"] = f"{proposed.model}, {_from(proposed.model_from, now)}"
    if shadow is not None and shadow.min_compared:
        told["its shadow"] = (
            f"{shadow.compared} of {shadow.min_compared} reports compared, {shadow.disagreements} verdicts differ, the "
            f"latest scores are {shadow.distance} of at most {shadow.max_distance} thousandths apart"
        )
    if proposed.reporters:
        told["proposed reporters"] = (
            f"{proposed.quorum} of {len(proposed.reporters)}: {', '.join(proposed.reporters)}, "
            f"{_from(proposed.reporters_from, now)}"
        )
    if proposed.unpause_from:
        told["unpause"] = _from(proposed.unpause_from, now)
    return told


def _from(moment: int | None, now: float) -> str:
    if moment is None or moment <= now:
        return "can be activated now"
    return f"can be activated in {moment - now:,.0f} s"
