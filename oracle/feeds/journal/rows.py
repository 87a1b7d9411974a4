"""One row of the journal: a stage is written to it and read from it.

Whatever a row holds, reading it gives a stage, or a `ValueError` that says what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from oracle.core.documents import parse_json
from oracle.core.errors import DataError
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.stages import Confirmed, Decided, OpenStage, Proven, Scored, Submitted
from oracle.core.types import SignedTransaction


class StageName(IntEnum):
    """The stages, in their order and with the numbers that are stored."""

    OBSERVED = 1
    SCORED = 2
    PROVEN = 3
    SUBMITTED = 4
    CONFIRMED = 5


STAGES: Mapping[type, StageName] = {
    Decided: StageName.OBSERVED,
    Scored: StageName.SCORED,
    Proven: StageName.PROVEN,
    Submitted: StageName.SUBMITTED,
    Confirmed: StageName.CONFIRMED,
}


def dump_others(decided: Decided) -> str:
    """Return the answers of feeds that are not due as JSON, in which large integers are text."""
    return json.dumps([[feed_id.hex(), str(answer)] for feed_id, answer in decided.others])


def load_others(text: Any) -> tuple[tuple[bytes, int], ...]:
    """Return the answers that `dump_others` has written.

    Raises:
        ValueError: The text does not say what it should.
    """
    if not isinstance(text, str):
        raise ValueError("the answers of other feeds are not text")
    found = parse_json(text)
    if not isinstance(found, list) or not all(isinstance(each, list) and len(each) == 2 for each in found):
        raise ValueError("the answers of other feeds are not a list of pairs")
    return tuple((bytes.fromhex(_string(feed_id, "feed_id")), _number(answer, "answer")) for feed_id, answer in found)


def dump(stage: Scored | Proven | Submitted | Confirmed) -> tuple[str, bytes | None]:
    """Return what a stage adds to the one before it, as JSON and a blob.

    Large integers are text in the JSON; large bytes are the blob.
    """
    data: dict[str, Any]
    blob: bytes | None = None
    if isinstance(stage, Scored):
        data = {
            "model_number": stage.model_number,
            "report": _dump_report(stage.signed.report),
            "signatures": [_dump_signature(each) for each in stage.signed.signatures],
            "features": [list(each) for each in stage.features],
            "scores": [[str(score) for score in each] for each in stage.scores],
        }
    elif isinstance(stage, Proven):
        data = {"artifact_hash": stage.artifact_hash, "prove_seconds": stage.prove_seconds}
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
    data = parse_json(text)
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
    if name is StageName.SCORED and isinstance(stage, Decided):
        return _scored(stage, data)
    if name is StageName.PROVEN and isinstance(stage, Scored):
        return Proven(stage, _blob(blob), _text(data, "artifact_hash"), seconds(data, "prove_seconds"))
    if name is StageName.SUBMITTED:
        if isinstance(stage, Proven):
            return Submitted(stage, hexadecimal(data, "tx_hash"), _blob(blob), _integer(data, "nonce"))
        if isinstance(stage, Submitted):
            transaction = SignedTransaction(hexadecimal(data, "tx_hash"), _blob(blob), _integer(data, "nonce"))
            return stage.replaced_by(transaction)
    raise ValueError(f"{name.name} after {type(stage).__name__}")


def previous(stage: Proven | Submitted | Confirmed) -> OpenStage:
    """Return the stage that this one was made from."""
    if isinstance(stage, Confirmed):
        return stage.submitted
    return stage.proven if isinstance(stage, Submitted) else stage.scored


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


def integers(value: Any, name: str) -> tuple[int, ...]:
    """Return integers that are written as text.

    Raises:
        ValueError: There are none.
    """
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return tuple(_number(each, name) for each in value)


def rounds(data: Mapping[str, Any]) -> dict[bytes, int]:
    """Return the round of each feed of a signed report, by the feed's id: from the data of a stage SCORED.

    Raises:
        ValueError: The data does not say it.
    """
    report = _report(data)
    return dict(zip(report.feed_ids, report.round_ids, strict=True))


def _scored(decided: Decided, data: Mapping[str, Any]) -> Scored:
    features = tuple(tuple(_whole(each, "features") for each in _row(row)) for row in _list(data, "features"))
    scores = tuple(integers(row, "scores") for row in _list(data, "scores"))
    if not len(features) == len(scores) == len(decided.due):
        raise ValueError(f"{len(decided.due)} observations have {len(features)} features and {len(scores)} scores")
    try:
        signed = SignedReport(_report(data), tuple(_signature(each) for each in _list(data, "signatures")))
    except DataError as error:
        raise ValueError(str(error)) from None
    if any(each.feed_id not in signed.report.feed_ids for each in decided.due):
        raise ValueError("an observation is not in the signed report")
    return Scored(decided, signed, _integer(data, "model_number"), features, scores)


def _dump_report(report: Report) -> dict[str, Any]:
    return {
        "committee": report.committee,
        "epoch": report.epoch,
        "observed_at": report.observed_at,
        "feed_ids": [each.hex() for each in report.feed_ids],
        "round_ids": list(report.round_ids),
    }


def _report(data: Mapping[str, Any]) -> Report:
    found = data.get("report")
    if not isinstance(found, dict):
        raise ValueError("report is not a JSON object")
    try:
        return Report(
            committee=_integer(found, "committee"),
            epoch=_integer(found, "epoch"),
            observed_at=_integer(found, "observed_at"),
            feed_ids=tuple(bytes.fromhex(_string(each, "feed_ids")) for each in _list(found, "feed_ids")),
            round_ids=tuple(_whole(each, "round_ids") for each in _list(found, "round_ids")),
        )
    except DataError as error:
        raise ValueError(str(error)) from None


def _dump_signature(signature: ReporterSignature) -> dict[str, Any]:
    return {
        "answers": [str(answer) for answer in signature.answers],
        "readings": signature.readings.hex(),
        "r": signature.r.hex(),
        "vs": signature.vs.hex(),
    }


def _signature(value: Any) -> ReporterSignature:
    if not isinstance(value, dict):
        raise ValueError("a signature is not a JSON object")
    return ReporterSignature(
        answers=integers(value.get("answers"), "answers"),
        readings=hexadecimal(value, "readings"),
        r=hexadecimal(value, "r"),
        vs=hexadecimal(value, "vs"),
    )


def _row(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("features are not lists")
    return value


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
