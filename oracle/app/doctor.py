"""`oracle doctor`: look at everything that the oracle needs from its surroundings, and say what to do about it.

Each finding is a `Check`, and no check raises. The command line draws the table and chooses the exit code.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.resources
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from oracle.app.checks import Check, Level, failures
from oracle.app.detectors import configured_detector
from oracle.app.hub_checks import hub_checks
from oracle.app.network_checks import network_checks
from oracle.app.node_checks import node_checks
from oracle.app.readiness_checks import readiness_checks
from oracle.app.srs import srs_status
from oracle.chain.keys import keystore
from oracle.chain.local import toolchain
from oracle.chain.rpc import LOCAL_CHAIN_IDS
from oracle.chain.transport.urls import mask_url
from oracle.config import Config, KeyConfig
from oracle.core import http
from oracle.core.documents import parse_json
from oracle.core.errors import KeystoreError, OracleError
from oracle.proving.srs.files import SrsOrigin

__all__ = ["SrsInUse", "diagnose", "examine"]

MIN_PYTHON = (3, 11)
_GIB = 2**30
_MAX_ANSWER = 1 << 20


@dataclass(frozen=True)
class SrsInUse:
    """A structured reference string that a circuit is keyed with.

    Attributes:
        k: It serves circuits of up to 2^k rows.
        path: The file.
        public: True if it is the public ceremony's; False if whoever made it could forge proofs.
        detail: A detail to add: its hash, or the place that it was imported from.
    """

    k: int
    path: Path
    public: bool
    detail: str = ""


def diagnose(config: Config | None) -> list[Check]:
    """Return the findings for a configuration; None: for the machine alone."""

    def srs_in_use() -> list[SrsInUse]:
        return [
            SrsInUse(each.k, each.path, each.origin is SrsOrigin.PUBLIC_CEREMONY, f"sha256 {each.sha256[:16]}…")
            for each in srs_status(config)
        ]

    only_signs = config is not None and config.network is not None and not config.network.is_transmitter
    found = examine(
        rpc_urls=() if config is None else config.chain.endpoints,
        chain_id=None if config is None else config.chain.chain_id,
        srs_in_use=srs_in_use,
        proves=not only_signs,
    )
    if config is None:
        return found
    is_reached = not any(check.name == "chain" for check in failures(found))
    return [
        *found,
        *(() if only_signs else (_configured_model(config),)),
        *_keys_apart(config, only_signs=only_signs),
        *(asyncio.run(node_checks(config)) if is_reached else ()),
        *(asyncio.run(hub_checks(config, os.environ)) if is_reached else ()),
        *asyncio.run(network_checks(config, os.environ)),
        *(asyncio.run(readiness_checks(config, os.environ)) if is_reached else ()),
    ]


def examine(
    *,
    rpc_urls: Sequence[str] = (),
    chain_id: int | None = None,
    build_dir: Path | None = None,
    srs_in_use: Callable[[], Sequence[SrsInUse]] = lambda: (),
    proves: bool = True,
) -> list[Check]:
    """Look at programs, packages, files and chain.

    Args:
        rpc_urls: The chain's endpoints; none: they are not configured.
        chain_id: The chain that they should serve; None: any.
        build_dir: The folder for circuits and caches; None: the project's.
        srs_in_use: Returns the reference strings in use.
        proves: False if this machine only signs: then it needs no programs but Python.

    Returns:
        The findings, in the order in which one sets an oracle up.
    """
    return [
        _python(),
        *(_for_proofs(srs_in_use) if proves else ()),
        *_build_dir(build_dir or toolchain.build_dir()),
        *_chains(rpc_urls, chain_id),
    ]


def _for_proofs(srs_in_use: Callable[[], Sequence[SrsInUse]]) -> list[Check]:
    """Look at what a machine needs that deploys, or makes proofs."""
    solcs = list(_solcs())
    needs_node = any(check.where.endswith(("(npm)", "(cache)")) or not check.ok for check in solcs)
    return [
        _tool("node", toolchain.node, level="error" if needs_node else "warning"),
        *(_tool(name, finder, _developers()) for name, finder in _FOUNDRY.items()),
        *solcs,
        _ezkl(),
        _model(),
        *_srs(srs_in_use),
    ]


# --- programs -----------------------------------------------------------------------------------------------

_FOUNDRY: dict[str, Callable[[], toolchain.Tool]] = {
    "anvil": toolchain.anvil,
    "forge": toolchain.forge,
    "cast": toolchain.cast,
}


def _developers() -> Level:
    """Return how bad it is that a developer's program is missing: an installed package reports without it."""
    return "error" if toolchain.find_project_root() else "info"


def _python() -> Check:
    ok = sys.version_info[:2] >= MIN_PYTHON
    return Check(
        "python",
        ok=ok,
        version=platform.python_version(),
        where=sys.executable,
        remedy="" if ok else f"use Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer",
    )


def _tool(name: str, find: Callable[[], toolchain.Tool], level: Level = "error") -> Check:
    try:
        tool = find()
    except (OracleError, OSError) as error:
        what, _, remedy = str(error).partition(": ")
        return Check(name, ok=False, level=level, detail=what, remedy=remedy or toolchain.remedy())
    return Check(name, ok=True, level=level, version=tool.version, where=f"{tool.path} ({tool.origin})")


def _solcs() -> Iterator[Check]:
    name = f"solc {toolchain.VERIFIER_SOLC} (verifiers)"
    yield _tool(name, lambda: toolchain.solc(toolchain.VERIFIER_SOLC))
    try:
        version = toolchain.contracts_solc_version()
    except OracleError as error:
        yield Check("solc (contracts)", ok=False, detail=str(error), remedy="see foundry.toml")
        return
    # Only a clone of the repository can build the contracts; an installed package brings them compiled.
    yield _tool(f"solc {version} (contracts)", lambda: toolchain.solc(version), _developers())


_REINSTALL = "install this package anew, in a new environment (in a clone: remove .venv and run `make setup`)"


def _ezkl() -> Check:
    try:
        version = importlib.metadata.version("ezkl")
    except importlib.metadata.PackageNotFoundError:
        return Check("ezkl", ok=False, detail="is not installed", remedy=_REINSTALL)
    # In a child process: a native library that does not fit this machine takes its process with it.
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", "import ezkl; ezkl.gen_settings"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        said = "no answer after 60 s"
    return Check(
        "ezkl",
        ok=not said,
        version=version,
        where="python package",
        detail=f"can't be imported: {said}" if said else "",
        remedy=_REINSTALL if said else "",
    )


# --- files --------------------------------------------------------------------------------------------------


def _model() -> Check:
    folder = importlib.resources.files("oracle.detectors") / "packaged"
    remedy = "reinstall the package, or restore oracle/detectors/packaged from the repository"
    found = sorted(item.name for item in folder.iterdir() if item.name.endswith(".json")) if folder.is_dir() else []
    if not found:
        return Check("packaged model", ok=False, detail="there is none", where=str(folder), remedy=remedy)
    for name in found:
        try:
            parse_json((folder / name).read_bytes())
        except (OSError, ValueError) as error:
            return Check("packaged model", ok=False, where=str(folder / name), detail=str(error), remedy=remedy)
    return Check("packaged model", ok=True, where=str(folder), detail=", ".join(found))


def _configured_model(config: Config) -> Check:
    """Check that the configured model can be read, and say what it hides."""
    prover = config.prover
    try:
        detector = configured_detector(config)
    except OracleError as error:
        remedy = "name a file that `oracle detector train` wrote in [prover] model, or leave it out"
        return Check("model", ok=False, where=prover.named_model, detail=str(error), remedy=remedy)
    return Check("model", ok=True, where=prover.named_model, detail=f"{detector.name}: {prover.privacy}")


def _srs(find: Callable[[], Sequence[SrsInUse]]) -> Iterator[Check]:
    try:
        in_use = list(find())
    except (OracleError, OSError) as error:
        yield Check("SRS", ok=False, detail=str(error), remedy="remove the file that is named; it is made again")
        return
    if not in_use:
        yield Check("SRS", ok=True, level="info", detail="none in use yet; it comes with the first circuit")
    for srs in in_use:
        origin = "public ceremony" if srs.public else "made on this machine: insecure, for local chains only"
        yield Check(
            f"SRS 2^{srs.k}",
            ok=srs.public,
            level="warning",
            where=str(srs.path),
            detail=f"{origin}; {srs.detail}" if srs.detail else origin,
            remedy="" if srs.public else "use the public ceremony's for anything but a local chain",
        )


def _build_dir(folder: Path) -> Iterator[Check]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Check(
            "build folder",
            ok=False,
            where=str(folder),
            detail=f"not writable: {error.strerror}",
            remedy="give yourself the right to write there, or name another folder",
        )
        return
    yield Check("build folder", ok=True, where=str(folder), detail="writable")
    free = shutil.disk_usage(folder).free
    yield Check(
        "disk space",
        ok=free >= _GIB,
        level="error" if free < _GIB // 5 else "warning",
        where=str(folder),
        detail=f"{free / _GIB:.1f} GiB free",
        remedy="" if free >= _GIB else "free at least 1 GiB: keys and reference strings are kept there",
    )


# --- the chain ----------------------------------------------------------------------------------------------


def _chains(rpc_urls: Sequence[str], chain_id: int | None) -> Iterator[Check]:
    if not rpc_urls:
        yield Check("chain", ok=True, level="info", detail="not configured; the demo starts its own")
    for rpc_url in rpc_urls:
        yield _chain(rpc_url, chain_id)


def _chain(rpc_url: str, chain_id: int | None) -> Check:
    shown = mask_url(rpc_url)
    try:
        chain = _ask(rpc_url, "eth_chainId")
        if not 200 <= chain.status < 300:
            detail = f"does not answer: HTTP {chain.status}"
            return Check("chain", ok=False, where=shown, detail=detail, remedy="check the URL, and the key in it")
        served = int(chain.json()["result"], 16)
        software = str(_ask(rpc_url, "web3_clientVersion").json().get("result") or "")
    except (aiohttp.ClientError, OSError) as error:
        detail = f"does not answer: {http.reason(error)}"
        return Check("chain", ok=False, where=shown, detail=detail, remedy="check the URL; locally: `oracle chain up`")
    except (http.BodyTooLarge, KeyError, TypeError, ValueError, AttributeError):
        detail = "answers, but not as an Ethereum JSON-RPC endpoint does"
        return Check("chain", ok=False, where=shown, detail=detail, remedy="check the URL")
    if chain_id is not None and served != chain_id:
        detail = f"serves chain {served}, the configuration says {chain_id}"
        return Check("chain", ok=False, version=software, where=shown, detail=detail, remedy="correct one of them")
    return Check("chain", ok=True, version=software, where=shown, detail=f"chain id {served}")


def _ask(rpc_url: str, method: str) -> http.Answer:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
    # A proxy that the environment names is for the outside: a chain on this machine is asked directly.
    proxy = None if http.is_loopback(rpc_url) else http.proxy_for(rpc_url)
    return http.run(http.ask("POST", rpc_url, timeout_s=5.0, max_body=_MAX_ANSWER, json=call, proxy=proxy))


# --- keys ----------------------------------------------------------------------------------------------------


def _keys_apart(config: Config, *, only_signs: bool = False) -> list[Check]:
    """Check that whoever steals the paying key, which is used all the time, can't sign reports with it.

    Args:
        only_signs: True if this machine pays for nothing.
    """
    if config.chain.chain_id in LOCAL_CHAIN_IDS:
        return []

    def address(key: KeyConfig) -> str | None:
        return key.address or (keystore.address_of(key.keystore) if key.keystore is not None else None)

    keys = config.keys
    try:
        same = [
            name
            for name in (() if only_signs else ("submitter", "deployer"))
            if address(keys.reporter) is not None and address(getattr(keys, name)) == address(keys.reporter)
        ]
        problems = [
            problem
            for key in (keys.reporter, keys.submitter)
            if key.keystore is not None and (problem := keystore.open_to_others(key.keystore))
        ]
    except KeystoreError as error:
        return [Check("keys", ok=False, detail=str(error), remedy="see docs/operations.md, Keys")]
    if problems:
        return [Check("keys", ok=False, detail=problems[0], remedy="give each file to the daemon's user alone")]
    if same:
        detail = f"the reporter's key is the {' and the '.join(same)}'s, too: whoever gets it can sign reports"
        remedy = "make another with `oracle key create`, give it some ether, and name it in [keys]"
        return [Check("keys", ok=False, level="warning", detail=detail, remedy=remedy)]
    return [Check("keys", ok=True, detail="it only signs" if only_signs else "reporting and paying are apart")]
