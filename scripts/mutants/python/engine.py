"""The engine of Python's mutants: each is tried with the unit tests that enter the changed function."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oracle.core.errors import OracleError
from scripts.mutants.interface import Engine, Workspace
from scripts.mutants.mutant import Mutant, Outcome, Verdict
from scripts.mutants.python.operators import mutants

_PURE = (
    "calldata",
    "calls",
    "choice",
    "history",
    "judge",
    "replay",
    "replayed",
    "shadows",
    "storage/layouts",
    "storage/roles",
    "storage/rules",
    "storage/stored",
    "storage/words",
    "withheld",
    "deployment/weaknesses",
)
"""The parts of the audit that ask no node and no engine: tests with a real node take too long for so many mutants.
`storage/comparison` and `storage/binding` ask one, and so do those that are named nowhere here."""

FILES = {
    "oracle/core/encoding.py": ("tests/unit/core",),
    "oracle/core/gate.py": ("tests/unit/core",),
    **{f"oracle/audit/{name}.py": ("tests/unit/audit",) for name in _PURE},
}
"""The mutated files, with the tests of each."""

_LEAST_LIMIT, _TIMES = 5.0, 5.0
"""With a mutant, each test may take five times as long as with the code, and five seconds more."""


class TestsFail(OracleError):
    """The tests fail on the code itself."""


class PythonEngine(Engine):
    """The mutants of the rules that auditors compute again, and of the audit."""

    name = "python"
    batch = 40

    def files(self) -> list[str]:
        """Return the files."""
        return sorted(FILES)

    def mutants(self, file: str) -> list[Mutant]:
        """Return the mutants of a file."""
        return mutants(file, (self.root / file).read_text(encoding="utf-8"))

    def tests_digest(self, file: str) -> str:
        """Return a digest of the tests."""
        digest = hashlib.sha256()
        for folder in tests_of(file):
            for path in sorted((self.root / folder).rglob("*.py")):
                digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def workspace(self, folder: Path) -> Workspace:
        """Make a copy of the project with a worker in it."""
        return PythonWorkspace(self.root, folder)


class PythonWorkspace(Workspace):
    """A copy of the project, and a worker that runs in it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():  # it may be deleted, and not committed yet
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, folder / name)
        if (root / "node_modules").is_dir():
            (folder / "node_modules").symlink_to(root / "node_modules", target_is_directory=True)
        command = [sys.executable, "-m", "scripts.mutants.python.worker"]
        self._log = (folder / "worker.log").open("wb")
        self._worker = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._loaded = ""
        self._text = ""
        self._seconds: dict[str, float] = {}
        self._entered: dict[str, list[str]] = {}

    def load(self, file: str, mutants: Sequence[Mutant]) -> None:
        """Run the tests of a file once, unless that is done.

        Raises:
            TestsFail: They fail.
        """
        if file == self._loaded:
            return
        module = file.removesuffix(".py").replace("/", ".")
        found = self._ask({"module": module, "file": file, "tests": tests_of(file)})
        if found["failed"]:
            log = self._folder / "worker.log"
            raise TestsFail(f"{found['failed']} fails without any mutant: mend it first; {log} has what it printed")
        self._loaded, self._seconds = file, found["seconds"]
        # Python calls a function within another one `outer.<locals>.inner`.
        self._entered = {
            test: [name.replace(".<locals>", "") for name in names] for test, names in found["entered"].items()
        }
        self._text = (self._folder / file).read_text(encoding="utf-8")

    def attempt(self, mutant: Mutant) -> Verdict:
        """Run the tests that enter the mutant's function."""
        source = mutant.applied(self._text)
        try:
            compile(source, mutant.file, "exec")
        except SyntaxError:
            return Verdict(Outcome.INVALID, "compiler")
        chosen = self._chosen(mutant)
        if not chosen:
            return Verdict(Outcome.SURVIVED)
        limits = {test: _LEAST_LIMIT + _TIMES * self._seconds[test] for test in chosen}
        found = self._ask({"source": source, "limits": limits})
        return Verdict(Outcome.KILLED if found["by"] else Outcome.SURVIVED, found["by"], found["seconds"])

    def close(self) -> None:
        """End the worker."""
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(timeout=60)
        self._worker.stdout.close()
        self._log.close()

    def _chosen(self, mutant: Mutant) -> list[str]:
        """Return the tests that enter a function, the fastest first. Code outside of functions concerns all tests.

        Of these, the tests that enter the file come first.
        """
        name = mutant.function

        def enters(test: str) -> bool:
            return any(each == name or each.startswith(f"{name}.") for each in self._entered.get(test, ()))

        def order(test: str) -> tuple[bool, float, str]:
            return test not in self._entered, round(self._seconds[test], 1), test

        return sorted(filter(enters, self._seconds) if self._is_function(name) else self._seconds, key=order)

    def _is_function(self, name: str) -> bool:
        last = name.rpartition(".")[2]
        return f"def {last}(" in self._text

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        if not line:
            raise OracleError(f"the worker ended; see {self._folder / 'worker.log'}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def tests_of(file: str) -> list[str]:
    """Return the folders with the tests of a mutated file."""
    return list(FILES[file])
