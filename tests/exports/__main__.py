"""Write the exports whose library is installed into a folder: NAME.onnx and NAME.npy."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from pathlib import Path

import numpy as np


def main(folder: Path) -> int:
    """Write the exports. Return 1 if one could not be made."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in ("estimators", "boosted", "modules"):
        try:
            module = importlib.import_module(f"tests.exports.{name}")
        except ImportError as error:
            sys.stderr.write(f"{name}: left out, {error}\n")
            continue
        for model, make in module.MODELS.items():
            try:
                data, samples = make()
            except Exception as error:  # each library has classes of its own
                failed = 1
                sys.stderr.write(f"{model}: {type(error).__name__}: {' '.join(str(error).split())[:300]}\n")
                continue
            (folder / f"{model}.onnx").write_bytes(data)
            np.save(folder / f"{model}.npy", samples)
    return failed


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sys.exit(main(Path(sys.argv[1])))
