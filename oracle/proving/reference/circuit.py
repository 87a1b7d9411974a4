"""A circuit's integer model: a program at chosen scales, which computes what the circuit publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Program
from oracle.proving.reference.arithmetic import compute, product, quotient
from oracle.proving.reference.onnx_graph import write_graph
from oracle.proving.reference.steps import EXACT_QUOTIENT_BITS, IntegerStep, Reached

APPROXIMATE_REBASE = 1
"""The rebase of every approximate circuit, and of no exact one."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A program at chosen scales.

    Attributes:
        program: The program that it was made from.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are multiples of 2^-param_scale.
        output_scale: Scale of the published integers.
        clip: Every integer of a window is in [-clip, clip].
        steps: The operations, in order.
        constants: Integers, by name.
        output: Name of the result.
        bound: No intermediate value exceeds it, over all clipped windows and whatever a prover chooses.
        decomposed: Nothing that a ReLU, a comparison or a division takes apart exceeds it; 0 if nothing is taken apart.
        decompositions: Numbers that are taken apart, per window.
        rebase: t: nothing has a larger scale than t · param_scale. 0: nothing is divided.
        slack: How far a prover's choice of roundings can take an output from `evaluate`'s; 0 if nothing is divided.
        reached: The numbers that the outputs can be, each; None if only `bound` is known.
    """

    program: Program
    input_scale: int
    param_scale: int
    output_scale: int
    clip: int
    steps: tuple[IntegerStep, ...]
    constants: Mapping[str, Any] = field(repr=False)
    output: str
    bound: int
    decomposed: int
    decompositions: int
    rebase: int = 0
    slack: int = 0
    reached: Reached | None = field(default=None, repr=False, compare=False)

    @property
    def features(self) -> int:
        """Integers in a window."""
        return self.program.features

    @property
    def outputs(self) -> int:
        """Integers that are published for a window."""
        return self.program.outputs

    @property
    def weights(self) -> int:
        """Numbers that the circuit has as parameters."""
        used = {name for step in self.steps for name in step.op.inputs}
        return sum(constant.size for name, constant in self.constants.items() if name in used)

    @property
    def level(self) -> int:
        """Scale of the rebase, which is that of the arguments and results of functions; 0 if nothing is divided."""
        return self.rebase * self.param_scale

    @property
    def is_approximate(self) -> bool:
        """True if the circuit looks functions up, or divides as one that does: outputs have a guard band."""
        return bool(self.program.looked_up) or self.rebase == APPROXIMATE_REBASE

    @property
    def looked_up(self) -> tuple[int, int] | None:
        """The least and the largest argument of the circuit's tables; None if it has none."""
        return looked_up(self.steps)

    def evaluate(self, windows: Any) -> np.ndarray:
        """Return the integers that the circuit publishes.

        Args:
            windows: Integers [count, features], within the clip.

        Returns:
            Integers [count, outputs]: int64 if all intermediate values fit, otherwise Python's own.
        """
        # Floats are exact up to this size, and by far the fastest.
        kind: Any = np.float64 if self.bound < 2**EXACT_QUOTIENT_BITS else np.int64 if self.bound < 2**62 else object
        result: np.ndarray = self._run(np.asarray(windows, dtype=object), kind)
        return result.astype(np.int64) if kind is np.float64 else result

    def evaluate_exactly(self, windows: Any) -> np.ndarray:
        """Return the same as `evaluate`, always computed in Python's integers: tests compare faster ways with it."""
        result: np.ndarray = self._run(np.asarray(windows, dtype=object), object, np.matmul)
        return result

    def scaled(self, samples: Any) -> np.ndarray:
        """Return float inputs [count, features] at the scales of windows, rounded and not clipped."""
        shifts = np.array(self.program.shifts or (0,), dtype=np.float64)
        result: np.ndarray = np.rint(np.asarray(samples, dtype=np.float64) * 2.0 ** (self.input_scale + shifts))
        return result

    def quantise(self, samples: Any) -> np.ndarray:
        """Return float inputs as windows, rounded to the input's scale and clipped."""
        windows: np.ndarray = np.clip(self.scaled(samples), -self.clip, self.clip).astype(np.int64)
        return windows

    def _run(self, windows: np.ndarray, kind: Any, multiply: Callable[[Any, Any], Any] | None = None) -> Any:
        values: dict[str, Any] = {name: constant.astype(kind) for name, constant in self.constants.items()}
        values[self.program.input] = windows.astype(kind).reshape(len(windows), *self.program.input_shape)
        for step in self.steps:
            result = compute(step, [values[name] for name in step.op.inputs], multiply or product)
            values[step.op.output] = quotient(result, step.drop) if step.drop else result
        return values[self.output].reshape(len(windows), self.outputs)

    def to_onnx(self, batch: int, salt: Sequence[int] = ()) -> bytes:
        """Return the graph for `batch` windows of integers.

        Its input is `x` [batch, features], its output `s` [batch, outputs].

        Args:
            batch: Windows.
            salt: Integers that the hash of the weights commits to, and that change nothing.
        """
        return write_graph(
            self.program,
            self.steps,
            self.constants,
            self.output,
            input_scale=self.input_scale,
            param_scale=self.param_scale,
            batch=batch,
            salt=salt,
        )


def looked_up(steps: Sequence[IntegerStep]) -> tuple[int, int] | None:
    """Return the least and the largest argument that these steps look up; None if they look nothing up."""
    tables = [step.table for step in steps if step.table is not None]
    return (min(low for low, _ in tables), max(high for _, high in tables)) if tables else None
