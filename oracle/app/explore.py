"""`oracle explore`: the explorer's pages, with a document that tells them what to show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from oracle.chain.addresses import require_address
from oracle.chain.deploy import load_deployment
from oracle.config import Config
from oracle.config.listen import is_local, require_listen
from oracle.core.errors import ConfigError, DataError
from oracle.core.settings import check_url
from oracle.core.signals import handled
from oracle.detectors.cards.onchain import contract_address
from oracle.proving.artifact import AUDIT_FILES, MANIFEST
from oracle.web.explorer import serve_explorer

__all__ = [
    "PAGES",
    "Explored",
    "explore_until_stopped",
    "explored",
    "explorer_files",
    "explorer_served",
    "require_pages",
]

PAGES = Path(__file__).resolve().parents[1] / "web" / "pages"
"""The built pages. `make explorer` puts them here, and so does a release."""

PUBLIC = "public"
"""The folder of public files, as the pages see it."""

_LARGEST = 16 << 20
"""The most bytes of a public file that is served: the reference strings of large circuits are left out."""


@dataclass(frozen=True)
class Explored:
    """The content that the explorer shows to whoever has chosen nothing.

    Attributes:
        hub: The hub's address; None: the pages ask for it.
        endpoints: URLs of RPC endpoints that the reader's browser asks.
        artifacts: A folder of artifacts, of which the public files are served; None: none.
        claim_registry: The registry of claims; None: none.
        model_cards: The contract of proven cards; None: the one at the address that follows from its code.
        from_block: A block that is not after the hub's creation.
    """

    hub: str | None = None
    endpoints: tuple[str, ...] = ()
    artifacts: Path | None = None
    claim_registry: str | None = None
    model_cards: str | None = None
    from_block: int = 0


def explored(given: Explored, config: Config | None, listen: str) -> Explored:
    """Return what is shown: what was given, and from the configuration the rest.

    Args:
        given: The options.
        config: The configuration; None: there is none.
        listen: The address that the pages are served at.

    Raises:
        ConfigError: An address or a URL is none; or other machines would see the configuration's endpoints.
        DeploymentError: The configuration's deployment file can't be read.
    """
    hub, endpoints, artifacts = _address(given.hub, "HUB"), given.endpoints, given.artifacts
    for each in endpoints:
        try:
            check_url(each)
        except ValueError as error:
            raise ConfigError(f"--rpc: it {error}") from None
    # Another hub's address says that the configuration is not meant.
    from_block = given.from_block
    if config is not None and hub is None:
        deployment = load_deployment(config.chain.deployment)
        hub, from_block = deployment.hub, deployment.block
        artifacts = artifacts or config.prover.artifacts
        if not endpoints:
            endpoints = config.chain.endpoints
            if not is_local(listen):
                # An operator's endpoints may hold a key, and cost money.
                raise ConfigError(
                    f"--listen {listen} shows the configuration's RPC endpoints to other machines: name with --rpc "
                    "those that readers' browsers may ask"
                )
    registry, cards = _address(given.claim_registry, "--registry"), _address(given.model_cards, "--cards")
    return Explored(hub, endpoints, artifacts, registry, cards, from_block)


def require_pages(pages: Path | None = None) -> None:
    """Raise if the explorer's pages are not built.

    Raises:
        ConfigError: They are not.
    """
    if not ((pages or PAGES) / "index.html").is_file():
        raise ConfigError(
            "the explorer's pages are not built: in a clone, type `make explorer`; a wheel of a release has them, so "
            "install one (`pip install verifiable-oracle`)"
        )


def explorer_files(shown: Explored, pages: Path | None = None) -> Mapping[str, bytes]:
    """Return all that is served, by path: the pages, config.json, and the public files of artifacts.

    Raises:
        ConfigError: The pages are not built, or there is no folder of artifacts.
        DataError: A file can't be read.
    """
    pages = pages or PAGES
    require_pages(pages)
    try:
        files = {path.relative_to(pages).as_posix(): path.read_bytes() for path in _files(pages)}
        public = {} if shown.artifacts is None else _public_files(shown.artifacts)
        files.update({_path(name, file): body for name, folder in public.items() for file, body in folder.items()})
        files["config.json"] = json.dumps(_document(shown, public)).encode()
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror}") from error
    return files


@contextlib.asynccontextmanager
async def explorer_served(shown: Explored, listen: tuple[str, int], pages: Path | None = None) -> AsyncIterator[str]:
    """Serve the explorer while the context is open; the context's value is its URL.

    Raises:
        ConfigError: The pages are not built, or the address can't be bound.
        DataError: A file can't be read.
    """
    files = explorer_files(shown, pages)
    async with serve_explorer(listen, files, shown.endpoints) as port:
        host = f"[{listen[0]}]" if ":" in listen[0] else listen[0]
        yield f"http://{host}:{port}/"


async def explore_until_stopped(
    shown: Explored, listen: str, tell: Callable[[str], None], stop: asyncio.Event | None = None
) -> None:
    """Serve the explorer until SIGTERM, SIGINT or `stop`.

    Args:
        shown: What it shows.
        listen: Host and port.
        tell: Called with the URL when it can be opened.
        stop: Ends it.

    Raises:
        ConfigError: The pages are not built, or the address can't be bound.
        DataError: A file can't be read.
    """
    stop = stop or asyncio.Event()
    address = require_listen(listen, "--listen")
    with handled({signal.SIGTERM: stop.set, signal.SIGINT: stop.set}):
        async with explorer_served(shown, address) as url:
            tell(url)
            await stop.wait()


def _address(text: str | None, where: str) -> str | None:
    return None if text is None else require_address(text, where)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _document(shown: Explored, public: Mapping[str, Mapping[str, bytes]]) -> Mapping[str, object]:
    """Return what the pages read as config.json."""
    return {
        "hub": shown.hub,
        "endpoints": shown.endpoints,
        "fromBlock": shown.from_block,
        "claimRegistry": shown.claim_registry,
        "modelCards": shown.model_cards or contract_address(),
        "publicFiles": [
            {"name": name, "files": {file: quote(_path(name, file)) for file in folder}}
            for name, folder in public.items()
        ],
    }


def _path(artifact: str, file: str) -> str:
    return f"{PUBLIC}/{artifact}/{file}"


def _public_files(folder: Path) -> Mapping[str, Mapping[str, bytes]]:
    """Return the public files of a folder's artifacts, by artifact and file: their weights stay here.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"--artifacts {folder}: there is no such folder")
    found = {}
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        artifact = manifest.parent
        there = [artifact / name for name in (MANIFEST, *AUDIT_FILES) if (artifact / name).is_file()]
        found[artifact.name] = {each.name: each.read_bytes() for each in there if each.stat().st_size <= _LARGEST}
    return found
