//! What tests share. Machines that back up, trees to compare, a store that goes wrong; and real
//! WebDAV servers: started on a free port, waited for, ended on drop. A server that is not
//! installed is told loudly and skipped, but never where `CI` is `true`.
#![allow(dead_code, reason = "each test file uses its own part of these")]

pub mod apache;
pub mod cli;
pub mod dav;
pub mod drive;
pub mod faulty;
pub mod machine;
pub mod nutstore;
pub mod qr;
pub mod rclone;
pub mod scripted;
pub mod tree;

use filbert::model::clock::SystemClock;
use filbert::store::{Auth, SharedStore, WebdavOptions, WebdavStore};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

pub const USER: &str = "user";
pub const PASSWORD: &str = "s3cret: with%odd+characters";

/// A server that runs until it is dropped.
pub struct Server {
    /// The address of a folder that is there.
    pub url: String,
    /// Where the files of that folder lie.
    pub files: PathBuf,
    child: Option<Child>,
    _dir: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The path of a program, or the loud notice that its tests are skipped.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|place| place.is_file());
    if found.is_none() {
        skipped(program);
    }
    found
}

pub fn skipped(program: &str) {
    let notice = format!("SKIPPED: {program} is not installed");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{notice}, and CI must not skip");
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\n{notice}\n");
}

/// Tells that the machine lacks what no package brings.
pub fn lacking(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {what}\n");
}

/// A port that nothing listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something answers on `port`, while `child` lives.
pub fn wait_for(port: u16, child: &mut Child) -> bool {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    false
}

pub fn webdav(url: &str, auth: Auth) -> Arc<WebdavStore> {
    let options = WebdavOptions { auth, ..WebdavOptions::new(url).with_credentials(USER, PASSWORD.into()) };
    Arc::new(WebdavStore::new(&options, Arc::new(SystemClock)).unwrap())
}

pub fn anonymous(url: &str) -> SharedStore {
    Arc::new(WebdavStore::new(&WebdavOptions::new(url), Arc::new(SystemClock)).unwrap())
}
