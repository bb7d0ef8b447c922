//! Limits on guessing. Attempts are counted in the database, so that a restart or a second node forgets none. What is
//! counted is kept as a hash: the table names nobody.

use chrono::TimeDelta;

use crate::domain::error::AppError;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::listen::network_of;
use crate::server::secrets::token_hash;

/// How many attempts a window allows.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    name: &'static str,
    attempts: i64,
    window: TimeDelta,
}

/// Wrong passwords for one account, and from one address for one account.
pub const LOG_IN: Limit = Limit { name: "log-in", attempts: 5, window: TimeDelta::minutes(15) };

/// Wrong passwords from one address, for whatever accounts.
pub const LOG_IN_ADDRESS: Limit = Limit { name: "log-in-address", attempts: 50, window: TimeDelta::minutes(15) };

/// Wrong codes of one account's second factor.
pub const SECOND_FACTOR: Limit = Limit { name: "second-factor", attempts: 5, window: TimeDelta::minutes(15) };

/// Letters for a new password that one network address asks for.
pub const RESET_ADDRESS: Limit = Limit { name: "reset-address", attempts: 3, window: TimeDelta::hours(1) };

/// Letters for a new password to one account, whether it exists or not.
pub const RESET: Limit = Limit { name: "reset", attempts: 3, window: TimeDelta::hours(1) };

/// Registrations from one address.
pub const REGISTRATION: Limit = Limit { name: "registration", attempts: 3, window: TimeDelta::hours(1) };

/// Invitations of one team, new ones and those sent again.
pub const INVITATION: Limit = Limit { name: "invitation", attempts: 30, window: TimeDelta::hours(1) };

/// Test messages of one team's adapters.
pub const ADAPTER_TEST: Limit = Limit { name: "adapter-test", attempts: 30, window: TimeDelta::hours(1) };

/// Tests of one team's webhooks.
pub const WEBHOOK_TEST: Limit = Limit { name: "webhook-test", attempts: 60, window: TimeDelta::hours(1) };

/// Forms of one person that were sent after the session had ended.
pub const DRAFT: Limit = Limit { name: "draft", attempts: 30, window: TimeDelta::hours(1) };

/// What attempts are counted by: the network address; of IPv6, the network, within which everybody has as many as they like.
pub fn address(origin: &RequestOrigin) -> String {
    let address = origin.address.as_deref().unwrap_or("unknown");
    address.parse().map_or_else(|_| address.to_owned(), |ip| network_of(ip).to_string())
}

/// Counts one more attempt at `subject`; [AppError::RateLimited] when that is one too many.
pub async fn count_attempt(app: &App, limit: Limit, subject: &str) -> Result<(), AppError> {
    let now = app.clock.now();
    let (attempts, ends_at) = app.store.count_attempt(&key(limit, subject), now, now + limit.window).await?;
    if attempts <= limit.attempts {
        return Ok(());
    }
    let retry_after_s = u64::try_from((ends_at - now).num_seconds()).unwrap_or(0).max(1);
    Err(AppError::RateLimited { retry_after_s })
}

/// Takes the attempt back that was just counted, after it succeeded; what failed before stays counted.
pub async fn forgive_attempt(app: &App, limit: Limit, subject: &str) -> Result<(), AppError> {
    app.store.forgive_attempt(&key(limit, subject)).await
}

/// Forgets the attempts at `subject`, after one that succeeded.
pub async fn clear_attempts(app: &App, limit: Limit, subject: &str) -> Result<(), AppError> {
    app.store.clear_attempts(&key(limit, subject)).await
}

fn key(limit: Limit, subject: &str) -> String {
    format!("{}:{}", limit.name, token_hash(subject))
}
