"""Tests of claims without circuits: constraints and data as integers, files, and early refusals of commands."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.keys import keystore
from oracle.claims import AtLeast, AtMost, Between, ClaimFeature, Constraint, Equals, ModelSpec, OneOf, attest
from oracle.claims.attestation import Attested
from oracle.claims.issuing import read_inputs
from oracle.claims.models import INPUT_SCALE, PARAM_SCALE
from oracle.claims.statement import edges
from oracle.cli import oracle
from oracle.core.errors import DataError, ModelError, OracleError
from tests.claim_models import QUARTERS, centroids, linear

SUBJECT = "0x" + "ab" * 20
REGISTRY = "0x" + "cd" * 20
UNIT, LIMIT = 1 << 16, 1 << 24

EXACT = Context(prec=80)

number = ModelSpec("number", b"", (ClaimFeature("x"),))
probability = ModelSpec("probability", b"", (ClaimFeature("x"),), "Sigmoid")
classes = ModelSpec("classes", b"", (ClaimFeature("x"),), classes=tuple("abcdef"))


def output(spec: ModelSpec, score: int) -> Decimal:
    """Return the output that an integer score stands for, to 80 digits."""
    value = EXACT.divide(Decimal(score), Decimal(UNIT))
    return EXACT.divide(Decimal(1), EXACT.add(Decimal(1), EXACT.exp(-value))) if spec.activation else value


def fulfils(spec: ModelSpec, constraint: Constraint, score: int) -> bool:
    low, high = constraint.bounds()
    return Decimal(low) <= output(spec, score) <= Decimal(high)


def _between(drawn: tuple[float, float]) -> Constraint:
    return Between(*sorted(drawn))


wide = st.floats(-300, 300)
inner = st.floats(1e-9, 1 - 1e-9) | st.integers(-200, 200).map(lambda score: 1 / (1 + math.exp(-score / UNIT)))
apart = lambda each: each[0] != each[1]  # noqa: E731


@given(
    st.tuples(st.just(number), st.tuples(wide, wide).filter(apart).map(_between) | st.builds(AtLeast, wide))
    | st.tuples(st.just(number), st.builds(AtMost, wide))
    | st.tuples(st.just(probability), st.tuples(inner, inner).filter(apart).map(_between))
    | st.tuples(st.just(probability), st.builds(AtLeast, inner) | st.builds(AtMost, inner))
)
def test_bounds_are_rounded_inwards(case: tuple[ModelSpec, Constraint]) -> None:
    """The allowed integers fulfil the constraint exactly; the next one outside, within the limit, would not."""
    spec, constraint = case
    low, high = constraint.bounds()
    try:
        lo, hi = spec.bounds(constraint, UNIT, LIMIT)
    except DataError:
        # Ranges that are narrower than the resolution, or beyond any score.
        if not spec.activation:
            assert low > LIMIT / UNIT or high < -LIMIT / UNIT or high - low < 1 / UNIT
        return
    assert -LIMIT <= lo <= hi <= LIMIT
    assert fulfils(spec, constraint, lo) and fulfils(spec, constraint, hi)
    assert lo == -LIMIT or not fulfils(spec, constraint, lo - 1)
    assert hi == LIMIT or not fulfils(spec, constraint, hi + 1)


@pytest.mark.attack
@given(st.integers(-LIMIT, LIMIT), st.integers(-LIMIT, LIMIT), st.integers(-LIMIT, LIMIT))
def test_no_score_equals_what_it_is_compared_with(lo: int, hi: int, score: int) -> None:
    """If two numbers are equal, ezkl's comparison leaves its answer to the prover."""
    below, above = edges(lo, hi)
    for near in (score, lo - 1, lo, lo + 1, hi - 1, hi, hi + 1):
        assert 2 * near not in (below, above)
        assert (below < 2 * near < above) == (lo <= near <= hi)


@given(st.integers(0, 5), st.integers(1, 6))
def test_classes_are_exact_bounds(first: int, count: int) -> None:
    chosen = tuple(range(first, min(first + count, 6)))
    assert classes.bounds(OneOf(chosen[::-1]), 256, LIMIT) == (256 * first, 256 * chosen[-1])
    assert classes.bounds(Equals(first), 256, LIMIT) == (256 * first, 256 * first)


@pytest.mark.parametrize(
    ("spec", "make", "says"),
    [
        (number, lambda: Between(2, 1), "are reversed"),
        (number, lambda: Between(1, 1), "equal: state a range, or Equals"),
        (number, lambda: AtLeast(math.nan), "not a finite number"),
        (number, lambda: AtMost(math.inf), "not a finite number"),
        (number, lambda: AtLeast(10**400), "not a finite number"),
        (number, lambda: AtLeast(1e9), "no output of number is between"),
        (number, lambda: Between(0.1 / UNIT, 0.2 / UNIT), "at its resolution"),
        (number, lambda: Equals(1), "has no classes: use Between"),
        (probability, lambda: AtLeast(1), "between 0 and 1"),
        (probability, lambda: AtMost(0), "between 0 and 1"),
        (classes, lambda: Between(0, 1), "has classes: use Equals or OneOf"),
        (classes, lambda: Equals(6), "has no class 6, only 0 to 5"),
        (classes, lambda: OneOf((1, 3)), "do not follow each other"),
        (classes, lambda: OneOf((1, 4 * 10**9)), "do not follow each other"),  # and nothing is made of what is between
        (classes, lambda: OneOf((0, 10**300)), "do not follow each other"),
        (classes, lambda: OneOf((1, 2, 2, 4)), "do not follow each other"),
        (classes, lambda: OneOf(()), "do not follow each other"),
        (classes, lambda: Equals(-1), "not the number of a class"),
        (classes, lambda: Equals(True), "not the number of a class"),
    ],
)
def test_constraints_that_are_none(spec: ModelSpec, make: Callable[[], Constraint], says: str) -> None:
    with pytest.raises(DataError, match=says):
        spec.bounds(make(), UNIT, LIMIT)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "not a finite number"),
        (float("inf"), "not a finite number"),
        (10**400, "outside the trained range, 0 to 1"),
        ("1", "not a finite number"),
        (True, "not a finite number"),
        (None, "not a finite number"),
        ([0.5], "not a finite number"),
        (1.5, "outside the trained range"),
    ],
)
def test_values_that_are_none(value: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        number.encode({"x": value})
    # Errors end up in logs.
    assert "1.5" not in str(refused.value)


def test_models_that_are_none() -> None:
    for changes, says in (
        ({"features": (ClaimFeature("salt"),)}, "can't be called 'salt'"),
        ({"classes": ("one",)}, "two or more"),
        ({"classes": ("one", "one")}, "two or more"),
        ({"classes": ("one", "two"), "activation": "Sigmoid"}, "has no activation to state"),
        ({"activation": "Tanh"}, "is none of"),
        ({"features": (ClaimFeature("x", 1, 1),)}, "is empty"),
    ):
        with pytest.raises(ModelError, match=says):
            ModelSpec(**{"name": "bad", "onnx": b"", "features": (ClaimFeature("x"),)} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_class_is_the_first_largest_output(count: int) -> None:
    draw = np.random.default_rng(count)
    matrix, bias = draw.normal(size=(4, count)), draw.normal(size=count)
    # If two outputs are always equal, the first of them counts.
    matrix[:, -1], bias[-1] = matrix[:, 0], bias[0]
    circuit = linear(matrix, bias, tuple("abcde"[:count])).circuit()
    one, unit = 1 << INPUT_SCALE, 1 << PARAM_SCALE
    data = draw.integers(0, one + 1, (200, 4))
    outputs = data @ np.round(matrix * unit).astype(int) + np.round(bias * unit).astype(int) * one
    expected = np.argmax(outputs, axis=1)
    assert len(set(expected)) > 1 or count == 2
    assert [circuit.score(row) for row in data.tolist()] == (expected * circuit.score_unit).tolist()


def test_a_classifier_of_four() -> None:
    spec = centroids()
    circuit = spec.circuit()
    for at, level in enumerate((0.2, 0.4, 0.6, 0.8)):
        score = circuit.score(spec.encode(dict.fromkeys(("x0", "x1", "x2"), level)))
        assert spec.value(score, circuit.score_unit) == at
    assert spec.classes == QUARTERS


def test_classes_are_as_many_as_outputs() -> None:
    for names in ((), ("a", "b")):
        with pytest.raises(ModelError, match="has 3 outputs, not"):
            linear(np.eye(3), np.ones(3), names).circuit()


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def attested() -> Attested:
    account = Account.from_key("0x" + "11" * 32)
    signed = attest(
        account, chain_id=1, registry=REGISTRY, model_id=7, subject=SUBJECT, commitment=42, expires_at=2_000_000_000
    )
    return Attested("credit", 7, 1, REGISTRY, SUBJECT, 42, signed)


def test_an_attestation_is_what_its_issuer_signed(attested: Attested, tmp_path: Path) -> None:
    path = tmp_path / "attestation.json"
    attested.save(path)
    assert Attested.load(path) == attested
    whole = json.loads(path.read_text())
    for change in (
        {"subject": REGISTRY},
        {"registry": SUBJECT},
        {"chain_id": 2},
        {"model_id": hex(8)},
        {"commitment": hex(43)},
        {"attestation": whole["attestation"] | {"expires_at": 2_000_000_001}},
        {"attestation": whole["attestation"] | {"issuer": SUBJECT}},
        {"attestation": whole["attestation"] | {"signature": "0x" + "00" * 65}},
        {"attestation": None},
        {"commitment": hex(1 << 255)},
        {"chain_id": "1"},
        {"subject": "nobody"},
        {"format": "attestation-v0"},
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(DataError, match=r"attestation\.json is not a valid attestation: "):
            Attested.load(path)
    path.write_text(json.dumps(whole)[:-9])
    with pytest.raises(DataError, match="is not a valid attestation"):
        Attested.load(path)


def test_an_attestation_of_something_else(attested: Attested) -> None:
    attested.require(7, SUBJECT.upper().replace("0X", "0x"), 42)
    for other, says in (((8, SUBJECT, 42), "for model"), ((7, REGISTRY, 42), "subject"), ((7, SUBJECT, 43), "salt")):
        with pytest.raises(DataError, match=says):
            attested.require(*other)


@pytest.mark.parametrize("salt", [5, "abc", {"0": 1}])
def test_a_salt_that_is_none(tmp_path: Path, salt: object) -> None:
    (tmp_path / "private.json").write_text(json.dumps({"x": 1, "salt": salt}))
    with pytest.raises(DataError, match="salt is not a list of integers"):
        read_inputs(tmp_path / "private.json")


# --- commands ------------------------------------------------------------------------------------------------------

CREDIT: dict[str, Any] = {
    each.name: each.categories[0] if each.categories else each.low for each in ModelSpec.packaged("credit").features
}


def refused(folder: Path, *arguments: str) -> OracleError:
    before = sorted(os.listdir(folder))
    done = CliRunner().invoke(oracle, ["claim", *arguments])
    assert isinstance(done.exception, OracleError), (done.output, done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert sorted(os.listdir(folder)) == before
    return done.exception


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({"age": 30}, ["--at-least", "0.6"], "the inputs of credit have unknown age"),
        ({"age_in_years": None}, ["--at-least", "0.6"], "age_in_years is not a finite number"),
        ({"age_in_years": 7}, ["--at-least", "0.6"], "age_in_years is outside the trained range, 19 to 75"),
        ({"age_in_years": math.nan}, ["--at-least", "0.6"], "it has NaN, which is not a number in JSON"),
        ({"credit_history": "excellent"}, ["--at-least", "0.6"], "credit_history is none of 'all credits at this bank"),
        ({}, ["--at-least", "0.75", "--at-most", "0.6"], "the bounds 0.75 and 0.6 are reversed"),
        ({}, ["--at-least", "0.6", "--at-most", "0.6"], "the bounds 0.6 and 0.6 are equal: state a range"),
        ({}, ["--at-least", "nan"], "the bound nan is not a finite number"),
        ({}, [], "state --at-least, --at-most, or both; of a model with classes, --class"),
        ({}, ["--class", "good"], "credit has no classes: state --at-least"),
        ({}, ["--class", "good", "--at-least", "0.6"], "--class goes with no bound"),
        ({"salt": 7}, ["--at-least", "0.6"], "salt is not a list of integers"),
    ],
)
def test_proving_refuses_bad_input(tmp_path: Path, change: dict[str, Any], options: list[str], says: str) -> None:
    (tmp_path / "inputs.json").write_text(json.dumps(CREDIT | change))
    common = ("--subject", SUBJECT, "--folder", str(tmp_path / "claims"), "--out", str(tmp_path / "claim.json"))
    error = refused(tmp_path, "prove", str(tmp_path / "inputs.json"), *options, *common)
    assert says in str(error) and error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"inputs\.json can't be read: No such file"),
        ("age = 3", r"inputs\.json is not a valid JSON object of inputs by name"),
        ("[1]", r"inputs\.json is not a valid JSON object of inputs by name"),
    ],
)
def test_inputs_that_are_none(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "inputs.json").write_text(text)
    error = refused(tmp_path, "prove", str(tmp_path / "inputs.json"), "--subject", SUBJECT, "--at-least", "0.6")
    assert re.search(says, str(error))


def test_proving_wants_all_features_and_a_subject(tmp_path: Path, attested: Attested) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps({key: value for key, value in CREDIT.items() if key != "age_in_years"}))
    attested.save(tmp_path / "attestation.json")
    common = (str(path), "--at-least", "0.6", "--folder", str(tmp_path / "claims"))
    assert "lack age_in_years" in str(refused(tmp_path, "prove", *common, "--subject", SUBJECT))
    path.write_text(json.dumps({("age" if key == "age_in_years" else key): value for key, value in CREDIT.items()}))
    misspelt = refused(tmp_path, "prove", *common, "--subject", SUBJECT)
    assert "the inputs of credit lack age_in_years and have unknown age" in str(misspelt)
    unknown = refused(tmp_path, "prove", *common, "--subject", SUBJECT, "--model", "credits")
    assert "packaged models are identity, credit, fair-play" in str(unknown)
    assert "not an address" in str(refused(tmp_path, "prove", *common, "--subject", "0x12"))
    path.write_text(json.dumps(CREDIT))
    assert "whose claim is it" in str(refused(tmp_path, "prove", *common))
    attestation = ("--attestation", str(tmp_path / "attestation.json"))
    assert "inputs.json has no salt" in str(refused(tmp_path, "prove", *common, *attestation))
    assert "can't be read" in str(refused(tmp_path, "prove", *common, "--attestation", str(tmp_path / "none.json")))


def test_attesting_refuses_bad_input(tmp_path: Path) -> None:
    key, password = tmp_path / "issuer.json", tmp_path / "password"
    keystore.import_key(key, "22" * 32, "secret", iterations=2)
    password.write_text("wrong\n")
    password.chmod(0o600)
    path = tmp_path / "inputs.json"
    common = ("--chain-id", "1", "--folder", str(tmp_path / "claims"), "--keystore", str(key), "--password-file")
    outs = ("--out", str(tmp_path / "attestation.json"), "--private-out", str(tmp_path / "private.json"))
    of = ("--subject", SUBJECT, "--registry", REGISTRY)
    path.write_text(json.dumps(CREDIT | {"salt": [1, 2, 3]}))
    assert "draws a fresh one" in str(refused(tmp_path, "attest", str(path), *common, str(password), *outs, *of))
    path.write_text(json.dumps(CREDIT | {"age_in_years": 7}))
    assert "outside the trained" in str(refused(tmp_path, "attest", str(path), *common, str(password), *outs, *of))
    path.write_text(json.dumps(CREDIT))
    error = refused(tmp_path, "attest", str(path), *common, str(password), *outs, *of)
    assert "wrong password" in str(error) and error.exit_code == 2
    for name, value in (("--subject", "0x12"), ("--registry", "nowhere")):
        wrong = [value if before == name else each for before, each in zip(("", *of), of, strict=False)]
        assert name in str(refused(tmp_path, "attest", str(path), *common, str(password), *outs, *wrong))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retire-model", "0x12"], "MODEL-ID: '0x12' is not a 256-bit number: write 0x and 64 hexadecimal digits"),
        (["add-issuer", "0x" + "ab" * 32, "0x12"], "ISSUER: '0x12' is not an address"),
        (["remove-issuer", "7", SUBJECT], "MODEL-ID: '7' is not a 256-bit number"),
        (["revoke", "0x" + "zz" * 32], "COMMITMENT: '0xzz"),
        (["revoke", "0x" + "ab" * 32], "name the --keystore that signs, or take --calldata"),
        (["propose-model"], "name a --keystore; --calldata with a --verifier needs none"),
        (["propose-model", "--calldata"], "name a --keystore; --calldata with a --verifier needs none"),
    ],
)
def test_administration_refuses_bad_input(tmp_path: Path, arguments: list[str], says: str) -> None:
    error = refused(tmp_path, *arguments, "--rpc", "http://127.0.0.1:1", "--registry", REGISTRY)
    assert re.search(re.escape(says), str(error)) and error.exit_code == 2


def test_submitting_wants_an_attestation(tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text("{}")
    common = ("--rpc", "http://127.0.0.1:1", "--registry", REGISTRY, "--keystore", str(tmp_path / "none.json"))
    assert "is not a valid claim: 'format' is missing" in str(
        refused(tmp_path, "submit", str(tmp_path / "claim.json"), *common)
    )
