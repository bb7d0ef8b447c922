//! What a template says of opens, clicks and unsubscribing. Its fields belong to the editor's form.

use leptos::prelude::*;

use crate::components::field::SelectField;
use crate::domain::mount::mounted;
use crate::domain::tracking::{TemplateTracking, Tracking, choice_text};
use crate::server_fns::templates::TrackingFields;

/// The fields, folded where they say nothing that the team does not.
#[component]
pub(super) fn TrackingChoice(
    tracking: TemplateTracking,
    /// What the team tracks.
    team: Tracking,
    /// Why links of messages do not lead to the server as they should.
    unreachable: Option<String>,
) -> impl IntoView {
    let [opens, clicks, unsubscribe] = TrackingFields::NAMES;
    let options = |of_team: bool| {
        let team = if of_team { "As the team: tracked" } else { "As the team: not tracked" };
        [("team", team), ("yes", "Tracked"), ("no", "Not tracked")]
            .map(|(value, text)| (value.to_owned(), text.to_owned()))
    };
    let hint_id = "offers-unsubscribe-hint";
    view! {
        <fieldset class="field template-tracking" id="tracking">
            <legend>"Opens, clicks and unsubscribing"</legend>
            <p class="hint">
                "For messages of this template that go out by SMTP. " <a href=mounted("/help/tracking")>"What is recorded, and what not"</a>
            </p>
            {unreachable.map(|words| view! {
                <div class="callout" data-tone="waiting"><div class="callout-body"><p>{words}</p></div></div>
            })}
            <SelectField
                label="Opens"
                name=opens
                options=options(team.tracks_opens).to_vec()
                selected=choice_text(tracking.tracks_opens)
            />
            <SelectField
                label="Clicks"
                name=clicks
                options=options(team.tracks_clicks).to_vec()
                selected=choice_text(tracking.tracks_clicks)
            />
            <div class="rule">
                <label class="check">
                    <input
                        type="checkbox"
                        name=unsubscribe
                        value="1"
                        checked=tracking.offers_unsubscribe
                        aria-describedby=hint_id
                    />
                    "Let recipients unsubscribe with one click"
                </label>
                <p class="hint" id=hint_id>
                    "Mail programs then show a button beside the sender. Who uses it is written to no more by any message of the "
                    "team. Each recipient gets a mail of their own."
                </p>
            </div>
        </fieldset>
    }
}
