//! What people ask of a message that did not arrive: why, whose problem it is, what to tell the customer, and whether
//! sending it again helps.

use leptos::prelude::*;

use crate::components::copy_button::CopyButton;
use crate::components::time::Time;
use crate::domain::email::{ArrivedLater, EmailStatus};
use crate::domain::failure::FailureClass;
use crate::domain::filter::StatusSet;
use crate::domain::mount::mounted;

/// What a customer hears whose message was sent again.
const SENT_AGAIN: &str = "Our message did not reach you at first, so we have sent it again; please look into your inbox and your spam folder.";

/// The same while the copy is on its way.
const ON_ITS_WAY: &str =
    "Our message did not reach you at first, so we are sending it again; please look into your inbox in a few minutes.";

/// What a customer hears whose later messages arrived: what the server said is no longer so.
const LATER_ARRIVED: &str =
    "This message did not reach you, but a later one did; please tell us if you still need it, and we send it again.";

#[component]
pub fn Answer(
    failure: FailureClass,
    /// Who runs the recipient's mailbox.
    mailbox_provider: Option<String>,
    /// What the server or provider said.
    words: Option<String>,
    /// What became of its copy, where one went out or may yet.
    copy: Option<EmailStatus>,
    /// What reached the recipient after it.
    arrived_later: Option<ArrivedLater>,
) -> impl IntoView {
    let arrived_later = arrived_later.filter(|_| !copy.is_some_and(|copy| StatusSet::ARRIVED.contains(copy)));
    let (sentence, resending) = match copy {
        Some(EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked) => {
            (SENT_AGAIN.to_owned(), "Not needed: the copy arrived.".to_owned())
        }
        Some(EmailStatus::Sent) => (
            SENT_AGAIN.to_owned(),
            "Wait first: the mail server took the copy, and whether it arrived is not known yet.".to_owned(),
        ),
        Some(EmailStatus::Queued) => (ON_ITS_WAY.to_owned(), "Wait first: the copy is on its way.".to_owned()),
        Some(EmailStatus::Bounced | EmailStatus::Failed | EmailStatus::Spam) | None
            if arrived_later.is_some() && failure.passes() =>
        {
            let advice = "It can arrive now: what stopped it is over. Ask the customer whether it is still needed.";
            (LATER_ARRIVED.to_owned(), advice.to_owned())
        }
        Some(EmailStatus::Bounced | EmailStatus::Failed | EmailStatus::Spam) | None => {
            (failure.customer_sentence().to_owned(), format!("{}. {}", failure.resend().label(), failure.advice()))
        }
    };
    view! {
        <section class="callout answer" data-tone="error" aria-labelledby="answer">
            <h2 id="answer">
                <strong>{failure.label()}</strong>
                {mailbox_provider.map(|name| view! { <span class="answer-provider">{name}</span> })}
            </h2>
            {words.map(|words| view! { <p><code>{words}</code></p> })}
            <dl>
                {arrived_later.map(|later| view! { <SinceThen later/> })}
                <div>
                    <dt>"Whose problem"</dt>
                    <dd>{failure.whose().label()}</dd>
                </div>
                <div>
                    <dt>"Tell the customer"</dt>
                    <dd class="with-copy">
                        <q>{sentence.clone()}</q>
                        <CopyButton text=sentence label="Copy the sentence".to_owned()/>
                    </dd>
                </div>
                <div>
                    <dt>"Resending"</dt>
                    <dd>{resending}</dd>
                </div>
            </dl>
        </section>
    }
}

#[component]
fn SinceThen(later: ArrivedLater) -> impl IntoView {
    let ArrivedLater { newest, is_only } = later;
    let words = if is_only { "A later message arrived:" } else { "Later messages arrived, the last one:" };
    view! {
        <div>
            <dt>"Since then"</dt>
            <dd>{words} <a href=mounted(format!("/logs/{newest}"))><Time at=newest.created_at()/></a></dd>
        </div>
    }
}
