"""Try mutants in parallel, each worker in its own copy of the project, and keep each verdict.

A verdict is kept in build/mutants/ENGINE.jsonl as soon as it is there, so that a run that is stopped goes on. It counts
as long as the mutated file is the same. A mutant that survived is tried again when a test has changed.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from scripts.mutants.interface import Engine, Workspace
from scripts.mutants.mutant import Mutant, Outcome, Verdict


@dataclass(frozen=True)
class Trial:
    """A mutant with its verdict."""

    mutant: Mutant
    verdict: Verdict


class Results:
    """The verdicts so far, in a file."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._kept: dict[str, dict[str, object]] = {}
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[str, str]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._kept[str(entry["key"])] = entry

    def verdict(self, mutant: Mutant) -> Verdict | None:
        """Return the verdict on a mutant, if it still counts."""
        entry = self._kept.get(mutant.key)
        if entry is None:
            return None
        code, tests = self._digests_of(mutant.file)
        outcome = Outcome(str(entry["outcome"]))
        if entry["code"] != code or (outcome is Outcome.SURVIVED and entry["tests"] != tests):
            return None
        return Verdict(outcome, str(entry["by"]), float(str(entry["seconds"])))

    def survived_before(self, mutant: Mutant) -> bool:
        """Return True if the mutant survived when it was last tried, whatever has changed since."""
        entry = self._kept.get(mutant.key)
        return entry is not None and entry["outcome"] == Outcome.SURVIVED

    def keep(self, trial: Trial) -> None:
        """Add a verdict, to the file as well."""
        code, tests = self._digests_of(trial.mutant.file)
        entry: dict[str, object] = {
            "key": trial.mutant.key,
            "outcome": trial.verdict.outcome,
            "by": trial.verdict.by,
            "seconds": round(trial.verdict.seconds, 2),
            "code": code,
            "tests": tests,
        }
        with self._lock:
            self._kept[trial.mutant.key] = entry
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _digests_of(self, file: str) -> tuple[str, str]:
        if file not in self._digests:
            code = hashlib.sha256((self._engine.root / file).read_bytes()).hexdigest()[:16]
            self._digests[file] = (code, self._engine.tests_digest(file))
        return self._digests[file]


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """Return `size` of the mutants, drawn with a seed, in their order; all of them if there are no more."""
    if size >= len(mutants):
        return list(mutants)
    drawn = {each.key for each in random.Random(seed).sample(list(mutants), size)}
    return [each for each in mutants if each.key in drawn]


def run(
    engine: Engine,
    mutants: Sequence[Mutant],
    results: Results,
    *,
    jobs: int,
    folder: Path,
    said: Callable[[Trial, int, int], None],
) -> None:
    """Try all mutants; each verdict goes into `results` as soon as it is there.

    Args:
        engine: The engine that made the mutants.
        mutants: The mutants.
        results: Keeps the verdicts.
        jobs: The number of workers.
        folder: Holds the workers' copies of the project.
        said: It is told of each trial, with its number and the number of all.
    """
    batches = _batches(mutants, engine.batch)
    spaces: SimpleQueue[Workspace] = SimpleQueue()
    jobs = max(1, min(jobs, len(batches)))
    made = [engine.workspace(folder / f"worker-{number}") for number in range(jobs)] if batches else []
    for space in made:
        spaces.put(space)
    done = 0
    lock = threading.Lock()

    def work(batch: list[Mutant]) -> None:
        nonlocal done
        space = spaces.get()
        try:
            space.load(batch[0].file, batch)
            for mutant in batch:
                trial = Trial(mutant, space.attempt(mutant))
                results.keep(trial)
                with lock:
                    done += 1
                    said(trial, done, len(mutants))
        finally:
            spaces.put(space)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(work, batch) for batch in batches]
            try:
                for each in as_completed(running):
                    each.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for space in made:
            space.close()


def _batches(mutants: Sequence[Mutant], size: int) -> list[list[Mutant]]:
    files: defaultdict[str, list[Mutant]] = defaultdict(list)
    for each in mutants:
        files[each.file].append(each)
    batches = [group[i : i + size] for group in files.values() for i in range(0, len(group), size)]
    # The longest first, so that the workers end together.
    return sorted(batches, key=len, reverse=True)
