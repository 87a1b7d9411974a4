"""Mutation tests: `make mutants ARGS="solidity --sample 200 --seed 1"`; see the module's help."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from oracle.chain.local import toolchain
from oracle.core.errors import OracleError
from scripts.mutants.campaign import Results, Trial, run, sample
from scripts.mutants.interface import Engine
from scripts.mutants.listed import Equivalents
from scripts.mutants.mutant import Outcome
from scripts.mutants.report import Report, count

LOWEST_SCORE = 0.95


def _solidity(root: Path) -> Engine:
    from scripts.mutants.solidity.engine import SolidityEngine  # each engine loads what the other does not need

    return SolidityEngine(root)


def _python(root: Path) -> Engine:
    from scripts.mutants.python.engine import PythonEngine  # each engine loads what the other does not need

    return PythonEngine(root)


ENGINES: dict[str, Callable[[Path], Engine]] = {"solidity": _solidity, "python": _python}


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make mutants ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help="solidity, python (default: both)")
    parser.add_argument("--files", nargs="+", default=[], metavar="GLOB", help="only these files, such as */Slots.sol")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="draw so many mutants of all (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="workers (default: one for each core)")
    parser.add_argument("--survivors", action="store_true", help="only those that survived when they were last tried")
    parser.add_argument(
        "--equivalent", action="store_true", help="try the listed ones: a test may have come to kill one"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants' keys and try none")
    given = parser.parse_args(arguments)
    for name in given.engines:
        if name not in ENGINES:
            parser.error(f"there is no engine {name!r}: solidity, python")
    return given


def campaign(engine: Engine, given: argparse.Namespace) -> bool:
    """Run one engine's mutants as the options say; return True if the tests notice enough of them.

    Raises:
        OracleError: Nothing could be tried.
    """
    folder = toolchain.build_dir() / "mutants"
    files = [each for each in engine.files() if not given.files or any(fnmatch(each, glob) for glob in given.files)]
    if not files:
        print(f"{engine.name}: no file fits {' '.join(given.files)}")
        return True
    listed = Equivalents.read(engine.root, engine.name)
    found = [mutant for file in files for mutant in engine.mutants(file)]
    equivalent = [each for each in found if listed.reason(each)]
    mutants = [each for each in found if not listed.reason(each)]
    stale = listed.stale(files)
    for key in stale:
        print(f"{listed.path}: there is no such mutant (any more): {key}", file=sys.stderr)
    if given.list:
        print("\n".join(each.key for each in found))
        return not stale
    results = Results(engine, folder / f"{engine.name}.jsonl")
    chosen = equivalent if given.equivalent else mutants
    if given.survivors:
        chosen = [each for each in chosen if results.survived_before(each)]
    if given.sample:
        chosen = sample(chosen, given.sample, given.seed)
    waiting = [each for each in chosen if results.verdict(each) is None]
    print(
        f"{engine.name}: {len(found)} mutants, {len(equivalent)} listed as equivalent; {len(waiting)} to try",
        flush=True,
    )
    start = time.monotonic()
    run(engine, waiting, results, jobs=given.jobs, folder=folder / engine.name, said=_say)
    trials = [Trial(each, verdict) for each in chosen if (verdict := results.verdict(each)) is not None]
    if given.equivalent:
        killed = [each.mutant for each in trials if each.verdict.outcome is Outcome.KILLED]
        for mutant in killed:
            print(f"listed as equivalent, but killed: {mutant.key}")
        return not killed and not stale
    report = count(mutants, equivalent, trials)
    _write(folder / f"{engine.name}.json", report, given)
    print("\n".join(report.lines()))
    print(f"{time.monotonic() - start:.0f} s")
    return report.total.score >= LOWEST_SCORE and not stale


def _say(trial: Trial, number: int, total: int) -> None:
    verdict = trial.verdict
    by = f" by {verdict.by}" if verdict.by else ""
    where = f"{trial.mutant.file}:{trial.mutant.line}"
    print(f"{number}/{total} {verdict.outcome}{by} in {verdict.seconds:.1f} s  {where}  {trial.mutant.key}", flush=True)


def _write(path: Path, report: Report, given: argparse.Namespace) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = {"files": given.files, "sample": given.sample, "seed": given.seed}
    path.write_text(
        json.dumps({"asked": asked} | report.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def main(arguments: Sequence[str]) -> int:
    """Return 0 if at least 95 % of the mutants are killed; 1 if fewer are, or a list is old; 2 if none can be tried."""
    given = options(arguments)
    root = toolchain.project_root()
    try:
        ok = [campaign(ENGINES[name](root), given) for name in given.engines or list(ENGINES)]
    except OracleError as error:
        print(f"mutants: error: {error}", file=sys.stderr)
        return 2
    return 0 if all(ok) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
