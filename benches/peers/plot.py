#!/usr/bin/env python3
"""Plots of growth as SVG, from the JSON lines of grow.py: plot.py DIR FILE...

Sizes and seconds are logarithmic, so that what grows in proportion is a straight line of one slope; memory begins
at zero. Colours follow the reader's light or dark theme.
"""

import json
import math
import pathlib
import statistics
import sys

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 12px; fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5 }
.limit { stroke-dasharray: 5 4 }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 } .c { stroke: #1a7f37; fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d }
  .a { stroke: #4493f8; fill: #4493f8 } .b { stroke: #f0883e; fill: #f0883e } .c { stroke: #3fb950; fill: #3fb950 }
}
"""

# step, what the legend calls it, colour, whether it is a limit of the machine
TIMES = [
    ("first", "first", "a", False),
    ("pack", "tar | zstd -3 -T2", "a", True),
    ("restore", "restore", "b", False),
    ("unchanged", "unchanged", "c", False),
    ("walk", "walk with stat", "c", True),
]
PEAKS = [("first", "first", "a", False), ("restore", "restore", "b", False), ("unchanged", "unchanged", "c", False)]


class Logarithmic:
    """A logarithmic axis from `low` to `high` onto pixels."""

    def __init__(self, values, first, last):
        self.low = math.floor(math.log10(min(values)) * 3) / 3
        self.high = max(math.ceil(math.log10(max(values)) * 3) / 3, self.low + 1)
        self.first, self.last = first, last

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        """1, 3, 10, 30 and so on, as far as they lie within."""
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for digit in (1, 3):
                value = digit * 10.0**power
                if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9:
                    yield value


class FromZero:
    """A plain axis from zero onto pixels."""

    def __init__(self, values, first, last):
        self.step = next(step for step in (10, 25, 50, 100, 250, 500, 1000, 10_000) if max(values) <= 6 * step)
        self.count = math.ceil(max(values) / self.step)
        self.first, self.last = first, last

    def at(self, value):
        return self.first + value / (self.step * self.count) * (self.last - self.first)

    def ticks(self):
        return [self.step * number for number in range(self.count + 1)]


def series(rows, kind, figure):
    """{step: [(size, median)]}"""
    gathered = {}
    for row in rows:
        if row["kind"] == kind and figure in row:
            gathered.setdefault(row["step"], {}).setdefault(row["size"], []).append(row[figure])
    return {
        step: [(size, max(statistics.median(values), 0.001)) for size, values in sorted(sizes.items())]
        for step, sizes in gathered.items()
    }


def short(value):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def apart(places, least):
    """Moves labels down until none lies on another."""
    moved, last = {}, -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        last = moved[name] = max(place, last + least)
    return moved


def plot(title, across, lines, data, upright):
    drawn = [line for line in lines if len(data.get(line[0], [])) > 1]
    points = [point for line in drawn for point in data[line[0]]]
    x = Logarithmic([size for size, _ in points], LEFT, WIDTH - RIGHT)
    y = upright([value for _, value in points], HEIGHT - BOTTOM, TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="22">{title}</text>',
        f'<text class="small" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>',
    ]
    for value in x.ticks():
        at = f"{x.at(value):.1f}"
        out.append(f'<path class="grid" d="M{at} {TOP}V{HEIGHT - BOTTOM}"/>')
        out.append(
            f'<text class="small" x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(value)}</text>'
        )
    for value in y.ticks():
        at = f"{y.at(value):.1f}"
        out.append(f'<path class="grid" d="M{LEFT} {at}H{WIDTH - RIGHT}"/>')
        out.append(f'<text class="small" x="{LEFT - 8}" y="{at}" dy="4" text-anchor="end">{short(value)}</text>')
    ends = apart({step: y.at(data[step][-1][1]) for step, *_ in drawn}, 16)
    for step, words, colour, limit in drawn:
        path = "L".join(f"{x.at(size):.1f} {y.at(value):.1f}" for size, value in data[step])
        out.append(f'<path class="line {colour}{" limit" if limit else ""}" style="fill:none" d="M{path}"/>')
        if not limit:
            out += [
                f'<circle class="{colour}" cx="{x.at(size):.1f}" cy="{y.at(value):.1f}" r="3"/>'
                for size, value in data[step]
            ]
        last = x.at(data[step][-1][0])
        out.append(f'<text x="{last + 10:.1f}" y="{ends[step]:.1f}" dy="4">{words}</text>')
    return "\n".join(out + ["</svg>", ""])


def main(folder, *files):
    rows = [json.loads(line) for file in files for line in pathlib.Path(file).read_text().splitlines()]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, across in (("files", "tiny files"), ("gigabytes", "GB in large files")):
        for name, title, lines, figure, upright in (
            ("time", f"Seconds, by {across}", TIMES, "wall_s", Logarithmic),
            ("peak", f"Peak memory in MiB, by {across}", PEAKS, "peak_mb", FromZero),
        ):
            data = series(rows, kind, figure)
            if any(len(points) > 1 for points in data.values()):
                (folder / f"{kind}-{name}.svg").write_text(plot(title, across, lines, data, upright))


if __name__ == "__main__":
    main(*sys.argv[1:])
