"""The house look: labels' styles (from `palette`), empty figures, and figures as files of equal bytes."""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.report.palette import MUTED, PALETTE, colour, line_style, styles_for
from goodfit.store.atomic import check_writable_folder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["colour", "house", "line_style", "new_figure", "save", "small_print", "styles_for", "svg"]

SMALL = 8.0  # points, the smallest text of any figure
DPI = 150
_INK = PALETTE["ink"]
_LOOK = {
    "axes.edgecolor": "#8a8f9c",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": _INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 7.0,
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "font.size": 9.0,
    "grid.color": "#e4e6eb",
    "grid.linewidth": 0.7,
    "hatch.color": "#a3a7b3",
    "hatch.linewidth": 0.8,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "svg.fonttype": "path",  # glyphs travel with the file: the same everywhere
    "svg.hashsalt": "goodfit",
    "text.color": _INK,
    "text.parse_math": False,  # names of columns and arms come out as they are, $ and _ too
    "text.usetex": False,
    "xtick.color": "#8a8f9c",
    "xtick.labelcolor": _INK,
    "xtick.labelsize": 8.5,
    "ytick.color": "#8a8f9c",
    "ytick.labelcolor": _INK,
    "ytick.labelsize": 8.5,
}
_FOREIGN = ("backend", "date", "interactive", "keymap", "toolbar", "tk", "webagg", "macosx", "_", "animation")
_WIDE_FONTS = (  # for names in scripts that DejaVu lacks, where such a font is installed
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)


@contextmanager
def house() -> Iterator[None]:
    """Draw in the house look whatever the user's own settings are; they are back afterwards."""
    import matplotlib

    with matplotlib.rc_context(_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a box stands for it
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, white, that keeps its texts apart by itself."""
    from matplotlib.figure import Figure

    with house():
        return Figure(figsize=(width, height), layout="constrained", dpi=100)


def small_print(figure: Figure, text: str) -> None:
    """Write a line under a figure: what its marks mean."""
    from goodfit.report.text import fitted

    if text:
        text = fitted(text, figure.get_figwidth() - 0.2, SMALL, lines=3)
        figure.supxlabel(text, x=0.012, ha="left", fontsize=SMALL, color=MUTED)


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG: the same figure, the same bytes."""
    return _printed(figure, "svg", {"Date": None, "Creator": None})


def save(figure: Figure, folder: str | os.PathLike[str], name: str = "figure") -> tuple[Path, Path]:
    """Write ``<name>.svg`` and ``<name>.png`` (150 dpi), each whole or not at all, and return their paths.

    Raises:
        RunFolderError: the folder cannot be made or written to.
    """
    folder = check_writable_folder(folder)
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    write_bytes(vector, svg(figure))
    write_bytes(raster, _printed(figure, "png", {"Software": None}))
    return vector, raster


def _printed(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with house():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, facecolor="white")
    return buffer.getvalue()


@functools.cache
def _settings() -> Any:
    """Return matplotlib's own defaults with the house look on top: a user's matplotlibrc changes nothing."""
    import matplotlib
    from matplotlib import font_manager

    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith(_FOREIGN)}
    installed = {font.name for font in font_manager.fontManager.ttflist}
    fonts = ["DejaVu Sans", *(font for font in _WIDE_FONTS if font in installed)]
    return {**defaults, **_LOOK, "font.family": fonts}
