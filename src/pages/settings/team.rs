//! `/settings/team`: the team's name, its rules and its end.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::can::may;
use crate::components::field::{OfTeam, TextField};
use crate::components::number::counted;
use crate::domain::draft::Draft;
use crate::domain::field_rule::FieldRule;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::retention::{DAYS_WORDS, MAX_DAYS, Retention};
use crate::domain::team::Team;
use crate::domain::tracking::Tracking;
use crate::server_fns::team::{
    DeleteTeam, TeamView, UpdateRetention, UpdateTeam, UpdateTracking, kept_label, load_team,
};

/// The team. Every member sees it.
#[component]
pub fn TeamPage() -> impl IntoView {
    settings_page(Tab::Team, load_team(), |team| view! { <TeamSettings team/> })
}

#[component]
fn TeamSettings(team: TeamView) -> impl IntoView {
    let TeamView { team, without_two_factor, viewer_lacks_it, retention, tracking, unreachable, draft } = team;
    let ending = may(Permission::TeamDelete).then(|| view! { <EndOfTeam team=team.clone()/> });
    view! {
        <Rules team without_two_factor viewer_lacks_it draft=draft.clone()/>
        <Tracked tracking unreachable draft=draft.clone()/>
        <Keeping retention draft/>
        {ending}
    }
}

#[component]
fn Rules(team: Team, without_two_factor: usize, viewer_lacks_it: bool, draft: Draft) -> impl IntoView {
    let is_locked = !may(Permission::TeamUpdate);
    let rules = team.rules;
    let two_factor = two_factor_words(rules.demands_two_factor, without_two_factor, viewer_lacks_it);
    let is_on = |rule: &str, now: bool| draft.get(rule).map_or(now, |typed| typed == "on");
    let may_unmask = !rules.masks_addresses || may(Permission::LogsReveal);
    view! {
        <section class="panel narrow" aria-label="Name and rules">
            <form class="panel-body" method="post" action=mounted(UpdateTeam::PATH) data-unsaved="">
                <OfTeam/>
                <fieldset class="bare-fieldset" disabled=is_locked>
                    <legend class="visually-hidden">"Name and rules"</legend>
                    <TextField label="Name" name="name" max_length=100 value=draft.get("name").unwrap_or(team.name)/>
                    <Rule
                        name="demands_two_factor"
                        label="Members need two-factor authentication"
                        hint=two_factor
                        is_on=is_on("demands_two_factor", rules.demands_two_factor)
                        is_fixed=viewer_lacks_it && !rules.demands_two_factor
                    />
                    <Rule
                        name="masks_addresses"
                        label="Mask email addresses and phone numbers"
                        hint="Members whose role may not see contents (logs:reveal) see a•••@example.com in the log, in the API and in exports."
                        is_on=is_on("masks_addresses", rules.masks_addresses)
                        is_fixed=!may_unmask
                    />
                    <Rule
                        name="reveals_with_reason"
                        label="Ask for a reason before contents are shown"
                        hint="Members whose role may see contents (logs:reveal) give a reason before they see a message's variables, body and links. The reason is kept in the audit log."
                        is_on=is_on("reveals_with_reason", rules.reveals_with_reason)
                        is_fixed=false
                    />
                    {(!is_locked)
                        .then(|| view! { <div class="form-foot"><button class="button primary">"Save"</button></div> })}
                </fieldset>
            </form>
        </section>
    }
}

fn two_factor_words(demands: bool, without: usize, viewer_lacks_it: bool) -> String {
    let locked_out = "cannot see the team's data until they set it up";
    match (demands, without) {
        (_, 0) => format!("Every member has it. New members {locked_out}."),
        (true, without) => {
            format!(
                "{} not set it up yet and cannot see the team's data.",
                counted(without as i64, "member has", "members have")
            )
        }
        (false, without) => {
            let count = counted(without as i64, "member lacks", "members lack");
            let first = if viewer_lacks_it { " Set it up in your own profile first." } else { "" };
            format!("{count} it now. They {locked_out}.{first}")
        }
    }
}

#[component]
fn Rule(
    name: &'static str,
    label: &'static str,
    #[prop(into)] hint: String,
    is_on: bool,
    /// Whether this viewer cannot change it. A box that is fixed sends nothing, so what it says goes along unseen.
    is_fixed: bool,
) -> impl IntoView {
    let hint_id = format!("{name}-hint");
    view! {
        <div class="rule">
            <label class="check">
                <input type="checkbox" name=name checked=is_on disabled=is_fixed aria-describedby=hint_id.clone()/>
                {label}
            </label>
            {(is_fixed && is_on).then(|| view! { <input type="hidden" name=name value="on"/> })}
            <p class="hint" id=hint_id>{hint}</p>
        </div>
    }
}

/// What messages that go out by SMTP tell of those who read them.
#[component]
fn Tracked(tracking: Tracking, unreachable: Option<String>, draft: Draft) -> impl IntoView {
    let is_locked = !may(Permission::TeamUpdate);
    let is_on = |rule: &str, now: bool| draft.get(rule).map_or(now, |typed| typed == "on");
    view! {
        <section class="panel narrow" aria-label="Opens and clicks" id="tracking">
            <div class="panel-head"><h2>"Opens and clicks"</h2></div>
            <form class="panel-body" method="post" action=mounted(UpdateTracking::PATH) data-unsaved="">
                <OfTeam/>
                <fieldset class="bare-fieldset" disabled=is_locked>
                    <legend class="visually-hidden">"Opens and clicks"</legend>
                    <p class="hint">
                        "For messages with an HTML body that go out by SMTP; providers track by themselves. A template can say "
                        "otherwise for its own messages. " <a href=mounted("/help/tracking")>"What is recorded, and what not"</a>
                    </p>
                    {unreachable.map(|words| view! {
                        <div class="callout" data-tone="waiting"><div class="callout-body"><p>{words}</p></div></div>
                    })}
                    <Rule
                        name="tracks_opens"
                        label="Track opens"
                        hint="Adds a picture of one pixel to each message. Mail programs that load no pictures are not seen."
                        is_on=is_on("tracks_opens", tracking.tracks_opens)
                        is_fixed=false
                    />
                    <Rule
                        name="tracks_clicks"
                        label="Track clicks"
                        hint="Links of each message lead over this server to where they led before."
                        is_on=is_on("tracks_clicks", tracking.tracks_clicks)
                        is_fixed=false
                    />
                    {(!is_locked)
                        .then(|| view! { <div class="form-foot"><button class="button primary">"Save what is tracked"</button></div> })}
                </fieldset>
            </form>
        </section>
    }
}

/// How long the team keeps what it has.
#[component]
fn Keeping(retention: Retention, draft: Draft) -> impl IntoView {
    let is_locked = !may(Permission::TeamUpdate);
    let fields = [
        ("bodies_days", "bodiesDays", retention.bodies_days, "A message without its body cannot be sent again."),
        (
            "events_days",
            "eventsDays",
            retention.events_days,
            "Counted from the age of the message. The message keeps its status.",
        ),
        (
            "messages_days",
            "messagesDays",
            retention.messages_days,
            "Deleted with their bodies and events, and no longer counted in statistics. Messages that are not sent yet stay.",
        ),
        ("requests_days", "requestsDays", retention.requests_days, "With their bodies."),
        ("audit_days", "auditDays", retention.audit_days, "The rest can still be verified."),
    ];
    let fields = fields.into_iter().map(|(name, field, days, hint)| {
        let value = draft.get(name).unwrap_or_else(|| days.map(|days| days.to_string()).unwrap_or_default());
        view! {
            <TextField
                label=kept_label(field).unwrap_or_default()
                name
                rule=(FieldRule::Number { min: 1, max: MAX_DAYS }, sentence(DAYS_WORDS))
                hint
                placeholder="for ever"
                required=false
                value
                error=draft.error(field)
            />
        }
    });
    view! {
        <section class="panel narrow" aria-label="How long things are kept">
            <div class="panel-head"><h2>"How long things are kept"</h2></div>
            <form class="panel-body" method="post" action=mounted(UpdateRetention::PATH) data-unsaved="">
                <OfTeam/>
                <fieldset class="bare-fieldset" disabled=is_locked>
                    <legend class="visually-hidden">"How long things are kept"</legend>
                    <p class="hint">"In days. Leave a field empty to keep everything. Older data is deleted for good."</p>
                    {fields.collect_view()}
                    {(!is_locked)
                        .then(|| view! { <div class="form-foot"><button class="button primary">"Save the times"</button></div> })}
                </fieldset>
            </form>
        </section>
    }
}

#[component]
fn EndOfTeam(team: Team) -> impl IntoView {
    let (panel, heading) = ("delete-team", "delete-team-heading");
    view! {
        <section class="panel narrow" aria-label="Delete the team">
            <div class="panel-head"><h2>"Delete the team"</h2></div>
            <div class="panel-body end-of-team">
                <p class="hint">"Deletes its log, templates, adapters and keys. You cannot undo this."</p>
                <button type="button" class="button danger" popovertarget=panel aria-haspopup="dialog">"Delete the team"</button>
            </div>
            <dialog class="dialog" id=panel popover="auto" aria-labelledby=heading>
                <form class="stack" method="post" action=mounted(DeleteTeam::PATH)>
                    <h2 id=heading>"Delete " {team.name.clone()} "?"</h2>
                    <p>"Nobody can open the team any more, its keys stop working, and everything in it is deleted. To confirm, type its name: " <strong>{team.name}</strong></p>
                    <input type="hidden" name="team" value=team.id.to_string()/>
                    <div class="field">
                        <label for="typed-name">"The team's name"</label>
                        <input id="typed-name" name="name" type="text" autocomplete="off" required/>
                    </div>
                    <div class="dialog-buttons">
                        <button type="button" class="button" popovertarget=panel popovertargetaction="hide">"Cancel"</button>
                        <button class="button danger">"Delete for good"</button>
                    </div>
                </form>
            </dialog>
        </section>
    }
}
