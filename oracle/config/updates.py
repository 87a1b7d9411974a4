"""The table [updates]: where reports of pulled feeds are served, and to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from oracle.config.callers import CallerConfig, callers_problems
from oracle.config.feeds import FeedConfig
from oracle.config.listen import ListenAddress, host_and_port, is_local
from oracle.core.settings import ConfigPath, Problem, Section, wrong_each

__all__ = ["UpdatesConfig", "updates_problems"]


class UpdatesConfig(Section):
    """The server of `GET /v1/update/FEED`, for feeds in the mode "pull".

    Attributes:
        listen: Host and port, not those of another table. None: no feed can be pulled.
        callers: Who may ask. Empty: anyone. A private model needs them, for each verdict tells something of it.
        max_per_minute: How often each caller may ask in a minute; without callers, each address.
        tls_certificate: PEM file of the certificate, with its chain. It is read again when it changes.
        tls_key: PEM file of the certificate's key, not encrypted, and not readable by everybody.
        max_connections: The most connections at once; further ones are refused.
    """

    listen: ListenAddress | None = None
    callers: tuple[CallerConfig, ...] = ()
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] = 120
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems: list[Problem] = []
        if (self.tls_certificate is None) != (self.tls_key is None):
            problems.append(((), "'tls_certificate' and 'tls_key' go together"))
        problems += callers_problems(self.callers)
        if self.callers and self.listen is not None and not (is_local(self.listen) or self.tls_certificate):
            problems.append(
                (
                    ("callers",),
                    f"their tokens could be read on their way to {self.listen}: add 'tls_certificate' and 'tls_key', "
                    "or listen on 127.0.0.1",
                )
            )
        if problems:
            raise wrong_each(problems)
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of `listen`; None if there is none."""
        return host_and_port(self.listen)


def updates_problems(
    updates: UpdatesConfig, feeds: Sequence[FeedConfig], *, transmits: bool, is_private: bool
) -> Iterator[Problem]:
    """Find what does not fit between [updates] and the feeds that are pulled.

    Args:
        updates: The table.
        feeds: The feeds.
        transmits: True if this node proves.
        is_private: True if its model's weights are private.
    """
    pulled = [index for index, feed in enumerate(feeds) if feed.mode == "pull"]
    for index in pulled:
        if updates.listen is None and transmits:
            yield (
                ("feeds", index, "mode"),
                'is "pull", but nobody could: add [updates] with \'listen = "127.0.0.1:9466"\'',
            )
    if updates.listen is not None and not pulled:
        yield ("updates", "listen"), "nothing is pulled: give a feed 'mode = \"pull\"', or leave [updates] out"
    if pulled and is_private and transmits and not updates.callers:
        yield (
            ("updates", "callers"),
            "the model is private, and each verdict that is served tells something of it: name who may ask, as "
            '[{ name = "desk", token_file = "desk.token" }], or take a public model',
        )
