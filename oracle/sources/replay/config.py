"""The configuration of a source of the type "replay", and of any recorded series."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from oracle.core.settings import ConfigPath, DecimalNumber, wrong
from oracle.sources.config import ToldSourceConfig

__all__ = ["RecordedSourceConfig", "ReplaySourceConfig"]

Speed = Annotated[DecimalNumber, Field(gt=0)] | Literal["max"]


class RecordedSourceConfig(ToldSourceConfig):
    """A recorded series that is replayed, wherever it is recorded.

    Attributes:
        speed: Recorded seconds per real second; "max": one row at each read.
        timestamps: "recorded" keeps the recorded times, for a chain that is at recorded time; "now" moves
            them so that the first row is observed when the replay starts; "clock" replays the recording round and
            round, by the clock alone, so that all who replay it are at the same row.
    """

    speed: Speed = Decimal(1)
    timestamps: Literal["recorded", "now", "clock"] = "recorded"

    @model_validator(mode="after")
    def _times_follow(self) -> Self:
        if self.speed == "max" and self.timestamps != "recorded":
            raise wrong(f"timestamps = '{self.timestamps}' needs a numeric 'speed', from which the times follow")
        return self


class ReplaySourceConfig(RecordedSourceConfig):
    """A recorded series in a file: CSV, TSV, Parquet or XLSX.

    Attributes:
        file: The file.
        value_column: Header of the values.
        time_column: Header of the times: unix time, ISO 8601, or another form whose order of day and month is clear.
    """

    type: Literal["replay"]
    file: ConfigPath
    value_column: str = "value"
    time_column: str = "time"

    def _found_origin(self) -> str:
        return f"recording {self.file.name}"
