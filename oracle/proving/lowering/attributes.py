"""The attributes of a node: those that it has, and the defaults of its opset. None of them is ignored in silence."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import defs, helper

HARMLESS = {
    "ArgMax": {"select_last_index"},
    "BatchNormalization": {"momentum", "consumed_inputs"},
    "Conv": {"kernel_shape"},
    "ConvTranspose": {"kernel_shape"},
    "Dropout": {"ratio", "seed", "consumed_inputs"},
    "LinearClassifier": {"multi_class"},
    "TreeEnsembleClassifier": {"nodes_hitrates", "nodes_missing_value_tracks_true"},
    "TreeEnsembleRegressor": {"nodes_hitrates", "nodes_missing_value_tracks_true", "n_targets"},
    "ZipMap": {"classlabels_int64s", "classlabels_strings"},
}
"""Attributes that change no number that is published.

They are for training, for inputs that are not numbers, for labels, or say what the weights' shape says (runtimes refuse
another kernel). The scores of a linear classifier are the same whatever `multi_class` says.
"""


class NodeAttributes(dict[str, Any]):
    """A node's attributes with the defaults of its opset. It notes which of them are read.

    Args:
        node: The node.
        opset: The version of its domain's operators that the model imports.
    """

    def __init__(self, node: onnx.NodeProto, opset: int) -> None:
        defaults = _defaults(node, opset)
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        super().__init__(defaults | given)
        self._special = {name for name, value in given.items() if name not in defaults or defaults[name] != value}
        self._special -= HARMLESS.get(node.op_type, set())
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default if the node and its opset have none."""
        self._read.add(name)
        return super().get(name, default)

    @property
    def ignored(self) -> list[str]:
        """The attributes that are set to something else than their default, and that nothing has read."""
        return sorted(self._special - self._read)

    def shown(self, name: str) -> str:
        """Return an attribute's value as a message repeats it."""
        value = super().__getitem__(name)
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return text if len(text) < 60 else f"{text[:56]}…"


def opset_of(model: onnx.ModelProto, domain: str) -> int:
    """Return the version of a domain's operators that a model imports; 1 if it says nothing."""
    names = ("", "ai.onnx") if domain in ("", "ai.onnx") else (domain,)
    return next((int(each.version) for each in model.opset_import if each.domain in names), 1)


def _defaults(node: onnx.NodeProto, opset: int) -> dict[str, Any]:
    try:
        schema = defs.get_schema(node.op_type, opset, "" if node.domain == "ai.onnx" else node.domain)
    except defs.SchemaError:
        return {}
    return {
        name: helper.get_attribute_value(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type != onnx.AttributeProto.UNDEFINED
    }
