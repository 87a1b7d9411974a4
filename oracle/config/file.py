"""The whole configuration file, as one frozen object."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from oracle.config.chain import ChainConfig
from oracle.config.deploy import DeployConfig
from oracle.config.feeds import FeedConfig
from oracle.config.journal import JournalConfig
from oracle.config.keys import KeysConfig
from oracle.config.prover import ProverConfig
from oracle.config.push import PushConfig
from oracle.config.web import WebConfig
from oracle.core.errors import ConfigError
from oracle.core.settings import Section, wrong
from oracle.sources.push.config import PushSourceConfig

__all__ = ["Config"]


class Config(Section):
    """The whole configuration."""

    chain: ChainConfig
    keys: KeysConfig
    prover: ProverConfig = Field(default_factory=ProverConfig)
    journal: JournalConfig
    deploy: DeployConfig = Field(default_factory=DeployConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    push: PushConfig = Field(default_factory=PushConfig)
    feeds: Annotated[tuple[FeedConfig, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct_feeds(self) -> Self:
        for key in ("name", "description"):
            seen: dict[str, int] = {}
            for index, feed in enumerate(self.feeds):
                value = getattr(feed, key)
                if value in seen:
                    raise wrong(f"feeds[{seen[value]}] and feeds[{index}] have the same {key} {value!r}")
                seen[value] = index
        return self

    @model_validator(mode="after")
    def _pushes_arrive(self) -> Self:
        for index, feed in enumerate(self.feeds):
            for source in feed.sources:
                if not isinstance(source, PushSourceConfig):
                    continue
                where = f"feeds[{index}] has the push source {source.name!r}"
                if self.push.listen is None:
                    raise wrong(f"{where}, but nothing listens: add [push] with 'listen = \"127.0.0.1:9465\"'")
                if source.token_file is not None and not (self.push.is_local or self.push.has_tls):
                    raise wrong(
                        f"{where} with a token, which could be read on its way to {self.push.listen}: give [push] a "
                        "'tls_certificate', listen on 127.0.0.1, or use 'key_file'"
                    )
        return self

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

    def with_visibility(self, visibility: Literal["private", "public"]) -> Config:
        """Return this configuration with the model's weights private or public."""
        return self.model_copy(update={"prover": self.prover.model_copy(update={"visibility": visibility})})
