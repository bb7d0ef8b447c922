//! `/u/{token}`: the page by which somebody unsubscribes, and what mail programs post in their place. Looking changes nothing:
//! filters look at every link. No session is read or made here. Sources: RFC 2369; RFC 8058.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::body::{self, ANONYMOUS_BODY_BYTES};
use super::html::escaped;
use super::site::SITE;
use crate::domain::error::AppError;
use crate::domain::mount::mount_path;
use crate::server::App;
use crate::server::services::tracking::{self, Unsubscribing};

/// What a post says that unsubscribes.
const FIELD: (&str, &str) = ("List-Unsubscribe", "One-Click");

/// The policy of these pages: our own style, and a form that leads to us.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// The route.
pub fn routes(app: &App) -> Router {
    Router::new().route("/u/{token}", get(ask).post(unsubscribe)).with_state(app.clone())
}

async fn ask(State(app): State<App>, Path(token): Path<String>) -> Response {
    match tracking::find_unsubscribing(&app, &token).await {
        Ok(Some(Unsubscribing { address, team_name, is_done: false })) => {
            let words = format!("{team_name} will not write to {address} any more.");
            answer(StatusCode::OK, page(&format!("Unsubscribe from {team_name}?"), &words, Some("Unsubscribe")))
        }
        Ok(Some(done)) => answer(StatusCode::OK, done_page(&done)),
        Ok(None) => unknown(),
        Err(error) => failure(&error),
    }
}

async fn unsubscribe(State(app): State<App>, Path(token): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let held = match body::read(&app.bodies, &parts, body, ANONYMOUS_BODY_BYTES).await {
        Ok(held) => held,
        Err(error) => return failure(&error),
    };
    if !asks_for_it(&parts.headers, &held.bytes) {
        let words = "Open the link from the message, and use the button on its page.";
        return answer(StatusCode::BAD_REQUEST, page("Nothing was changed", words, None));
    }
    match body::in_time(tracking::unsubscribe(&app, &token)).await.flatten() {
        Ok(Some(done)) => answer(StatusCode::OK, done_page(&done)),
        Ok(None) => unknown(),
        Err(error) => failure(&error),
    }
}

/// Whether a post says that it unsubscribes: as a form, or in parts, as RFC 8058 leaves open.
fn asks_for_it(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let mut fields = form_urlencoded::parse(body.trim_ascii_end());
        return fields.any(|(name, value)| (&*name, &*value) == FIELD);
    }
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    text.split("\n\n").zip(text.split("\n\n").skip(1)).any(|(head, content)| {
        let is_field = head.contains(&format!("name=\"{}\"", FIELD.0)) || head.contains(&format!("name={}", FIELD.0));
        is_field && content.lines().next().map(str::trim) == Some(FIELD.1)
    })
}

fn done_page(done: &Unsubscribing) -> String {
    let Unsubscribing { address, team_name, .. } = done;
    page("You are unsubscribed", &format!("{team_name} does not write to {address} any more."), None)
}

fn unknown() -> Response {
    let words = "The link was cut off or changed, or its message is not kept any more. Use the link of a newer message, or write \
                 to whoever sent it.";
    answer(StatusCode::NOT_FOUND, page("This link does not work", words, None))
}

fn failure(error: &AppError) -> Response {
    let status = match error {
        AppError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        AppError::Validation { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, page("That did not work", "Nothing was changed. Try again in a moment.", None))
}

/// A page as an answer.
pub(super) fn answer(status: StatusCode, page: String) -> Response {
    (status, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}

/// A page for somebody who came by a link, in the look of the others; `button` posts to the same address.
pub(super) fn page(title: &str, words: &str, button: Option<&str>) -> String {
    let (title, words, mount, package) = (escaped(title), escaped(words), mount_path(), SITE.package());
    let form = button.map_or_else(String::new, |button| {
        format!(
            r#"<form class="stack" method="post"><input type="hidden" name="{}" value="{}"><button class="button primary wide">{}</button></form>"#,
            FIELD.0,
            FIELD.1,
            escaped(button)
        )
    });
    format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="robots" content="noindex"><title>{title}</title><link rel="icon" href="{mount}/favicon.svg" type="image/svg+xml"><link rel="stylesheet" href="{mount}/{package}/sendlog.css"></head><body><main class="bare"><div class="bare-card"><h1>{title}</h1><p>{words}</p>{form}</div></main></body></html>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_that_does_not_say_so_unsubscribes_nobody() {
        let asks = |kind: &str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            asks_for_it(&headers, body.as_bytes())
        };
        let form = "application/x-www-form-urlencoded";
        for (kind, body) in [
            (form, "List-Unsubscribe=One-Click"),
            (form, "a=b&List-Unsubscribe=One-Click\r\n"),
            ("", "List-Unsubscribe=One-Click"),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n",
            ),
            (
                "Multipart/Form-Data; boundary=x",
                "--x\nContent-Disposition: form-data; name=List-Unsubscribe\n\nOne-Click\n--x--",
            ),
        ] {
            assert!(asks(kind, body), "{kind} {body}");
        }
        for (kind, body) in [
            (form, ""),
            (form, "List-Unsubscribe"),
            (form, "List-Unsubscribe=no"),
            (form, "x=List-Unsubscribe=One-Click"),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nOne-Click\r\n--x--",
            ),
            ("multipart/form-data; boundary=x", "List-Unsubscribe=One-Click"),
        ] {
            assert!(!asks(kind, body), "{kind} {body}");
        }
    }

    #[test]
    fn a_page_says_nothing_that_is_not_a_text() {
        let page = page("<Finch> & \"Co\"", "<script>", Some("</button>"));
        assert!(
            !page.contains("<script>")
                && !page.contains("<Finch>")
                && page.contains("&lt;Finch&gt; &amp; &quot;Co&quot;")
        );
    }
}
