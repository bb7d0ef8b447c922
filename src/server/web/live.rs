//! `GET /logs/live`: server-sent events that say how a list of the log stands, whenever it stands differently. Source: WHATWG
//! HTML, Server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Instant, sleep};

use super::connections::Conduct;
use super::refusal::Refusal;
use crate::domain::address::logs::LogQuery;
use crate::domain::error::AppError;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::live::{Standing, look};
use crate::server_fns::emails::PAGE_SIZE;

/// How often the list is looked at, where that is quick.
const EVERY: Duration = Duration::from_secs(2);
/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// How long one answer lasts. The browser then asks again, and who may not any more is told.
const LASTS: Duration = Duration::from_secs(60);
/// How long a browser waits before it asks again.
const RETRY: Duration = Duration::from_secs(1);

/// The parameters of `/logs`, with `seen`, the moment at which the page was made, by default now. Needs `logs:view`. Each event is two
/// words: how many messages came since, and one for what the page's rows say.
pub async fn watch(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    conduct: Option<Extension<Arc<Conduct>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    let query = LogQuery::parse(&query.unwrap_or_default())?;
    // What is refused is refused before the answer begins. This look is in the request's turn among its team's.
    let (standing, took) = timed(&app, &viewer, &query).await?;
    let conduct = conduct.map(|Extension(conduct)| conduct);
    if let Some(conduct) = &conduct {
        conduct.wait_long();
    }
    let watching =
        Watching { app, viewer, query, conduct, told: None, next: Some(standing), took, ends: Instant::now() + LASTS };
    let events = Sse::new(stream::unfold(watching, Watching::next_event)).keep_alive(KeepAlive::new());
    // nginx would keep the events until a buffer is full.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok(([(header::CACHE_CONTROL, "no-store"), unbuffered], events).into_response())
}

/// A list that a browser is told about.
struct Watching {
    app: App,
    viewer: Viewer,
    query: LogQuery,
    conduct: Option<Arc<Conduct>>,
    told: Option<Standing>,
    /// What was looked at before the answer began.
    next: Option<Standing>,
    took: Duration,
    ends: Instant,
}

impl Watching {
    /// Waits until the list stands differently. `None` ends the answer.
    async fn next_event(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            let standing = match self.next.take() {
                Some(standing) => standing,
                None => {
                    self.pause().await?;
                    let _turn = self.app.readers.take(self.viewer.team).await;
                    let (standing, took) = timed(&self.app, &self.viewer, &self.query).await.ok()?;
                    self.took = took;
                    standing
                }
            };
            if self.told.as_ref() != Some(&standing) {
                let said = format!("{} {}", standing.new, standing.rows);
                self.told = Some(standing);
                return Some((Ok(Event::default().retry(RETRY).data(said)), self));
            }
        }
    }

    /// Waits between two looks; `None` when it is time to end, or the server stops. Without a connection nobody waits for more.
    async fn pause(&self) -> Option<()> {
        let wait = EVERY.max(self.took * SHARE);
        if Instant::now() + wait > self.ends {
            return None;
        }
        match &self.conduct {
            Some(conduct) => tokio::select! {
                () = sleep(wait) => Some(()),
                () = conduct.stopping() => None,
            },
            None => None,
        }
    }
}

/// Looks, and says how long that took.
async fn timed(app: &App, viewer: &Viewer, query: &LogQuery) -> Result<(Standing, Duration), AppError> {
    let begun = Instant::now();
    let standing = look(app, viewer, query, PAGE_SIZE).await?;
    Ok((standing, begun.elapsed()))
}
