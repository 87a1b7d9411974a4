"""The check of a configuration: all that is wrong with it, and with the files that it names, at once.

Nothing is started, and no other machine is asked. A mistake in the file does not hide the others: what can be read is
checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from oracle.app.detectors import configured_detector
from oracle.app.keys import password_of
from oracle.app.network_checks import own_member
from oracle.app.sources import make_source
from oracle.chain.deploy import load_deployment
from oracle.chain.keys import keystore
from oracle.chain.rpc import LOCAL_CHAIN_IDS
from oracle.config import Config, FeedConfig, KeyConfig, MemberConfig, load_part
from oracle.core.errors import ConfigError, KeystoreError, OracleError
from oracle.core.secrets import SecretFile
from oracle.core.settings import Unreadable, gathered
from oracle.network.asking import trusted
from oracle.web.tls import Certificate

__all__ = ["CheckedConfig", "check_config"]


FileCheck: TypeAlias = Callable[[], object]
"""A function that raises an error of ours if something is wrong."""

Named: TypeAlias = tuple[str, FileCheck]
"""A check, and the place in the configuration that names the file."""


@dataclass(frozen=True)
class CheckedConfig:
    """A configuration that was checked.

    Attributes:
        config: What can be read of it. Keys that are wrong raise `Unreadable`.
        is_whole: True if nothing is wrong with it, whatever is wrong with the files that it names.
        problems: A line for each problem; none if everything is right.
        notes: What is not wrong, and worth knowing.
        feeds: The feeds with which nothing is wrong in the configuration: their sources can be tried.
    """

    config: Config
    is_whole: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    feeds: tuple[FeedConfig, ...]

    @property
    def own_member(self) -> MemberConfig | None:
        """The member that this node is, as far as its files tell. Nothing must be wrong."""
        return own_member(self.config)


def check_config(path: Path, env: Mapping[str, str]) -> CheckedConfig:
    """Return what is wrong with a configuration, and with the files that it names.

    Args:
        path: The configuration file.
        env: Environment variables.

    Raises:
        ConfigError: The file can't be read, or is not TOML.
    """
    config, problems = load_part(path, env)
    feeds, is_whole = _whole_feeds(config, problems), not problems
    for where, check in gathered(
        _chain(config), _models(config), _keys(config, env), _sources(config), _servers(config), _deployed(config)
    ):
        problems += _told(where, check)
    return CheckedConfig(config, is_whole, tuple(dict.fromkeys(problems)), tuple(gathered(_notes(config))), feeds)


def _told(where: str, check: FileCheck) -> list[str]:
    """Return the problem that a check finds, if it does. Those of a recording have a line each."""
    try:
        check()
    except Unreadable:  # a key that it needs is wrong, which is told
        return []
    except OracleError as error:
        first, *more = str(error).split("\n  ")
        lines = [f"{first.rsplit(': ', 1)[0]}: {each}" for each in more] if more else [first]
        return [each if each.startswith(where) else f"{where}: {each}" for each in lines]
    return []


def _whole_feeds(config: Config, problems: Sequence[str]) -> tuple[FeedConfig, ...]:
    try:
        feeds = config.feeds
    except Unreadable:
        return ()
    return tuple(
        feed for index, feed in enumerate(feeds) if not any(each.startswith(f"feeds[{index}]") for each in problems)
    )


# --- checks of files, each with the place in the configuration that names the file -----------------------------------


def _models(config: Config) -> Iterator[Named]:
    if _proves(config):
        yield "[prover] model", lambda: configured_detector(config)


def _chain(config: Config) -> Iterator[Named]:
    """Check that a live chain gets nothing that only a local one allows."""
    if config.chain.chain_id in LOCAL_CHAIN_IDS:
        return
    if _proves(config) and config.prover.srs == "insecure-local":
        yield "[prover] srs", _refusal('"insecure-local" is for a local chain only: run `oracle srs fetch`, remove it')
    seen: list[object] = []
    for name in ("reporter", "submitter", "shadow", "deployer"):
        key = _readable(config.keys, name)
        if getattr(key, "anvil_account", None) is not None and key not in seen:
            seen.append(key)
            what = "an anvil_account is for a local chain only, as everybody has its key: name a keystore"
            yield f"[keys] {name}", _refusal(what)


def _refusal(text: str) -> FileCheck:
    def refuse() -> None:
        raise ConfigError(text)

    return refuse


def _keys(config: Config, env: Mapping[str, str]) -> Iterator[Named]:
    yield "[keys] reporter", lambda: own_member(config)
    seen: list[KeyConfig] = []
    for name in ("reporter", "submitter", "shadow", "deployer"):
        key = _readable(config.keys, name)
        if not isinstance(key, KeyConfig) or key in seen or _is_elsewhere(config, name, key):
            continue
        seen.append(key)
        if key.keystore is not None:
            yield f"[keys] {name}", partial(_check_keystore, key.keystore)
            if not key.password_prompt and key.password_keyring is None:  # nobody is asked
                yield f"[keys] {name}", partial(password_of, key, env)
                # What is wrong with one of the two files is told once, as equal lines are.
                yield f"[keys] {name}", partial(_open, key, env)


def _check_keystore(path: Path) -> None:
    keystore.require_keystore(path)
    if (problem := keystore.open_to_others(path)) is not None:
        raise KeystoreError(problem)


def _open(key: KeyConfig, env: Mapping[str, str]) -> None:
    """Try the password of a keystore, which takes a second on purpose."""
    assert key.keystore is not None
    _check_keystore(key.keystore)
    keystore.load(key.keystore, password_of(key, env))


def _is_elsewhere(config: Config, name: str, key: KeyConfig) -> bool:
    """Return True for a key that this machine can do without, and does not have."""
    needed = ("reporter", "submitter", "shadow") if _proves(config) else ("reporter",)
    return name not in needed and key.keystore is not None and not key.keystore.exists()


def _sources(config: Config) -> Iterator[Named]:
    for number, feed in enumerate(config.feeds):
        sources = _readable(feed, "sources")
        for index in range(len(sources) if isinstance(sources, tuple) else 0):
            yield f"feeds[{number}].sources[{index}]", partial(make_source, feed, index)


def _servers(config: Config) -> Iterator[Named]:
    for name in ("push", "readings", "updates", "network"):
        table = _readable(config, name)
        certificate, key = (_readable(table, each) for each in ("tls_certificate", "tls_key"))
        if isinstance(certificate, Path) and isinstance(key, Path):
            yield f"[{name}]", partial(Certificate, certificate, key, name)
    if isinstance(file := _readable(_readable(config, "network"), "ca_file"), Path):
        yield "[network] ca_file", partial(trusted, file)
    for index, caller in enumerate(config.updates.callers):
        where = f"[updates] callers[{index}] token_file"
        yield where, partial(SecretFile, caller.token_file, where)


def _deployed(config: Config) -> Iterator[Named]:
    if config.chain.deployment.exists():
        yield "[chain] deployment", lambda: load_deployment(config.chain.deployment)


def _notes(config: Config) -> Iterator[str]:
    path = config.chain.deployment
    if not path.exists():
        yield f"nothing is deployed yet: {path} is not there; `oracle deploy` writes it"
        return
    try:
        deployed = load_deployment(path).feeds
    except OracleError:
        return
    for feed in config.feeds:
        if feed.name not in deployed:
            yield f"feed {feed.name} is not deployed yet: `oracle deploy` adds it"


def _proves(config: Config) -> bool:
    return config.network is None or config.network.is_transmitter


def _readable(table: object, key: str) -> object:
    """Return the value of a key; None if there is none that can be read."""
    return getattr(table, key, None)  # `Unreadable` is an `AttributeError`
