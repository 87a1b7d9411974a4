"""Try mutants of a Python module: a process that has loaded the packages, and forks for each mutant.

`scripts.mutants.python.engine` starts it in a copy of the project. Each line that it reads is a request, and each line
that it writes the answer, in JSON:

- `{"module", "file", "tests"}`: run the tests as they are. It answers `{"entered": {test: functions}, "seconds": {test:
  seconds}}`, or `{"failed": test}`.
- `{"source", "limits"}`: run these tests with another source of the module, each with its limit of processor time in
  seconds. It answers `{"by": test}` with the test that failed, "timeout" or "" for none.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

import hypothesis
import pytest

_OURS = ("oracle", "tests", "scripts", "docs")
_OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutants"]
_OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of packages that are loaded before pytest begins
_RECENT = 12
"""So many of the tests that killed mutants come first."""


class Source(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, module: str, file: str, source: str) -> None:
        self._module, self._file, self._source = module, file, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's specification; None for others."""
        if fullname != self._module:
            return None
        return importlib.util.spec_from_file_location(fullname, os.path.abspath(self._file), loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the source."""
        exec(compile(self._source, os.path.abspath(self._file), "exec"), module.__dict__)


class Observer:
    """A plugin that sees how long each test takes, and which functions of the package it enters, by file."""

    def __init__(self) -> None:
        self._files = os.path.abspath("oracle") + os.sep
        self._current = ""
        self.entered: dict[str, dict[str, set[str]]] = {}
        self.seconds: dict[str, float] = {}
        self.failed = ""

    def trace(self, frame: types.FrameType, event: str, argument: object) -> None:
        """Note a call."""
        code = frame.f_code
        if code.co_filename.startswith(self._files) and self._current:
            self.entered.setdefault(code.co_filename, {}).setdefault(self._current, set()).add(code.co_qualname)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin with a test."""
        self._current = nodeid
        sys.settrace(self.trace)
        threading.settrace(self.trace)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtest_logfinish(self) -> None:
        """End with a test."""
        sys.settrace(None)
        threading.settrace(None)


class Chooser:
    """A plugin that runs chosen tests, in their order, and notes the one that fails.

    Args:
        limits: The tests, each with its limit of processor time in seconds. The process ends when one reaches it.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits
        self._order = {nodeid: number for number, nodeid in enumerate(limits)}
        self.failed = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin with a test."""
        signal.setitimer(signal.ITIMER_PROF, self._limits[nodeid])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the other tests."""
        items[:] = sorted(
            (each for each in items if each.nodeid in self._order), key=lambda each: self._order[each.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test module that can't even be loaded."""
        if report.failed:
            self.failed = self.failed or f"loading {report.nodeid or 'the tests'}"


def run_tests(tests: Sequence[str], plugin: object) -> int:
    """Run tests in this process, without shrinking what fails, and return pytest's exit code."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        deadline=None,
        phases=phases,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    return int(pytest.main([*_OPTIONS, *tests], plugins=[plugin]))


def in_child(work: Callable[[], dict[str, Any]], limit: float, *, quiet: bool) -> dict[str, Any] | None:
    """Return what `work` returns in a fork of this process; None if it dies, or takes longer than `limit` seconds.

    The limit is one of processor time, and ten times as long by the clock: the machine may have more to do.

    Args:
        work: Its result has to be JSON.
        limit: Seconds.
        quiet: True to forget what it prints; otherwise it goes where this process prints.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2) if quiet else (0,):
                os.dup2(nothing, stream)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
            answer = json.dumps(work()).encode()
            while answer:
                answer = answer[os.write(writing, answer) :]
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    timer = threading.Timer(10 * limit, _kill, [child])
    timer.start()
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    timer.cancel()
    _kill(child)  # whatever it has started ends with it
    os.waitpid(child, 0)
    return json.loads(data) if data else None


def _kill(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Worker:
    """Answers requests."""

    def __init__(self) -> None:
        self._module = self._file = ""
        self._seconds: dict[str, float] = {}
        # What is seen of the tests of one file is seen of all files with the same tests.
        self._observed: dict[tuple[str, ...], dict[str, Any]] = {}
        self._recent: list[str] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        return self._load(**request) if "module" in request else self._attempt(**request)

    def _load(self, module: str, file: str, tests: list[str]) -> dict[str, Any]:
        self._module, self._file, self._recent = module, file, []
        if tuple(tests) not in self._observed:
            self._observed[tuple(tests)] = self._observe(tests)
        found = self._observed[tuple(tests)]
        self._seconds = found["seconds"]
        entered = found["entered"].get(os.path.abspath(file), {})
        return {"entered": entered, "seconds": self._seconds, "failed": found["failed"]}

    def _observe(self, tests: list[str]) -> dict[str, Any]:
        def observe() -> dict[str, Any]:
            observer = Observer()
            code = run_tests(tests, observer)
            loaded = [name for name in sys.modules if name.partition(".")[0] not in _OURS]
            failed = observer.failed or ("" if code == 0 else "the tests' collection")
            entered = {
                file: {test: sorted(functions) for test, functions in of_file.items()}
                for file, of_file in observer.entered.items()
            }
            return {"entered": entered, "seconds": observer.seconds, "failed": failed, "loaded": loaded}

        nothing: dict[str, Any] = {"entered": {}, "seconds": {}, "failed": "the process", "loaded": []}
        found = in_child(observe, 600, quiet=False) or nothing
        for name in found.pop("loaded"):
            try:
                importlib.import_module(name)
            except Exception:
                continue  # a name that a package made up; whoever needs it will import it
        return found

    def _attempt(self, source: str, limits: dict[str, float]) -> dict[str, Any]:
        started = time.monotonic()
        recent = [test for test in self._recent if test in limits]
        order = {test: limits[test] for test in [*recent, *limits]}

        def attempt() -> dict[str, Any]:
            sys.meta_path.insert(0, Source(self._module, self._file, source))
            chooser = Chooser(order)
            code = run_tests(sorted({test.partition("::")[0] for test in order}), chooser)
            return {"by": chooser.failed or ("" if code == 0 else "the tests' collection")}

        found = in_child(attempt, sum(limits.values()), quiet=True) or {"by": "timeout"}
        if found["by"] in self._seconds:
            self._recent = [found["by"], *(each for each in self._recent if each != found["by"])][:_RECENT]
        return found | {"seconds": time.monotonic() - started}


def main() -> None:
    """Answer until there are no more requests."""
    worker = Worker()
    # What packages print must not get between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
