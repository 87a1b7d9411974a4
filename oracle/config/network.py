"""The table [network]: the members who sign with each other, and what has to be equal in all of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from oracle.config.committees import DEFAULT_COMMITTEE, CommitteeConfig, Name
from oracle.config.feeds import FeedConfig
from oracle.config.listen import ListenAddress
from oracle.core.report import MAX_REPORTERS
from oracle.core.settings import (
    Address,
    ConfigPath,
    Problem,
    Seconds,
    Section,
    WholeSeconds,
    check_url,
    gathered,
    wrong,
    wrong_each,
)

__all__ = ["MemberConfig", "NetworkConfig", "committee_problems", "network_feed_problems", "too_few"]

_PORTS = {"http": 80, "https": 443}

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def _member_url(value: str) -> str:
    parts = urlsplit(check_url(value))
    if parts.query or parts.fragment:
        raise wrong("must be a base URL, without a query; write it as https://alpha.example:9470")
    if parts.username is not None or parts.password is not None:
        raise wrong("has a user or a password in it: members know each other by their signatures, leave it out")
    return value.rstrip("/")


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise wrong("needs an offset, so that it is the same moment for all members; write it as 2027-01-01T00:00:00Z")
    if value.microsecond:
        raise wrong("must be a whole second")
    return value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_moment)]
"""A moment in whole seconds, in UTC."""


class MemberConfig(Section):
    """A member of the network: an organisation with a reporter key, and where it is asked.

    Attributes:
        name: The member's name here, in messages and figures. Each operator may choose other names.
        reporter: Address of the key that signs its reports.
        url: Base URL at which it is asked. Its answers are signed: plain http can be delayed or cut, but not forged.
        transmits: True if it takes turns: then it also collects, proves and sends.
        since: The moment from which it takes turns. None: always.
        until: The moment from which it takes none any more. None: never.
    """

    name: Name
    reporter: Address
    url: Annotated[str, AfterValidator(_member_url)]
    transmits: bool = True
    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise wrong(f"'since' ({self.since:{_TIME}}) is not before 'until' ({self.until:{_TIME}})")
        return self

    @property
    def since_s(self) -> int | None:
        """The moment `since` in unix seconds."""
        return None if self.since is None else int(self.since.timestamp())

    @property
    def until_s(self) -> int | None:
        """The moment `until` in unix seconds."""
        return None if self.until is None else int(self.until.timestamp())

    @property
    def origin(self) -> tuple[str, str, int | None, str]:
        """The place that the URL names: two URLs of one place are equal here, however they are written."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme), parts.path


class NetworkConfig(Section):
    """A network of reporters: each signs what its own sources say, and in its turn one collects, proves and sends.

    `turn_s`, `clock_bound_s`, `faulty` and the members' addresses, `transmits`, `since` and `until` have to be equal
    in the files of all members. Whose turn it is follows from them, so members with other terms refuse each other's
    requests in turns that they count differently. The rest is each operator's own.

    Attributes:
        committee: Name of the committee that the members sign for. Default: the only one that there is.
        listen: Host and port at which the other members ask this one.
        roles: What this node does. "reporter": it answers with signed reports; alone, it needs no prover and no ether.
            "transmitter": in its turn it collects, proves and sends.
        turn_s: Seconds of a turn. A feed gets at most one report in a turn.
        clock_bound_s: Seconds by which two members' clocks differ at most.
        faulty: How many members may be silent or lie at once.
        grace_ms: How long a transmitter waits for further answers when it has a quorum, in milliseconds. None: half as
            long as the quorum took, and 50 at least.
        request_timeout_s: Seconds that a member may take for an answer. Default: 5, or half a turn if that is less.
        ignore: Addresses of members that this node neither asks nor believes.
        tls_certificate: PEM file of the certificate for `listen`, with its chain. It is read again when it changes.
        tls_key: PEM file of the certificate's key, not encrypted, and not readable by everybody.
        ca_file: PEM file of the authorities that are trusted for members' https URLs. None: the system's.
        max_connections: The most connections at once; further ones are refused.
        members: All members, this one included.
    """

    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        ("quorum", "reporters"), "it belongs to the committee: see [[committees]]"
    )

    committee: Name = DEFAULT_COMMITTEE
    listen: ListenAddress
    roles: Annotated[tuple[Literal["reporter", "transmitter"], ...], Field(min_length=1)] = ("reporter", "transmitter")
    turn_s: Annotated[WholeSeconds, Field(ge=2, le=86_400)] = 60
    clock_bound_s: Annotated[Seconds, Field(le=3_600)] = 2.0
    faulty: Annotated[int, Field(ge=0, le=MAX_REPORTERS)]
    grace_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None
    request_timeout_s: Seconds = Field(default_factory=lambda read: min(5.0, read.get("turn_s", 60) / 2))
    ignore: tuple[Address, ...] = ()
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    ca_file: ConfigPath | None = None
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 128
    members: Annotated[tuple[MemberConfig, ...], Field(min_length=1, max_length=MAX_REPORTERS)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = gathered(self._member_problems(), self._time_problems(), self._own_problems())
        if problems:
            raise wrong_each(problems)
        return self

    @property
    def is_reporter(self) -> bool:
        """True if this node answers requests with reports of its own."""
        return "reporter" in self.roles

    @property
    def is_transmitter(self) -> bool:
        """True if this node proves and sends in its turn."""
        return "transmitter" in self.roles

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def believed(self) -> tuple[MemberConfig, ...]:
        """The members that this node does not ignore."""
        return tuple(each for each in self.members if each.reporter not in self.ignore)

    def member(self, reporter: str) -> MemberConfig | None:
        """Return the member with this reporter key; None if there is none."""
        return next((each for each in self.members if each.reporter == reporter), None)

    def _member_problems(self) -> Iterator[Problem]:
        for key, what in (("name", "name"), ("reporter", "key"), ("origin", "URL")):
            seen: dict[object, int] = {}
            for index, each in enumerate(self.members):
                value = getattr(each, key)
                if value in seen:
                    shown = each.url if key == "origin" else value
                    yield (
                        ("members", index, "url" if key == "origin" else key),
                        f"members[{seen[value]}] ({self.members[seen[value]].name}) has the same {what}, {shown}: "
                        "each member has one of its own",
                    )
                seen.setdefault(value, index)
        count = len(self.members)
        if count < 3 * self.faulty + 1:
            yield (
                ("faulty",),
                f"is {self.faulty}, but there are {count} members: fewer than a third may be silent or lie, so it is "
                f"{(count - 1) // 3} at most, or {3 * self.faulty + 1} members are needed",
            )
        addresses = {each.reporter for each in self.members}
        for index, address in enumerate(self.ignore):
            if address not in addresses:
                yield ("ignore", index), f"{address} is not the reporter of a member"
        yield from _turn_gaps(self.members)

    def _time_problems(self) -> Iterator[Problem]:
        # The end of a turn is the guard: a clock bound on each side, and something has to be left between them.
        if self.turn_s <= 2 * self.clock_bound_s + 1:
            yield (
                ("turn_s",),
                f"is {self.turn_s}, but has to be more than twice clock_bound_s ({self.clock_bound_s:g}) and a second: "
                "a shorter turn is over before anything can be sent in it",
            )
        if self.request_timeout_s + (self.grace_ms or 0) / 1_000 >= self.turn_s:
            yield (
                ("request_timeout_s",),
                f"is {self.request_timeout_s:g}, with 'grace_ms' that is not less than a turn of {self.turn_s} seconds",
            )

    def _own_problems(self) -> Iterator[Problem]:
        if len(set(self.roles)) != len(self.roles):
            yield ("roles",), "names a role twice"
        if (self.tls_certificate is None) != (self.tls_key is None):
            yield (), "'tls_certificate' and 'tls_key' go together"


def _turn_gaps(members: Sequence[MemberConfig]) -> Iterator[Problem]:
    """Find the times at which nobody would take turns, but for those before the first `since`: it begins then."""
    spans = sorted(((each.since_s or 0, each.until_s) for each in members if each.transmits), key=lambda span: span[0])
    if not spans:
        yield ("members",), "nobody takes turns: at least one member needs 'transmits = true', the default"
        return
    end: int | None = spans[0][0]
    for since, until in spans:
        if end is None:
            return
        if since > end:
            yield ("members",), f"nobody takes turns from {_shown(end)} to {_shown(since)}"
        end = None if until is None else max(end, until, since)
    if end is not None:
        yield ("members",), f"nobody takes turns from {_shown(end)} on: leave out 'until' of a member that stays"


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def committee_problems(network: NetworkConfig, committee: CommitteeConfig) -> Iterator[Problem]:
    """Find what does not fit between the members and their committee.

    Returns:
        For each problem the key in the committee's table, and a sentence.
    """
    members = {each.reporter for each in network.members}
    if set(committee.reporters) != members:
        other = [f"{each} is no member" for each in committee.reporters if each not in members]
        lone = [f"{each.name} is no reporter" for each in network.members if each.reporter not in committee.reporters]
        yield (
            ("reporters",),
            f"are not those of [[network.members]]: {', '.join((*other, *lone))}. Leave 'reporters' out: they are the "
            "members'",
        )
    quorum, count, faulty = committee.quorum, len(network.members), network.faulty
    if problem := too_few(quorum, faulty):
        yield ("quorum",), problem.removeprefix("the quorum ")
    elif quorum > count - faulty:
        yield (
            ("quorum",),
            f"is {quorum}, but of {count} members only {count - faulty} answer while {faulty} "
            f"{'is' if faulty == 1 else 'are'} silent: no report would be accepted then",
        )
    if quorum > len(network.believed) and network.ignore:
        yield (
            ("quorum",),
            f"is {quorum}, but [network] ignore leaves {len(network.believed)} of {count} members: no report would "
            "ever be accepted",
        )


def too_few(quorum: int, faulty: int) -> str:
    """Return why a quorum does not keep the answer within the honest ones' range; empty if it does."""
    if quorum >= 2 * faulty + 1:
        return ""
    return (
        f"the quorum is {quorum}, but with [network] faulty = {faulty} it has to be at least {2 * faulty + 1}: of "
        "fewer answers, those who lie could be the majority"
    )


def network_feed_problems(network: NetworkConfig, feed: FeedConfig) -> Iterator[Problem]:
    """Find what a feed can't have in a network.

    Returns:
        For each problem the key in the feed's table, and a sentence.
    """
    if feed.max_skew < network.clock_bound_s:
        yield (
            ("max_skew",),
            f"is {feed.max_skew}, but has to be at least [network] clock_bound_s ({network.clock_bound_s:g}): a report "
            "of a member whose clock is ahead would be refused",
        )
    if feed.heartbeat < network.turn_s:
        yield (
            ("heartbeat",),
            f"is {feed.heartbeat}, but a feed gets one report in a turn of {network.turn_s} seconds: lengthen it, or "
            "shorten [network] turn_s for all members",
        )
    for index, source in enumerate(feed.sources):
        if getattr(source, "timestamps", "clock") != "clock":
            yield (
                ("sources", index, "timestamps"),
                "has to be \"clock\", with a number as 'speed': members replay a recording at different moments, and "
                "each would be at another row",
            )
