"""The doctor's findings about a network of reporters: members, their terms, their clocks, and the hub's committee."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oracle.app.checks import Check, Level
from oracle.app.keys import address_of, known_address
from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Committee, Hub
from oracle.chain.reach import own_problem
from oracle.chain.rpc import LOCAL_CHAIN_IDS
from oracle.config import Config, MemberConfig, NetworkConfig, too_few
from oracle.core.errors import ConfigError, KeystoreError, OracleError
from oracle.network.asking import AskedMember, ask_members, trusted
from oracle.network.terms import fingerprint

__all__ = ["OnChain", "compared", "network_checks", "own_checks", "own_member"]

_TERMS = "turn_s, clock_bound_s, faulty, or the members' reporter, transmits, since and until"
_SAME = "make [network] and [[network.members]] equal in the files of all members, but for names, URLs and own settings"
_CLOCK = "set it by NTP (chrony, systemd-timesyncd), or agree on a longer clock_bound_s"


@dataclass(frozen=True, slots=True)
class OnChain:
    """The committee as the hub has it.

    Attributes:
        hub: The hub's address.
        committee: The committee.
        head_at: Time of the chain's latest block, unix seconds.
        read_at: When that block was read, by the own clock.
    """

    hub: str
    committee: Committee
    head_at: int
    read_at: float


async def network_checks(
    config: Config, env: Mapping[str, str] | None = None, clock: Callable[[], float] = time.time
) -> list[Check]:
    """Compare this node's configuration with the hub's committee, and with what the other members say.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        clock: Unix seconds.

    Returns:
        The findings; none without a network.
    """
    network = config.network
    if network is None:
        return []
    try:
        authorities = trusted(network.ca_file)
    except ConfigError as error:
        return [Check("network", ok=False, detail=str(error), remedy="correct [network] ca_file")]
    own, found = await _own(config, os.environ if env is None else env)
    chain = await _on_chain(config, network, clock)
    asked = await ask_members(
        network.members, timeout_s=network.request_timeout_s, authorities=authorities, clock=clock
    )
    return [*found, *compared(config, network, own, asked, chain)]


async def _own(config: Config, env: Mapping[str, str]) -> tuple[str | None, list[Check]]:
    """Return the address of this node's key, None if it is not here; and the findings about it."""
    try:
        own = known_address(config.keys.reporter)  # most keys tell it without a chain, which may not answer
        if own is None:
            async with connect(config.chain) as rpc:
                own = await address_of(config.keys.reporter, rpc, env)
    except KeystoreError as error:
        return None, [Check("network", ok=False, detail=str(error), remedy="see docs/operations.md, Keys")]
    except OracleError:
        return None, []  # the chain does not answer: that has a finding of its own
    return own, own_checks(config, own)


async def _on_chain(config: Config, network: NetworkConfig, clock: Callable[[], float]) -> OnChain | None:
    """Return the committee as the hub has it; None if it can't be read, for which there are other findings."""
    if not config.chain.deployment.exists():
        return None
    try:
        deployment = load_deployment(config.chain.deployment)
        place = deployment.committees.get(network.committee)
        if place is None:
            return None
        async with connect(config.chain) as rpc:
            committee = await Hub(rpc, deployment.hub).committee(place.number)
            block = await rpc.block()
    except OracleError:
        return None
    return OnChain(deployment.hub, committee, block.timestamp, clock())


def own_member(config: Config) -> MemberConfig | None:
    """Return the member that this node is, as far as its files tell; None without a network, or if they don't.

    Raises:
        ConfigError: Its key is not a member's.
    """
    own = known_address(config.keys.reporter)
    if config.network is None or own is None:
        return None
    if problem := own_problem(config, own):
        raise ConfigError(problem)
    return config.network.member(own)


def own_checks(config: Config, own: str) -> list[Check]:
    """Check what the members' list says of this node.

    Args:
        own: The address of its reporter key.
    """
    network = config.network
    assert network is not None
    if problem := own_problem(config, own):
        return [Check("network", ok=False, detail=problem, remedy="correct [keys] reporter or [[network.members]]")]
    member = network.member(own)
    assert member is not None
    quorum, count = config.committee(network.committee).quorum, len(network.members)
    if member.transmits and not network.is_transmitter:
        detail = f'{member.name} takes turns (transmits), but [network] roles has no "transmitter": they pass unused'
        remedy = "add the role; or write 'transmits = false' for it in the files of all members"
        return [Check("network", ok=False, level="warning", detail=detail, remedy=remedy)]
    if not network.is_reporter:
        detail = f'{member.name} gives no answers: [network] roles has no "reporter", so one member less is left'
        return [Check("network", ok=False, level="warning", detail=detail, remedy="add the role")]
    detail = (
        f"{member.name}, one of {count} members; quorum {quorum}, {network.faulty} may be silent or lie; turns of "
        f"{network.turn_s} s"
    )
    found = [Check("network", ok=True, detail=detail)]
    spare = len(network.believed) - quorum
    if network.ignore and spare < network.faulty:
        ignored = ", ".join(each.name for each in network.members if each.reporter in network.ignore)
        told = (
            f"without {ignored} ([network] ignore), {spare} of the others may be silent in this node's turns, not "
            f"{network.faulty}"
        )
        remedy = "call the operator, or have the committee changed: ignoring a member is no state to stay in"
        found.append(Check("network ignore", ok=False, level="warning", detail=told, remedy=remedy))
    loose = [feed.name for feed in config.feeds if not feed.max_spread]
    if loose and count > 1:
        told = f"{', '.join(loose)}: answers may be any distance apart, so no member's can be left out as too far off"
        remedy = "set max_spread before the feed is deployed, in thousandths of sigma: 3_000 is three sigmas"
        found.append(Check("network spread", ok=False, level="warning", detail=told, remedy=remedy))
    return found


def compared(
    config: Config, network: NetworkConfig, own: str | None, asked: Sequence[AskedMember], chain: OnChain | None
) -> list[Check]:
    """Compare what the members say with this configuration, the hub and the clock.

    Args:
        own: The address of this node's reporter key; None: it is not known here.
        asked: What each member says.
        chain: The hub's committee; None: nothing is deployed, or it can't be read.
    """
    told = [_member(config, each, own, chain) for each in asked]
    alike = [each for each, check in zip(asked, told, strict=True) if each.status is not None and check.ok]
    return [
        *([] if chain is None else [_committee(network, chain)]),
        *told,
        *([] if chain is None else _terms(config, network, own, alike, chain)),
        *_clocks(network, own, [each for each in asked if each.status is not None], config, chain),
    ]


def _committee(network: NetworkConfig, chain: OnChain) -> Check:
    """Compare the members with the reporters that the hub has. While members change, the two differ for a time."""
    committee = chain.committee
    found: list[tuple[Level, str, str]] = []
    if problem := too_few(committee.quorum, network.faulty):
        remedy = "propose more reporters and a higher quorum, or lower [network] faulty in the files of all members"
        found.append(("error", f"on the hub, {problem}", remedy))
    answering = [each for each in network.believed if each.reporter in committee.reporters]
    if committee.quorum > len(answering) - network.faulty:
        detail = (
            f"the hub's quorum is {committee.quorum}, and {len(answering)} of its reporters are members: with "
            f"{network.faulty} of them silent, no report is accepted"
        )
        remedy = "name all of the hub's reporters in [[network.members]], or propose other reporters"
        found.append(("warning" if committee.quorum <= len(answering) else "error", detail, remedy))
    known = (*committee.reporters, *committee.proposed)
    lone = [f"{each.name} ({each.reporter})" for each in network.members if each.reporter not in known]
    if lone:
        detail = f"the hub refuses the signatures of {', '.join(lone)}: not among its reporters, and not proposed"
        remedy = "propose them with `oracle committee propose-reporters`, or take them out of [[network.members]]"
        found.append(("warning", detail, remedy))
    strange = [each for each in committee.reporters if network.member(each) is None]
    if strange:
        detail = f"the hub's {', '.join(strange)} {'is' if len(strange) == 1 else 'are'} not in [[network.members]]"
        remedy = "name all of the hub's reporters in [[network.members]], or propose reporters without them"
        found.append(("warning", detail, remedy))
    return Check(
        "network committee",
        ok=not found,
        level="error" if not found or any(level == "error" for level, _, _ in found) else "warning",
        where=f"number {committee.number}, epoch {committee.epoch}",
        detail="; ".join(detail for _, detail, _ in found)
        or f"its {len(committee.reporters)} reporters are the members; quorum {committee.quorum}",
        remedy="; ".join(dict.fromkeys(remedy for _, _, remedy in found)),
    )


def _member(config: Config, asked: AskedMember, own: str | None, chain: OnChain | None) -> Check:
    """Check that a member is who the list says, and reports to the same hub."""
    member, status = asked.member, asked.status
    what, is_own = f"member {member.name}", member.reporter == own
    if status is None:
        return Check(
            what,
            ok=is_own and asked.is_silent,
            level="info" if is_own and asked.is_silent else "warning" if asked.is_silent else "error",
            where=member.url,
            detail=f"this node, which {asked.problem}" if is_own else asked.problem,
            remedy="start it, or look at the way to it: name, port, firewall" if asked.is_silent else "correct its url",
        )
    wrong = [] if status.reporter == member.reporter else [_named(config, status.reporter, member)]
    if status.chain_id != config.chain.chain_id:
        wrong.append(f"reports to chain {status.chain_id}, not {config.chain.chain_id}")
    elif chain is not None and status.hub.lower() != chain.hub.lower():
        wrong.append(f"reports to the hub {status.hub}, not {chain.hub}")
    elif chain is not None and status.committee != chain.committee.number:
        wrong.append(f"signs for committee number {status.committee}, not {chain.committee.number}")
    if wrong:
        remedy = "use the same deployment file in all members, and the right url and reporter of each"
        return Check(what, ok=False, where=member.url, detail="; ".join(wrong), remedy=remedy)
    if chain is not None and status.epoch and status.epoch != chain.committee.epoch:
        detail = f"sees epoch {status.epoch} of the committee, this node epoch {chain.committee.epoch}"
        remedy = "wait for a block; if it stays so, one of the two has an RPC endpoint that is behind"
        return Check(
            what, ok=False, level="warning", version=status.version, where=member.url, detail=detail, remedy=remedy
        )
    detail = f"{'this node; ' if is_own else ''}{' and '.join(status.roles)}, turn {status.turn}"
    return Check(what, ok=True, version=status.version, where=member.url, detail=detail)


def _named(config: Config, reporter: str, asked: MemberConfig) -> str:
    """Say whose key it is that answers at another member's URL."""
    network = config.network
    assert network is not None
    owner = network.member(reporter)
    of = "no member" if owner is None else f"the member {owner.name}"
    return f"{reporter} answers, which is the key of {of}; the list says {asked.reporter}"


def _terms(
    config: Config, network: NetworkConfig, own: str | None, asked: Sequence[AskedMember], chain: OnChain
) -> Iterator[Check]:
    """Say which members have other terms. They do not agree on whose turn it is, or how many may be faulty."""
    ours = fingerprint(config.chain.chain_id, chain.hub, chain.committee.number, network)
    having: dict[bytes, list[str]] = defaultdict(list)
    for each in asked:
        if each.status is not None and each.member.reporter != own:
            having[each.status.terms].append(each.member.name)
        elif each.status is not None and each.status.terms != ours:
            detail = f"this node runs with other terms than this file has now: {_TERMS}"
            yield Check("terms here", ok=False, level="warning", detail=detail, remedy="restart it")
    same = having.pop(ours, [])
    if not having:
        if same:
            yield Check("network terms", ok=True, where=_short(ours), detail=f"{_list(same)} {_have(same)} them")
        return
    largest = max(having.values(), key=len)
    if len(largest) > len(same) + 1:
        detail = f"{_list(largest)} {_have(largest)} the same terms, and this file others: {_TERMS}"
    else:
        others = [name for names in having.values() for name in names]
        detail = f"{_list(others)} {_have(others)} other terms than this file: {_TERMS}"
        detail += f"; {_list(same)} {_have(same)} this file's" if same else ""
    yield Check("network terms", ok=False, where=_short(ours), detail=detail, remedy=_SAME)


def _clocks(
    network: NetworkConfig, own: str | None, asked: Sequence[AskedMember], config: Config, chain: OnChain | None
) -> Iterator[Check]:
    """Say whose clock is off for sure: an answer's way takes time, for which nobody is blamed."""
    others = [each for each in asked if each.member.reporter != own]
    bound, what = network.clock_bound_s, "network clock"
    ahead = [each for each in others if each.ahead[0] > bound]
    behind = [each for each in others if each.ahead[1] < -bound]
    is_own_off = False
    for off, direction in ((ahead, "behind"), (behind, "ahead of")):
        if len(off) > 1 and 2 * len(off) > len(others):
            is_own_off = True
            names = _list([each.member.name for each in off])
            detail = f"this machine's is {_seconds(off)} s {direction} {names}'s; {bound:g} s are allowed"
            yield Check(what, ok=False, detail=detail, remedy=_CLOCK)
    for off, direction in ((ahead, "ahead of"), (behind, "behind")):
        for each in () if is_own_off else off:
            detail = f"{each.member.name}'s is {_seconds([each])} s {direction} this machine's; {bound:g} s are allowed"
            yield Check(f"clock of {each.member.name}", ok=False, where=each.member.url, detail=detail, remedy=_CLOCK)
    if chain is not None and (early := chain.head_at - chain.read_at) > bound:
        is_own_off = True
        detail = f"the chain's latest block is {early:.1f} s ahead of this machine's clock; {bound:g} s are allowed"
        # A local chain's time can be moved, and runs ahead by itself when it makes several blocks in a second.
        level: Level = "warning" if config.chain.chain_id in LOCAL_CHAIN_IDS else "error"
        yield Check("clock of the chain", ok=False, level=level, detail=detail, remedy=_CLOCK)
    if others and not (is_own_off or ahead or behind):
        worst = max((abs(sum(each.ahead) / 2) for each in others), default=0.0)
        detail = f"at most {worst:.1f} s from those of {len(others)} others; {bound:g} s are allowed"
        yield Check(what, ok=True, detail=detail)


def _seconds(off: Sequence[AskedMember]) -> str:
    middles = sorted(abs(sum(each.ahead) / 2) for each in off)
    return f"{middles[len(middles) // 2]:.1f}"


def _short(terms: bytes) -> str:
    return f"0x{terms.hex()[:16]}…"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
