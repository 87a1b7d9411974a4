"""Write the lists of all packages that we use, in CycloneDX's format: `make sbom`.

sbom-python.cdx.json and sbom-npm.cdx.json are made of the lock files, by cyclonedx-py and by npm itself. They
are valid by CycloneDX's schema, and have exactly the locked versions with the locked hashes, or the command fails. The
same commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from oracle import __version__
from scripts import release
from scripts.bootstrap import Bootstrap

ROOT = Path(__file__).resolve().parent.parent

PYTHON, NPM = "sbom-python.cdx.json", "sbom-npm.cdx.json"

Packages = dict[tuple[str, str], frozenset[str]]
"""Name and version of each package → the hashes of its files, in hexadecimal."""

_VALIDATE = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
version, path = sys.argv[1:]
error = JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(Path(path).read_text(encoding="utf-8"))
sys.exit(f"{path}: {error}" if error else 0)
"""


def locked_python(lock: str) -> Packages:
    """Return the packages of a lock file that uv has written."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    found: Packages = {}
    for entry in filter(str.strip, entries):
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", entry)
        if pinned is None:
            raise ValueError(f"this is no pinned package: {entry.splitlines()[0]}")
        found[pinned[1].lower(), pinned[2]] = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
    return found


def locked_npm(lock: str) -> Packages:
    """Return the packages of a package-lock.json. A package for another platform may have no hash there."""
    found: Packages = {}
    for place, entry in json.loads(lock)["packages"].items():
        if place:
            name = entry.get("name") or place.rpartition("node_modules/")[2]
            hashes = [base64.b64decode(each.partition("-")[2]).hex() for each in entry.get("integrity", "").split()]
            found[name, entry["version"]] = frozenset(hashes)
    return found


def listed(document: dict[str, Any]) -> Packages:
    """Return the packages of a list."""
    found: Packages = {}
    for each in document["components"]:
        name, _, version = unquote(each["purl"]).partition("/")[2].rpartition("@")
        files = [
            *each.get("hashes", ()),
            *(one for ref in each.get("externalReferences", ()) for one in ref.get("hashes", ())),
        ]
        found[name.lower(), version] = frozenset(one["content"] for one in files)
    return found


def differences(found: Packages, locked: Packages) -> list[str]:
    """Return what a list has otherwise than the lock file, one sentence each."""
    missing = [f"{name} {version} is locked, but not listed" for name, version in locked.keys() - found.keys()]
    more = [f"{name} {version} is listed, but not locked" for name, version in found.keys() - locked.keys()]
    both = found.keys() & locked.keys()
    other = [
        f"{name} {version} has other hashes" for name, version in both if found[name, version] != locked[name, version]
    ]
    return sorted([*missing, *more, *other])


def steady(document: dict[str, Any], time: int) -> dict[str, Any]:
    """Return a list with the commit's time, our version and name, and without the random number of its writing."""
    document.pop("serialNumber", None)
    metadata = document["metadata"]
    metadata["timestamp"] = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["component"] |= {"name": "verifiable-oracle", "version": __version__}
    return document


def write(folder: Path, root: Path = ROOT) -> list[str]:
    """Write both lists to a folder, and return what is wrong with them, one sentence each.

    Raises:
        subprocess.CalledProcessError: A tool failed.
    """
    setup = Bootstrap(root)
    time = release.commit_time(root)
    python = setup.checker_python("sbom")
    maker = python.with_name("cyclonedx-py")
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--sv", "1.6", "-o"]
    # It warns that a lock file says nothing of who needs whom.
    quiet = os.environ | {"PYTHONWARNINGS": "ignore"}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary, PYTHON)
        subprocess.run([maker, "requirements", "requirements.lock", *options, raw], cwd=root, env=quiet, check=True)
        documents = {PYTHON: json.loads(raw.read_text(encoding="utf-8"))}
    npm = [*setup.npm(), "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"]
    done = subprocess.run(npm, cwd=root, capture_output=True, text=True, check=True)
    documents[NPM] = json.loads(done.stdout)
    locked = {
        PYTHON: locked_python((root / "requirements.lock").read_text(encoding="utf-8")),
        NPM: locked_npm((root / "package-lock.json").read_text(encoding="utf-8")),
    }
    problems = []
    for name, document in documents.items():
        text = json.dumps(steady(document, time), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
        problems += [f"{name}: {each}" for each in differences(listed(document), locked[name])]
        command = [python, "-c", _VALIDATE, document["specVersion"], folder / name]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        if checked.returncode:
            problems.append(f"{name} is not valid: {checked.stderr.strip()}")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code: 1 if a list is wrong."""
    parser = argparse.ArgumentParser(prog="make sbom", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("dist"))
    folder = parser.parse_args(arguments).folder
    problems = write(folder)
    for problem in problems:
        print(f"sbom: {problem}", file=sys.stderr)
    for name in (PYTHON, NPM):
        content = (folder / name).read_bytes()
        print(f"{hashlib.sha256(content).hexdigest()}  {name}, {len(listed(json.loads(content)))} packages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
