#!/usr/bin/env python3
"""Tables of medians from the JSON lines of run.py: report.py FILE..."""

import json
import pathlib
import statistics
import sys

import bar

STEPS = ["init", "first", "unchanged", "edited", "restore", "check"]
LIMITS = {
    "pack": "`tar \\| zstd -3 -T2`",
    "put": "PUT of as much",
    "walk": "walk with stat",
    "open": "filbert: start, derive the key, look at the log",
    "unpack": "`zstd -dc \\| tar x`",
    "sync": "`sync` of what that wrote",
    "get": "GET of as much",
}
FIGURES = ["wall_s", "cpu_s", "peak_mb", "requests", "up", "down", "stored"]


def medians(rows):
    """{(corpus, link): {(tool, step): {figure: median}}}, in the order in which they were met."""
    gathered = {}
    for row in rows:
        found = gathered.setdefault((row["corpus"], row.get("slow")), {}).setdefault((row["tool"], row["step"]), {})
        for figure in FIGURES:
            if figure in row:
                found.setdefault(figure, []).append(row[figure])
    return {
        where: {
            key: {f: statistics.median(v) for f, v in found.items()} | {"runs": len(found["wall_s"])}
            for key, found in steps.items()
        }
        for where, steps in gathered.items()
    }


def table(head, lines):
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def seconds(value):
    return f"{value:.2f}" if value < 9.95 else f"{value:.1f}"


def megabytes(value):
    return f"{value / 1e6:.1f}" if value >= 50_000 else f"{value / 1e6:.3f}".rstrip("0").rstrip(".")


def tools_table(steps):
    lines = []
    for step in STEPS:
        for tool in dict.fromkeys(tool for tool, _ in steps):
            got = steps.get((tool, step))
            if tool == "limit" or not got:
                continue
            line = [step, tool, seconds(got["wall_s"]), seconds(got["cpu_s"]), f"{got['peak_mb']:.0f}"]
            line += [f"{got['requests']:.0f}" if got["requests"] else "-"]
            line += [megabytes(got[figure]) if got["requests"] else "-" for figure in ("up", "down")]
            line += [megabytes(got["stored"])]
            lines.append(line)
    return table(["step", "tool", "wall s", "CPU s", "peak MiB", "requests", "up MB", "down MB", "stored MB"], lines)


def limits_table(steps):
    lines = [
        [words, seconds(got["wall_s"]), seconds(got["cpu_s"]), megabytes(got["stored"]) if "stored" in got else ""]
        for limit, words in LIMITS.items()
        if (got := steps.get(("limit", limit)))
    ]
    return table(["limit", "wall s", "CPU s", "MB"], lines)


def multiples_table(corpus, link, steps):
    """filbert by the limits, beside what it is to reach and what the fastest other tool has."""
    rows = bar.of_the_link(steps) if link else bar.multiples(corpus, steps)
    lines = [[words, *(f"{value:.2f}" if value else "" for value in values)] for words, *values in rows]
    return table(["filbert in multiples of the limit", "here", "goal, at most", "vykar, local disk"], lines)


def tables(rows):
    parts = []
    for (corpus, link), steps in medians(rows).items():
        runs = max(got["runs"] for got in steps.values())
        parts += [f"### {corpus}" + (f" ({link})" if link else ""), f"Medians of {runs}.", tools_table(steps)]
        if any(tool == "limit" for tool, _ in steps):
            parts += [limits_table(steps)]
            if ("filbert", "first") in steps:
                parts += [multiples_table(corpus, link, steps)]
    return "\n\n".join(parts) + "\n"


def rows_of(paths):
    return [json.loads(line) for path in paths for line in pathlib.Path(path).read_text().splitlines()]


if __name__ == "__main__":
    print(tables(rows_of(sys.argv[1:])))
