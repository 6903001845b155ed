"""What a notebook shows of a graph: ``Graph._repr_html_``.

Plain HTML with a style sheet and no script, that folds by itself (``<details>``) and refers to
nothing outside. Every text from the graph goes through :func:`_e`, and every list has a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from . import _overview as overview
from ._core import Attribute, Graph, Node, ValueInfo

__all__ = ["graph_page", "style"]

#: Rows of nodes in a page, subgraphs and all, and the letters that they may take.
MAX_NODES, MAX_LETTERS = 1_000, 600_000
#: Modules that get a fold of their own.
MAX_FOLDS = 400
#: Nodes up to which the listing is open from the start.
OPEN_NODES = 60
MAX_VALUES, MAX_OPERATORS, MAX_PARAMETERS = 30, 40, 25
MAX_ARGUMENTS, MAX_ATTRIBUTE = 24, 300
#: Graphs in graphs that are listed.
MAX_NESTING = 6

_LIGHT = (
    "--tf-ink:#1f2328;--tf-dim:#59636e;--tf-paper:#fff;--tf-soft:#f6f8fa;--tf-line:#d1d9e0;"
    "--tf-op:#0550ae;--tf-name:#24292f;--tf-type:#116329;--tf-attr:#8250df;--tf-bar:#54aeff;"
    "--tf-bad:#cf222e;--tf-mark:#fff8c5"
)
_DARK = (
    "--tf-ink:#f0f6fc;--tf-dim:#9198a1;--tf-paper:#0d1117;--tf-soft:#151b23;--tf-line:#3d444d;"
    "--tf-op:#79c0ff;--tf-name:#e6edf3;--tf-type:#7ee787;--tf-attr:#d2a8ff;--tf-bar:#1f6feb;"
    "--tf-bad:#ff7b72;--tf-mark:#3a2d08"
)
#: How notebooks and documentation say which theme is on, whatever the system's is.
_SAYS_LIGHT = (
    'body[data-jp-theme-light="true"]',
    "body.vscode-light",
    "html[theme=light]",
    '[data-theme="light"]',
)
_SAYS_DARK = (
    'body[data-jp-theme-light="false"]',
    "body.vscode-dark",
    "html[theme=dark]",
    '[data-theme="dark"]',
)

_RULES = {
    "": "color:var(--tf-ink);background:var(--tf-paper);border:1px solid var(--tf-line);"
    "border-radius:8px;padding:10px 14px;max-width:1200px;line-height:1.5;text-align:left;"
    "font:13px/1.5 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif",
    ".tf-head": "font-size:15px;margin-bottom:2px",
    ".tf-facts": "color:var(--tf-dim);margin-bottom:8px",
    "summary": "cursor:pointer;padding:3px 0;color:var(--tf-ink)",
    "summary b": "font-weight:600",
    "details": "margin:0;padding:0",
    ".tf-dim": "color:var(--tf-dim);font-weight:400",
    "table": "border-collapse:collapse;margin:2px 0 8px 14px;background:none;color:inherit",
    "td": "padding:1px 16px 1px 0;border:none;text-align:left;vertical-align:baseline;"
    "background:none;color:inherit",
    "details td:first-child": "min-width:12em",
    "td.tf-num": "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap",
    "code": "font:12px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
    "monospace;color:var(--tf-name);background:none;padding:0;border:none;white-space:pre-wrap;"
    "overflow-wrap:anywhere",
    ".tf-ops": "display:flex;flex-wrap:wrap;gap:5px 6px;margin:3px 0 8px 14px",
    ".tf-ops>span": "border:1px solid var(--tf-line);border-radius:12px;padding:0 9px;"
    "background:var(--tf-soft)",
    ".tf-bar": "display:inline-block;height:8px;border-radius:3px;background:var(--tf-bar);"
    "min-width:1px",
    ".tf-fold": "margin-left:5px;border-left:2px solid var(--tf-line);padding-left:11px",
    ".tf-node": "display:flex;gap:18px;justify-content:space-between;padding:1px 4px;"
    "border-radius:4px",
    ".tf-node:hover": "background:var(--tf-soft)",
    ".tf-node code": "padding-left:22px;text-indent:-22px",
    ".tf-src": "color:var(--tf-dim);font-size:11px;white-space:nowrap;line-height:1.9;"
    "max-width:45%;overflow:hidden;text-overflow:ellipsis",
    ".tf-o": "color:var(--tf-op);font-weight:600",
    ".tf-t": "color:var(--tf-type)",
    ".tf-a": "color:var(--tf-attr)",
    ".tf-whole": "white-space:nowrap",
    ".tf-bad": "color:var(--tf-bad);font-weight:600",
    ".tf-where": "color:var(--tf-dim);margin:10px 0 3px",
    ".tf-source": "border:1px solid var(--tf-line);border-radius:6px;padding:4px 0;"
    "background:var(--tf-soft);overflow-x:auto",
    ".tf-line": "display:flex;padding:0 10px 0 7px;border-left:3px solid transparent",
    ".tf-meant": "background:var(--tf-mark);border-left-color:var(--tf-bad)",
    ".tf-meant code": "font-weight:600",
    ".tf-no": "color:var(--tf-dim);font:12px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"
    "'DejaVu Sans Mono',monospace;min-width:3em;margin-right:14px;text-align:right;"
    "user-select:none",
    ".tf-next": "margin-top:10px",
    ".tf-note": "color:var(--tf-dim);font-style:italic;padding:3px 4px",
}


def style() -> str:
    """The style sheet, for elements of class toffee-graph only."""

    def themed(says: Iterable[str], colours: str) -> str:
        return ",".join(f"{where} .toffee-graph" for where in says) + "{" + colours + "}"

    rules = [
        f".toffee-graph{{{_LIGHT}}}",
        f"@media (prefers-color-scheme:dark){{.toffee-graph{{{_DARK}}}}}",
        themed(_SAYS_LIGHT, _LIGHT),
        themed(_SAYS_DARK, _DARK),
    ]
    rules += [f".toffee-graph {name}{{{body}}}".replace(" {", "{") for name, body in _RULES.items()]
    return "<style>" + "".join(rules) + "</style>"


def _e(text: str, limit: int = overview.MAX_NAME) -> str:
    """TEXT from the graph for a page: short, with nothing in it that HTML would act on."""
    return escape(overview.plain(text, limit))


def _more(shown: int, of: int, what: str) -> str:
    return f'<div class="tf-note">and {of - shown:,} more {what}</div>' if of > shown else ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _nodes(count: int) -> str:
    return f"{count:,} node{_s(count)}"


def _span(kind: str, text: str) -> str:
    return f'<span class="tf-{kind}">{text}</span>'


def _fold(title: str, body: str, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>{body}</details>"


def _table(rows: Iterable[Sequence[str]], numbers: int = -1) -> str:
    """A table of cells that are HTML; column NUMBERS is of numbers."""
    out = []
    for row in rows:
        cells = (
            f'<td class="tf-num">{cell}</td>' if i == numbers else f"<td>{cell}</td>"
            for i, cell in enumerate(row)
        )
        out.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(out)}</table>"


# --- the summary ----------------------------------------------------------------------------------


def _values(title: str, names: Sequence[str], infos: Iterable[ValueInfo]) -> str:
    types = {info.name: overview.value_type(info) for info in infos}
    rows = []
    for name in names[:MAX_VALUES]:
        kind = types.get(name, overview.Type("", ""))
        rows.append((f"<code>{_e(name)}</code>", _span("t", _e(kind.dtype)), _e(kind.shape)))
    if not names:
        return f"<div><b>{title}</b> {_span('dim', 'none')}</div>"
    rest = _more(MAX_VALUES, len(names), title.lower())
    return f"<div><b>{title}</b></div>{_table(rows)}{rest}"


def _operators(counts: Counter[str]) -> str:
    chips = [
        f"<span>{_e(name, 60)} {_span('dim', f'×{count:,}')}</span>"
        for name, count in counts.most_common(MAX_OPERATORS)
    ]
    title = f"<b>Operators</b> {_span('dim', f'{len(counts):,} kind{_s(len(counts))}')}"
    rest = _more(MAX_OPERATORS, len(counts), "kinds")
    return _fold(title, f'<div class="tf-ops">{"".join(chips)}</div>{rest}', True)


def _parameters(graph: Graph, n_elements: int, n_bytes: int) -> str:
    tensors = [
        (overview.tensor_bytes(tensor), -i, tensor) for i, tensor in enumerate(graph.initializer)
    ]
    tensors.sort(key=lambda item: item[:2], reverse=True)
    largest = max((item[0] for item in tensors), default=0) or 1
    rows = []
    for count, _, tensor in tensors[:MAX_PARAMETERS]:
        kind = overview.tensor_type(tensor)
        bar = f'<span class="tf-bar" style="width:{120 * count / largest:.0f}px"></span>'
        rows.append(
            (
                f"<code>{_e(tensor.name)}</code>",
                _span("t", kind.dtype),
                _e(kind.shape),
                overview.size(count),
                bar,
            )
        )
    plural = "" if len(tensors) == 1 else "s"
    said = f"{len(tensors):,} tensor{plural}, {overview.number(n_elements)} elements, "
    title = f"<b>Parameters</b> {_span('dim', said + overview.size(n_bytes) + ', largest first')}"
    return _fold(title, _table(rows, 3) + _more(MAX_PARAMETERS, len(tensors), "tensors"))


# --- the listing ----------------------------------------------------------------------------------


class _Listing:
    """Rows of nodes until there is no room left."""

    def __init__(self, types: dict[str, overview.Type]) -> None:
        self.types = types
        self.rows = 0
        self.letters = 0
        self.folds = 0

    def full(self) -> bool:
        return self.rows >= MAX_NODES or self.letters >= MAX_LETTERS

    def nodes(self, nodes: Sequence[Node], nesting: int = 0) -> str:
        """The rows of NODES, folded by module."""
        paths = [overview.module_path(node) for node in nodes]
        text = self._group(nodes, paths, 0, len(nodes), 0, nesting)
        return f"<div>{text}</div>"

    def _group(
        self,
        nodes: Sequence[Node],
        paths: Sequence[tuple[str, ...]],
        low: int,
        high: int,
        depth: int,
        nesting: int,
    ) -> str:
        """The nodes from LOW to HIGH, whose paths agree up to DEPTH."""
        out = []
        i = low
        while i < high:
            path, j = paths[i], i + 1
            if len(path) > depth:
                while j < high and paths[j][: depth + 1] == path[: depth + 1]:
                    j += 1
            if j - i > 1 and self.folds < MAX_FOLDS:
                self.folds += 1
                deeper = depth + 1
                while len(path) > deeper and all(
                    paths[k][: deeper + 1] == path[: deeper + 1] for k in range(i, j)
                ):
                    deeper += 1
                inner = self._group(nodes, paths, i, j, deeper, nesting)
                counts = Counter(overview.operator(nodes[k]) for k in range(i, j))
                said = f"{j - i:,} nodes: {overview.counted(counts, 4)}"
                title = f"<code>{_e('.'.join(path[depth:deeper]))}</code>"
                out.append(
                    _fold(
                        f"{title} {_span('dim', escape(said))}",
                        f'<div class="tf-fold">{inner}</div>',
                        len(nodes) <= OPEN_NODES,
                    )
                )
                self.letters += len(title) + len(said) + 120
                i = j
                continue
            if self.full():
                # Folds for later modules are still made, until there are too many of them too.
                rest = i
                while i < high and (len(paths[i]) <= depth or self.folds >= MAX_FOLDS):
                    i += 1
                i = max(i, rest + 1)
                out.append(
                    f'<div class="tf-note">{i - rest:,} nodes not shown: print(graph) lists them '
                    "all</div>"
                )
                continue
            out.append(self._row(nodes[i], nesting))
            i += 1
        return "".join(out)

    def _row(self, node: Node, nesting: int) -> str:
        self.rows += 1
        outputs = [self._value(name) for name in node.output[:MAX_ARGUMENTS]]
        if len(node.output) > MAX_ARGUMENTS:
            outputs.append("…")
        attributes = [
            _attribute_span(_e(_attribute(attr), MAX_ATTRIBUTE))
            for attr in node.attribute[:MAX_ARGUMENTS]
            if attr.type not in (Attribute.GRAPH, Attribute.GRAPHS)
        ]
        inputs = [f"%{_e(name)}" if name else "_" for name in node.input[:MAX_ARGUMENTS]]
        if len(node.input) > MAX_ARGUMENTS:
            inputs.append("…")
        text = f"{', '.join(outputs)} = " if outputs else ""
        text += _span("o", _e(overview.operator(node)))
        text += f"[{', '.join(attributes)}]" if attributes else ""
        text += f"({', '.join(inputs)})"
        title = f' title="{_e(node.name)}"' if node.name else ""
        source = _span("src", _e(overview.source_line(node), 320))
        row = f'<div class="tf-node"{title}><code>{text}</code>{source}</div>'
        self.letters += len(row)
        for label, inner in overview.subgraphs(node)[:MAX_ARGUMENTS]:
            row += self._subgraph(label, inner, nesting + 1)
        return row

    def _subgraph(self, label: str, graph: Graph, nesting: int) -> str:
        title = f"{_span('a', _e(label))} {_span('dim', f'a graph of {_nodes(len(graph))}')}"
        if nesting > MAX_NESTING or self.full():
            note = "graphs nest too deep" if nesting > MAX_NESTING else "no room"
            return (
                f'<div class="tf-fold">{title} <span class="tf-note">{note} to list it</span></div>'
            )
        names = ", ".join(f"%{_e(name)}" for name in graph.input[:MAX_ARGUMENTS])
        returned = ", ".join(f"%{_e(name)}" for name in graph.output[:MAX_ARGUMENTS])
        outer, self.types = self.types, {**overview.types_of(graph)}
        body = self.nodes(list(graph), nesting)
        self.types = outer
        return (
            '<div class="tf-fold">'
            + _fold(
                title,
                f"<code>graph({names})</code>{body}<code>return ({returned})</code>",
                len(graph) <= 12,
            )
            + "</div>"
        )

    def _value(self, name: str) -> str:
        shown = f"%{_e(name)}" if name else "_"
        kind = self.types.get(name)
        if kind is None or not kind.dtype:
            return shown
        return f"{shown} : {_span('t', f'{_e(kind.dtype)} {_e(kind.shape)}'.strip())}"


def _attribute(attr: Attribute) -> str:
    """``name=value`` as the listing has it."""
    from . import helper

    return helper.printable_attribute(attr)


def _attribute_span(text: str) -> str:
    """TEXT in the colour of attributes, on one line if it is not long."""
    return _span("a tf-whole" if len(text) <= 48 else "a", text)


def graph_page(graph: Graph) -> str:
    """The summary and the listing of GRAPH as a piece of HTML; at most about a megabyte."""
    nodes = list(graph)
    n_elements = sum(map(overview.elements, graph.initializer))
    n_bytes = sum(map(overview.tensor_bytes, graph.initializer))
    parameters = {tensor.name for tensor in graph.initializer}
    inputs = [name for name in graph.input if name not in parameters]
    opset = ", ".join(
        f"{_e(each.domain, 40) + ' ' if each.domain else ''}{each.version}"
        for each in graph.opset_import[:4]
    )
    facts = [
        _nodes(len(nodes)),
        f"{overview.number(n_elements)} parameters in {overview.size(n_bytes)}",
        f"opset {opset or 'not said'}",
    ]
    if graph.producer_tag:
        facts.append(f"by {_e(graph.producer_tag, 40)}")
    listing = _Listing(overview.types_of(graph))
    rows = listing.nodes(nodes)
    parts = [
        '<div class="toffee-graph">',
        style(),
        f'<div class="tf-head"><b>{_e(graph.name) or "graph"}</b> {_span("dim", "toffee.Graph")}'
        "</div>",
        f'<div class="tf-facts">{" · ".join(facts)}</div>',
        _values("Inputs", inputs, graph.input_info),
        _values("Outputs", list(graph.output), graph.output_info),
    ]
    if nodes:
        parts.append(_operators(Counter(overview.operator(node) for node in nodes)))
    if len(graph.initializer):
        parts.append(_parameters(graph, n_elements, n_bytes))
    if functions := len(graph.function):
        parts.append(
            f"<div><b>Functions</b> {_span('dim', f'{functions:,}, not listed here')}</div>"
        )
    if nodes:
        title = f"<b>Nodes</b> {_span('dim', 'in order, by module')}"
        parts.append(_fold(title, rows, len(nodes) <= OPEN_NODES))
    return "".join([*parts, "</div>"])
