"""What the admin and the guardian of a hub do to one of its feeds; and how any call of an admin's is sent.

Changes of a feed are proposed in the open and take effect after the hub's delay; pauses, cancellations and rollbacks at
once. Nothing here can set an answer: the hub has no such function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.chain.abi.interface import Interface
from oracle.chain.hub import Hub, Proposals, ShadowTally, hub_interface
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ConfigError, ContractRejected, DataError

if TYPE_CHECKING:
    from oracle.chain.deploy import Deployment
    from oracle.chain.keys.signer import AnyKey
    from oracle.chain.rpc import Rpc
    from oracle.chain.transport.answers import Receipt

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract, for whoever signs it.

    Attributes:
        what: In words.
        to: The contract.
        data: Calldata.
        interface: The contract's, which puts its refusal in words.
    """

    what: str
    to: str
    data: bytes
    interface: Interface


@dataclass(frozen=True, slots=True)
class FeedTerms:
    """A feed as its admin sees it. Times are unix seconds.

    Attributes:
        name: In the configuration.
        model: Number of the active model.
        paused: By the guardian.
        reporters: Who may sign.
        quorum: How many of them have to.
        change_delay: Seconds from a proposal to its activation.
        proposals: What is proposed.
        shadow: What the proposed model has shown so far; None if none is proposed.
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
    """The id of a deployed feed. Raises: ConfigError."""
    try:
        return deployment.feeds[name].feed_id
    except KeyError:
        known = ", ".join(sorted(deployment.feeds)) or "none"
        raise ConfigError(f"no feed {name!r} is deployed; the deployment has: {known}") from None


async def terms(rpc: Rpc, deployment: Deployment, name: str) -> FeedTerms:
    """What a feed is, and what is proposed for it."""
    hub, of = Hub(rpc, deployment.hub), feed_id(deployment, name)
    state, config = await hub.feed_state(of), await hub.fresh_feed_config(of)
    return FeedTerms(
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
    """The call of an action.

    Args:
        deployment: With the hub and its feeds.
        name: Of the feed.
        action: One of the hub's administrative functions that take a feed, for instance "proposeModel".
        arguments: What it takes beside the feed.

    Raises:
        ConfigError: There is no such feed.
    """
    data = hub_interface().encode_call(action, feed_id(deployment, name), *arguments)
    told = ", ".join([name, *(str(each) for each in arguments)])
    return Call(f"{action}({told})", deployment.hub, data, hub_interface())


def reporters_of(addresses: tuple[str, ...], quorum: int) -> tuple[list[str], int]:
    """Proposed reporters, as the hub takes them.

    Raises:
        DataError: An address is twice in it, or the quorum is not among them.
    """
    from oracle.chain.addresses import require_address

    found = [require_address(each, "REPORTER") for each in addresses]
    if len(set(found)) != len(found):
        raise DataError("a reporter is named twice")
    if not 1 <= quorum <= len(found):
        raise DataError(f"a quorum of {quorum} of {len(found)} reporters: it is from 1 to their number")
    return found, quorum


async def send(rpc: Rpc, account: AnyKey, wanted: Call, deadline_s: float = 120.0) -> Receipt:
    """Simulate, sign and send a call, and wait until it is mined.

    Raises:
        ContractRejected: The contract refuses it, and why; also if the account has no say.
        TransactionPending: It is not mined by the deadline.
        ChainUnavailable: No answer.
    """
    sender = Sender(rpc, account)
    try:
        transaction = await sender.sign(wanted.to, wanted.data, wanted.interface.decode_error)
    except ContractRejected as error:
        hint = (
            f"; {sender.address} signs, see --keystore and --calldata"
            if error.name == "AccessControlUnauthorizedAccount"
            else ""
        )
        raise ContractRejected(f"{wanted.what}: {error}{hint}", error.name) from error
    await sender.broadcast(transaction)
    receipt = await sender.wait(transaction.tx_hash, deadline_s)
    if not receipt.succeeded:
        raise ContractRejected(
            f"{wanted.what}: it reverted, with {receipt.gas_used:,} gas used; look again with `show`"
        )
    return receipt


def lines(found: FeedTerms, clock: Clock = time.time) -> Mapping[str, str]:
    """For people: what by its name."""
    now, proposed, shadow = clock(), found.proposals, found.shadow
    told = {
        "feed": f"{found.name} (0x{found.feed_id.hex()}) of hub {found.hub}",
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
