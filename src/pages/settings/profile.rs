//! `/settings/profile`

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::field::{SelectField, TextField};
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::viewer::{Actor, Viewer};
use crate::server_fns::profile::{ProfileView, UpdateProfile, load_profile};

/// The viewer's own name and time zone.
#[component]
pub fn ProfilePage() -> impl IntoView {
    settings_page(Tab::Profile, load_profile(), |profile| view! { <Profile profile/> })
}

#[component]
fn Profile(profile: ProfileView) -> impl IntoView {
    let viewer = expect_context::<Viewer>();
    let zone = viewer.time_zone().to_owned();
    let (email, name) = match viewer.actor {
        Actor::User { email, name, .. } => (email, name),
        Actor::ApiKey { name, .. } => (String::new(), name),
    };
    let ProfileView { time_zones, draft } = profile;
    let options = time_zones.into_iter().map(|zone| (zone.clone(), zone.replace('_', " "))).collect();
    view! {
        <section class="panel narrow" aria-label="Profile">
            <form class="stack panel-body" method="post" action=UpdateProfile::PATH>
                <dl class="facts">
                    <div class="fact"><dt>"E-mail address"</dt><dd>{email}</dd></div>
                    <div class="fact"><dt>"Team and role"</dt><dd>{viewer.team_name} ", " {role_words()}</dd></div>
                </dl>
                <TextField label="Name" name="name" autocomplete="name" value=draft.get("name").unwrap_or(name)/>
                <SelectField
                    label="Time zone"
                    name="time_zone"
                    options
                    selected=draft.get("time_zone").unwrap_or(zone)
                    hint="Days begin and times are shown in this zone."
                />
                <p class="hint">"Now it is " <Time at=ViewerClock::of_page().now style=TimeStyle::Minute/> " there."</p>
                <div class="form-foot"><button class="button primary">"Save"</button></div>
            </form>
        </section>
    }
}

fn role_words() -> String {
    use_context::<Viewer>()
        .and_then(|viewer| viewer.role_name().map(str::to_owned))
        .unwrap_or_else(|| "API key".to_owned())
}
