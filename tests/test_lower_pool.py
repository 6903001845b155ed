"""Pools and resizes: where torch and ONNX count differently, the graph says what torch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from exported import check_export, ops, to_bytes
from torch import nn


def attributes(fn: Callable[..., Any], args: Any, op_type: str) -> dict[str, Any]:
    """The attributes of the only OP_TYPE in the graph of FN."""
    model = onnx.load_from_string(to_bytes(fn, args, format="onnx"))
    (node,) = [node for node in model.graph.node if node.op_type == op_type]
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def image(*dims: int) -> torch.Tensor:
    return torch.randn(*dims)


# ---- maximum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pools_of_every_rank_agree_with_torch(n: int, ceil_mode: bool) -> None:
    layer = getattr(nn, f"MaxPool{n}d")(3, 2, 1, ceil_mode=ceil_mode)
    assert ops(check_export(layer, image(2, 3, *range(6, 6 + n)))) == ["MaxPool"]


def test_max_pool_attributes_are_those_of_the_call() -> None:
    layer = nn.MaxPool2d((3, 2), (2, 1), (1, 0), dilation=(1, 2))
    assert attributes(layer, image(1, 2, 9, 9), "MaxPool") == {
        "dilations": [1, 2],
        "kernel_shape": [3, 2],
        "pads": [1, 0, 1, 0],
        "strides": [2, 1],
    }


def test_ceil_mode_becomes_padding_at_the_end() -> None:
    found = attributes(nn.MaxPool2d(2, ceil_mode=True), image(1, 2, 7, 8), "MaxPool")
    assert found["pads"] == [0, 0, 1, 0]
    assert "ceil_mode" not in found


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "size"),
    [
        (2, 2, 0, 1, (7, 9)),
        (3, 2, 1, 1, (7, 9)),
        (2, 3, 1, 1, (6, 7)),  # torch drops a window that would start in the padding
        (3, 3, 1, 2, (7, 9)),  # hangs over by the kernel's size: ONNX Runtime would refuse it
        (2, 3, 1, 3, (7, 9)),
        (2, 4, 0, 5, (9, 12)),
    ],
)
@pytest.mark.parametrize("indices", [False, True])
def test_ceil_mode_agrees_with_torch(
    kernel: int, stride: int, padding: int, dilation: int, size: tuple[int, int], indices: bool
) -> None:
    def pool(x: torch.Tensor) -> Any:
        return F.max_pool2d(
            x, kernel, stride, padding, dilation, ceil_mode=True, return_indices=indices
        )

    check_export(pool, image(2, 3, *size))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_indices_count_through_one_plane_and_not_the_whole_tensor(n: int) -> None:
    layer = getattr(nn, f"MaxPool{n}d")(2, 2, 1, return_indices=True)
    assert ops(check_export(layer, image(2, 3, *range(5, 5 + n)))) == ["MaxPool", "Mod"]


def test_max_pool_without_a_batch() -> None:
    graph = check_export(nn.MaxPool2d(2, return_indices=True), image(3, 6, 7))
    assert ops(graph) == ["Unsqueeze", "MaxPool", "Squeeze", "Mod", "Squeeze"]


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_max_pool_of_whole_numbers_is_exact(dtype: torch.dtype) -> None:
    top = torch.iinfo(dtype).max  # in int64 a neighbour of it is no double of its own
    x = top - 1 - torch.randint(0, 100, (1, 2, 6, 6)).to(dtype)
    check_export(lambda x: F.max_pool2d(x, 2), x)


# ---- average ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_average_pools_of_every_rank_agree_with_torch(n: int) -> None:
    layer = getattr(nn, f"AvgPool{n}d")(3, 2, 1)
    assert ops(check_export(layer, image(2, 3, *range(6, 6 + n)))) == ["AveragePool"]


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (4, 3, 1), (4, 3, 2), (3, 4, 0)]
)
@pytest.mark.parametrize("divisor", [None, 5])
def test_average_pool_divides_by_what_torch_divides_by(
    kernel: int, stride: int, padding: int, count_include_pad: bool, divisor: int | None
) -> None:
    layer = nn.AvgPool2d(
        kernel,
        stride,
        padding,
        ceil_mode=True,
        count_include_pad=count_include_pad,
        divisor_override=divisor,
    )
    check_export(layer, image(2, 3, 7, 9))


def test_only_a_window_past_counted_padding_needs_a_table_of_divisors() -> None:
    x = image(1, 2, 7, 9)
    plain = check_export(nn.AvgPool2d(2, ceil_mode=True), x)
    table = check_export(nn.AvgPool2d(4, 3, 1, ceil_mode=True), x)
    assert (ops(plain), ops(table)) == (["AveragePool"], ["AveragePool", "Mul"])


def test_average_pool_without_a_batch() -> None:
    assert ops(check_export(nn.AvgPool1d(2), image(3, 8))) == [
        "Unsqueeze",
        "AveragePool",
        "Squeeze",
    ]


def test_pools_of_an_empty_batch_are_empty() -> None:
    check_export(lambda x: (F.max_pool2d(x, 2), F.avg_pool2d(x, 2)), image(0, 3, 6, 6))


# ---- adaptive -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_adaptive_pools_to_one_are_global(n: int) -> None:
    x = image(2, 3, *range(4, 4 + n))
    average = getattr(nn, f"AdaptiveAvgPool{n}d")(1)
    maximum = getattr(nn, f"AdaptiveMaxPool{n}d")(1)
    assert ops(check_export(average, x)) == ["GlobalAveragePool"]
    assert ops(check_export(maximum, x)) == ["GlobalMaxPool"]


def test_adaptive_pools_that_divide_are_plain_ones() -> None:
    x = image(2, 3, 8, 6)
    assert ops(check_export(nn.AdaptiveAvgPool2d((4, 2)), x)) == ["AveragePool"]
    assert ops(check_export(nn.AdaptiveMaxPool2d((4, 2)), x)) == ["MaxPool"]
    assert attributes(nn.AdaptiveAvgPool2d((4, 2)), x, "AveragePool") == {
        "kernel_shape": [2, 3],
        "pads": [0, 0, 0, 0],
        "strides": [2, 3],
    }


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("out", [3, 5, 7])
def test_adaptive_pools_that_do_not_divide_are_exact_all_the_same(n: int, out: int) -> None:
    x = image(2, 3, *[5, 7, 6][:n])
    check_export(getattr(nn, f"AdaptiveAvgPool{n}d")(out), x)
    check_export(getattr(nn, f"AdaptiveMaxPool{n}d")(out, return_indices=True), x)


def test_adaptive_pool_may_leave_an_axis_alone() -> None:
    check_export(nn.AdaptiveAvgPool2d((None, 3)), image(2, 3, 5, 7))
    check_export(nn.AdaptiveMaxPool2d((2, None)), image(2, 3, 5, 7))


def test_adaptive_pool_mixes_even_and_uneven_axes() -> None:
    graph = check_export(nn.AdaptiveAvgPool2d((4, 3)), image(2, 3, 8, 7))
    assert ops(graph) == ["AveragePool", "MatMul"]


def test_adaptive_pools_without_a_batch() -> None:
    check_export(nn.AdaptiveAvgPool2d(3), image(3, 7, 6))
    check_export(nn.AdaptiveMaxPool2d(1, return_indices=True), image(3, 7, 6))


# ---- interpolation ------------------------------------------------------------------------------


def interpolation(mode: str, n: int) -> str:
    return {"linear": ["linear", "bilinear", "trilinear"][n - 1], "cubic": "bicubic"}.get(
        mode, mode
    )


CASES = [(mode, n) for mode in ("nearest", "nearest-exact", "linear") for n in (1, 2, 3)]


def is_interpolation(found: list[str], mode: str, n: int) -> bool:
    """One Resize; or for neighbours, where rounding could let it take another, a Gather an axis."""
    return found == ["Resize"] or ("nearest" in mode and found == ["Gather"] * n)


@pytest.mark.parametrize(("mode", "n"), [*CASES, ("cubic", 2)])
@pytest.mark.parametrize("size", [11, 4, 1])
def test_interpolation_to_a_size_agrees_with_torch(mode: str, n: int, size: int) -> None:
    graph = check_export(
        lambda x: F.interpolate(x, size=[size] * n, mode=interpolation(mode, n)),
        image(2, 3, *[7, 5, 6][:n]),
        atol=1e-5,  # coordinates are reckoned in float32 on both sides
    )
    assert is_interpolation(ops(graph), mode, n)


@pytest.mark.parametrize(("mode", "n"), [*CASES, ("cubic", 2)])
@pytest.mark.parametrize("factor", [2.0, 1.5, 0.6])
def test_interpolation_by_a_factor_uses_the_factor_and_not_the_sizes(
    mode: str, n: int, factor: float
) -> None:
    graph = check_export(
        lambda x: F.interpolate(x, scale_factor=factor, mode=interpolation(mode, n)),
        image(2, 3, *[7, 5, 6][:n]),
        atol=1e-5,
    )
    assert is_interpolation(ops(graph), mode, n)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_doubling_an_image_is_a_resize_by_scales(mode: str) -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2, mode=mode)

    model = onnx.load_from_string(to_bytes(double, image(1, 2, 7, 9), format="onnx"))
    (node,) = model.graph.node
    (scales,) = (onnx.numpy_helper.to_array(t) for t in model.graph.initializer)
    assert (node.op_type, list(node.input)[1], scales.tolist()) == ("Resize", "", [1, 1, 2, 2])


def test_resizes_name_their_arithmetic() -> None:
    def how(mode: str, **kwargs: Any) -> dict[str, Any]:
        return attributes(
            lambda x: F.interpolate(x, size=[14, 18], mode=mode, **kwargs),
            image(1, 2, 7, 9),
            "Resize",
        )

    assert how("nearest") == {
        "axes": [2, 3],
        "coordinate_transformation_mode": b"asymmetric",
        "mode": b"nearest",
        "nearest_mode": b"floor",
    }
    assert how("nearest-exact")["nearest_mode"] == b"round_prefer_ceil"
    assert how("bilinear")["coordinate_transformation_mode"] == b"half_pixel"
    cubic = how("bicubic", align_corners=True)
    assert cubic["coordinate_transformation_mode"] == b"align_corners"
    assert cubic["cubic_coeff_a"] == -0.75


@pytest.mark.parametrize(("mode", "n"), [("linear", 1), ("linear", 2), ("linear", 3), ("cubic", 2)])
@pytest.mark.parametrize("how", [{"size": 11}, {"size": 1}, {"scale_factor": 1.3}])
def test_aligned_corners_agree_with_torch(mode: str, n: int, how: dict[str, Any]) -> None:
    check_export(
        lambda x: F.interpolate(x, mode=interpolation(mode, n), align_corners=True, **how),
        image(2, 3, *[7, 5, 6][:n]),
        atol=1e-5,
    )


def test_recomputed_factors_are_the_sizes() -> None:
    check_export(
        lambda x: F.interpolate(
            x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True, align_corners=False
        ),
        image(1, 2, 7, 9),
        atol=1e-5,
    )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_every_neighbour_is_torchs_for_many_sizes(mode: str) -> None:
    """Rounding decides between neighbours: where Resize would take another, Gather does not."""
    x = torch.arange(41.0).reshape(1, 1, 41)
    sizes = [3, 7, 13, 29, 41, 47, 61, 82, 97, 123, 205]

    def all_sizes(x: torch.Tensor) -> list[torch.Tensor]:
        return [F.interpolate(x, size=size, mode=mode) for size in sizes]

    check_export(all_sizes, x)


def test_scales_of_the_core_operator_may_miss_on_some_axes() -> None:
    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        aten = torch.ops.aten
        return (
            aten.upsample_bilinear2d(x, [9, 13], False, 1.4, None),
            aten.upsample_nearest2d(x, [9, 13], None, 1.5),
        )

    check_export(both, image(1, 2, 7, 9), atol=1e-5)


def test_a_factor_that_float32_rounds_away_is_composed() -> None:
    # 2.3 * 10 is 23 to torch, and 22.999999 to a runtime that has 2.3 as float32
    for mode in ("nearest", "linear"):
        check_export(
            lambda x, mode=mode: F.interpolate(x, scale_factor=2.3, mode=mode),
            image(1, 2, 10),
            atol=1e-5,
        )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (11, 2), (13, 17)])
def test_antialiased_interpolation_agrees_with_torch(mode: str, size: tuple[int, int]) -> None:
    check_export(
        lambda x: F.interpolate(x, size=size, mode=mode, antialias=True), image(2, 3, 7, 9)
    )


# ---- pixels -------------------------------------------------------------------------------------


def test_pixel_shuffle_is_depth_to_space_by_columns() -> None:
    graph = check_export(nn.PixelShuffle(3), image(2, 18, 4, 5))
    assert ops(graph) == ["DepthToSpace"]
    found = attributes(nn.PixelShuffle(3), image(2, 18, 4, 5), "DepthToSpace")
    assert found == {"blocksize": 3, "mode": b"CRD"}


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_pixel_shuffles_of_any_rank_agree_with_torch(lead: tuple[int, ...]) -> None:
    check_export(nn.PixelShuffle(2), image(*lead, 8, 3, 5))
    check_export(nn.PixelUnshuffle(2), image(*lead, 2, 6, 4))


def test_pixel_shuffle_of_whole_numbers() -> None:
    check_export(nn.PixelShuffle(2), torch.arange(32).reshape(1, 8, 2, 2))


def test_channel_shuffle_agrees_with_torch() -> None:
    graph = check_export(nn.ChannelShuffle(3), image(2, 6, 4, 5))
    assert ops(graph) == ["Reshape", "Transpose", "Reshape"]


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_samples_agree_with_torch(mode: str, padding: str, align: bool) -> None:
    graph = check_export(
        lambda x, grid: F.grid_sample(x, grid, mode, padding, align),
        (image(2, 3, 5, 6), torch.rand(2, 4, 7, 2) * 2.4 - 1.2),
        (image(2, 3, 5, 6), torch.rand(2, 4, 7, 2) * 2.4 - 1.2),
        atol=1e-5,  # coordinates are reckoned in float32 on both sides
    )
    assert ops(graph) == ["GridSample"]


def test_grid_sample_of_volumes() -> None:
    check_export(
        lambda x, grid: F.grid_sample(x, grid, align_corners=False),
        (image(2, 3, 4, 5, 6), torch.rand(2, 4, 7, 3, 3) * 2.4 - 1.2),
        atol=1e-5,
    )


@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize(
    ("kernel", "dilation", "padding", "stride"),
    [(2, 1, 0, 1), ((3, 2), (1, 2), (1, 0), (2, 1)), (3, 1, 2, 2)],
)
def test_patches_are_taken_apart_and_put_together(
    batch: tuple[int, ...], kernel: Any, dilation: Any, padding: Any, stride: Any
) -> None:
    def there_and_back(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        columns = F.unfold(x, kernel, dilation, padding, stride)
        return columns, F.fold(columns, x.shape[-2:], kernel, dilation, padding, stride)

    check_export(there_and_back, image(*batch, 3, 7, 8))


def test_patches_of_a_transposed_image_are_right_when_the_runtime_moves_the_transpose() -> None:
    check_export(
        lambda x: F.unfold(x.permute(0, 3, 1, 2), 3, padding=1, stride=2), image(2, 4, 4, 3)
    )
