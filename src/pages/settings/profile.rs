//! `/settings/profile`: a person's own account. Works without a team too.

mod password;
mod sessions;
mod two_factor;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use self::password::Password;
use self::sessions::Sessions;
use self::two_factor::TwoFactorSection;
use super::{Tab, settings_page};
use crate::components::field::{ListField, TextField};
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::account::TwoFactor;
use crate::domain::draft::Draft;
use crate::domain::mount::mounted;
use crate::domain::team::User;
use crate::pages::layout::{PageTitle, alone};
use crate::server_fns::profile::{ProfileView, UpdateProfile, load_profile};

/// A person's own account.
#[component]
pub fn ProfilePage() -> impl IntoView {
    Suspend::new(async move {
        match load_profile().await {
            Ok(profile) if profile.team.is_none() => {
                let zone = profile.account.time_zone.clone();
                alone(&zone, move || {
                    view! {
                        <div class="page-head"><PageTitle text="Profile"/></div>
                        <p class="lead">"Your account is in no team. Ask an admin of your team to invite you."</p>
                        <Profile profile/>
                    }
                })
            }
            loaded => settings_page(Tab::Profile, async { loaded }, |profile| view! { <Profile profile/> }),
        }
    })
}

#[component]
fn Profile(profile: ProfileView) -> impl IntoView {
    let ProfileView { account, team, lacks_two_factor, time_zones, two_factor, sessions, draft } = profile;
    let has_password = two_factor != TwoFactor::AtProvider;
    let email = account.email.clone();
    view! {
        <Person account team time_zones draft/>
        <Password email has_password/>
        <TwoFactorSection two_factor is_demanded=lacks_two_factor/>
        <Sessions sessions/>
    }
}

#[component]
fn Person(account: User, team: Option<(String, String)>, time_zones: Vec<String>, draft: Draft) -> impl IntoView {
    let team = team.map(|(name, role)| format!("{name}, {role}"));
    view! {
        <section class="panel narrow" aria-label="Profile">
            <form class="stack panel-body" method="post" action=mounted(UpdateProfile::PATH) data-unsaved="">
                <dl class="facts">
                    <div class="fact"><dt>"Email address"</dt><dd>{account.email}</dd></div>
                    {team.map(|team| view! { <div class="fact"><dt>"Team and role"</dt><dd>{team}</dd></div> })}
                </dl>
                <TextField label="Name" name="name" autocomplete="name" value=draft.get("name").unwrap_or(account.name)/>
                <ListField
                    label="Time zone"
                    name="time_zone"
                    options=time_zones
                    value=draft.get("time_zone").unwrap_or(account.time_zone)
                    hint="Times are shown in this zone. Type a city, such as Berlin."
                    error=draft.error("time_zone")
                />
                <p class="hint">"Now it is " <Time at=ViewerClock::of_page().now style=TimeStyle::Minute/> " there."</p>
                <div class="form-foot"><button class="button primary">"Save"</button></div>
            </form>
        </section>
    }
}
