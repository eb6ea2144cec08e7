"""Where a round works: a folder that is gone afterwards, on a file system of its own if asked for.

Creating a file on ext4 gets slow, by ten times and more, for minutes after many files were removed: it passes by
inodes that were freed a moment ago, one after the other. What one restore left behind would be charged to the
next. A new file system for each round has no past, and nothing on it is removed before the round is over.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

# How it is made, and how mounted.
EXT4 = ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1", "-i", "8192"], "noinit_itable"
BTRFS = ["mkfs.btrfs", "-q", "-m", "single"], "compress=zstd:1,discard"


@contextlib.contextmanager
def workplace(parent, fresh_gb, compressed=False):
    """Yields an empty folder below `parent`; with `fresh_gb`, on a new file system of that size in a sparse file.

    It is ext4; a `compressed` one is btrfs with zstd, which takes more than the disk below it has room for.
    """
    with tempfile.TemporaryDirectory(prefix="filbert-peers-", dir=parent) as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)  # the server runs as another user
        if not fresh_gb:
            yield folder
            return
        image, mounted = folder / "image", folder / "disk"
        mounted.mkdir()
        image.touch()
        os.truncate(image, fresh_gb << 30)
        make, options = BTRFS if compressed else EXT4
        subprocess.run([*make, image], check=True, stdout=subprocess.DEVNULL)
        with loop_device(image) as device:
            subprocess.run(["mount", "-o", options, device, mounted], check=True)
            try:
                yield mounted
            finally:
                subprocess.run(["umount", mounted], check=True)


@contextlib.contextmanager
def loop_device(image):
    """Goes past the page cache of the disk below, which would hold everything a second time."""
    attach = ["losetup", "--find", "--show", "--direct-io=on", image]
    device = subprocess.check_output(attach, text=True).strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def default_fresh_gb():
    """Mounting needs root; without it the numbers of restores are worth less, and that is said."""
    if os.geteuid() == 0 and shutil.which("mkfs.ext4"):
        return 40
    print("NOTE: not root, so no fresh file system for each round: restores may look slower than they are", flush=True)
    return 0
