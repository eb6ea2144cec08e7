#!/usr/bin/env python3
"""How filbert grows: first, unchanged and restore over trees of more and more files, and over more and more bytes.

Beside each size the limits of the machine. Over a real Apache on loopback, or with --folder into a local folder.
Writes a JSON line a measurement and ends with a table. What comes back is compared, outside the time.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import sys
import time

import disk
import report
import server
from limits import Limits
from measure import Alone, bytes_below, end_cleanly, quietly
from tools import Filbert

GENERATE = pathlib.Path(__file__).resolve().parent / "generate.py"
UNITS = {"files": "files", "gigabytes": "GB"}
STEPS = ["pack", "walk", "first", "unchanged", "open", "restore"]


class Size:
    """One size of one series, from the generated tree to the compared restore."""

    def __init__(self, options, kind, count, note):
        self.options, self.kind, self.count, self.note = options, kind, count, note

    def run(self, work):
        with Alone(self.options.lock) as alone, server.Apache(work / "server") as apache:
            self.alone = alone
            self.measure(apache, work, work / "tree", work / "restored")

    def measure(self, apache, work, tree, target):
        self.generate("write", tree)
        quietly(["sync"])
        time.sleep(3)  # what was written in this second may change in it: it would be read again
        filbert = self.filbert(apache, work)
        if not self.options.without_limits:
            limits = Limits(apache, tree, work / "limits")
            self.step("pack", limits.pack)
            shutil.rmtree(work / "limits")
            self.step("walk", limits.walk)
        self.step("init", filbert.init)
        self.step("first", lambda: filbert.backup(tree))
        self.note(
            {"kind": self.kind, "size": self.count, "step": "stored", "stored": bytes_below(self.repository(filbert))}
        )
        self.step("unchanged", lambda: filbert.backup(tree))
        self.step("open", filbert.open)
        if self.kind == "gigabytes":
            shutil.rmtree(tree)  # its bytes can be made again, and the room is needed
        # A file system that compresses holds more than it says.
        more = ["--ignore-free-space"] if self.options.compressed_disk else []
        self.step("restore", lambda: filbert.restore(target, *more))
        self.generate("compare", target)

    def generate(self, verb, folder):
        self.alone.breathe()
        quietly([sys.executable, GENERATE, verb, self.kind, self.count, folder])

    def filbert(self, apache, work):
        filbert = Filbert(apache, work / "home")
        if self.options.folder:
            filbert.env = {k: v for k, v in filbert.env.items() if "WEBDAV" not in k}
            filbert.env["FILBERT_REPOSITORY"] = str(work / "repository")
        return filbert

    def repository(self, filbert):
        return pathlib.Path(filbert.env["FILBERT_REPOSITORY"]) if self.options.folder else filbert.repository()

    def step(self, name, action):
        self.alone.breathe()
        self.note({"kind": self.kind, "size": self.count, "step": name, **action()})


def table(rows):
    """A line a size: medians of wall seconds, and the peak memory of filbert's steps."""
    gathered = {}
    for row in rows:
        found = gathered.setdefault((row["kind"], row["size"]), {})
        for figure in ("wall_s", "peak_mb", "stored"):
            if figure in row:
                found.setdefault((row["step"], figure), []).append(row[figure])
    head = [
        "tree",
        *(f"{step} s" for step in STEPS),
        "stored MB",
        *(f"{step} MiB" for step in ("first", "unchanged", "restore")),
    ]
    lines = []
    for (kind, size), found in sorted(gathered.items()):
        middle = {key: statistics.median(values) for key, values in found.items()}
        line = [f"{size:,} {UNITS[kind]}"]
        line += [report.seconds(middle[step, "wall_s"]) if (step, "wall_s") in middle else "" for step in STEPS]
        line += [report.megabytes(middle["stored", "stored"])]
        peaks = [middle.get((step, "peak_mb")) for step in ("first", "unchanged", "restore")]
        line += ["" if peak is None else f"{peak:.0f}" for peak in peaks]
        lines.append(line)
    return report.table(head, lines)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = lambda words: [int(word) for word in words.split(",") if word]
    parser.add_argument("--files", type=sizes, default=[], help="such as 10000,30000,100000,300000,1000000")
    parser.add_argument("--gigabytes", type=sizes, default=[], help="such as 1,3,10,30")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", action="store_true", help="a repository in a local folder instead of at the server")
    parser.add_argument("--without-limits", action="store_true")
    parser.add_argument("--out", help="append the JSON lines to this file too")
    parser.add_argument("--work", help="where everything is put; default: a temporary folder")
    parser.add_argument(
        "--fresh-disk",
        type=int,
        metavar="GB",
        default=disk.default_fresh_gb(),
        help="a new file system of that size for each round; 0 for none (see disk.py)",
    )
    parser.add_argument(
        "--compressed-disk", action="store_true", help="the new file system is btrfs with zstd, for more than fits"
    )
    parser.add_argument("--lock", help="hold this file locked while measuring, on a machine that others use")
    return parser.parse_args()


def main():
    options, rows = arguments(), []
    end_cleanly()

    def note(row):
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            with open(options.out, "a") as out:
                out.write(json.dumps(row) + "\n")

    for _ in range(options.rounds):
        for kind in ("files", "gigabytes"):
            for count in getattr(options, kind):
                with disk.workplace(options.work, options.fresh_disk, options.compressed_disk) as work:
                    Size(options, kind, count, note).run(work)
    print(table(rows))


if __name__ == "__main__":
    main()
