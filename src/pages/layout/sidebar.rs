//! The navigation: beside the page, or on narrow windows behind a menu button above it.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::theme_switch::ThemeSwitch;
use super::{Brand, Section};
use crate::components::icon::{Glyph, Icon};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::team::Membership;
use crate::domain::viewer::{Actor, Viewer};
use crate::server_fns::access::{LogOut, SwitchTeam};
use crate::server_fns::layout::Layout;

/// The navigation with the team above and the person below.
#[component]
pub fn Sidebar(layout: Layout, section: Section) -> impl IntoView {
    let theme = layout.setting.theme.unwrap_or_else(|| "system".to_owned());
    view! {
        <header class="sidebar">
            <a class="brand" href=mounted("/logs")><Brand/></a>
            <button type="button" class="button sidebar-opener" popovertarget="site-menu">
                <Icon glyph=Glyph::Menu/>
                "Menu"
            </button>
            // A popover on narrow windows; the style sheet shows it in place on wide ones.
            <div class="sidebar-content" id="site-menu" popover="auto">
                <TeamSwitcher viewer=layout.viewer.clone() teams=layout.teams/>
                <nav aria-label="Main">
                    <ul class="nav">{links(section, &layout.viewer)}</ul>
                </nav>
                <div class="sidebar-foot">
                    <ul class="nav">
                        <li>
                            <NavLink href=help_of(section) glyph=Glyph::Book text="Help" is_current={section == Section::Help}/>
                        </li>
                        <li>
                            <NavLink
                                href="/settings/profile"
                                glyph=Glyph::Gear
                                text="Settings"
                                is_current={section == Section::Settings}
                            />
                        </li>
                    </ul>
                    <Person viewer=layout.viewer/>
                    <div class="sidebar-tools">
                        <ThemeSwitch chosen=theme/>
                        <button
                            type="button"
                            class="icon-button needs-script"
                            popovertarget="keys"
                            data-press="?"
                            title="Keys"
                            aria-label="Keys"
                        >
                            "?"
                        </button>
                    </div>
                </div>
            </div>
        </header>
    }
}

fn links(section: Section, viewer: &Viewer) -> impl IntoView + use<> {
    let entries = [
        ("/logs", Glyph::Logs, "Logs", Section::Logs, viewer.may(Permission::LogsView)),
        ("/resends", Glyph::Resend, "Resends", Section::Resends, viewer.may(Permission::LogsView)),
        ("/requests", Glyph::Code, "API requests", Section::Requests, viewer.may(Permission::RequestsView)),
        ("/templates", Glyph::Template, "Templates", Section::Templates, viewer.may(Permission::TemplatesView)),
        ("/connect", Glyph::Plug, "Connect", Section::Connect, true),
        ("/api-docs", Glyph::Book, "API reference", Section::ApiDocs, true),
    ];
    entries
        .into_iter()
        .filter(|(.., is_shown)| *is_shown)
        .map(|(href, glyph, text, own, _)| view! { <li><NavLink href glyph text is_current={own == section}/></li> })
        .collect_view()
}

/// The document about the pages of a section.
const fn help_of(section: Section) -> &'static str {
    match section {
        Section::Logs => "/help/search",
        Section::Resends => "/help/resends",
        Section::Requests | Section::Connect => "/help/dialects",
        Section::Templates => "/help/templates",
        Section::ApiDocs => "/help/keys",
        Section::Settings => "/help/access",
        Section::Help | Section::Elsewhere => "/help/contents",
    }
}

#[component]
fn NavLink(href: &'static str, glyph: Glyph, text: &'static str, is_current: bool) -> impl IntoView {
    view! {
        <a class="nav-link" href=mounted(href) aria-current=is_current.then_some("page")>
            <Icon glyph/>
            {text}
        </a>
    }
}

#[component]
fn TeamSwitcher(viewer: Viewer, teams: Vec<Membership>) -> impl IntoView {
    let role = viewer.role_name().unwrap_or("API key").to_owned();
    let label = view! {
        <span class="team-mark" aria-hidden="true">{initials(&viewer.team_name, 1)}</span>
        <span class="team-words">
            <span class="team-name">{viewer.team_name.clone()}</span>
            <span class="team-role">{role}</span>
        </span>
    };
    let others: Vec<_> = teams.into_iter().filter(|team| team.team_id != viewer.team).collect();
    if others.is_empty() {
        return view! { <div class="team">{label}</div> }.into_any();
    }
    view! {
        <details class="team-menu" data-menu="">
            <summary class="team" title="Switch team">{label}<Icon glyph=Glyph::Chevron/></summary>
            <form class="menu-panel" method="post" action=mounted(SwitchTeam::PATH)>
                <p class="menu-title">"Switch to"</p>
                {others.into_iter().map(|team| view! { <TeamChoice team/> }).collect_view()}
            </form>
        </details>
    }
    .into_any()
}

#[component]
fn TeamChoice(team: Membership) -> impl IntoView {
    view! {
        <button class="menu-item" name="team" value=team.team_id.to_string()>
            <span class="team-mark" aria-hidden="true">{initials(&team.name, 1)}</span>
            <span class="team-words">
                <span class="team-name">{team.name}</span>
                <span class="team-role">{team.role_name}</span>
            </span>
        </button>
    }
}

#[component]
fn Person(viewer: Viewer) -> impl IntoView {
    let (name, zone) = match viewer.actor {
        Actor::User { name, time_zone, .. } => (name, time_zone),
        Actor::ApiKey { name, .. } => (name, "UTC".to_owned()),
    };
    view! {
        <div class="person">
            <a class="person-link" href=mounted("/settings/profile")>
                <span class="person-mark" aria-hidden="true">{initials(&name, 2)}</span>
                <span class="team-words">
                    <span class="team-name">{name}</span>
                    <span class="team-role">{zone}</span>
                </span>
            </a>
            <form method="post" action=mounted(LogOut::PATH) data-ends-choice>
                <button class="icon-button" title="Log out" aria-label="Log out"><Icon glyph=Glyph::LogOut/></button>
            </form>
        </div>
    }
}

/// The first letters of a name's first words, in capitals: `MO` for Mara Ott.
fn initials(name: &str, count: usize) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).take(count).flat_map(char::to_uppercase).collect()
}
