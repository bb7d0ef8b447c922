//! The log as a file: `GET /logs/export`, with the filters of the log page. It is read and sent a page at a time, so that
//! its length costs no memory. When reading fails half-way the connection is cut: the file must not look whole.

mod sheet;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::stream;
use serde_json::{Value, json};

use self::sheet::Sheet;
use super::cookies::Cookie;
use super::csrf;
use super::refusal::Refusal;
use crate::domain::address::{self, logs::LogQuery};
use crate::domain::email::{Email, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::filter::{Condition, Criteria, EmailFilter, TimeRange, Wanted};
use crate::domain::ids::EmailId;
use crate::domain::list_view::ListView;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::{emails, period, search};

/// The most messages of one file.
const MAX_ROWS: i64 = 100_000;
/// The most messages that are chosen one by one.
const MAX_CHOSEN: usize = 200;
/// Messages that are read at a time.
const PAGE_ROWS: i64 = 500;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl Format {
    fn read(name: &str) -> Result<Self, AppError> {
        match name {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(AppError::invalid_field("format", "format must be csv or ndjson")),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// `GET /logs/export?format=csv`, and the parameters of `/logs`, or `ids`, one for each of some messages. Needs `logs:export`
/// and `logs:view`. The newest [MAX_ROWS] messages of the list, newest first, as the viewer sees them; CSV in the columns
/// that this browser shows.
pub async fn download(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    csrf::require_same_origin(&headers, &app.config)?;
    let (format, ids, query) = read_query(&query.unwrap_or_default())?;
    let filter = if ids.is_empty() { search::filter_at(&app, &viewer, &query).await? } else { chosen(&ids) };
    // The first page is read before the answer begins, so that what fails at once is told.
    emails::begin_export(&app, &viewer, format.as_str(), audited(&query, &ids)).await?;
    let zone = period::time_zone(viewer.time_zone());
    let sheet = (format == Format::Csv).then(|| {
        let look = Cookie::View.find(&headers, app.config.is_https()).map(ListView::read).unwrap_or_default();
        Sheet::new(&look, zone)
    });
    let now = app.clock.now().with_timezone(&zone);
    let name = format!("messages-{}.{}", now.format("%Y%m%d-%H%M%S"), format.as_str());
    let mut export = Export { app, viewer, filter, sheet, first: None, rows: 0, last: None };
    export.first = Some(export.beginning()? + &export.read().await?.unwrap_or_default());
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    let pages = stream::try_unfold(export, Export::next_piece);
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// A file that is being sent.
struct Export {
    app: App,
    viewer: Viewer,
    filter: EmailFilter,
    /// The columns of CSV; `None` for JSON.
    sheet: Option<Sheet>,
    /// The beginning and the first page, until they are sent.
    first: Option<String>,
    /// How many messages were read.
    rows: i64,
    /// The last of them.
    last: Option<EmailId>,
}

impl Export {
    fn beginning(&self) -> Result<String, AppError> {
        self.sheet.as_ref().map_or_else(|| Ok(String::new()), Sheet::head)
    }

    async fn next_piece(mut self) -> Result<Option<(Bytes, Self)>, AppError> {
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => self.read().await?,
        };
        Ok(piece.map(|piece| (piece.into(), self)))
    }

    /// The lines of the next page; `None` after the last.
    async fn read(&mut self) -> Result<Option<String>, AppError> {
        let limit = PAGE_ROWS.min(MAX_ROWS - self.rows);
        if limit <= 0 {
            return Ok(None);
        }
        let Self { app, viewer, filter, last, .. } = &*self;
        let (ids, lines): (Vec<EmailId>, String) = match &self.sheet {
            Some(sheet) => {
                let rows = emails::export_rows(app, viewer, filter, *last, limit).await?;
                (rows.iter().map(|row| row.email.id).collect(), sheet.lines(&rows)?)
            }
            None => {
                let page = emails::export_page(app, viewer, filter, *last, limit).await?;
                let ids = page.iter().map(|email| email.id).collect();
                (ids, page.into_iter().map(|email| format!("{}\n", object(email))).collect())
            }
        };
        let Some(last) = ids.last() else { return Ok(None) };
        self.rows += ids.len() as i64;
        self.last = Some(*last);
        Ok(Some(lines))
    }
}

/// The format, by default CSV, the messages that were chosen, and what the log page would show.
fn read_query(query: &str) -> Result<(Format, Vec<EmailId>, LogQuery), AppError> {
    let (mut format, mut ids) = (Format::Csv, Vec::new());
    for (name, value) in address::pairs(query) {
        match name.as_str() {
            "format" => format = Format::read(&value)?,
            "ids" => ids.push(address::read_id(&name, &value, "a message")?),
            _ => {}
        }
    }
    if ids.len() > MAX_CHOSEN {
        return Err(AppError::invalid_field(
            "ids",
            format!("choose at most {MAX_CHOSEN} messages, or export the whole list"),
        ));
    }
    Ok((format, ids, LogQuery::parse(query)?.with_page(1)))
}

/// These messages and no others, whatever else the address says.
fn chosen(ids: &[EmailId]) -> EmailFilter {
    let conditions = vec![Condition { is_not: false, any_of: ids.iter().copied().map(Wanted::Email).collect() }];
    let moment = TimeDelta::milliseconds(1);
    let range = TimeRange {
        from: ids.iter().min().map(|id| id.created_at()),
        to: ids.iter().max().map(|id| id.created_at() + moment),
    };
    EmailFilter { range, criteria: Criteria { conditions, ..Criteria::default() }, ..EmailFilter::default() }
}

/// The filter as the audit log tells of it.
fn audited(query: &LogQuery, ids: &[EmailId]) -> Value {
    if !ids.is_empty() {
        return json!({ "ids": ids });
    }
    query.fields().into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn addresses(email: &Email, kind: RecipientKind) -> Vec<String> {
    let of_kind = email.recipients.iter().filter(|recipient| recipient.kind == kind);
    of_kind.map(|recipient| recipient.address.clone()).collect()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn object(email: Email) -> Value {
    json!({
        "id": email.id,
        "created_at": time(email.created_at()),
        "status": email.status,
        "channel": email.channel.as_str(),
        "to": addresses(&email, RecipientKind::To),
        "cc": addresses(&email, RecipientKind::Cc),
        "bcc": addresses(&email, RecipientKind::Bcc),
        "from": email.from_address,
        "subject": email.subject,
        "template": email.template_name,
        "sent_at": email.sent_at.map(time),
        "delivered_at": email.delivered_at.map(time),
        "error": email.error_message,
        "tags": email.tags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_those_of_the_log_page_and_a_format() {
        let (format, _, query) = read_query("format=ndjson&status=failed&page=3").unwrap();
        assert_eq!((format, query.page, query.statuses.is_empty()), (Format::Ndjson, 1, false));
        assert_eq!(read_query("").unwrap().0, Format::Csv);
        assert!(read_query("format=xlsx").is_err() && read_query("status=lost").is_err());
        assert_eq!(read_query("q=ada%20-is:resent&utm_source=mail").unwrap().2.search.to_string(), "ada -is:resent");
    }
}
