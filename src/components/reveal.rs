//! What stands in the place of contents that the viewer does not see, and the form that asks for a reason.

use leptos::prelude::*;

use super::ask::WhomToAsk;
use super::field::{HiddenFields, TextField};
use super::icon::{Glyph, Icon};
use super::time::Time;
use crate::domain::masking::{Contents, REVEAL_MINUTES, Reveal, Visibility};
use crate::domain::mount::mounted;

/// Says what is hidden and why; where the viewer may see it, asks for the reason. Nothing where all is shown, or where a
/// reason shows it: then that reason.
#[component]
pub fn ContentsNote(
    /// What the viewer sees.
    visibility: Visibility,
    /// Whether values of marked variables are hidden.
    hides_marked: bool,
    /// The reason that counts.
    reveal: Option<Reveal>,
    /// Where the form goes.
    action: &'static str,
    /// The id of the message or request.
    id: String,
) -> impl IntoView {
    let form = {
        let id = id.clone();
        move || view! { <ReasonForm action id=id.clone()/> }
    };
    match (visibility.contents, reveal) {
        (Contents::Hidden, _) => view! {
            <Note glyph=Glyph::Lock><p><strong>"Hidden."</strong>" Your role does not see contents. "<WhomToAsk/></p></Note>
        }
        .into_any(),
        (Contents::Locked, _) => view! {
            <Note glyph=Glyph::Lock>
                <p><strong>"Hidden."</strong>" Your team asks for a reason before contents are shown. It is kept in the audit log."</p>
                {form()}
            </Note>
        }
        .into_any(),
        (Contents::AllButMarked, _) if hides_marked => view! {
            <Note glyph=Glyph::Lock>
                <p><strong>"Some values are masked."</strong>" Give a reason to see them. It is kept in the audit log."</p>
                {form()}
            </Note>
        }
        .into_any(),
        (Contents::All, Some(reveal)) => view! {
            <Note glyph=Glyph::Eye>
                <p><strong>"Revealed until "<Time at=reveal.until/></strong>". Reason: "{reveal.reason}</p>
            </Note>
        }
        .into_any(),
        (Contents::AllButMarked | Contents::All, _) => ().into_any(),
    }
}

#[component]
fn Note(glyph: Glyph, children: Children) -> impl IntoView {
    view! {
        <section class="callout" aria-label="Contents">
            <Icon glyph/>
            <div class="callout-body">{children()}</div>
        </section>
    }
}

#[component]
fn ReasonForm(action: &'static str, id: String) -> impl IntoView {
    view! {
        <form class="reason-form" method="post" action=mounted(action)>
            <HiddenFields fields=vec![("id", id)]/>
            <TextField label="Reason" name="reason" min_length=3 placeholder="Ticket 4711: the link did not arrive"/>
            <button class="button primary">{format!("Show for {REVEAL_MINUTES} minutes")}</button>
        </form>
    }
}
