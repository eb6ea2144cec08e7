#!/usr/bin/env python3
"""Backup programs and the limits of the machine side by side, in turns, over a real Apache on loopback.

Each tool is taken through init, first, unchanged, edited, restore (compared with the source) and check; at every
step all of them take turns, the limit first, and the order of the tools turns each round. Writes a JSON line a
measurement, and ends with tables of medians. See README.md beside this file.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import disk
import report
import server
import tools
from limits import Limits
from measure import Alone, bytes_below, end_cleanly, quietly

HERE = pathlib.Path(__file__).resolve().parent
STEPS = ["init", "first", "unchanged", "edited", "restore", "check"]
LIMIT_OF = {"first": ["pack", "put"], "unchanged": ["walk"], "restore": ["unpack", "sync", "get"]}


class Round:
    """All tools once through all steps on one corpus, on one fresh server."""

    def __init__(self, options, work, corpus, number, rows):
        self.options, self.work, self.corpus, self.number, self.rows = options, work, corpus, number, rows
        turn = number % max(1, len(options.tools))
        self.classes = options.tools[turn:] + options.tools[:turn]

    def run(self):
        _, folder = self.corpus
        with (
            Alone(self.options.lock) as alone,
            server.Apache(self.work / "server") as apache,
            slow_link(self.options.slow, apache),
        ):
            self.apache = apache
            names = ["limit"] + [tool.name for tool in self.classes]
            for name in names:
                quietly(["cp", "-a", folder, self.source(name)])
            quietly(["sync"])
            time.sleep(3)  # what was written in this second may change in it: careful tools read it again
            self.made = [tool(apache, self.work / "home" / tool.name) for tool in self.classes]
            self.limits = None if self.options.peak_only else Limits(apache, self.source("limit"), self.work / "limits")
            for step in self.options.steps:
                alone.breathe()
                self.turn(step)

    def source(self, name):
        return self.work / "source" / name

    def turn(self, step):
        """One step for the limit, then for every tool."""
        for limit in LIMIT_OF.get(step, []) if self.limits else []:
            self.note("limit", limit, self.limit(limit))
        for tool in self.made:
            if step == "edited":
                quietly([sys.executable, HERE / "corpus.py", self.source(tool.name)])
            mark = self.apache.mark()
            took = self.step(tool, step)
            if took is None:
                continue
            asked = self.apache.since(mark, tool.name)
            self.note(tool.name, step, took | asked | {"stored": bytes_below(tool.repository())})
            if step == "restore":
                self.compare(tool)
            if step == "unchanged" and tool.name == "filbert":
                self.note("limit", "open", tool.open())

    def step(self, tool, step):
        match step:
            case "init" | "check":
                return getattr(tool, step)()
            case "restore":
                return tool.restore(self.work / "restored" / tool.name)
            case _:
                return tool.backup(self.source(tool.name))

    def limit(self, limit):
        match limit:
            case "unpack" | "sync":
                return getattr(self.limits, limit)(self.work / "restored/limit")
            case "put":
                return self.limits.put(self.limits.archive.stat().st_size)
            case _:
                return getattr(self.limits, limit)()

    def compare(self, tool):
        """What came back is what was there, or the whole run is worth nothing."""
        restored = self.work / "restored" / tool.name
        inner = restored / str(self.source(tool.name)).lstrip("/")  # some restore the whole path
        found = inner if inner.exists() else restored
        quietly(["diff", "-r", "--no-dereference", self.source(tool.name), found])

    def note(self, tool, step, took):
        row = {"corpus": self.corpus[0], "round": self.number, "tool": tool, "step": step, **took}
        if self.options.slow:
            row["slow"] = "{:g} ms each way, {:g} Mbit/s".format(*self.options.slow)
        self.rows.append(row)
        print(json.dumps(row), flush=True)
        if self.options.out:
            with open(self.options.out, "a") as out:
                out.write(json.dumps(row) + "\n")


class slow_link:
    """Puts the proxy between tools and server while a round runs; does nothing without figures."""

    def __init__(self, figures, apache):
        self.figures, self.apache = figures, apache

    def __enter__(self):
        if self.figures:
            self.apache.asked_port = server.free_port()
            ports = [self.apache.asked_port, self.apache.port]
            line = [sys.executable, HERE / "slow_link.py", *ports, *self.figures]
            self.process = subprocess.Popen([str(part) for part in line])
            time.sleep(0.5)

    def __exit__(self, *_):
        if self.figures:
            self.process.terminate()
            self.process.wait()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus",
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="may be given again; the names sources, tree and libraries have numbers to reach",
    )
    parser.add_argument("--tools", default=",".join(tools.ALL), help="default: all that are installed")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow", metavar="ONE_WAY_MS,MBIT", help="through a slow link, such as 40,20")
    parser.add_argument(
        "--peak-only",
        action="store_true",
        help="first, unchanged and restore once, without the limits: for peak memory",
    )
    parser.add_argument("--out", help="append the JSON lines to this file too")
    parser.add_argument("--work", help="where everything is put; default: a temporary folder")
    parser.add_argument(
        "--fresh-disk",
        type=int,
        metavar="GB",
        default=disk.default_fresh_gb(),
        help="a new file system of that size for each round; 0 for none (see disk.py)",
    )
    parser.add_argument("--lock", help="hold this file locked while measuring, on a machine that others use")
    options = parser.parse_args()
    options.corpus = [
        (name or pathlib.Path(dir).name, pathlib.Path(dir).resolve())
        for name, _, dir in (c.rpartition("=") for c in options.corpus)
    ]
    options.steps = options.steps.split(",")
    options.slow = options.slow and [float(figure) for figure in options.slow.split(",")]
    options.tools = tools.installed(options.tools.split(","))
    if options.peak_only:
        options.rounds, options.steps = 1, ["init", "first", "unchanged", "restore"]
    return options


def main():
    options, rows = arguments(), []
    end_cleanly()
    for corpus in options.corpus:
        for number in range(options.rounds):
            with disk.workplace(options.work, options.fresh_disk) as work:
                (work / "source").mkdir()
                (work / "restored").mkdir()
                Round(options, work, corpus, number, rows).run()
    print(report.tables(rows))


if __name__ == "__main__":
    main()
