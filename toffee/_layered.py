"""Where the boxes of a picture go: layers from top to bottom, frames around modules.

Two engines give the same result, a :class:`Layout`: Graphviz's ``dot``, which is told sizes and
never a name, and :func:`arrange`, after Sugiyama: ranks by longest path, order within a rank by
barycentres, coordinates by least squares with the distances kept. Each frame is laid out by itself
and is then one box of what it is in, so frames cannot overlap; an edge that leaves a frame does so
through a port on its rim. All of it is deterministic.
"""

from __future__ import annotations

import json
import subprocess
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]

GAP_X = 22.0
GAP_Y = 20.0
#: Between the ports on a rim and what is inside.
RIM = 12.0
PAD = 10.0
TITLE = 20.0
#: Dummies that long edges may have in one frame; past it they are drawn straight.
MAX_DUMMIES = 20_000
#: Of ordering, and of finding abscissas, which takes longer to settle and less time.
SWEEPS, SETTLING = 10, 40
#: How much a link pulls its ends together: from dummy to dummy, between boxes, else.
STIFF, FIRM, SLACK = 8.0, 4.0, 0.02
#: Seconds that Graphviz may think.
PATIENCE = 10.0


@dataclass
class Frame:
    """A frame: boxes by number, and frames in it."""

    title_width: float = 0.0
    boxes: list[int] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


@dataclass
class Layout:
    """Top left corners are at (0, 0) and y grows downwards."""

    width: float
    height: float
    #: The middle of each box.
    centers: list[Point]
    #: Each edge as a start and, for each cubic Bézier, three points.
    curves: list[list[Point]]
    #: (frame, x, y, width, height, how deep), outer ones first.
    frames: list[tuple[Frame, float, float, float, float, int]]


@dataclass
class _Link:
    """An edge between two units of one frame, for several edges of the graph."""

    start: int
    end: int
    start_offset: float
    end_offset: float
    edges: list[int]


@dataclass
class _Block:
    """A frame that is laid out: coordinates from its own corner."""

    width: float
    height: float
    centers: dict[int, Point] = field(default_factory=dict)
    pieces: list[tuple[int, list[Point]]] = field(default_factory=list)
    rects: list[tuple[Frame, float, float, float, float, int]] = field(default_factory=list)
    entries: dict[int, float] = field(default_factory=dict)
    exits: dict[int, float] = field(default_factory=dict)


# --- one frame, flat ------------------------------------------------------------------------------


def _ranks(n: int, links: Sequence[_Link], top: set[int], bottom: set[int]) -> list[int]:
    """The rank of each of N units. A link leads from a smaller number to a larger one."""
    first = 1 if top else 0
    rank = [0 if unit in top else first for unit in range(n)]
    for link in sorted(links, key=lambda link: link.start):
        rank[link.end] = max(rank[link.end], rank[link.start] + 1)
    # What nothing leads to goes down to whoever uses it first.
    entered = {link.end for link in links}
    lowest: dict[int, int] = {}
    for link in links:
        lowest[link.start] = min(lowest.get(link.start, rank[link.end]), rank[link.end])
    for unit in range(n):
        if unit not in entered and unit not in top and unit in lowest:
            rank[unit] = max(rank[unit], lowest[unit] - 1)
    last = max((rank[unit] for unit in range(n) if unit not in bottom), default=0) + 1
    for unit in bottom:
        rank[unit] = last
    used = {r: i for i, r in enumerate(sorted(set(rank)))}
    return [used[r] for r in rank]


def _spread(
    wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]
) -> list[float]:
    """The positions nearest to WANTED (by least squares with WEIGHTS) that keep GAPS between
    neighbours: pools of adjacent violators."""
    offset, total = [0.0], 0.0
    for gap in gaps:
        total += gap
        offset.append(total)
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for want, weight, shift in zip(wanted, weights, offset, strict=True):
        mean, heavy, members = want - shift, weight, 1
        while pools and pools[-1][0] > mean:
            before, more, others = pools.pop()
            mean = (before * more + mean * heavy) / (more + heavy)
            heavy, members = heavy + more, members + others
        pools.append((mean, heavy, members))
    placed = [mean for mean, _, members in pools for _ in range(members)]
    return [x + shift for x, shift in zip(placed, offset, strict=True)]


class _Layers:
    """Units and the dummies of long links, in ranks."""

    def __init__(
        self, sizes: Sequence[Point], links: Sequence[_Link], top: set[int], bottom: set[int]
    ) -> None:
        self.links = links
        self.real = len(sizes)
        self.widths = [width for width, _ in sizes]
        self.rank = _ranks(self.real, links, top, bottom)
        self.up: list[list[tuple[int, float, float, float]]] = [[] for _ in sizes]
        self.down: list[list[tuple[int, float, float, float]]] = [[] for _ in sizes]
        #: The dummies of each link, from top to bottom; links that start at one place share them.
        self.chains: list[list[int]] = []
        shared: dict[tuple[int, float], list[int]] = {}
        for link in links:
            chain = shared.setdefault((link.start, link.start_offset), [])
            length = self.rank[link.end] - self.rank[link.start] - 1
            if len(self.rank) - self.real + length - len(chain) > MAX_DUMMIES:
                self.chains.append([])
                continue
            for step in range(len(chain), length):
                dummy = len(self.rank)
                self.rank.append(self.rank[link.start] + 1 + step)
                self.widths.append(2.0)
                self.up.append([])
                self.down.append([])
                if step:
                    self._join(chain[-1], dummy, 0.0, 0.0, STIFF)
                else:
                    self._join(link.start, dummy, link.start_offset, 0.0, SLACK)
                chain.append(dummy)
            if length:
                self._join(chain[length - 1], link.end, 0.0, link.end_offset, SLACK)
            else:
                self._join(link.start, link.end, link.start_offset, link.end_offset, FIRM)
            self.chains.append(chain[:length])
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank, default=-1) + 1)]
        for unit, rank in enumerate(self.rank):
            self.layers[rank].append(unit)
        self.place = [0] * len(self.rank)

    def _join(self, above: int, below: int, start: float, end: float, weight: float) -> None:
        self.down[above].append((below, end, start, weight))
        self.up[below].append((above, start, end, weight))

    def _settle(self) -> None:
        for layer in self.layers:
            for i, unit in enumerate(layer):
                self.place[unit] = i

    def _crossings(self) -> int:
        count = 0
        for layer in self.layers:
            seen: list[int] = []
            for unit in layer:
                ends = sorted(self.place[below] for below, _, _, _ in self.down[unit])
                count += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return count

    def order(self) -> None:
        """Fewer crossings: sweeps down and up by barycentres, and the best of them is kept."""
        self._settle()
        best, least = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(SWEEPS):
            if not least:
                break
            near = self.down if sweep % 2 else self.up
            for layer in reversed(self.layers) if sweep % 2 else self.layers:
                keys = {}
                for unit in layer:
                    ends = [self.place[other] + 0.001 * at for other, at, _, _ in near[unit]]
                    keys[unit] = sum(ends) / len(ends) if ends else float(self.place[unit])
                layer.sort(key=keys.__getitem__)
                for i, unit in enumerate(layer):
                    self.place[unit] = i
            count = self._crossings()
            if count < least:
                best, least = [list(layer) for layer in self.layers], count
        self.layers = best
        self._settle()

    def abscissas(self) -> list[float]:
        """x of each unit's middle: as near to its neighbours' as the distances let it."""
        x = [0.0] * len(self.rank)
        gaps = []
        for layer in self.layers:
            gap = [
                (self.widths[a] + self.widths[b]) / 2
                + (GAP_X if max(a, b) < self.real else GAP_X / 2)
                for a, b in zip(layer, layer[1:], strict=False)
            ]
            gaps.append(gap)
            for unit, at in zip(
                layer, _spread([0.0] * len(layer), [1.0] * len(layer), gap), strict=True
            ):
                x[unit] = at
        for sweep in range(SETTLING):
            final = sweep >= SETTLING // 2
            order = range(len(self.layers))
            for i in reversed(order) if sweep % 2 else order:
                layer = self.layers[i]
                wanted, weights = [], []
                for unit in layer:
                    near = self.down[unit] if sweep % 2 else self.up[unit]
                    if final:
                        near = self.up[unit] + self.down[unit]
                    total = sum(weight for _, _, _, weight in near)
                    mean = sum(w * (x[other] + at - mine) for other, at, mine, w in near)
                    wanted.append(mean / total if total else x[unit])
                    # A dummy gives way to a box, and the others of its edge follow it.
                    weights.append((total if unit < self.real else 0.02 * total) + 0.01)
                for unit, at in zip(layer, _spread(wanted, weights, gaps[i]), strict=True):
                    x[unit] = at
        return x


def _flat(
    sizes: Sequence[Point], links: Sequence[_Link], top: set[int], bottom: set[int]
) -> tuple[list[Point], list[list[Point]], float, float]:
    """Middles of the units, the way of each link, width and height."""
    if not sizes:
        return [], [], 0.0, 0.0
    layers = _Layers(sizes, links, top, bottom)
    layers.order()
    x = layers.abscissas()
    left = min(x[i] - layers.widths[i] / 2 for i in range(len(x)))
    right = max(x[i] + layers.widths[i] / 2 for i in range(len(x)))
    x = [at - left for at in x]
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    for layer in layers.layers:
        height = max((sizes[unit][1] for unit in layer if unit < len(sizes)), default=0.0)
        if not height and tops:
            y -= GAP_Y - RIM
        tops.append(y)
        bottoms.append(y + height)
        # Next to a rim there is no need for much room.
        y += height + (GAP_Y if height else RIM)
    centers = []
    for i in range(len(sizes)):
        rank = layers.rank[i]
        middle = (tops[rank] + bottoms[rank]) / 2
        # Ports lie on the rims.
        middle = tops[rank] if i in top else bottoms[rank] if i in bottom else middle
        centers.append((x[i], middle))
    ways = []
    for link, chain in zip(links, layers.chains, strict=True):
        at, above = centers[link.start], sizes[link.start][1] / 2
        way = [(at[0] + link.start_offset, at[1] + above)]
        if bottoms[layers.rank[link.start]] > way[0][1]:
            way.append((way[0][0], bottoms[layers.rank[link.start]]))
        for dummy in chain:
            rank = layers.rank[dummy]
            way += [(x[dummy], tops[rank]), (x[dummy], bottoms[rank])]
        at, below = centers[link.end], sizes[link.end][1] / 2
        end = (at[0] + link.end_offset, at[1] - below)
        if tops[layers.rank[link.end]] < end[1]:
            way.append((end[0], tops[layers.rank[link.end]]))
        ways.append([*way, end])
    return centers, ways, right - left, bottoms[-1]


# --- frames in frames -----------------------------------------------------------------------------


class _Arranger:
    def __init__(
        self, sizes: Sequence[Point], edges: Sequence[tuple[int, int]], root: Frame
    ) -> None:
        self.sizes, self.edges = sizes, edges
        #: Of each box, the frames that it is in, from the outermost.
        self.above: list[tuple[int, ...]] = [()] * len(sizes)
        self.mine: dict[int, list[int]] = {}
        self._enter(root, ())
        for number, (start, end) in enumerate(edges):
            ours, theirs = self.above[start], self.above[end]
            shared = 0
            while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
                shared += 1
            for frame in dict.fromkeys(ours[shared - 1 :] + theirs[shared - 1 :]):
                self.mine[frame].append(number)

    def _enter(self, frame: Frame, above: tuple[int, ...]) -> None:
        above = (*above, id(frame))
        self.mine[id(frame)] = []
        for box in frame.boxes:
            self.above[box] = above
        for inner in frame.frames:
            self._enter(inner, above)

    def block(self, frame: Frame, depth: int) -> _Block:
        """FRAME laid out, and all in it. The outermost, of depth 0, has no rim."""
        inner = [self.block(sub, depth + 1) for sub in frame.frames]
        units: list[tuple[int, int | _Block]] = [(box, box) for box in frame.boxes]
        units += [(min(sub.centers, default=-1), sub) for sub in inner]
        units.sort(key=lambda unit: unit[0])
        unit_of: dict[int, int] = {}
        sources: dict[int, None] = {}
        leaving: dict[int, None] = {}
        for i, (_, unit) in enumerate(units):
            for box in [unit] if isinstance(unit, int) else unit.centers:
                unit_of[box] = i
        for number in self.mine[id(frame)]:
            start, end = self.edges[number]
            if start not in unit_of:
                sources[start] = None
            elif end not in unit_of:
                leaving[start] = None
        # Entries before all units, exits after: links lead from smaller numbers to larger ones.
        shift = len(sources)
        entry = {box: i for i, box in enumerate(sources)}
        leave = {box: shift + len(units) + i for i, box in enumerate(leaving)}
        sizes = [(4.0, 0.0)] * shift
        for _, unit in units:
            sizes.append(self.sizes[unit] if isinstance(unit, int) else (unit.width, unit.height))
        sizes += [(4.0, 0.0)] * len(leave)
        links: dict[tuple[int, int, float, float], _Link] = {}
        for number in self.mine[id(frame)]:
            start, end = self.edges[number]
            a, start_at, b, end_at = entry.get(start, -1), 0.0, leave.get(start, -1), 0.0
            if start in unit_of:
                a = shift + unit_of[start]
                if isinstance(unit := units[unit_of[start]][1], _Block):
                    start_at = unit.exits[start] - unit.width / 2
            if end in unit_of:
                b = shift + unit_of[end]
                if isinstance(unit := units[unit_of[end]][1], _Block):
                    end_at = unit.entries[start] - unit.width / 2
            link = links.setdefault((a, b, start_at, end_at), _Link(a, b, start_at, end_at, []))
            link.edges.append(number)
        top, bottom = set(entry.values()), set(leave.values())
        flat = _flat(sizes, list(links.values()), top, bottom)
        return self._framed(frame, depth, units, shift, list(links.values()), flat)

    def _framed(
        self,
        frame: Frame,
        depth: int,
        units: Sequence[tuple[int, int | _Block]],
        shift: int,
        links: Sequence[_Link],
        flat: tuple[list[Point], list[list[Point]], float, float],
    ) -> _Block:
        """The block of FRAME from the flat layout of SHIFT entries, its UNITS, and its exits."""
        centers, ways, width, height = flat
        pad, head = (PAD, TITLE) if depth else (0.0, 0.0)
        full = max(width, frame.title_width if depth else 0.0) + 2 * pad
        dx, dy = (full - width) / 2, head + pad / 2
        result = _Block(full, height + dy + pad)
        if depth:
            result.rects.append((frame, 0.0, 0.0, result.width, result.height, depth))
        for i, (_, unit) in enumerate(units):
            x, y = centers[shift + i]
            if isinstance(unit, int):
                result.centers[unit] = (x + dx, y + dy)
                continue
            x, y = x + dx - unit.width / 2, y + dy - unit.height / 2
            for box, at in unit.centers.items():
                result.centers[box] = (at[0] + x, at[1] + y)
            result.pieces += [(e, [(a + x, b + y) for a, b in way]) for e, way in unit.pieces]
            result.rects += [(f, a + x, b + y, w, h, d) for f, a, b, w, h, d in unit.rects]
        for link, way in zip(links, ways, strict=True):
            moved = [(x + dx, y + dy) for x, y in way]
            if link.start < shift:
                moved.insert(0, (moved[0][0], 0.0))
                result.entries[self.edges[link.edges[0]][0]] = moved[0][0]
            if link.end >= shift + len(units):
                moved.append((moved[-1][0], result.height))
                result.exits[self.edges[link.edges[0]][0]] = moved[-1][0]
            result.pieces += [(edge, moved) for edge in link.edges]
        return result


def _curve(points: Iterable[Point]) -> list[Point]:
    """A smooth way through POINTS that is upright in each of them."""
    way: list[Point] = []
    for point in points:
        if not way:
            way.append(point)
        elif abs(point[0] - way[-1][0]) + abs(point[1] - way[-1][1]) > 0.01:
            x, half = way[-1][0], (way[-1][1] + point[1]) / 2
            way += [(x, half), (point[0], half), point]
    return way


def arrange(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], root: Frame) -> Layout:
    """The layout by our own means.

    Parameters
    ----------
    sizes : sequence of (width, height)
        Of each box.
    edges : sequence of (int, int)
        From a box to one of a larger number, also where frames are taken as one box.
    root : Frame
        Every box is in it or in one frame inside; its own rim is not drawn.
    """
    block = _Arranger(sizes, edges, root).block(root, 0)
    ways: list[list[list[Point]]] = [[] for _ in edges]
    for number, way in block.pieces:
        ways[number].append(way)
    curves = []
    for pieces in ways:
        # Every piece leads downwards, so their order is that of their heights.
        pieces.sort(key=lambda way: (way[0][1], way[-1][1]))
        curves.append(_curve(point for way in pieces for point in way))
    return Layout(
        block.width,
        block.height,
        [block.centers[i] for i in range(len(sizes))],
        curves,
        sorted(block.rects, key=lambda rect: rect[5]),
    )


# --- Graphviz -------------------------------------------------------------------------------------


def _cluster(frame: Frame, lines: list[str], frames: list[Frame]) -> None:
    lines += [f"n{box};" for box in frame.boxes]
    for inner in frame.frames:
        # Nothing but a title of the right width: what it says is no business of Graphviz.
        title = "x" * max(int(inner.title_width / 6.7), 1)
        lines.append(f'subgraph cluster_{len(frames)} {{ label="{title}"; id="{len(frames)}";')
        frames.append(inner)
        _cluster(inner, lines, frames)
        lines.append("}")


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.replace(",", " ").split()]


def _read(text: str, n: int, n_edges: int, frames: Sequence[Frame]) -> Layout:
    """The layout in the JSON that dot printed."""
    found = json.loads(text)
    _, _, width, height = _numbers(found["bb"])
    centers: list[Point] = [(0.0, 0.0)] * n
    rects = []
    depths: dict[int, int] = {}
    objects = found.get("objects", [])
    for thing in objects:
        for sub in thing.get("subgraphs", ()):
            depths[sub] = depths.get(thing["_gvid"], 0) + 1
    for thing in objects:
        if "bb" in thing:
            left, low, right, high = _numbers(thing["bb"])
            frame = frames[int(thing["id"])]
            depth = depths.get(thing["_gvid"], 0) + 1
            rects.append((frame, left, height - high, right - left, high - low, depth))
        else:
            x, y = _numbers(thing["pos"])
            centers[int(thing["name"][1:])] = (x, height - y)
    curves: list[list[Point]] = [[] for _ in range(n_edges)]
    for edge in found.get("edges", ()):
        end: list[Point] = []
        points: list[Point] = []
        for part in edge["pos"].split():
            x, y = _numbers(part.removeprefix("e,"))
            (end if part.startswith("e,") else points).append((x, height - y))
        if end:
            points += [points[-1], end[0], end[0]]
        curves[int(edge["id"])] = points
    return Layout(width, height, centers, curves, sorted(rects, key=lambda rect: rect[5]))


def arrange_by_dot(
    dot: str, sizes: Sequence[Point], edges: Sequence[tuple[int, int]], root: Frame
) -> Layout | None:
    """The same by the program DOT, or None if it does not do it in time or at all."""
    frames: list[Frame] = []
    lines = [
        "digraph {",
        f"graph [ranksep={GAP_Y / 72:.4f}, nodesep={GAP_X / 72:.4f}, labeljust=l, fontsize=11,",
        'fontname="monospace"]; node [shape=box, fixedsize=true, label=""]; edge [arrowhead=none];',
    ]
    for i, (width, height) in enumerate(sizes):
        lines.append(f"n{i} [width={width / 72:.4f}, height={height / 72:.4f}];")
    _cluster(root, lines, frames)
    lines += [f"n{a}:s -> n{b}:n [id={i}];" for i, (a, b) in enumerate(edges)]
    try:
        done = subprocess.run(
            [dot, "-Tjson0"],
            input="\n".join([*lines, "}"]),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return _read(done.stdout, len(sizes), len(edges), frames)
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return None
