"""The whole configuration file, as one frozen object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from oracle.config.budget import SpendingConfig
from oracle.config.chain import ChainConfig
from oracle.config.committees import DEFAULT_COMMITTEE, CommitteeConfig, unreachable
from oracle.config.deploy import DeployConfig
from oracle.config.feeds import FeedConfig
from oracle.config.journal import JournalConfig
from oracle.config.keys import KeysConfig
from oracle.config.network import NetworkConfig, committee_problems, network_feed_problems
from oracle.config.prover import ProverConfig
from oracle.config.push import PushConfig
from oracle.config.readings import ReadingsConfig
from oracle.config.updates import UpdatesConfig, updates_problems
from oracle.config.web import WebConfig
from oracle.core.errors import ConfigError
from oracle.core.privacy import privacy_problems
from oracle.core.settings import Problem, Section, gathered, wrong_each
from oracle.sources.push.config import PushSourceConfig

__all__ = ["Config"]


class Config(Section):
    """The whole configuration."""

    chain: ChainConfig
    keys: KeysConfig
    budget: SpendingConfig = Field(default_factory=SpendingConfig)
    prover: ProverConfig = Field(default_factory=ProverConfig)
    journal: JournalConfig
    deploy: DeployConfig = Field(default_factory=DeployConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    push: PushConfig = Field(default_factory=PushConfig)
    readings: ReadingsConfig = Field(default_factory=ReadingsConfig)
    updates: UpdatesConfig = Field(default_factory=UpdatesConfig)
    network: NetworkConfig | None = None
    committees: Annotated[tuple[CommitteeConfig, ...], Field(min_length=1)] = (CommitteeConfig(name=DEFAULT_COMMITTEE),)
    feeds: Annotated[tuple[FeedConfig, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _only_committee(cls, data: object) -> object:
        """Name the committee of feeds and of a network that name none, if there is only one."""
        if not isinstance(data, Mapping):
            return data
        committees, feeds, network = data.get("committees"), data.get("feeds"), data.get("network")
        if not isinstance(committees, tuple) or not isinstance(feeds, tuple) or len(committees) != 1:
            return data
        only = committees[0].get("name") if isinstance(committees[0], Mapping) else None
        if not isinstance(only, str):
            return data
        named: dict[str, object] = {
            "feeds": tuple({"committee": only, **each} if isinstance(each, dict) else each for each in feeds)
        }
        if isinstance(network, dict):
            named["network"] = {"committee": only, **network}
        return {**data, **named}

    @model_validator(mode="after")
    def _members_report(self) -> Self:
        """Take the members for the reporters of their committee, if it names none."""
        network = self.network
        if network is not None:
            reporters = tuple(each.reporter for each in network.members)
            committees = tuple(
                each.model_copy(update={"reporters": reporters})
                if each.name == network.committee and not each.reporters
                else each
                for each in self.committees
            )
            object.__setattr__(self, "committees", committees)  # it is frozen for everybody else
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = gathered(
            self._twice("feeds", "name"),
            self._twice("feeds", "description"),
            self._twice("committees", "name"),
            self._naming_problems(),
            self._committee_problems(),
            self._peer_problems(),
            self._push_problems(),
            self._network_problems(),
            self._listen_problems(),
            self._updates_problems(),
        )
        if problems:
            raise wrong_each(problems)
        return self

    def _twice(self, table: str, key: str) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for index, each in enumerate(getattr(self, table)):
            value = getattr(each, key)
            if value in seen:
                yield (), f"{table}[{seen[value]}] and {table}[{index}] have the same {key} {value!r}"
            seen.setdefault(value, index)

    def _naming_problems(self) -> Iterator[Problem]:
        """Find committees that a feed names and nobody has, and those that no feed names."""
        names = [each.name for each in self.committees]
        for index, feed in enumerate(self.feeds):
            if feed.committee not in names:
                known = ", ".join(map(repr, names))
                yield ("feeds", index, "committee"), f"there is no committee {feed.committee!r}; name one of {known}"
        for index, committee in enumerate(self.committees):
            if not any(feed.committee == committee.name for feed in self.feeds):
                yield ("committees", index), f"no feed names the committee {committee.name!r}"

    def _committee_problems(self) -> Iterator[Problem]:
        signing: dict[tuple[frozenset[str], int], int] = {}
        for index, committee in enumerate(self.committees):
            if self.network is None and (problem := unreachable(1, committee.quorum)):
                yield ("committees", index, "quorum"), problem
            same = (frozenset(committee.reporters), committee.quorum)
            if same in signing:
                yield ("committees", index), f"has reporters and quorum of committees[{signing[same]}]: use that one"
            signing.setdefault(same, index)

    def _network_problems(self) -> Iterator[Problem]:
        network = self.network
        if network is None:
            return
        if not any(map(self._is_networked, self.committees)):
            known = ", ".join(repr(each.name) for each in self.committees)
            told = f"there is no committee {network.committee!r}; name one of {known}"
            yield ("network", "committee"), told
            return
        for index, committee in enumerate(self.committees):
            if self._is_networked(committee):
                for where, problem in committee_problems(network, committee):
                    yield ("committees", index, *where), problem
            else:
                told = f"is not the network's, {network.committee!r}: report its feeds with another process"
                yield ("committees", index), told
        for index, feed in enumerate(self.feeds):
            if feed.committee == network.committee:
                for where, problem in network_feed_problems(network, feed):
                    yield ("feeds", index, *where), problem

    def _listen_problems(self) -> Iterator[Problem]:
        """Find tables that would listen on one port. Port 0 is any free one."""
        taken: list[tuple[str, tuple[str, int]]] = []
        for table in ("web", "push", "readings", "network", "updates"):
            address = getattr(getattr(self, table), "address", None)
            if address is None or not address[1]:
                continue
            for other, (host, port) in taken:
                if port == address[1] and (host == address[0] or {host, address[0]} & {"0.0.0.0", "::"}):
                    yield (table, "listen"), f"[{other}] listens on port {port}, too: choose another one"
            taken.append((table, address))

    def _is_networked(self, committee: CommitteeConfig) -> bool:
        return self.network is not None and self.network.committee == committee.name

    def _peer_problems(self) -> Iterator[Problem]:
        known = {feed.description: feed for feed in self.feeds}
        for index, feed in enumerate(self.feeds):
            for place, description in enumerate(feed.peers):
                where = ("feeds", index, "peers", place)
                peer = known.get(description)
                if peer is None:
                    yield (
                        where,
                        f"no feed has the description {description!r}: a peer is observed here, as it is signed",
                    )
                elif peer.committee != feed.committee:
                    told = f"{description!r} is of committee {peer.committee!r}, this feed is of {feed.committee!r}"
                    yield where, f"{told}: the reporters of a feed sign its peers, too"

    def _push_problems(self) -> Iterator[Problem]:
        for index, feed in enumerate(self.feeds):
            for source in feed.sources:
                if not isinstance(source, PushSourceConfig):
                    continue
                where = f"feeds[{index}] has the push source {source.name!r}"
                if self.push.listen is None:
                    yield (), f"{where}, but nothing listens: add [push] with 'listen = \"127.0.0.1:9465\"'"
                elif source.token_file is not None and not (self.push.is_local or self.push.has_tls):
                    yield (
                        (),
                        f"{where} with a token, which could be read on its way to {self.push.listen}: give [push] a "
                        "'tls_certificate', listen on 127.0.0.1, or use 'key_file'",
                    )

    def _updates_problems(self) -> Iterator[Problem]:
        is_private = self.prover.privacy.visibility == "private"
        transmits = self.network is None or self.network.is_transmitter
        yield from updates_problems(self.updates, self.feeds, transmits=transmits, is_private=is_private)

    def feed(self, name: str) -> FeedConfig:
        """Return the feed of this name.

        Raises:
            ConfigError: There is no such feed.
        """
        for feed in self.feeds:
            if feed.name == name:
                return feed
        names = ", ".join(feed.name for feed in self.feeds)
        raise ConfigError(f"there is no feed {name!r}; configured are: {names}")

    def members_of(self, committee: str) -> tuple[str, ...]:
        """Return the addresses of those who sign for a committee in a network, without ignored ones; () without one."""
        if self.network is None or self.network.committee != committee:
            return ()
        return tuple(each.reporter for each in self.network.believed)

    def committee_of(self, feed: FeedConfig) -> CommitteeConfig:
        """Return the committee of a configured feed."""
        return self.committee(feed.committee)

    def committee(self, name: str) -> CommitteeConfig:
        """Return the committee of this name.

        Raises:
            ConfigError: There is no such committee.
        """
        for committee in self.committees:
            if committee.name == name:
                return committee
        names = ", ".join(committee.name for committee in self.committees)
        raise ConfigError(f"there is no committee {name!r}; configured are: {names}")

    def with_visibility(self, visibility: Literal["private", "public"]) -> Config:
        """Return this configuration with the model's weights private or public.

        Raises:
            ConfigError: The model can't have that visibility, or can't publish what is configured with it.
        """
        changed = self.prover.model_copy(update={"visibility": visibility})
        problems = privacy_problems(own=changed.is_own, visibility=visibility, disclosure=changed.disclosure)
        if problems:
            raise ConfigError("; ".join(f"[prover] {key}: {text}" for key, text in problems.items()))
        return self.model_copy(update={"prover": changed})
