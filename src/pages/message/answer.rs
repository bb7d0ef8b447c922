//! What people ask of a message that did not arrive: why, whose problem it is, what to tell the customer, and whether
//! sending it again helps.

use leptos::prelude::*;

use crate::components::copy_button::CopyButton;
use crate::domain::failure::FailureClass;

#[component]
pub fn Answer(
    failure: FailureClass,
    /// Who runs the recipient's mailbox.
    mailbox_provider: Option<String>,
    /// What the server or provider said.
    words: Option<String>,
    /// Whether a copy of the message got through, so that nothing is left to do.
    got_through: bool,
) -> impl IntoView {
    let sentence = failure.customer_sentence().to_owned();
    let resending = match got_through {
        true => "Not needed: the copy got through.".to_owned(),
        false => format!("{}. {}", failure.resend().label(), failure.advice()),
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
                {(!got_through).then(|| view! {
                    <div>
                        <dt>"Tell the customer"</dt>
                        <dd class="with-copy">
                            <q>{sentence.clone()}</q>
                            <CopyButton text=sentence label="Copy the sentence".to_owned()/>
                        </dd>
                    </div>
                })}
                <div>
                    <dt>"Resending"</dt>
                    <dd>{resending}</dd>
                </div>
            </dl>
        </section>
    }
}
