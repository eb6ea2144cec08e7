//! filbert: encrypted, incremental backups to WebDAV drives that count every request.

pub mod files;
pub mod format;
pub mod manifest;
pub mod model;
pub mod progress;
pub mod repository;
pub mod server;
pub mod state;
pub mod store;
