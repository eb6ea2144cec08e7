#!/usr/bin/env python3
"""Puts measured tables and plots into docs/performance.md: document.py PEERS.jsonl GROWTH.jsonl

A slot is what lies between `<!-- measured: NAME -->` and `<!-- end: NAME -->`; the prose around it is left alone.
"""

import pathlib
import re
import sys

import grow
import plot
import report

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def fill(page, name, content):
    slot = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    if not slot.search(page):
        raise SystemExit(f"no slot {name} in docs/performance.md")
    return slot.sub(lambda found: found[1] + "\n" + content.strip() + "\n\n" + found[2], page)


def main(peers_file, growth_file):
    peers, growth = report.rows_of([peers_file]), report.rows_of([growth_file])
    path = DOCS / "performance.md"
    page = path.read_text()
    page = fill(page, "peers", report.tables([row for row in peers if "slow" not in row]))
    page = fill(page, "slow", report.tables([row for row in peers if "slow" in row]))
    for kind in ("files", "gigabytes"):
        rows = [row for row in growth if row["kind"] == kind]
        page = fill(page, f"growth {kind}", grow.table(rows))
    path.write_text(page)
    plot.main(DOCS / "plots", growth_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
