"""Smoothing changes no result and evens out the activations."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from railmatch.classifier.onnx_smoothing import smooth


def graph_of(*layers: tuple[str, str, str, np.ndarray], inputs: int) -> onnx.ModelProto:
    """Products (state before, name of the weight, state after, weight), of which the last gives what comes out."""
    states = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["texts", "tokens", inputs])
    out = helper.make_tensor_value_info(layers[-1][2], TensorProto.FLOAT, None)
    nodes = [helper.make_node("MatMul", [before, weight], [after], name=after) for before, weight, after, _ in layers]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for _, name, _, value in layers]
    graph = helper.make_graph(nodes, "graph", [states], [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def result(model: onnx.ModelProto, states: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"states": states})[0]
    return found


def weight_of(model: onnx.ModelProto, name: str) -> np.ndarray:
    found: np.ndarray = numpy_helper.to_array(next(entry for entry in model.graph.initializer if entry.name == name))
    return found


def test_the_results_stay() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(4, 6)), random.normal(size=(6, 3))
    model = graph_of(("states", "w1", "hidden", first), ("hidden", "w2", "out", second), inputs=4)
    states = (random.normal(size=(2, 5, 4)) * [1.0, 50.0, 0.01, 1.0]).astype(np.float32)
    before = result(model, states)
    smooth(model, list(model.graph.node), [{"states": states}])
    assert result(model, states) == pytest.approx(before, rel=1e-4, abs=1e-4)
    assert [node.op_type for node in model.graph.node] == ["Mul", "MatMul"] * 2


def test_factors_are_those_of_the_paper() -> None:
    # Largest inputs 16 and 1, largest weights 1 and 4: factors 16^0.85 / 1^0.15 and 1^0.85 / 4^0.15.
    model = graph_of(("states", "w", "out", np.array([[1.0, 0.5], [-4.0, 1.0]])), inputs=2)
    feeds = [{"states": np.array([[row]], np.float32)} for row in ([-16.0, 0.5], [2.0, 1.0])]
    smooth(model, list(model.graph.node), feeds)
    assert (1 / weight_of(model, "states_inverse")).tolist() == pytest.approx([10.556063, 0.812252], abs=1e-5)
    assert weight_of(model, "w")[:, 0].tolist() == pytest.approx([10.556063, -3.249009], abs=1e-5)


def test_products_of_the_same_states_share_the_factors_of_the_largest_weights() -> None:
    # The largest weights of both are 2 and 1, and the largest inputs 1 and 1: factors 2^-0.15 and 1.
    one, two = np.array([[2.0], [0.5]]), np.array([[1.0], [1.0]])
    model = graph_of(("states", "w1", "first", one), ("states", "w2", "second", two), inputs=2)
    smooth(model, list(model.graph.node), [{"states": np.ones((1, 1, 2), np.float32)}])
    assert [node.op_type for node in model.graph.node] == ["Mul", "MatMul", "MatMul"]
    assert weight_of(model, "w1")[:, 0].tolist() == pytest.approx([1.802501, 0.5], abs=1e-5)
    assert weight_of(model, "w2")[:, 0].tolist() == pytest.approx([0.901250, 1.0], abs=1e-5)


def test_products_that_are_not_of_states_and_silent_channels_are_left_in_order() -> None:
    identity = np.eye(3)
    model = graph_of(("states", "w", "out", identity), inputs=3)
    table = numpy_helper.from_array(np.ones((2, 3), np.float32), "table")
    model.graph.initializer.append(table)
    model.graph.node.insert(0, helper.make_node("MatMul", ["table", "w_table"], ["positions"], name="positions"))
    model.graph.initializer.append(numpy_helper.from_array(identity.astype(np.float32), "w_table"))
    states = np.array([[[1.0, 0.0, 1.0]]], np.float32)
    smooth(model, list(model.graph.node), [{"states": states}])
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Mul", "MatMul"]
    assert weight_of(model, "w_table").tolist() == identity.tolist()
    assert result(model, states) == pytest.approx(states, abs=1e-6)
    assert np.isfinite(weight_of(model, "w")).all()
