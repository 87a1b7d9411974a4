"""Estimators of scikit-learn, exported by skl2onnx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.exports.data import Table, cancer, diabetes, digits, iris, wine

Made = tuple[bytes, np.ndarray]


def _exported(estimator: Any, table: Callable[[], Table], *, options: dict[str, Any] | None = None) -> Made:
    """Fit an estimator and export it as skl2onnx does by default, but for the options."""
    features, target = table()
    estimator.fit(features, target)
    model = skl2onnx.to_onnx(
        estimator,
        initial_types=[("X", FloatTensorType([None, features.shape[1]]))],
        options=None if options is None else {id(estimator): options},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    return bytes(model.SerializeToString()), features


_PLAIN = {"zipmap": False}
_SEED = {"random_state": 0}

MODELS: dict[str, Callable[[], Made]] = {
    # Linear
    "linear-regression": lambda: _exported(LinearRegression(), diabetes),
    "ridge": lambda: _exported(Ridge(), diabetes),
    "lasso": lambda: _exported(Lasso(0.1), diabetes),
    "elastic-net": lambda: _exported(ElasticNet(0.01), diabetes),
    "poisson-regressor": lambda: _exported(PoissonRegressor(), diabetes),
    "logistic-regression": lambda: _exported(make_pipeline(StandardScaler(), LogisticRegression()), cancer),
    "logistic-regression-3": lambda: _exported(make_pipeline(StandardScaler(), LogisticRegression()), wine),
    "perceptron": lambda: _exported(Perceptron(**_SEED), iris, options={"raw_scores": True, **_PLAIN}),
    "sgd-classifier": lambda: _exported(make_pipeline(MinMaxScaler(), SGDClassifier(**_SEED)), cancer),
    "lda": lambda: _exported(LinearDiscriminantAnalysis(), iris),
    "qda": lambda: _exported(QuadraticDiscriminantAnalysis(), iris),
    "gaussian-nb": lambda: _exported(GaussianNB(), iris),
    "pca-logistic-regression": lambda: _exported(
        make_pipeline(PCA(8), LogisticRegression(C=0.01, max_iter=300)), digits
    ),
    "polynomial-ridge": lambda: _exported(make_pipeline(PolynomialFeatures(2), Ridge()), iris),
    # Kernel machines
    "linear-svc": lambda: _exported(LinearSVC(**_SEED), iris),
    "svc-linear": lambda: _exported(SVC(kernel="linear"), iris),
    "svc-poly": lambda: _exported(make_pipeline(StandardScaler(), SVC(kernel="poly", degree=2)), wine),
    "svc-rbf": lambda: _exported(make_pipeline(StandardScaler(), SVC()), wine),
    "svr-poly": lambda: _exported(SVR(kernel="poly", degree=3), iris),
    "svr-rbf": lambda: _exported(SVR(), diabetes),
    # Trees
    "decision-tree": lambda: _exported(DecisionTreeClassifier(**_SEED), cancer),
    "decision-tree-regressor": lambda: _exported(DecisionTreeRegressor(max_depth=6, **_SEED), diabetes),
    "random-forest": lambda: _exported(RandomForestClassifier(30, max_depth=6, **_SEED), cancer),
    "random-forest-regressor": lambda: _exported(RandomForestRegressor(20, max_depth=6, **_SEED), diabetes),
    "extra-trees-regressor": lambda: _exported(ExtraTreesRegressor(20, max_depth=6, **_SEED), diabetes),
    "gradient-boosting": lambda: _exported(GradientBoostingClassifier(**_SEED), cancer),
    "gradient-boosting-regressor": lambda: _exported(GradientBoostingRegressor(**_SEED), diabetes),
    "ada-boost": lambda: _exported(AdaBoostClassifier(n_estimators=10, **_SEED), cancer, options=_PLAIN),
    "bagging": lambda: _exported(BaggingClassifier(n_estimators=5, **_SEED), iris),
    "voting-regressor": lambda: _exported(
        VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=4, **_SEED))]), diabetes
    ),
    # Networks
    "mlp": lambda: _exported(make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=300, **_SEED)), cancer),
    "mlp-3": lambda: _exported(MLPClassifier((16, 8), max_iter=500, **_SEED), iris),
    "mlp-tanh": lambda: _exported(
        make_pipeline(
            StandardScaler(), MLPRegressor(hidden_layer_sizes=(16,), activation="tanh", max_iter=400, **_SEED)
        ),
        diabetes,
    ),
    # Anomalies and clusters
    "isolation-forest": lambda: _exported(IsolationForest(n_estimators=20, **_SEED), cancer),
    "one-class-svm-linear": lambda: _exported(OneClassSVM(kernel="linear", nu=0.1), iris),
    "one-class-svm-rbf": lambda: _exported(make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)), wine),
    "local-outlier-factor": lambda: _exported(LocalOutlierFactor(10, novelty=True), iris),
    "k-means": lambda: _exported(KMeans(3, n_init=3, **_SEED), iris),
    "gaussian-mixture": lambda: _exported(GaussianMixture(3, **_SEED), iris),
}
