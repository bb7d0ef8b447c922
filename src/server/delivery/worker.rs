//! The worker: takes due messages from the outbox, sends them, and records what became of each recipient. Any number of
//! workers can run on one database; a message is leased by one at a time. Started by `serve`, beside the web server or
//! alone.

mod order;
mod sending;
mod settlement;
mod timeline;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument, debug_span, error, warn};

use self::settlement::outcome_of;
use self::timeline::{Via, delta, jittered};
use super::http::{HttpSender, HttpSettings};
use super::plan::{NoSlot, Slot, Slots};
use super::providers::{ProviderSender, provider};
use super::retention;
use super::smtp::{Attempt, RecipientOutcome, SmtpSender, SmtpSettings};
use super::tracking::Tracker;
use crate::domain::adapter::{AdapterKind, Lane};
use crate::domain::error::AppError;
use crate::server::clock::Clock;
use crate::server::config::{Config, RETRY_DELAYS_S};
use crate::server::outbound::Outbound;
use crate::server::secrets::SecretKey;
use crate::server::store::Store;
use crate::server::store::outbox::{Lease, Queue, Settlement};
use crate::server::telemetry::{metrics, traces};

/// What is said of a message whose attempt a crash cut off while it went out.
const CUT_OFF: &str = "The server stopped during the last attempt, so it is not known whether the message went out. \
                       Check with the recipient before you resend it.";

/// What is said of an attempt that ended without an outcome, before the message went out or where a repetition is known.
const NOT_ENDED: &str = "The server stopped before this attempt ended";

/// The shortest pause between two looks, unless somebody calls: due rows can be another worker's, or not to be had.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// How often recording an outcome is tried while the database is busy, and the pause between.
const SETTLE_TRIES: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// How the worker works.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// How many attempts run at once. A team has at most half of those that the others leave.
    pub concurrency: usize,
    pub concurrency_per_adapter: usize,
    /// How much memory the messages under way may hold, in bytes, shared like the attempts.
    pub memory: usize,
    /// How long a lease lasts when nobody renews it.
    pub lease: Duration,
    pub renew_every: Duration,
    /// How long the worker waits before it looks for due messages by itself.
    pub poll_every: Duration,
    /// How long after each failed try the next one follows; there is one try more than delays.
    pub retry_delays: Vec<Duration>,
    /// By how much a delay varies at random, as a part of it: 0.2 is a fifth more or less.
    pub retry_jitter: f64,
    /// How long an adapter that is down is left alone at first, which doubles with each probe in vain, and at most.
    pub probe_after: Duration,
    pub probe_after_at_most: Duration,
    /// How long a message is left that could not be sent for want of memory or of the database.
    pub step_back: Duration,
    /// How long running attempts may go on after the shutdown began.
    pub drain: Duration,
    /// How often what has expired is deleted.
    pub housekeeping_every: Duration,
    pub smtp: SmtpSettings,
    pub http: HttpSettings,
    /// The address people open, which links of tracked messages lead to; none is tracked without.
    pub base_url: Option<String>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 32,
            concurrency_per_adapter: 8,
            memory: 256 * 1024 * 1024,
            lease: Duration::from_secs(30),
            renew_every: Duration::from_secs(10),
            poll_every: Duration::from_secs(1),
            retry_delays: RETRY_DELAYS_S.map(Duration::from_secs).to_vec(),
            retry_jitter: 0.2,
            probe_after: Duration::from_secs(30),
            probe_after_at_most: Duration::from_secs(600),
            step_back: Duration::from_secs(3),
            drain: Duration::from_secs(20),
            housekeeping_every: Duration::from_secs(600),
            smtp: SmtpSettings::default(),
            http: HttpSettings::default(),
            base_url: None,
        }
    }
}

impl WorkerSettings {
    /// The settings of a server's worker.
    pub fn of(config: &Config) -> Self {
        let retry_delays = config.retry_delays.iter().copied().map(Duration::from_secs).collect();
        Self { retry_delays, base_url: config.base_url.clone(), ..Self::within(config.outbound()) }
    }

    /// The defaults of a worker whose adapters lead where `outbound` lets them.
    pub fn within(outbound: Outbound) -> Self {
        Self {
            smtp: SmtpSettings { outbound, ..SmtpSettings::default() },
            http: HttpSettings { outbound, ..HttpSettings::default() },
            ..Self::default()
        }
    }
}

/// What the worker found to do.
struct Look {
    leases: Vec<(Lease, Slot)>,
    /// How long there is nothing else to do, if nobody calls and no attempt ends.
    pause: Duration,
}

/// The worker. Cheap to clone; [Worker::run] does the work.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    clock: Clock,
    secret_key: Arc<SecretKey>,
    settings: Arc<WorkerSettings>,
    waker: Arc<Notify>,
    sender: Arc<SmtpSender>,
    poster: Arc<HttpSender>,
    providers: Arc<ProviderSender>,
    slots: Arc<Slots>,
    tracker: Option<Arc<Tracker>>,
}

impl Worker {
    /// A worker over an open database.
    pub fn new(store: Store, clock: Clock, secret_key: Arc<SecretKey>, settings: WorkerSettings) -> Self {
        let sender = Arc::new(SmtpSender::new(settings.smtp.clone()));
        let poster = Arc::new(HttpSender::new(settings.http.clone()));
        let providers = Arc::new(ProviderSender::new(Arc::clone(&poster)));
        let slots = Arc::new(Slots::new(settings.concurrency, settings.concurrency_per_adapter, settings.memory));
        let tracker = Tracker::new(settings.base_url.as_deref(), &secret_key).map(Arc::new);
        let (settings, waker) = (Arc::new(settings), Arc::default());
        Self { store, clock, secret_key, settings, waker, sender, poster, providers, slots, tracker }
    }

    /// The worker, woken by `waker`: whoever accepts a message calls `notify_one` after the commit.
    pub fn with_waker(self, waker: Arc<Notify>) -> Self {
        Self { waker, ..self }
    }

    /// What wakes the worker.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.waker)
    }

    /// Sends what is due until `shutdown` holds `true` or its sender is gone; then lets running attempts end, for as
    /// long as the settings allow. A message whose attempt is cut off keeps its lease and is found again when that ends.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut attempts = JoinSet::new();
        let mut next_housekeeping = Instant::now();
        let mut deleting: Option<JoinHandle<()>> = None;
        while !*shutdown.borrow() {
            while let Some(ended) = attempts.try_join_next() {
                report_panic(ended);
            }
            if next_housekeeping <= Instant::now() {
                if deleting.as_ref().is_none_or(JoinHandle::is_finished) {
                    // Beside the sending, which does not wait for it.
                    deleting = Some(tokio::spawn(self.clone().delete_what_is_over(shutdown.clone())));
                }
                next_housekeeping = Instant::now() + self.settings.housekeeping_every;
            }
            self.sender.close_idle();
            let look = self.look().await;
            for (lease, slot) in look.leases {
                let worker = self.clone();
                let span = debug_span!("lease", team.id = %lease.team_id, email.id = %lease.email_id);
                traces::continue_kept(&span, lease.trace.as_deref());
                let attempt = async move {
                    let _slot = slot;
                    worker.attempt(&lease).await;
                };
                attempts.spawn(attempt.instrument(span));
            }
            tokio::select! {
                changed = shutdown.changed() => if changed.is_err() { break },
                () = self.waker.notified() => {}
                Some(ended) = attempts.join_next() => report_panic(ended),
                () = sleep(look.pause) => {}
            }
        }
        self.drain(attempts).await;
    }

    async fn drain(&self, mut attempts: JoinSet<()>) {
        let ending = async {
            while let Some(ended) = attempts.join_next().await {
                report_panic(ended);
            }
        };
        if timeout(self.settings.drain, ending).await.is_err() {
            warn!(attempts = attempts.len(), "stopped before these attempts ended");
        }
    }

    async fn delete_what_is_over(self, shutdown: watch::Receiver<bool>) {
        let now = self.clock.now();
        if let Err(cause) = retention::delete_what_is_over(&self.store, now, &shutdown).await {
            warn!(%cause, "could not delete all that is kept no longer");
        }
    }

    /// Leases what is due and has room, and gives messages that wait for an adapter to those that came.
    async fn look(&self) -> Look {
        let queues = match self.store.list_queues().await {
            Ok(queues) => queues,
            Err(cause) => {
                warn!(%cause, "could not look for messages to send");
                return Look { leases: Vec::new(), pause: self.settings.poll_every };
            }
        };
        let mut has_more = self.give_waiting(&queues).await;
        let now = self.clock.now();
        let shares = self.slots.share(queues.iter().copied().filter(|queue| queue.due_at() <= now).collect());
        for share in &shares {
            let is_of = |queue: &&Queue| (queue.team_id, queue.adapter_id) == (share.team_id, share.adapter_id);
            if let Some(queue) = queues.iter().find(is_of) {
                metrics::note_lag((now - queue.due_at()).to_std().unwrap_or_default());
            }
        }
        let asked: usize = shares.iter().map(|share| share.count).sum();
        let until = now + delta(self.settings.lease);
        let leased = match self.store.lease_outbox(now, until, self.clock.mint(), &shares).await {
            Ok(leased) => leased,
            Err(cause) => {
                warn!(%cause, "could not lease messages to send");
                return Look { leases: Vec::new(), pause: self.settings.poll_every };
            }
        };
        // A queue that had fewer left room for the others.
        has_more |= leased.len() < asked;
        let mut leases = Vec::with_capacity(leased.len());
        for lease in leased {
            match self.slots.take(&lease) {
                Ok(slot) => leases.push((lease, slot)),
                Err(NoSlot::NoMemory) => self.give_back(&lease).await,
                Err(NoSlot::IsRunning) => {}
            }
        }
        Look { leases, pause: if has_more { SHORTEST_PAUSE } else { self.pause(&queues) } }
    }

    /// Whether some messages got an adapter: there can be more.
    async fn give_waiting(&self, queues: &[Queue]) -> bool {
        let mut given = 0;
        for queue in queues.iter().filter(|queue| queue.taker.is_some()) {
            match self.store.give_waiting(queue, self.clock.now()).await {
                Ok(count) => given += count,
                Err(cause) => {
                    warn!(team.id = %queue.team_id, %cause, "could not give waiting messages to their adapter")
                }
            }
        }
        given > 0
    }

    /// How long there is nothing to do, if nobody calls and no attempt ends. What has no room waits for the end of one.
    fn pause(&self, queues: &[Queue]) -> Duration {
        let next = queues.iter().filter(|queue| self.slots.room(queue) > 0).map(Queue::due_at).min();
        let wait = next.map(|due| (due - self.clock.now()).to_std().unwrap_or_default());
        wait.unwrap_or(Duration::MAX).clamp(SHORTEST_PAUSE, self.settings.poll_every.max(SHORTEST_PAUSE))
    }

    /// Delivers a leased message and keeps the lease while it does.
    async fn attempt(&self, lease: &Lease) {
        let result = tokio::select! {
            result = self.deliver(lease) => result,
            never = self.keep_renewed(lease) => match never {},
        };
        if let Err(cause) = result {
            warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "attempt broken off; another follows");
            self.give_back(lease).await;
        }
    }

    /// Leaves a message for a moment, so that others have their turn. If the database refuses that, the lease ends.
    async fn give_back(&self, lease: &Lease) {
        let again = self.clock.now() + delta(jittered(self.settings.step_back, 0.5));
        if let Err(cause) = self.store.give_back(lease, again).await {
            warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "could not give a message back");
        }
    }

    async fn keep_renewed(&self, lease: &Lease) -> std::convert::Infallible {
        loop {
            sleep(self.settings.renew_every).await;
            let until = self.clock.now() + delta(self.settings.lease);
            match self.store.renew_lease(lease, until).await {
                Ok(true) => {}
                // The attempt finds out by itself before anything goes out.
                Ok(false) => warn!(team.id = %lease.team_id, email.id = %lease.email_id, "lost the lease"),
                Err(cause) => {
                    warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "could not renew the lease");
                }
            }
        }
    }

    async fn deliver(&self, lease: &Lease) -> Result<(), AppError> {
        if lease.in_doubt {
            let outcome = RecipientOutcome::Unknown { reason: CUT_OFF.to_owned() };
            return self.record(lease, &Via::default(), Attempt::all(&lease.pending, &outcome)).await;
        }
        if lease.was_cut_off {
            // What ended the last attempt may end the next one too: it counts, and the message waits like after any other.
            let outcome = RecipientOutcome::Unreachable { reason: NOT_ENDED.to_owned() };
            return self.record(lease, &Via::default(), Attempt::all(&lease.pending, &outcome)).await;
        }
        let Some(mut outgoing) = self.store.find_outgoing(lease.team_id, lease.email_id).await? else {
            self.store.settle(lease, &Settlement::default()).await?;
            return Ok(());
        };
        let fail = |reason: String| Attempt::all(&lease.pending, &RecipientOutcome::Failed { reason });
        let Some(adapter) = outgoing.adapter.clone() else {
            let attempt = fail("The adapter of this message was deleted".to_owned());
            return self.record(lease, &Via::default(), attempt).await;
        };
        if !adapter.kind.sends(outgoing.channel) {
            let what = match adapter.kind.lane() {
                Lane::Email => "sends email only",
                Lane::Phone => "sends text messages and calls only",
                Lane::Web => "sends no email",
            };
            let reason = format!(
                "The adapter {} {what}, and this message is for the channel {}",
                adapter.name,
                outgoing.channel.label()
            );
            return self.record(lease, &Via::default(), fail(reason)).await;
        }
        if self.passed_on(lease, &adapter, &outgoing).await? {
            return Ok(());
        }
        self.set_sender(lease, &adapter, &mut outgoing).await;
        let dropped = self.drop_suppressed(lease, outgoing.channel).await?;
        let pending = lease.pending.iter().filter(|address| !dropped.iter().any(|(other, _)| other == *address));
        let pending: Vec<String> = pending.cloned().collect();
        if pending.is_empty() {
            let attempt = Attempt { recipients: dropped, ..Attempt::nobody() };
            return self.record(lease, &Via::default(), attempt).await;
        }
        let rest = Lease { pending, ..lease.clone() };
        let began = Instant::now();
        let span =
            debug_span!("attempt", adapter.kind = adapter.kind.as_str(), attempt = lease.attempts + 1, outcome = Empty);
        let asking = async {
            Ok::<_, AppError>(match (adapter.kind, provider(adapter.kind)) {
                (AdapterKind::Smtp, _) => self.send(&rest, &adapter, &mut outgoing).await,
                (_, None) => self.post(&rest, &adapter, &outgoing).await?,
                (_, Some(provider)) => self.send_by(provider, &rest, &adapter, &outgoing).await,
            })
        };
        let (via, attempt) = asking.instrument(span.clone()).await?;
        span.record("outcome", attempt.as_ref().map_or("left", outcome_of));
        drop(span);
        let took = began.elapsed();
        drop(outgoing);
        match attempt {
            Some(mut attempt) => {
                attempt.recipients.extend(dropped);
                self.record(lease, &Via { took, ..via }, attempt).await
            }
            None => Ok(()),
        }
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(cause) = ended {
        // The lease ends, and the message is found again.
        error!(%cause, "an attempt panicked");
    }
}

#[cfg(test)]
mod tests;
