//! The rules of an account, one by one, and that no order of events breaks the budget.

use super::super::limits::Profile;
use super::super::rate::RequestRate;
use super::super::request::Purpose;
use super::*;
use proptest::prelude::*;
use std::time::Duration;

const START: Moment = Moment { wall_ms: 1_800_000_000_000, boot: 1, ms: 6_300_000 };
const RIGHT: Login = Login(1);
const OTHER: Login = Login(2);
const PLAIN: Ask = Ask { purpose: Purpose::Other, login: RIGHT, up: 0, fetches: false };

fn after(ms: i64) -> Moment {
    Moment { wall_ms: START.wall_ms + ms, boot: START.boot, ms: START.ms + ms }
}

fn limits(requests: u32, window_s: u64) -> Limits {
    let rate = RequestRate { requests, window: Duration::from_secs(window_s) };
    Limits { requests: Some(rate), reserve_for_restore: 0.0, ..Limits::none() }
}

fn enter(account: &mut Account, now: Moment, limits: &Limits, ask: Ask) -> Admission {
    account.bring_to(now, limits);
    account.enter(now, limits, ask)
}

fn end(account: &mut Account, now: Moment, limits: &Limits, pass: u64, verdict: Verdict) -> Option<i64> {
    account.bring_to(now, limits);
    account.leave(now, limits, Ended { pass, login: RIGHT, up: 0, down: 0, verdict }, 0.0)
}

/// A request with other credentials that is let pass and answered at once.
fn one_of(
    login: Login,
    account: &mut Account,
    now: Moment,
    limits: &Limits,
    verdict: Verdict,
) -> Option<i64> {
    let entered = enter(account, now, limits, Ask { login, ..PLAIN });
    let Admission::Go(pass) = entered else { panic!("{entered:?}") };
    account.leave(now, limits, Ended { pass, login, up: 0, down: 0, verdict }, 0.0)
}

/// A request that is let pass and answered at once.
fn one(account: &mut Account, now: Moment, limits: &Limits, verdict: Verdict) -> Option<i64> {
    match enter(account, now, limits, PLAIN) {
        Admission::Go(pass) => end(account, now, limits, pass, verdict),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_leaves_the_window_a_second_after_it() {
    let (mut account, limits) = (Account::default(), limits(10, 60));
    for n in 0..10 {
        one(&mut account, after(n * 100), &limits, Verdict::Accepted);
    }
    let full = enter(&mut account, after(1_000), &limits, PLAIN);
    // Grouped by 30 ms, never earlier than its own time.
    let Admission::Wait { until_ms, why: Wait::Budget } = full else { panic!("{full:?}") };
    assert!((START.ms + 61_000..START.ms + 61_100).contains(&until_ms), "{}", until_ms - START.ms);
    let later = after(until_ms - START.ms);
    assert!(matches!(enter(&mut account, later, &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn a_restore_may_use_what_a_backup_leaves() {
    let (mut account, limits) = (Account::default(), Limits { reserve_for_restore: 0.1, ..limits(10, 60) });
    for _ in 0..9 {
        one(&mut account, START, &limits, Verdict::Accepted);
    }
    assert!(matches!(enter(&mut account, START, &limits, PLAIN), Admission::Wait { .. }));
    let restore = Ask { purpose: Purpose::Restore, ..PLAIN };
    assert!(matches!(enter(&mut account, START, &limits, restore), Admission::Go(_)));
    assert!(matches!(enter(&mut account, START, &limits, restore), Admission::Wait { .. }));
}

#[test]
fn bursts_are_spaced() {
    let (mut account, limits) = (Account::default(), Profile::NutstoreFree.limits());
    assert!(matches!(enter(&mut account, START, &limits, PLAIN), Admission::Go(_)));
    let wait = Admission::Wait { until_ms: START.ms + 400, why: Wait::Pacing };
    assert_eq!(enter(&mut account, after(1), &limits, PLAIN), wait);
    assert!(matches!(enter(&mut account, after(400), &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn a_lone_refusal_passes_and_three_close_for_half_a_window() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    assert_eq!(one(&mut account, START, &limits, Verdict::Refused), None);
    assert_eq!(one(&mut account, START, &limits, Verdict::Denied), None);
    one(&mut account, START, &limits, Verdict::Accepted);
    assert_eq!(one(&mut account, START, &limits, Verdict::Refused), None);
    assert_eq!(one(&mut account, START, &limits, Verdict::Refused), None);
    let until = one(&mut account, START, &limits, Verdict::Refused);
    assert_eq!(until, Some(START.ms + 900_500));
    assert!(matches!(
        enter(&mut account, after(900_000), &limits, PLAIN),
        Admission::Wait { why: Wait::Closed, .. }
    ));
}

#[test]
fn one_request_looks_whether_the_window_is_open_again() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Throttled(None));
    let opens = after(900_500);
    let Admission::Go(look) = enter(&mut account, opens, &limits, PLAIN) else { panic!() };
    assert!(matches!(enter(&mut account, opens, &limits, PLAIN), Admission::Wait { why: Wait::Look, .. }));
    // Refused: half a window more, by a single refusal.
    assert_eq!(end(&mut account, opens, &limits, look, Verdict::Refused), Some(opens.ms + 900_500));
    let opens = after(2 * 900_500);
    let Admission::Go(look) = enter(&mut account, opens, &limits, PLAIN) else { panic!() };
    assert_eq!(end(&mut account, opens, &limits, look, Verdict::Accepted), None);
    assert!(matches!(enter(&mut account, opens, &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn a_time_that_the_server_tells_is_kept_and_a_year_is_not() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    assert_eq!(
        one(&mut account, START, &limits, Verdict::Throttled(Some(120_000))),
        Some(START.ms + 120_000)
    );
    let mut account = Account::default();
    let year = Verdict::Throttled(Some(365 * 86_400_000));
    assert_eq!(one(&mut account, START, &limits, year), Some(START.ms + LONGEST_CLOSED_MS));
}

#[test]
fn a_password_that_worked_is_wrong_after_five_refusals_and_two_waits() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    assert_eq!(one(&mut account, START, &limits, Verdict::Denied), None, "none ever worked");
    one(&mut account, START, &limits, Verdict::Accepted);
    for _ in 0..2 {
        assert_eq!(one(&mut account, START, &limits, Verdict::Denied), None);
    }
    assert!(one(&mut account, START, &limits, Verdict::Denied).is_some());
    assert!(one(&mut account, after(900_500), &limits, Verdict::Denied).is_some());
    assert_eq!(one(&mut account, after(2 * 900_500), &limits, Verdict::Denied), None);
    assert!(!account.knows(RIGHT));
}

#[test]
fn refusals_of_requests_that_were_on_their_way_do_not_make_a_password_wrong() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    let flying: Vec<u64> = (0..6).map(|_| go(&mut account, START, &limits)).collect();
    for pass in flying {
        assert_eq!(end(&mut account, START, &limits, pass, Verdict::Denied), None, "one in a row");
    }
    // From now on one at a time.
    let second = go(&mut account, START, &limits);
    let behind = enter(&mut account, START, &limits, PLAIN);
    assert!(matches!(behind, Admission::Wait { why: Wait::Look, .. }), "{behind:?}");
    assert_eq!(end(&mut account, START, &limits, second, Verdict::Denied), None);
    assert!(one(&mut account, START, &limits, Verdict::Denied).is_some(), "three in a row");
    assert!(one(&mut account, after(900_500), &limits, Verdict::Denied).is_some());
    assert!(account.knows(RIGHT));
    one(&mut account, after(2 * 900_500), &limits, Verdict::Accepted);
    assert!(account.knows(RIGHT) && account.closed_until().is_none());
}

#[test]
fn a_wrong_password_is_wrong_at_once_and_keeps_nobody_waiting() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    for _ in 0..20 {
        assert_eq!(one_of(OTHER, &mut account, START, &limits, Verdict::Denied), None);
        assert!(!account.knows(OTHER) && account.knows(RIGHT));
    }
    assert!(matches!(enter(&mut account, START, &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn a_wrong_password_waits_for_a_closed_window_and_opens_none() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    one(&mut account, START, &limits, Verdict::Throttled(None));
    let other = Ask { login: OTHER, ..PLAIN };
    let closed = enter(&mut account, after(1000), &limits, other);
    assert!(matches!(closed, Admission::Wait { why: Wait::Closed, .. }), "{closed:?}");
    // It looked, and learnt nothing: the next one looks at once, and is the only one.
    let opens = after(900_500);
    assert_eq!(one_of(OTHER, &mut account, opens, &limits, Verdict::Denied), None);
    let look = go(&mut account, opens, &limits);
    assert!(matches!(enter(&mut account, opens, &limits, other), Admission::Wait { why: Wait::Look, .. }));
    assert!(end(&mut account, opens, &limits, look, Verdict::Refused).is_some(), "it is still closed");
}

#[test]
fn a_new_password_does_not_wait_for_the_refusals_of_the_old_one() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    for _ in 0..3 {
        one(&mut account, START, &limits, Verdict::Denied);
    }
    let old = enter(&mut account, after(1000), &limits, PLAIN);
    assert!(matches!(old, Admission::Wait { why: Wait::Denied, .. }), "{old:?}");
    // A mistyped one changes nothing.
    one_of(Login(3), &mut account, after(1000), &limits, Verdict::Denied);
    assert_eq!(enter(&mut account, after(1000), &limits, PLAIN), old);
    one_of(OTHER, &mut account, after(1000), &limits, Verdict::Accepted);
    assert!(account.knows(OTHER));
    // The old one is tried twice more in all.
    assert_eq!(one(&mut account, after(2000), &limits, Verdict::Denied), None);
    one_of(OTHER, &mut account, after(2000), &limits, Verdict::Accepted);
    assert_eq!(one(&mut account, after(2000), &limits, Verdict::Denied), None);
    assert!(!account.knows(RIGHT) && account.knows(OTHER));
}

#[test]
fn an_account_that_refuses_all_that_worked_is_left_alone() {
    let limits = limits(600, 1800);
    let closes = |verdicts: [(Login, Verdict); 3]| {
        let mut account = Account::default();
        for login in [RIGHT, OTHER] {
            one_of(login, &mut account, START, &limits, Verdict::Accepted);
        }
        for (login, verdict) in verdicts {
            one_of(login, &mut account, START, &limits, verdict);
        }
        [RIGHT, OTHER, Login(3)].map(|login| {
            matches!(
                enter(&mut account.clone(), START, &limits, Ask { login, ..PLAIN }),
                Admission::Wait { .. }
            )
        })
    };
    let (denied, refused) = (Verdict::Denied, Verdict::Refused);
    assert_eq!(closes([(RIGHT, denied), (RIGHT, denied), (RIGHT, denied)]), [true, false, false]);
    assert_eq!(closes([(OTHER, denied), (RIGHT, denied), (RIGHT, denied)]), [true; 3]);
    assert_eq!(closes([(RIGHT, refused), (RIGHT, refused), (RIGHT, denied)]), [true; 3]);
    assert_eq!(closes([(RIGHT, refused), (RIGHT, denied), (RIGHT, refused)]), [true; 3]);
}

#[test]
fn a_month_that_is_used_up_ends_at_its_turn() {
    let limits = Limits { upload_per_month: Some(1000), download_per_month: Some(1000), ..Limits::none() };
    let (mut account, put) = (Account::default(), |up| Ask { up, ..PLAIN });
    assert!(matches!(enter(&mut account, START, &limits, put(600)), Admission::Go(1)));
    let over = enter(&mut account, START, &limits, put(600));
    assert_eq!(
        over,
        Admission::UsedUp { uploads: true, by_server: false, until_wall_ms: START.next_month_ms() }
    );
    assert!(matches!(enter(&mut account, START, &limits, PLAIN), Admission::Go(_)));
    // What was refused was not sent.
    let ended = Ended { pass: 1, login: RIGHT, up: 600, down: 0, verdict: Verdict::Throttled(Some(1000)) };
    account.leave(START, &limits, ended, 0.0);
    assert_eq!(account.month(START), (0, 0));
    let ended = Ended { pass: 2, login: RIGHT, up: 0, down: 1000, verdict: Verdict::Accepted };
    account.leave(START, &limits, ended, 0.0);
    let get = Ask { fetches: true, ..PLAIN };
    assert!(matches!(enter(&mut account, START, &limits, get), Admission::UsedUp { uploads: false, .. }));
    let next_month = after(START.next_month_ms() - START.wall_ms);
    assert!(matches!(enter(&mut account, next_month, &limits, get), Admission::Go(_)));
}

#[test]
fn a_month_that_the_server_says_is_used_up_is_tried_again_once_a_day() {
    let (mut account, limits, put) = (Account::default(), Limits::none(), Ask { up: 5, ..PLAIN });
    let Admission::Go(pass) = enter(&mut account, START, &limits, put) else { panic!() };
    end(&mut account, START, &limits, pass, Verdict::UsedUp { uploads: true });
    assert!(matches!(enter(&mut account, after(1000), &limits, put), Admission::UsedUp { .. }));
    assert!(matches!(enter(&mut account, after(86_400_000), &limits, put), Admission::Go(_)));
}

#[test]
fn a_clock_that_was_set_moves_no_request() {
    let (mut account, limits) = (Account::default(), limits(10, 60));
    for _ in 0..10 {
        one(&mut account, START, &limits, Verdict::Accepted);
    }
    let year = 365 * 86_400_000;
    for jump in [-year, year] {
        let jumped = Moment { wall_ms: START.wall_ms + jump, ..after(30_000) };
        let full = enter(&mut account.clone(), jumped, &limits, PLAIN);
        assert_eq!(full, Admission::Wait { until_ms: START.ms + 61_000, why: Wait::Budget }, "{jump}");
        // After a new start of the machine, with the clock set back, all of it counts anew.
        let started = Moment { wall_ms: START.wall_ms - year, boot: 2, ms: 40 };
        let full = enter(&mut account.clone(), started, &limits, PLAIN);
        assert_eq!(full, Admission::Wait { until_ms: 61_040, why: Wait::Budget });
    }
    let started = Moment { wall_ms: START.wall_ms + 20_000, boot: 2, ms: 40 };
    let full = enter(&mut account, started, &limits, PLAIN);
    assert_eq!(full, Admission::Wait { until_ms: 41_040, why: Wait::Budget });
}

#[test]
fn a_ledger_of_nonsense_does_not_block_for_ever() {
    let (limits, far) = (limits(10, 60), i64::MAX - 5);
    let mut account = Account {
        boot: 1,
        seen_ms: START.ms,
        keep_ms: far,
        used: vec![(far, u32::MAX), (far, u32::MAX)],
        flying: vec![(1, far); 20],
        not_before_ms: far,
        closed: Some(Closed { until_ms: far, looking: false, of: None }),
        refused_at: u64::MAX,
        no_uploads_until_wall_ms: far,
        ..Account::default()
    };
    let put = Ask { up: 1, ..PLAIN };
    assert!(matches!(enter(&mut account, START, &limits, put), Admission::UsedUp { by_server: true, .. }));
    assert!(account.leaves(START, &limits).len() <= 20 + RequestRate::MOST as usize);
    let later = after(LONGEST_CLOSED_MS + 1);
    assert!(matches!(enter(&mut account, later, &limits, put), Admission::Go(_)));
}

/// What happens between one request and the next.
#[derive(Debug, Clone)]
struct Step {
    pause_ms: i64,
    answer_ms: i64,
    answered: bool,
    restart: bool,
    wrong_clock_ms: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..20_000_i64, 0..3_000_i64, any::<bool>(), 0..50_u8, -90_000..1_i64).prop_map(
        |(pause_ms, answer_ms, answered, restart, wrong)| Step {
            pause_ms,
            answer_ms,
            answered,
            restart: restart == 0,
            wrong_clock_ms: wrong,
        },
    );
    proptest::collection::vec(step, 1..120)
}

proptest! {
    /// However the requests come, whatever the answers do, and with the clock set back at any time:
    /// the server, which counts when it answers, never sees more than the budget.
    #[test]
    fn the_server_never_sees_more_than_the_budget(steps in steps()) {
        let (limits, window) = (limits(10, 60), 60_000);
        let (mut account, mut server) = (Account::default(), Vec::new());
        let (mut real, mut boot, mut booted, mut wrong) = (0_i64, 1, 0_i64, 0_i64);
        for step in steps {
            if step.restart {
                (boot, booted, wrong) = (boot + 1, real, wrong + step.wrong_clock_ms);
            }
            real += step.pause_ms;
            let moment = |real: i64| Moment { wall_ms: START.wall_ms + real + wrong, boot, ms: real - booted };
            match enter(&mut account, moment(real), &limits, PLAIN) {
                Admission::Go(pass) => {
                    real += step.answer_ms;
                    server.push(real);
                    if step.answered {
                        end(&mut account, moment(real), &limits, pass, Verdict::Accepted);
                    }
                    let counted = server.iter().filter(|at| **at > real - window).count();
                    prop_assert!(counted <= 10, "{counted} at {real}");
                }
                Admission::Wait { .. } => {}
                Admission::UsedUp { .. } => prop_assert!(false),
            }
        }
    }
}

fn go(account: &mut Account, now: Moment, limits: &Limits) -> u64 {
    match enter(account, now, limits, PLAIN) {
        Admission::Go(pass) => pass,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_knows_the_account_by_other_limits_forgets_nothing() {
    let (mut account, large, small) = (Account::default(), limits(600, 1800), limits(100, 60));
    for _ in 0..500 {
        one(&mut account, START, &large, Verdict::Accepted);
    }
    for others in [&small, &Limits::none()] {
        account.bring_to(after(10_000), others);
        assert_eq!(account.leaves(after(10_000), &large).len(), 500);
    }
    assert!(matches!(enter(&mut account, after(20_000), &small, PLAIN), Admission::Wait { .. }));
    assert!(matches!(enter(&mut account, after(62_000), &small, PLAIN), Admission::Go(_)));
}

#[test]
fn refusals_that_come_together_are_one() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    one(&mut account, START, &limits, Verdict::Accepted);
    let flying: Vec<u64> = (0..4).map(|_| go(&mut account, START, &limits)).collect();
    for pass in flying {
        assert_eq!(end(&mut account, START, &limits, pass, Verdict::Refused), None);
    }
    assert!(matches!(enter(&mut account, START, &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn what_began_before_a_refusal_does_not_open_the_window_again() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    let (early, throttled) = (go(&mut account, START, &limits), go(&mut account, START, &limits));
    let hour = Verdict::Throttled(Some(3_600_000));
    end(&mut account, START, &limits, throttled, hour);
    end(&mut account, after(50), &limits, early, Verdict::Accepted);
    let closed = enter(&mut account, after(100), &limits, PLAIN);
    assert_eq!(closed, Admission::Wait { until_ms: START.ms + 3_600_000, why: Wait::Closed });
}

#[test]
fn nobody_waits_for_a_look_that_was_not_sent() {
    let mut account = Account::default();
    let limits = Limits { spacing: Duration::from_secs(1), ..limits(10, 60) };
    one(&mut account, START, &limits, Verdict::Throttled(Some(900)));
    // The window opens, but the next request has to keep its distance.
    account.not_before_ms = START.ms + 1_500;
    let paced = enter(&mut account, after(1_000), &limits, PLAIN);
    assert_eq!(paced, Admission::Wait { until_ms: START.ms + 1_500, why: Wait::Pacing });
    assert!(matches!(enter(&mut account, after(1_500), &limits, PLAIN), Admission::Go(_)));
}

#[test]
fn an_answer_after_hours_counts_as_well() {
    let (mut account, limits) = (Account::default(), limits(10, 60));
    let slow = go(&mut account, START, &limits);
    let later = after(5 * 3_600_000);
    assert!(account.leaves(START, &limits).len() == 1);
    end(&mut account, later, &limits, slow, Verdict::Accepted);
    assert_eq!(account.leaves(later, &limits).len(), 1);
}

#[test]
fn a_steady_flow_below_the_budget_never_waits() {
    let (mut account, limits) = (Account::default(), limits(10_000, 86_400));
    for n in 0..9_000 {
        one(&mut account, after(n * 30_000), &limits, Verdict::Accepted);
    }
    assert!(account.used.len() <= 2 * GROUPS as usize, "{}", account.used.len());
}

#[test]
fn what_anybody_is_answered_proves_no_password() {
    let (mut account, limits) = (Account::default(), limits(600, 1800));
    for verdict in [Verdict::Answered, Verdict::Neutral, Verdict::Denied] {
        one(&mut account, START, &limits, verdict);
        assert!(!account.knows(RIGHT), "{verdict:?}");
    }
    one(&mut account, START, &limits, Verdict::Accepted);
    assert!(account.knows(RIGHT));
}
