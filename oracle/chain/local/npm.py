"""Packages of npm's registry, installed in a folder by the hashes of a lock file.

npm itself does it: it knows the user's registry, proxy and certificates, tries again what fails, and checks the hashes.
No package may run code while it is installed.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.core.documents import parse_json
from oracle.core.errors import ToolMissing

__all__ = ["PINS", "install_package", "pinned_packages", "reduced"]

PINS = Path(__file__).with_name("pins") / "package-lock.json"
"""The lock of the programs, which every installed package carries."""

_OPTIONS = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_LINES = 6

Packages = Mapping[str, Mapping[str, Any]]
"""The part `packages` of a lock file: where a package lies → its entry."""


def pinned_packages() -> Packages:
    """Return the packages that are pinned."""
    packages: Packages = parse_json(PINS.read_bytes())["packages"]
    return packages


def reduced(packages: Packages, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the entries of some packages, and of all that they depend on.

    Args:
        packages: The packages of a lock file.
        names: The packages, as the lock file names them.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting = [f"node_modules/{name}" for name in names]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        entry = packages[path]
        found[path] = {key: value for key, value in entry.items() if key not in ("dev", "optional", "devOptional")}
        waiting += [_resolved(packages, path, name) for name in entry.get("dependencies", ())]
    return dict(sorted(found.items()))


def _resolved(packages: Packages, path: str, name: str) -> str:
    """Return where a package finds one that it depends on: in its own folder, or in one above, as Node.js looks."""
    while path:
        candidate = f"{path}/node_modules/{name}"
        if candidate in packages:
            return candidate
        path = path.rpartition("/node_modules/")[0]
    return f"node_modules/{name}"


def install_package(npm: Sequence[str], name: str, folder: Path, packages: Packages) -> None:
    """Install a package and what it depends on in `folder`/node_modules.

    Args:
        npm: The command that runs npm.
        name: The package, as the lock file names it.
        folder: An empty folder.
        packages: The packages of a lock file.

    Raises:
        ToolMissing: npm could not do it: there is no network, or a package is not the one of the lock file.
    """
    entries = reduced(packages, [name])
    entry = entries[f"node_modules/{name}"]
    unchecked = [path for path, each in entries.items() if "integrity" not in each]
    if unchecked:
        raise ToolMissing(f"{unchecked[0]} has no hash in {PINS}: it would be installed unchecked")
    wanted = {name: f"npm:{entry['name']}@{entry['version']}" if "name" in entry else entry["version"]}
    project = {"name": "tools", "version": "0.0.0", "private": True, "dependencies": wanted}
    lock = {**project, "lockfileVersion": 3, "requires": True, "packages": {"": project, **entries}}
    lock.pop("dependencies")
    (folder / "package.json").write_text(json.dumps(project), encoding="utf-8")
    (folder / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    try:
        done = subprocess.run(
            [*npm, *_OPTIONS], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise ToolMissing(f"npm can't be started ({npm[0]}: {error.strerror})") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).splitlines()
        lines = [line.removeprefix("npm error").strip() for line in said if "debug-0.log" not in line]
        reason = " | ".join([line for line in lines if line][:_LINES]) or "no reason was given"
        raise ToolMissing(
            f"npm could not install {name} ({reason}): correct the network connection, or npm's registry and proxy "
            "settings, then run `oracle toolchain install` again: it goes on where it stopped"
        )
