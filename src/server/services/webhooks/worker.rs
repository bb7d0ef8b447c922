//! Tells webhooks what they are to be told, beside any number of other programs. Started by `serve` with the worker. Each
//! webhook has a few posts under way at a time, so that one that is slow holds up no other; one that fails has a single one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument, debug_span, info, warn};

use super::sealed::Sealed;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{EventId, OutgoingWebhookId, TeamId};
use crate::domain::role::Role;
use crate::domain::webhook::{DeliveryState, DisabledReason, FAILS_FOR, retry_delay};
use crate::server::App;
use crate::server::delivery::http::HttpSettings;
use crate::server::delivery::webhook::{self, Posted, WebhookPost, WebhookPoster};
use crate::server::services::{audit, mail};
use crate::server::store::webhook_deliveries::{DeliveryLease, DueWebhook, TryOutcome};
use crate::server::telemetry::metrics;

/// How many posts are under way at once, over all webhooks and for one.
const CONCURRENCY: usize = 64;
const CONCURRENCY_PER_WEBHOOK: usize = 4;

/// How long a lease lasts: longer than a post and its look-up take.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// How often to look for what is due, and the pause between two looks that find something.
const POLL: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// How long posts under way may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(20);

/// By how much a delay varies at random, as a part of it.
const JITTER: f64 = 0.1;

/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(24);

/// The most people who are told by mail that a webhook was switched off.
const MOST_TOLD: usize = 20;

type Key = (TeamId, OutgoingWebhookId);

/// Tells webhooks of all teams. Cheap to clone.
#[derive(Clone)]
pub struct Teller {
    app: App,
    poster: Arc<WebhookPoster>,
    running: Arc<Mutex<HashMap<Key, usize>>>,
}

/// A post's place among those under way.
struct Slot {
    teller: Teller,
    key: Key,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.teller.running();
        if let Some(count) = running.get_mut(&self.key) {
            *count -= 1;
        }
        running.retain(|_, count| *count > 0);
    }
}

/// What is to be posted, with all that the post needs.
struct Job {
    lease: DeliveryLease,
    webhook: Arc<DueWebhook>,
    slot: Slot,
}

impl Teller {
    /// A teller over an app.
    pub fn new(app: App) -> Self {
        let settings = webhook::settings(app.config.outbound());
        Self::with(app, settings)
    }

    /// The same that posts in another way.
    pub fn with(app: App, settings: HttpSettings) -> Self {
        let poster = Arc::new(WebhookPoster::new(settings));
        Self { app, poster, running: Arc::default() }
    }

    /// Tells what is due until `shutdown` holds `true` or its sender is gone; then lets what is under way end.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut posts = JoinSet::new();
        while !*shutdown.borrow() {
            while posts.try_join_next().is_some() {}
            let pause = match self.lease().await {
                Ok(jobs) if jobs.is_empty() => POLL,
                Ok(jobs) => {
                    jobs.into_iter().for_each(|job| drop(posts.spawn(self.clone().tell(job))));
                    SHORTEST_PAUSE
                }
                Err(cause) => {
                    warn!(%cause, "could not look for what to tell webhooks");
                    POLL
                }
            };
            tokio::select! {
                changed = shutdown.changed() => if changed.is_err() { break },
                Some(_) = posts.join_next() => {}
                () = sleep(pause) => {}
            }
        }
        let ending = async { while posts.join_next().await.is_some() {} };
        if timeout(DRAIN, ending).await.is_err() {
            warn!("stopped before all posts to webhooks ended; they are made again");
        }
    }

    /// Tells all that is due now and waits for the ends; how many posts were made.
    pub async fn tell_due(&self) -> Result<usize, AppError> {
        let (mut posts, mut count) = (JoinSet::new(), 0);
        loop {
            for job in self.lease().await? {
                count += 1;
                posts.spawn(self.clone().tell(job));
            }
            if posts.join_next().await.is_none() {
                return Ok(count);
            }
        }
    }

    /// Leases what is due and has room.
    async fn lease(&self) -> Result<Vec<Job>, AppError> {
        let now = self.app.clock.now();
        let due = self.app.store.list_due_webhooks(now).await?;
        let shares = self.shares(&due);
        let leases =
            self.app.store.lease_deliveries(now, now + LEASE, self.app.clock.mint::<EventId>().0, &shares).await?;
        let due: HashMap<Key, Arc<DueWebhook>> =
            due.into_iter().map(|webhook| ((webhook.team_id, webhook.id), Arc::new(webhook))).collect();
        let job = |lease: DeliveryLease| {
            let key = (lease.team_id, lease.webhook_id);
            let webhook = Arc::clone(due.get(&key)?);
            *self.running().entry(key).or_default() += 1;
            Some(Job { lease, webhook, slot: Slot { teller: self.clone(), key } })
        };
        Ok(leases.into_iter().filter_map(job).collect())
    }

    /// How many posts each webhook may begin: at most half of the room that is left, and one where there is any.
    fn shares(&self, due: &[DueWebhook]) -> Vec<(TeamId, OutgoingWebhookId, usize)> {
        let running = self.running();
        let mut room = CONCURRENCY.saturating_sub(running.values().sum());
        let mut shares = Vec::new();
        // Whose turn it is comes round: with no room left, the last of a list would wait for ever.
        let first = if due.is_empty() { 0 } else { rand::random_range(0..due.len()) };
        for webhook in due[first..].iter().chain(&due[..first]) {
            let key = (webhook.team_id, webhook.id);
            let most = if webhook.failing_since.is_some() { 1 } else { CONCURRENCY_PER_WEBHOOK };
            let own = most.saturating_sub(running.get(&key).copied().unwrap_or_default());
            let count = own.min((room / 2).max(1)).min(room);
            if count > 0 {
                shares.push((key.0, key.1, count));
                room -= count;
            }
        }
        shares
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell(self, job: Job) {
        let Job { lease, webhook, slot } = job;
        let span = debug_span!("webhook", team.id = %lease.team_id, webhook.id = %lease.webhook_id, http.response.status_code = Empty);
        let posted = self.post(&lease, &webhook).instrument(span.clone()).await;
        span.record("http.response.status_code", posted.status);
        drop(span);
        if let Err(cause) = self.settle(&lease, &webhook, &posted).await {
            // The lease ends, and the post is made once more.
            warn!(team.id = %lease.team_id, webhook.id = %lease.webhook_id, %cause, "could not keep what a webhook answered");
        }
        drop(slot);
    }

    async fn post(&self, lease: &DeliveryLease, webhook: &DueWebhook) -> Posted {
        let at = self.app.clock.now();
        let sealed = match Sealed::open(&self.app, &webhook.sealed, webhook.team_id, webhook.id) {
            Ok(sealed) => sealed,
            Err(_) => {
                let answer = "The address cannot be read: it was kept with another key of the server".to_owned();
                return Posted { status: None, answer, retry_after: None, duration_ms: 0 };
            }
        };
        let secrets = sealed.secrets(at);
        let (url, body) = (sealed.url.as_str(), lease.body.as_str());
        self.poster.post(&WebhookPost { url, shape: webhook.shape, secrets: &secrets, id: lease.id, at, body }).await
    }

    async fn settle(&self, lease: &DeliveryLease, webhook: &DueWebhook, posted: &Posted) -> Result<(), AppError> {
        let now = self.app.clock.now();
        let outcome = outcome(lease.tries + 1, posted, now);
        let took = Duration::from_millis(u64::try_from(posted.duration_ms).unwrap_or_default());
        metrics::count_delivery(outcome.state.as_str(), took);
        if !self.app.store.settle_delivery(lease, &outcome).await? {
            return Ok(());
        }
        match (posted.status, webhook.failing_since) {
            (Some(410), _) => self.disable(webhook, DisabledReason::Gone, None).await,
            (_, Some(since)) if outcome.state != DeliveryState::Delivered && now - since >= FAILS_FOR => {
                self.disable(webhook, DisabledReason::Failing, Some(now - FAILS_FOR)).await
            }
            (_, _) => Ok(()),
        }
    }

    async fn disable(
        &self,
        due: &DueWebhook,
        reason: DisabledReason,
        failing_since: Option<DateTime<Utc>>,
    ) -> Result<(), AppError> {
        let (app, team) = (&self.app, due.team_id);
        let Some((webhook, _)) = app.store.find_outgoing_webhook(team, due.id).await? else { return Ok(()) };
        let event = audit::by_server(app, AuditAction::OutgoingWebhookDisabled).about(due.id, &webhook.name);
        let event = event.because(reason.label());
        let now = app.clock.now();
        if app.store.disable_outgoing_webhook(team, due.id, (now, reason), failing_since, &event).await? {
            info!(team.id = %team, webhook.id = %due.id, reason = reason.as_str(), "switched a webhook off");
            let (app, name) = (app.clone(), webhook.name);
            let page = format!("{}/settings/webhooks/{}", app.config.public_url().trim_end_matches('/'), due.id);
            tokio::spawn(async move { tell_admins(&app, team, &name, reason, &page).await });
        }
        Ok(())
    }
}

/// What a try of this number, from 1, comes to.
fn outcome(tries: i64, posted: &Posted, now: DateTime<Utc>) -> TryOutcome {
    let next_try_at = match posted.status {
        Some(200..=299 | 410) => None,
        Some(_) | None => retry_delay(tries).map(|delay| {
            let asked = posted.retry_after.and_then(|asked| TimeDelta::from_std(asked).ok()).unwrap_or_default();
            now + jittered(delay).max(asked.min(LONGEST_PAUSE))
        }),
    };
    let state = match (posted.status, next_try_at) {
        (Some(200..=299), _) => DeliveryState::Delivered,
        (_, Some(_)) => DeliveryState::Waiting,
        (_, None) => DeliveryState::Failed,
    };
    let (duration_ms, status, answer) = (posted.duration_ms, posted.status, posted.answer.clone());
    TryOutcome { state, at: now, next_try_at, duration_ms, status, answer }
}

fn jittered(delay: TimeDelta) -> TimeDelta {
    let millis = delay.num_milliseconds() as f64 * (1.0 + rand::random_range(-JITTER..=JITTER));
    TimeDelta::milliseconds(millis as i64)
}

/// Writes to owners and admins that a webhook was switched off, where the team has a mail server.
async fn tell_admins(app: &App, team: TeamId, name: &str, reason: DisabledReason, page: &str) {
    let Ok(members) = app.store.list_members(team).await else { return };
    let text = format!(
        "Sendlog has switched the webhook “{name}” off: {}.\n\nWhat happens to messages is not posted there any more. \
         Mend its receiver, then switch it on again:\n{page}\n",
        reason.label().to_lowercase()
    );
    let admins = members.into_iter().filter(|member| matches!(member.role, Role::Owner | Role::Admin));
    for member in admins.take(MOST_TOLD) {
        let subject = format!("The webhook “{name}” was switched off");
        mail::try_system_mail(app, team, &mail::SystemMail { to: member.email, subject, text: text.clone() }).await;
    }
}
