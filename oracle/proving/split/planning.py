"""The choice of cuts, by what each segment costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from oracle.core.errors import ModelError
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import run_args, table_rows
from oracle.proving.cost import (
    COLUMNS,
    HASH_ROWS,
    LARGEST_PROOF,
    MAX_K,
    Estimate,
    digit_rows,
    estimate,
    op_rows,
    tables_of,
)
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import Settings, legs_for
from oracle.proving.interface import Progress
from oracle.proving.lowering.program import FUNCTION
from oracle.proving.reference.circuit import Circuit, looked_up
from oracle.proving.reference.steps import IntegerStep, decomposed, fingerprints
from oracle.proving.split.pieces import Plan, Segment, SegmentModel, crossings, piece, window_scale
from oracle.proving.split.schedule import START_SECONDS, lanes_within, makespan
from oracle.proving.tuning.request import BASES, TABLE_BASES, Objective

_ASKED = 4
"""Settings of a segment for which ezkl is asked to count the rows."""

_PLANS = 12
"""Times that cuts are chosen anew, after ezkl counted more rows than the cost model."""

_PARTS = 32
"""Parts of a circuit, by rows, in each of which one cut is weighed where several values cross."""

_DIVISION_ROWS, _DIVIDED_APART = 28, 3
"""Rows of a division without its digits, and the numbers that it takes apart. Counted in ezkl's settings."""


def plan(
    circuit: Circuit,
    *,
    name: str,
    visibility: Visibility,
    objective: Objective,
    memory: int,
    cores: int,
    engine: EngineProcess,
    folder: Path,
    at: Sequence[int] | None = None,
    progress: Progress = lambda step: None,
) -> Plan:
    """Choose where to cut a circuit.

    To save time, the cuts are those with which all segments are proven soonest, as many at once as cores and memory
    allow. To save gas, the cuts are those whose proofs cost least. To save both, the product of the two is smallest.

    Args:
        circuit: The whole circuit.
        name: The model's name.
        visibility: Where the weights are.
        objective: The quantity that should be small.
        memory: Bytes that all proofs at once may take.
        cores: Cores of the machine.
        engine: Asked for the rows of segments; makes no key.
        folder: For its files.
        at: Those of `cuts` that are taken; None lets the planner choose.
        progress: Called with each step before it begins.

    Raises:
        ModelError: A part that can't be cut does not fit the memory.
        ValueError: `at` has a place where the circuit can't be cut.
    """
    planner = _Planner(circuit, name, visibility, objective, memory, cores, at)
    found: Plan | None = None
    for attempt in range(_PLANS):
        progress("cutting" if not attempt else f"cutting again ({attempt}): ezkl counts other rows")
        ranges, lanes = planner.choose() if at is None else planner.taken(at)
        open_ranges = [each for each in ranges if each not in planner.known]
        if not open_ranges:
            segments = tuple(planner.segment(*each) for each in ranges)
            found = Plan(segments, lanes, makespan([each.cost.seconds for each in segments], lanes, cores))
            break
        for each in open_ranges:
            planner.ask(*each, engine, folder)
    if found is None:
        raise ModelError(f"{name}: no cuts were found for which ezkl counts as many rows as the cost model")
    return found


@dataclass
class _Planner:
    """The costs of ranges of steps: exact if ezkl was asked, else estimated."""

    circuit: Circuit
    name: str
    visibility: Visibility
    objective: Objective
    memory: int
    cores: int
    at: Sequence[int] | None = None
    known: dict[tuple[int, int], tuple[Settings, Estimate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        circuit = self.circuit
        shapes: dict[str, tuple[int, ...]] = {name: each.shape for name, each in circuit.constants.items()}
        shapes[circuit.program.input] = (1, *circuit.program.input_shape)
        self.rows: list[tuple[int, int]] = []
        for step in circuit.steps:
            shapes[step.op.output] = step.op.shape
            self.rows.append(_rows(step, shapes))
        self.crossing = crossings(circuit)
        self.width = {at: sum(math.prod(shapes[name]) for name in names) for at, names in self.crossing.items()}
        self.width |= {0: circuit.features, len(circuit.steps): circuit.outputs}
        chosen = self.weighed() if self.at is None else sorted({*self.at} & {*self.crossing})
        self.places = [0, *chosen, len(circuit.steps)]
        self.fingerprints = fingerprints(circuit.constants)
        self.factor = 1.0
        self.estimates: dict[tuple[int, int], tuple[Settings, Estimate] | None] = {}

    def weighed(self) -> list[int]:
        """Return the cuts to choose from: where one value crosses, and the narrowest others of each part."""
        chosen = {at for at, names in self.crossing.items() if len(names) == 1}
        total, before = sum(map(sum, self.rows)) or 1, 0
        narrowest: dict[int, int] = {}
        for at, each in enumerate(self.rows):
            part = _PARTS * before // total
            if at in self.crossing and self.width[at] < self.width.get(narrowest.get(part, -1), math.inf):
                narrowest[part] = at
            before += sum(each)
        return sorted(chosen | {*narrowest.values()})

    def ends(self, start: int, end: int) -> tuple[str, ...]:
        """Return the ends of a range that are hashed."""
        whole = len(self.circuit.steps)
        return ("input",) * (start > 0) + ("output",) * (end < whole)

    def cost(self, estimate: Estimate) -> float:
        if self.objective is Objective.GAS:
            return float(estimate.gas)
        return estimate.seconds + START_SECONDS

    def candidates(self, start: int, end: int) -> list[tuple[Settings, Estimate]]:
        """Return digits and columns, cheapest first; none if a private model's range has no weights to hash."""
        steps = self.circuit.steps[start:end]
        constants = {name for step in steps for name in step.op.inputs if name in self.circuit.constants}
        weights = sum(self.circuit.constants[name].size for name in constants)
        private = self.visibility is Visibility.PRIVATE
        if private and not weights:
            return []
        arithmetic = sum(each[0] for each in self.rows[start:end])
        count = sum(each[1] for each in self.rows[start:end])
        apart = decomposed(steps, self.fingerprints)
        circuit = self.circuit
        scale = circuit.input_scale if start == 0 else window_scale(circuit, self.crossing[start])
        table = self.table(start, end)
        found = []
        for base in (TABLE_BASES if table else BASES) if apart else (2,):
            legs = legs_for(base, apart)
            # A table adds to each column: with three, the verifier has more code than a chain takes.
            for columns in COLUMNS[:2] if table else COLUMNS:
                rows = math.ceil(self.factor * (arithmetic + count * digit_rows(legs)) / columns)
                settings = Settings(scale, circuit.param_scale, base, legs, columns, rebase=circuit.rebase)
                found.append((settings, self.estimate(start, end, settings, rows, weights if private else 0)))
        found.sort(key=lambda each: (each[1].memory > self.memory, self.cost(each[1]), each[1].memory, each[0]))
        return found

    def estimate(self, start: int, end: int, settings: Settings, rows: int, hashed: int = 0) -> Estimate:
        """Estimate a range with this many rows. `hashed` counts weights whose hash's rows `rows` does not have."""
        ends = self.ends(start, end)
        hashed += self.width[start] * ("input" in ends) + self.width[end] * ("output" in ends)
        apart = decomposed(self.circuit.steps[start:end], self.fingerprints)
        private = self.visibility is Visibility.PRIVATE
        public = self.width[start] * ("input" not in ends) + self.width[end] * ("output" not in ends)
        table = self.table(start, end)
        return estimate(
            max(rows, HASH_ROWS * hashed),
            instances=public + private + len(ends),
            private=private or bool(ends),
            lookups=bool(apart or table),
            columns=settings.columns,
            table=max(settings.base if apart else 0, table),
            tables=tables_of(step.op for step in self.circuit.steps[start:end]),
        )

    def table(self, start: int, end: int) -> int:
        """Return the rows of the table in which a range looks functions up; 0 if it looks none up."""
        return table_rows(looked_up(self.circuit.steps[start:end]))

    def best(self, start: int, end: int) -> tuple[Settings, Estimate] | None:
        if (start, end) in self.known:
            return self.known[start, end]
        if (start, end) not in self.estimates:
            self.estimates[start, end] = next(iter(self.candidates(start, end)), None)
        return self.estimates[start, end]

    def ask(self, start: int, end: int, engine: EngineProcess, folder: Path) -> None:
        """Let ezkl count the rows of the best settings."""
        part = piece(self.circuit, start, end)
        onnx, written = folder / "segment.onnx", folder / "segment.json"
        onnx.write_bytes(part.to_onnx(1))
        counted = []
        factor = self.factor
        for settings, guess in self.candidates(start, end)[:_ASKED]:
            model = SegmentModel(self.name, part, settings, hashed=self.ends(start, end))
            arguments = run_args(model, self.visibility)
            told = engine.call("gen_settings", model=str(onnx), settings=str(written), run_args=arguments)
            cost = self.estimate(start, end, settings, told["num_rows"])
            # A table has to fit into the rows, which ezkl does not look after.
            counted.append((replace(settings, k=cost.k) if self.table(start, end) else settings, cost))
            factor = max(factor, self.factor * told["num_rows"] / guess.rows)
        if factor > self.factor:
            # ezkl counts more than was estimated, and will elsewhere too.
            self.factor = factor
            self.estimates.clear()
        counted.sort(key=lambda each: (each[1].memory > self.memory, self.cost(each[1]), each[1].memory, each[0]))
        self.known[start, end] = counted[0]

    def segment(self, start: int, end: int) -> Segment:
        settings, cost = self.known[start, end]
        nodes = (self.circuit.steps[start].op.node, self.circuit.steps[end - 1].op.node)
        return Segment(start, end, nodes, piece(self.circuit, start, end), settings, cost)

    def choose(self) -> tuple[list[tuple[int, int]], int]:
        """Return the best ranges by what is known, and how many are proven at once."""
        found: list[tuple[float, int, list[tuple[int, int]], int]] = []
        for lanes in range(1, self.cores + 1):
            least = self.cheapest(self.memory // lanes, math.inf)
            if least is None:
                break
            total = sum(self.costs(least, seconds=True))
            # A long segment among short ones keeps the others waiting: shorter ones are tried as well.
            for most in (math.inf, total / lanes, total / (2 * lanes), total / (3 * lanes)):
                ranges = self.cheapest(self.memory // lanes, most)
                if ranges is not None:
                    found.append((self.rank(ranges, lanes), len(ranges), ranges, lanes))
        if not found:
            raise ModelError(self.refusal())
        _, _, ranges, lanes = min(found, key=lambda each: each[:2])
        return ranges, min(lanes, len(ranges))

    def taken(self, at: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
        """Return the ranges between these cuts, and how many are proven at once."""
        if not set(at) <= set(self.crossing):
            raise ValueError(f"{list(at)} are not all of the cuts {list(self.crossing)}")
        ranges = list(pairwise([0, *sorted(at), len(self.circuit.steps)]))
        known = [self.known[each][1].memory for each in ranges if each in self.known]
        return ranges, lanes_within(known, self.memory, self.cores) if known else 1

    def costs(self, ranges: Sequence[tuple[int, int]], *, seconds: bool) -> list[float]:
        chosen = [self.best(*each) for each in ranges]
        return [(each[1].seconds if seconds else float(each[1].gas)) for each in chosen if each is not None]

    def rank(self, ranges: Sequence[tuple[int, int]], lanes: int) -> float:
        seconds = makespan(self.costs(ranges, seconds=True), lanes, self.cores)
        gas = sum(self.costs(ranges, seconds=False))
        return {Objective.TIME: seconds, Objective.GAS: gas, Objective.BOTH: math.sqrt(seconds * gas)}[self.objective]

    def cheapest(self, memory: int, most: float) -> list[tuple[int, int]] | None:
        """Return the ranges of the least total cost, each within these bytes and seconds; None if there are none."""
        best: list[tuple[float, int, int]] = [(0.0, 0, -1)] + [(math.inf, 0, -1)] * (len(self.places) - 1)
        for at in range(1, len(self.places)):
            for before in range(at):
                if best[before][0] == math.inf:
                    continue
                chosen = self.best(self.places[before], self.places[at])
                if chosen is None or not self.fits(chosen[1], memory):
                    continue
                if chosen[1].seconds > most and at - before > 1:
                    continue
                total = (best[before][0] + self.cost(chosen[1]), best[before][1] + 1, before)
                best[at] = min(best[at], total)
        if best[-1][0] == math.inf:
            return None
        ends = [len(self.places) - 1]
        while ends[-1]:
            ends.append(best[ends[-1]][2])
        return [(self.places[a], self.places[b]) for a, b in pairwise(reversed(ends))]

    @staticmethod
    def fits(estimate: Estimate, memory: int) -> bool:
        return estimate.memory <= memory and estimate.k <= MAX_K and estimate.proof_bytes <= LARGEST_PROOF

    def refusal(self) -> str:
        """Name the layer that fits no segment: the largest one of the smallest segment that would hold it."""
        reached = [True] + [False] * (len(self.places) - 1)
        for at in range(1, len(self.places)):
            within = [before for before in range(at) if reached[before]]
            chosen = [self.best(self.places[before], self.places[at]) for before in within]
            reached[at] = any(each is not None and self.fits(each[1], self.memory) for each in chosen)
        first = max(at for at, each in enumerate(reached) if each)
        holding = [
            (found[1].memory, found[1], self.places[before], self.places[at])
            for before in range(first + 1)
            for at in range(first + 1, len(self.places))
            if (found := self.best(self.places[before], self.places[at])) is not None
        ]
        if not holding:
            return f"{self.name} can't be cut so that every segment has weights whose hash binds it"
        _, cost, start, end = min(holding, key=lambda each: (each[0], each[2:]))
        largest = max(range(start, end), key=lambda at: self.rows[at][0] + self.weights_of(at))
        change = "allow more with --memory-limit, or make it smaller"
        if self.visibility is Visibility.PRIVATE:
            change += f"; a private weight costs {HASH_ROWS} rows, with --public-model about one"
        return (
            f"{self.name}: {self.circuit.steps[largest].op.node} fits no segment: the smallest that holds it takes "
            f"{cost.rows:,} rows (k = {cost.k}), about {cost.memory / 2**30:.2f} GiB and {cost.seconds:,.0f} s a "
            f"proof; the limit is {self.memory / 2**30:.2f} GiB: {change}"
        )

    def weights_of(self, at: int) -> int:
        if self.visibility is Visibility.PUBLIC:
            return 0
        names = {name for name in self.circuit.steps[at].op.inputs if name in self.circuit.constants}
        return HASH_ROWS * sum(int(self.circuit.constants[name].size) for name in names)


def _rows(step: IntegerStep, shapes: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """Return the rows of a step, without those of digits, and how many numbers it takes apart."""
    arithmetic, apart = op_rows(step.op, shapes)
    size = math.prod(step.op.shape)
    if step.op.kind == FUNCTION:
        # The two ReLUs that keep its argument within a domain are steps of their own here.
        rows, count = op_rows(replace(step.op, kind="Relu"), shapes)
        arithmetic, apart = arithmetic - 2 * rows, apart - 2 * count
    divided = size * (step.drop > 0)
    return arithmetic + _DIVISION_ROWS * divided, apart + _DIVIDED_APART * divided
