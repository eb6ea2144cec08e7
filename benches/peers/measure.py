"""One command, timed: wall and CPU seconds, and the peak memory of its largest process.

CPU and memory count the children that a command waited for. The memory of the process that forks is the
least that can be told, so nothing that lists a large tree happens in this process.
"""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time


class Failed(Exception):
    """A measured command did not do what it was asked; its output is the message."""


def end_cleanly():
    """A run that is ended from outside still stops its servers and removes its folders."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def run(command, env=None, cwd=None, shell=False, settled=True):
    """Runs it and returns what it took. Its output is kept and shown only if it fails.

    What was written before is on the disk when it begins, unless that is the very thing to be measured.
    """
    with tempfile.TemporaryFile() as output:
        if settled:
            os.sync()
        begun = time.monotonic()
        process = subprocess.Popen(
            command if shell else [str(part) for part in command],
            shell=shell,
            executable="/bin/bash" if shell else None,
            env=dict(os.environ, **(env or {})),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")[-2000:]
            raise Failed(f"{command} ended with {process.returncode}: {said}")
    return {
        "wall_s": round(wall, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


def quietly(command, **options):
    """A command that is not measured, such as copying a corpus."""
    subprocess.run([str(part) for part in command], check=True, **options)


def bytes_below(folder):
    """What the files below a folder hold, without the server's own notes."""
    total = 0
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".DAV"]
        total += sum(os.lstat(os.path.join(path, name)).st_size for name in files)
    return total


class Alone:
    """Holds a lock file while measuring, where several people share a machine; without a file, nothing.

    `breathe` is called where a pause does no harm, and lets others in when it is their turn.
    """

    HELD_S = 180

    def __init__(self, lock):
        self.lock = lock and open(lock, "a")

    def __enter__(self):
        self._take()
        return self

    def __exit__(self, *_):
        if self.lock:
            self.lock.close()

    def breathe(self):
        if self.lock and time.monotonic() - self.since > self.HELD_S:
            fcntl.flock(self.lock, fcntl.LOCK_UN)
            time.sleep(1)
            self._take()

    def _take(self):
        if self.lock:
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.since = time.monotonic()
