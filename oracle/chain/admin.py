"""Administration of feeds and committees: the calls that their admin and guardian make.

Changes are proposed in the open, take effect after the hub's delay at the earliest, and expire; pauses, cancellations
and rollbacks take effect at once. Nothing here can set an answer: the hub has no such function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oracle.chain.addresses import require_address
from oracle.chain.deploy import Deployment
from oracle.chain.hub import hub_interface
from oracle.chain.tx.call import Call
from oracle.config.committees import reporters_problems, unreachable
from oracle.config.network import too_few
from oracle.core.errors import ConfigError, DataError


def feed_id(deployment: Deployment, name: str) -> bytes:
    """Return the id of a deployed feed. Raises: ConfigError."""
    return deployment.feed(name).feed_id


def committee_number(deployment: Deployment, name: str) -> int:
    """Return the number of a deployed committee. Raises: ConfigError."""
    try:
        return deployment.committees[name].number
    except KeyError:
        known = ", ".join(sorted(deployment.committees)) or "none"
        raise ConfigError(f"no committee {name!r} is deployed; the deployment has: {known}") from None


def only_committee(deployment: Deployment) -> str:
    """Return the name of the committee that is meant if nobody names one. Raises: ConfigError."""
    if len(deployment.committees) != 1:
        known = ", ".join(sorted(deployment.committees)) or "none"
        raise ConfigError(f"the deployment has several committees: name one with --committee, of {known}")
    return next(iter(deployment.committees))


def call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    """Return the call of an administrative action on a feed.

    Args:
        deployment: Has the hub and its feeds.
        name: The feed's name.
        action: A function of the hub that takes a feed, for instance "proposeModel".
        arguments: The function's further arguments.

    Raises:
        ConfigError: There is no such feed.
    """
    return _call(deployment, name, action, feed_id(deployment, name), *arguments)


def committee_call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    """Return the call of an administrative action on a committee.

    Args:
        deployment: Has the hub and its committees.
        name: The committee's name.
        action: A function of the hub that takes a committee, for instance "proposeReporters".
        arguments: The function's further arguments.

    Raises:
        ConfigError: There is no such committee.
    """
    return _call(deployment, name, action, committee_number(deployment, name), *arguments)


def role_call(deployment: Deployment, action: str, *arguments: Any) -> Call:
    """Return the call of an action on the hub's roles.

    Args:
        deployment: Has the hub.
        action: A function of the hub, for instance "beginDefaultAdminTransfer".
        arguments: The function's arguments.
    """
    told = ", ".join(str(each) for each in arguments if not isinstance(each, bytes))
    return Call(f"{action}({told})", deployment.hub, hub_interface().encode_call(action, *arguments), hub_interface())


def _call(deployment: Deployment, name: str, action: str, *arguments: Any) -> Call:
    data = hub_interface().encode_call(action, *arguments)
    told = ", ".join([name, *(str(each) for each in arguments[1:])])
    return Call(f"{action}({told})", deployment.hub, data, hub_interface())


def reporters_of(
    addresses: tuple[str, ...], quorum: int, members: Sequence[str] = (), faulty: int = 0
) -> tuple[list[str], int]:
    """Return proposed reporters as the hub takes them.

    Args:
        addresses: All reporters that the committee is to have.
        quorum: How many of them must have an answer for a feed.
        members: The addresses of those who sign with each other in a network; none: a process signs alone.
        faulty: How many members of the network may be silent or lie at once.

    Raises:
        ConfigError: One is not an address.
        DataError: The hub would refuse them, or no report would reach the quorum, or liars could be the majority of it.
    """
    found = tuple(require_address(each, "REPORTER") for each in addresses)
    problems = [f"'{'.'.join(where)}' {what}" for where, what in reporters_problems(found, len(found), quorum)]
    if not members:
        problems += [problem] if (problem := unreachable(1, quorum)) else []
    else:
        unknown = [each for each in found if each not in members]
        if quorum > len(found) - len(unknown):
            problems.append(
                f"only {len(found) - len(unknown)} of them are in [[network.members]], the quorum is {quorum}: first "
                f"name {', '.join(unknown)} there, in the files of all members"
            )
        if problem := too_few(quorum, faulty):
            problems.append(problem)
        if quorum <= len(found) < quorum + faulty:
            problems.append(
                f"they are {len(found)}: while {faulty} of them are silent ([network] faulty), {quorum} don't answer"
            )
    if problems:
        raise DataError("; ".join(problems))
    return list(found), quorum
