//! The head of a message's page: its subject and status, what can be done with it, and its neighbours in the list.

use leptos::prelude::*;

use super::is_on_its_way;
use crate::components::ask::WhomToAsk;
use crate::components::can::{Can, may};
use crate::components::channel_mark::ChannelMark;
use crate::components::copy_button::CopyButton;
use crate::components::email_words::{resent_words, shown_subject, spoken_list};
use crate::components::hint::Hint;
use crate::components::resend_button::ResendButton;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{TimeStyle, ViewerClock};
use crate::domain::address;
use crate::domain::channel::Channel;
use crate::domain::email::{ArrivedLater, EmailDetail};
use crate::domain::failure::FailureClass;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::of_status;
use crate::domain::resend::{ResendRule, SentCopy};
use crate::domain::resend_job::{is_doubtful, likely_end};
use crate::domain::shelf_life::{Staleness, staleness};
use crate::domain::viewer::Viewer;
use crate::server_fns::emails::ListPlace;

#[component]
pub fn Head(
    detail: EmailDetail,
    arrived_later: Option<ArrivedLater>,
    /// The page's address.
    url: String,
    list: Option<ListPlace>,
) -> impl IntoView {
    let email = &detail.email;
    let query = list.as_ref().map(|list| format!("?{}", list.query)).unwrap_or_default();
    // To its row, where the list has it.
    let row = list.as_ref().map_or(email.id, |list| list.row);
    let way_back = format!("/logs{}#{row}", query.trim_end_matches('?'));
    let resend_list = list.as_ref().map(ListPlace::to_list);
    let refresh = is_on_its_way(email);
    let (channel, status) = (email.channel, email.status);
    let lacks_resend = status.can_be_resent() && !may(Permission::LogsResend);
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted(way_back) data-press="Escape">"Logs"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            {list.map(|list| view! { <Neighbours list/> })}
            <h1 class="message-subject" dir="auto">{shown_subject(&email.subject, channel)}</h1>
            <span role="status">
                <span id="message-status" data-refresh=refresh>
                    <Hint id="hint-status".to_owned() words=of_status(status)><StatusBadge status/></Hint>
                </span>
            </span>
            {(channel != Channel::Email).then(|| view! { <ChannelMark channel/> })}
            <div class="page-actions" id="message-actions" data-refresh=refresh>
                <CopyButton text=url label="Copy the link".to_owned()/>
                {lacks_resend.then(|| view! {
                    <p class="obstacle">"Your role cannot resend messages. " <WhomToAsk/></p>
                })}
                <Can permission=Permission::LogsResend>
                    <Resend detail=detail.clone() arrived_later list=resend_list.clone() row/>
                </Can>
            </div>
        </div>
    }
}

/// The way to send it again, or why there is none.
#[component]
fn Resend(
    detail: EmailDetail,
    arrived_later: Option<ArrivedLater>,
    list: Option<String>,
    row: EmailId,
) -> impl IntoView {
    let rule = use_context::<Viewer>().map_or(ResendRule::Failed, |viewer| viewer.resend_rule());
    if let Some(reason) = detail.email.resend_obstacle(rule) {
        return view! {
            <span class="obstacle" id="resend-obstacle">{reason}</span>
            <button class="button" disabled aria-describedby="resend-obstacle">"Resend"</button>
        }
        .into_any();
    }
    let passed = detail.failure.is_some_and(FailureClass::passes) && arrived_later.is_some();
    let warnings = warnings(&detail, passed);
    let is_doubtful = !passed && detail.failure.is_some_and(is_doubtful);
    let again = went_out(&detail).map(|sent| sent.id);
    let EmailDetail { email, .. } = detail;
    let recipient = spoken_list(&email.recipients);
    let (id, channel, subject) = (email.id, email.channel, email.subject);
    view! { <ResendButton id channel recipient subject warnings is_doubtful again list row/> }.into_any()
}

/// The message that says the same and went out, or may have: a relative, or this one itself.
fn went_out(detail: &EmailDetail) -> Option<SentCopy> {
    let email = &detail.email;
    let own = || {
        let reach = email.reach()?;
        let at = email.delivered_at.or(email.sent_at).unwrap_or_else(|| email.created_at());
        Some(SentCopy { id: email.id, is_copy: false, reach, at })
    };
    detail.sent_copy.or_else(own)
}

/// What to know before it is sent again: whether it was already, what a copy will likely meet, whether it is out of date.
/// `passed` says that the reason of its failure is over: later messages arrived.
fn warnings(detail: &EmailDetail, passed: bool) -> Vec<String> {
    let by = detail.resent_by.as_deref();
    let earlier = match (went_out(detail), detail.copy) {
        (Some(sent), _) => Some(told(&sent, by)),
        (None, Some((copy, status))) => Some(resent_words(copy, status, by)),
        (None, None) => None,
    };
    let end = detail.failure.map(|class| match passed {
        true => "It may arrive by now: another message to the recipient arrived later.".to_owned(),
        false => format!("{}.", likely_end(class)),
    });
    let stale = staleness(&detail.email, &detail.content.variables, ViewerClock::of_page().now).map(stale_words);
    [earlier, end, stale].into_iter().flatten().collect()
}

/// What the dialog says of a message that went out already: "It was sent again at 15:58 by Mara Ott, and arrived."
fn told(SentCopy { id, is_copy, reach, at }: &SentCopy, by: Option<&str>) -> String {
    let time = ViewerClock::of_page().format(*at, TimeStyle::Short);
    let (again, by) = match is_copy {
        true => (" again", by.map(|by| format!(" {by}")).unwrap_or_default()),
        false => ("", String::new()),
    };
    format!("It was sent{again} at {time}{by}, as {id}, and {}.", reach.words())
}

fn stale_words(stale: Staleness) -> String {
    match stale {
        Staleness::Expired { variable, at } => {
            let time = ViewerClock::of_page().format(at, TimeStyle::Short);
            format!("By its variable “{variable}” it expired at {time}: the copy carries the same link or code.")
        }
        Staleness::MayHaveExpired { days } => {
            let age = age_words(days);
            format!("It is {age} old: a link or code in it may have expired, and the copy carries the same one.")
        }
        Staleness::NamesADay { days } => {
            format!("It is {} old: what it says of a day may no longer be true.", age_words(days))
        }
    }
}

fn age_words(days: i64) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

/// The messages beside this one in the list that the viewer comes from.
#[component]
fn Neighbours(list: ListPlace) -> impl IntoView {
    let query = list.to_list();
    let step = |id: Option<EmailId>, words: &'static str, rel: &'static str, key: &'static str| match id {
        Some(id) => {
            let url = address::url(&format!("/logs/{id}"), vec![("list", query.clone())]);
            view! { <a class="page-step" href=mounted(url) rel=rel data-press=key title=format!("{words} ({key})")>{words}</a> }
                .into_any()
        }
        None => view! { <span class="page-step" aria-hidden="true">{words}</span> }.into_any(),
    };
    let (newer, older) = (step(list.newer, "Newer", "prev", "k"), step(list.older, "Older", "next", "j"));
    view! { <nav class="neighbours" aria-label="Neighbours in the list">{newer}{older}</nav> }
}
