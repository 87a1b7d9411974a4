"""Complete package-lock.json, and write what the package carries of it: `oracle/chain/local/pins/package-lock.json`.

npm writes down the hashes of the packages that fit the machine it runs on; the others would be installed unchecked
elsewhere. The package carries the programs alone: anvil, forge, cast and solc, not the Solidity libraries.

`make lock` runs it; a test compares the two files.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from oracle.chain.local.npm import PINS, reduced

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "package-lock.json"

PROGRAMS = ("@foundry-rs/", "solc-0.8.")
"""Beginnings of the names of the packages that the package carries."""


def carried(lock: dict[str, Any]) -> dict[str, Any]:
    """Return the lock of the programs alone."""
    names = [path.removeprefix("node_modules/") for path in lock["packages"] if path.count("node_modules/") == 1]
    wanted = [name for name in names if name.startswith(PROGRAMS) and not _is_launcher(name)]
    return {"lockfileVersion": 3, "packages": reduced(lock["packages"], wanted)}


def _is_launcher(name: str) -> bool:
    """Return True for the packages of Foundry that only choose the one for the machine."""
    return name.startswith("@foundry-rs/") and "-" not in name.partition("/")[2]


def hash_of(name: str, version: str) -> str:
    """Return the hash that npm's registry states for a package."""
    command = ["npm", "view", f"{name}@{version}", "dist.integrity"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Write both files."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    for path, entry in lock["packages"].items():
        if path and "integrity" not in entry:
            name = entry.get("name", path.rpartition("node_modules/")[2])
            # Where npm would put it, so that npm leaves the file as it is.
            before = {key: entry.pop(key) for key in ("name", "version") if key in entry}
            rest = dict(entry)
            entry.clear()
            entry.update(before, integrity=hash_of(name, before["version"]), **rest)
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PINS.write_text(json.dumps(carried(lock), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
