"""toffee.checker against the models of ONNX's own tests, as they are and with random faults."""

from __future__ import annotations

import random
import warnings

import onnx
import onnx.checker
import onnx.helper
import pytest

import toffee
import toffee.checker

# At least so many of the cases are sound at opset 20: fewer would mean that little is compared.
FEWEST_SOUND = 1200


def sound_in_onnx(model: onnx.ModelProto, full_check: bool) -> bool:
    try:
        onnx.checker.check_model(model, full_check=full_check)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


def sound_in_toffee(model: onnx.ModelProto) -> bool:
    try:
        toffee.checker.check_graph(toffee.loads(model.SerializeToString()))
    except (toffee.CheckError, toffee.FormatError):
        return False
    return True


@pytest.fixture(scope="module")
def sound_models() -> dict[str, onnx.ModelProto]:
    """The one-node models that are sound when they are said to be of opset 20, by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they compute with infinities
        cases = collect_testcases(None)
    models = {}
    for case in cases:
        if case.model is None or {opset.domain for opset in case.model.opset_import} != {""}:
            continue
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        model.ir_version = 9
        model.opset_import[0].version = 20
        if sound_in_onnx(model, full_check=True):
            models[case.name] = model
    return models


def test_no_sound_model_is_refused(sound_models: dict[str, onnx.ModelProto]) -> None:
    assert len(sound_models) >= FEWEST_SOUND
    refused = {name for name, model in sound_models.items() if not sound_in_toffee(model)}
    assert refused == set()


def put_a_fault_in(model: onnx.ModelProto, rng: random.Random) -> None:
    """Change one thing about one node, which may or may not make the model unsound."""
    node = rng.choice(model.graph.node)
    fault = rng.randrange(8)
    if fault == 0 and node.input:
        del node.input[rng.randrange(len(node.input))]
    elif fault == 1:
        node.input.extend([rng.choice(list(node.input) or [""])] * rng.randint(1, 3))
    elif fault == 2 and node.output:
        del node.output[-1]
    elif fault == 3:
        node.output.append("one_more")
    elif fault == 4 and node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]
    elif fault == 5:
        node.attribute.append(onnx.helper.make_attribute("axes_of_evil", [1]))
    elif fault == 6 and node.attribute:
        other = onnx.helper.make_attribute("x", rng.choice([1, 1.5, "text", [1, 2], [1.5]]))
        other.name = rng.choice(node.attribute).name
        kept = [attribute for attribute in node.attribute if attribute.name != other.name]
        del node.attribute[:]
        node.attribute.extend([*kept, other])
    elif fault == 7:
        node.op_type = node.op_type + "2"


def test_what_onnx_refuses_is_refused_here_too(sound_models: dict[str, onnx.ModelProto]) -> None:
    """Without full_check, which is the part about arity, attributes and names."""
    rng = random.Random(20)
    names = sorted(sound_models)
    n_refused = 0
    passed = []
    for _ in range(20_000):
        name = rng.choice(names)
        model = onnx.ModelProto.FromString(sound_models[name].SerializeToString())
        put_a_fault_in(model, rng)
        if not sound_in_onnx(model, full_check=False):
            n_refused += 1
            if sound_in_toffee(model):
                passed.append((name, str(model.graph.node)))
    assert n_refused > 5000
    assert passed == []
