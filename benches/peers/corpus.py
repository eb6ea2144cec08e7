"""A day of work on a tree: the same edits for every tool, from one seed. Runs as a process of its own."""

import os
import pathlib
import random
import sys

SEED = 7


def edit(folder):
    """Inserts a line into 1 % of the files, removes 1 in 1000, renames the first folder."""
    chance = random.Random(SEED)
    files = sorted(
        os.path.join(path, name)
        for path, _, names in os.walk(folder)
        for name in names
        if not os.path.islink(os.path.join(path, name))
    )
    for path in map(pathlib.Path, chance.sample(files, max(1, len(files) // 100))):
        content = bytearray(path.read_bytes())
        at = chance.randrange(len(content) + 1)
        content[at:at] = b"/* edited %d */\n" % chance.randrange(10**9)
        path.write_bytes(content)
    for path in chance.sample(files, max(1, len(files) // 1000)):
        os.unlink(path)
    first = min(path for path in pathlib.Path(folder).iterdir() if path.is_dir() and not path.is_symlink())
    first.rename(first.with_name(first.name + "-renamed"))


if __name__ == "__main__":
    edit(sys.argv[1])
