"""Pictures of graphs: well-formed, harmless, readable, and true to what is connected."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import time
import types
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from test_html import EVIL, NAMES, chain, small

import toffee
from toffee import _boxes, _layered, helper, numpy_helper

SVG = "{http://www.w3.org/2000/svg}"
ENGINES = ["builtin", *(["dot"] if shutil.which("dot") else [])]


def parsed(picture: toffee.Picture) -> ElementTree.Element:
    root = ElementTree.fromstring(picture.svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "style", "g", "rect", "text", "path", "polygon")
    }
    return root


def texts(picture: toffee.Picture) -> list[str]:
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}text")]


def boxes(picture: toffee.Picture) -> list[tuple[str, float, float, float, float]]:
    """(class, left, top, right, bottom) of each box and frame."""
    found = []
    for group in parsed(picture).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if rect is not None and group.get("class"):
            x, y, width, height = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
            found.append((group.get("class", ""), x, y, x + width, y + height))
    return found


def network(n: int, seed: int) -> toffee.Graph:
    """N nodes in modules, with edges by chance, joined at the end."""
    random = np.random.default_rng(seed)
    names, nodes = ["x"], []
    for i in range(n):
        used = [names[k] for k in random.integers(max(0, len(names) - 6), len(names), 2)]
        path = f"part{i // 12}.{i // 4}/Op_{i}" if random.random() < 0.8 else f"Op_{i}"
        nodes.append(helper.make_node("Add", used, [f"v{i}"], name=path))
        names.append(f"v{i}")
    nodes.append(helper.make_node("Sum", names, ["y"], name="Sum"))
    infos = [helper.make_tensor_value_info(name, 1, [2, i]) for i, name in enumerate(names)]
    return helper.make_graph(nodes, "net", infos[:1], ["y"], value_info=infos[1:])


def reach(edges: set[tuple[int, int]], start: int) -> set[int]:
    found, todo = {start}, [start]
    while todo:
        at = todo.pop()
        ahead = {end for begin, end in edges if begin == at} - found
        found |= ahead
        todo += ahead
    return found


# --- what is in it --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_boxes_name_operators_weights_and_shapes(engine: str) -> None:
    found = texts(small().picture(engine=engine))
    assert {"x", "y", "Conv", "Relu", "Flatten", "features"} <= set(found)
    assert "weight 4×3×3×3" in found and "batch×4×6×6" in found and "batch×3×8×?" in found


def test_a_box_tells_the_line_of_the_user_when_pointed_at() -> None:
    titles = [element.text for element in parsed(small().picture()).iter(f"{SVG}title")]
    assert "features.0/Conv\nmodels/net.py:7" in titles


def test_weights_are_boxes_when_asked_for() -> None:
    plain, full = small().picture(), small().picture(initializers=True)
    assert full.n_boxes == plain.n_boxes + 1
    assert "float32 4×3×3×3" in texts(full) and "float32 4×3×3×3" not in texts(plain)


def test_constants_are_text_in_the_box_that_uses_them() -> None:
    value = numpy_helper.from_array(np.array([1, -1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["s"], value=value),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", ["x"], ["y"])
    assert "[1, -1]" in texts(graph.picture()) and "Constant" not in texts(graph.picture())
    assert "Constant" in texts(graph.picture(initializers=True))
    alone = helper.make_graph(nodes[:1], "g", [], ["s"])
    assert "Constant" in texts(alone.picture())


def test_what_a_subgraph_takes_from_outside_is_an_edge_to_its_node() -> None:
    body = helper.make_graph([helper.make_node("Neg", ["h"], ["b"])], "t", [], ["b"])
    loop = helper.make_graph(
        [helper.make_node("If", ["c"], ["b"], then_branch=body, else_branch=body)], "l", ["i"], []
    )
    nodes = [
        helper.make_node("Exp", ["x"], ["h"]),
        helper.make_node("Loop", ["n"], ["y"], body=loop),
    ]
    graph = helper.make_graph(nodes, "g", ["x", "n", "c"], ["y"])
    assert "body: If" in texts(graph.picture())
    drawing = _boxes.drawing(graph, None, False)
    at = {box.title: i for i, box in enumerate(drawing.boxes)}
    edges = {(flow.source, target) for flow in drawing.flows for target in flow.targets}
    assert edges == {
        (at["x"], at["Exp"]),
        (at["Exp"], at["Loop"]),
        (at["n"], at["Loop"]),
        (at["c"], at["Loop"]),
        (at["Loop"], at["y"]),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_graph_has_a_picture(engine: str) -> None:
    picture = toffee.Graph().picture(engine=engine)
    assert picture.n_boxes == 0 and not texts(picture)


def test_a_graph_that_reads_what_is_not_made_yet_is_drawn_without_those_edges() -> None:
    nodes = [helper.make_node("A", ["b", "a"], ["a"]), helper.make_node("B", ["a"], ["b"])]
    drawing = _boxes.drawing(helper.make_graph(nodes, "g", [], ["nowhere"]), None, False)
    assert [(flow.source, flow.targets) for flow in drawing.flows] == [(0, [1])]


def test_a_name_as_torch_onnx_writes_it_gives_the_same_module() -> None:
    node = helper.make_node("Conv", [], [], name="/layer1/layer1.0/conv1/Conv")
    assert _boxes.overview.module_path(node) == ("layer1", "0", "conv1")


# --- collapsing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_collapsing_keeps_what_can_be_reached_from_what(seed: int, depth: int) -> None:
    graph = network(60, seed)
    whole = _boxes.drawing(graph, False, False)
    part = _boxes.drawing(graph, depth, False)
    # Which box of the collapsed drawing each node is in: nodes keep their order.
    home, k = [], 0
    for i, box in enumerate(part.boxes):
        count = box.ops.total() or 1
        home += [i] * count
        k += count
    assert k == len(whole.boxes)

    def edges(drawing: _boxes.Drawing) -> set[tuple[int, int]]:
        return {(flow.source, target) for flow in drawing.flows for target in flow.targets}

    assert {(home[a], home[b]) for a, b in edges(whole) if home[a] != home[b]} == edges(part)
    assert all(a < b for a, b in edges(part)), "a collapsed drawing has no cycle"
    last = len(whole.boxes) - 1
    for start in range(0, last, 7):
        assert {home[i] for i in reach(edges(whole), start)} <= reach(edges(part), home[start])


def test_a_module_that_is_collapsed_sums_up_its_nodes() -> None:
    found = texts(small().picture(collapse=1))
    assert "features" in found and "Conv, Relu" in found and "108 parameters" in found
    assert "Relu" not in found and "Flatten" in found


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_ten_thousand_nodes_are_drawn_as_about_a_hundred_boxes(name: Any) -> None:
    graph = chain(10_000, name)
    start = time.perf_counter()
    picture = graph.picture()
    assert len(picture.svg) < 500_000 and len(picture.dot) < 500_000
    assert time.perf_counter() - start < 10
    assert 3 < picture.n_boxes <= 130
    parsed(picture)


def test_too_many_boxes_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="leaves 10002 boxes.*2000.*smaller depth"):
        chain(10_000, NAMES["deep"]).picture(collapse=False)


# --- where it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(6))
def test_boxes_do_not_overlap_and_frames_hold_what_is_in_them(seed: int, engine: str) -> None:
    found = boxes(network(70, seed).picture(collapse=False, engine=engine))
    frames = [box for box in found if box[0].startswith("f ")]
    assert frames
    for (kind, *a), (other, *b) in combinations(found, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        in_a = a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3]
        in_b = b[0] <= a[0] and b[1] <= a[1] and b[2] >= a[2] and b[3] >= a[3]
        held = (in_a and kind.startswith("f ")) or (in_b and other.startswith("f "))
        assert apart or held, f"{kind} {a} and {other} {b}"


@pytest.mark.parametrize("seed", range(6))
def test_every_edge_leads_from_its_box_down_to_its_box(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = [(float(random.integers(20, 90)), float(random.integers(10, 60))) for _ in range(40)]
    pairs = {tuple(sorted(map(int, random.integers(0, 40, 2)))) for _ in range(90)}
    edges = sorted((a, b) for a, b in pairs if a != b)
    inner = _layered.Frame(30.0, list(range(12, 20)))
    outer = _layered.Frame(30.0, list(range(8, 12)), [inner])
    root = _layered.Frame(0.0, [*range(8), *range(20, 40)], [outer])
    layout = _layered.arrange(sizes, edges, root)
    for (a, b), curve in zip(edges, layout.curves, strict=True):
        assert len(curve) % 3 == 1
        ends = [(a, curve[0], sizes[a][1] / 2), (b, curve[-1], -sizes[b][1] / 2)]
        for box, point, below in ends:
            assert point == pytest.approx(
                (layout.centers[box][0], layout.centers[box][1] + below), abs=1e-6
            )
        heights = [y for _, y in curve]
        assert heights == sorted(heights)
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in curve)


def test_a_chain_is_drawn_straight() -> None:
    picture = chain(30, lambda i: f"m{i // 5}/Relu").picture(engine="builtin")
    middles = {round((left + right) / 2, 1) for _, left, _, right, _ in boxes(picture)}
    assert len(middles) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_picture_is_the_same_each_time(engine: str) -> None:
    first, second = (network(50, 3).picture(engine=engine) for _ in range(2))
    assert first.svg == second.svg and first.dot == second.dot


def test_two_thousand_boxes_with_long_edges_are_laid_out_in_bounded_time() -> None:
    n = 1990
    nodes = [helper.make_node("Add", [f"v{i}", f"v{i // 2}"], [f"v{i + 1}"]) for i in range(n)]
    graph = helper.make_graph(nodes, "g", ["v0"], [f"v{n}"])
    start = time.perf_counter()
    parsed(graph.picture(collapse=False, engine="builtin"))
    assert time.perf_counter() - start < 30


# --- hostile names --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [*EVIL, 'a"]; b [label="\\N\\', "\\"], ids=lambda n: ascii(n[:24]))
def test_no_name_gets_an_element_into_the_picture(name: str, engine: str) -> None:
    weight = numpy_helper.from_array(np.zeros(9, np.float32), name + "w")
    nodes = [
        helper.make_node(name, [name, name + "w"], [name + "1"], name=f"{name}.{name}/{name}"),
        helper.make_node(name, [name + "1"], [name + "2"], name=f"{name}.{name}/{name}"),
    ]
    nodes[0].domain = name
    nodes[0].doc_string = name + ":3"
    info = helper.make_tensor_value_info(name, 1, [name, 2])
    graph = helper.make_graph(nodes, name, [info], [name + "2"], [weight])
    picture = graph.picture(engine=engine)
    parsed(picture)  # which knows all elements that there may be
    assert len(picture.svg) < 30_000
    assert not re.search("[\x00-\x08\x0e-\x1f\u202e]", picture.svg + picture.dot)
    # Outside of its strings, the DOT has no word that is not ours.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", picture.dot)
    assert "script" not in bare and "alert" not in bare and "label=\\" not in bare
    if program := shutil.which("dot"):
        done = subprocess.run(
            [program, "-Tplain"], input=picture.dot, capture_output=True, text=True
        )
        assert done.returncode == 0 and not done.stderr
        kinds = [line.split(" ")[0] for line in done.stdout.splitlines()]
        assert kinds.count("node") == 4 and kinds.count("edge") == 3


# --- files, engines, themes -----------------------------------------------------------------------


def test_the_ending_of_the_path_says_the_format(tmp_path: Path) -> None:
    for name, begins in (("a.svg", "<svg"), ("a.dot", "digraph"), ("a.gv", "digraph")):
        small().picture(tmp_path / name)
        assert (tmp_path / name).read_text().startswith(begins)
    small().picture(str(tmp_path / "a.txt"), format="dot")
    assert (tmp_path / "a.txt").read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"path": "a.pdf"}, "'a.pdf' ends in is no format of pictures: svg, dot, png"),
        ({"format": "gif"}, "format must be one of 'svg', 'dot', 'png', not 'gif'"),
        ({"theme": "blue"}, "theme must be one of 'auto', 'light', 'dark', not 'blue'"),
        ({"engine": "neato"}, "engine must be one of 'auto', 'dot', 'builtin'"),
        ({"collapse": 0}, "collapse must be a depth from 1 on, False or None, not 0"),
        ({"collapse": True}, "not True"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(keywords: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        small().picture(**keywords)


def test_a_notebook_is_given_svg() -> None:
    picture = small().picture()
    assert picture._repr_svg_() == picture.svg
    assert picture._repr_mimebundle_()["image/svg+xml"] == picture.svg
    assert repr(picture) == "<toffee.Picture: 5 boxes>"


def test_themes_differ_in_colours_only() -> None:
    pictures = {theme: small().picture(theme=theme).svg for theme in ("auto", "light", "dark")}
    assert "prefers-color-scheme:dark" in pictures["auto"]
    assert "prefers-color-scheme" not in pictures["light"] + pictures["dark"]
    assert "#0d1117" in pictures["dark"] and "#0d1117" not in pictures["light"]
    bodies = {text[text.index("</style>") :] for text in pictures.values()}
    assert len(bodies) == 1


def test_the_svg_refers_to_nothing_outside() -> None:
    text = small().picture().svg.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text and "url(" not in text and "href" not in text


def test_without_graphviz_the_picture_is_our_own(monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "")
    assert small().picture().svg == small().picture(engine="builtin").svg
    with pytest.raises(RuntimeError, match="dot is not on the PATH.*apt-get install graphviz"):
        _ = small().picture(engine="dot").svg


@pytest.mark.parametrize("script", ["exit 1", "echo '{}'", "echo no json", "echo '[]'"])
def test_a_broken_graphviz_does_no_harm(script: str, tmp_path: Path, monkeypatch: Any) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert small().picture().svg == small().picture(engine="builtin").svg


def test_png_without_the_means_names_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(ImportError, match="apt-get install graphviz.*pip install cairosvg"):
        small().picture(tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_png_is_drawn_by_graphviz_or_else_by_cairosvg(tmp_path: Path, monkeypatch: Any) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nwhile read -r line; do :; done; echo "png $*"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert small().picture().png() == b"png -Tpng -Gdpi=144\n"
    given: list[bytes] = []

    def svg2png(bytestring: bytes, scale: int) -> bytes:
        given.append(bytestring)
        return b"\x89PNG"

    monkeypatch.setitem(sys.modules, "cairosvg", types.SimpleNamespace(svg2png=svg2png))
    assert small().picture(engine="builtin").png() == b"\x89PNG"
    assert given[0].startswith(b"<svg") and b"height:auto" not in given[0]  # it would draw nothing


# --- netron ---------------------------------------------------------------------------------------


def test_view_without_netron_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "netron", None)
    with pytest.raises(ImportError, match="pip install netron"):
        toffee.view(small())


def test_view_hands_netron_the_graph_as_onnx(tmp_path: Path, monkeypatch: Any) -> None:
    calls: list[Any] = []

    def serve(file: str, data: bytearray, address: Any, browse: bool) -> tuple[str, int]:
        calls.append((file, toffee.loads(bytes(data)), address, browse))
        return ("localhost", 8080)

    monkeypatch.setitem(sys.modules, "netron", types.SimpleNamespace(serve=serve))
    assert toffee.view(small(), browse=False, address=8080) == ("localhost", 8080)
    toffee.save(small(), tmp_path / "a.toffee")
    toffee.view(tmp_path / "a.toffee")
    (_, first, address, browse), (name, second, *_) = calls
    assert first == second and name.endswith(".onnx") and (address, browse) == (8080, False)
    assert [node.op_type for node in first] == ["Conv", "Relu", "Flatten"]
