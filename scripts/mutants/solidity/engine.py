"""Try mutants of the contracts with forge.

The mutants that can be chosen at run time are built together, once; see `schema`. Those that can't, because the
compiler refuses the choice, are built one by one in a second copy. The tests run in this order, up to the first that
fails: the file that failed last for the same function, those that name the source, all others, and the invariants; all
with few runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oracle.chain.local import toolchain
from oracle.chain.local.contracts import deployed_profile, with_imports
from oracle.chain.local.solc import compile_standard, solc
from oracle.core.errors import OracleError
from scripts.mutants.interface import Engine, Workspace
from scripts.mutants.mutant import Mutant, Outcome, Verdict
from scripts.mutants.solidity.operators import Change, Form, changes
from scripts.mutants.solidity.schema import FIRST, Piece, blamed, combined, impure

SOURCES = "contracts/src"
TESTS = "contracts/test"
LEFT_OUT = ("Gas.t.sol", "Invariants.t.sol")
"""Test files for no trial, because every mutant changes the gas, and for the last one, because they are slow."""
NOT_TESTED = "test_codeFitsTheChainsLimit|test_reenteredThroughAnother|test_signsAreCompared"
"""Tests that fail in the build of all mutants: its code is too long for a chain, and takes more gas."""
TIMEOUT = 600.0
_FAILED = re.compile(r"^\[FAIL[^\n]*?\]\s+(\w+)", re.MULTILINE)
_SUITE = re.compile(r"^Ran \d+ tests? for (\S+?):", re.MULTILINE)
_TOOK = re.compile(r"^Ran \d+ tests? for (\S+?):|^Suite result: .* finished in ([\d.]+)(ms|s|µs) ", re.MULTILINE)
_REFUSED = re.compile(r"-->\s+(contracts/\S+?):(\d+):(\d+)")
_FIXED = ("--threads", "1", "--code-size-limit", "1000000", "--no-match-test", NOT_TESTED)
_FEW, _MANY = {"FOUNDRY_FUZZ_RUNS": "48"}, {"FOUNDRY_INVARIANT_RUNS": "8"}


_QUICK = """
[profile.default.optimizer_details]
peephole = false
inliner = false
jumpdestRemover = false
orderLiterals = false
deduplicate = false
cse = false
constantOptimizer = false
yul = true

[profile.default.optimizer_details.yulDetails]
stackAllocation = true
optimizerSteps = "u"
"""
"""The build of all mutants is optimised no more than the hub needs not to run out of stack: else it takes minutes."""


class BuildFailed(OracleError):
    """The contracts don't compile, or their tests fail without a mutant."""


class SolidityEngine(Engine):
    """The mutants of contracts/src."""

    name = "solidity"
    batch = 25

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._changes: dict[str, list[Change]] = {}
        self._base: Base | None = None
        self._lock = threading.Lock()

    @cached_property
    def _profile(self) -> dict[str, Any]:
        return deployed_profile(self.root)

    @cached_property
    def _trees(self) -> Mapping[str, Any]:
        files = [path.relative_to(self.root).as_posix() for path in sorted((self.root / SOURCES).rglob("*.sol"))]
        request = ast_request(with_imports(self.root, files, mappings(self._profile)), self._profile)
        sources: Mapping[str, Any] = compile_standard(request, self._profile["solc"])["sources"]
        return sources

    def files(self) -> list[str]:
        """Return the sources that have code, which interfaces have not."""
        paths = sorted((self.root / SOURCES).rglob("*.sol"))
        return [path.relative_to(self.root).as_posix() for path in paths if "interfaces" not in path.parts]

    def changes(self, file: str) -> list[Change]:
        """Return all changes of a file."""
        if file not in self._changes:
            text = (self.root / file).read_text(encoding="utf-8")
            self._changes[file] = changes(file, text, self._trees[file]["ast"])
        return self._changes[file]

    def mutants(self, file: str) -> list[Mutant]:
        """See `Engine.mutants`."""
        return [change.mutant for change in self.changes(file)]

    def tests_digest(self, file: str) -> str:
        """See `Engine.tests_digest`."""
        return digest(self.root, without=file)

    def workspace(self, folder: Path) -> Workspace:
        """See `Engine.workspace`."""
        with self._lock:
            if self._base is None:
                self._base = Base(self, folder.parent / "all")
                self._base.build()
        return SolidityWorkspace(self, self._base, folder)


class Tree:
    """A copy of the contracts that forge builds and tests."""

    def __init__(self, root: Path, folder: Path, settings: str = "") -> None:
        self.root = root
        self.folder = folder
        self._settings = settings

    def write(self, texts: Mapping[str, str]) -> None:
        """Make the contracts those of the project, but for these texts. A file that is the same keeps its time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = (self.root / "foundry.toml").read_text(encoding="utf-8") + self._settings
        write_changed(self.folder / "foundry.toml", settings.encode())
        for name in ("node_modules", "tests/vectors"):
            link = self.folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(self.root / name)
        (self.folder / "build").mkdir(exist_ok=True)
        there = {
            path.relative_to(self.folder).as_posix()
            for path in (self.folder / "contracts").rglob("*")
            if path.is_file()
        }
        wanted = {
            path.relative_to(self.root).as_posix() for path in (self.root / "contracts").rglob("*") if path.is_file()
        }
        for name in there - wanted:
            (self.folder / name).unlink()
        for name in sorted(wanted):
            content = texts[name].encode() if name in texts else (self.root / name).read_bytes()
            write_changed(self.folder / name, content)

    def forge(
        self, *arguments: str, settings: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run forge. Raises: subprocess.TimeoutExpired."""
        environment = {
            **os.environ,
            "FOUNDRY_SOLC": str(solc(deployed_profile(self.root)["solc"])),
            "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
            "FOUNDRY_GAS_SNAPSHOT_CHECK": "false",
            "FOUNDRY_SNAPSHOTS": "build/snapshots",
            **(settings or {}),
        }
        return subprocess.run(
            [str(toolchain.forge().path), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def test(self, arguments: Sequence[str], settings: Mapping[str, str], coinbase: int) -> str:
        """Run tests up to the first failure; return its file and name, or an empty string.

        Raises:
            subprocess.TimeoutExpired: They take too long.
            BuildFailed: The contracts don't compile.
        """
        # What failed for another mutant would be tried first.
        shutil.rmtree(self.folder / "build" / "forge" / "cache" / "fuzz", ignore_errors=True)
        chosen = ["--block-coinbase", f"0x{coinbase:040x}"] if coinbase else []
        done = self.forge("test", "--fail-fast", *_FIXED, *chosen, *arguments, settings=settings, timeout=TIMEOUT)
        failed = _FAILED.search(done.stdout)
        if failed:
            suites = _SUITE.findall(done.stdout[: failed.start()])
            return f"{suites[-1] if suites else ''}:{failed[1]}"
        if done.returncode != 0:
            raise BuildFailed((done.stdout + done.stderr)[-2_000:])
        return ""


class Base:
    """The build of all mutants that can be chosen at run time.

    Attributes:
        numbers: The number of each of them, by its key.
        seconds: The time that each test file takes, but for those left out.
    """

    def __init__(self, engine: SolidityEngine, folder: Path) -> None:
        self.numbers: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.tree = Tree(engine.root, folder, _QUICK)
        self._engine = engine
        self._kept = folder / "numbers.json"

    def build(self) -> None:
        """Build, unless the same was built before.

        Raises:
            BuildFailed: The contracts don't compile even without mutants.
        """
        own = digest_of(Path(__file__).parent.glob("*.py"))
        sources = own + digest_of((self._engine.root / SOURCES).rglob("*.sol"))
        wanted = own + digest(self._engine.root)
        alone: set[str] = set()
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
            if kept["digest"] == wanted:
                self.numbers, self.seconds = kept["numbers"], kept["seconds"]
                return
            if kept["sources"] == sources:
                alone = set(kept["alone"])
        except (OSError, ValueError, KeyError):
            pass
        everything = [change for file in self._engine.files() for change in self._engine.changes(file)]
        chosen = {
            number: change
            for number, change in enumerate(everything)
            if change.form is not Form.ALONE and change.mutant.key not in alone
        }
        start = time.monotonic()
        for _ in range(40):
            pieces = self._pieces(chosen)
            refused = self._refused_types(pieces, chosen) or self._refused_build(pieces, chosen)
            if not refused:
                break
            places = {chosen[number].mutant.function for number in refused}
            print(f"{len(refused)} can't be built together with the others: {', '.join(sorted(places))}", flush=True)
            for number in refused:
                del chosen[number]
        else:
            raise BuildFailed("the build of all mutants does not compile")
        self.numbers = {change.mutant.key: number for number, change in chosen.items()}
        self.seconds = self._measure()
        print(
            f"built {len(chosen)} mutants together in {time.monotonic() - start:.0f} s;"
            f" {len(everything) - len(chosen)} have to be built alone",
            flush=True,
        )
        alone = {change.mutant.key for change in everything} - self.numbers.keys()
        kept = {"digest": wanted, "sources": sources, "numbers": self.numbers, "alone": sorted(alone)}
        kept["seconds"] = self.seconds
        self._kept.write_text(json.dumps(kept), encoding="utf-8")

    def _measure(self) -> dict[str, float]:
        """Run all tests without a mutant; return the seconds of each file. Raises: BuildFailed, if one fails."""
        left_out = one_of([f"{TESTS}/{each}" for each in LEFT_OUT])
        done = self.tree.forge("test", *_FIXED, "--no-match-path", left_out, settings=_FEW)
        failed = _FAILED.search(done.stdout)
        if failed or done.returncode != 0:
            name = failed[1] if failed else (done.stdout + done.stderr)[-2_000:]
            raise BuildFailed(f"without any mutant, the build of all of them fails: {name}")
        return durations(done.stdout)

    def _pieces(self, chosen: Mapping[int, Change]) -> dict[str, list[Piece]]:
        files: defaultdict[str, dict[int, Change]] = defaultdict(dict)
        for number, change in chosen.items():
            files[change.mutant.file][number] = change
        return {
            file: combined((self._engine.root / file).read_text(encoding="utf-8"), group)
            for file, group in files.items()
        }

    def _texts(self, pieces: Mapping[str, Sequence[Piece]]) -> dict[str, str]:
        root = self._engine.root
        texts = {}
        for path in sorted((root / "contracts").rglob("*.sol")):
            name = path.relative_to(root).as_posix()
            joined = (
                "".join(piece.text for piece in pieces[name]) if name in pieces else path.read_text(encoding="utf-8")
            )
            texts[name] = impure(joined)
        return texts

    def _refused_types(self, pieces: Mapping[str, Sequence[Piece]], chosen: Mapping[int, Change]) -> set[int]:
        """Return the mutants whose choice is an error of types."""
        texts = self._texts(pieces)
        profile = deployed_profile(self._engine.root)
        sources = with_imports(self._engine.root, self._engine.files(), mappings(profile))
        request = ast_request({name: texts.get(name, text) for name, text in sources.items()}, profile)
        done = subprocess.run(
            [str(solc(profile["solc"])), "--standard-json"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=True,
        )
        refused: set[int] = set()
        for error in json.loads(done.stdout).get("errors", []):
            if error["severity"] != "error":
                continue
            file = error["sourceLocation"]["file"]
            if file not in pieces:
                raise BuildFailed(error["formattedMessage"])
            # Positions count bytes.
            content = texts[file].encode()
            start = len(content[: error["sourceLocation"]["start"]].decode(errors="ignore"))
            end = len(content[: error["sourceLocation"]["end"]].decode(errors="ignore"))
            found = self._blamed(pieces[file], start, end, chosen) or self._around(pieces[file], start, chosen)
            if not found:
                raise BuildFailed(error["formattedMessage"])
            refused |= found
        return refused

    def _refused_build(self, pieces: Mapping[str, Sequence[Piece]], chosen: Mapping[int, Change]) -> set[int]:
        """Build; return the mutants in the function of which the compiler has too many values on its stack."""
        self.tree.write(self._texts(pieces))
        # The first build of all is slow.
        done = self.tree.forge("build")
        if done.returncode == 0:
            return set()
        said = done.stdout + done.stderr
        # Warnings have places, too.
        errors = "".join(part for part in re.split(r"(?m)^(?=(?:Error|Warning)\b)", said) if part.startswith("Error"))
        for file, line, _ in _REFUSED.findall(errors):
            if file not in pieces:
                continue
            text = "".join(piece.text for piece in pieces[file])
            position = sum(len(each) + 1 for each in text.split("\n")[: int(line) - 1])
            found = self._around(pieces[file], position, chosen)
            if found:
                return found
        raise BuildFailed(said[-3_000:])

    @staticmethod
    def _blamed(pieces: Sequence[Piece], start: int, end: int, chosen: Mapping[int, Change]) -> set[int]:
        """Return the mutants at a place; if none is there, those within it, constants before others."""
        exact = set(blamed(pieces, start))
        if exact:
            return exact
        within: set[int] = set()
        at = 0
        for piece in pieces:
            if start <= at < end:
                within |= set(piece.numbers)
            at += len(piece.text)
        return {number for number in within if chosen[number].mutant.operator == "constant"} or within

    @staticmethod
    def _around(pieces: Sequence[Piece], position: int, chosen: Mapping[int, Change]) -> set[int]:
        """Return the mutants of the function around a place: those in assembly, those that remove, or all."""
        at, nearest = 0, ""
        for piece in pieces:
            if piece.numbers:
                nearest = chosen[piece.numbers[0]].mutant.function
                if at >= position:
                    break
            at += len(piece.text)
        found = {number for piece in pieces for number in piece.numbers if chosen[number].mutant.function == nearest}
        yul = {number for number in found if chosen[number].form in (Form.YUL_EXPRESSION, Form.YUL_STATEMENT)}
        removed = {number for number in found if chosen[number].mutant.operator == "removed"}
        return yul or removed or found


@dataclass
class SolidityWorkspace(Workspace):
    """A worker's copies."""

    engine: SolidityEngine
    base: Base
    folder: Path

    def __post_init__(self) -> None:
        self._together = Tree(self.engine.root, self.folder / "together")
        self._alone: Tree | None = None
        self._killers: dict[str, str] = {}
        self._mutated = ""
        if self._together.folder.exists():
            shutil.rmtree(self._together.folder)
        shutil.copytree(self.base.tree.folder, self._together.folder, symlinks=True)

    def load(self, file: str, mutants: Sequence[Mutant]) -> None:
        """Do nothing: all mutants are in the build."""

    def attempt(self, mutant: Mutant) -> Verdict:
        """See `Workspace.attempt`."""
        start = time.monotonic()
        try:
            number = self.base.numbers.get(mutant.key)
            if number is not None:
                by = self._tests(self._together, mutant, FIRST + number)
            else:
                by = self._tests(self._rebuilt(mutant), mutant, 0)
        except BuildFailed:
            return Verdict(Outcome.INVALID, "compiler", time.monotonic() - start)
        except subprocess.TimeoutExpired:
            by = "timeout"
        return Verdict(Outcome.KILLED if by else Outcome.SURVIVED, by, time.monotonic() - start)

    def close(self) -> None:
        """Do nothing: no process is left."""

    def _tests(self, tree: Tree, mutant: Mutant, coinbase: int) -> str:
        where = f"{mutant.file} {mutant.function}"
        trials: list[tuple[list[str], Mapping[str, str]]] = []
        first = self._killers.get(where, "")
        if first:
            trials.append((["--match-path", first], _FEW))
        named = [each for each in naming(self.engine.root, mutant.file) if each != first]
        if named:
            trials.append((["--match-path", one_of(named)], _FEW))
        # forge takes files by their names. Those that are done soon come first.
        others = sorted(
            (each for each in self.base.seconds if each not in (*named, first)),
            key=lambda each: self.base.seconds[each],
        )
        half = len(others) // 2
        trials += [(["--match-path", one_of(part)], _FEW) for part in (others[:half], others[half:]) if part]
        trials.append((["--match-path", f"{TESTS}/{LEFT_OUT[1]}"], _MANY))
        for arguments, settings in trials:
            by = tree.test(arguments, settings, coinbase)
            if by:
                self._killers[where] = by.partition(":")[0]
                return by
        return ""

    def _rebuilt(self, mutant: Mutant) -> Tree:
        """Build a mutant alone. The next build replaces it. Raises: BuildFailed."""
        if self._alone is None:
            self._alone = Tree(self.engine.root, self.folder / "alone")
        text = mutant.applied((self.engine.root / mutant.file).read_text(encoding="utf-8"))
        self._alone.write({mutant.file: text})
        done = self._alone.forge("build")
        if done.returncode != 0:
            raise BuildFailed((done.stdout + done.stderr)[-2_000:])
        return self._alone


def naming(root: Path, file: str) -> list[str]:
    """Return the test files that are named after a source, or import it."""
    stem = Path(file).stem
    found = []
    for path in sorted((root / TESTS).rglob("*.t.sol")):
        if path.name in LEFT_OUT:
            continue
        is_named = path.name.startswith(f"{stem}.") or f"/{stem}.sol" in path.read_text(encoding="utf-8")
        if is_named:
            found.append(path.relative_to(root).as_posix())
    return found


def durations(said: str) -> dict[str, float]:
    """Return the seconds of each test file, from what forge printed."""
    found: dict[str, float] = {}
    file = ""
    for name, number, unit in _TOOK.findall(said):
        if name:
            file = name
        else:
            found[file] = found.get(file, 0.0) + float(number) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
    return found


def one_of(paths: Sequence[str]) -> str:
    """Return the pattern that matches exactly these paths."""
    return paths[0] if len(paths) == 1 else "{" + ",".join(paths) + "}"


def mappings(profile: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the remappings of a profile."""
    return [tuple(each.split("=", 1)) for each in profile["remappings"]]


def ast_request(sources: Mapping[str, str], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request for syntax trees alone."""
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            "evmVersion": profile["evm_version"],
            "remappings": profile["remappings"],
            "outputSelection": {"*": {"": ["ast"]}},
        },
    }


def digest(root: Path, without: str = "") -> str:
    """Return a digest of the contracts, their tests and settings."""
    paths = [path for path in (root / "contracts").rglob("*.sol") if path != root / without]
    return digest_of([*paths, root / "foundry.toml"])


def digest_of(paths: Any) -> str:
    """Return a digest of files and their names."""
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(f"{path}\0".encode() + path.read_bytes())
    return state.hexdigest()[:16]


def write_changed(path: Path, content: bytes) -> None:
    """Write a file, unless it has this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)
