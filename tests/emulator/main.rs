//! The emulator is what others are measured with: each thing that it says about Nutstore, and each
//! fault that it can play, is held here, over plain sockets.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod connections;
mod contents;
mod faults;
mod limits;
mod listings;
mod methods;
mod raw;
#[path = "../support/mod.rs"]
mod support;

use filbert::emulator::{Fault, Limits};
use support::nutstore::{self, Nutstore};

/// A drive without limits, and on it the folder `t`.
pub async fn drive() -> Nutstore {
    let drive = nutstore::start(Limits::none()).await;
    assert_eq!(says(&drive, "MKCOL", "/dav/t", &[], b"").await, "201");
    drive.emulator.journal().take();
    drive
}

/// A drive without limits, an object `/dav/t/a` of ten digits, and one fault.
pub async fn faulty(fault: Fault) -> Nutstore {
    let drive = drive().await;
    drive.emulator.objects().put("t/a", "0123456789");
    drive.emulator.faults().add(fault);
    drive
}

pub async fn ask(drive: &Nutstore, method: &str, target: &str, headers: &[&str], body: &[u8]) -> raw::Answer {
    raw::ask(&drive.emulator.url(), method, target, headers, body).await
}

pub async fn says(drive: &Nutstore, method: &str, target: &str, headers: &[&str], body: &[u8]) -> String {
    ask(drive, method, target, headers, body).await.says()
}
