"""Exports to ONNX: an estimator of scikit-learn or a module of PyTorch that is in memory, and files of other formats.

No pickle is ever opened here: reading one runs the code in it. A file of another format is refused with the command
that its owner types to export it. skl2onnx is in the extra `sklearn`; a module of PyTorch comes with its own torch.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from oracle.core.errors import DataError, ModelError, ToolMissing
from oracle.proving import samples as tables
from oracle.proving.lowering.loading import read_file

SKLEARN_OPSET = {"": 17, "ai.onnx.ml": 3}
"""The versions of operators that skl2onnx is asked for: those that all its converters know."""

_SKLEARN = 'import joblib, oracle; oracle.from_sklearn(joblib.load({path}), "samples.npy").save({onnx})'
_TORCH = 'import torch, oracle; oracle.from_torch(torch.load({path}, weights_only=False), "samples.npy").save({onnx})'
_KERAS = "python -m tf2onnx.convert --keras {path} --output {onnx}"
_TYPES = "from onnxmltools.convert.common.data_types import FloatTensorType as T; "
_WRITE = 'open({onnx}, "wb").write(m.SerializeToString())'
_LIGHTGBM = (
    f"import lightgbm, onnxmltools; {_TYPES}b = lightgbm.Booster(model_file={{path}}); "
    f'm = onnxmltools.convert_lightgbm(b, initial_types=[("x", T([None, b.num_feature()]))], zipmap=False); {_WRITE}'
)
_XGBOOST = (
    f"import xgboost, onnxmltools; {_TYPES}b = xgboost.Booster(model_file={{path}}); "
    f'm = onnxmltools.convert_xgboost(b, initial_types=[("x", T([None, b.num_features()]))]); {_WRITE}'
)

_PICKLE = "a pickle, which runs code when it is read"
_OTHERS = {
    ".pkl": (_PICKLE, _SKLEARN),
    ".pickle": (_PICKLE, _SKLEARN),
    ".joblib": (_PICKLE, _SKLEARN),
    ".pt": ("a file of PyTorch", _TORCH),
    ".pth": ("a file of PyTorch", _TORCH),
    ".h5": ("a file of Keras", _KERAS),
    ".keras": ("a file of Keras", _KERAS),
    ".txt": ("a file of LightGBM", _LIGHTGBM),
    ".json": ("a file of XGBoost", _XGBOOST),
    ".ubj": ("a file of XGBoost", _XGBOOST),
}
"""Formats of other libraries by the end of the file's name, and the command that exports one."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model that was exported to ONNX, in memory.

    Attributes:
        name: Letters, digits and hyphens.
        onnx: The ONNX file, with all its weights. It is in no repr.
    """

    name: str
    onnx: bytes = field(repr=False)

    def save(self, path: Path | str) -> None:
        """Write the ONNX file.

        Raises:
            DataError: It can't be written.
        """
        try:
            Path(path).write_bytes(self.onnx)
        except OSError as error:
            raise DataError(f"{path} can't be written: {error.strerror}") from error


def given(model: Any, name: str = "model") -> ExportedModel | Path:
    """Return a model that a caller gave: in memory, or the path of its file.

    Args:
        model: An ONNX file, its bytes, or what `from_sklearn` and `from_torch` return.
        name: The name of a model that is given as bytes.

    Raises:
        ModelError: It is an object of another library; the message says how to export it.
    """
    match model:
        case ExportedModel():
            return model
        case bytes() | bytearray():
            return ExportedModel(name, bytes(model))
        case str() | Path():
            return Path(model)
    raise ModelError(
        f"a {type(model).__module__}.{type(model).__name__} is no ONNX model: give the file or its bytes, or export it "
        "with oracle.from_sklearn or oracle.from_torch"
    )


def require_onnx(path: Path) -> None:
    """Refuse a file of another library's format, by its name; it is not opened.

    Raises:
        ModelError: The message has the command that exports the file to ONNX.
    """
    if path.suffix.lower() not in _OTHERS:
        return
    kind, line = _OTHERS[path.suffix.lower()]
    onnx = path.with_suffix(".onnx")
    if line.startswith("python "):
        command = line.format(path=shlex.quote(str(path)), onnx=shlex.quote(str(onnx)))
    else:
        command = "python -c " + shlex.quote(line.format(path=_text(path), onnx=_text(onnx)))
    raise ModelError(f"{path} is {kind}, and not ONNX. Export it first: {command}")


def _text(path: Path) -> str:
    """Return a path as a text of Python in double quotes, so that the shell's single quotes go around it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def rows_of(samples: Any) -> np.ndarray:
    """Return samples as an array of numbers: a file's, or those of an array, a table or a list of rows.

    Raises:
        DataError: They are not a table of numbers.
    """
    if isinstance(samples, str | Path):
        return tables.load(Path(samples))
    try:
        found = np.asarray(samples, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the samples are not a table of numbers: {error}") from error
    if found.ndim < 2 or not found.size:
        raise DataError(f"the samples have the shape {found.shape}: they are rows, one for each sample")
    return found


def from_sklearn(estimator: Any, samples: Any, *, name: str | None = None) -> ExportedModel:
    """Export a fitted estimator or pipeline of scikit-learn. It takes all features as one row of numbers.

    Args:
        estimator: Fitted. Its columns have to be numbers.
        samples: Rows of its features, or a file with them. Only their number of columns counts.
        name: The model's name; None: the estimator's class.

    Raises:
        ToolMissing: skl2onnx is not installed.
        ModelError: skl2onnx can't export the estimator; it may be of an unknown class, or not fitted.
    """
    try:
        import skl2onnx  # an extra, and slow to import
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError as error:
        raise ToolMissing(
            "exporting an estimator of scikit-learn needs skl2onnx: pip install 'verifiable-oracle[sklearn]'"
        ) from error
    width = rows_of(samples).shape[1]
    has_classes = hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_")
    options = {id(estimator): {"zipmap": False}} if has_classes else None
    try:
        proto = skl2onnx.convert_sklearn(
            estimator,
            initial_types=[("x", FloatTensorType([None, width]))],
            options=options,
            target_opset=SKLEARN_OPSET,
        )
    except Exception as error:  # skl2onnx, scikit-learn and converters of others raise classes of their own
        raise _refused(estimator, "skl2onnx", error) from error
    return ExportedModel(_named(estimator, name), bytes(proto.SerializeToString()))


def from_torch(module: Any, samples: Any, *, name: str | None = None) -> ExportedModel:
    """Export a module of PyTorch, in evaluation mode, with the torch that it was made with.

    Args:
        module: Takes float32 rows, [N, …]. Its mode is afterwards what it was.
        samples: Rows of its inputs, or a file with them; the first one is traced.
        name: The model's name; None: the module's class.

    Raises:
        ToolMissing: torch, or what its exporter needs, is not installed.
        ModelError: torch can't export the module.
    """
    try:
        import torch  # the module's own: this package asks for none, as it takes gigabytes
    except ImportError as error:
        raise ToolMissing("exporting a module of PyTorch needs torch: pip install torch onnxscript") from error
    example = torch.tensor(rows_of(samples)[:1].tolist(), dtype=torch.float32)
    was_training = bool(module.training)
    module.eval()
    with tempfile.TemporaryDirectory(prefix="oracle-exported-") as folder:
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(module, (example,), str(path), input_names=["x"], verbose=False)
        except ImportError as error:
            raise ToolMissing(f"torch's exporter needs a package: pip install {error.name or 'onnxscript'}") from error
        except Exception as error:  # torch's exporters raise classes of their own
            raise _refused(module, "torch.onnx.export", error) from error
        finally:
            module.train(was_training)
        return ExportedModel(_named(module, name), read_file(path))


def _named(model: Any, name: str | None) -> str:
    return name or type(model).__name__.lower().replace("_", "-")


def _refused(model: Any, tool: str, error: Exception) -> ModelError:
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())[:300]  # torch colours its errors
    return ModelError(f"{tool} can't export {type(model).__name__}: {type(error).__name__}: {words}")
