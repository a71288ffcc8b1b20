"""How every plot of the report looks, and how it becomes SVG in the fonts and the light or dark colours of the page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "ink": "#1b2330",
    "muted": "#667085",
    "line": "#dfe3ea",
    "test": "#5b4bd6",
    "held-back": "#b97a12",
    "harmful": "#cf4257",
    "unharmful": "#2f7fb5",
}
"""The colours of plots by the name of the page's variable that takes their place, ``--ink`` and so on."""

SIZE = (4.2, 2.9)
"""Width and height of a plot in inches; the page scales it."""

MARGINS = (0.12, 0.15, 0.86, 0.765)
"""Left, bottom, width and height of the axes as shares of the plot: equal, so that plots side by side are aligned."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "font.size": 9,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "legend.frameon": False,
    "legend.labelcolor": COLOURS["ink"],
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}

DASHES = (0, (2, 2))


class Plot:
    """A plot under construction; ``svg`` is there once it is drawn."""

    def __init__(self, axes: "Axes") -> None:
        self.axes = axes
        self.svg = ""

    def unit_square(self, x: str, y: str) -> None:
        """Name the axes, which both run from 0 to 1."""
        self.axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
        self.axes.set_xticks(ticks)
        self.axes.set_yticks(ticks)

    def legend(self) -> None:
        """Name what is drawn, in a line above the axes, where it hides nothing."""
        self.axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, borderpad=0, handlelength=1.4,
            columnspacing=1.6,
        )  # fmt: skip


@contextmanager
def drawn(name: str) -> Iterator[Plot]:
    """Give a plot to draw on; its SVG has ``name`` in its ids, which must differ between the plots of a page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=SIZE)
        FigureCanvasSVG(figure)
        plot = Plot(figure.add_axes(MARGINS))
        plot.axes.tick_params(length=0, pad=5)
        yield plot
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    plot.svg = _for_the_page(file.getvalue())


def _for_the_page(svg: str) -> str:
    """Cut out what is for a file of its own, and let the page's variables say the colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 aria-hidden="true"', svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
