"""Recover a toy's weights from its proofs, if they are fixed or polynomially committed. Hashed weights withstand it.

    .venv/bin/python -m docs.experiments.fixed_weights             # ten seconds
    .venv/bin/python -m docs.experiments.fixed_weights --thorough  # two minutes: 257 proofs of the hashed circuit

The toy is one product of four weights with four inputs. Its three circuits are built here, with a local reference
string, and proven by our own prover. The script takes no other circuit.

A PLONK proof opens each column's polynomial f at a challenge x that the transcript gives. A column of witness values
ends in rows of fresh random numbers. A column of the key does not, and neither does a column that `polycommit` commits
to: it is the same in each proof. So each proof is one linear equation f(x) = Σ fᵢ·Lᵢ(x) in the column's rows, with
known coefficients.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oracle.core.encoding import FIELD_MODULUS, to_field
from oracle.core.formats import keccak
from oracle.proving import artifact
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import run_args
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.lowering.program import Op, Program
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin

PARAM_SCALE = 3
LARGEST = 31
"""Weights are integers over 2^3, of five bits and a sign."""

K = {"fixed": 5, "polycommit": 5, "hashed": 8}
"""The least k of the circuit for each of ezkl's visibilities of weights: it has 9 rows, and 164 with the hash."""

CHALLENGES = (3, 1, 1)
"""After the three rounds of commitments: theta, beta and gamma; y; x."""


@dataclass(frozen=True)
class Seen:
    """The parts of one proof that anyone can read.

    Attributes:
        point: The challenge x.
        values: The values of all polynomials that are opened, in the proof's order.
        columns: Commitments to the columns of witness values, as bytes.
    """

    point: int
    values: tuple[int, ...]
    columns: tuple[bytes, ...]


@dataclass(frozen=True)
class Toy:
    """One of the toy's circuits with its keys, and what its generated verifier says about proofs."""

    folder: Path
    engine: EngineProcess
    rounds: tuple[int, ...]
    constants: Mapping[str, int]

    @property
    def rows(self) -> int:
        return 1 << self.constants["k"]

    def prove(self, window: Sequence[int]) -> Seen:
        """Make a proof, and read it like the verifier: the next challenge is the keccak256 of everything before it."""
        names = {"circuit": artifact.CIRCUIT, "settings": artifact.SETTINGS, "vk": artifact.VK, "pk": artifact.PK}
        files: dict[str, Any] = {
            each: str(self.folder / name) for each, name in (names | {"srs": artifact.SRS}).items()
        }
        made = self.engine.call("prove", inputs=list(window), **files)
        assert made["verified"]
        proof = bytes.fromhex(made["proof"])
        state = self.constants["vk_digest"].to_bytes(32, "big")
        state += b"".join(int(element, 16).to_bytes(32, "big") for element in made["instances"])
        at = 0
        for size, challenges in zip(self.rounds, CHALLENGES, strict=False):
            state = keccak(state + proof[at : at + size])
            for _ in range(challenges - 1):
                state = keccak(state + b"\x01")
            at += size
        opened = proof[at : at + self.rounds[3]]
        return Seen(
            int.from_bytes(state, "big") % FIELD_MODULUS,
            tuple(int.from_bytes(opened[each : each + 32], "big") for each in range(0, len(opened), 32)),
            tuple(proof[each : each + 64] for each in range(0, self.rounds[0], 64)),
        )

    def coefficients(self, point: int, rows: int) -> list[int]:
        """Return L_0(x) … L_{rows−1}(x), with Lᵢ(x) = (xⁿ − 1)/n · ωⁱ/(x − ωⁱ)."""
        common = (pow(point, self.rows, FIELD_MODULUS) - 1) * self.constants["n_inv"]
        omegas = [pow(self.constants["omega"], each, FIELD_MODULUS) for each in range(rows)]
        return [common * omega * pow(point - omega, -1, FIELD_MODULUS) % FIELD_MODULUS for omega in omegas]


def build(weights: Sequence[int], kind: str, folder: Path, engine: EngineProcess) -> Toy:
    """Build one of the toy's circuits in an empty folder: settings, circuit, keys and verifier."""
    matrix = np.array(weights, dtype=np.float64).reshape(-1, 1) / (1 << PARAM_SCALE)
    product = Op("MatMul", ("x", "w"), "y", "product", (1, 1))
    program = Program("x", (len(weights),), "y", (1,), (product,), {"w": matrix})
    model = ImportedModel("toy", instantiate(program, 0, PARAM_SCALE, 100), Settings(0, PARAM_SCALE, 2, 2))

    def files(*names: str) -> dict[str, Any]:
        every = {
            "model": artifact.MODEL,
            "settings": artifact.SETTINGS,
            "circuit": artifact.CIRCUIT,
            "vk": artifact.VK,
            "pk": artifact.PK,
            "srs": artifact.SRS,
            "source": artifact.SOLIDITY,
        }
        return {name: str(folder / every[name]) for name in names}

    (folder / artifact.MODEL).write_bytes(model.to_onnx(1))
    arguments = run_args(model, Visibility.PUBLIC) | {"param_visibility": kind}
    settings = engine.call("gen_settings", run_args=arguments, **files("model", "settings"))
    settings["run_args"]["logrows"] = K[kind]
    (folder / artifact.SETTINGS).write_text(json.dumps(settings))
    string = SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL).file(K[kind])
    (folder / artifact.SRS).write_bytes(string.path.read_bytes())
    engine.call("compile_circuit", **files("model", "circuit", "settings"))
    engine.call("setup", **files("circuit", "vk", "pk", "srs"))
    engine.call("create_verifier", **files("vk", "settings", "srs", "source"))
    source = (folder / artifact.SOLIDITY).read_text()
    sizes = re.findall(r"proof_cptr_end := add\(proof_cptr, 0x([0-9a-f]+)\)", source)
    constants = re.findall(r"mstore\(0x[0-9a-f]+, 0x([0-9a-f]{64})\) // (\w+)$", source, re.MULTILINE)
    return Toy(
        folder,
        engine,
        tuple(int(size, 16) for size in sizes),
        {name: int(value, 16) for value, name in constants},
    )


def solve(toy: Toy, seen: Sequence[Seen], unknown: int) -> dict[int, list[int]]:
    """Return the columns in which only the first `unknown` rows are not zero, by their place among the opened values.

    All proofs but the last are one equation each. The last one tells a true solution from a meaningless one, which
    Gaussian elimination finds for any numbers.
    """
    assert len(seen) == unknown + 1
    matrix = [toy.coefficients(each.point, unknown) + list(each.values) for each in seen[:-1]]
    for column in range(unknown):
        pivot = next(at for at in range(column, unknown) if matrix[at][column])
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        inverse = pow(matrix[column][column], -1, FIELD_MODULUS)
        lead = matrix[column] = [value * inverse % FIELD_MODULUS for value in matrix[column]]
        for at in range(unknown):
            factor = matrix[at][column]
            if at != column and factor:
                pairs = zip(matrix[at], lead, strict=True)
                matrix[at] = [(value - factor * other) % FIELD_MODULUS for value, other in pairs]
    control = toy.coefficients(seen[-1].point, unknown)
    found = {}
    for at, value in enumerate(seen[-1].values):
        rows = [line[unknown + at] for line in matrix]
        if sum(a * b for a, b in zip(control, rows, strict=True)) % FIELD_MODULUS == value:
            found[at] = rows
    return found


def guess(toy: Toy, seen: Seen, weights: int, largest: int) -> dict[int, list[int]]:
    """Return the same from one proof, as small weights allow: tabulate all left halves, look up right halves."""
    half = weights // 2
    coefficients = toy.coefficients(seen.point, weights)
    candidates = range(-largest, largest + 1)

    def sums(part: Sequence[int]) -> dict[int, tuple[int, ...]]:
        partial: dict[int, tuple[int, ...]] = {0: ()}
        for coefficient in part:
            partial = {
                (total + weight * coefficient) % FIELD_MODULUS: (*chosen, weight)
                for total, chosen in partial.items()
                for weight in candidates
            }
        return partial

    left, right = sums(coefficients[:half]), sums(coefficients[half:])
    found = {}
    for at, value in enumerate(seen.values):
        for total, chosen in left.items():
            rest = (value - total) % FIELD_MODULUS
            if rest in right and any((*chosen, *right[rest])):
                found[at] = [*chosen, *right[rest]]
    return found


def shows(found: Mapping[int, Sequence[int]], weights: Sequence[int]) -> bool:
    """Return True if a solution has the weights, one after the other."""
    wanted = [to_field(weight) for weight in weights]
    return any(
        [value % FIELD_MODULUS for value in rows[at : at + len(wanted)]] == wanted
        for rows in found.values()
        for at in range(len(rows))
    )


def run(weights: Sequence[int], *, thorough: bool = False, seed: int = 1) -> dict[str, Any]:
    """Try to recover the weights from proofs of each circuit.

    Args:
        weights: The toy's four weights, integers of at most `LARGEST`; for more, `K` would have to change.
        thorough: Take as many proofs of the hashed circuit as it has rows.
        seed: Seed of the inputs.

    Returns:
        The attempts on each circuit, with their success and the seconds of solving. Columns that are explained
        without weights are selectors and constants: they show that the challenges are read right.
    """
    rng, count = random.Random(seed), len(weights)
    result: dict[str, Any] = {"weights": list(weights), "attempts": []}

    def attempt(kind: str, what: str, toy: Toy, seen: Sequence[Seen], unknown: int = 0) -> None:
        began = time.perf_counter()
        found = solve(toy, seen, unknown) if unknown else guess(toy, seen[0], count, LARGEST)
        result["attempts"].append(
            {
                "circuit": kind,
                "what": what,
                "proofs": unknown or 1,
                "found": shows(found, weights),
                "columns_explained": sum(any(rows) for rows in found.values()),
                "seconds": time.perf_counter() - began,
            }
        )

    for kind in K:
        with tempfile.TemporaryDirectory(prefix="oracle-experiment-") as folder, EngineProcess() as engine:
            toy = build(weights, kind, Path(folder), engine)
            everything = kind != "hashed" or thorough
            began = time.perf_counter()
            windows = [[rng.randint(-100, 100) for _ in weights] for _ in range(toy.rows + 1)]
            if kind == "hashed":
                # All proofs are of the same statement, so they differ in nothing but the blinding.
                windows = [windows[0]] * (len(windows) if everything else count + 1)
            seen = [toy.prove(window) for window in windows]
            result[kind] = {
                "rows": toy.rows,
                "proofs": len(seen),
                "seconds": time.perf_counter() - began,
                "columns": len(seen[0].columns),
                "columns_that_repeat": sum(
                    len(set(each)) < len(seen) for each in zip(*(proof.columns for proof in seen), strict=True)
                ),
            }
            if everything:
                attempt(kind, "nothing is known of the column", toy, seen, toy.rows)
            if kind == "polycommit":
                # Its column ends in ones, not in random numbers. They are not secret, but would have to be subtracted.
                continue
            attempt(kind, "it is known which rows have weights", toy, seen[: count + 1], count)
            attempt(kind, "and that weights have five bits and a sign", toy, seen[:1])
    return result


def main() -> None:
    """Run the experiment as the arguments say, and print what came of it."""
    parser = argparse.ArgumentParser(description="Recover a toy's public weights from its proofs.")
    parser.add_argument("--thorough", action="store_true", help="as many proofs of the hashed circuit as it has rows")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    given = parser.parse_args()
    result = run([3, -10, 20, 7], thorough=given.thorough)
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(f"weights {result['weights']}, over 2^{PARAM_SCALE}")
    for kind in K:
        of = result[kind]
        print(
            f"\n{kind}: {of['rows']} rows; {of['proofs']} proofs in {of['seconds']:.1f} s; of "
            f"{of['columns']} columns that the prover commits to {of['columns_that_repeat']} repeat"
        )
        for each in result["attempts"]:
            if each["circuit"] == kind:
                outcome = "the weights" if each["found"] else "no weights"
                proofs = f"{each['proofs']} proof{'s' * (each['proofs'] > 1)}"
                also = f"{each['columns_explained']} columns explained, {each['seconds']:.2f} s"
                print(f"  {each['what']}: {proofs}, {outcome} ({also})")


if __name__ == "__main__":
    main()
