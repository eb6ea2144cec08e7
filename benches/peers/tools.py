"""The programs that are measured, each as someone would use it who follows its manual.

All use their defaults, but zstd level 3 where a default is weaker. A tool gets a folder of its own at the
server, a home for its cache and state, and copies of the same files.
"""

import os
import pathlib
import shutil
import subprocess

import server
from measure import run

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tool:
    """What a step calls; `missing` names what must be installed, or None."""

    name = ""
    needs = ()

    def __init__(self, apache, home):
        self.apache, self.home = apache, pathlib.Path(home)
        self.home.mkdir(parents=True)
        self.env = {}

    @classmethod
    def missing(cls):
        absent = [program for program in cls.needs if not shutil.which(program)]
        return ", ".join(absent) or None

    def repository(self):
        """Where what it stores lies on this disk."""
        return self.apache.below(self.name)


class Filbert(Tool):
    name = "filbert"

    def __init__(self, apache, home):
        super().__init__(apache, home)
        self.env = {
            "FILBERT_REPOSITORY": apache.url(self.name),
            "FILBERT_WEBDAV_USER": server.USER,
            "FILBERT_WEBDAV_PASSWORD": server.PASSWORD,
            "FILBERT_PASSWORD": "password",
            "FILBERT_STATE_DIR": str(self.home / "state"),
            "FILBERT_CONFIG": str(self.home / "none.toml"),
        }
        (self.home / "none.toml").touch()

    @staticmethod
    def program():
        return os.environ.get("FILBERT", str(ROOT / "target/release/filbert"))

    @classmethod
    def missing(cls):
        return None if shutil.which(cls.program()) else f"{cls.program()} (cargo build --release, or FILBERT=path)"

    def call(self, *arguments):
        return run([self.program(), *arguments], self.env)

    def init(self):
        return self.call("init")

    def backup(self, source):
        return self.call("backup", source, "--set", "bench")

    def restore(self, target, *more):
        return self.call("restore", "latest", "--set", "bench", "--target", target, *more)

    def check(self):
        return self.call("check", "--read-data")

    def open(self):
        """The least a command can do: start, derive the key, look at the log."""
        return self.call("snapshots", "--latest")


class Restic(Tool):
    """Speaks no WebDAV itself: through rclone, as its manual has it."""

    name = "restic"
    needs = ("restic", "rclone")

    def __init__(self, apache, home):
        super().__init__(apache, home)
        config = self.home / "rclone.conf"
        hidden = subprocess.check_output(["rclone", "obscure", server.PASSWORD], text=True).strip()
        config.write_text(
            f"[dav]\ntype = webdav\nurl = {apache.url('')}\nvendor = other\nuser = {server.USER}\npass = {hidden}\n"
        )
        self.env = {
            "RCLONE_CONFIG": str(config),
            "RESTIC_REPOSITORY": f"rclone:dav:{self.name}",
            "RESTIC_PASSWORD": "password",
            "RESTIC_CACHE_DIR": str(self.home / "cache"),
        }

    def init(self):
        return run(["restic", "init", "--repository-version", "2"], self.env)

    def backup(self, source):
        return run(["restic", "backup", "."], self.env, cwd=source)

    def restore(self, target):
        return run(["restic", "restore", "latest", "--target", target], self.env)

    def check(self):
        return run(["restic", "check", "--read-data"], self.env)


class Rustic(Tool):
    name = "rustic"

    def __init__(self, apache, home):
        super().__init__(apache, home)
        (self.home / "rustic.toml").write_text(f"""[repository]
repository = "opendal:webdav"
password = "password"
cache-dir = "{self.home}/cache"
[repository.options]
endpoint = "{apache.url('').rstrip('/')}"
username = "{server.USER}"
password = "{server.PASSWORD}"
root = "/{self.name}"
""")

    @staticmethod
    def program():
        return os.environ.get("RUSTIC", "rustic")

    @classmethod
    def missing(cls):
        return None if shutil.which(cls.program()) else "rustic (cargo install rustic-rs --locked, or RUSTIC=path)"

    def call(self, *arguments, cwd=None):
        return run([self.program(), "-P", self.home / "rustic", "--no-progress", *arguments], self.env, cwd=cwd)

    def init(self):
        return self.call("init")

    def backup(self, source):
        return self.call("backup", ".", cwd=source)

    def restore(self, target):
        pathlib.Path(target).mkdir()
        return self.call("restore", "latest", target)

    def check(self):
        return self.call("check", "--read-data")


class Borg(Tool):
    """Has no WebDAV: writes to a folder of this disk, which no request slows down."""

    name = "borg"
    needs = ("borg",)

    def __init__(self, apache, home):
        super().__init__(apache, home)
        self.made = 0
        self.env = {
            "BORG_REPO": str(self.repository()),
            "BORG_PASSPHRASE": "password",
            "BORG_BASE_DIR": str(self.home),
        }

    def repository(self):
        return self.home / "repository"

    def init(self):
        return run(["borg", "init", "-e", "repokey-blake2"], self.env)

    def backup(self, source):
        self.made += 1
        return run(["borg", "create", "-C", "zstd,3", f"::{self.made}", "."], self.env, cwd=source)

    def restore(self, target):
        pathlib.Path(target).mkdir()
        return run(["borg", "extract", f"::{self.made}"], self.env, cwd=target)

    def check(self):
        return run(["borg", "check", "--verify-data"], self.env)


class Duplicity(Tool):
    """Has no `init`; its check reads no data."""

    name = "duplicity"
    needs = ("duplicity",)

    def __init__(self, apache, home):
        super().__init__(apache, home)
        self.url = f"webdav://{server.USER}:{server.PASSWORD}@" + apache.url(self.name).removeprefix("http://")
        self.env = {"PASSPHRASE": "password"}
        self.options = ["--archive-dir", self.home / "cache", "--no-print-statistics"]

    def init(self):
        return None

    def backup(self, source):
        return run(["duplicity", *self.options, source, self.url], self.env)

    def restore(self, target):
        return run(["duplicity", *self.options, "restore", self.url, target], self.env)

    def check(self):
        return run(["duplicity", *self.options, "collection-status", self.url], self.env)


ALL = {tool.name: tool for tool in (Filbert, Restic, Borg, Rustic, Duplicity)}


def installed(names):
    """Those of the names that can run; the others are named aloud and left out."""
    found = []
    for name in names:
        absent = ALL[name].missing()
        if absent:
            print(f"LEFT OUT: {name}, for this is not installed: {absent}", flush=True)
        else:
            found.append(ALL[name])
    return found
