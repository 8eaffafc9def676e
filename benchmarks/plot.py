"""The picture of the results: an SVG of our own, legible on light and on dark pages."""

from collections.abc import Iterator, Mapping
from html import escape

from benchmarks.figures import Spread
from benchmarks.results import Result, Soak

WIDTH = 760
_LEFT, _RIGHT = 150, 560  # where bars begin, and where the longest ends
_ROW, _BAR = 34, 18
_NAMES = {
    "gateway": "this gateway",
    "naive": "naive Strawberry",
    "limit": "limit (no GraphQL)",
    "hive": "Hive Gateway",
    "other": "other checkout",
}
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  fill: #1f2328; }
.title { font-weight: 600; font-size: 14px; }
.quiet { fill: #59636e; font-size: 12px; }
.end { text-anchor: end; }
.gateway { fill: #2f6fde; }
.peer { fill: #9aa4b0; }
.whisker { stroke: #1f2328; stroke-width: 1.5; fill: none; }
.axis { stroke: #d1d9e0; }
.line { stroke: #2f6fde; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .gateway { fill: #5b94f5; }
  .peer { fill: #656c76; }
  .whisker { stroke: #f0f6fc; }
  .axis { stroke: #3d444d; }
  .line { stroke: #5b94f5; }
}
""".strip()


def draw(found: Mapping[str, Result]) -> str:
    """The whole picture, of the scenarios that are there."""
    parts: list[str] = []
    top = 8
    for name, title in (("a", "Cards read per second"), ("d", "Cards issued per second")):
        if name in found:
            parts += _bars(found[name], title, top)
            top += 44 + _ROW * len(found[name].systems)
    if "f" in found and found["f"].soak is not None:
        parts += _memory(found["f"].soak, top)
        top += 150
    return "\n".join([_head(max(top, 40)), *parts, "</svg>\n"])


def _head(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="Benchmarks of the gateway beside its peers">\n'
        f"<style>\n{_STYLE}\n</style>"
    )


def _bars(result: Result, title: str, top: int) -> Iterator[str]:
    """One bar for each system: the median, from least to most, and the gateway's ratio to it."""
    rates = {name: found["rate"] for name, found in result.systems.items()}
    scale = (_RIGHT - _LEFT) / max(rate.most for rate in rates.values())
    yield _text(0, top + 14, f"{title}{', on one core' if result.machine.pinned else ''}", "title")
    for row, (name, rate) in enumerate(rates.items()):
        middle = top + 44 + _ROW * row
        yield _text(_LEFT - 10, middle + 5, _NAMES.get(name, name), "end")
        kind = "gateway" if name == "gateway" else "peer"
        yield _rectangle(_LEFT, middle - _BAR / 2, rate.median * scale, _BAR, kind)
        yield _whisker(rate, scale, middle)
        x = _LEFT + rate.most * scale + 10
        yield _text(x, middle + 5, f"{rate.median:,.0f}{_ratio(rates, name)}")


def _ratio(rates: Mapping[str, Spread], name: str) -> str:
    if name == "gateway" or "gateway" not in rates or not rates[name].median:
        return ""
    return f" · gateway {rates['gateway'].median / rates[name].median:.2g}×"


def _whisker(rate: Spread, scale: float, middle: float) -> str:
    left, right = (_LEFT + value * scale for value in (rate.least, rate.most))
    ends = "".join(f"M{x:.1f} {middle - 4}v8" for x in (left, right))
    return f'<path class="whisker" d="M{left:.1f} {middle}H{right:.1f}{ends}"/>'


def _memory(soak: Soak, top: int) -> Iterator[str]:
    """Memory over the minutes of the soak."""
    bottom, height, most = top + 120, 80, max(soak.memory)
    step = (_RIGHT - _LEFT) / max(len(soak.memory) - 1, 1)
    minutes = len(soak.memory) * soak.window / 60
    points = " ".join(
        f"{_LEFT + index * step:.1f},{bottom - value / most * height:.1f}"
        for index, value in enumerate(soak.memory)
    )
    yield _text(0, top + 14, f"Memory over {minutes:.2g} minutes of mixed traffic", "title")
    yield f'<path class="axis" d="M{_LEFT} {bottom}H{_RIGHT}"/>'
    yield f'<polyline class="line" points="{points}"/>'
    yield _text(_LEFT - 10, bottom + 4, "0 MiB", "quiet end")
    yield _text(_RIGHT + 10, bottom - soak.memory[-1] / most * height + 4, _mib(soak.memory[-1]))
    yield _text(_LEFT, bottom + 18, "start", "quiet")
    yield _text(_RIGHT, bottom + 18, f"{minutes:.2g} min", "quiet end")


def _mib(value: float) -> str:
    return f"{value:.0f} MiB"


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(words)}</text>'


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" '
        'rx="2"/>'
    )
