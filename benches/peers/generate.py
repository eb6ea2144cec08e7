#!/usr/bin/env python3
"""Trees of any size whose bytes follow from their place alone, so that a copy is verified without the original.

generate.py write|compare files COUNT DIR          tiny files of source-like text, 100 in a folder
generate.py write|compare gigabytes COUNT DIR      a few large files, an eighth of their bytes incompressible

`write` makes the tree, `compare` fails where DIR is not what `write` makes.
"""

import itertools
import pathlib
import random
import sys

FILES_IN_A_FOLDER = 100
LARGE_FILE_BYTES = 256_000_000
PIECE_BYTES = 64_000


def vocabulary():
    """Words as they are in sources: few of them are most of a text."""
    chance = random.Random("vocabulary")
    letters = "etaoinsrhldcumfpgwybvk_"
    words = ["".join(chance.choices(letters, k=chance.randrange(2, 11))) for _ in range(3000)]
    marks = ["{\n", "}\n", ";\n", ";\n", ";\n", "=", "(", ")", "->", "if", "return", "\n\t"]
    words[:0] = marks
    weights = itertools.accumulate(1 / (rank + 3) for rank in range(len(words)))
    return words, list(weights)


def tiny_files(count):
    """Yields (path, pieces) of `count` files of 200 to 2,000 bytes."""
    words, weights = vocabulary()
    for number in range(count):
        chance = random.Random(number)
        size = chance.randrange(200, 2001)
        text = " ".join(chance.choices(words, cum_weights=weights, k=size // 3))
        folder = number // FILES_IN_A_FOLDER
        path = f"part{folder // 100:03}/module{folder % 100:02}/file{number % FILES_IN_A_FOLDER:02}.c"
        yield path, [text.ljust(size)[:size].encode()]


def skewed():
    """Turns random bytes into ones of little entropy, which zstd brings to about a tenth."""
    share = [(0.95, b"\0"), (0.02, b"a"), (0.01, b"b")]
    table = b"".join(symbol * round(256 * part) for part, symbol in share)
    return table + bytes(range(128, 128 + 256 - len(table)))


def large_files(gigabytes):
    """Yields (path, pieces) of files of 256 MB; every eighth piece does not compress."""
    table = skewed()

    def pieces(number, size):
        chance = random.Random(number)
        for place in range(0, size, PIECE_BYTES):
            piece = chance.randbytes(min(PIECE_BYTES, size - place))
            yield piece if place // PIECE_BYTES % 8 == 0 else piece.translate(table)

    left = int(gigabytes * 1_000_000_000)
    for number in itertools.count():
        if left <= 0:
            break
        size = min(left, LARGE_FILE_BYTES)
        yield f"image{number:03}.raw", pieces(number, size)
        left -= size


def write(tree, root):
    for path, pieces in tree:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "wb") as file:
            for piece in pieces:
                file.write(piece)


def compare(tree, root):
    count = 0
    for path, pieces in tree:
        with open(root / path, "rb") as file:
            for piece in pieces:
                if file.read(len(piece)) != piece:
                    raise SystemExit(f"{root / path} is not what was backed up")
            if file.read(1):
                raise SystemExit(f"{root / path} is too long")
        count += 1
    found = sum(1 for path in root.rglob("*") if path.is_file())
    if found != count:
        raise SystemExit(f"{root} has {found} files, not {count}")


if __name__ == "__main__":
    verb, kind, count, root = sys.argv[1:]
    tree = {"files": tiny_files, "gigabytes": large_files}[kind](int(count))
    {"write": write, "compare": compare}[verb](tree, pathlib.Path(root))
