//! Owners over an upstream that answers from a list, in paused time.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    task::{IDLE, REMEMBERED},
    *,
};
use crate::{
    app::AppName,
    cache::{Moments, Terms},
    kind::Kind,
    lease::Expiry,
    test_support::{self, TestClock, timestamp},
};

/// An upstream that answers from a list.
#[derive(Default)]
struct Script {
    runs: Mutex<VecDeque<Scripted>>,
    asked: Mutex<Vec<Intent>>,
    unwanted: Mutex<Vec<u64>>,
    former: Mutex<Vec<u64>>,
    kept: AtomicUsize,
}

enum Scripted {
    Lease { sequence: u64, end: u64, remembered: bool },
    Failure,
    Panic,
}

impl Upstream for Script {
    fn run(self: Arc<Self>, _: Key, intent: Intent) -> Pin<Box<dyn Future<Output = Run> + Send>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.asked.lock().unwrap().push(intent);
            let scripted = self.runs.lock().unwrap().pop_front().expect("the script foresees this run");
            match scripted {
                Scripted::Panic => panic!("scripted"),
                Scripted::Failure => Run { result: Err(unchanged(&key())), remembered: false },
                Scripted::Lease { sequence, end, remembered } => Run { result: Ok(cached(sequence, end)), remembered },
            }
        })
    }

    fn admissible(&self, _: &Key, cached: Arc<Cached>, _: bool) -> Option<Arc<Cached>> {
        let unwanted = self.unwanted.lock().unwrap().contains(&cached.lease.provenance.sequence);
        (!unwanted).then_some(cached)
    }

    fn current(&self, cached: &Cached) -> bool {
        !self.former.lock().unwrap().contains(&cached.lease.provenance.sequence)
    }

    fn keep(self: Arc<Self>, _: Key, _: Arc<Cached>, _: Option<Arc<Cached>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {})
    }
}

fn key() -> Key {
    Key { app: AppName::parse("web").unwrap(), kind: Kind::Readonly }
}

fn cached(sequence: u64, end: u64) -> Arc<Cached> {
    let mut lease = test_support::lease(&format!("token-{sequence}"), Expiry::At(timestamp(end)), timestamp(1000));
    lease.provenance.sequence = sequence;
    let moments = Moments { ttl: Duration::from_hours(24), p99: Duration::ZERO, draw: 0.0, at_most: None };
    Arc::new(Cached::new(lease, format!("{sequence:016x}").parse().unwrap(), moments, Terms { revision: 0, leaves_whole: true }))
}

fn owners(runs: impl IntoIterator<Item = Scripted>) -> (Arc<Script>, Arc<Owners<Script>>) {
    let script = Arc::new(Script { runs: Mutex::new(runs.into_iter().collect()), ..Script::default() });
    (Arc::clone(&script), Owners::new(Arc::clone(&script), Arc::default(), TestClock::at(timestamp(1000))))
}

fn live(sequence: u64, end: u64) -> Scripted {
    Scripted::Lease { sequence, end, remembered: false }
}

fn sequence_of(answer: Answer) -> u64 {
    answer.expect("a lease").lease.provenance.sequence
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_make_one_run_also_when_it_fails() {
    let (script, owners) = owners([Scripted::Failure, live(1, 5000)]);
    for fails in [true, false] {
        let callers: JoinSet<_> = (0..1000)
            .map(|_| {
                let owners = Arc::clone(&owners);
                async move { owners.ask(&key(), Need::Any).await }
            })
            .collect();
        assert!(callers.join_all().await.iter().all(|answer| answer.is_err() == fails));
        tokio::time::sleep(REMEMBERED).await;
    }
    assert_eq!(script.asked.lock().unwrap().len(), 2);
    owners.settled().await;
    assert_eq!(script.kept.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_answers_for_a_moment_and_a_users_own_refresh_skips_that() {
    let (script, owners) = owners([Scripted::Failure, live(1, 5000)]);
    assert!(owners.ask(&key(), Need::Any).await.is_err());
    assert!(owners.ask(&key(), Need::Any).await.is_err());
    assert_eq!(script.asked.lock().unwrap().len(), 1);
    assert_eq!(sequence_of(owners.ask(&key(), Need::NewerNow(0)).await), 1);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_forgiven_when_something_changed() {
    let (_, owners) = owners([Scripted::Failure, live(1, 5000)]);
    assert!(owners.ask(&key(), Need::Any).await.is_err());
    owners.forgive(|_| true);
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_takes_neither_the_cache_nor_the_next_caller_along() {
    let (_, owners) = owners([live(1, 5000), Scripted::Panic, live(2, 6000)]);
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
    let failure = owners.ask(&key(), Need::NewerNow(1)).await.expect_err("the run panics");
    assert_eq!(failure.code, FailureCode::Internal);
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1, "the lease is still there");
    assert_eq!(sequence_of(owners.ask(&key(), Need::NewerNow(1)).await), 2);
}

#[tokio::test(start_paused = true)]
async fn one_crash_is_not_remembered_and_a_second_in_a_row_is() {
    let (script, owners) = owners([Scripted::Panic, Scripted::Panic, live(1, 5000)]);
    for runs in [1, 2, 2] {
        let failure = owners.ask(&key(), Need::Any).await.expect_err("the run panics");
        assert_eq!((failure.code, script.asked.lock().unwrap().len()), (FailureCode::Internal, runs));
    }
    tokio::time::sleep(REMEMBERED).await;
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_unwanted_when_it_comes_is_asked_for_again_twice_at_most() {
    let (script, owners) = owners([live(1, 5000), live(2, 5000), live(3, 5000)]);
    *script.unwanted.lock().unwrap() = vec![1, 2];
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 3);
    assert_eq!(*script.asked.lock().unwrap(), [Intent::Resolve, Intent::Renew, Intent::Renew]);

    let (script, owners) = super::tests::owners([live(1, 5000), live(2, 5000), live(3, 5000)]);
    *script.unwanted.lock().unwrap() = vec![1, 2, 3];
    assert_eq!(owners.ask(&key(), Need::Any).await.expect_err("nothing was wanted").code, FailureCode::TryAgain);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_former_login_is_neither_an_answer_nor_in_the_way_of_one_that_ends_earlier() {
    for need in [Need::Any, Need::NewerNow(1)] {
        let (script, owners) = owners([live(1, 9000), live(2, 5000)]);
        assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
        *script.former.lock().unwrap() = vec![1];
        assert_eq!(sequence_of(owners.ask(&key(), need).await), 2, "{need:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_brings_the_same_or_an_earlier_end_leaves_the_lease_in_place() {
    let (script, owners) = owners([live(1, 5000), live(1, 5000), live(2, 4000), live(3, 5000)]);
    for (need, expected) in [(Need::Any, 1), (Need::NewerNow(1), 1), (Need::NewerNow(1), 1), (Need::NewerNow(1), 3)] {
        assert_eq!(sequence_of(owners.ask(&key(), need).await), expected);
    }
    owners.settled().await;
    assert_eq!(script.kept.load(Ordering::Relaxed), 2, "only what was taken is kept");
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_newer_lease_than_memory_has_gets_the_sources_asked() {
    let remembered = Scripted::Lease { sequence: 1, end: 5000, remembered: true };
    let (script, owners) = owners([remembered, live(2, 6000)]);
    let any = key();
    let (any, newer) = tokio::join!(owners.ask(&any, Need::Any), async {
        tokio::task::yield_now().await;
        owners.ask(&key(), Need::NewerNow(0)).await
    });
    assert_eq!((sequence_of(any), sequence_of(newer)), (1, 2));
    assert_eq!(*script.asked.lock().unwrap(), [Intent::Resolve, Intent::RenewNow]);
}

/// Asks under one configuration, and once more under the next while the first run is still in flight. The next run takes as long.
async fn asked_before_and_after_another_configuration(owners: &Arc<Owners<Script>>) -> (Answer, Answer) {
    let (web, web_again) = (key(), key());
    tokio::join!(owners.ask(&web, Need::Any), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        owners.supersede(|_| true);
        owners.ask(&web_again, Need::Any).await
    })
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_another_configuration_came_into_force_does_not_get_what_a_run_before_it_brings() {
    let (script, owners) = owners([live(1, 5000), live(2, 5000)]);
    let (before, after) = asked_before_and_after_another_configuration(&owners).await;
    assert_eq!((sequence_of(before), sequence_of(after)), (1, 2));
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 2, "the older one was cached");
    owners.settled().await;
    assert_eq!(script.kept.load(Ordering::Relaxed), 2, "what was obtained is not lost");
}

#[tokio::test(start_paused = true)]
async fn what_a_superseded_run_does_not_answer_is_asked_under_the_configuration_in_force() {
    for (first, unwanted) in [(Scripted::Failure, vec![]), (Scripted::Panic, vec![]), (live(1, 5000), vec![1])] {
        let (script, owners) = owners([first, live(2, 5000)]);
        *script.unwanted.lock().unwrap() = unwanted;
        let (before, after) = asked_before_and_after_another_configuration(&owners).await;
        assert_eq!((sequence_of(before), sequence_of(after)), (2, 2));
        owners.settled().await;
        assert_eq!(script.kept.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_leaves_loses_nothing_for_the_next() {
    let (script, owners) = owners([live(1, 5000)]);
    let web = key();
    let asking = owners.ask(&web, Need::Any);
    assert!(tokio::time::timeout(Duration::from_millis(10), asking).await.is_err());
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_owner_ends() {
    let (_, owners) = owners([live(1, 5000)]);
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
    assert_eq!(owners.count(), 1);
    tokio::time::sleep(IDLE * 2).await;
    assert_eq!(owners.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_owner_ends_although_the_configuration_changes_all_the_time() {
    let (_, owners) = owners([live(1, 5000)]);
    assert_eq!(sequence_of(owners.ask(&key(), Need::Any).await), 1);
    for _ in 0..20 {
        owners.forgive(|_| true);
        owners.supersede(|_| true);
        tokio::time::sleep(IDLE / 10).await;
    }
    assert_eq!(owners.count(), 0);
}
