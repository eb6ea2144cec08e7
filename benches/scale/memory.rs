//! What this process took: its peak memory as the kernel knows it, and its time.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Instant;

/// The most memory that was resident since the start, or since [`forget_peak`], in KiB.
pub fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lets the peak begin anew with what is resident now.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Measures from the start of the process.
pub struct Meter {
    began: Instant,
    opened_kib: u64,
}

impl Meter {
    pub fn start() -> Self {
        Self { began: Instant::now(), opened_kib: 0 }
    }

    /// The repository is open: what its key derivation took should be given back by now.
    pub fn opened(&mut self) {
        self.opened_kib = peak_kib();
        forget_peak();
    }

    /// Prints a line of the table.
    pub fn tell(&self, step: &str, remark: &str) {
        let wall = self.began.elapsed().as_secs_f64();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let after = peak_kib();
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "| {step} | {wall:.2} | {cpu:.2} | {:.0} | {:.0} | {remark} |",
            mib(after.max(self.opened_kib)),
            mib(after)
        );
    }
}
