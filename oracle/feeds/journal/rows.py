"""One row of the journal: a stage is written to it and read from it.

Whatever a row holds, reading it gives a stage, or a `ValueError` that says what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from oracle.core.types import (
    Confirmed,
    Observed,
    OpenStage,
    Proven,
    Scored,
    SignedObservation,
    SignedTransaction,
    Stage,
    Submitted,
)


class StageName(IntEnum):
    """The stages, in their order and with the numbers that are stored."""

    OBSERVED = 1
    SCORED = 2
    PROVEN = 3
    SUBMITTED = 4
    CONFIRMED = 5


STAGES: Mapping[type, StageName] = {
    Observed: StageName.OBSERVED,
    Scored: StageName.SCORED,
    Proven: StageName.PROVEN,
    Submitted: StageName.SUBMITTED,
    Confirmed: StageName.CONFIRMED,
}


def dump(stage: Stage) -> tuple[str, bytes | None]:
    """Return what a stage adds to the one before it, as JSON and a blob.

    Large integers are text in the JSON; large bytes are the blob.
    """
    data: dict[str, Any]
    blob: bytes | None = None
    if isinstance(stage, Observed):
        data = {}
    elif isinstance(stage, Scored):
        data = {
            "round_id": stage.round_id,
            "model_number": stage.model_number,
            "features": list(stage.features),
            "scores": [str(score) for score in stage.scores],
            "signed": [
                {
                    "answer": str(signed.answer),
                    "observed_at": signed.observed_at,
                    "v": signed.v,
                    "r": signed.r.hex(),
                    "s": signed.s.hex(),
                }
                for signed in stage.signed
            ],
        }
    elif isinstance(stage, Proven):
        data = {"artifact_hash": stage.artifact_hash, "prove_seconds": stage.prove_seconds}
        if stage.batch:
            data["batch"] = list(stage.batch)
        blob = stage.proof
    elif isinstance(stage, Submitted):
        data = {"tx_hash": stage.tx_hash.hex(), "nonce": stage.nonce}
        blob = stage.raw_transaction
    else:
        data = {"confirmed_at": stage.confirmed_at}
    return json.dumps(data, allow_nan=False), blob


def load_data(text: Any) -> dict[str, Any]:
    """Return a row's data.

    Raises:
        ValueError: It is not a JSON object.
    """
    if not isinstance(text, str):
        raise ValueError("its data is not text")
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("its data is nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("its data is not a JSON object")
    return data


def follow(stage: OpenStage, name: StageName, text: Any, blob: Any) -> OpenStage:
    """Return the stage that a row makes of the one before it: the inverse of `dump`.

    A further SUBMITTED takes the place of the one before it.

    Raises:
        ValueError: The row does not say what it should, or does not follow on that stage.
    """
    data = load_data(text)
    if name is StageName.OBSERVED and isinstance(stage, Observed):
        return stage
    if name is StageName.SCORED and isinstance(stage, Observed):
        return Scored(
            observed=stage,
            round_id=_integer(data, "round_id"),
            model_number=_integer(data, "model_number"),
            signed=tuple(_signed(each) for each in _list(data, "signed")),
            features=tuple(_whole(each, "features") for each in _list(data, "features")),
            scores=tuple(_number(each, "scores") for each in _list(data, "scores")),
        )
    if name is StageName.PROVEN and isinstance(stage, Scored):
        batch = tuple(_string(each, "batch") for each in data.get("batch", ()))
        return Proven(stage, _blob(blob), _text(data, "artifact_hash"), seconds(data, "prove_seconds"), batch)
    if name is StageName.SUBMITTED:
        if isinstance(stage, Proven):
            return Submitted(stage, hexadecimal(data, "tx_hash"), _blob(blob), _integer(data, "nonce"))
        if isinstance(stage, Submitted):
            transaction = SignedTransaction(hexadecimal(data, "tx_hash"), _blob(blob), _integer(data, "nonce"))
            return stage.replaced_by(transaction)
    raise ValueError(f"{name.name} after {type(stage).__name__}")


def previous(stage: Stage) -> OpenStage | None:
    """Return the stage that this one was made from; None for an observation."""
    if isinstance(stage, Confirmed):
        return stage.submitted
    if isinstance(stage, Submitted):
        return stage.proven
    if isinstance(stage, Proven):
        return stage.scored
    return stage.observed if isinstance(stage, Scored) else None


def hexadecimal(data: Mapping[str, Any], name: str) -> bytes:
    """Return bytes that are written in hex.

    Raises:
        ValueError: There are none.
    """
    return bytes.fromhex(_text(data, name))


def seconds(data: Mapping[str, Any], name: str) -> float:
    """Return a finite number.

    Raises:
        ValueError: There is none.
    """
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    return float(value)


def integers(data: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return integers that are written as text.

    Raises:
        ValueError: There are none.
    """
    return tuple(_number(each, name) for each in _list(data, name))


def _signed(value: Any) -> SignedObservation:
    if not isinstance(value, dict):
        raise ValueError("a signature is not a JSON object")
    return SignedObservation(
        answer=_number(value.get("answer"), "answer"),
        observed_at=_integer(value, "observed_at"),
        v=_integer(value, "v"),
        r=hexadecimal(value, "r"),
        s=hexadecimal(value, "s"),
    )


def _list(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def _text(data: Mapping[str, Any], name: str) -> str:
    return _string(data.get(name), name)


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


def _integer(data: Mapping[str, Any], name: str) -> int:
    return _whole(data.get(name), name)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is not an integer")
    return value


def _number(value: Any, name: str) -> int:
    """Return an integer that is written as text, because it may be larger than what JSON readers take."""
    return int(_string(value, name))


def _blob(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("its bytes are missing")
    return value
