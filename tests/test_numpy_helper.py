"""numpy_helper: tensors to and from arrays, beside onnx's own functions."""

from __future__ import annotations

import gc
import subprocess
import sys

import ml_dtypes
import numpy as np
import onnx.numpy_helper
import pytest

import toffee
from toffee import Tensor, helper, numpy_helper

DTYPES = [
    np.bool_,
    *[np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)],
    *[np.float16, np.float32, np.float64, np.complex64, np.complex128],
    *[
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e4m3fnuz,
        ml_dtypes.float8_e5m2,
        ml_dtypes.float8_e5m2fnuz,
        ml_dtypes.int4,
        ml_dtypes.float4_e2m1fn,
        ml_dtypes.float6_e2m3fn,
        ml_dtypes.float6_e3m2fn,
    ],
]


def values(dtype, shape):
    rng = np.random.default_rng(1)
    numbers = rng.integers(-3, 4, shape)
    if np.dtype(dtype).kind == "c":
        return (numbers + 1j * rng.integers(-3, 4, shape)).astype(dtype)
    return np.abs(numbers).astype(dtype) if np.dtype(dtype).kind == "u" else numbers.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,), (2, 3, 4)], ids=str)
def test_every_dtype_goes_in_and_out_as_in_onnx(dtype, shape):
    array = values(dtype, shape)
    tensor = numpy_helper.from_array(array, "t")
    theirs = onnx.numpy_helper.from_array(array, "t")
    assert (tensor.name, list(tensor.dims)) == ("t", list(theirs.dims))
    assert tensor.data_type == theirs.data_type
    assert bytes(tensor.raw_data) == theirs.raw_data
    back = numpy_helper.to_array(tensor)
    assert (back.dtype, back.shape) == (array.dtype, shape)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_every_dtype_survives_the_file(dtype):
    array = values(dtype, (5, 3))
    graph = toffee.Graph(initializer=[numpy_helper.from_array(array, "t")])
    back = numpy_helper.to_array(toffee.loads(toffee.dumps(graph)).initializer[0])
    assert back.dtype == array.dtype and back.tobytes() == array.tobytes()


def test_arrays_share_the_graphs_memory_are_read_only_and_keep_it_alive(conv_bytes, weights):
    tensor = toffee.loads(conv_bytes).initializer[0]
    array = numpy_helper.to_array(tensor)
    again = numpy_helper.to_array(tensor)
    assert array.ctypes.data == again.ctypes.data
    assert array.flags.c_contiguous and array.flags.aligned and not array.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0
    with pytest.raises(ValueError):
        array.flags.writeable = True
    del tensor, again
    gc.collect()
    assert np.array_equal(array, weights)


def test_an_array_of_any_layout_becomes_row_major_and_little_endian():
    base = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    for array in (base.T, base[:, ::-1, ::2], base.astype(">i4"), np.asfortranarray(base)):
        tensor = numpy_helper.from_array(array)
        assert bytes(tensor.raw_data) == array.astype("<i4").tobytes()
        assert np.array_equal(tensor.numpy(), array)


def test_the_tensor_does_not_follow_later_changes_of_the_array():
    array = np.zeros(5000)
    tensor = numpy_helper.from_array(array)
    array[:] = 1
    assert not tensor.numpy().any()


def test_lists_and_numbers_are_taken_as_numpy_takes_them():
    assert numpy_helper.from_array([[1, 2]]).data_type == Tensor.INT64
    assert numpy_helper.from_array(1.5).data_type == Tensor.DOUBLE


def test_strings_become_an_object_array_of_str():
    array = np.array([["a", "größer"], ["", "x"]], dtype=object)
    for given in (array, array.astype(str), np.char.encode(array.astype(str), "utf-8")):
        tensor = numpy_helper.from_array(given, "s")
        assert tensor.data_type == Tensor.STRING
        assert tensor.string_data == (b"a", "größer".encode(), b"", b"x")
        assert np.array_equal(tensor.numpy(), array)
    graph = toffee.loads(toffee.dumps(toffee.Graph(initializer=[tensor])))
    assert np.array_equal(numpy_helper.to_array(graph.initializer[0]), array)
    with pytest.raises(ValueError, match="string_data, not raw_data"):
        tensor.raw_data = b"x"


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros(2, "M8[s]"), "datetime64"),
        (np.zeros(2, np.longdouble), "longdouble|float128"),
        (np.zeros(2, [("a", "f4")]), "void"),
        (np.array([1, None], dtype=object), "str or bytes, not int"),
    ],
)
def test_dtypes_that_the_format_lacks_are_type_errors_that_name_them(array, message):
    with pytest.raises(TypeError, match=message):
        numpy_helper.from_array(array)


def test_to_array_wants_a_tensor():
    with pytest.raises(TypeError, match="expected a toffee.Tensor, not list"):
        numpy_helper.to_array([1])


def test_without_ml_dtypes_bfloat16_says_what_to_install_and_its_bytes_can_be_read():
    program = """
import sys
sys.modules["ml_dtypes"] = None
from toffee import Tensor, helper
tensor = Tensor(dims=[2], data_type=Tensor.BFLOAT16, raw_data=b"\\x80\\x3f\\x00\\x40")
for function in (tensor.numpy, lambda: helper.tensor_dtype_to_np_dtype(Tensor.BFLOAT16)):
    try:
        function()
    except ImportError as error:
        assert "pip install ml_dtypes" in str(error), error
    else:
        raise AssertionError("no error")
assert bytes(tensor.raw_data) == b"\\x80\\x3f\\x00\\x40"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("number", helper.get_all_tensor_dtypes())
def test_the_dtype_tables_agree_with_onnx(number):
    name = onnx.TensorProto.DataType.Name(number)
    assert helper.tensor_dtype_to_string(number) == f"TensorProto.{name}"
    assert getattr(Tensor, name) == number
    ours = helper.tensor_dtype_to_np_dtype(number)
    assert ours == onnx.helper.tensor_dtype_to_np_dtype(number)
    assert helper.np_dtype_to_tensor_dtype(ours) == number


def test_unknown_dtypes_are_value_errors():
    with pytest.raises(ValueError, match="99 is no data_type"):
        helper.tensor_dtype_to_np_dtype(99)
    with pytest.raises(ValueError, match="datetime64"):
        helper.np_dtype_to_tensor_dtype(np.dtype("M8[s]"))
