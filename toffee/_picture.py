"""``graph.picture()``: a graph drawn as SVG, DOT or PNG."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path

from . import _boxes, _layered
from . import _overview as overview
from ._core import Graph
from ._layered import Frame, Layout, Point

__all__ = ["Picture", "draw"]

FORMATS = ("svg", "dot", "png")
THEMES = ("auto", "light", "dark")
ENGINES = ("auto", "dot", "builtin")

MARGIN = 14.0
TITLE_SIZE, LINE_SIZE, LABEL_SIZE = 12.5, 10.5, 10.0
#: Width of a letter over the size of its font: bold sans is an estimate from above, mono is exact.
SANS, MONO = 0.65, 0.605
FLUID = ' style="max-width:100%;height:auto"'
#: Flows of a box that get a text of their own.
MAX_LABELS = 6

_FONT_SANS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_FONT_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
#: What is drawn in what colours: fill and line, light and dark.
_COLOURS: dict[str, tuple[str, str, str, str]] = {
    "conv": ("#ddf4ff", "#54aeff", "#0c2d4d", "#388bfd"),
    "act": ("#fff8c5", "#d4a72c", "#3a2d08", "#bb8009"),
    "norm": ("#fbefff", "#c297ff", "#2e1d4a", "#8957e5"),
    "pool": ("#dafbe1", "#4ac26b", "#0f2f1a", "#2ea043"),
    "shape": ("#eaeef2", "#8c959f", "#262c36", "#6e7681"),
    "op": ("#ffffff", "#8c959f", "#161b22", "#8b949e"),
    "module": ("#ffffff", "#0969da", "#161b22", "#58a6ff"),
    "weight": ("#fff1e5", "#fb8f44", "#3d1e0b", "#db6d28"),
    "input": ("#1f2328", "#1f2328", "#e6edf3", "#e6edf3"),
    "output": ("#1f2328", "#1f2328", "#e6edf3", "#e6edf3"),
    "frame": ("#f6f8fa", "#d1d9e0", "#151b23", "#3d444d"),
    "frame-2": ("#eef1f4", "#c4ccd4", "#1c232c", "#4b535d"),
}
#: Background, text, dim text, edges, text on the boxes of inputs and outputs.
_INK = {
    "light": ("#ffffff", "#1f2328", "#59636e", "#818b98", "#ffffff"),
    "dark": ("#0d1117", "#f0f6fc", "#9ba5b0", "#7d8590", "#0d1117"),
}


def _rules(theme: str) -> str:
    """The style sheet of one theme, for elements of class toffee-picture only."""
    paper, ink, dim, edge, inverse = _INK[theme]
    first = 2 if theme == "dark" else 0
    rules = [
        f".paper{{fill:{paper}}}",
        f".t{{fill:{ink}}}",
        f".l,.e text{{fill:{dim}}}",
        f".e path{{stroke:{edge}}}",
        f".e polygon{{fill:{edge}}}",
        f".f text{{fill:{dim}}}",
        f".input .t,.output .t,.input .l,.output .l{{fill:{inverse}}}",
    ]
    rules += [
        f".{kind} rect{{fill:{colours[first]};stroke:{colours[first + 1]}}}"
        for kind, colours in _COLOURS.items()
    ]
    text = ""
    for rule in rules:
        selectors, _, body = rule.partition("{")
        text += ",".join(f".toffee-picture {one}" for one in selectors.split(",")) + "{" + body
    return text


_SHAPES = "".join(
    f".toffee-picture {rule}"
    for rule in (
        f"text{{font-family:{_FONT_MONO}}}",
        f".t{{font-family:{_FONT_SANS};font-size:{TITLE_SIZE}px;font-weight:600;"
        "text-anchor:middle}",
        f".l{{font-size:{LINE_SIZE}px;text-anchor:middle}}",
        f".e text{{font-size:{LABEL_SIZE}px;text-anchor:middle}}",
        ".f text{font-size:11px;font-weight:600}",
        ".e path{fill:none;stroke-width:1.3}",
        ".module rect{stroke-width:1.8}",
        ".weight rect{stroke-dasharray:3 2}",
    )
)


def _style(theme: str) -> str:
    text = _SHAPES + _rules("dark" if theme == "dark" else "light")
    if theme == "auto":
        text += "@media (prefers-color-scheme:dark){" + _rules("dark") + "}"
    return text


def _n(value: float) -> str:
    """VALUE to a tenth, without a needless zero."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0: no "-0"


def _columns(text: str) -> int:
    """How many letters wide TEXT is: East Asian letters are two."""
    return sum(1 if ord(c) < 0x1100 else 2 for c in text)


def _size(box: _boxes.Box) -> Point:
    width = _columns(box.title) * TITLE_SIZE * SANS
    for line in box.lines:
        width = max(width, _columns(line) * LINE_SIZE * MONO)
    return max(width + 22, 64.0), 26.0 + 13.5 * len(box.lines) + (3 if box.lines else 0)


def _shared(way: list[Frame], others: list[list[Frame]]) -> Frame:
    """The innermost frame on WAY that is on one of OTHERS; all are ways from the outermost."""
    depth = 1
    for other in others:
        while depth < min(len(way), len(other)) and way[depth] is other[depth]:
            depth += 1
    return way[depth - 1]


class _Scene:
    """A drawing as the engines of layout see it: boxes and texts of edges are things with sizes."""

    def __init__(self, drawing: _boxes.Drawing) -> None:
        self.drawing = drawing
        self.root = Frame()
        self.titles: dict[int, str] = {}
        self.sizes: list[Point] = []
        self.edges: list[tuple[int, int]] = []
        self.arrows: list[bool] = []
        #: What each thing is: a box, or the text of an edge.
        self.things: list[_boxes.Box | str] = []
        self.ways: list[list[Frame]] = [[] for _ in drawing.boxes]
        self._frame(self.root, [self.root], 0, len(drawing.boxes), 0)
        self._fill()

    def _frame(self, frame: Frame, way: list[Frame], low: int, high: int, depth: int) -> None:
        """Put the boxes from LOW to HIGH, whose paths agree up to DEPTH, into FRAME."""
        boxes = self.drawing.boxes
        i = low
        while i < high:
            path, j = boxes[i].path, i + 1
            if len(path) > depth:
                while j < high and boxes[j].path[: depth + 1] == path[: depth + 1]:
                    j += 1
            if j - i == 1:
                self.ways[i] = way
                if boxes[i].module:
                    boxes[i].title = _boxes.module_title(boxes[i].module, depth)
            else:
                deeper = depth + 1
                while len(path) > deeper and all(
                    box.path[: deeper + 1] == path[: deeper + 1] for box in boxes[i:j]
                ):
                    deeper += 1
                title = _boxes.module_title(path[:deeper], depth)
                # Edges mostly come in at the middle, so a title that is not long ends before it.
                width = _columns(title) * 11 * MONO + 4
                inner = Frame(max(width, 2 * min(width, 90.0)))
                self.titles[id(inner)] = title
                frame.frames.append(inner)
                self._frame(inner, [*way, inner], i, j, deeper)
            i = j

    def _fill(self) -> None:
        flows: dict[int, list[_boxes.Flow]] = {}
        for flow in self.drawing.flows:
            flows.setdefault(flow.source, []).append(flow)
        place = []
        number = 0
        for i in range(len(self.drawing.boxes)):
            place.append(number)
            number += 1 + sum(bool(flow.text) for flow in flows.get(i, [])[:MAX_LABELS])
        for i, box in enumerate(self.drawing.boxes):
            self.ways[i][-1].boxes.append(place[i])
            self.things.append(box)
            self.sizes.append(_size(box))
            for k, flow in enumerate(flows.get(i, [])):
                start = place[i]
                if flow.text and k < MAX_LABELS:
                    start = len(self.things)
                    width = _columns(flow.text) * LABEL_SIZE * MONO + 8
                    self.things.append(flow.text)
                    self.sizes.append((width, 13.0))
                    # Not further out than who uses it first: else an edge would leave a frame and
                    # come back, which layers cannot show.
                    ends = [self.ways[box] for box in flow.targets]
                    _shared(self.ways[i], ends).boxes.append(start)
                    self._edge(place[i], start, False)
                for target in flow.targets:
                    self._edge(start, place[target], True)

    def _edge(self, start: int, end: int, arrow: bool) -> None:
        self.edges.append((start, end))
        self.arrows.append(arrow)


def _edge_svg(curve: list[Point], arrow: bool) -> str:
    if not curve:
        return ""
    points = list(curve)
    head = ""
    if arrow and len(points) > 1:
        x, y = points[-1]
        before = next((p for p in reversed(points[:-1]) if p != (x, y)), (x, y - 1))
        dx, dy = x - before[0], y - before[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        dx, dy = dx / length, dy / length
        back = (x - 6 * dx, y - 6 * dy)
        corners = [(x, y), (back[0] - 3.5 * dy, back[1] + 3.5 * dx)]
        corners.append((back[0] + 3.5 * dy, back[1] - 3.5 * dx))
        text = " ".join(f"{_n(a)},{_n(b)}" for a, b in corners)
        head = f'<polygon points="{text}"/>'
        points[-1] = back
    start = points[0]
    parts = [f"M{_n(start[0])} {_n(start[1])}"]
    for i in range(1, len(points) - 2, 3):
        parts.append("C" + " ".join(f"{_n(x)} {_n(y)}" for x, y in points[i : i + 3]))
    return f'<path d="{"".join(parts)}"/>{head}'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, radius: float) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(radius)}"'
        "/>"
    )


def _box_svg(box: _boxes.Box, center: Point, size: Point) -> str:
    left, top = center[0] - size[0] / 2, center[1] - size[1] / 2
    radius = size[1] / 2 if box.kind in ("input", "output") and not box.lines else 6.0
    parts = [f'<g class="{box.kind}">']
    if box.tip:
        parts.append(f"<title>{escape(box.tip)}</title>")
    parts.append(_rect(left, top, *size, radius))
    parts.append(_text("t", center[0], top + 17.5, box.title))
    for i, line in enumerate(box.lines):
        parts.append(_text("l", center[0], top + 32.5 + 13.5 * i, line))
    return "".join([*parts, "</g>"])


def _outer(layout: Layout) -> Point:
    return layout.width + 2 * MARGIN, layout.height + 2 * MARGIN


def _svg(scene: _Scene, layout: Layout, theme: str, name: str, fluid: bool = True) -> str:
    """The document. FLUID: whoever shows it may shrink it to the room there is."""
    width, height = _outer(layout)
    title = f"{overview.plain(name) or 'graph'}: {scene.drawing.n_nodes} nodes"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="toffee-picture" role="img" '
        f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
        f"{FLUID if fluid else ''}>",
        f"<title>{escape(title)}</title>",
        f"<style>{_style(theme)}</style>",
        f'<rect class="paper" width="{_n(width)}" height="{_n(height)}" rx="6"/>',
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN)})">',
    ]
    for frame, x, y, w, h, depth in layout.frames:
        label = scene.titles[id(frame)]
        kind = "frame" if depth % 2 else "frame-2"
        text = f'<text x="{_n(x + 9)}" y="{_n(y + 15)}">{escape(label)}</text>'
        out.append(f'<g class="f {kind}">{_rect(x, y, w, h, 8)}{text}</g>')
    out.append('<g class="e">')
    for curve, arrow in zip(layout.curves, scene.arrows, strict=True):
        out.append(_edge_svg(curve, arrow))
    for thing, center in zip(scene.things, layout.centers, strict=True):
        if isinstance(thing, str):
            out.append(
                f'<text x="{_n(center[0])}" y="{_n(center[1] + 3.5)}">{escape(thing)}</text>'
            )
    out.append("</g>")
    for thing, center, size in zip(scene.things, layout.centers, scene.sizes, strict=True):
        if not isinstance(thing, str):
            out.append(_box_svg(thing, center, size))
    return "\n".join([*out, "</g>", "</svg>", ""])


# --- DOT ------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """TEXT as a string of DOT, in which backslashes and entities mean nothing."""
    text = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\n", "\\n") + '"'


def _dot(scene: _Scene, theme: str) -> str:
    """The drawing for Graphviz, texts and all. AUTO is light: DOT knows no media."""
    paper, ink, dim, edge, inverse = _INK["dark" if theme == "dark" else "light"]
    first = 2 if theme == "dark" else 0
    out = [
        "digraph toffee {",
        f'  graph [bgcolor="{paper}", fontname="Helvetica", fontsize=11, fontcolor="{dim}",',
        "    labeljust=l, ranksep=0.3, nodesep=0.3];",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11,',
        f'    fontcolor="{ink}", height=0.3];',
        f'  edge [color="{edge}", fontname="Helvetica", fontsize=9, fontcolor="{dim}",',
        "    arrowsize=0.6];",
    ]
    boxes = scene.drawing.boxes
    lines = []
    for i, box in enumerate(boxes):
        fill, line = _COLOURS[box.kind][first : first + 2]
        extra = f', fontcolor="{inverse}"' if box.kind in ("input", "output") else ""
        label = _quoted("\n".join([box.title, *box.lines]))
        lines.append(f'n{i} [label={label}, fillcolor="{fill}", color="{line}"{extra}];')
    numbers: dict[int, list[int]] = {}
    for i, way in enumerate(scene.ways):
        numbers.setdefault(id(way[-1]), []).append(i)
    count = 0

    def enter(frame: Frame, indent: str, depth: int) -> None:
        nonlocal count
        out.extend(indent + lines[i] for i in numbers.get(id(frame), ()))
        for inner in frame.frames:
            fill, line = _COLOURS["frame-2" if depth % 2 else "frame"][first : first + 2]
            out.append(f"{indent}subgraph cluster_{count} {{")
            out.append(
                f"{indent}  label={_quoted(scene.titles[id(inner)])}; "
                f'style="rounded,filled"; fillcolor="{fill}"; color="{line}";'
            )
            count += 1
            enter(inner, indent + "  ", depth + 1)
            out.append(indent + "}")

    enter(scene.root, "  ", 0)
    for flow in scene.drawing.flows:
        label = f" [label={_quoted(flow.text)}]" if flow.text else ""
        out += [f"  n{flow.source} -> n{target}{label};" for target in flow.targets]
    return "\n".join([*out, "}", ""])


# --- the picture ----------------------------------------------------------------------------------


class Picture:
    """A drawn graph. A notebook shows it; :meth:`save` writes it.

    Attributes
    ----------
    svg : str
        The picture as an SVG document; nothing in it refers to anything outside.
    dot : str
        The same graph for Graphviz.
    depth : int
        How deep the paths are by which modules were drawn as one box; 0 if none was.
    n_boxes : int
    size : (float, float)
        Width and height of the SVG in pixels, as long as whoever shows it has room.
    """

    def __init__(self, drawing: _boxes.Drawing, *, theme: str, engine: str, name: str) -> None:
        self.depth: int = drawing.depth
        self.n_boxes: int = len(drawing.boxes)
        self._scene = _Scene(drawing)
        self._theme, self._engine, self._name = theme, engine, name

    def __repr__(self) -> str:
        return f"<toffee.Picture: {self.n_boxes} boxes>"

    @cached_property
    def _layout(self) -> Layout:
        scene = self._scene
        program = shutil.which("dot") if self._engine != "builtin" else None
        if program is None and self._engine == "dot":
            raise RuntimeError(
                "Graphviz's program dot is not on the PATH: install it (apt-get install graphviz), "
                "or leave out engine='dot'"
            )
        found = None
        if program is not None:
            found = _layered.arrange_by_dot(program, scene.sizes, scene.edges, scene.root)
            if found is None and self._engine == "dot":
                raise RuntimeError(
                    f"{program} did not lay out the {self.n_boxes} boxes: pass a smaller collapse, "
                    "or engine='builtin'"
                )
        return found or _layered.arrange(scene.sizes, scene.edges, scene.root)

    @property
    def size(self) -> Point:
        return _outer(self._layout)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document; it follows the theme that it was made with."""
        return _svg(self._scene, self._layout, self._theme, self._name)

    @cached_property
    def dot(self) -> str:
        """The same graph in Graphviz's language."""
        return _dot(self._scene, self._theme)

    def png(self) -> bytes:
        """The picture as PNG: by Graphviz, or by CairoSVG where there is no Graphviz.

        Raises
        ------
        ImportError
            There is neither.
        """
        program = shutil.which("dot") if self._engine != "builtin" else None
        if program is not None:
            try:
                return subprocess.run(
                    [program, "-Tpng", "-Gdpi=144"],
                    input=self.dot.encode(),
                    capture_output=True,
                    timeout=60,
                    check=True,
                ).stdout
            except (OSError, subprocess.SubprocessError):
                pass  # too large for it, or broken: there may be the other way
        try:
            import cairosvg  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except (ImportError, OSError):  # OSError: it found no libcairo
            raise ImportError(
                "a PNG is drawn by Graphviz (apt-get install graphviz) or by CairoSVG (pip install "
                "cairosvg, or toffee[png]; it needs libcairo2), and neither is here; SVG and DOT "
                "need nothing"
            ) from None
        theme = "dark" if self._theme == "dark" else "light"
        # CairoSVG takes the height "auto" for none at all.
        svg = _svg(self._scene, self._layout, theme, self._name, fluid=False)
        return bytes(cairosvg.svg2png(bytestring=svg.encode(), scale=2))

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write the picture to a file.

        Parameters
        ----------
        path : path
        format : {"svg", "dot", "png"}, optional
            By default what the name ends in, or SVG.

        Raises
        ------
        ValueError
            No such format.
        OSError, ImportError
        """
        kind = _format(path, format)
        # All of it before the file is opened: what fails leaves no empty file behind.
        data = self.png() if kind == "png" else (self.dot if kind == "dot" else self.svg).encode()
        Path(path).write_bytes(data)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> Mapping[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")


def _format(path: str | os.PathLike[str] | None, format: str | None) -> str:
    if format is None:
        suffix = os.path.splitext(os.fspath(path))[1].lower()[1:] if path is not None else ""
        format = {"": "svg", "gv": "dot"}.get(suffix, suffix)
        if format not in FORMATS:
            raise ValueError(
                f"what the name {os.fspath(path or '')!r} ends in is no format of pictures: "
                f"{', '.join(FORMATS)}"
            )
    _one_of("format", format, FORMATS)
    return format


def draw(
    graph: Graph,
    path: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,
    collapse: int | bool | None = None,
    theme: str = "auto",
    initializers: bool = False,
    engine: str = "auto",
) -> Picture:
    """The picture of GRAPH, written to PATH if one is given; this is ``Graph.picture``.

    Parameters
    ----------
    graph : Graph
    path : path, optional
    format : {"svg", "dot", "png"}, optional
        Of the file; else what its name ends in says.
    collapse : int, False or None
        Depth: a module whose path has so many parts is one box. False: no module is. None: the
        greatest depth is taken that leaves about a hundred boxes, if there are more.
    theme : {"auto", "light", "dark"}
        "auto" follows whoever shows the SVG.
    initializers : bool
        Draw weights and constants as boxes, not as text in the boxes that use them.
    engine : {"auto", "dot", "builtin"}
        Who lays it out: "auto" is Graphviz's ``dot`` if it is on the PATH. Each gives the same
        picture each time.

    Raises
    ------
    ValueError
        An argument means nothing, or more than 2000 boxes would remain.
    RuntimeError
        ``engine="dot"`` without Graphviz.
    OSError, ImportError
        The file cannot be written, or nothing that makes a PNG is installed.
    """
    _one_of("theme", theme, THEMES)
    _one_of("engine", engine, ENGINES)
    if collapse is True or (collapse is not None and collapse is not False and collapse < 1):
        raise ValueError(f"collapse must be a depth from 1 on, False or None, not {collapse!r}")
    if path is not None or format is not None:
        _format(path, format)
    drawing = _boxes.drawing(graph, collapse, initializers)
    picture = Picture(drawing, theme=theme, engine=engine, name=graph.name)
    if path is not None:
        picture.save(path, format)
    return picture
