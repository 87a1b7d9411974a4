"""Prove the properties of contracts/test/symbolic for all inputs, with halmos.

They are forge tests, which `make test` fuzzes. Here each parameter is a symbol: halmos follows every path, and a solver
shows that no assertion on it can fail, nor a checked operation overflow. Two tags above a property say more:

    /// @custom:bound three answers       what is fixed; without it: nothing but the parameters' types
    /// @custom:unproven the reason       the solver does not end, so the property is fuzzed only

The results go into docs/contracts.md with --write.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.chain.local import toolchain
from oracle.chain.local.contracts import deployed_profile
from oracle.chain.local.solc import solc
from oracle.core.errors import OracleError
from scripts.bootstrap import Bootstrap

FOLDER = "contracts/test/symbolic"
PAGE = "docs/contracts.md"
OPENING, CLOSING = "<!-- symbolic: begin -->", "<!-- symbolic: end -->"
SECONDS = 300
"""The time that the solver has for one assertion."""
LONGEST = 1_800
"""The seconds that one file may take."""
MOST_ROUNDS = 256
"""Loops are followed this far. A loop that could go on fails its property."""

_PROPERTY = re.compile(r"((?:^ *///[^\n]*\n)*)^ *function (testFuzz_\w+)\(", re.MULTILINE)
_TAG = re.compile(r"@custom:(bound|unproven) +([^\n]+)")
_WHY = {
    1: "there is a counterexample",
    2: "the solver did not end",
    3: "halmos met something that it does not know",
    4: "no path comes to an end",
}


class NotProven(OracleError):
    """halmos could not be run, or its output can't be read."""


@dataclass(frozen=True)
class Property:
    """A property of a test file.

    Attributes:
        file: The file's name without its end.
        name: The test's name.
        bound: The inputs that it is proven for, if not all.
        unproven: The reason why it is fuzzed only; empty: it is proven.
    """

    file: str
    name: str
    bound: str = ""
    unproven: str = ""


@dataclass(frozen=True)
class Proof:
    """The result of halmos for a property.

    Attributes:
        subject: The property.
        failure: The reason why it is not proven; empty: it is.
        paths: The paths that it followed.
        seconds: The time that it took.
    """

    subject: Property
    failure: str
    paths: int
    seconds: float


def properties(root: Path) -> list[Property]:
    """Return all properties, in the order of the files."""
    found = []
    for path in sorted((root / FOLDER).glob("*.t.sol")):
        for comment, name in _PROPERTY.findall(path.read_text(encoding="utf-8")):
            tags = dict(_TAG.findall(comment))
            found.append(Property(path.name.split(".")[0], name, tags.get("bound", ""), tags.get("unproven", "")))
    return found


def read_results(wanted: Sequence[Property], output: Mapping[str, object]) -> list[Proof]:
    """Return the proofs from halmos's JSON, one for each property that was asked for."""
    results: dict[str, dict[str, object]] = {}
    tests = output.get("test_results")
    for group in tests.values() if isinstance(tests, dict) else ():
        for entry in group:
            results[str(entry["name"]).partition("(")[0]] = entry
    proofs = []
    for each in wanted:
        entry = results.get(each.name)
        if entry is None:
            proofs.append(Proof(each, "halmos did not run it", 0, 0.0))
            continue
        code = int(str(entry["exitcode"]))
        failure = _WHY.get(code, f"halmos failed with {code}") if code else ""
        if not failure and entry["num_bounded_loops"]:
            failure = f"a loop goes on after {MOST_ROUNDS} rounds"
        paths, seconds = entry["num_paths"], entry["time"]
        assert isinstance(paths, list)
        assert isinstance(seconds, list)
        proofs.append(Proof(each, failure, int(paths[0]), float(seconds[0])))
    return proofs


def prove(root: Path, file: str, wanted: Sequence[Property]) -> list[Proof]:
    """Run halmos on properties of one file.

    Raises:
        NotProven: It could not be run.
    """
    folder = toolchain.build_dir() / "symbolic"
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"{file}.json"
    output.unlink(missing_ok=True)
    forge = toolchain.forge().path
    environment = {
        **os.environ,
        "PATH": f"{forge.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "FOUNDRY_PROFILE": "symbolic",
        "FOUNDRY_SOLC": str(solc(deployed_profile(root)["solc"])),
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
    }
    names = "|".join(each.name for each in wanted)
    command = [
        *(str(Bootstrap(root).checker_python("symbolic").with_name("halmos")), "--root", str(root)),
        *("--forge-build-out", "build/forge/symbolic/out", "--contract", f"{file}Symbolic"),
        # A checked operation that overflows is a failure, too.
        *("--match-test", rf"^({names})\(", "--panic-error-codes", "*", "--loop", str(MOST_ROUNDS)),
        *(
            "--solver-timeout-branching",
            "50ms",
            "--solver-timeout-assertion",
            f"{SECONDS}s",
            "--json-output",
            str(output),
            "--no-status",
        ),
    ]
    log = folder / f"{file}.log"
    try:
        with log.open("w", encoding="utf-8") as said:
            subprocess.run(
                command, cwd=root, env=environment, stdout=said, stderr=said, timeout=LONGEST, check=False
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [Proof(each, f"{file} took more than {LONGEST} s", 0, float(LONGEST)) for each in wanted]
    if not output.exists():
        raise NotProven(f"halmos did not run on {file}:\n{log.read_text(encoding='utf-8')[-2_000:]}")
    return read_results(wanted, json.loads(output.read_text(encoding="utf-8")))


def table(known: Sequence[Property], proofs: Sequence[Proof]) -> list[str]:
    """Return the lines of the table: each property with its bound, and the time of its proof."""
    times = {(proof.subject.file, proof.subject.name): proof for proof in proofs}
    lines = ["| file | property | for | seconds |", "|---|---|---|--:|"]
    for each in known:
        proof = times.get((each.file, each.name))
        bound = each.bound or "all inputs"
        if each.unproven:
            cells = [f"fuzzed only: {each.unproven}", "–"]
        elif proof is None or proof.failure:
            cells = [f"not proven: {proof.failure if proof else 'not tried'}", "–"]
        else:
            cells = [bound, f"{proof.seconds:.1f}"]
        lines.append(f"| {each.file} | `{each.name.removeprefix('testFuzz_')}` | {' | '.join(cells)} |")
    return lines


def write(page: Path, lines: Sequence[str]) -> None:
    """Put the table into the page, between its marks. Raises: NotProven, if the page lacks them."""
    text = page.read_text(encoding="utf-8")
    before, opening, rest = text.partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    if not (opening and closing):
        raise NotProven(f"{page} lacks {OPENING} and {CLOSING}")
    page.write_text(before + opening + "\n" + "\n".join(lines) + "\n" + closing + after, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every property is proven that is not marked as unproven; 1 if one is not; 2 if halmos fails."""
    parser = argparse.ArgumentParser(prog="make symbolic ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these files, or properties")
    parser.add_argument("--unproven", action="store_true", help="try those that are marked as unproven, too")
    parser.add_argument("--write", action="store_true", help=f"write the table of {PAGE}")
    given = parser.parse_args(arguments)
    root = toolchain.project_root()
    known = properties(root)
    chosen = [each for each in known if not given.only or {each.file, each.name} & set(given.only)]
    if not given.unproven:
        chosen = [each for each in chosen if not each.unproven]
    proofs: list[Proof] = []
    start = time.monotonic()
    try:
        for file in dict.fromkeys(each.file for each in chosen):
            for proof in prove(root, file, [each for each in chosen if each.file == file]):
                proofs.append(proof)
                said = f"not proven: {proof.failure}" if proof.failure else f"proven on {proof.paths} paths"
                print(f"{file} {proof.subject.name}: {said} in {proof.seconds:.1f} s", flush=True)
        if given.write:
            write(root / PAGE, table(known, proofs))
    except OracleError as error:
        print(f"symbolic: error: {error}", file=sys.stderr)
        return 2
    missing = [proof for proof in proofs if proof.failure and not proof.subject.unproven]
    fuzzed = sum(1 for each in known if each.unproven)
    seconds = time.monotonic() - start
    print(f"{len(proofs) - len(missing)} of {len(proofs)} proven in {seconds:.0f} s; {fuzzed} fuzzed only")
    return 1 if missing or not proofs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
