#!/usr/bin/env python3
"""What a restore that is killed half-way fetches again when it goes on.

resume.py --corpus NAME=DIR [--slow ONE_WAY_MS,MBIT_PER_S] [--rounds 5]

Once undisturbed, then in each round killed (SIGKILL) and resumed. Over loopback it is killed after about half of the
time that it takes undisturbed, each round at another moment around it, and the bytes are those that Apache could send,
also of answers that broke off: what lies in the buffers of both ends at that moment counts as fetched. Over a slow
link it is killed when half of the bytes have come, and those are counted that went through the link.
"""

import argparse
import asyncio
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import disk
import measure
import slow_link
from server import Apache, free_port
from tools import Filbert


class CountedLink:
    """A slow link in a thread of its own, which knows what went down."""

    def __init__(self, target_port, one_way_ms, mbit_per_s):
        self.port, self.target_port = free_port(), target_port
        self.delay_s = one_way_ms / 1000
        self.up, self.down = (slow_link.Direction(mbit_per_s * 125_000) for _ in range(2))
        self.bytes_down = 0
        counted = self.down.sent_at

        def sent_at(count):
            self.bytes_down += count
            return counted(count)

        self.down.sent_at = sent_at
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()
        while socket.socket().connect_ex(("127.0.0.1", self.port)) != 0:
            time.sleep(0.01)

    async def serve(self):
        async def accept(reader, writer):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            up = slow_link.carry(reader, there_writer, self.up, self.delay_s)
            down = asyncio.create_task(slow_link.carry(there_reader, writer, self.down, self.delay_s))
            await up
            # One that was killed takes no more: then nothing more is taken from the server either.
            down.cancel()
            there_writer.close()
            writer.close()

        # One that is killed resets its connections.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with await asyncio.start_server(accept, "127.0.0.1", self.port) as server:
            await server.serve_forever()


class Trial:
    def __init__(self, apache, link, tool):
        self.apache, self.link, self.tool = apache, link, tool

    def fetched(self, step):
        """Bytes that came while `step` was done: of packs, or of everything over the link."""
        before, mark = self.link.bytes_down if self.link else 0, self.apache.mark()
        step()
        self.apache.settle()
        if self.link:
            return self.link.bytes_down - before
        return self.apache.since(mark, f"{self.tool.name}/packs")["down"]

    def killed_at_half(self, target, after_s, fetched_bytes):
        command = [self.tool.program(), "restore", "latest", "--set", "bench", "--target", target]
        before, began = self.link.bytes_down if self.link else 0, time.monotonic()
        with subprocess.Popen(
            command, env=dict(self.tool.env, PATH=""), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None:
                if self.link and self.link.bytes_down - before >= fetched_bytes / 2:
                    break
                if not self.link and time.monotonic() - began >= after_s:
                    break
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        if process.returncode != -signal.SIGKILL:
            raise SystemExit("the restore was over before it was killed")

    def resumed(self):
        """The newest that broke off."""
        listed = subprocess.check_output([self.tool.program(), "restores"], env=self.tool.env, text=True)
        broken = [line.split()[0] for line in listed.splitlines() if "broken off" in line]
        self.tool.call("restore", "--resume", broken[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="NAME=DIR")
    parser.add_argument("--slow", help="ONE_WAY_MS,MBIT_PER_S")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fresh-disk", type=int, default=10, help="GB; 0 for none")
    parser.add_argument("--work", default=tempfile.gettempdir())
    asked = parser.parse_args()
    name, corpus = asked.corpus.split("=", 1)
    measure.end_cleanly()
    with disk.workplace(asked.work, asked.fresh_disk) as work, Apache(work / "apache") as apache:
        link = None
        if asked.slow:
            one_way_ms, mbit_per_s = (float(part) for part in asked.slow.split(","))
            link = CountedLink(apache.port, one_way_ms, mbit_per_s)
        tool = Filbert(apache, work / "home")
        tool.init()
        tool.backup(corpus)
        if link:
            apache.asked_port = link.port
            tool = Filbert(apache, work / "slow-home")
            tool.open()
        trial = Trial(apache, link, tool)
        took_s = tool.restore(work / "warm")["wall_s"]
        once = trial.fetched(lambda: tool.restore(work / "once"))
        print(f"{name}: undisturbed {once / 1e6:.1f} MB in {took_s:.2f} s", flush=True)
        again = []
        for number in range(asked.rounds):
            target = work / f"killed{number}"
            after_s = took_s * (0.4 + 0.2 * (number + 0.5) / asked.rounds)
            first = trial.fetched(lambda: trial.killed_at_half(target, after_s, once))
            second = trial.fetched(trial.resumed)
            subprocess.run(["diff", "-r", "--no-dereference", work / "once", target], check=True)
            again.append((first + second - once) / once * 100)
            print(f"{name}: {first / 1e6:.1f} + {second / 1e6:.1f} MB, again {again[-1]:.1f} %", flush=True)
        print(f"{name}: fetched again {statistics.median(again):.1f} %, at most {max(again):.1f} %", flush=True)


if __name__ == "__main__":
    main()
