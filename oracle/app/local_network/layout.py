"""The folders of a local network's members: a configuration, a key and a password for each, as operators have them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oracle.app.member_names import NAMES
from oracle.chain.keys.keystore import import_key
from oracle.chain.local.anvil import Anvil
from oracle.core.errors import DataError

__all__ = ["FeedLayout", "Layout", "MemberPlace", "places", "write_members"]

PASSWORD = "local-network"
_SCRYPT_COST = 2
"""These keys are known to everybody, so that their encryption need not take time."""


@dataclass(frozen=True)
class FeedLayout:
    """A feed of a local network. Its terms are such that each turn makes a round.

    Attributes:
        name: The feed's name.
        sigma: One standard deviation of a move over one heartbeat, in ppm.
        max_spread: The largest move between two answers of a round, in thousandths of sigma.
        changes: Further or other keys of its table.
    """

    name: str
    sigma: int = 10_000
    max_spread: int = 1_000
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A network, as its members agree on it, and the machine that they share.

    Attributes:
        members: How many there are.
        quorum: How many have to answer.
        faulty: How many may lie or be silent.
        transmitters: How many of them prove and send, the first ones; None: all.
        turn_s: The length of a turn.
        clock_bound_s: By how much two clocks may differ at most.
        grace_ms: How long a transmitter waits for the rest once it has a quorum; None: the default.
        request_timeout_s: How long a member may take to answer.
        feeds: The feeds.
        sources: How many sources each member has for each feed.
        poll_interval: Seconds between two looks at them.
        change_delay: Seconds between a proposal to the hub and its activation.
        prover: Further lines of [prover].
        more: Further tables and keys for all configurations; they come last.
    """

    members: int = 4
    quorum: int = 3
    faulty: int = 1
    transmitters: int | None = None
    turn_s: int = 3
    clock_bound_s: float = 0.2
    grace_ms: int | None = 100
    request_timeout_s: float = 1.0
    feeds: tuple[FeedLayout, ...] = (FeedLayout("one"),)
    sources: int = 3
    poll_interval: float = 0.4
    change_delay: int = 0
    prover: str = 'visibility = "public"'
    more: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.members <= len(NAMES):
            raise DataError(f"a local network has 1 to {len(NAMES)} members, not {self.members}")

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names."""
        return NAMES[: self.members]

    def transmits(self, index: int) -> bool:
        """Return whether a member takes turns."""
        return self.transmitters is None or index < self.transmitters


@dataclass(frozen=True)
class MemberPlace:
    """A member's place on this machine.

    Attributes:
        index: Its number, from 0 on.
        name: Its name.
        folder: Its folder, which has `oracle.toml`.
        port: Where it listens for the others.
        address: Its reporter's address, which also pays if it transmits.
    """

    index: int
    name: str
    folder: Path
    port: int
    address: str

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "oracle.toml"

    @property
    def url(self) -> str:
        """Its own URL, past all links."""
        return f"http://127.0.0.1:{self.port}"


def places(layout: Layout, folder: Path, chain: Anvil, ports: Sequence[int]) -> tuple[MemberPlace, ...]:
    """Return where the members are going to be. Nothing is written yet.

    Args:
        layout: The network.
        folder: A folder for the members' folders.
        chain: The chain, which needs an account for each member and one more.
        ports: A port for each member.
    """
    accounts = chain.accounts
    if len(accounts) <= layout.members:
        raise DataError(f"{layout.members} members and a deployer need more accounts than the chain's {len(accounts)}")
    return tuple(
        MemberPlace(index, name, folder / name, port, accounts[index].address)
        for index, (name, port) in enumerate(zip(layout.names, ports, strict=True))
    )


def write_members(
    layout: Layout,
    members: Sequence[MemberPlace],
    chain: Anvil,
    artifacts: Path,
    link: Callable[[int, int], str],
    source: Callable[[str, str, int], str],
) -> None:
    """Write the folders of all members.

    Args:
        layout: The network.
        members: Their places.
        chain: Its accounts are the members' keys, and its last one deploys.
        artifacts: The folder of circuits, which they share: they are large, and the same for all.
        link: Returns the URL that one member has of another, by their numbers.
        source: Returns the URL of a member's source, by the member's name, the feed's, and the source's number.
    """
    for member in members:
        member.folder.mkdir(parents=True)
        import_key(member.folder / "key.json", chain.accounts[member.index].key, PASSWORD, iterations=_SCRYPT_COST)
        password = member.folder / "password"
        password.touch(0o600)
        password.write_text(PASSWORD + "\n", encoding="utf-8")
        os.chmod(password, 0o600)
        text = _configuration(layout, member, members, chain, artifacts, link, source)
        member.config.write_text(text, encoding="utf-8")


def _configuration(
    layout: Layout,
    member: MemberPlace,
    members: Sequence[MemberPlace],
    chain: Anvil,
    artifacts: Path,
    link: Callable[[int, int], str],
    source: Callable[[str, str, int], str],
) -> str:
    key = '{ keystore = "key.json", password_file = "password" }'
    transmits = layout.transmits(member.index)
    roles = ["reporter", "transmitter"] if transmits else ["reporter"]
    tables = [
        f"""# {member.name} of a local network.
[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
reporter = {key}
deployer = {{ anvil_account = {len(chain.accounts) - 1} }}

[prover]
artifacts = {json.dumps(str(artifacts))}
srs = "insecure-local"
workers = 1
batch_window_ms = 20
{layout.prover}

[journal]
path = "journal.db"

[deploy]
change_delay = {layout.change_delay}

[web]
listen = "127.0.0.1:0"
interval = 5

[[committees]]
name = "default"
quorum = {layout.quorum}

[network]
committee = "default"
listen = "127.0.0.1:{member.port}"
roles = {json.dumps(roles)}
turn_s = {layout.turn_s}
clock_bound_s = {layout.clock_bound_s}
faulty = {layout.faulty}
{"" if layout.grace_ms is None else f"grace_ms = {layout.grace_ms}"}
request_timeout_s = {layout.request_timeout_s}
"""
    ]
    for other in members:
        url = member.url if other is member else link(member.index, other.index)
        tables.append(
            f"""[[network.members]]
name = "{other.name}"
reporter = "{other.address}"
url = "{url}"
transmits = {json.dumps(layout.transmits(other.index))}
"""
        )
    tables += [_feed(layout, feed, member, source) for feed in layout.feeds]
    return "\n".join([*tables, layout.more])


def _feed(layout: Layout, feed: FeedLayout, member: MemberPlace, source: Callable[[str, str, int], str]) -> str:
    keys: dict[str, object] = {
        "name": feed.name,
        "description": feed.name.upper(),
        "kind": "relative",
        "decimals": 8,
        "sigma": feed.sigma,
        "heartbeat": layout.turn_s,
        "max_age": 600,
        "max_skew": 5,
        "deviation_ppm": 1,
        "confirmations": 2,
        "confirm_delay": layout.turn_s,
        "max_spread": feed.max_spread,
        "poll_interval": layout.poll_interval,
        "min_sources": min(2, layout.sources),
    } | dict(feed.changes)
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    sources = ",\n".join(
        f'  {{ type = "http", name = "{member.name}-{number}", url = "{source(member.name, feed.name, number)}", '
        'path = "$.price", timestamp_path = "$.time", timeout = 1.0, suspend_after = 1000 }'
        for number in range(layout.sources)
    )
    return "\n".join(["[[feeds]]", *lines, f"sources = [\n{sources},\n]", ""])
