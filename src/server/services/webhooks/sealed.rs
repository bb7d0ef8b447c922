//! What is sealed of a webhook: its address, which can hold a key, and what its posts are signed with.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::error::AppError;
use crate::domain::ids::{OutgoingWebhookId, TeamId};
use crate::server::App;
use crate::server::delivery::webhook::new_secret;

/// How long posts are signed with the secret before the present one as well.
const OVERLAP: TimeDelta = TimeDelta::hours(24);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub url: String,
    pub secret: String,
    pub former: Option<Former>,
}

/// A secret that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Former {
    pub secret: String,
    pub until: DateTime<Utc>,
}

impl Sealed {
    pub fn seal(&self, app: &App, team: TeamId, id: OutgoingWebhookId) -> String {
        app.secret_key.seal(json!(self).to_string().as_bytes(), &context(team, id))
    }

    pub fn open(app: &App, sealed: &str, team: TeamId, id: OutgoingWebhookId) -> Result<Self, AppError> {
        serde_json::from_slice(&app.secret_key.open(sealed, &context(team, id))?).map_err(|_| AppError::Internal)
    }

    /// The same with a fresh secret.
    pub fn rotated(self, now: DateTime<Utc>) -> Self {
        let former = Former { secret: self.secret, until: now + OVERLAP };
        Self { secret: new_secret(), former: Some(former), ..self }
    }

    /// What to sign with, the newest first.
    pub fn secrets(&self, now: DateTime<Utc>) -> Vec<&str> {
        let former = self.former.iter().filter(|former| former.until > now).map(|former| former.secret.as_str());
        [self.secret.as_str()].into_iter().chain(former).collect()
    }
}

fn context(team: TeamId, id: OutgoingWebhookId) -> String {
    format!("outgoing-webhook:{team}:{id}")
}
