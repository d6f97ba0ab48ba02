"""Who imports whom, drawn from the code: the directives ``import-diagram`` and ``import-table``.

The layers are those of the contract that import-linter keeps (pyproject.toml), the imports are
what grimp finds in the modules. The drawing leaves out an arrow where a chain of others says the
same; the table has them all. No program and no service is called, and the SVG stands in the page,
so that its colors are those of the theme, light or dark.
"""

import functools
import itertools
import re
import tomllib
from collections import Counter
from html import escape
from pathlib import Path

import grimp
import networkx as nx
import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from result_tables import list_table
from sklearn.isotonic import isotonic_regression
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "sklearn_diffake"

BOX, HEIGHT, PITCH = 150, 36, 74  # pixels: a box, and from row to row
LANE = 26  # width of an arrow that passes a row
GAP, MARGIN = 22, 16
SWEEPS = 24


@functools.cache
def layers():
    """Return the layers of the contract, the uppermost first, each a tuple of names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    contract = next(candidate for candidate in contracts if candidate["type"] == "layers")
    return tuple(tuple(re.findall(r"\w+", layer)) for layer in contract["layers"])


@functools.cache
def imports():
    """Return how many imports each part of the package makes of each other one."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    package_names = {name for layer in layers() for name in layer}
    import_counts = Counter()
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            pair = tuple((name.split(".") + [""])[1] for name in (module, imported))
            if pair[0] != pair[1] and package_names.issuperset(pair):
                import_counts[pair] += 1
    return import_counts


def arrows(import_counts):
    """Return the imports that no chain of others implies."""
    graph = nx.DiGraph(import_counts.keys())
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"imports run in a circle: {nx.find_cycle(graph)}")
    return sorted(nx.transitive_reduction(graph).edges)


def rows_of(edges):
    """Return the rows to draw: a layer whose parts import each other takes several."""
    rows = []
    for layer in layers():
        inside = nx.DiGraph()
        inside.add_nodes_from(layer)
        inside.add_edges_from(edge for edge in edges if set(edge) <= set(layer))
        depth = {}
        for name in reversed(list(nx.topological_sort(inside))):
            depth[name] = max((depth[imported] + 1 for imported in inside[name]), default=0)
        for level in range(max(depth.values()), -1, -1):
            rows.append([name for name in layer if depth[name] == level])
    return rows


def lanes(rows, edges):
    """Lead every arrow through the rows between its ends; return the rows and the chains.

    An item of a row is the name of a part, or (edge, row) where an arrow passes.
    """
    row = {name: i for i, names in enumerate(rows) for name in names}
    items = [list(names) for names in rows]
    chains = []
    for edge in edges:
        passes = [(edge, i) for i in range(row[edge[0]] + 1, row[edge[1]])]
        for item in passes:
            items[item[1]].append(item)
        chains.append([edge[0], *passes, edge[1]])
    return items, chains


def positions_of(rows, chains):
    """Give every item an x, near what it is joined to, and none too near its neighbor.

    Layer by layer after Sugiyama et al., "Methods for Visual Understanding of Hierarchical System
    Structures", IEEE Transactions on Systems, Man, and Cybernetics 1981.
    """
    above, below = {}, {}
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    x = {item: 60.0 * i for row in rows for i, item in enumerate(row)}
    for sweep in range(SWEEPS):
        down, settled = sweep % 2 == 0, sweep >= SWEEPS - 6
        joined_row = [above] if down else [below]
        for row in rows if down else reversed(rows):
            wish = {}
            for item in row:
                near = [x[n] for side in ([above, below] if settled else joined_row)
                        for n in side.get(item, [])]  # fmt: skip
                wish[item] = np.mean(near) if near else x[item]
            if not settled:
                row.sort(key=lambda item: wish[item])
            widths = [width_of(item) for item in row]
            steps = [(a + b) / 2 + GAP for a, b in itertools.pairwise(widths)]
            offset = np.concatenate([[0.0], np.cumsum(steps)])
            free = isotonic_regression(np.array([wish[item] for item in row]) - offset)
            x.update(zip(row, free + offset, strict=True))
    leftmost = min(value - width_of(item) / 2 for item, value in x.items())
    return {item: value - leftmost + MARGIN for item, value in x.items()}


def width_of(item):
    """Return the width of a box, or of the lane of an arrow."""
    return BOX if isinstance(item, str) else LANE


def curve(points):
    """Join points from top to bottom by curves that leave and arrive upright."""
    svg_elements = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        svg_elements.append(f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}")
    return "".join(svg_elements)


def draw_svg(import_counts):
    """Draw the diagram; return it as SVG."""
    edges = arrows(import_counts)
    rows, chains = lanes(rows_of(edges), edges)
    x = positions_of(rows, chains)
    y = {item: MARGIN + i * PITCH for i, row in enumerate(rows) for item in row}
    width = max(value + width_of(item) / 2 for item, value in x.items()) + MARGIN
    height = len(rows) * PITCH - PITCH + HEIGHT + 32
    svg_elements = [
        f'<svg class="import-diagram" viewBox="0 0 {width:.0f} {height}" role="img" '
        'aria-labelledby="import-diagram-title import-diagram-words" '
        'xmlns="http://www.w3.org/2000/svg" font-size="15">',
        '<title id="import-diagram-title">Which part of the package imports which</title>',
        f'<desc id="import-diagram-words">{escape(in_words(edges))}</desc>',
        '<defs><marker id="import-diagram-head" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" class="head"/>'
        "</marker></defs>",
    ]
    top = 0
    for layer in layers():
        names = [name for name in layer if name in y]
        last = max(y[name] for name in names) + HEIGHT + (PITCH - HEIGHT) / 2
        if top:
            svg_elements.append(f'<path class="border" d="M0 {top:.0f}H{width:.0f}"/>')
        top = last
    for edge, chain in zip(edges, chains, strict=True):
        points = [(x[chain[0]], y[chain[0]] + HEIGHT)]
        for item in chain[1:-1]:
            points += [(x[item], y[item]), (x[item], y[item] + HEIGHT)]
        points.append((x[chain[-1]], y[chain[-1]] - 1))
        svg_elements.append(
            f'<path class="arrow" marker-end="url(#import-diagram-head)" d="{curve(points)}">'
            f"<title>{edge[0]} imports {edge[1]}</title></path>"
        )
    for name in (item for row in rows for item in row if isinstance(item, str)):
        svg_elements.append(
            f'<rect x="{x[name] - BOX / 2:.0f}" y="{y[name]}" width="{BOX}" height="{HEIGHT}" '
            f'rx="6"/><text x="{x[name]:.0f}" y="{y[name] + 23}" text-anchor="middle">{name}</text>'
        )
    return "".join([*svg_elements, "</svg>"])


def in_words(edges):
    """Say what the arrows show."""
    below = {}
    for name, imported in edges:
        below.setdefault(name, []).append(imported)
    order = [name for layer in layers() for name in layer if name in below]
    return "Arrows run downwards. " + "; ".join(
        f"{name} imports {', '.join(below[name])}" for name in order
    )


# Text and lines in the theme's colors, which change with its mode.
STYLE = """<style>
.import-diagram { min-width: 34rem; max-width: 48rem; width: 100%; height: auto; }
.import-diagram rect { fill: var(--pst-color-surface, #f5f5f5);
  stroke: var(--pst-color-primary, #0a7d91); stroke-width: 1.5; }
.import-diagram text { fill: var(--pst-color-text-base, #222832);
  font-family: var(--pst-font-family-monospace, monospace); }
.import-diagram .arrow { fill: none; stroke: var(--pst-color-text-muted, #48566b);
  stroke-width: 1.3; }
.import-diagram .arrow:hover { stroke: var(--pst-color-primary, #0a7d91); stroke-width: 3; }
.import-diagram .head { fill: var(--pst-color-text-muted, #48566b); }
.import-diagram .border { stroke: var(--pst-color-border, #c9c9c9); stroke-dasharray: 3 5; }
</style>"""


class ImportDiagram(SphinxDirective):
    """Draw who imports whom."""

    def run(self):
        """Return the drawing, which can be scrolled where it does not fit."""
        self.env.note_reread()
        html = (
            f'{STYLE}<div style="overflow-x: auto" tabindex="0" role="region" '
            f'aria-label="Diagram of imports">{draw_svg(imports())}</div>'
        )
        return [nodes.raw("", html, format="html")]


class ImportTable(SphinxDirective):
    """List who imports whom, and how many times."""

    def run(self):
        """Return the table."""
        self.env.note_reread()
        import_counts, rows = imports(), []
        for name in (name for layer in layers() for name in layer):
            imported_texts = [
                f"{b} ({n})" for (a, b), n in sorted(import_counts.items()) if a == name
            ]
            rows.append([f"``{name}``", ", ".join(imported_texts) or "nothing"])
        text = list_table(["Part", "imports (number of imports)"], rows, "20 80")
        box = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), "import-table"), 0, box)
        return box.children


def setup(app):
    """Called by Sphinx."""
    app.add_directive("import-diagram", ImportDiagram)
    app.add_directive("import-table", ImportTable)
    return {"parallel_read_safe": True}
