"""A package as a user gets it: a fresh environment, made from the built wheel, outside any clone.

The environment lies in `build/test-cache`, keyed by the wheel's content and the lock, and all workers share it. Its
packages are hard links to uv's cache, in the releases of `requirements.lock`; without a network they come from that
cache alone. Nothing of the clone's `.venv` or `node_modules` is reached from it.

    user = User(tmp_path, has_tools=True)       # a home, a cache and a folder of one's own
    done = user.run("chain", "--help")          # `oracle chain --help`, as that user
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from filelock import FileLock

from oracle.chain.local import toolchain

ROOT = toolchain.project_root(Path(__file__).parent)
CACHE = ROOT / "build" / "test-cache" / "wheel"

EXTRAS = "demo"
"""The extras that the environment has."""

KEPT_S = 86_400
"""Seconds that an environment is kept which no run uses."""


def _run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@cache
def built_wheel() -> Path:
    """Return the wheel of the present state of the code."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "build.lock"):
        out = CACHE / f"dist-{os.getpid()}"
        shutil.rmtree(out, ignore_errors=True)
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out])
        (made,) = out.glob("*.whl")
        target = CACHE / hashlib.sha256(made.read_bytes()).hexdigest()[:16] / made.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            os.replace(made, target)
        shutil.rmtree(out)
        os.utime(target.parent)
        for other in CACHE.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process has removed it
                if other.is_dir() and time.time() - other.stat().st_mtime > KEPT_S:
                    shutil.rmtree(other, ignore_errors=True)
    return target


@cache
def environment() -> Path:
    """Return the environment that has the wheel, with its extras, in the releases of the lock."""
    wheel, lock = built_wheel(), ROOT / "requirements.lock"
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:8]
    target = wheel.parent / f"env-{EXTRAS}-{key}"
    with FileLock(wheel.parent / f"{target.name}.lock"):
        if (target / "ready").exists():
            return target
        uv = Path(sys.executable).with_name("uv")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, target])
        install: list[str | Path] = [uv, "pip", "install", "--quiet", "--constraint", lock]
        install += ["--python", target / "bin" / "python"]
        wanted = f"verifiable-oracle[{EXTRAS}] @ {wheel.as_uri()}"
        try:
            _run([*install, "--offline", wanted])
        except AssertionError:
            _run([*install, wanted])
        _share_bytecode(target)
        (target / "ready").touch()
    return target


@cache
def caches() -> Path:
    """Return the folder of a user's caches after `oracle toolchain install`, in which `told` is what that said.

    All users with programs share it, and what their commands keep there: circuits, and what was made again of them. It
    is made anew when the code of the installation or a pin changes. What npm downloads is in `build/test-cache/npm`.
    """
    package = ROOT / "oracle" / "chain" / "local"
    made_by = [*sorted((package / "pins").iterdir()), *(package / f"{each}.py" for each in _INSTALLERS)]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in made_by)).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / f"caches-{key}"
    with FileLock(CACHE / f"{target.name}.lock"):
        if (target / "told").exists():
            os.utime(target)
            return target
        with tempfile.TemporaryDirectory() as name:
            user = User(Path(name))
            told = user.run("toolchain", "install", timeout=1_200, XDG_CACHE_HOME=str(target))
        (target / "told").write_text(told.stdout + told.stderr)
    return target


_INSTALLERS = ("installing", "npm")


def _share_bytecode(target: Path) -> None:
    """Link the compiled files of packages that the clone's environment has too: compiling them takes half a minute.

    Python uses one only if its source has the same time and size as when it was compiled.
    """
    (theirs,) = (target / "lib").glob("python3*/site-packages")
    (ours,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages")
    for folder in [path for path in theirs.rglob("*") if path.is_dir() and path.name != "__pycache__"]:
        compiled = ours / folder.relative_to(theirs) / "__pycache__"
        if compiled.is_dir():
            there = folder / "__pycache__"
            there.mkdir(exist_ok=True)
            for file in compiled.glob("*.pyc"):
                if not (there / file.name).exists():
                    os.link(file, there / file.name)


_NETWORK = ("_proxy", "ssl_cert_file", "ssl_cert_dir", "extra_ca_certs")
"""Ends of the names of variables that say how the network is reached."""


class User:
    """A person with a home, a cache and a working folder of their own, who has installed the wheel.

    Attributes:
        folder: The working folder.
        env: The environment of their processes. Their PATH has the wheel's programs and the system's, and nothing of
            the clone.
        oracle: The program `oracle`.
        python: The interpreter of its environment.
    """

    def __init__(self, folder: Path, *, has_node: bool = True, has_tools: bool = False) -> None:
        """Make the folders.

        Args:
            folder: An empty folder, outside the clone.
            has_node: True if the system's Node.js is on the PATH.
            has_tools: True if they have done `oracle toolchain install`.
        """
        assert not folder.resolve().is_relative_to(ROOT)
        made = environment()
        self.oracle = made / "bin" / "oracle"
        self.python = made / "bin" / "python"
        self.folder = folder / "work"
        home = folder / "home"
        system = folder / "system"
        for each in (self.folder, home, system):
            each.mkdir(parents=True)
        for name in ("sh", "bash", "env", "cat", "mkdir", "chmod", "sleep", "kill", "sed", "grep", *(
            ("node", "npm") if has_node else ()
        )):  # fmt: skip
            if found := shutil.which(name, path="/usr/local/bin:/usr/bin:/bin"):
                (system / name).symlink_to(found)
        self.env = {
            "PATH": f"{made / 'bin'}:{system}",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(caches() if has_tools else home / ".cache"),
            "LANG": "C.UTF-8",
            # The network is this machine's.
            **{name: value for name, value in os.environ.items() if name.lower().endswith(_NETWORK)},
            # Downloads are kept between runs, as a user's npm keeps them.
            "npm_config_cache": str(CACHE.parent / "npm"),
            "npm_config_prefer_offline": "true",
            "npm_config_update_notifier": "false",
        }

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 120, code: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of `oracle` in the working folder.

        Args:
            arguments: Its arguments.
            check: True if it has to succeed.
            timeout: Seconds that it may take.
            code: Python that runs in the command's process before it begins.
            env: More variables of its environment.
        """
        program = [self.oracle] if not code else [self.python, "-c", f"{code}\nfrom oracle.cli import main\nmain()"]
        done = subprocess.run(
            [*map(str, program), *arguments],
            cwd=self.folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"oracle {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done
