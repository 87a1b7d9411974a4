"""The options of `oracle init`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from oracle.core.errors import ConfigError

LOCAL_RPC = "http://127.0.0.1:8545"

MAX_GAP = 100
"""Heartbeats between two rows, unless another number is given."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""The names of feeds and series."""


@dataclass(frozen=True)
class NetworkOptions:
    """The options of a network.

    Attributes:
        count: How many members it has.
        quorum: How many have to have an answer; None: as many as `faulty` demands.
        faulty: How many may be silent or lie; None: as many as `count` and `quorum` allow.
        host: The host of members without a URL: each gets a port of its own.
        urls: The base URLs of members, by name.
        reporters: The addresses of members that have a key already, by name.
        turn_s: Seconds of a turn; None: a minute, or the shortest heartbeat if that is less.
    """

    count: int
    quorum: int | None = None
    faulty: int | None = None
    host: str = "127.0.0.1"
    urls: tuple[tuple[str, str], ...] = ()
    reporters: tuple[tuple[str, str], ...] = ()
    turn_s: int | None = None

    @property
    def terms(self) -> tuple[int, int]:
        """The quorum, and how many members may be faulty."""
        faulty, quorum = self.faulty, self.quorum
        if faulty is None:
            most = (self.count - 1) // 3
            faulty = most if quorum is None else max(0, min(most, (quorum - 1) // 2, self.count - quorum))
        return 2 * faulty + 1 if quorum is None else quorum, faulty


@dataclass(frozen=True)
class InitOptions:
    """The options of `oracle init`; see `oracle init --help`.

    Attributes:
        folder: The folder to make.
        data: Recordings to learn from, by the name of the feed.
        series: Packaged series to learn from.
        journal: A journal to learn from: its file or PostgreSQL URL.
        feeds: The feeds in the journal.
        peers: By feed, the feeds that it is judged beside; a feed that isn't named has those that are found.
        time_column: Header of the times in the recordings; None: it is found.
        value_columns: Headers of the values; none: they are found.
        kind: The measure of the feeds' moves.
        decimals: Decimals of the feeds' answers.
        max_gap: The most heartbeats between two rows of one recording.
        name: The model's name.
        false_holds_per_10k: How many of 10,000 reports without a fault the model may hold.
        rpc_url: An endpoint of the chain.
        chain_id: The chain's id; None: the endpoint is asked.
        keys: "new" for keys of one's own, "anvil" for those that everybody has; None: the latter on a local chain, and
            new ones elsewhere. The members of a network have keys of their own in any case.
        network: The network, of which each member gets a folder of its own; None: the folder is that of one operator.
    """

    folder: Path
    data: tuple[tuple[str, Path], ...] = ()
    series: tuple[str, ...] = ()
    journal: str | None = None
    feeds: tuple[str, ...] = ()
    peers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    time_column: str | None = None
    value_columns: tuple[str, ...] = ()
    kind: Literal["relative", "absolute"] = "relative"
    decimals: int = 8
    max_gap: int = MAX_GAP
    name: str = "first"
    false_holds_per_10k: Decimal = Decimal(5)
    rpc_url: str = LOCAL_RPC
    chain_id: int | None = None
    keys: Literal["new", "anvil"] | None = None
    network: NetworkOptions | None = None


def named_file(text: str) -> tuple[str, Path]:
    """Return the name and the file that `--data` means: NAME=FILE, or FILE, whose name is then taken.

    Raises:
        ConfigError: The file's name has nothing in it that a name can have.
    """
    name, equals, file = text.partition("=")
    if equals and file and NAME.fullmatch(name):
        return name, Path(file)
    path = Path(text)
    found = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40].strip("-")
    if not found:
        raise ConfigError(f"--data {text}: the file's name is no name of a feed; write it as NAME={text}")
    return found, path


def named_member(option: str, text: str) -> tuple[str, str]:
    """Return the member's name and the value that an option means: NAME=VALUE.

    Raises:
        ConfigError: It has another form.
    """
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        example = "alpha=https://alpha.example:9470" if option == "--url" else "alpha=0x…"
        raise ConfigError(f"{option} {text}: write it as NAME=VALUE, for instance {option} {example}")
    return name, value


def named_peers(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the feed and its peers that `--peer` means: FEED=PEER, FEED=PEER,PEER, or FEED= for none.

    Raises:
        ConfigError: It has another form.
    """
    name, equals, peers = text.partition("=")
    if not equals or not name:
        raise ConfigError(f'--peer {text}: write it as FEED=PEER or FEED=PEER,PEER; "FEED=" for none')
    return name, tuple(each for each in peers.split(",") if each)
