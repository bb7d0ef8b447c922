//! What happened to a message, newest first.

use chrono::TimeDelta;
use leptos::prelude::*;

use super::hint::Hint;
use super::icon::Icon;
use super::number::counted;
use super::status_badge::status_glyph;
use super::time::{Time, TimeStyle};
use crate::domain::event::{EmailEvent, EventDetail, TimelineEntry, preposition, timeline_entries};
use crate::domain::exchange::{AttemptRecord, Exchange};
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::domain::plain_words::of_event;

/// The events with their times to the second and the servers' answers.
#[component]
pub fn Timeline(
    /// Oldest first.
    events: Vec<EmailEvent>,
    /// The attempts that the events of Sendlog's own are about.
    #[prop(optional)]
    attempts: Vec<AttemptRecord>,
    /// Whether an event must say whom it is about.
    has_several_recipients: bool,
) -> impl IntoView {
    let attempt_of = |events: &[EmailEvent]| {
        let of_event = |attempt: &&AttemptRecord| events.iter().any(|event| event.id == attempt.id);
        attempts.iter().find(of_event).cloned()
    };
    let items = timeline_entries(events)
        .into_iter()
        .rev()
        .enumerate()
        .map(|(place, entry)| match entry {
            TimelineEntry::One(event) => {
                let attempt = attempt_of(std::slice::from_ref(&event));
                view! { <Event event=*event attempt place names_recipient=has_several_recipients/> }.into_any()
            }
            TimelineEntry::Many(events) => {
                let attempt = attempt_of(&events);
                view! { <Events events attempt place/> }.into_any()
            }
        })
        .collect_view();
    view! { <ol class="timeline">{items}</ol> }
}

#[component]
fn Event(event: EmailEvent, attempt: Option<AttemptRecord>, place: usize, names_recipient: bool) -> impl IntoView {
    let tone = event.kind.tone();
    let way = attempt.as_ref().map(way_words);
    let (server, reader) = (joined([server_words(&event.detail), way], ", "), reader_words(&event.detail));
    let EventDetail { message, reply, url, cause, .. } = event.detail;
    let recipient = event.recipient.filter(|_| names_recipient);
    view! {
        <li data-status=tone.as_str()>
            <span class="timeline-mark"><Icon glyph=status_glyph(tone)/></span>
            <div class="timeline-body">
                <p class="timeline-head">
                    <Hint id=format!("hint-event-{place}") words=of_event(event.kind)><strong>{event.kind.label()}</strong></Hint>
                    {cause.map(|cause| view! { <span class="tag">{cause.label()}</span> })}
                    {recipient.map(|recipient| view! { <span class="timeline-recipient">{recipient}</span> })}
                    <Time at=event.at style=TimeStyle::ShortSecond/>
                </p>
                {message.map(|message| view! { <p>{with_links(&message)}</p> })}
                {url.map(|url| view! { <p class="timeline-link">{url}</p> })}
                {server.map(|server| view! { <p>{server}</p> })}
                {reader.map(|reader| view! { <p>{reader}</p> })}
                {reply.map(|reply| view! { <code class="reply">{reply}</code> })}
                {attempt.map(|attempt| view! { <Said attempt/> })}
            </div>
        </li>
    }
}

/// What both sides said in an attempt, folded.
#[component]
fn Said(attempt: AttemptRecord) -> impl IntoView {
    let Some(Exchange(steps)) = attempt.exchange else {
        return view! { <p class="nothing">"Request and response are shown to those who may see contents."</p> }
            .into_any();
    };
    let steps = steps.into_iter().map(|step| {
        let (side, whose) = if step.is_ours { ("ours", "Sendlog") } else { ("theirs", "Server") };
        view! {
            <li data-side=side>
                <span class="visually-hidden">{whose}": "</span>
                <pre>{step.text}</pre>
            </li>
        }
    });
    view! {
        <details class="timeline-said">
            <summary>"Request and response"</summary>
            <ol class="exchange">{steps.collect_view()}</ol>
        </details>
    }
    .into_any()
}

/// How an attempt went: `over TLS 1.3, in 0.4 s`.
fn way_words(attempt: &AttemptRecord) -> String {
    let tls = attempt.tls.as_ref().map(|tls| format!("over {tls}"));
    let took = match attempt.duration_ms {
        ms @ ..1000 => format!("in {} ms", ms.max(0)),
        ms => format!("in {:.1} s", ms as f64 / 1000.0),
    };
    joined([tls, Some(took)], ", ").unwrap_or_default()
}

/// What happened to many recipients, once: "Delivered to 47 recipients", from when to when, and folded to whom.
#[component]
fn Events(
    /// Of one kind, oldest first.
    events: Vec<EmailEvent>,
    attempt: Option<AttemptRecord>,
    place: usize,
) -> impl IntoView {
    let (Some(first), Some(last)) = (events.first().cloned(), events.last().cloned()) else { return ().into_any() };
    let tone = first.kind.tone();
    let mut whom: Vec<&str> = events.iter().filter_map(|event| event.recipient.as_deref()).collect();
    whom.sort_unstable();
    whom.dedup();
    let words = format!("{} {}", preposition(first.kind), counted(whom.len() as i64, "recipient", "recipients"));
    let cause = first.detail.cause.map(|cause| view! { <span class="tag">{cause.label()}</span> });
    let ends_later = last.at - first.at >= TimeDelta::seconds(1);
    let each = events.into_iter().map(|event| {
        let said = event.detail.reply.or(event.detail.message);
        view! {
            <li>
                <span class="timeline-recipient">{event.recipient}</span>
                " "
                <Time at=event.at style=TimeStyle::ShortSecond/>
                {said.map(|said| view! { <code class="reply">{said}</code> })}
            </li>
        }
    });
    view! {
        <li data-status=tone.as_str()>
            <span class="timeline-mark"><Icon glyph=status_glyph(tone)/></span>
            <div class="timeline-body">
                <p class="timeline-head">
                    <Hint id=format!("hint-event-{place}") words=of_event(first.kind)><strong>{first.kind.label()}</strong></Hint>
                    {cause}
                    <span>{words}</span>
                    <span class="timeline-span">
                        <Time at=first.at style=TimeStyle::ShortSecond/>
                        {ends_later.then(|| view! { " – " <Time at=last.at style=TimeStyle::ShortSecond/> })}
                    </span>
                </p>
                <details class="timeline-each">
                    <summary>"Each of them"</summary>
                    <ul class="plain-list">{each.collect_view()}</ul>
                </details>
                {attempt.map(|attempt| view! { <Said attempt/> })}
            </div>
        </li>
    }
    .into_any()
}

/// The text, with the ids of messages in it as links to them.
fn with_links(text: &str) -> AnyView {
    let words = text.split_inclusive(' ').map(|word| {
        let end = word.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(word.len());
        let (id, rest) = word.split_at(end);
        match id.parse::<EmailId>() {
            Ok(known) if id.starts_with(EmailId::PREFIX) => {
                view! { <a class="id-link" href=mounted(format!("/logs/{known}"))>{id.to_owned()}</a> {rest.to_owned()} }
                    .into_any()
            }
            _ => word.to_owned().into_any(),
        }
    });
    words.collect_view().into_any()
}

/// Where it was handed over: `to smtp.finch.example (203.0.113.9) by smtp · answered by mx2.finch.example`.
fn server_words(detail: &EventDetail) -> Option<String> {
    let host = match (&detail.server, &detail.server_ip) {
        (Some(server), Some(ip)) => Some(format!("to {server} ({ip})")),
        (Some(one), None) | (None, Some(one)) => Some(format!("to {one}")),
        (None, None) => None,
    };
    let by = detail.protocol.as_ref().map(|protocol| format!("by {}", protocol.to_uppercase()));
    let way = joined([host, by], " ");
    joined([way, detail.mx.as_ref().map(|mx| format!("answered by {mx}"))], " · ")
}

/// Who read it, with what and where: `Thunderbird/140.4.0 · 192.0.2.7 · Berlin, DE`.
fn reader_words(detail: &EventDetail) -> Option<String> {
    joined([detail.user_agent.clone(), detail.ip.clone(), detail.country.clone()], " · ")
}

fn joined<const N: usize>(parts: [Option<String>; N], separator: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_where_and_by_whom_as_far_as_it_is_known() {
        let text = |text: &str| Some(text.to_owned());
        let detail = EventDetail {
            server: text("smtp.finch.example"),
            server_ip: text("203.0.113.9"),
            protocol: text("smtp"),
            mx: text("mx2.finch.example"),
            ip: text("192.0.2.7"),
            country: text("Berlin, DE"),
            ..EventDetail::default()
        };
        assert_eq!(
            server_words(&detail).as_deref(),
            Some("to smtp.finch.example (203.0.113.9) by SMTP · answered by mx2.finch.example")
        );
        assert_eq!(reader_words(&detail).as_deref(), Some("192.0.2.7 · Berlin, DE"));
        assert_eq!(server_words(&EventDetail::default()), None);
        let ip_alone = EventDetail { server_ip: text("203.0.113.9"), ..EventDetail::default() };
        assert_eq!(server_words(&ip_alone).as_deref(), Some("to 203.0.113.9"));
    }
}
