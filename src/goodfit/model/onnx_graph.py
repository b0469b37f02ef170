"""An ONNX graph under construction: nodes and arrays by name, in the order in which they are added.

onnx itself comes with ``pip install 'goodfit[onnx]'`` and is imported on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from goodfit.errors import InputError

OPSET, ML_OPSET = 20, 4
IR_VERSION = 9  # what came with opset 20: older runtimes read it too


def import_onnx() -> ModuleType:
    """Return the onnx package.

    Raises:
        InputError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError("Export to ONNX needs onnx: pip install 'goodfit[onnx]'.") from None
    return onnx


class Graph:
    """Nodes, constant arrays, inputs and outputs; names are numbered, so equal models give equal bytes."""

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self._known: dict[Any, str] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, dtype: Any, shape: Sequence[int | str]) -> str:
        """Declare an input and return its name; text in the shape names a free dimension."""
        self._inputs.append(self._value(name, dtype, shape))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: Sequence[int | str]) -> None:
        """Declare that ``value`` goes out as ``name``."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=f"out {name}"))
        self._outputs.append(self._value(name, dtype, shape))

    def _value(self, name: str, dtype: Any, shape: Sequence[int | str]) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))

    def array(self, values: Any, dtype: Any = None) -> str:
        """Return the name of a constant array; equal ones are kept once."""
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        key = (
            array.dtype.str,
            array.shape,
            tuple(array.ravel()) if array.dtype == object else array.tobytes(),
        )
        if key not in self._known:
            self._known[key] = f"c{len(self._arrays)}"
            self._arrays.append(self._onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        name = f"n{len(self._nodes)}"
        made = self._onnx.helper.make_node(
            operator, list(inputs), [name], name=f"{operator} {name}", domain=domain, **attributes
        )
        self._nodes.append(made)
        return name

    def concat(self, parts: Sequence[str], axis: int) -> str:
        """Return parts joined along an axis."""
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def cast(self, value: str, dtype: Any) -> str:
        """Return a value in another type."""
        return self.node("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _used(self) -> tuple[list[Any], list[Any]]:
        """Return the nodes and arrays that an output depends on."""
        wanted, nodes = {output.name for output in self._outputs}, []
        for node in reversed(self._nodes):
            if wanted & set(node.output):
                nodes.append(node)
                wanted |= set(node.input)
        return nodes[::-1], [array for array in self._arrays if array.name in wanted]

    def model(self, name: str, description: str, metadata: dict[str, str]) -> Any:
        """Return the whole as a checked ``onnx.ModelProto``."""
        helper = self._onnx.helper
        nodes, arrays = self._used()
        graph = helper.make_graph(nodes, name, self._inputs, self._outputs, arrays)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, producer_name="goodfit", doc_string=description)
        made.ir_version = IR_VERSION
        helper.set_model_props(made, dict(sorted(metadata.items())))
        self._onnx.checker.check_model(made, full_check=True)
        return made
