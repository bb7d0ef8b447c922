//! Bulk resends: what one would do, making it, watching and steering it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::address::resends::NewResendQuery;
use crate::domain::draft::Draft;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::ResendJobId;
use crate::domain::page::CursorPage;
use crate::domain::resend_job::{Preflight, ResendItem, ResendItemState, ResendJob, ResendStep};
use crate::server_fns::emails::LogFrame;

/// Messages on a page of a report.
pub const PAGE_SIZE: i64 = 100;

/// What the page shows that asks before a bulk resend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewResendView {
    pub preflight: Preflight,
    /// Makes a form that is sent twice start one resend.
    pub once: String,
    pub draft: Draft,
}

/// What the page of a bulk resend shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResendView {
    pub job: ResendJob,
    /// What the list is called that its messages are of; `None` where its filter is.
    pub list: Option<LogFrame>,
    pub items: Vec<ResendItem>,
    /// What became of its copies: how many have each status.
    pub copies: Vec<(EmailStatus, i64)>,
    /// Whether the page may soon say something else.
    pub may_change: bool,
}

/// What a bulk resend would do, by the query string of its page. Needs `logs:view` and `logs:resend`.
#[server]
pub async fn load_new_resend(address: String) -> Result<NewResendView, AppError> {
    use crate::server::{context, secrets::random_token, services::resends};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let query = NewResendQuery::parse(&address)?;
    let (form, options) = (form_of(&query), query.options);
    let preflight = resends::preflight(&app, &viewer, &query.into(), options).await?;
    let draft = super::draft::load_draft(form).await?;
    Ok(NewResendView { preflight, once: random_token(), draft })
}

/// Starts a bulk resend of `expected` messages and goes on to its page. Needs `logs:view` and `logs:resend`.
#[server]
pub async fn create_resend(
    address: String,
    #[server(default)] name: String,
    #[server(default)] reason: String,
    per_minute: i64,
    #[server(default)] expected: Option<i64>,
    #[server(default)] once: String,
) -> Result<(), AppError> {
    use crate::server::context;
    use crate::server::services::resends::{self, NewResend};
    use crate::server::services::send::{IdempotencyKey, KeptAnswer};
    let query = NewResendQuery::parse(&address)?;
    let draft = Draft::of(form_of(&query)).with("name", &name).with("reason", &reason);
    let draft = draft.with("per_minute", &per_minute.to_string());
    let (app, viewer) = (context::app(), context::viewer_of(&draft).await?);
    let said = format!("{address}\n{name}\n{reason}\n{per_minute}");
    let key = (!once.is_empty()).then(|| IdempotencyKey { endpoint: "page:/resends", key: once, body: said.into() });
    let options = query.options;
    let new = NewResend { name, reason: Some(reason), per_minute, selection: query.into(), options, expected };
    let answer = |job: &ResendJob| Ok(KeptAnswer { status: 303, body: job.id.to_string() });
    let result = resends::create_resend(&app, &viewer, new, key, answer).await;
    let answer = context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    crate::server::context::redirect(&format!("/resends/{}", answer.body));
    Ok(())
}

/// The team's bulk resends, the newest first: those older than `before` where that is given. Needs `logs:view`.
#[server]
pub async fn load_resends(#[server(default)] before: Option<ResendJobId>) -> Result<CursorPage<ResendJob>, AppError> {
    use crate::server::{context, services::resends};
    resends::list_resends(&context::app(), &context::viewer().await?, before, 50).await
}

/// A bulk resend with a page of its messages. Needs `logs:view`.
#[server]
pub async fn load_resend(
    id: ResendJobId,
    #[server(default)] state: Option<ResendItemState>,
    page: i64,
) -> Result<ResendView, AppError> {
    use crate::domain::address::resends::list_of;
    use crate::domain::search::Qualifier;
    use crate::server::context;
    use crate::server::services::{condition_names, reasons, resends, search};
    use crate::server_fns::emails::load_log_frame;
    let (app, viewer) = (context::app(), context::viewer().await?);
    let job = resends::find_resend(&app, &viewer, id).await?;
    let list = match list_of(&job) {
        Some(query) => {
            let typed = query.search.to_string();
            let mut frame = load_log_frame(query.period.clone(), query.template_id, typed).await?;
            // A group of failures is called as in the list; a list that is too slow now withholds nothing else.
            if query.search.conditions.iter().any(|condition| condition.qualifier == Qualifier::Group)
                && let Ok(filter) = search::filter_at(&app, &viewer, &query).await
                && let Ok(shown) = reasons::list_reasons(&app, &viewer, &filter).await
            {
                frame.names = condition_names::names_of(&app, &viewer, &query.search, shown.as_ref()).await?;
            }
            Some(frame)
        }
        None => None,
    };
    let offset = page.saturating_sub(1).max(0).saturating_mul(PAGE_SIZE);
    let items = resends::list_items(&app, &viewer, id, state, offset, PAGE_SIZE).await?;
    let copies = resends::count_copies(&app, &viewer, id).await?;
    let may_change = resends::may_change(&app, &job, &copies);
    Ok(ResendView { job, list, items, copies, may_change })
}

/// Pauses, resumes or stops a bulk resend. Needs `logs:view` and `logs:resend`.
#[server]
pub async fn steer_resend(id: ResendJobId, step: ResendStep) -> Result<(), AppError> {
    use crate::server::{context, services::resends};
    resends::steer_resend(&context::app(), &context::viewer().await?, id, step).await?;
    crate::server::context::redirect(&format!("/resends/{id}"));
    Ok(())
}

/// The name of the form that resends this choice of messages.
pub fn form_of(query: &NewResendQuery) -> String {
    format!("resend {}", query.to_url())
}
