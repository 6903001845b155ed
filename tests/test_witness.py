"""Values that leave the trace: each way out is reported, with the user's line, once."""

from __future__ import annotations

import copy
import io
import linecache
import math
import os
import pickle
import random
import threading
import warnings

import numpy as np
import pytest
import torch
from exported import check_export, ops, to_graph
from torch import nn
from torch.nn import functional as F

import toffee
from toffee.torch_toffee import export

X = torch.linspace(-1, 1, 12).reshape(3, 4)
N = torch.tensor(2)


def warnings_of(fn, args, **kwargs) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        to_graph(fn, args, **kwargs)
    return [w for w in caught if w.category is toffee.TraceWarning]


# ---- the ways out -------------------------------------------------------------------------------

VALUES = {
    "item": lambda x, n: x * x.sum().item(),
    "bool": lambda x, n: x if bool(x.sum() > 0) else -x,
    "if": lambda x, n: x if x.sum() > 0 else -x,
    "and": lambda x, n: (x.sum() > 0 and x) or -x,
    "assert": lambda x, n: x + 1 if (x < 5).all() else x,
    "is_nonzero": lambda x, n: x if n.is_nonzero() else -x,
    "int": lambda x, n: x * int(n),
    "float": lambda x, n: x * float(n),
    "complex": lambda x, n: x * complex(n).real,
    "math": lambda x, n: x * math.exp(n),
    "range": lambda x, n: x * len(range(n)),
    "list index": lambda x, n: x * [1, 2, 3][n],
    "slice": lambda x, n: x[:n],
    "index": lambda x, n: x[n],
    "shape argument": lambda x, n: x.new_zeros(int(n)) + x.sum(),
    "arange": lambda x, n: x.sum() * torch.arange(n),
    "full": lambda x, n: x * torch.full((4,), n),
    "tolist": lambda x, n: x * x.tolist()[0][0],
    "numpy": lambda x, n: x * torch.from_numpy(x.numpy()),
    "asarray": lambda x, n: x * torch.from_numpy(np.asarray(x)),
    "numpy ufunc": lambda x, n: x * torch.from_numpy(np.asarray(x) + 1),
    "array of scalars": lambda x, n: x * np.array([float(v) for v in x[0]]).sum(),
    "torch.tensor data": lambda x, n: x * torch.tensor(data=[[n]]),
    "torch.Tensor": lambda x, n: x * torch.Tensor([n]),
    "new_tensor": lambda x, n: x * x.new_tensor([n]),
    "equal": lambda x, n: x if torch.equal(x, x + 1) else -x,
    "allclose": lambda x, n: x if torch.allclose(x, x + 1) else -x,
    "in": lambda x, n: x if 3.0 in x else -x,
    "max": lambda x, n: x + max(x[0, 0], x[0, 1]),
    "sorted": lambda x, n: torch.stack(sorted(x[0])),
    "f-string": lambda x, n: x * len(f"{n}"),
    "formatted": lambda x, n: x * len(f"{x.sum():.3f}"),
    "str": lambda x, n: x * len(str(x)),
    "copy": lambda x, n: x * copy.copy(x),
    "pickle": lambda x, n: x * pickle.loads(pickle.dumps(x)),
    "torch.save": lambda x, n: (torch.save(x, io.BytesIO()), x + 1)[1],
    "dlpack": lambda x, n: x * torch.from_dlpack(x),
    "numpy dlpack": lambda x, n: x * torch.from_numpy(np.array(np.from_dlpack(x))),
    "storage": lambda x, n: x * x.untyped_storage()[0],
    "address": lambda x, n: x * (x.data_ptr() % 2),
    "Parameter of a temporary": lambda x, n: nn.Parameter(x * 2) + 1,
}

SHAPES = {
    "nonzero": lambda x, n: x.nonzero(),
    "argwhere": lambda x, n: torch.argwhere(x > 0),
    "where": lambda x, n: torch.where(x > 0)[0],
    "len of nonzero": lambda x, n: x * len(x.nonzero()),
    "masked_select": lambda x, n: x.masked_select(x > 0),
    "mask": lambda x, n: x[x > 0],
    "mask of rows": lambda x, n: x[x[:, 0] > -5],
    "unique": lambda x, n: x.unique(),
    "unique whole numbers": lambda x, n: x.long().unique(return_inverse=True)[1],
    "unique rows": lambda x, n: x.unique(dim=0),
    "unique_consecutive": lambda x, n: x.unique_consecutive(),
    "repeat_interleave": lambda x, n: x.repeat_interleave(x[:, 0].long().abs() + 1, 0),
    "bincount": lambda x, n: x.long().abs().flatten().bincount(),
}

#: No form in a graph as well: what is reported is reported before that error.
REFUSED_SHAPES = {
    "unique": lambda x, n: x.abs().to(torch.uint64).unique(),
    "lstsq": lambda x, n: torch.linalg.lstsq(x, x).residuals,
}


@pytest.mark.parametrize("way", VALUES)
def test_a_value_that_leaves_is_reported_from_its_line(way):
    fn = VALUES[way]
    expected_line = fn.__code__.co_firstlineno
    found = warnings_of(fn, (X, N))
    assert found, "silent"
    for warning in found:
        assert (warning.filename, warning.lineno) == (__file__, expected_line)
        assert linecache.getline(__file__, expected_line).strip() in str(warning.message)
        assert "as it was in this run" in str(warning.message)


@pytest.mark.parametrize("way", SHAPES)
def test_a_shape_that_depends_on_data_is_reported_from_its_line(way):
    found = warnings_of(SHAPES[way], (X, N))
    assert any(
        "makes a shape that depends on the values of an input" in str(w.message) for w in found
    )
    assert {w.lineno for w in found} == {SHAPES[way].__code__.co_firstlineno}


@pytest.mark.parametrize("way", REFUSED_SHAPES)
def test_a_shape_without_a_form_is_reported_and_refused_with_its_line(way):
    fn = REFUSED_SHAPES[way]
    with (
        pytest.warns(toffee.TraceWarning, match="makes a shape"),
        pytest.raises(toffee.UnsupportedOperatorError, match=f"{__file__}:"),
    ):
        to_graph(fn, (X, N))


@pytest.mark.parametrize("way", [*VALUES, *SHAPES, *REFUSED_SHAPES])
def test_strict_refuses_every_way_out_before_anything_is_written(way, tmp_path):
    fn = {**VALUES, **SHAPES, **REFUSED_SHAPES}[way]
    with (
        warnings.catch_warnings(),
        pytest.raises(toffee.TraceError, match=f"{__file__}:{fn.__code__.co_firstlineno}"),
    ):
        warnings.simplefilter("ignore")  # NumPy's and PyTorch's own
        export(fn, (X.clone(), N), tmp_path / "m.onnx", strict=True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("catch", [Exception, BaseException])
def test_strict_raises_even_if_the_model_swallows_the_error(catch, tmp_path):
    def forward(x):
        try:
            return x * x.sum().item()
        except catch:
            return x

    with pytest.raises(toffee.TraceError, match="aten::item"):
        export(forward, X, tmp_path / "m", strict=True)
    assert os.listdir(tmp_path) == []


# ---- what stays silent --------------------------------------------------------------------------


class Settings(nn.Module):
    """Values of parameters and buffers decide; they are fixed in the graph anyhow."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.register_buffer("mask", torch.tensor([True, False, True, True]))

    def forward(self, x, n):
        if self.weight.sum() > 1 and self.mask.any():
            x = x[:, self.mask] * self.weight.max().item()
        return x * len(self.mask.nonzero()) + torch.tensor([w for w in self.weight[:3]])


SILENT = {
    "shapes": lambda x, n: x * x.shape[0] * len(x) * x.numel() * x.dim() * x.stride(0),
    "loop over rows": lambda x, n: torch.stack([row * i for i, row in enumerate(x)]),
    "unpacking": lambda x, n: (lambda a, b, c: a + b * c)(*x),
    "constants": lambda x, n: x * torch.ones(3).sum().item() * int(torch.tensor(3)),
    "mask of constants": lambda x, n: x[:, torch.tensor([True, False, True, True])],
    "branch on a constant": lambda x, n: x if torch.equal(torch.ones(2), torch.ones(2)) else -x,
    "dtype and device": lambda x, n: x.to(n.dtype) if n.is_floating_point() else x + 1,
    "same size": lambda x, n: x if x.is_same_size(x) else -x,
    "identity": lambda x, n: {x: 1}[x] * x,
    "new_tensor of numbers": lambda x, n: x * x.new_tensor([1.0, 2.0, 3.0, 4.0]),
    "as_tensor of a tensor": lambda x, n: x * torch.as_tensor(x, dtype=torch.float64),
    "tensor of scalars": lambda x, n: x * torch.tensor([n, x.sum(), 3, True]),
    "tensor of nested scalars": lambda x, n: torch.as_tensor([[n, 2], (n * 3, x[0, 0])]) + 1,
    "tensor of whole numbers": lambda x, n: torch.tensor([n, 2]),
    "tensor of a tensor": lambda x, n: x * x.clone().detach() + torch.asarray(x),
    "deepcopy": lambda x, n: x * copy.deepcopy(x),
    "data": lambda x, n: x * x.data,
    "Parameter": lambda x, n: (lambda y: nn.Parameter(y) * y)(x * 2),
    "masked write": lambda x, n: x.clone().masked_fill_(x > 0, 2.0),
    "assignment by mask": lambda x, n: (lambda y: (y.__setitem__(y > 0, 1.0), y)[1])(x * 1),
    "where": lambda x, n: torch.where(x > 0, x, -x),
    "module": Settings(),
}


@pytest.mark.parametrize("program", SILENT)
def test_what_depends_on_shapes_constants_and_parameters_alone_is_silent_and_right(program):
    fn = SILENT[program]
    assert warnings_of(fn, (X, N)) == []
    to_graph(fn, (X, N), strict=True)
    check_export(fn, (X, N))


# ---- how it is said -----------------------------------------------------------------------------


def test_each_operator_and_line_is_said_once_in_an_export_and_again_in_the_next():
    def forward(x):
        for row in x:
            for value in row:
                if value.item() > 100:
                    return x
        return x * x.sum().item()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert len(warnings_of(forward, X)) == 2
        assert len(warnings_of(forward, X)) == 2


def test_the_default_filters_show_the_warning():
    def forward(x):
        return x * x.sum().item()

    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        to_graph(forward, X)
    assert [w.category for w in caught] == [toffee.TraceWarning]


def test_the_warning_can_be_made_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        with pytest.raises(toffee.TraceWarning, match="aten::item"):
            to_graph(lambda x: x * x.sum().item(), X)


def test_the_line_is_the_users_also_through_pytorchs_and_pythons_own_code():
    def norm_if_large(x):
        return nn.functional.normalize(x) if copy.copy(x.norm()) > 1 else x

    found = warnings_of(norm_if_large, X)
    line = norm_if_large.__code__.co_firstlineno + 1
    assert {(w.filename, w.lineno) for w in found} == {(__file__, line)}


def test_code_without_a_file_is_reported_with_its_line_number():
    namespace: dict = {}
    exec(
        compile("def forward(x):\n    return x * x.sum().item()\n", "<my code>", "exec"), namespace
    )
    (found,) = warnings_of(namespace["forward"], X)
    assert (found.filename, found.lineno) == ("<my code>", 2)


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (lambda x: x.clone().apply_(lambda v: v + 1), "apply_"),
        (lambda x: x.clone().map_(x, lambda a, b: a + b), "map_"),
    ],
    ids=["apply_", "map_"],
)
def test_python_functions_over_elements_are_refused_with_the_line(fn, name):
    with pytest.raises(toffee.TraceError, match=rf"Tensor.{name} has no form.*\n.*{__file__}"):
        to_graph(fn, X)


def test_assigning_to_data_is_refused_with_the_line():
    def forward(x):
        y = x * 2
        y.data = x + 5
        return y

    with pytest.raises(toffee.TraceError, match=r"(?s)copy_\(\).*y.data = x \+ 5"):
        to_graph(forward, X)


def test_a_branch_by_torch_cond_is_refused_with_the_line():
    def forward(x):
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    with pytest.raises(toffee.TraceError, match=r"(?s)^cond, like.*return torch.cond"):
        to_graph(forward, X)


# ---- random numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x + torch.rand(4),
        lambda x: x + torch.randn(3, 4),
        lambda x: x[torch.randperm(3)],
        lambda x: x + torch.randint(0, 5, (4,)),
        lambda x: x + torch.empty(4).normal_(),
        lambda x: x + nn.functional.dropout(torch.ones(4), 0.5),
    ],
    ids=["rand", "randn", "randperm", "randint", "normal_", "dropout of data"],
)
def test_random_numbers_of_pytorch_are_reported_with_the_line(fn):
    (found,) = warnings_of(fn, X)
    assert "draws random numbers: the graph has those of this run" in str(found.message)
    assert found.lineno == fn.__code__.co_firstlineno
    with pytest.raises(toffee.TraceError, match="draws random numbers"):
        to_graph(fn, X, strict=True)


@pytest.mark.parametrize(
    ("fn", "whose"),
    [(lambda x: x + random.random(), "Python"), (lambda x: x + np.random.rand(), "NumPy")],
    ids=["python", "numpy"],
)
def test_random_numbers_of_python_and_numpy_are_reported_with_the_model(fn, whose):
    (found,) = warnings_of(fn, X)
    assert f"the random generator of {whose} was drawn from" in str(found.message)
    assert (found.filename, found.lineno) == (__file__, fn.__code__.co_firstlineno)
    with pytest.raises(toffee.TraceError, match=f"generator of {whose}"):
        to_graph(fn, X, strict=True)


def test_dropout_in_training_is_in_the_graph_and_not_reported():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    assert warnings_of(model, X, training=True) == []
    assert "Dropout" in ops(to_graph(model, X, training=True))


# ---- exports inside and beside each other -------------------------------------------------------


def test_an_export_in_a_hook_of_an_exported_model_is_refused_and_leaves_no_mark():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    handle = model[0].register_forward_hook(lambda m, i, o: export(m, i, io.BytesIO()))
    with pytest.raises(toffee.TraceError, match="an export is running in this thread"):
        to_graph(model, X)
    handle.remove()
    assert ops(to_graph(model, X)) == ["Gemm", "Relu"]


def test_threads_report_their_own_lines_and_not_each_others():
    def leaks(x):
        return x * float(x.sum())

    def silent(x):
        return x * 2

    found: dict[str, list[str]] = {"leaks": [], "silent": []}

    def work(name, fn):
        for _ in range(5):
            try:
                export(fn, X.clone(), io.BytesIO(), strict=True)
                found[name].append("")
            except toffee.TraceError as error:
                found[name].append(str(error))

    threads = [
        threading.Thread(target=work, args=("leaks", leaks)),
        threading.Thread(target=work, args=("silent", silent)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["silent"] == [""] * 5
    assert all("float(x.sum())" in text for text in found["leaks"])


def test_the_fast_path_of_attention_is_back_after_two_exports_that_overlap():
    first_is_in, second_is_done = threading.Event(), threading.Event()

    def slow(x):
        first_is_in.set()
        second_is_done.wait(timeout=30)
        return x + 1

    before = torch.backends.mha.get_fastpath_enabled()
    thread = threading.Thread(target=to_graph, args=(slow, X))
    thread.start()
    first_is_in.wait(timeout=30)
    to_graph(lambda x: x * 2, X)
    assert not torch.backends.mha.get_fastpath_enabled()  # the first is still running
    second_is_done.set()
    thread.join()
    assert torch.backends.mha.get_fastpath_enabled() == before


# ---- values that are only checked ----------------------------------------------------------------


def assert_positive(x, n):
    assert (x + 10 > 0).all().item(), "not positive"
    return x * n


def raise_if_large(x, n):
    if x.abs().max() > 1000:
        raise ValueError("too large")
    return x * n


def ask_torch(x, n):
    torch._check_with(ValueError, bool(x.max() < 1000), lambda: "too large")
    torch._check_tensor_all(x < 1000)
    return x * n


def assert_and_use(x, n):
    assert (total := x.sum().item()) < 1000
    return x * total


def raise_or_use(x, n):
    if x.max() > 1000:
        raise ValueError("too large")
    else:
        x = x + 1
    return x * n


@pytest.mark.parametrize("fn", [assert_positive, raise_if_large, ask_torch])
def test_a_value_that_decides_nothing_but_an_error_is_no_leak(fn):
    assert not warnings_of(fn, (X, N))
    to_graph(fn, (X, N), strict=True)


@pytest.mark.parametrize("fn", [assert_and_use, raise_or_use])
def test_a_check_whose_value_is_used_otherwise_is_a_leak(fn):
    (warning,) = warnings_of(fn, (X, N))
    assert "takes a value that depends on an input" in str(warning.message)


def test_a_library_that_asks_whether_it_is_exported_hears_yes_and_only_then():
    def forward(x, mask):
        if not torch.compiler.is_exporting() and bool(mask.all()):
            return x
        return torch.where(mask, x, -1.0)

    assert not torch.compiler.is_exporting()
    ones = torch.ones(3, 4, dtype=torch.bool)
    assert not warnings_of(forward, (X, ones))
    check_export(forward, (X, ones), (X, X > 0))
    with pytest.raises(ZeroDivisionError):
        to_graph(lambda x: x / (1 // 0), X)
    assert not torch.compiler.is_exporting()


# ---- random numbers that are none ----------------------------------------------------------------


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x + torch.dropout(torch.ones(3, 1), 0.5, False),
        lambda x: x + torch.rrelu(torch.ones(3, 1), 0.1, 0.3, False),
        lambda x: x + F.scaled_dot_product_attention(*[torch.ones(1, 3, 4)] * 3)[0],
    ],
)
def test_what_drops_nothing_draws_nothing(fn):
    assert not warnings_of(fn, X)


def test_dropout_of_a_constant_in_training_is_reported():
    (warning,) = warnings_of(lambda x: x + torch.dropout(torch.ones(3, 1), 0.5, True), X)
    assert "draws random numbers" in str(warning.message)


# ---- Module.to() in a forward --------------------------------------------------------------------


class Converting(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 2)
        self.dtype = dtype

    def forward(self, x):
        return self.inner.to(self.dtype)(x.to(self.dtype))


def test_a_module_converted_to_the_type_that_it_has_is_as_it_was():
    model = Converting(torch.float32)
    assert "inner.weight" in to_graph(model, X).input
    check_export(model, X)


def test_a_module_converted_to_another_type_in_its_forward_is_refused():
    model = Converting(torch.float64)
    with pytest.raises(toffee.TraceError, match="Assigning to .data has no form"):
        to_graph(model, X)
