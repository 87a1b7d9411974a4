"""Ensembles of XGBoost and LightGBM, exported by onnxmltools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from tests.exports.data import Table, cancer, diabetes, iris, wine

Made = tuple[bytes, np.ndarray]


def _xgboost(estimator: Any, table: Callable[[], Table]) -> Made:
    features, target = table()
    estimator.fit(features, target)
    kind = [("x", FloatTensorType([None, features.shape[1]]))]
    model = onnxmltools.convert_xgboost(estimator, initial_types=kind)
    return bytes(model.SerializeToString()), features


def _lightgbm(estimator: Any, table: Callable[[], Table], *, zipmap: bool = True) -> Made:
    features, target = table()
    estimator.fit(features, target)
    kind = [("x", FloatTensorType([None, features.shape[1]]))]
    model = onnxmltools.convert_lightgbm(estimator, initial_types=kind, zipmap=zipmap)
    return bytes(model.SerializeToString()), features


# Threads that wait for each other on a busy machine take seconds for what one thread does at once.
_ALONE = {"random_state": 0, "n_jobs": 1}
_QUIET = {"verbose": -1, **_ALONE}

MODELS: dict[str, Callable[[], Made]] = {
    "xgboost": lambda: _xgboost(xgboost.XGBClassifier(n_estimators=30, **_ALONE), cancer),
    "xgboost-3": lambda: _xgboost(xgboost.XGBClassifier(n_estimators=10, max_depth=4, **_ALONE), wine),
    "xgboost-regressor": lambda: _xgboost(xgboost.XGBRegressor(n_estimators=30, max_depth=4, **_ALONE), diabetes),
    "lightgbm-default": lambda: _lightgbm(lightgbm.LGBMClassifier(**_QUIET), cancer),
    "lightgbm-small": lambda: _lightgbm(lightgbm.LGBMClassifier(n_estimators=20, max_depth=4, **_QUIET), cancer),
    "lightgbm-3": lambda: _lightgbm(lightgbm.LGBMClassifier(n_estimators=10, **_QUIET), iris, zipmap=False),
    "lightgbm-regressor": lambda: _lightgbm(lightgbm.LGBMRegressor(n_estimators=20, **_QUIET), diabetes),
}
