"""What the machine can do at all: the same work by the plainest means, measured in turns with the tools."""

import os
import shlex

import server
from measure import quietly, run

PACK_BYTES = 16 << 20


class Limits:
    """Works on one copy of the corpus."""

    def __init__(self, apache, source, home):
        self.apache, self.source, self.home, self.sent = apache, str(source), home, 0
        self.home.mkdir(parents=True)
        self.archive = self.home / "archive.tar.zst"

    def pack(self):
        """`tar | zstd -3 -T2`: read everything and compress it, on both cores."""
        line = f"tar -cf - -C {shlex.quote(self.source)} . | zstd -3 -T2 -q -f -o {shlex.quote(str(self.archive))}"
        return dict(run("set -o pipefail; " + line, shell=True), stored=self.archive.stat().st_size)

    def unpack(self, target):
        """`zstd -dc | tar x`: create every file again."""
        os.makedirs(target)
        line = f"zstd -dcq {shlex.quote(str(self.archive))} | tar -xf - -C {shlex.quote(str(target))}"
        return run("set -o pipefail; " + line, shell=True)

    def sync(self, target):
        """Brings what `unpack` wrote to the disk, as filbert does before it says that a restore is done."""
        return run(["sync", "--file-system", target], settled=False)

    def walk(self):
        """Lists every folder and stats every entry: a size that nothing has makes find ask for all of them."""
        return run(["find", self.source, "-size", "+9999999999k"])

    def put(self, stored):
        """Sends so many bytes that do not compress, in bodies of a pack's size, one after the other."""
        whole, rest = divmod(stored, PACK_BYTES)
        full, last = self.home / "full", self.home / "last"
        for path, size in ((full, PACK_BYTES), (last, rest)):
            quietly(
                [
                    "dd",
                    "if=/dev/urandom",
                    f"of={path}",
                    f"bs={max(1, size)}",
                    "count=1",
                    "iflag=fullblock",
                    "status=none",
                ]
            )
        self.sent = whole + 1
        pairs = zip([full] * whole + [last], self._urls())
        return self._curl("-H", "Expect:", *(part for path, url in pairs for part in ("-T", path, url)))

    def get(self):
        """Fetches what `put` left."""
        return self._curl(*(part for url in self._urls() for part in ("-o", "/dev/null", url)))

    def _urls(self):
        return [self.apache.url(f"limit-{number}") for number in range(self.sent)]

    def _curl(self, *arguments):
        return run(["curl", "-sSf", "-u", f"{server.USER}:{server.PASSWORD}", *arguments])
