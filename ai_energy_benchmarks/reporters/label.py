"""A label of AI Energy Score's form, made here and marked as such: never an official rating."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.digits import figure
from ai_energy_benchmarks.results.writing import replacing, write_text
from ai_energy_benchmarks.safety.printable import in_html

WIDTH_PIXELS, HEIGHT_PIXELS = 260, 364
MARK = "self-measured, not an official rating"
_STARS = 5
_LARGEST_PIXELS = 18


@frozen
class Label:
    """What a label says.

    Attributes:
        wh_per_1000: GPU energy of 1,000 queries.
        group: task and class, of which all models were rated together.
        rated: how many models those were.
        gpu: what it ran on.
        date: when it was measured.
    """

    model: str
    stars: int
    wh_per_1000: float
    group: str
    rated: int
    gpu: str
    date: str


def label_svg(label: Label) -> str:
    """The label as SVG, 260 × 364 pixels, without any font or file from outside."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PIXELS}" height="{HEIGHT_PIXELS}" '
            f'viewBox="0 0 {WIDTH_PIXELS} {HEIGHT_PIXELS}" font-family="sans-serif" text-anchor="middle">',
            f"<title>{in_html(label.model)}: {label.stars} of {_STARS} stars, {MARK}</title>",
            f'<rect x="2" y="2" width="{WIDTH_PIXELS - 4}" height="{HEIGHT_PIXELS - 4}" rx="10" fill="#fff" '
            'stroke="#111" stroke-width="4"/>',
            *_body(label),
            "</svg>\n",
        )
    )


def _body(label: Label) -> Iterator[str]:
    yield _text("Energy of 1,000 queries", 36, 17, weight="bold")
    yield _text("by the method of AI Energy Score", 54, 12)
    maker, _, name = label.model.rpartition("/")
    yield _text(maker, 88, 12)
    yield _text(name, 110, _LARGEST_PIXELS, weight="bold")
    yield from (_star(number, filled=number < label.stars) for number in range(_STARS))
    yield _text(f"{figure(label.wh_per_1000, 3)} Wh", 218, 30, weight="bold")
    yield _text("GPU energy of 1,000 queries", 238, 12)
    yield _text(label.group, 266, 12)
    yield _text(f"stars among {label.rated} models", 282, 11)
    yield _text(f"{label.gpu}, {label.date}" if label.gpu else label.date, 302, 11)
    yield f'<rect x="2" y="322" width="{WIDTH_PIXELS - 4}" height="26" fill="#111"/>'
    yield _text(MARK, 340, 13, fill="#fff", weight="bold")


def _text(text: str, y: int, pixels: int, *, fill: str = "#111", weight: str = "normal") -> str:
    # A letter of a sans-serif font is about 0.56 of its size wide; long names get smaller rather than cut.
    size = min(pixels, (WIDTH_PIXELS - 24) / (0.56 * max(len(text), 1)))
    return (
        f'<text x="{WIDTH_PIXELS // 2}" y="{y}" font-size="{size:.1f}" font-weight="{weight}" '
        f'fill="{fill}">{in_html(text)}</text>'
    )


def _star(number: int, *, filled: bool) -> str:
    x, y, radius = WIDTH_PIXELS / 2 + 44 * (number - (_STARS - 1) / 2), 152, 19
    corners = (
        (radius if corner % 2 == 0 else 0.4 * radius, math.pi * (corner / _STARS - 0.5)) for corner in range(2 * _STARS)
    )
    points = " ".join(f"{x + r * math.cos(angle):.1f},{y + r * math.sin(angle):.1f}" for r, angle in corners)
    return f'<polygon points="{points}" fill="{"#111" if filled else "#fff"}" stroke="#111" stroke-width="1.5"/>'


def write_label(label: Label, file: Path) -> tuple[Path, ...]:
    """Write the SVG, and a PNG next to it where the extra ``report`` is installed; the files.

    Raises:
        ReporterError: a file cannot be written.
    """
    svg = label_svg(label)
    write_text(file, svg)
    try:
        import vl_convert
    except ImportError:
        return (file,)
    picture = file.with_suffix(".png")
    with replacing(picture) as temporary:
        temporary.write_bytes(vl_convert.svg_to_png(svg, scale=1.0))
    return file, picture
