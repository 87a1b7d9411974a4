"""`oracle init` in order: read the history, train, write the folder, and tell how good the model is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oracle.app.beginning import texts
from oracle.app.beginning.files import NewFiles
from oracle.app.beginning.members import PlannedMember, PlannedNetwork, make_keys, make_own_keys, planned
from oracle.app.beginning.options import InitOptions, NetworkOptions
from oracle.app.beginning.quality import SeriesQuality, qualities
from oracle.app.beginning.texts import LearntTerms
from oracle.chain.local import installing
from oracle.chain.rpc import LOCAL_CHAIN_IDS, Rpc
from oracle.config import Config, load, load_training
from oracle.core.documents import parse_json
from oracle.core.errors import ConfigError, OracleError
from oracle.core.privacy import ModelPrivacy

# What trains is slow to import, and a folder without a history trains nothing.
if TYPE_CHECKING:
    from oracle.app.beginning.histories import LearntHistory

__all__ = ["Begun", "BegunMember", "begin"]

MODELS = "models"
OWN_KEYS = ("reporter", "submitter", "admin")
"""The keys of one operator: who signs, who pays for reports, and who owns the hub."""

LOCAL_CHAIN_ID = 31337

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_ASKING_S = 5.0
_VARIABLE = re.compile(r"\$\{(\w+)\}")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BegunMember:
    """A member of a new network.

    Attributes:
        name: Its name.
        folder: Its folder.
        reporter: The address of its key.
        url: The base URL at which the others ask it.
        key_is_made: True if its key was made here; False if its operator has it.
        shares_machine: True if it runs on one machine with others.
    """

    name: str
    folder: str
    reporter: str
    url: str
    key_is_made: bool
    shares_machine: bool


@dataclass(frozen=True)
class Begun:
    """A folder that `oracle init` has made, or found as it would make it.

    Attributes:
        folder: The folder.
        written: The files that were written.
        kept: The files that were there already, with the same content.
        chain_id: The chain's id.
        is_local: True if the chain is a local one.
        model: The model's file; None: the packaged one.
        privacy: What the model hides, what its proofs publish, and why.
        peers: By series, the series that it is judged beside.
        quality: How the model does on each series.
        warnings: What a person should look at.
        stranger: What a stranger can know of the model.
        members: The members of the network, the one that deploys first; none: there is one operator.
        keys: The addresses of the operator's new keys, by name.
        missing: Programs that are missing on this machine, and that the next steps need.
    """

    folder: Path
    written: Sequence[Path]
    kept: Sequence[Path]
    chain_id: int
    is_local: bool
    model: Path | None
    privacy: ModelPrivacy
    peers: Mapping[str, Sequence[str]]
    quality: Sequence[SeriesQuality]
    warnings: Sequence[str]
    stranger: Sequence[str]
    members: Sequence[BegunMember] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()


async def begin(
    options: InitOptions, env: Mapping[str, str] | None = None, progress: Progress = lambda step: None
) -> Begun:
    """Make a working folder: configuration, training file, model. Files that are there are never overwritten.

    If something fails, nothing of it is left.

    Args:
        options: The options.
        env: The environment, for variables in URLs and passwords of journals; None: that of the process.
        progress: Called with each step before it begins.

    Raises:
        ConfigError: The options do not fit together, the chain does not say its id, or a file is there with other
            content.
        DataError: A history can't be read, or can't carry the training.
        JournalError: The journal can't be read.
        ToolMissing: The `train` extra is not installed, or what a file needs.
    """
    environment = os.environ if env is None else env
    chain_id = options.chain_id if options.chain_id is not None else await _chain_id(options.rpc_url, environment)
    local = chain_id in LOCAL_CHAIN_IDS
    if options.keys == "anvil" and not local:
        raise ConfigError(
            f"--keys anvil: everybody has these keys, so they are refused on chain {chain_id}: choose --keys new"
        )
    members = [] if options.network is None else planned(options.network)
    # The first member of a network learns, and the others get copies.
    first = options if not members else replace(options, folder=options.folder / members[0].name)
    found = _histories(first, environment)
    with NewFiles(options.folder) as files:
        inside = files.inside(members[0].name) if members else files
        card: Mapping[str, Any] | None = None
        if found:
            card = _trained(first, found, inside, environment, progress)
        learnt = _Learnt(found, {} if card is None else _terms(card, found), {})
        if card is not None:
            learnt = replace(learnt, replays=texts.replays(found, _replayed(card)) if local else {})
        if local:
            files.add(Path("anvil.toml"), texts.local_chain(options, chain_id))
        keys: dict[str, str] = {}
        if options.network is None:
            if texts.has_new_keys(options, local=local):
                progress(f"keys: {', '.join(OWN_KEYS)}")
                keys = make_own_keys(files, OWN_KEYS)
            config = _node(options, chain_id, learnt, files, environment, None)
        else:
            networks = _networks(options.network, members, files, progress, local=local)
            for network in networks[1:]:
                for name in _model_files(options) if found else ():
                    files.inside(network.own.name).copy(first.folder / name, name)
            configs = [
                _node(options, chain_id, learnt, files.inside(each.own.name), environment, each) for each in networks
            ]
            config = configs[0]
    model = None if card is None else first.folder / MODELS / f"{options.name}.json"
    return Begun(
        folder=options.folder,
        written=files.written,
        kept=files.kept,
        chain_id=chain_id,
        is_local=local,
        model=model,
        privacy=config.prover.privacy,
        peers={each.name: each.peers for each in found},
        quality=[] if card is None else qualities(card),
        warnings=[] if card is None else card["warnings"],
        stranger=config.prover.privacy.stranger,
        members=[] if options.network is None else _begun(options, networks[0]),
        keys=keys,
        missing=installing.missing(*(("anvil",) if local else ()), installing.VERIFIER_SOLC),
    )


def _begun(options: InitOptions, network: PlannedNetwork) -> list[BegunMember]:
    return [
        BegunMember(
            each.name,
            str(options.folder / each.name),
            network.reporters[each.name],
            each.url,
            key_is_made=not each.reporter,
            shares_machine=each.shares,
        )
        for each in network.members
    ]


@dataclass(frozen=True)
class _Learnt:
    """The yield of the histories: the series, their terms, and the recordings to replay, by name."""

    found: Sequence[LearntHistory]
    terms: Mapping[str, LearntTerms]
    replays: Mapping[str, str]


def _networks(
    options: NetworkOptions, members: Sequence[PlannedMember], files: NewFiles, progress: Progress, *, local: bool
) -> list[PlannedNetwork]:
    """Make the members' keys, and return the network as each of them sees it."""
    # On a local chain, accounts that everybody has pay.
    names: dict[str, Sequence[str]] = {
        each.name: ("reporter",) if local else ("reporter", "submitter") for each in members
    }
    if not local:
        names[members[0].name] = ("reporter", "submitter", "admin")
    if making := [each.name for each in members if not each.reporter]:
        progress(f"keys: of {', '.join(making)}")
    reporters = make_keys(files, members, names)
    quorum, faulty = options.terms
    return [PlannedNetwork(members, each, reporters, quorum, faulty, options.turn_s) for each in members]


def _node(
    options: InitOptions,
    chain_id: int,
    learnt: _Learnt,
    files: NewFiles,
    env: Mapping[str, str],
    network: PlannedNetwork | None,
) -> Config:
    """Write the files of one node, and read its configuration."""
    model = f"{MODELS}/{options.name}.json" if learnt.found else None
    for name, text in learnt.replays.items():
        files.add(Path("replay") / f"{name}.csv", text)
    text = texts.configuration(options, chain_id, learnt.found, learnt.terms, model, network)
    files.add(Path("oracle.toml"), text)
    return load(files.path / "oracle.toml", env)


def _model_files(options: InitOptions) -> list[Path]:
    return [Path(MODELS) / f"{options.name}{end}" for end in (".json", ".card.json", ".card.md", ".onnx")]


def _trained(
    options: InitOptions, found: Sequence[LearntHistory], files: NewFiles, env: Mapping[str, str], progress: Progress
) -> Mapping[str, Any]:
    """Write the training file, train, write the model, and return its card; if all is there already, read the card."""
    for each in found:
        if each.copy:
            files.add(Path("data") / f"{each.name}.csv", each.copy)
    text = texts.training(options, found)
    there = [options.folder / name for name in _model_files(options)]
    if not (options.folder / "train.toml").exists():
        # Else it would be found after minutes of training.
        files.refuse([options.folder / "oracle.toml", *there])
    if files.add(Path("train.toml"), text) and all(path.is_file() for path in there):
        files.kept.extend(there)
        return _card(there[1])
    files.refuse(there)
    from oracle.app.training import train_configured  # slow to import: see above
    from oracle.detectors.training.run import write

    trained = train_configured(load_training(options.folder / "train.toml"), env, progress)
    with files.making(there):
        write(trained, options.folder / MODELS)
    (options.folder / MODELS / f"{options.name}.json").chmod(0o600)
    return trained.card


def _card(path: Path) -> Mapping[str, Any]:
    try:
        return dict(parse_json(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is not the card of a model ({error}): remove {path.parent}") from None


def _histories(options: InitOptions, env: Mapping[str, str]) -> list[LearntHistory]:
    """Return the histories that the options name."""
    if not (options.data or options.series or options.feeds or options.journal or options.peers):
        return []
    from oracle.app.beginning.histories import histories  # slow to import: see above

    return histories(options, env)


def _terms(card: Mapping[str, Any], found: Sequence[LearntHistory]) -> dict[str, LearntTerms]:
    sections = zip(found, card["series"], strict=True)
    return {each.name: LearntTerms(told["data"]["sigma"], told["data"]["heartbeat"]) for each, told in sections}


def _replayed(card: Mapping[str, Any]) -> float:
    """Return the share of a history that the model was fitted to or calibrated on."""
    return float(card["split"]["train"]) + float(card["split"]["validation"])


async def _chain_id(url: str, env: Mapping[str, str]) -> int:
    """Return the id of the chain behind a URL; of a local URL where nothing answers yet, that of `oracle chain up`.

    Raises:
        ConfigError: It can't be asked.
    """
    whole = _VARIABLE.sub(lambda match: env.get(match[1], ""), url)
    try:
        async with Rpc(whole, timeout=_ASKING_S, attempts=1) as rpc:
            return await rpc.chain_id()
    except OracleError as error:
        if urlsplit(whole).hostname in _LOCAL_HOSTS:
            return LOCAL_CHAIN_ID
        raise ConfigError(f"--rpc-url: {error}; correct it, or give the chain's id with --chain-id") from None
