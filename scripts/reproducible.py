"""Make everything that we publish twice, from fresh clones of the last commit, and compare: `make reproducible`.

    python -m scripts.reproducible               # exit 1 if anything differs
    python -m scripts.reproducible --out FILE    # also write the hashes, for whoever wants to make the same

The two clones differ in everything that must not matter: path, umask, time zone, language, hash seed, home. The wheel
and the source distribution are compared, with the explorer's pages in them; the contracts, also with those that are
packaged; and a circuit, made from model and SRS, with its verifier made again from key, settings and SRS. A circuit's
proving key and its example proof are left out: the key follows from the rest, and the proof is random. Packages and
tools are those of the lock files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts import release
from scripts.bootstrap import WEB_PROJECTS

ROOT = Path(__file__).resolve().parent.parent


class Stranger:
    """A clone, and the surroundings in which things are made in it.

    Attributes:
        folder: The clone.
        umask: Of the clone's files, and of all that is made.
        environment: What is different from this process's environment.
    """

    def __init__(self, folder: Path, umask: int, environment: dict[str, str]) -> None:
        self.folder, self.umask, self.environment = folder, umask, environment

    def clone(self, root: Path, commit: str) -> None:
        """Clone a commit. The npm packages are this tree's: they are those of the lock files, too."""
        self._run("git", "clone", "--quiet", "--no-hardlinks", "--no-checkout", str(root), str(self.folder), cwd=root)
        self._run("git", "checkout", "--quiet", "--detach", commit, cwd=self.folder)
        for project in (".", *WEB_PROJECTS):
            packages = root / project / "node_modules"
            if packages.is_dir():
                (self.folder / project / "node_modules").symlink_to(packages, target_is_directory=True)

    def make(self, srs: Path) -> dict[str, str]:
        """Make everything, by the clone's own code, and return the hashes by name."""
        hashes = self.folder / "build" / "hashes.json"
        self._run(sys.executable, "-m", "scripts.reproducible", "--make", str(hashes), str(srs), cwd=self.folder)
        found: dict[str, str] = json.loads(hashes.read_text(encoding="utf-8"))
        return found

    def _run(self, *command: str, cwd: Path) -> None:
        subprocess.run(command, cwd=cwd, env={**os.environ, **self.environment}, umask=self.umask, check=True)


def strangers(folder: Path) -> tuple[Stranger, Stranger]:
    """Return two of them, as different as this machine allows."""
    first = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1", "HOME": str(folder)}
    second = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "4711", "HOME": str(folder / "home")}
    (folder / "home").mkdir()
    return Stranger(folder / "a", 0o022, first), Stranger(folder / "another place" / "b" / "clone", 0o077, second)


def made(folder: Path, srs: Path) -> dict[str, str]:
    """Make everything in this clone, and return the hashes by name.

    Raises:
        OracleError: Something can't be made.
    """
    return {**_distributions(folder / "dist"), **_contracts(), **_circuit(folder / "circuits", srs)}


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Return the names of what is not the same twice, sorted."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def table(first: dict[str, str], second: dict[str, str]) -> str:
    """Return a line for each name, in the form of sha256sum; a second one where the second hash differs."""
    lines = []
    for name in sorted(first.keys() | second.keys()):
        lines.append(f"{first.get(name, 'missing'):64}  {name}")
        if first.get(name) != second.get(name):
            lines.append(f"{second.get(name, 'missing'):64}  {name}: NOT THE SAME")
    return "\n".join(lines)


def _distributions(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    return {path.name: _sha256(path.read_bytes()) for path in release.build(folder)}


def _contracts() -> dict[str, str]:
    from oracle.chain.compiled import to_json  # the quick part of the suite needs no chain
    from oracle.chain.local.contracts import compile_contracts

    found = {}
    for name, contract in compile_contracts().items():
        packaged = Path("oracle", "chain", "abi", f"{name}.json")
        found[str(packaged)] = _sha256(packaged.read_bytes())
        found[f"{packaged}, compiled"] = _sha256((json.dumps(to_json(contract), indent=1) + "\n").encode())
    return found


def _circuit(folder: Path, srs: Path) -> dict[str, str]:
    from oracle.chain.local.solc import Solc  # the quick part of the suite needs no engine
    from oracle.detectors.kinds.quadratic import QuadraticModel
    from oracle.proving.artifact import Visibility, build, manifest
    from oracle.proving.artifact.regeneration import regenerate
    from oracle.proving.srs.cache import SrsCache
    from oracle.proving.srs.files import SrsOrigin

    artifact = build(
        QuadraticModel.default(),
        1,
        visibility=Visibility.PRIVATE,
        srs=SrsCache(srs).source(SrsOrigin.INSECURE_LOCAL),
        compile_standard=Solc(),
        cache=folder,
    )
    again = regenerate(artifact, Solc(use_cache=False))
    problems = again.problems or ((f"{artifact.path.name}: no bytecode",) if again.code is None else ())
    for problem in problems:
        print(f"reproducible: {problem}", file=sys.stderr)
    files = (manifest.ARCHITECTURE, manifest.COMPILED, manifest.SETTINGS, manifest.VK, manifest.SOLIDITY)
    found = {f"circuit/{name}": _sha256((artifact.path / name).read_bytes()) for name in files}
    found["circuit, bytecode of the verifier"] = _sha256(artifact.verifier().bytecode)
    found["circuit, bytecode from key, settings and SRS"] = _sha256(again.code.bytecode) if again.code else "missing"
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def problems_within(hashes: dict[str, str]) -> list[str]:
    """Return what is made in two ways, and is not the same."""
    pairs = [(name, f"{name}, compiled") for name in hashes if f"{name}, compiled" in hashes]
    pairs.append(("circuit, bytecode of the verifier", "circuit, bytecode from key, settings and SRS"))
    return [f"{first} is not {second}" for first, second in pairs if hashes.get(first) != hashes.get(second)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(prog="make reproducible", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the hashes to this file, in the form of sha256sum")
    parser.add_argument("--make", nargs=2, type=Path, metavar=("FILE", "SRS"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.make:
        target, srs = options.make
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(made(target.parent, srs)), encoding="utf-8")
        return 0
    if _git("status", "--short"):
        print("reproducible: what is not committed is left out", file=sys.stderr)
    commit = _git("rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="reproducible-") as temporary:
        folder = Path(temporary).resolve()
        results = []
        for each in strangers(folder):
            each.clone(ROOT, commit)
            results.append(each.make(folder / "srs"))
    first, second = results
    text = table(first, second)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        # The circuit's reference string was made for this run, so its hashes say nothing to others.
        shared = [line for line in text.splitlines() if not line[64:].startswith("  circuit")]
        options.out.write_text("\n".join(shared) + "\n", encoding="utf-8")
    others = differences(first, second)
    wrong = [*(f"{name} is not the same twice" for name in others), *problems_within(first)]
    for problem in wrong:
        print(f"reproducible: {problem}", file=sys.stderr)
    if not wrong:
        print(f"{len(first)} files, made twice: all are the same")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
