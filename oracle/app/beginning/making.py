"""`oracle init` in order: read the history, train, write the folder, and tell how good the model is."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oracle.app.beginning import texts
from oracle.app.beginning.histories import LearntHistory, histories
from oracle.app.beginning.options import InitOptions
from oracle.app.beginning.quality import SeriesQuality, qualities
from oracle.app.beginning.texts import LearntTerms
from oracle.app.training import train_configured
from oracle.chain.rpc import LOCAL_CHAIN_IDS, Rpc
from oracle.config import load, load_training
from oracle.config.explain import tell
from oracle.core.errors import ConfigError, OracleError
from oracle.core.privacy import ModelPrivacy
from oracle.detectors.training.run import write

__all__ = ["Begun", "begin"]

MODELS = "models"
LOCAL_CHAIN_ID = 31337

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_ASKING_S = 5.0
_VARIABLE = re.compile(r"\$\{(\w+)\}")

Progress = Callable[[str], None]


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
    found = histories(options, environment)
    with _Folder(options.folder) as files:
        card: Mapping[str, Any] | None = None
        if found:
            card = _trained(options, found, files, environment, progress)
        terms = {} if card is None else _terms(card, found)
        model = None if card is None else f"{MODELS}/{options.name}.json"
        for name, text in ({} if card is None else texts.replays(found, _replayed(card))).items():
            if chain_id in LOCAL_CHAIN_IDS:
                files.add(Path("replay") / f"{name}.csv", text)
        if chain_id in LOCAL_CHAIN_IDS:
            files.add(Path("anvil.toml"), texts.local_chain(options, chain_id))
        files.add(Path("oracle.toml"), texts.configuration(options, chain_id, found, terms, model))
        config = load(options.folder / "oracle.toml", environment)
    return Begun(
        folder=options.folder,
        written=files.written,
        kept=files.kept,
        chain_id=chain_id,
        is_local=chain_id in LOCAL_CHAIN_IDS,
        model=None if model is None else options.folder / model,
        privacy=config.prover.privacy,
        peers={each.name: each.peers for each in found},
        quality=[] if card is None else qualities(card),
        warnings=[] if card is None else card["warnings"],
        stranger=config.prover.privacy.stranger,
    )


def _trained(
    options: InitOptions, found: Sequence[LearntHistory], files: _Folder, env: Mapping[str, str], progress: Progress
) -> Mapping[str, Any]:
    """Write the training file, train, write the model, and return its card; if all is there already, read the card."""
    for each in found:
        if each.copy:
            files.add(Path("data") / f"{each.name}.csv", each.copy)
    text = texts.training(options, found)
    models = options.folder / MODELS
    there = [models / f"{options.name}{end}" for end in (".json", ".card.json", ".card.md", ".onnx")]
    if not (options.folder / "train.toml").exists():
        # Else it would be found after minutes of training.
        files.refuse([options.folder / "oracle.toml", *there])
    if files.add(Path("train.toml"), text) and all(path.is_file() for path in there):
        files.kept.extend(there)
        return _card(there[1])
    files.refuse(there)
    trained = train_configured(load_training(options.folder / "train.toml"), env, progress)
    with files.making(there):
        write(trained, options.folder / MODELS)
    (options.folder / MODELS / f"{options.name}.json").chmod(0o600)
    return trained.card


def _card(path: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is not the card of a model ({error}): remove {path.parent}") from None


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


@dataclass
class _Folder:
    """The files of a new folder. As a context manager, it removes what it has written if something fails.

    Attributes:
        path: The folder.
        written: The files that were written.
        kept: The files that were there already, with the same content.
    """

    path: Path
    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    _made: list[Path] = field(default_factory=list)

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            return
        for path in self.written:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def add(self, name: Path, text: str) -> bool:
        """Write a file, unless it is there with the same content. Return True if it is.

        Raises:
            ConfigError: It is there with other content, or can't be written.
        """
        path = self.path / name
        try:
            if path.exists():
                if path.read_text(encoding="utf-8") == text:
                    self.kept.append(path)
                    return True
                self.refuse([path])
            self._make(path.parent)
            self.written.append(path)
            path.write_text(text, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: can't be written: {error}") from None
        return False

    def refuse(self, paths: Sequence[Path]) -> None:
        """Refuse to go on if any of these files is there.

        Raises:
            ConfigError: One is.
        """
        there = [f"{path}: is there already, with other content" for path in paths if path.exists()]
        if there:
            raise ConfigError(f"{tell(there)}. `oracle init` overwrites nothing: name another folder, or remove it")

    @contextlib.contextmanager
    def making(self, paths: Sequence[Path]) -> Any:
        """Take note of files that the caller writes."""
        self._make(paths[0].parent)
        self.written.extend(paths)
        yield

    def _make(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir()
            self._made.append(each)
