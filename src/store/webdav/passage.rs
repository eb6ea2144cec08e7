//! A request's way through the gate: however it ends, dropped midway or read to its end, the gate
//! is told once.

use super::super::{End, Gate, Outgoing, Pass, Refusal, StoreError};
use super::request::Verb;
use crate::model::time::Timestamp;

/// A request that passed the gate.
pub(super) struct Passage<'a> {
    gate: &'a dyn Gate,
    pass: Option<Pass>,
    method: &'static str,
    up: u64,
    down: u64,
    done: bool,
}

impl<'a> Passage<'a> {
    /// Waits at the gate. `up` counts the bytes of an object that is sent.
    pub async fn enter(gate: &'a dyn Gate, verb: Verb, action: &str, up: u64) -> Result<Self, StoreError> {
        let method = verb.name();
        let pass = gate.enter(&Outgoing { method, action, up }).await?;
        Ok(Self { gate, pass: Some(pass), method, up, down: 0, done: false })
    }

    /// The server did what was asked.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// Bytes of the answer's body came.
    pub fn received(&mut self, bytes: u64) {
        self.down += bytes;
    }

    /// The answer is a refusal. Answers until when the server is to be left alone, if it is.
    pub fn refused(&mut self, action: &str, refusal: Refusal<'_>) -> Option<Timestamp> {
        let request = Outgoing { method: self.method, action, up: self.up };
        self.gate.refused(self.pass.take()?, &request, refusal)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let end = if self.done { End::Done } else { End::Unknown };
            self.gate.left(pass, self.down, end);
        }
    }
}
