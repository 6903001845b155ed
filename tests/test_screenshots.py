"""What tools/screenshots makes of a picture and of a traceback before Chromium sees it."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from test_html import Page

import toffee
from toffee import _display, helper

LOADER = SourceFileLoader("screenshots", str(Path(__file__).parent.parent / "tools/screenshots"))


@pytest.fixture(scope="module")
def tool() -> Any:
    module = module_from_spec(spec_from_loader("screenshots", LOADER))  # type: ignore[arg-type]
    LOADER.exec_module(module)
    return module


def tower(n: int) -> toffee.Graph:
    nodes = [
        helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"], name=f"part{i // 4}.{i}/Relu")
        for i in range(n)
    ]
    return helper.make_graph(
        nodes, "tower", [helper.make_tensor_value_info("v0", 1, [2])], [f"v{n}"]
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_columns_cut_no_box_and_leave_none_out(tool, n):
    picture = tower(18).picture(engine="builtin")
    assert picture.n_boxes == 20
    body, width, height = tool.columns(picture.svg, n)
    views = [[float(x) for x in view.split()] for view in re.findall(r'viewBox="([^"]+)"', body)]
    assert len(views) == n and views[0][1] == 0
    assert sum(view[3] for view in views) == pytest.approx(picture.size[1])
    tops = [
        (float(y) + 14, float(y) + 14 + float(h))
        for y, h in re.findall(
            r'<g class="\w+"><title>[^<]*</title><rect[^>]* y="(.*?)"'
            r'[^>]* height="(.*?)"',
            picture.svg,
        )
    ]
    assert len(tops) == 20
    for top, low in tops:
        assert sum(y <= top and low <= y + h for _, y, _, h in views) == 1
    assert width > n * picture.size[0] and height < picture.size[1] / n + 150


def test_colours_of_a_terminal_become_html_and_all_are_known(tool):
    error = toffee.TraceError("a <b> & \x1b[5m")
    lines = error._render_traceback_()
    page = Page(f"<div>{tool.coloured(lines)}</div>")
    assert "TraceError: a <b> & \\x1b[5m" in page.words and set(page.tags) == {"div", "span"}
    used = {code[2:-1] for code in _display._Colours()} - {"0"}
    assert used == set(re.findall(r"\x1b\[(\d+)m", "".join(lines))) - {"0"} <= set(tool.ANSI)


def test_a_shot_is_cut_to_what_is_there_and_has_few_colours(tool, tmp_path):
    shot = Image.new("RGB", (400, 300), "#0d1117")
    ImageDraw.Draw(shot).rectangle((100, 50, 199, 89), "#79c0ff")
    shot.putpixel((300, 200), (14, 18, 24))  # a shade off
    shot.save(tmp_path / "shot.png")
    tool.shrink(tmp_path / "shot.png", tmp_path / "out.png", 16)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (100 + 32, 40 + 32) and image.mode == "P"
        assert image.convert("RGB").getpixel((16, 16)) == (0x79, 0xC0, 0xFF)
