//! An attempt by each kind of adapter. Before anything goes out, the row of the outbox says so where a repetition would be a
//! second message.

use tracing::warn;

use super::Worker;
use super::timeline::{Via, delta};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::suppression::SuppressionReason;
use crate::server::bounce_address::bounce_address;
use crate::server::delivery::endpoint::{SmtpEndpoint, SmtpSecret};
use crate::server::delivery::hidden::Hidden;
use crate::server::delivery::http::HttpRoute;
use crate::server::delivery::http_endpoint::{HttpEndpoint, HttpSecret};
use crate::server::delivery::providers::{Provider, ProviderRoute};
use crate::server::delivery::smtp::{Attempt, RecipientOutcome, SmtpRoute, Standing};
use crate::server::forgotten::hash_of_address;
use crate::server::store::outbox::{Lease, Outgoing, OutgoingAdapter};

impl Worker {
    /// Those of a message's recipients whom the team does not write to any more, with what is said of them.
    pub(super) async fn drop_suppressed(
        &self,
        lease: &Lease,
        channel: Channel,
    ) -> Result<Vec<(String, RecipientOutcome)>, AppError> {
        if channel != Channel::Email {
            return Ok(Vec::new());
        }
        let mut dropped = self.drop_forgotten(lease).await?;
        let suppressed = self.store.find_suppressed(lease.team_id, &lease.pending).await?;
        let suppressed = suppressed.into_iter().map(|(address, reason, since)| {
            let why = match reason {
                SuppressionReason::Bounced => "an earlier message came back",
                SuppressionReason::Complained => "an earlier message was marked as spam",
                SuppressionReason::Unsubscribed => "its owner unsubscribed",
                SuppressionReason::Manual => "somebody put it there",
            };
            let since = since.format("%Y-%m-%d");
            let reason = format!("Not sent: the address is on the suppression list since {since}, because {why}");
            (address, RecipientOutcome::Dropped { reason })
        });
        dropped.extend(
            suppressed.filter(|(address, _)| dropped.iter().all(|(other, _)| other != address)).collect::<Vec<_>>(),
        );
        Ok(dropped)
    }

    /// Those of them who were forgotten: only a hash is known of them.
    async fn drop_forgotten(&self, lease: &Lease) -> Result<Vec<(String, RecipientOutcome)>, AppError> {
        let hash = |address: &String| hash_of_address(&self.secret_key, lease.team_id, address);
        let hashes: Vec<String> = lease.pending.iter().map(hash).collect();
        let found = self.store.find_unwritten(lease.team_id, &hashes).await?;
        let since = |hash: &String| found.iter().find(|(other, _)| other == hash).map(|(_, at)| *at);
        let outcome = |at: chrono::DateTime<chrono::Utc>| {
            let since = at.format("%Y-%m-%d");
            let reason = format!("Not sent: this person was forgotten on {since} and is not written to any more");
            RecipientOutcome::Dropped { reason }
        };
        let dropped = lease.pending.iter().zip(&hashes);
        Ok(dropped.filter_map(|(address, hash)| Some((address.clone(), outcome(since(hash)?)))).collect())
    }

    fn smtp_route(&self, lease: &Lease, adapter: &OutgoingAdapter) -> Result<SmtpRoute, RecipientOutcome> {
        let endpoint: SmtpEndpoint = adapter.endpoint.parse().map_err(|_| wrong_address(adapter))?;
        let opened = SmtpSecret::open(&self.secret_key, &adapter.sealed_secret, lease.team_id, adapter.id);
        let secret = opened.map_err(|_| unreadable_secret(adapter))?;
        let bounces = endpoint.bounces.as_deref();
        let bounce_address =
            bounces.map(|domain| bounce_address(&self.secret_key, lease.team_id, lease.email_id, domain));
        Ok(SmtpRoute { adapter_id: adapter.id, endpoint, secret, bounce_address })
    }

    fn http_route(&self, lease: &Lease, adapter: &OutgoingAdapter) -> Result<HttpRoute, RecipientOutcome> {
        let endpoint: HttpEndpoint = adapter.endpoint.parse().map_err(|_| wrong_address(adapter))?;
        let opened = HttpSecret::open(&self.secret_key, &adapter.sealed_secret, lease.team_id, adapter.id);
        Ok(HttpRoute { endpoint, secret: opened.map_err(|_| unreadable_secret(adapter))? })
    }

    /// Sends a message by SMTP. No attempt when the lease was lost before anything went out.
    pub(super) async fn send(
        &self,
        lease: &Lease,
        adapter: &OutgoingAdapter,
        outgoing: &mut Outgoing,
    ) -> (Via, Option<Attempt>) {
        let route = match self.smtp_route(lease, adapter) {
            Ok(route) => route,
            Err(outcome) => return (Via::of(adapter, outgoing, None), Some(unusable(lease, &outcome))),
        };
        let via = Via::of(adapter, outgoing, Some((&route.endpoint.host, "smtp")));
        let hidden = Hidden::of_smtp(&route.secret);
        let message = (lease.email_id, lease.email_id.created_at());
        let tracker = self.tracker.as_deref();
        let Some(tracked) = tracker.and_then(|tracker| tracker.track(outgoing, (lease.team_id, lease.email_id))) else {
            let before = || self.mark_in_doubt(lease);
            let attempt = self.sender.send(&route, outgoing, message, &lease.pending, before).await;
            return (via, attempt.map(|attempt| hidden.scrub_attempt(attempt)));
        };
        let mut whole = Attempt::nobody();
        for to in tracked.mails(&lease.pending) {
            if let Some(outcome) = whole.unreachable() {
                whole.join(Attempt::all(to, &outcome));
                continue;
            }
            tracked.write(outgoing, to);
            // Without an attempt nothing is recorded: whoever has the lease now finds the message in doubt.
            match self.sender.send(&route, outgoing, message, to, || self.mark_in_doubt(lease)).await {
                Some(attempt) => whole.join(attempt),
                None => return (via, None),
            }
        }
        (via, Some(hidden.scrub_attempt(whole)))
    }

    /// Whether the lease still holds, now that a message's bytes go on their way where a repetition is not known.
    async fn mark_in_doubt(&self, lease: &Lease) -> bool {
        self.still_ours(lease, self.store.mark_in_doubt(lease).await)
    }

    /// Whether the lease still holds, before a request that may be repeated, by this adapter alone.
    async fn mark_given(&self, lease: &Lease) -> bool {
        let until = self.clock.now() + delta(self.settings.lease);
        self.still_ours(lease, self.store.mark_given(lease, until).await)
    }

    fn still_ours(&self, lease: &Lease, marked: Result<bool, AppError>) -> bool {
        marked.unwrap_or_else(|cause| {
            warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "could not mark the attempt");
            false
        })
    }

    /// Sends a message by a provider's API. It is marked as in doubt where the provider does not know a repetition. No attempt
    /// when the lease was lost.
    pub(super) async fn send_by(
        &self,
        provider: Provider,
        lease: &Lease,
        adapter: &OutgoingAdapter,
        outgoing: &Outgoing,
    ) -> (Via, Option<Attempt>) {
        let HttpRoute { endpoint, secret } = match self.http_route(lease, adapter) {
            Ok(route) => route,
            Err(outcome) => return (Via::of(adapter, outgoing, None), Some(unusable(lease, &outcome))),
        };
        let via = Via::of(adapter, outgoing, Some((endpoint.host(), endpoint.scheme())));
        let route = ProviderRoute { adapter_id: adapter.id, provider, endpoint, secret };
        let before = async || match provider.is_idempotent {
            true => self.mark_given(lease).await,
            false => self.mark_in_doubt(lease).await,
        };
        let message = (lease.email_id, self.clock.now());
        let attempt = self.providers.send(&route, outgoing, message, &lease.pending, before).await;
        let hidden = Hidden::of_http(adapter.kind, &route.secret);
        (via, attempt.map(|attempt| hidden.scrub_attempt(attempt)))
    }

    /// Posts a message. It is not marked as in doubt: the receiver knows a repetition by its key. No attempt when the
    /// lease was lost.
    pub(super) async fn post(
        &self,
        lease: &Lease,
        adapter: &OutgoingAdapter,
        outgoing: &Outgoing,
    ) -> Result<(Via, Option<Attempt>), AppError> {
        let route = match self.http_route(lease, adapter) {
            Ok(route) => route,
            Err(outcome) => return Ok((Via::of(adapter, outgoing, None), Some(unusable(lease, &outcome)))),
        };
        let via = Via::of(adapter, outgoing, Some((route.endpoint.host(), route.endpoint.scheme())));
        if !self.store.mark_given(lease, self.clock.now() + delta(self.settings.lease)).await? {
            return Ok((via, None));
        }
        let attempt = self.poster.send(&route, outgoing, lease.email_id, lease.attempts + 1, &lease.pending).await;
        Ok((via, Some(Hidden::of_http(adapter.kind, &route.secret).scrub_attempt(attempt))))
    }
}

/// An attempt by an adapter that cannot be used until it is saved again.
fn unusable(lease: &Lease, outcome: &RecipientOutcome) -> Attempt {
    Attempt { standing: Standing::Down, ..Attempt::all(&lease.pending, outcome) }
}

fn wrong_address(adapter: &OutgoingAdapter) -> RecipientOutcome {
    RecipientOutcome::Unreachable {
        reason: format!("The address of the adapter {} is wrong. Save the adapter again.", adapter.name),
    }
}

fn unreadable_secret(adapter: &OutgoingAdapter) -> RecipientOutcome {
    RecipientOutcome::Unreachable {
        reason: format!("The log-in of the adapter {} cannot be read. Save the adapter again.", adapter.name),
    }
}
