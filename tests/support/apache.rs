//! Apache with mod_dav, as root and as an ordinary user.

use super::{PASSWORD, Server, USER, find, free_port, wait_for};
use filbert::store::Auth;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

const REALM: &str = "dav";
const MODULES: &str = "/usr/lib/apache2/modules";

/// Starts a server with this login, unless Apache is not installed.
pub fn start(auth: Auth) -> Option<Server> {
    start_as(auth, "http")
}

/// Starts a server that speaks https alone, and answers the certificate of its own authority.
pub fn start_tls() -> Option<(Server, Vec<u8>)> {
    find("openssl")?;
    let server = start_as(Auth::Basic, "https")?;
    let place = server.files.parent().and_then(Path::parent).unwrap().join("ca.pem");
    Some((server, fs::read(place).unwrap()))
}

/// As [`start_tls`], with HTTP/2 offered before HTTP/1.1, and a log of the protocols spoken.
pub fn start_tls_with_http2() -> Option<(Server, Vec<u8>)> {
    if !Path::new(MODULES).join("mod_http2.so").is_file() {
        super::skipped("mod_http2 of Apache");
        return None;
    }
    find("openssl")?;
    let server = start_as(Auth::Basic, "h2")?;
    let place = server.files.parent().and_then(Path::parent).unwrap().join("ca.pem");
    Some((server, fs::read(place).unwrap()))
}

/// The protocol and method of each request so far, a line each.
pub fn access_log(server: &Server) -> String {
    let place = server.files.parent().and_then(Path::parent).unwrap().join("access.log");
    fs::read_to_string(place).unwrap_or_default()
}

/// What the server chooses for a client that speaks both protocols.
pub fn protocol_offered(server: &Server) -> Option<String> {
    let host = server.url.split('/').nth(2)?;
    let asked = Command::new("openssl")
        .args(["s_client", "-alpn", "h2,http/1.1", "-connect", host])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    Some(text.lines().find_map(|line| line.strip_prefix("ALPN protocol: "))?.trim().to_owned())
}

fn start_as(auth: Auth, scheme: &str) -> Option<Server> {
    let program = find("apache2")?;
    let mut log = String::new();
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        prepare(dir.path(), port, auth, scheme);
        let mut child = Command::new(&program)
            // One process, so that none is left behind when it is killed.
            .arg("-X")
            .arg("-f")
            .arg(dir.path().join("httpd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if wait_for(port, &mut child) {
            let scheme = if scheme == "h2" { "https" } else { scheme };
            let url = format!("{scheme}://127.0.0.1:{port}/dav/");
            let files = dir.path().join("root/dav");
            return Some(Server { url, files, child: Some(child), _dir: Some(dir) });
        }
        let _ = child.kill();
        let _ = child.wait();
        log = fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
    }
    panic!("apache2 does not start: {log}");
}

fn prepare(dir: &Path, port: u16, auth: Auth, scheme: &str) {
    for part in ["root/dav", "lock", "run"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    let is_root = fs::metadata(dir).unwrap().uid() == 0;
    if is_root {
        // The server gives up root's rights for those of www-data.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        for part in ["root", "root/dav", "lock", "run"] {
            fs::set_permissions(dir.join(part), fs::Permissions::from_mode(0o777)).unwrap();
        }
    }
    let identity = if is_root { "User www-data\nGroup www-data" } else { "" };
    let login = match auth {
        Auth::Digest => {
            write_digest_file(&dir.join("passwd"));
            "AuthType Digest\nAuthDigestProvider file"
        }
        _ => {
            write_basic_file(&dir.join("passwd"));
            "AuthType Basic"
        }
    };
    let tls = if scheme == "http" { String::new() } else { tls_lines(dir) };
    let http2 = match scheme {
        "h2" => format!(
            "LoadModule http2_module {MODULES}/mod_http2.so\nProtocols h2 http/1.1\n\
             CustomLog {}/access.log \"%H %m\"",
            dir.display()
        ),
        _ => String::new(),
    };
    let loads: String = [
        "mpm_event",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "auth_digest",
        "ssl",
        "dav",
        "dav_fs",
        "dir",
    ]
    .iter()
    .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
    .collect();
    let dir = dir.display();
    let conf = format!(
        r#"ServerRoot "{dir}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{dir}/run/pid"
DefaultRuntimeDir "{dir}/run"
{loads}{identity}
{tls}
{http2}
DocumentRoot "{dir}/root"
DavLockDB "{dir}/lock/db"
ErrorLog "{dir}/error.log"
LimitXMLRequestBody 0
LimitRequestBody 0
KeepAlive On
MaxKeepAliveRequests 0
StartServers 1
<Directory "{dir}/root">
  Require all granted
  Options -Indexes
</Directory>
<Location /dav>
  Dav On
  {login}
  AuthName {REALM}
  AuthUserFile "{dir}/passwd"
  Require valid-user
  DirectorySlash Off
</Location>
"#
    );
    fs::write(dir.to_string() + "/httpd.conf", conf).unwrap();
}

fn write_basic_file(place: &Path) {
    let done = Command::new("htpasswd")
        .args(["-bc".as_ref(), place.as_os_str(), USER.as_ref(), PASSWORD.as_ref()])
        .stderr(Stdio::null())
        .status();
    assert!(done.expect("htpasswd (apache2-utils)").success());
}

/// `htdigest` asks for the password twice on its input.
fn write_digest_file(place: &Path) {
    let mut child = Command::new("htdigest")
        .args(["-c".as_ref(), place.as_os_str(), REALM.as_ref(), USER.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("htdigest (apache2-utils)");
    let mut input = child.stdin.take().unwrap();
    write!(input, "{PASSWORD}\n{PASSWORD}\n").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// Makes an authority and a certificate of it for 127.0.0.1.
fn tls_lines(dir: &Path) -> String {
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
    let openssl = |args: &[&str]| {
        let mut command = Command::new("openssl");
        let done = command.current_dir(dir).args(["req", "-x509"]).args(new_key).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=filbert test authority"]);
    let names = "subjectAltName=IP:127.0.0.1";
    let own = ["-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=127.0.0.1", "-addext", names];
    let signed = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key"];
    openssl(&[&own[..], &signed[..]].concat());
    let dir = dir.display();
    format!("SSLEngine on\nSSLCertificateFile {dir}/server.pem\nSSLCertificateKeyFile {dir}/server.key")
}
