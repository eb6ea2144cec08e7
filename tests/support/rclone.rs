//! `rclone serve webdav`, on golang.org/x/net/webdav.

use super::{PASSWORD, Server, USER, find, free_port, wait_for};
use std::process::{Command, Stdio};

/// Starts a server, unless rclone is not installed.
pub fn start() -> Option<Server> {
    let program = find("rclone")?;
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut child = Command::new(&program)
            .args(["serve", "webdav", "--addr", &format!("127.0.0.1:{port}")])
            .args(["--user", USER, "--pass", PASSWORD])
            .args(["--vfs-cache-mode", "off", "--dir-cache-time", "0s"])
            .arg("--config")
            .arg(dir.path().join("none.conf"))
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if wait_for(port, &mut child) {
            let url = format!("http://127.0.0.1:{port}/");
            return Some(Server { url, files: dir.path().to_owned(), child: Some(child), _dir: Some(dir) });
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("rclone does not start");
}
