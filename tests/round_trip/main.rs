//! What was backed up comes back: any tree, any edits, each snapshot, byte for byte, on a machine
//! that knows nothing.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod any_tree;
mod begun;
mod oddities;
mod patterns;
mod regressions;
mod sources;
mod target;
mod verify;
