//! What somebody sent after their session had ended: kept sealed for an hour, and given back to the same person in the same
//! browser until the form is sent with success or the draft is discarded. Nothing is carried out. Called by
//! [crate::server::web]'s drafts.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::limits;
use crate::domain::draft::{Draft, PROFILE_FORM};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::server::App;
use crate::server::secrets::token_hash;
use crate::server::store::drafts::StoredDraft;

/// How long a draft is kept.
pub const LASTS: TimeDelta = TimeDelta::hours(1);
/// The longest draft that is kept, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Whose draft it is, and where it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    pub user: UserId,
    /// A token that the browser holds.
    pub browser: String,
    /// The team that they are in.
    pub team: Option<TeamId>,
}

/// A draft with the page that its form stood on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDraft {
    /// Path and query, where the browser told them.
    pub page: Option<String>,
    /// The team that it was typed in, and the only one that it comes back in; `None` for the person's own account.
    #[serde(default)]
    pub team: Option<TeamId>,
    pub draft: Draft,
}

impl KeptDraft {
    /// A draft that its writer sent from this page.
    pub fn from_page(writer: &Writer, page: Option<String>, draft: Draft) -> Self {
        Self { page, team: writer.team.filter(|_| draft.form() != PROFILE_FORM), draft }
    }

    /// Whether it is the writer's of this form, in the team that they are in.
    fn is_for(&self, writer: &Writer, form: &str) -> bool {
        self.draft.form() == form && self.team.is_none_or(|team| writer.team == Some(team))
    }
}

/// Keeps a draft in the place of the last one of its writer; `false` for one that is too long and for an account that is
/// gone or in no team. [AppError::RateLimited] when there were too many.
pub async fn keep(app: &App, writer: &Writer, kept: &KeptDraft) -> Result<bool, AppError> {
    let plain = serde_json::to_vec(kept).unwrap_or_default();
    if plain.is_empty() || plain.len() > MAX_BYTES {
        return Ok(false);
    }
    limits::count_attempt(app, limits::DRAFT, &writer.user.to_string()).await?;
    let draft = StoredDraft {
        browser_hash: token_hash(&writer.browser),
        sealed: app.secret_key.seal(&plain, &place_of(writer.user)),
        expires_at: app.clock.now() + LASTS,
    };
    app.store.keep_draft(writer.user, &draft).await
}

/// The draft that waits for its writer, where one does, in whichever team.
pub async fn find_waiting(app: &App, writer: &Writer) -> Result<Option<KeptDraft>, AppError> {
    Ok(find(app, writer).await?.map(|(_, kept)| kept))
}

/// The email address of the writer, where a draft waits for them.
pub async fn find_email(app: &App, writer: &Writer) -> Result<Option<String>, AppError> {
    match find(app, writer).await? {
        Some(_) => Ok(app.store.find_user(writer.user).await?.map(|user| user.email)),
        None => Ok(None),
    }
}

/// The writer's draft of this form.
pub async fn find_draft(app: &App, writer: &Writer, form: &str) -> Result<Option<Draft>, AppError> {
    Ok(find(app, writer).await?.filter(|(_, kept)| kept.is_for(writer, form)).map(|(_, kept)| kept.draft))
}

/// Puts what was typed since in the place of the writer's draft of the same form, where one waits.
pub async fn renew(app: &App, writer: &Writer, draft: &Draft) -> Result<(), AppError> {
    if let Some((_, kept)) = find(app, writer).await?.filter(|(_, kept)| kept.is_for(writer, draft.form())) {
        keep(app, writer, &KeptDraft { draft: draft.clone(), ..kept }).await?;
    }
    Ok(())
}

/// Deletes the writer's draft of this form, where one waits.
pub async fn delete(app: &App, writer: &Writer, form: &str) -> Result<(), AppError> {
    if let Some((sealed, _)) = find(app, writer).await?.filter(|(_, kept)| kept.is_for(writer, form)) {
        app.store.delete_draft(writer.user, &sealed).await?;
    }
    Ok(())
}

/// A draft as it is stored and as it is. One that another key sealed is none.
async fn find(app: &App, writer: &Writer) -> Result<Option<(String, KeptDraft)>, AppError> {
    let found = app.store.find_draft(writer.user, &token_hash(&writer.browser), app.clock.now()).await?;
    Ok(found.and_then(|sealed| {
        let plain = app.secret_key.try_open(&sealed, &place_of(writer.user))?;
        Some((sealed, serde_json::from_slice(&plain).ok()?))
    }))
}

fn place_of(user: UserId) -> String {
    format!("draft:{user}")
}
