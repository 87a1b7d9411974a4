"""Check and build a release: `python -m scripts.release check v0.2.0`, `python -m scripts.release build dist`.

`check` compares the tag with the version of the package, of each package.json and of CITATION.cff, and with the newest
section of CHANGELOG.md. `build` writes the wheel and the source distribution, both with the explorer's pages; the same
commit gives the same bytes, and their SHA-256 are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from oracle import __version__
from scripts.bootstrap import Bootstrap, SetupError
from scripts.web import run_task

ROOT = Path(__file__).resolve().parent.parent

NODE_PACKAGES = (
    "package.json",
    "npm/package.json",
    "npm/contracts/package.json",
    "npm/client/package.json",
    "explorer/package.json",
    "examples/lending/package.json",
    "examples/perpetual/package.json",
    "examples/allow-list/package.json",
    "examples/page/package.json",
)
OWN_SCOPE = "@verifiable-oracle/"
LOCAL_CLIENT = "file:../npm/client"
"""The explorer takes the client from the tree."""

CLIENT_VERSION = "npm/client/src/index.ts"


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return the problems that keep `tag` from being released, one sentence each; empty if there are none."""
    found = []
    if tag != f"v{__version__}":
        found.append(f"the tag is {tag}, but oracle/core/version.py says {__version__}: tag v{__version__}")
    for name in NODE_PACKAGES:
        package = json.loads((root / name).read_text(encoding="utf-8"))
        needs = package.get("dependencies", {})
        wanted = {"version": package["version"]} if "version" in package else {}
        wanted |= {each: version for each, version in needs.items() if each.startswith(OWN_SCOPE)}
        for what, version in wanted.items():
            if version not in (__version__, LOCAL_CLIENT):
                found.append(f"{name} says {what} {version}: set it to {__version__}")
    client = (root / CLIENT_VERSION).read_text(encoding="utf-8")
    if f'"{__version__}"' not in client:
        found.append(f"{CLIENT_VERSION} has another VERSION: set it to {__version__}")
    cited = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    if cited is None or cited[1] != __version__:
        found.append(f"CITATION.cff says {cited[1] if cited else 'no version'}: set its version to {__version__}")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    if newest is None or newest[1] != __version__:
        said = newest[1] if newest else "nothing"
        found.append(
            f"the newest release in CHANGELOG.md is {said}: give the changes the heading `## [{__version__}] - <date>`"
        )
    return found


def commit_time(root: Path = ROOT) -> int:
    """Return the time of the last commit, unix seconds: it stands for the time at which anything is made of it."""
    stamp = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=True)
    return int(stamp.stdout)


def build(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write the wheel and the source distribution of the last commit to `folder`, and return their paths.

    The explorer's pages, which both have, are built first, from the npm packages of the lock file.

    Raises:
        SetupError: There is no Node.js, or the pages can't be built.
    """
    Bootstrap(root).web()
    if run_task("build", root):
        raise SetupError("the explorer's pages can't be built, and a release has them: see above")
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(commit_time(root))}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder.resolve())], cwd=root, env=env, check=True
    )
    return sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="compare a tag with the version and the changelog").add_argument("tag")
    commands.add_parser("build", help="write wheel and source distribution").add_argument("folder", type=Path)
    options = parser.parse_args(argv)
    if options.command == "check":
        found = problems(options.tag)
        for problem in found:
            print(f"release: {problem}", file=sys.stderr)
        return 1 if found else 0
    for path in build(options.folder):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
