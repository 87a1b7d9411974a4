"""Train the default model, byte for byte as it ships, from data that the `arch` package carries.

python scripts/train_default_model.py           writes oracle/detectors/packaged/peers-v1.json
python scripts/train_default_model.py --check   trains, and compares with the file that ships
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from oracle.core.errors import OracleError
from oracle.detectors.training import default_model
from oracle.detectors.training.default_model import TrainingSeries
from oracle.detectors.training.reports import Reports
from oracle.sources.packaged.series import load_series

TARGET = Path(__file__).resolve().parent.parent / "oracle" / "detectors" / "packaged" / f"{default_model.NAME}.json"


def load(series: TrainingSeries) -> Reports:
    """Return the whole series, as the `arch` package carries it."""
    readings = load_series(series.name, column=series.column)
    return default_model.recorded((reading.value, reading.observed_at) for reading in readings)


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 if the trained model is not the one that ships."""
    parser = argparse.ArgumentParser(description="Train the default model.")
    parser.add_argument("--check", action="store_true", help="compare with the file that ships instead of writing it")
    options = parser.parse_args(arguments)
    try:
        trained = default_model.train(load, lambda step: print(step, file=sys.stderr)).to_json()
    except OracleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if not options.check:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(trained, encoding="utf-8")
        print(f"written: {TARGET}")
        return 0
    if TARGET.read_text(encoding="utf-8") != trained:
        print(f"{TARGET} is not what training gives now:\n{trained}", file=sys.stderr)
        return 1
    print(f"{TARGET} is reproduced byte for byte")
    return 0


if __name__ == "__main__":
    sys.exit(main())
