"""A real Apache with mod_dav on loopback, on a free port, in a folder of its own.

Its access log counts what a step cost: requests by method and status, bytes each way.
"""

import base64
import collections
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import time

USER, PASSWORD = "user", "secret"
MODULES = pathlib.Path("/usr/lib/apache2/modules")
LOADED = "mpm_event authn_core authn_file authz_core authz_user auth_basic dav dav_fs dir".split()

CONFIG = """
ServerRoot "{dir}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{dir}/run/pid"
{modules}
{user}
DocumentRoot "{dir}/root"
DavLockDB "{dir}/lock/db"
ErrorLog "{dir}/error.log"
LogFormat "%m %>s %I %O %U" counted
CustomLog "{dir}/access.log" counted
LimitXMLRequestBody 0
LimitRequestBody 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
<Directory "{dir}/root">
  Require all granted
  Options -Indexes
</Directory>
<Location /dav>
  Dav On
  AuthType Basic
  AuthName dav
  AuthUserFile "{dir}/passwd"
  Require valid-user
  DirectorySlash Off
</Location>
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Apache:
    """Use as a context; `url(name)` is a folder for one tool, `below(name)` the same on this disk."""

    def __init__(self, dir):
        self.dir = pathlib.Path(dir).resolve()
        self.port = self.asked_port = free_port()
        self.log = self.dir / "access.log"

    def __enter__(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        for name in ("root/dav", "lock", "run"):
            (self.dir / name).mkdir(parents=True)
        (self.dir / "passwd").write_text(f"{USER}:{crypted(PASSWORD)}\n")
        root = os.geteuid() == 0
        if root:
            for path in (self.dir, self.dir / "root", self.dir / "root/dav", self.dir / "lock", self.dir / "run"):
                path.chmod(0o755)
            subprocess.run(["chown", "-R", "www-data", self.dir / "root", self.dir / "lock"], check=True)
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
        config = self.dir / "httpd.conf"
        user = "User www-data\nGroup www-data" if root else ""
        config.write_text(CONFIG.format(dir=self.dir, port=self.port, modules=modules, user=user))
        self.process = subprocess.Popen([apache(), "-f", config, "-D", "FOREGROUND"])
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise RuntimeError(f"Apache did not start: {(self.dir / 'error.log').read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def url(self, name):
        """Where a tool goes: to the server, or to the slow link before it."""
        return f"http://127.0.0.1:{self.asked_port}/dav/{name}"

    def below(self, name):
        return self.dir / "root/dav" / name

    def mark(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def since(self, mark, name):
        """What tool `name` asked since a mark.

        A request is logged some time after its answer, up to a tenth of a second later where the machine is busy:
        so this waits until the log is still, and leaves out what another one asked before the mark.
        """
        self.settle()
        methods, up, down = collections.Counter(), 0, 0
        with open(self.log) as log:
            log.seek(mark)
            for line in log:
                method, status, received, sent, path = line.rstrip("\n").split(" ", 4)
                if not f"{path}/".startswith(f"/dav/{name}/"):
                    continue
                methods[f"{method} {status}"] += 1
                up += int(received)
                down += int(sent)
        return {"requests": sum(methods.values()), "methods": dict(methods), "up": up, "down": down}

    def settle(self):
        """Waits until nothing more is logged."""
        size = -1
        while size != self.mark():
            size = self.mark()
            time.sleep(0.2)

    def connection(self):
        """A plain connection and the headers it needs, for the limits."""
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return http.client.HTTPConnection("127.0.0.1", self.asked_port), {"Authorization": f"Basic {token}"}


def apache():
    found = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise SystemExit("apache2 is not installed; on Debian and Ubuntu: apt-get install apache2 apache2-utils")
    return found


def crypted(password):
    return subprocess.check_output(["openssl", "passwd", "-apr1", password], text=True).strip()
