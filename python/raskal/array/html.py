"""The picture of an array in notebooks: its size, and how it is cut."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from raskal.utils import format_bytes

if TYPE_CHECKING:
    from raskal.array.collection import Array

#: Lines drawn along an axis at most; more would be a grey area.
_LINES_MAX = 40


def array_html(array: Array) -> str:
    """A small table beside the picture."""
    block = 1
    for length in array.chunksize:
        block *= length
    rows = [
        ("Bytes", format_bytes(array.nbytes), format_bytes(block * array.itemsize)),
        ("Shape", str(array.shape), str(array.chunksize)),
        ("Count", f"{array.npartitions} blocks", ""),
        ("Type", str(array.dtype), ""),
    ]
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(whole)}</td><td>{escape(part)}</td></tr>" for name, whole, part in rows
    )
    head = "<tr><th></th><th>Array</th><th>Block</th></tr>"
    return (
        '<div style="display:flex;gap:2em;align-items:center">'
        f"<table>{head}{cells}</table>{chunks_svg(array.chunks)}</div>"
    )


def chunks_svg(chunks: tuple[tuple[int, ...], ...], side: int = 160) -> str:
    """The last two axes as a rectangle with a line at each block boundary; earlier axes as sheets behind it."""
    if not chunks:
        return ""
    rows = chunks[-2] if len(chunks) > 1 else (1,)
    columns = chunks[-1]
    height, width = sum(rows), sum(columns)
    if not height or not width:
        return ""
    longest = max(height, width)
    tall = max(side * height / longest, 12)
    wide = max(side * width / longest, 12)
    sheets = 1
    for axis in chunks[:-2]:
        sheets *= len(axis)
    behind = min(sheets - 1, 4)
    shift = 5
    parts = []
    for sheet in range(behind, 0, -1):
        offset = sheet * shift
        parts.append(
            f'<rect x="{offset}" y="{(behind - sheet) * shift}" width="{wide:.1f}" height="{tall:.1f}" '
            'fill="#e8edf4" stroke="#7a8ca5"/>'
        )
    top = behind * shift
    parts.append(f'<rect x="0" y="{top}" width="{wide:.1f}" height="{tall:.1f}" fill="#d3dfee" stroke="#3b5575"/>')
    for at in _cuts(rows):
        y = top + tall * at
        parts.append(f'<line x1="0" y1="{y:.1f}" x2="{wide:.1f}" y2="{y:.1f}" stroke="#3b5575" stroke-width="0.7"/>')
    for at in _cuts(columns):
        x = wide * at
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + tall:.1f}" stroke="#3b5575" stroke-width="0.7"/>'
        )
    total_width, total_height = wide + top + 2, tall + top + 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}" height="{total_height:.0f}" '
        f'viewBox="-1 -1 {total_width:.0f} {total_height:.0f}" role="img">{"".join(parts)}</svg>'
    )


def _cuts(lengths: tuple[int, ...]) -> list[float]:
    """Where block boundaries lie, as fractions of the axis."""
    total = sum(lengths)
    cuts = []
    at = 0
    for length in lengths[:-1]:
        at += length
        cuts.append(at / total)
    step = max(1, -(-len(cuts) // _LINES_MAX))
    return cuts[::step]
