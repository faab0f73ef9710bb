"""Where the nodes of a drawn graph go: ranks, order within a rank, coordinates.

Start at `layout`. The steps are the usual ones of layered drawing: longest-path ranks, stand-ins where an edge passes a
rank, sweeps by barycentre that keep the order with the fewest crossings, then coordinates by least squares. It knows
sizes and edges only: no labels, no colours, no SVG.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

Size = tuple[float, float]
Point = tuple[float, float]

# Pixels between neighbours, and between ranks.
_GAP_X = 18.0
_GAP_Y = 46.0
_SWEEPS = 12
# Sweeps that pull towards both sides at once, behind those by one side; they straighten chains.
_EVEN_SWEEPS = 40
# A long edge is drawn straight rather than placed well: its stand-ins pull harder than nodes.
_STAND_IN_WEIGHT = 4.0


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, the points that each edge passes through from one node to the other, and the whole size."""

    positions: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[Size], edges: Sequence[tuple[int, int]]) -> Layout:
    """Place nodes of these sizes so that edges point down and cross little.

    Parameters
    ----------
    sizes : list of (width, height)
        One for each node.
    edges : list of (from, to)
        Pairs of positions in `sizes`. Edges that would close a circle are drawn upwards.

    Returns
    -------
    Layout
    """
    if not sizes:
        return Layout([], [], 0.0, 0.0)
    downward = _break_cycles(len(sizes), edges)
    ranks = _ranks(len(sizes), downward)
    widths = [width for width, _ in sizes]
    chains: list[list[int]] = []
    for start, end in downward:
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            ranks.append(rank)
            widths.append(2.0)
            chain.append(len(ranks) - 1)
        chains.append([*chain, end])
    links = sorted({(a, b) for chain in chains for a, b in zip(chain, chain[1:], strict=False)})
    rows = _order(ranks, links)
    xs = _abscissae(rows, widths, links, stand_ins_from=len(sizes))

    heights = [max((sizes[n][1] for n in row if n < len(sizes)), default=0.0) for row in rows]
    ys, top = [], 0.0
    for height in heights:
        ys.append(top + height / 2)
        top += height + _GAP_Y
    left = min(x - w / 2 for x, w in zip(xs, widths, strict=True))
    points = [(xs[n] - left, ys[ranks[n]]) for n in range(len(ranks))]
    routes = []
    for chain, edge in zip(chains, edges, strict=True):
        route = [points[n] for n in chain]
        routes.append(route if chain[0] == edge[0] else route[::-1])
    width = max(x - left + w / 2 for x, w in zip(xs, widths, strict=True))
    return Layout(points[: len(sizes)], routes, width, top - _GAP_Y)


def _break_cycles(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges, with those turned round that lead back to where a walk is."""
    targets: dict[int, list[int]] = defaultdict(list)
    for start, end in edges:
        targets[start].append(end)
    fresh, on_path, left = 0, 1, 2
    state = [fresh] * count
    back: set[tuple[int, int]] = set()
    for root in range(count):
        if state[root] != fresh:
            continue
        state[root] = on_path
        path = [(root, iter(targets[root]))]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                state[node] = left
                path.pop()
            elif state[following] == on_path:
                back.add((node, following))
            elif state[following] == fresh:
                state[following] = on_path
                path.append((following, iter(targets[following])))
    return [(end, start) if (start, end) in back else (start, end) for start, end in edges]


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Longest path from a source; sources then move down to their first consumer, which shortens edges."""
    before: dict[int, list[int]] = defaultdict(list)
    after: dict[int, list[int]] = defaultdict(list)
    for start, end in edges:
        if start != end:
            before[end].append(start)
            after[start].append(end)
    waiting = [len(before[n]) for n in range(count)]
    ranks = [0] * count
    ready = [n for n in range(count) if not waiting[n]]
    for node in ready:  # grows while it is walked
        for following in after[node]:
            ranks[following] = max(ranks[following], ranks[node] + 1)
            waiting[following] -= 1
            if not waiting[following]:
                ready.append(following)
    for node in range(count):
        if not before[node] and after[node]:
            ranks[node] = min(ranks[n] for n in after[node]) - 1
    return ranks


def _neighbours(links: Sequence[tuple[int, int]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    return above, below


def _order(ranks: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The nodes of each rank from left to right."""
    rows: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
    for node in _depth_first(ranks, links):
        rows[ranks[node]].append(node)
    above, below = _neighbours(links)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        downwards = sweep % 2 == 0
        near = above if downwards else below
        for i in range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1):
            place = {n: p for p, n in enumerate(rows[i - 1 if downwards else i + 1])}
            own = {n: p for p, n in enumerate(rows[i])}
            rows[i].sort(key=lambda n: (_mean([place[m] for m in near[n]], own[n]), own[n]))
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _depth_first(ranks: Sequence[int], links: Sequence[tuple[int, int]]) -> list[int]:
    """Nodes as a walk up from each result meets them: a first order that keeps together what belongs together."""
    above, below = _neighbours(links)
    seen: set[int] = set()
    found: list[int] = []
    for root in [n for n in range(len(ranks)) if not below[n]]:
        stack = [root]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            found.append(node)
            stack.extend(reversed(above[node]))
    return found


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(rows: Sequence[Sequence[int]], below: dict[int, list[int]]) -> int:
    total = 0
    for upper, lower in zip(rows, rows[1:], strict=False):
        place = {n: p for p, n in enumerate(lower)}
        seen: list[int] = []
        for node in upper:
            ends = [place[n] for n in below[node]]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _abscissae(
    rows: Sequence[Sequence[int]], widths: Sequence[float], links: Sequence[tuple[int, int]], stand_ins_from: int
) -> list[float]:
    """Horizontal centres: each node as near to the middle of its neighbours as the order and the gaps allow."""
    above, below = _neighbours(links)
    xs = [0.0] * len(widths)
    for row in rows:
        wanted = _fit([0.0] * len(row), [widths[n] for n in row], [1.0] * len(row))
        for node, x in zip(row, wanted, strict=True):
            xs[node] = x
    for sweep in range(_SWEEPS + _EVEN_SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else rows[::-1]:
            if sweep < _SWEEPS:
                near = above if downwards else below
                wanted = [_mean([xs[m] for m in near[n]], xs[n]) for n in row]
            else:
                wanted = [_mean([xs[m] for m in (*above[n], *below[n])], xs[n]) for n in row]
            weights = [_STAND_IN_WEIGHT if n >= stand_ins_from else 1.0 for n in row]
            for node, x in zip(row, _fit(wanted, [widths[n] for n in row], weights), strict=True):
                xs[node] = x
    return xs


def _fit(wanted: Sequence[float], widths: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones, by weighted squares, that keep the order and the gaps."""
    offsets, offset = [], 0.0
    for i, width in enumerate(widths):
        if i:
            offset += (widths[i - 1] + width) / 2 + _GAP_X
        offsets.append(offset)
    # Without its offset a place must only not lie left of its neighbour: pool the ones that do (isotonic regression).
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for want, shift, weight in zip(wanted, offsets, weights, strict=True):
        mean, total, count = want - shift, weight, 1
        while pools and pools[-1][0] > mean:
            other_mean, other_total, other_count = pools.pop()
            mean = (mean * total + other_mean * other_total) / (total + other_total)
            total, count = total + other_total, count + other_count
        pools.append((mean, total, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [x + shift for x, shift in zip(flat, offsets, strict=True)]
