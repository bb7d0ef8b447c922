//! `/requests/:id`: one API request with its answer, and the messages it made.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::layout::{Section, in_layout};
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::copy_button::CopyButton;
use crate::components::email_words::spoken_list;
use crate::components::http::{HttpStatusBadge, Method};
use crate::components::json::indented;
use crate::components::number::{byte_size, counted, duration};
use crate::components::reveal::ContentsNote;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{Time, TimeStyle};
use crate::domain::api_request::{ApiRequest, ApiRequestDetail, BODY_CAP_BYTES, LoggedBody, is_answered_read};
use crate::domain::channel::Channel;
use crate::domain::email::EmailSummary;
use crate::domain::error::AppError;
use crate::domain::ids::ApiRequestId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::api_requests::{RequestView, RevealRequest, load_request};

/// What stands for a body that there is none of.
const NO_BODY: &str = "None, or no text.";

#[component]
pub fn RequestPage() -> impl IntoView {
    let id =
        use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<ApiRequestId>().ok()));
    let load = async move { load_request(id.ok_or_else(|| AppError::not_found("API request"))?).await };
    in_layout(Section::Requests, load, |view| view! { <Request view/> })
}

#[component]
fn Request(view: RequestView) -> impl IntoView {
    let RequestView { detail, public_url } = view;
    let curl = detail.request.to_curl(&public_url);
    let ApiRequestDetail { request, api_key_name, emails, visibility, masks_marked, reveal } = detail;
    let id = request.id.to_string();
    let absent = if is_answered_read(&request.method, &request.endpoint, request.response_status) {
        "What a successful read was answered is not kept: it can be asked for again."
    } else {
        NO_BODY
    };
    view! {
        <Title text=format!("{} {} · Sendlog", request.method, request.endpoint)/>
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/requests")>"API requests"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <h1 class="request-line"><Method method=request.method.clone()/>" "{request.endpoint.clone()}</h1>
            <HttpStatusBadge status=request.response_status/>
            {curl.map(|curl| view! {
                <div class="page-actions">
                    <button type="button" class="button needs-script" title="The same request for a shell; put your key in" data-copy=curl>
                        <span aria-live="polite">"Copy as curl"</span>
                    </button>
                </div>
            })}
        </div>
        <ContentsNote visibility hides_marked=masks_marked reveal action=RevealRequest::PATH id/>
        <div class="request-grid">
            <div class="request-about">
                <Facts request=request.clone() api_key_name/>
                <Messages emails/>
            </div>
            <div class="request-bodies">
                <Body title="Request body" body=request.request_body absent=NO_BODY/>
                <Body title="Response body" body=request.response_body absent/>
            </div>
        </div>
    }
}

#[component]
fn Facts(request: ApiRequest, api_key_name: Option<String>) -> impl IntoView {
    let id = request.id.to_string();
    let key = match (request.api_key_id, api_key_name) {
        (Some(id), name) => {
            let url = format!("/requests?key={id}");
            let name = name.unwrap_or_else(|| id.to_string());
            view! { <a href=mounted(url) title="All requests with this key in the last 7 days">{name}</a> }.into_any()
        }
        (None, _) => "none: a session of the dashboard".into_any(),
    };
    let user = request.user_id.map(|user| {
        view! { <div class="fact"><dt>"User"</dt><dd><code>{user.to_string()}</code></dd></div> }
    });
    let agent = match request.user_agent {
        Some(agent) => agent.into_any(),
        None => view! { <span class="nothing">"none"</span> }.into_any(),
    };
    view! {
        <section class="panel" aria-label="Request">
            <div class="panel-head"><h2>"Request"</h2></div>
            <dl class="facts">
                <div class="fact"><dt>"Arrived"</dt><dd><Time at=request.at style=TimeStyle::Second/></dd></div>
                <div class="fact"><dt>"Took"</dt><dd>{duration(request.duration_ms)}</dd></div>
                <div class="fact"><dt>"Answer"</dt><dd>{request.response_status}</dd></div>
                <div class="fact"><dt>"API key"</dt><dd>{key}</dd></div>
                {user}
                <div class="fact"><dt>"User agent"</dt><dd>{agent}</dd></div>
                <div class="fact">
                    <dt>"Id"</dt>
                    <dd class="with-copy"><code>{id.clone()}</code><CopyButton text=id label="Copy the id".to_owned()/></dd>
                </div>
            </dl>
        </section>
    }
}

/// The messages that the request made.
#[component]
fn Messages(emails: Vec<EmailSummary>) -> impl IntoView {
    let count = counted(emails.len() as i64, "message", "messages");
    let list = if !may(Permission::LogsView) {
        view! { <p class="panel-body nothing">"Your role may not see messages."</p> }.into_any()
    } else if emails.is_empty() {
        view! { <p class="panel-body nothing">"It created none."</p> }.into_any()
    } else {
        let rows = emails.into_iter().map(|email| view! { <Message email/> }).collect_view();
        view! { <ul class="made">{rows}</ul> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Messages it created">
            <div class="panel-head"><h2>"Messages it created"</h2><p>{may(Permission::LogsView).then_some(count)}</p></div>
            {list}
        </section>
    }
}

#[component]
fn Message(email: EmailSummary) -> impl IntoView {
    let mark = (email.channel != Channel::Email).then(|| view! { <ChannelMark channel=email.channel/> });
    view! {
        <li>
            <StatusBadge status=email.status/>
            <span class="made-words">
                <span><a class="row-link" href=mounted(format!("/logs/{}", email.id))>{spoken_list(&email.recipients)}</a>{mark}</span>
                <span class="made-subject">{email.subject}</span>
            </span>
        </li>
    }
}

#[component]
fn Body(title: &'static str, body: LoggedBody, absent: &'static str) -> impl IntoView {
    let text = body.text.as_deref().filter(|_| !body.is_withheld() && !body.is_masked()).map(indented);
    let marks = [
        body.truncated.then(|| view! { <span class="tag" data-tone="waiting">"truncated"</span> }.into_any()),
        body.is_redacted().then(|| view! { <span class="tag">"redacted"</span> }.into_any()),
    ];
    let cap = byte_size(BODY_CAP_BYTES as i64);
    let notes = [
        body.truncated.then(|| format!("The end is missing: at most {cap} of a body are kept.")),
        (body.is_redacted() && !body.is_withheld()).then(|| "Secrets are replaced by “[redacted]”.".to_owned()),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    let content = match &text {
        Some(text) => view! { <pre class="code body" tabindex="0" aria-label=title>{text.clone()}</pre> }.into_any(),
        None if body.is_masked() => view! { <p class="nothing">"Hidden."</p> }.into_any(),
        None if body.is_withheld() => {
            view! { <p class="nothing">"It is not kept: it is no JSON, which alone can be searched for secrets."</p> }
                .into_any()
        }
        None => view! { <p class="nothing">{absent}</p> }.into_any(),
    };
    view! {
        <section class="panel" aria-label=title>
            <div class="panel-head">
                <h2>{title}</h2>
                {marks.into_iter().flatten().collect_view()}
                {text.map(|text| view! {
                    <span class="panel-actions"><CopyButton text label=format!("Copy the {}", title.to_lowercase())/></span>
                })}
            </div>
            <div class="panel-body">
                {content}
                {(!notes.is_empty()).then(|| view! { <p class="hint body-note">{notes.join(" ")}</p> })}
            </div>
        </section>
    }
}
