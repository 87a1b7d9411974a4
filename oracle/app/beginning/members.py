"""The members of a new network: their names, where they listen, and their keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from oracle.app.beginning.files import NewFiles
from oracle.app.beginning.options import NAME, NetworkOptions
from oracle.app.member_names import NAMES
from oracle.chain.keys import keystore
from oracle.config import CommitteeConfig, NetworkConfig
from oracle.config.explain import problems as explained
from oracle.config.explain import tell
from oracle.config.network import committee_problems
from oracle.core.errors import ConfigError
from oracle.core.formats import checksum_address

__all__ = ["PlannedMember", "PlannedNetwork", "clock_bound", "make_keys", "make_own_keys", "planned"]

FIRST_PORT = 9471
FIRST_WEB_PORT = 9601

KEYS = Path("keystore")
PASSWORD = KEYS / "password"

SCRYPT: int | None = None
"""The cost of encrypting a key; None: eth-account's, about a second."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class PlannedMember:
    """A member of a new network.

    Attributes:
        name: Its name, and that of its folder.
        url: The base URL at which the others ask it.
        listen: Host and port at which it listens for them.
        web: Host and port of its metrics.
        reporter: The address of its key; empty: the key is yet to be made.
        shares: True if it runs on one machine with others.
    """

    name: str
    url: str
    listen: str
    web: str
    reporter: str
    shares: bool


@dataclass(frozen=True)
class PlannedNetwork:
    """A new network, as one of its members sees it.

    Attributes:
        members: The members. The first one deploys.
        own: The member whose file it is.
        reporters: The addresses of their keys, by name.
        quorum: How many of them have to have an answer.
        faulty: How many may be silent or lie.
        turn_s: Seconds of a turn; None: it follows from the feeds.
    """

    members: Sequence[PlannedMember]
    own: PlannedMember
    reporters: Mapping[str, str]
    quorum: int
    faulty: int
    turn_s: int | None

    @property
    def is_on_one_machine(self) -> bool:
        """True if all members run on one machine."""
        return all(each.shares for each in self.members)


def planned(options: NetworkOptions) -> list[PlannedMember]:
    """Return the members that the options ask for.

    Raises:
        ConfigError: The options do not fit together; all of it is told at once.
    """
    urls, problems = dict(options.urls), []
    problems += [f"--url {name}: is given twice" for name in _twice([name for name, _ in options.urls])]
    problems += [f"--reporter {name}: is given twice" for name in _twice([name for name, _ in options.reporters])]
    names = list(dict.fromkeys((*urls, *(name for name, _ in options.reporters))))
    problems += [
        f"{name!r} is no name of a member: 1 to 40 of a-z, 0-9, '-' and '_', the first no '-' or '_'"
        for name in names
        if not NAME.fullmatch(name)
    ]
    if len(names) > options.count:
        problems.append(f"--url and --reporter name {len(names)} members, but --network is {options.count}")
    free = [each for each in NAMES if each not in names]
    names += free[: options.count - len(names)]
    reporters = {}
    for name, address in options.reporters:
        try:
            reporters[name] = checksum_address(address)
        except ValueError as error:
            problems.append(f"--reporter {name}: {error}")
    for name, url in options.urls:
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1:
                raise ValueError
        except ValueError:
            problems.append(f"--url {name}: is not a URL; write it as {name}=https://{name}.example:9470")
    problems += _unfit(options)
    if problems:
        raise ConfigError(tell(problems))
    host = f"[{options.host}]" if ":" in options.host and not options.host.startswith("[") else options.host
    return [_planned(name, urls.get(name), host, index, reporters.get(name, "")) for index, name in enumerate(names)]


def _unfit(options: NetworkOptions) -> list[str]:
    """Return what the configuration would refuse, before a training that takes minutes."""
    quorum, faulty = options.terms
    numbers = range(1, options.count + 1)
    reporters = tuple(f"0x{number:040x}" for number in numbers)
    members = tuple(
        {"name": f"m{number}", "reporter": reporter, "url": f"http://m{number}"}
        for number, reporter in zip(numbers, reporters, strict=True)
    )
    turn = {} if options.turn_s is None else {"turn_s": options.turn_s, "clock_bound_s": clock_bound(options.turn_s)}
    try:
        committee = CommitteeConfig.model_validate({"name": "default", "quorum": quorum, "reporters": reporters})
        network = NetworkConfig.model_validate({"listen": "127.0.0.1:0", "faulty": faulty, "members": members} | turn)
    except ValidationError as error:
        return [f"--{each}".replace("--turn_s", "--turn") for each in explained(error)]
    return [f"--{'.'.join(map(str, where))}: {text}" for where, text in committee_problems(network, committee)]


def clock_bound(turn_s: int) -> float:
    """Return how far clocks may be apart, in seconds, with turns of this length."""
    return min(2.0, turn_s / 8)


def _planned(name: str, url: str | None, host: str, index: int, reporter: str) -> PlannedMember:
    if url is None:
        port = FIRST_PORT + index
        inside = host if host.strip("[]") in _LOOPBACK else "0.0.0.0"
        return PlannedMember(
            name, f"http://{host}:{port}", f"{inside}:{port}", f"127.0.0.1:{FIRST_WEB_PORT + index}", reporter, True
        )
    parts = urlsplit(url)
    local = parts.hostname in _LOOPBACK
    listen = f"{'127.0.0.1' if local else '0.0.0.0'}:{parts.port or 9470}"
    web = f"127.0.0.1:{FIRST_WEB_PORT + index if local else 9464}"
    return PlannedMember(name, url.rstrip("/"), listen, web, reporter, local)


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def make_keys(files: NewFiles, members: Sequence[PlannedMember], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make the encrypted keys of members with a password file in each folder, and return their reporters' addresses.

    Keys that are there are kept. Members whose reporter is known make their keys themselves.

    Args:
        files: The new folder.
        members: The members.
        names: By member, the names of its keys, the reporter's first.

    Raises:
        ConfigError: A file can't be written.
        KeystoreError: A file that is there is no keystore.
    """
    making = [each.name for each in members if not each.reporter]
    wanted = [key for name in making for key in _planned_keys(files.inside(name), names[name])]
    made = dict(zip((key.path for key in wanted), _addresses(wanted), strict=True))
    reporters = {name: made[files.inside(name).path / KEYS / f"{names[name][0]}.json"] for name in making}
    return {each.name: each.reporter for each in members if each.reporter} | reporters


def make_own_keys(files: NewFiles, names: Sequence[str]) -> dict[str, str]:
    """Make the encrypted keys of one operator with a password file, and return their addresses by name. See above."""
    return dict(zip(names, _addresses(_planned_keys(files, names)), strict=True))


@dataclass(frozen=True)
class _PlannedKey:
    """A key to make, with its password; without one, the key is there already."""

    path: Path
    password: str = field(repr=False)


def _planned_keys(files: NewFiles, names: Sequence[str]) -> list[_PlannedKey]:
    """Return the keys of a folder, which has a password file then."""
    wanted = []
    for name in names:
        path = files.path / KEYS / f"{name}.json"
        if path.exists():
            files.kept.append(path)
            wanted.append(_PlannedKey(path, ""))
            continue
        password = files.path / PASSWORD
        if not password.exists():
            files.secret(PASSWORD, f"{secrets.token_urlsafe(24)}\n")
        with files.making([path]):
            wanted.append(_PlannedKey(path, keystore.password_from_file(password)))
    return wanted


def _addresses(wanted: Sequence[_PlannedKey]) -> list[str]:
    """Make keys, and return their addresses."""

    def address(key: _PlannedKey) -> str:
        made = keystore.create(key.path, key.password, iterations=SCRYPT) if key.password else None
        return made or keystore.address_of(key.path)

    with ThreadPoolExecutor(2) as pool:  # each takes a second and 256 MB, on purpose
        return list(pool.map(address, wanted))
