//! The shell of every page and the table of routes. The browser never runs it: it only brings islands to life.

use std::borrow::Cow;

use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, provide_meta_context};
use leptos_router::components::{FlatRoutes, Redirect, Route, Router};
use leptos_router::{SsrMode, path};

use crate::domain::mount::{mount_path, mounted};
use crate::pages::access::{CodePage, ForgotPage, InvitePage, LogInPage, ResetPage, SetUpPage};
use crate::pages::api_docs::ApiDocsPage;
use crate::pages::connect::ConnectPage;
use crate::pages::help::HelpPage;
use crate::pages::logs::{CancelPage, LogsPage, TemplateChoicesPage};
use crate::pages::message::{MessagePage, ResendChangePage};
use crate::pages::not_found::NotFoundPage;
use crate::pages::notification::NotificationPage;
use crate::pages::request::RequestPage;
use crate::pages::requests::RequestsPage;
use crate::pages::resends::{NewResendPage, ResendPage, ResendsPage};
use crate::pages::settings::adapters::AdaptersPage;
use crate::pages::settings::api_keys::{ApiKeyPage, ApiKeysPage};
use crate::pages::settings::audit::AuditPage;
use crate::pages::settings::imports::ImportsPage;
use crate::pages::settings::members::MembersPage;
use crate::pages::settings::privacy::{PersonPage, PrivacyPage};
use crate::pages::settings::profile::ProfilePage;
use crate::pages::settings::provider_webhooks::{ProviderWebhookPage, ProviderWebhooksPage};
use crate::pages::settings::role::RolePage;
use crate::pages::settings::roles::RolesPage;
use crate::pages::settings::suppressions::SuppressionsPage;
use crate::pages::settings::team::TeamPage;
use crate::pages::settings::webhooks::{DeliveryPage, WebhookPage, WebhooksPage};
use crate::pages::templates::{NewTemplatePage, TemplatePage, TemplatesPage};

/// Lets the browser fetch a page of this site when the pointer rests on its link, so that it is there at the click.
/// Source: WICG, Speculation Rules.
const SPECULATION_RULES: &str = r#"{"prefetch":[{"source":"document","eagerness":"moderate","where":{"and":[{"href_matches":"/*"},{"not":{"href_matches":"/fn/*"}},{"not":{"href_matches":"/api/*"}},{"not":{"href_matches":"/login/openid*"}},{"not":{"href_matches":"/logs/export*"}},{"not":{"href_matches":"/resends/new*"}},{"not":{"href_matches":"/settings/audit/export*"}},{"not":{"href_matches":"/logs/*/body*"}},{"not":{"selector_matches":"[download], [data-peek]"}}]}}]}"#;

/// The rules for the pages under the mount: those of others on this host are left alone.
fn speculation_rules() -> Cow<'static, str> {
    match mount_path() {
        "" => Cow::Borrowed(SPECULATION_RULES),
        mount => Cow::Owned(SPECULATION_RULES.replace(r#""href_matches":"/"#, &format!(r#""href_matches":"{mount}/"#))),
    }
}

/// Fades from page to page. It stands in the document, because a browser that has not yet read the style sheet when the
/// next page appears gives the transition up with an error. Source: CSS View Transitions Level 2.
const VIEW_TRANSITION: &str = "@view-transition{navigation:auto}";

/// Says before anything is drawn that scripts run, so that nothing moves when they do. What is done before the page is alive
/// is kept, and done once it is: the keys of [KEYS](crate::components::behaviour::KEYS), and what needs a script.
const EARLY: &str = "{
    document.documentElement.dataset.scripted = '';
    const early = [];
    const again = {
        keydown({ target, key, ctrlKey, metaKey, altKey }) {
            if (ctrlKey || metaKey || altKey || !'/jkpxr?'.includes(key)) return;
            if (target.closest('input, textarea, select')) return;
            const press = () => new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
            return () => (document.activeElement ?? document.body).dispatchEvent(press());
        },
        click({ target }) {
            const button = target.closest('button.needs-script');
            return button && (() => button.click());
        },
        change({ target }) {
            return target.closest('[data-grants]') && (() => target.dispatchEvent(new Event('change', { bubbles: true })));
        },
    };
    const keep = (event) => {
        const act = again[event.type](event);
        if (!act) return;
        early.push(act);
        event.stopImmediatePropagation();
    };
    for (const type in again) addEventListener(type, keep, true);
    addEventListener('alive', () => {
        for (const type in again) removeEventListener(type, keep, true);
        for (const act of early) act();
    }, { once: true });
}";

/// The document around every page. `theme` is `light` or `dark`, or `None` to follow the system; it is said here, in the
/// document itself, because what a page adds to `<html>` once it has loaded can come too late. Every script and style in
/// it carries the nonce that the answer's policy names.
pub fn shell(options: LeptosOptions, theme: Option<String>) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="robots" content="noindex"/>
                <meta name="description" content="Sendlog: the log of every message a team sends."/>
                <link rel="icon" href=mounted("/favicon.svg") type="image/svg+xml"/>
                <style nonce=use_nonce()>{VIEW_TRANSITION}</style>
                <HashedStylesheet options=options.clone() root=mount_path()/>
                <script nonce=use_nonce()>{EARLY}</script>
                <Start package=options.site_pkg_dir.to_string()/>
                <script type="speculationrules" nonce=use_nonce()>{speculation_rules()}</script>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// Loads what the pages do with scripts and brings their islands to life, none of which holds another. Leptos' own script
/// waits until the browser has nothing else to do, which on a busy machine takes as long as it likes, and goes through every element of
/// a page, one after the other. A page whose scripts do not come works without them.
#[component]
fn Start(
    /// The folder of the site's files, without slashes around it.
    package: String,
) -> impl IntoView {
    let (script, module) = (mounted(format!("/{package}/sendlog.js")), mounted(format!("/{package}/sendlog_bg.wasm")));
    let start = format!(
        "import('{script}').then(async (half) => {{
            await half.default({{ module_or_path: '{module}' }});
            half.hydrate();
            for (const island of document.querySelectorAll('leptos-island')) half[island.dataset.component](island);
        }}).catch((cause) => {{
            delete document.documentElement.dataset.scripted;
            throw cause;
        }});"
    );
    view! {
        <link rel="modulepreload" href=script crossorigin="anonymous" nonce=use_nonce()/>
        <link rel="preload" href=module r#as="fetch" type="application/wasm" crossorigin="anonymous"/>
        <script type="module" nonce=use_nonce()>{start}</script>
    }
}

/// The pages by their addresses.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <FlatRoutes fallback=NotFoundPage>
                <Route path=path!("/login") view=LogInPage ssr=SsrMode::Async/>
                <Route path=path!("/login/code") view=CodePage ssr=SsrMode::Async/>
                <Route path=path!("/forgot") view=ForgotPage ssr=SsrMode::Async/>
                <Route path=path!("/reset/:token") view=ResetPage ssr=SsrMode::Async/>
                <Route path=path!("/setup") view=SetUpPage ssr=SsrMode::Async/>
                <Route path=path!("/invite/:token") view=InvitePage ssr=SsrMode::Async/>
                <Route path=path!("/logs") view=LogsPage ssr=SsrMode::Async/>
                <Route path=path!("/logs/cancel") view=CancelPage ssr=SsrMode::Async/>
                <Route path=path!("/logs/templates") view=TemplateChoicesPage ssr=SsrMode::Async/>
                <Route path=path!("/logs/:id") view=MessagePage ssr=SsrMode::Async/>
                <Route path=path!("/logs/:id/resend") view=ResendChangePage ssr=SsrMode::Async/>
                <Route path=path!("/resends") view=ResendsPage ssr=SsrMode::Async/>
                <Route path=path!("/resends/new") view=NewResendPage ssr=SsrMode::Async/>
                <Route path=path!("/resends/:id") view=ResendPage ssr=SsrMode::Async/>
                <Route path=path!("/notifications/:id") view=NotificationPage ssr=SsrMode::Async/>
                <Route path=path!("/requests") view=RequestsPage ssr=SsrMode::Async/>
                <Route path=path!("/requests/:id") view=RequestPage ssr=SsrMode::Async/>
                <Route path=path!("/templates") view=TemplatesPage ssr=SsrMode::Async/>
                <Route path=path!("/templates/new") view=NewTemplatePage ssr=SsrMode::Async/>
                <Route path=path!("/templates/:id") view=TemplatePage ssr=SsrMode::Async/>
                <Route path=path!("/settings") view=|| view! { <Redirect path=mounted("/settings/profile")/> } ssr=SsrMode::Async/>
                <Route path=path!("/settings/profile") view=ProfilePage ssr=SsrMode::Async/>
                <Route path=path!("/settings/team") view=TeamPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/members") view=MembersPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/roles") view=RolesPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/roles/:role") view=RolePage ssr=SsrMode::Async/>
                <Route path=path!("/settings/adapters") view=AdaptersPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/provider-webhooks") view=ProviderWebhooksPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/privacy") view=PrivacyPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/privacy/person/:id") view=PersonPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/imports") view=ImportsPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/suppressions") view=SuppressionsPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/provider-webhooks/:id") view=ProviderWebhookPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/webhooks") view=WebhooksPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/webhooks/:id") view=WebhookPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/webhooks/:id/deliveries/:delivery") view=DeliveryPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/api-keys") view=ApiKeysPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/api-keys/:id") view=ApiKeyPage ssr=SsrMode::Async/>
                <Route path=path!("/settings/audit") view=AuditPage ssr=SsrMode::Async/>
                <Route path=path!("/connect") view=ConnectPage ssr=SsrMode::Async/>
                <Route path=path!("/help/:topic") view=HelpPage ssr=SsrMode::Async/>
                <Route path=path!("/api-docs") view=ApiDocsPage ssr=SsrMode::Async/>
            </FlatRoutes>
        </Router>
    }
}
