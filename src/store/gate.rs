//! The gate before a server: every single request asks to pass, and tells how it ended. Who keeps
//! the gate knows what the account there can bear.

use super::{ErrorKind, StoreError};
use crate::model::time::Timestamp;
use async_trait::async_trait;
use std::fmt;

/// Lets requests pass.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// Waits until the request may be sent, or refuses it.
    async fn enter(&self, request: &Outgoing<'_>) -> Result<Pass, StoreError>;

    /// The server refused. Answers until when it is to be left alone, if it is.
    fn refused(&self, pass: Pass, request: &Outgoing<'_>, refusal: Refusal<'_>) -> Option<Timestamp>;

    /// The request ended, with `down` bytes in its answer. After a [`Self::refused`] this is not called.
    fn left(&self, pass: Pass, down: u64, end: End);
}

/// A request that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its method.
    pub method: &'static str,
    /// What is tried on what, for people.
    pub action: &'a str,
    /// Bytes of an object that it sends.
    pub up: u64,
}

/// How a request ended that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server did what was asked.
    Done,
    /// Its answer never came, or is only about who asks.
    Unknown,
}

/// An answer that is no success.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What it means.
    pub kind: ErrorKind,
    /// The same for people.
    pub detail: &'a str,
}

/// The number under which a request passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass(pub u64);

/// A gate that is always open.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn enter(&self, _: &Outgoing<'_>) -> Result<Pass, StoreError> {
        Ok(Pass(0))
    }

    fn refused(&self, _: Pass, _: &Outgoing<'_>, _: Refusal<'_>) -> Option<Timestamp> {
        None
    }

    fn left(&self, _: Pass, _: u64, _: End) {}
}
