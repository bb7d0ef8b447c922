//! Mails that report what became of a message: one as it came, and what was recorded of it.

use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::TooMany;
use super::{Answer, Success, success};
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::server::App;
use crate::server::api::extract::{Caller, read_body};
use crate::server::inbound::bounce::{Outcome, receive_from};
use crate::server::services::bounces::Recorded;

/// The largest mail, in bytes.
const MAX_MAIL_BYTES: usize = 1024 * 1024;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(report_bounce))
}

/// Records what a mail reports of a message: that it came back, waits or arrived (RFC 3464), or that its recipient complained
/// (RFC 5965). The body is the mail as it came, of at most 1 MiB, whatever the content type says. Once this answers, what is
/// `recorded` is kept. Sending the mail again changes nothing. Needs `events:write`.
#[utoipa::path(
    post, path = "/api/v1/bounces", tag = "events", summary = "Report a bounce",
    request_body(content((String = "message/rfc822"), (String = "text/plain"))),
    responses(
        (status = 200, description = "What was recorded, or why nothing was", body = Success<BounceAnswer>),
        TooMany,
    ),
)]
async fn report_bounce(State(app): State<App>, Caller(viewer, ()): Caller, request: Request) -> Answer<BounceAnswer> {
    let mail = read_body(request).await?;
    if mail.is_empty() {
        return Err(AppError::invalid("The body is empty: post the mail as it came").into());
    }
    if mail.len() > MAX_MAIL_BYTES {
        return Err(AppError::TooLarge { limit_bytes: MAX_MAIL_BYTES as u64 }.into());
    }
    Ok(success(receive_from(&app, &viewer, mail).await?.into()))
}

/// What was recorded of a mail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BounceAnswer {
    /// How many events stand in the message's history now that did not before.
    pub recorded: usize,
    /// How many stood there before.
    pub duplicates: usize,
    /// The message it is about; null where there is none.
    #[schema(value_type = Option<String>, required)]
    pub email_id: Option<EmailId>,
    /// Why nothing was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl From<Outcome> for BounceAnswer {
    fn from(outcome: Outcome) -> Self {
        let nothing = |email_id, reason| Self { recorded: 0, duplicates: 0, email_id, reason: Some(reason) };
        match outcome {
            Outcome::Recorded(Recorded::Taken { email, new, known }) => {
                Self { recorded: new, duplicates: known, email_id: Some(email), reason: None }
            }
            Outcome::Recorded(Recorded::OtherRecipients(email)) => {
                nothing(Some(email), "The mail is about nobody that the message went to")
            }
            Outcome::Recorded(Recorded::UnknownMessage) | Outcome::NoMessage => {
                nothing(None, "The mail names no message of this team")
            }
            Outcome::NoReport => nothing(None, "The mail is no bounce and no complaint that Sendlog can read"),
        }
    }
}
