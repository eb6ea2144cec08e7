//! What a request pays for being counted: the arithmetic alone, and with the ledger on disk.

use divan::Bencher;
use filbert::guard::{
    Account, Admission, Ask, Ended, Guard, GuardOptions, Login, Moment, Profile, Purpose, Verdict,
};
use filbert::model::clock::SystemClock;
use filbert::state::Ledger;
use filbert::store::{End, Gate, Outgoing};
use std::sync::Arc;
use std::time::Duration;

/// A request in a window with 500 others.
#[divan::bench]
fn arithmetic(bencher: Bencher) {
    let limits = Profile::NutstoreFree.limits();
    let login = Login::default();
    let ask = Ask { purpose: Purpose::Other, login, up: 1, fetches: false };
    let (mut account, mut ms) = (Account::default(), 1_000_000);
    let mut one = move || {
        ms += 3_500;
        let now = Moment { wall_ms: 1_800_000_000_000 + ms, boot: 1, ms };
        account.bring_to(now, &limits);
        let admitted = account.enter(now, &limits, ask);
        if let Admission::Go(pass) = admitted {
            let ended = Ended { pass, login, up: 0, down: 0, verdict: Verdict::Accepted };
            account.leave(now, &limits, ended, 0.0);
        }
        admitted
    };
    for _ in 0..500 {
        one();
    }
    bencher.bench_local(one);
}

/// The same, read from and written to the ledger.
#[divan::bench]
fn with_the_ledger(bencher: Bencher) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(folder.path()).unwrap());
    let mut limits = Profile::NutstoreFree.limits();
    limits.spacing = Duration::ZERO;
    if let Some(rate) = &mut limits.requests {
        // So long as the benchmark lasts, about as many as a window of Nutstore has.
        (rate.requests, rate.window) = (1_000_000, Duration::from_secs(1));
    }
    let guard = Guard::new(ledger, GuardOptions::new("bench", limits, Arc::new(SystemClock)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    bencher.bench_local(|| {
        let pass = runtime.block_on(guard.enter(&Outgoing { method: "PUT", action: "PUT x", up: 1 }));
        guard.left(pass.unwrap(), 0, End::Done);
    });
}
