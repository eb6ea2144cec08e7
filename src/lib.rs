//! filbert: encrypted, incremental backups to WebDAV drives that count every request.
//!
//! The map of the crate, from the bottom up; a module uses only those above it in this list:
//! [`model`] values; [`progress`] what services tell; [`mod@format`] bytes on the remote; [`files`]
//! this machine's files; [`store`] remote objects; [`state`] the local database; [`manifest`]
//! and [`repository`] what is known of files and objects; the services [`backup`], [`recovery`]
//! and [`check`], and [`browse`], which looks into snapshots; [`disaster`] the recovery kit; [`config`] settings; [`server`] an embedded WebDAV server (with the feature
//! `testing` an emulated Nutstore beside it); [`cli`] the command line.

#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod backup;
pub mod browse;
pub mod check;
pub mod cli;
pub mod config;
pub mod disaster;
#[cfg(feature = "testing")]
pub mod emulator;
pub mod files;
pub mod format;
pub mod guard;
pub mod manifest;
pub mod model;
pub mod progress;
pub mod recovery;
pub mod repository;
pub mod server;
pub mod state;
pub mod store;
