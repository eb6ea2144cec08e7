//! The exact requests of each step, as a drive that counts them saw them, and that the program's
//! own count is the server's: by method, and in bytes each way.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod history;
mod known;
mod proof;
mod steps;
