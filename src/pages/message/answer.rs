//! What people ask of a message that did not arrive: why, whose problem it is, what to tell the customer, and whether
//! sending it again helps.

use leptos::prelude::*;

use crate::components::copy_button::CopyButton;
use crate::domain::email::EmailStatus;
use crate::domain::failure::FailureClass;

/// What a customer hears whose message was sent again.
const SENT_AGAIN: &str = "Our message did not reach you at first, so we have sent it again; please look into your inbox and your spam folder.";

/// The same while the copy is on its way.
const ON_ITS_WAY: &str =
    "Our message did not reach you at first, so we are sending it again; please look into your inbox in a few minutes.";

#[component]
pub fn Answer(
    failure: FailureClass,
    /// Who runs the recipient's mailbox.
    mailbox_provider: Option<String>,
    /// What the server or provider said.
    words: Option<String>,
    /// What became of its copy, where one went out or may yet.
    copy: Option<EmailStatus>,
) -> impl IntoView {
    let (sentence, resending) = match copy {
        Some(EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked) => {
            (SENT_AGAIN.to_owned(), "Not needed: the copy arrived.".to_owned())
        }
        Some(EmailStatus::Sent) => (
            SENT_AGAIN.to_owned(),
            "Wait first: the mail server took the copy, and whether it arrived is not known yet.".to_owned(),
        ),
        Some(EmailStatus::Queued) => (ON_ITS_WAY.to_owned(), "Wait first: the copy is on its way.".to_owned()),
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
