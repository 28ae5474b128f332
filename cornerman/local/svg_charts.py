"""Bar charts as inline SVG, for reports that fetch nothing: axes with units, hints, colours by CSS class. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT = 900, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 96, 30, 34
_MOST_LABELS: Final = 20

CHART_STYLE: Final = """
svg.chart { display: block; width: 100%; min-width: 36rem; height: auto; }
svg.chart text { font: 12px system-ui, sans-serif; fill: var(--label); }
svg.chart .grid { stroke: var(--line); } svg.chart .mark { stroke: var(--ink); stroke-dasharray: 5 4; }
.p0 { fill: #7a8699; } .p1 { fill: #2f9e8f; } .p2 { fill: #2f6fd0; } .p3 { fill: #c77700; } .p4 { fill: #8a4fc9; }
.p5 { fill: #b9c1cd; } .failed { fill: #c8352b; }
@media screen and (prefers-color-scheme: dark) { .p0 { fill: #98a3b5; } .p1 { fill: #4cc4b3; } .p2 { fill: #79aaf5; }
  .p3 { fill: #f0ab4a; } .p4 { fill: #bd93f0; } .p5 { fill: #4a5464; } .failed { fill: #ff7a6e; } }
"""
"""Styles of the charts; the page defines `--ink`, `--label` and `--line`."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: below it.
        parts: heights from the bottom up; None = not measured. Part `n` has the class `p{n}`.
        hint: shown when it is pointed at.
        failed: drawn as a mark on the axis instead.
    """

    label: str
    parts: tuple[float | None, ...]
    hint: str
    failed: bool = False

    @property
    def height(self) -> float:
        return sum(part for part in self.parts if part is not None)


def bar_chart(
    title: str, unit: str, bars: Sequence[Bar], marks: Sequence[tuple[str, float]] = (), first_class: int = 0
) -> str:
    """A chart of bars, or of stacked bars.

    Args:
        title: for screen readers.
        unit: of the vertical axis.
        marks: horizontal lines: name and value.
        first_class: number of the first part's class.
    """
    top = nice_top(max([bar.height for bar in bars] + [value for _, value in marks], default=0.0))
    plot_w, plot_h = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = plot_w / max(1, len(bars))

    def y(value: float) -> float:
        return _TOP + plot_h * (1 - value / top)

    shapes = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in ticks(top)
    ]
    shapes.append(f'<text x="{_LEFT - 6}" y="12" text-anchor="end">{escape(unit)}</text>')
    labelled = max(1, math.ceil(len(bars) / _MOST_LABELS))
    for index, bar in enumerate(bars):
        x, wide = _LEFT + index * step + step * 0.15, max(1.0, min(step * 0.7, 48.0))
        x += max(0.0, (step * 0.7 - wide) / 2)
        shapes.append(_bar(bar, x, wide, y, first_class))
        if index % labelled == 0:
            shapes.append(
                f'<text x="{x + wide / 2:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(bar.label)}</text>'
            )
    ends: list[float] = []
    for name, value in sorted(marks, key=lambda mark: -mark[1]):
        at = max(y(value), ends[-1] + 13) if ends else y(value)  # names do not cover each other
        ends.append(at)
        shapes.append(
            f'<line class="mark" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text x="{WIDTH - _RIGHT + 6}" y="{at + 4:.1f}">{escape(name)}</text>'
        )
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(shapes)}</svg>"
    )


def _bar(bar: Bar, x: float, wide: float, y: Callable[[float], float], first_class: int) -> str:
    hint = f"<title>{escape(bar.hint)}</title>"
    if bar.failed:
        return f'<rect class="failed" x="{x:.1f}" y="{y(0) - 6:.1f}" width="{wide:.1f}" height="6">{hint}</rect>'
    shapes, below = [], 0.0
    for number, part in enumerate(bar.parts):
        if part:
            shapes.append(
                f'<rect class="p{first_class + number}" x="{x:.1f}" y="{y(below + part):.1f}" width="{wide:.1f}" '
                f'height="{max(0.5, y(below) - y(below + part)):.1f}"/>'
            )
            below += part
    return f"<g>{hint}{''.join(shapes)}</g>"


def legend(names: Sequence[str], first_class: int = 0) -> str:
    """The colours of the parts in words."""
    swatch = '<svg width="12" height="12" aria-hidden="true"><rect class="p{}" width="12" height="12"/></svg>'
    keys = (f'<span class="key">{swatch.format(first_class + n)} {escape(name)}</span>' for n, name in enumerate(names))
    return f'<p class="legend">{" ".join(keys)}</p>'


def nice_top(largest: float) -> float:
    """The top of an axis: 1, 2, 2.5 or 5 times a power of ten, at least `largest`.

    >>> nice_top(870)
    1000.0
    """
    if not math.isfinite(largest) or largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= largest * 0.999999)


def ticks(top: float, parts: int = 4) -> list[float]:
    """Values of the grid from 0 to the top."""
    return [round(top * number / parts, 10) for number in range(parts + 1)]
