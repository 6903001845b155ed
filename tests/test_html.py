"""What a notebook shows of a graph: whole, harmless, and of bounded size whatever it is given."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import toffee
from toffee import helper, numpy_helper

VOID = {"br", "img", "meta", "link", "input", "hr"}
KNOWN = {"div", "style", "details", "summary", "b", "span", "code", "table", "tr", "td"}
EVIL = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    "</code></div></details>",
    "&lt;script&gt;",
    "a\x00b\x1b[31m\u202ec\u2028d",
    "x" * 100_000,
]


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self) -> str:
        return "".join(self.text)


def page_of(graph: toffee.Graph) -> tuple[str, Page]:
    text = graph._repr_html_()
    text.encode()  # no lone surrogates
    page = Page(text)
    assert set(page.tags) <= KNOWN
    assert {name for name, _ in page.attributes} <= {"class", "style", "title", "open"}
    return text, page


def small() -> toffee.Graph:
    """x -> Conv -> Relu -> y in a module "features", then Flatten outside of it."""
    weight = numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "features.0.weight")
    nodes = [
        helper.make_node("Conv", ["x", "features.0.weight"], ["1"], name="features.0/Conv"),
        helper.make_node("Relu", ["1"], ["2"], name="features.1/Relu"),
        helper.make_node("Flatten", ["2"], ["y"], name="Flatten", axis=1),
    ]
    for line, node in enumerate(nodes, 7):
        node.doc_string = f"models/net.py:{line}"
    return helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, ["batch", 3, 8, None])],
        [helper.make_tensor_value_info("y", 1, ["batch", 144])],
        [weight],
        value_info=[helper.make_tensor_value_info("1", 1, ["batch", 4, 6, 6])],
    )


def chain(n: int, name: Any) -> toffee.Graph:
    nodes = [
        helper.make_node(
            "Relu", [f"v{i}"], [f"v{i + 1}"], name=name(i), doc_string=f"/home/me/model.py:{i}"
        )
        for i in range(n)
    ]
    return helper.make_graph(nodes, "long", ["v0"], [f"v{n}"])


def test_the_page_says_what_goes_in_and_out_with_types() -> None:
    _, page = page_of(small())
    assert "xfloat32batch×3×8×?" in page.words
    assert "yfloat32batch×144" in page.words


def test_the_page_counts_operators_parameters_and_bytes() -> None:
    _, page = page_of(small())
    assert "3 nodes · 108 parameters in 432 bytes · opset 20" in page.words
    assert "Conv ×1" in page.words
    assert "features.0.weightfloat324×3×3×3432 bytes" in page.words


def test_every_node_is_listed_with_the_line_of_the_user() -> None:
    _, page = page_of(small())
    assert "%1 : float32 batch×4×6×6 = Conv(%x, %features.0.weight)models/net.py:7" in page.words
    assert "%2 = Relu(%1)models/net.py:8" in page.words
    assert "Flatten[axis=1](%2)models/net.py:9" in page.words


def test_nodes_of_a_module_are_folded_together() -> None:
    text, page = page_of(small())
    assert "features 2 nodes: Conv, Relu" in page.words
    assert page.tags.count("details") == 4  # operators, parameters, nodes, features


def test_an_exporters_long_doc_string_is_no_source_line() -> None:
    graph = small()
    graph.node[0].doc_string = "File a.py, line 3\nwhatever: 12"
    _, page = page_of(graph)
    assert "whatever" not in page.words


@pytest.mark.parametrize("name", EVIL, ids=lambda name: ascii(name[:24]))
def test_no_name_gets_a_tag_or_an_attribute_into_the_page(name: str) -> None:
    inner = helper.make_graph([helper.make_node(name, [name], ["b"], name=name)], name, [], ["b"])
    node = helper.make_node(name, [name, "x"], [name + "1"], name=name + "/" + name, then=inner)
    node.domain = name
    node.doc_string = name + ":3"
    node.attribute.add(name=name.replace("\x00", ""), s=name)
    info = helper.make_tensor_value_info(name, 1, [name, 2])
    weight = numpy_helper.from_array(np.zeros(2, np.float32), name + "w")
    graph = helper.make_graph([node, node], name, [info], [name + "1"], [weight])
    graph.producer_tag = graph.opset_import[0].domain = name
    text, page = page_of(graph)  # which knows all tags and attributes that there may be
    assert "<script" not in text and "<img" not in text
    assert "\x00" not in text and "\u202e" not in text and "\x1b" not in text
    assert len(text) < 60_000


def test_bytes_that_are_no_text_are_shown_escaped() -> None:
    graph = small()
    graph.node[0].attribute.add(name="s", s=b"\xff\xfe<b>")
    text, _ = page_of(graph)
    assert "<b>&quot;" not in text and r"\xff" in text


def test_an_empty_graph_has_a_page() -> None:
    _, page = page_of(toffee.Graph())
    assert "graph toffee.Graph" in page.words
    assert "0 nodes" in page.words and "Inputs none" in page.words


def test_graphs_in_attributes_are_listed_inside_their_node() -> None:
    then = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "t", [], ["b"])
    other = helper.make_graph([helper.make_node("Exp", ["x"], ["b"])], "e", [], ["b"])
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    _, page = page_of(helper.make_graph([node], "g", ["c", "x"], ["y"]))
    assert "then_branch a graph of 1 node" in page.words
    assert "%b = Neg(%x)" in page.words and "%b = Exp(%x)" in page.words


def test_deep_nesting_ends_in_a_note() -> None:
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "t", [], ["b"])
    for _ in range(12):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["b"], g=graph)], "t", [], ["b"])
    _, page = page_of(graph)
    assert "nest too deep" in page.words


NAMES = {
    "flat": lambda i: f"Relu_{i}",
    "deep": lambda i: f"layers.{i // 100}.{i // 10 % 10}/Relu_{i}",
    "module each": lambda i: f"m{i}/Relu",
    "alternating": lambda i: f"m{i % 2}.{i % 3}/Relu",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_ten_thousand_nodes_make_a_page_of_bounded_size_in_bounded_time(name: Any) -> None:
    graph = chain(10_000, name)
    start = time.perf_counter()
    text, page = page_of(graph)
    assert time.perf_counter() - start < 5
    assert len(text) < 1_000_000
    assert "nodes not shown" in page.words
    notes = [re.match(r"([\d,]+) nodes not shown", piece) for piece in page.text]
    hidden = sum(int(note[1].replace(",", "")) for note in notes if note)
    assert page.words.count(" = Relu") + hidden == 10_000


def test_many_inputs_and_weights_are_cut_with_a_note() -> None:
    weights = [numpy_helper.from_array(np.zeros(1, np.float32), f"w{i}") for i in range(3000)]
    infos = [helper.make_tensor_value_info(f"x{i}", 1, [1]) for i in range(3000)]
    text, page = page_of(helper.make_graph([], "g", infos, ["x0"], weights))
    assert "and 2,970 more inputs" in page.words and "and 2,975 more tensors" in page.words
    assert len(text) < 60_000


def test_the_page_has_both_themes_and_refers_to_nothing_outside() -> None:
    text, _ = page_of(small())
    assert "prefers-color-scheme:dark" in text
    assert 'data-jp-theme-light="false"' in text and "vscode-dark" in text
    assert "http" not in text and "url(" not in text and "@import" not in text


def test_the_page_is_the_same_each_time() -> None:
    assert small()._repr_html_() == small()._repr_html_()


def test_the_style_sheet_touches_nothing_else_in_the_notebook() -> None:
    text, _ = page_of(small())
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    style = style.replace("@media (prefers-color-scheme:dark){", "").replace("}}", "}")
    for rule in style.split("}")[:-1]:
        assert all(".toffee-graph" in one for one in rule.partition("{")[0].split(",")), rule
