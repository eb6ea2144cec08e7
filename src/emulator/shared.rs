//! What all connections of an emulator share.

use super::EmulatorOptions;
use super::faults::Faults;
use super::gate::{Gate, Month, steady_ms};
use super::journal::Journal;
use super::tree::Tree;
use crate::model::time::Timestamp;
use crate::server::login::BasicLogin;
use std::net::SocketAddr;
use std::sync::Mutex;

pub(super) struct Shared {
    pub options: EmulatorOptions,
    pub address: SocketAddr,
    pub login: BasicLogin,
    pub tree: Mutex<Tree>,
    pub gate: Mutex<Gate>,
    pub month: Mutex<Month>,
    pub faults: Faults,
    pub journal: Journal,
}

impl Shared {
    pub fn new(options: EmulatorOptions, address: SocketAddr) -> Self {
        Self {
            address,
            login: BasicLogin::new(&options.user, &options.password),
            tree: Mutex::new(Tree::new(options.clock.now().millis())),
            gate: Mutex::new(Gate::new(&options.limits)),
            month: Mutex::default(),
            faults: Faults::default(),
            journal: Journal::default(),
            options,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    pub fn steady_ms(&self) -> i64 {
        steady_ms(&*self.options.clock)
    }
}
