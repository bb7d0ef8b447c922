//! Kills the real program at random moments while it accepts messages by HTTP and SMTP, sends them by SMTP and by providers,
//! resends them and takes in events, on both engines, and fills and empties its disk; then compares what it acknowledged
//! with what it kept. A few rounds run with the other tests; `make torture ROUNDS=50` runs many. `TORTURE_SEED` repeats a run's choices.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;
mod torture {
    pub mod account;
    pub mod cable;
    pub mod disk;
    pub mod load;
    pub mod mail;
    pub mod target;
}

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};
use torture::account::check;
use torture::cable::Cable;
use torture::disk::SmallDisk;
use torture::load::{Ledger, Load};
use torture::mail::Mail;
use torture::target::Target;

/// How long every message may take to come to its end after the last kill: a lease that a crash left, then the pause
/// before the next try.
const SETTLING: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_and_double_nothing_on_sqlite() {
    let mail = Mail::start().await;
    let target = Target::sqlite("torture-kills", &mail).await;
    torture(target, mail, "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_and_double_nothing_on_postgres() {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else { panic!("TEST_DATABASE_URL is not set") };
    let mail = Mail::start().await;
    let target = Target::postgres("torture-kills-pg", &server, &mail).await;
    torture(target, mail, "PostgreSQL").await;
}

/// The provider takes a request of one key once: nothing goes out twice, and nothing stays uncertain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_double_nothing_at_a_provider_that_knows_repetitions() {
    let mail = Mail::resend().await;
    let target = Target::sqlite("torture-resend", &mail).await;
    torture(target, mail, "Resend").await;
}

/// The provider takes every request: what was in flight is uncertain, and goes out once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_double_nothing_at_a_provider_that_knows_none() {
    let mail = Mail::sendgrid().await;
    let target = Target::sqlite("torture-sendgrid", &mail).await;
    torture(target, mail, "SendGrid").await;
}

/// The disk under a SQLite database fills and is emptied again, with a kill now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_and_empties_loses_and_doubles_nothing() {
    let (mut rng, rounds) = (rng("disk"), rounds());
    let mail = Mail::start().await;
    let Some(disk) = SmallDisk::mount("torture-disk", rounds) else {
        panic!("cannot mount a small disk: run as root, or where users may make namespaces (unshare -Urm)");
    };
    let mut target = Target::on_disk(&disk, &mail).await;
    target.start();
    let ledger = Arc::new(Ledger::default());
    for round in 1..=rounds {
        let load = Load::start(&target, &ledger, rng.random());
        sleep(Duration::from_millis(rng.random_range(200..900))).await;
        disk.fill();
        let refused = target.wait_for_health(503, Duration::from_secs(30)).await;
        assert!(refused, "round {round}: /health stays well on a full disk");
        sleep(Duration::from_millis(rng.random_range(0..600))).await;
        let is_killed = rng.random_bool(0.3);
        if is_killed {
            target.kill();
        }
        disk.empty();
        if is_killed {
            target.start();
        }
        let recovered = target.wait_for_health(200, Duration::from_secs(30)).await;
        assert!(recovered, "round {round}: /health stays bad with room on the disk, which holds {} bytes", disk.used());
        load.stop().await;
        target.send_one(&ledger).await.unwrap_or_else(|answer| panic!("round {round}: no recovery: {answer}"));
        println!("full disk, round {round}: {}", ledger.figures());
    }
    target.settle(SETTLING).await;
    let total = check(&target, &ledger, &mail).await;
    println!("full disk, {rounds} rounds: {}; {total}", ledger.figures());
}

/// Three processes on one database: one with both halves, one that answers alone, and one that sends alone and is cut off from
/// the database now and then. One of the first two is killed in each round, and the other goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_nodes_one_is_killed_and_one_cut_off_and_nothing_is_lost_or_doubled() {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else { panic!("TEST_DATABASE_URL is not set") };
    let (mut rng, rounds) = (rng("nodes"), rounds());
    let mail = Mail::start().await;
    let mut target = Target::postgres("torture-nodes", &server, &mail).await;
    let cable = Cable::to(target.postgres_url()).await;
    let ledger = Arc::new(Ledger::default());
    let worker = target.start_node(&["--only", "worker"], Some(&cable.url));
    target.start();
    let mut web = Some(target.start_node(&["--only", "web"], None));
    for round in 1..=rounds {
        let second = web.take().unwrap_or_else(|| target.start_node(&["--only", "web"], None));
        let at_first = Load::start(&target, &ledger, rng.random());
        let at_second = Load::start_at(&target, (second.addr, second.smtp_addr), &ledger, rng.random());
        sleep(Duration::from_millis(rng.random_range(300..1500))).await;
        cable.cut();
        sleep(Duration::from_millis(rng.random_range(0..700))).await;
        // Whoever is left takes messages at once.
        if rng.random_bool(0.5) {
            target.kill();
            target.send_one_at(second.addr, &ledger).await.unwrap_or_else(|answer| panic!("round {round}: {answer}"));
            at_first.stop().await;
            target.start();
            web = Some(second);
        } else {
            drop(second);
            target.send_one(&ledger).await.unwrap_or_else(|answer| panic!("round {round}: {answer}"));
            at_first.stop().await;
        }
        at_second.stop().await;
        cable.mend();
        ledger.kills.fetch_add(1, Ordering::Relaxed);
        println!("nodes, round {round}: {}", ledger.figures());
    }
    drop((web, worker));
    ledger.kills.fetch_add(2, Ordering::Relaxed);
    target.settle(SETTLING).await;
    let total = check(&target, &ledger, &mail).await;
    println!("nodes, {rounds} rounds: {}; {total}", ledger.figures());
    target.remove().await;
}

async fn torture(mut target: Target, mail: Mail, engine: &str) {
    let (mut rng, rounds) = (rng(engine), rounds());
    let ledger = Arc::new(Ledger::default());
    for round in 1..=rounds {
        target.start();
        let load = Load::start(&target, &ledger, rng.random());
        sleep(Duration::from_millis(rng.random_range(300..2000))).await;
        target.kill();
        load.stop().await;
        ledger.kills.fetch_add(1, Ordering::Relaxed);
        println!("{engine}, round {round}: {}", ledger.figures());
    }
    target.start();
    // What hung up and what was killed leaves a server that works.
    target.send_one(&ledger).await.unwrap_or_else(|answer| panic!("no recovery: {answer}"));
    target.settle(SETTLING).await;
    let total = check(&target, &ledger, &mail).await;
    println!("{engine}, {rounds} rounds: {}; {total}", ledger.figures());
    target.remove().await;
}

fn rounds() -> u32 {
    std::env::var("TORTURE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn rng(name: &str) -> StdRng {
    let seed = std::env::var("TORTURE_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("{name}: TORTURE_SEED={seed}, started {:?}", Instant::now());
    StdRng::seed_from_u64(seed)
}
