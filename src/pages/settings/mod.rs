//! `/settings/…`: the viewer's profile, and the team with its members, roles, adapters, provider webhooks, suppressed
//! addresses, imports, privacy, API keys and audit log.

pub mod adapters;
pub mod api_keys;
pub mod audit;
pub mod imports;
pub mod members;
pub mod privacy;
pub mod profile;
pub mod provider_webhooks;
pub mod role;
pub mod roles;
pub mod suppressions;
pub mod team;
pub mod webhooks;

use std::future::Future;

use leptos::prelude::*;

use super::layout::{PageTitle, Section, in_layout};
use crate::components::can::may;
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;

/// A page of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Profile,
    Team,
    Members,
    Roles,
    Adapters,
    ProviderWebhooks,
    Webhooks,
    Suppressions,
    Imports,
    Privacy,
    ApiKeys,
    Audit,
}

impl Tab {
    const ALL: [Tab; 12] = [
        Self::Profile,
        Self::Team,
        Self::Members,
        Self::Roles,
        Self::Adapters,
        Self::ProviderWebhooks,
        Self::Webhooks,
        Self::Suppressions,
        Self::Imports,
        Self::Privacy,
        Self::ApiKeys,
        Self::Audit,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Profile => "Profile",
            Self::Team => "Team",
            Self::Members => "Members",
            Self::Roles => "Roles",
            Self::Adapters => "Adapters",
            Self::ProviderWebhooks => "Provider webhooks",
            Self::Webhooks => "Webhooks",
            Self::Suppressions => "Suppressions",
            Self::Imports => "Imports",
            Self::Privacy => "Privacy",
            Self::ApiKeys => "API keys",
            Self::Audit => "Audit log",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Profile => "/settings/profile",
            Self::Team => "/settings/team",
            Self::Members => "/settings/members",
            Self::Roles => "/settings/roles",
            Self::Adapters => "/settings/adapters",
            Self::ProviderWebhooks => "/settings/provider-webhooks",
            Self::Webhooks => "/settings/webhooks",
            Self::Suppressions => "/settings/suppressions",
            Self::Imports => "/settings/imports",
            Self::Privacy => "/settings/privacy",
            Self::ApiKeys => "/settings/api-keys",
            Self::Audit => "/settings/audit",
        }
    }

    fn is_shown(self) -> bool {
        match self {
            Self::Profile | Self::Team | Self::Members | Self::Roles | Self::Privacy => true,
            Self::Adapters | Self::ProviderWebhooks | Self::Imports => may(Permission::AdaptersView),
            Self::Webhooks => may(Permission::WebhooksView),
            Self::Suppressions => may(Permission::SuppressionsView),
            Self::ApiKeys => may(Permission::ApiKeysView),
            Self::Audit => may(Permission::AuditView),
        }
    }
}

/// A page of the settings under their common navigation.
pub fn settings_page<T, V>(
    tab: Tab,
    load: impl Future<Output = Result<T, AppError>> + Send + 'static,
    page: impl FnOnce(T) -> V + Send + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    in_layout(Section::Settings, load, move |data| {
        let content = page(data).into_any();
        let head = view! { <div class="page-head"><PageTitle text=tab.label()/></div> }.into_any();
        view! { <SettingsLayout tab current="page" head content/> }
    })
}

/// A page about one thing of a tab, with a way back. `page` gives its title, what stands beside the title, and its
/// content.
pub fn settings_detail<T, V>(
    tab: Tab,
    load: impl Future<Output = Result<T, AppError>> + Send + 'static,
    page: impl FnOnce(T) -> (String, AnyView, V) + Send + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    in_layout(Section::Settings, load, move |data| {
        let (title, actions, content) = page(data);
        let content = content.into_any();
        let head = view! {
            <div class="page-head">
                <nav class="breadcrumb" aria-label="Breadcrumb">
                    <a href=mounted(tab.path())>{tab.label()}</a>
                    <span aria-hidden="true">"/"</span>
                </nav>
                <PageTitle text=title/>
                {actions}
            </div>
        }
        .into_any();
        view! { <SettingsLayout tab current="true" head content/> }
    })
}

#[component]
fn SettingsLayout(tab: Tab, current: &'static str, head: AnyView, content: AnyView) -> impl IntoView {
    let tabs = Tab::ALL.into_iter().filter(|tab| tab.is_shown()).map(|each| {
        let current = (each == tab).then_some(current);
        view! { <li><a href=mounted(each.path()) aria-current=current>{each.label()}</a></li> }
    });
    view! {
        {head}
        <nav class="tabs-nav" aria-label="Settings"><ul>{tabs.collect_view()}</ul></nav>
        {content}
    }
}
