"""Modules of PyTorch, exported by `torch.onnx.export` with its defaults. Their weights are drawn, not trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

Made = tuple[bytes, np.ndarray]


class _Recurrent(nn.Module):
    """The last state of a recurrent layer, and a linear layer."""

    def __init__(self, cell: type[Any], features: int, hidden: int) -> None:
        super().__init__()
        self.cell = cell(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Any) -> Any:
        states, _ = self.cell(x)
        return self.head(states[:, -1])


class _Residual(nn.Module):
    """A dense layer around which its input goes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.head = nn.Linear(width, 2)

    def forward(self, x: Any) -> Any:
        return self.head(torch.relu(x + self.layer(x)))


class _Attention(nn.Module):
    """One layer of a transformer's encoder, and the mean of its positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x).mean(1))


def _exported(make: Callable[[], Any], *shape: int) -> Made:
    torch.manual_seed(0)
    module = make().eval()
    samples = np.random.default_rng(0).normal(size=(200, *shape)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(module, (torch.from_numpy(samples[:1]),), str(path), verbose=False)
        return bytes(onnx.load(path).SerializeToString()), samples


def _dense(*sizes: int, between: Callable[[], Any] = nn.ReLU) -> Any:
    layers: list[Any] = []
    for at, (one, two) in enumerate(pairwise(sizes)):
        layers += ([between()] if at else []) + [nn.Linear(one, two)]
    return nn.Sequential(*layers)


MODELS: dict[str, Callable[[], Made]] = {
    "torch-linear": lambda: _exported(lambda: nn.Linear(8, 1), 8),
    "torch-mlp": lambda: _exported(lambda: _dense(16, 32, 16, 3), 16),
    "torch-gelu": lambda: _exported(lambda: _dense(16, 16, 2, between=nn.GELU), 16),
    "torch-silu": lambda: _exported(lambda: _dense(16, 16, 2, between=nn.SiLU), 16),
    "torch-autoencoder": lambda: _exported(lambda: _dense(16, 8, 4, 8, 16), 16),
    "torch-residual": lambda: _exported(lambda: _Residual(12), 12),
    "torch-batch-norm": lambda: _exported(
        lambda: nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)), 8
    ),
    "torch-layer-norm": lambda: _exported(lambda: nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 1)), 8),
    "torch-softmax": lambda: _exported(lambda: nn.Sequential(_dense(8, 8, 3), nn.Softmax(1)), 8),
    "torch-conv1d": lambda: _exported(
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(32, 1)
        ),
        2,
        16,
    ),
    "torch-conv2d": lambda: _exported(
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 4)
        ),
        1,
        8,
        8,
    ),
    "torch-lstm": lambda: _exported(lambda: _Recurrent(nn.LSTM, 3, 4), 6, 3),
    "torch-gru": lambda: _exported(lambda: _Recurrent(nn.GRU, 3, 4), 6, 3),
    "torch-transformer": lambda: _exported(lambda: _Attention(8), 4, 8),
}
