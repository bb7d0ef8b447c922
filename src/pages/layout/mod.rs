//! What stands around every page: for people with a session the sidebar, for others a quiet card.

mod failure;
mod sidebar;
mod theme_switch;

use std::future::Future;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;

use self::failure::Failure;
use self::sidebar::Sidebar;
use crate::components::ask::Owners;
use crate::components::behaviour::{KEYS, PageBehaviour};
use crate::components::notice::{Callout, SessionEnded};
use crate::components::time::ViewerClock;
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::domain::notice::Notice;
use crate::server_fns::access::LogOut;
use crate::server_fns::layout::{Layout, Setting, load_layout, load_setting, mark_failed};

/// The part of the site that a page belongs to; its entry in the navigation is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Logs,
    Resends,
    Requests,
    Templates,
    Connect,
    ApiDocs,
    /// Everything under `/settings`.
    Settings,
    Help,
    /// No entry.
    Elsewhere,
}

/// A page for people with a session: loads what the layout shows and what the page shows, then renders both. An error of
/// either becomes a page that says what to do, with the error's HTTP status.
pub fn in_layout<T, V>(
    section: Section,
    load: impl Future<Output = Result<T, AppError>> + Send + 'static,
    page: impl FnOnce(T) -> V + Send + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    let rendered = async move {
        let loaded = load.await;
        let layout = match load_layout().await {
            Ok(layout) => layout,
            Err(error) => return bare_failure(error).await,
        };
        provide_context(layout.viewer.clone());
        provide_context(Owners(layout.owners.clone()));
        provide_context(ViewerClock::new(layout.viewer.time_zone(), layout.setting.now));
        let content = match loaded {
            Ok(data) => page(data).into_any(),
            Err(error) => failure(error, section).await,
        };
        view! { <PageLayout layout section content/> }.into_any()
    };
    Suspend::new(rendered).into_any()
}

/// A page for people without a session: a card in the middle.
pub fn bare<T, V>(
    load: impl Future<Output = Result<T, AppError>> + Send + 'static,
    page: impl FnOnce(T) -> V + Send + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    let rendered = async move {
        match (load_setting().await, load.await) {
            (Ok(setting), Ok(data)) => {
                provide_context(ViewerClock::new("UTC", setting.now));
                provide_context(UnderTitle(setting.notice));
                let content = page(data).into_any();
                view! { <Bare content/> }.into_any()
            }
            (Err(error), _) | (_, Err(error)) => bare_failure(error).await,
        }
    };
    Suspend::new(rendered).into_any()
}

/// A page for somebody who is logged in and in no team: the content under the product's name, without navigation.
pub fn alone<V: IntoView + 'static>(time_zone: &str, page: impl FnOnce() -> V + Send + 'static) -> AnyView {
    let zone = time_zone.to_owned();
    let rendered = async move {
        match load_setting().await {
            Ok(setting) => {
                provide_context(ViewerClock::new(&zone, setting.now));
                let content = page().into_any();
                view! { <Alone setting content/> }.into_any()
            }
            Err(error) => bare_failure(error).await,
        }
    };
    Suspend::new(rendered).into_any()
}

#[component]
fn Alone(setting: Setting, content: AnyView) -> impl IntoView {
    view! {
        <main id="main" class="alone">
            <div class="alone-head">
                <p class="brand"><Brand/></p>
                <form method="post" action=mounted(LogOut::PATH) data-ends-choice><button class="button">"Log out"</button></form>
            </div>
            {setting.notice.map(|notice| view! { <Callout notice/> })}
            {content}
        </main>
        <PageBehaviour/>
    }
}

async fn failure(error: AppError, section: Section) -> AnyView {
    let owners = mark_failed(error.clone()).await.unwrap_or_default();
    view! { <Failure error section owners/> }.into_any()
}

async fn bare_failure(error: AppError) -> AnyView {
    provide_context(UnderTitle(load_setting().await.ok().and_then(|setting| setting.notice)));
    let content = failure(error, Section::Elsewhere).await;
    view! { <Bare content/> }.into_any()
}

#[component]
fn PageLayout(layout: Layout, section: Section, content: AnyView) -> impl IntoView {
    let notices = [layout.setting.notice.clone(), layout.kept.clone()].into_iter().flatten();
    let notices = notices.map(|notice| view! { <Callout notice/> }).collect_view();
    view! {
        <a class="skip-link" href="#main">"Skip to the content"</a>
        <div class="frame">
            <Sidebar layout section/>
            <main id="main" tabindex="-1">
                {notices}
                {content}
            </main>
        </div>
        <SessionEnded/>
        <Keys/>
        <PageBehaviour/>
    }
}

/// The keys that pages listen to.
#[component]
fn Keys() -> impl IntoView {
    let rows = KEYS
        .map(|(keys, words)| {
            let keys = keys.split_whitespace().map(|key| view! { <kbd>{key}</kbd> }).collect_view();
            view! { <div><dt>{keys}</dt><dd>{words}</dd></div> }
        })
        .collect_view();
    view! {
        <dialog class="dialog keys" id="keys" popover="auto" aria-labelledby="keys-title">
            <h2 id="keys-title">"Keys"</h2>
            <dl>{rows}</dl>
            <div class="dialog-buttons">
                <button type="button" class="button" popovertarget="keys" popovertargetaction="hide">"Close"</button>
            </div>
        </dialog>
    }
}

#[component]
fn Bare(content: AnyView) -> impl IntoView {
    view! {
        <main id="main" class="bare">
            <p class="brand"><Brand/></p>
            <div class="bare-card">{content}</div>
        </main>
        <PageBehaviour/>
    }
}

/// The name of the product with its mark.
#[component]
fn Brand() -> impl IntoView {
    view! {
        <svg class="brand-mark" width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
            <rect x="2" y="5" width="28" height="22" rx="6"></rect>
            <path d="m8 12 8 6.5 8-6.5"></path>
        </svg>
        "Sendlog"
    }
}

/// What the last form left to say, on a card, where the title comes first.
#[derive(Clone)]
struct UnderTitle(Option<Notice>);

/// The page's only heading of the first level, which also names the browser's tab.
#[component]
pub fn PageTitle(
    /// The words.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! {
        <Title text=format!("{text} · Sendlog")/>
        <h1>{text}</h1>
        {use_context::<UnderTitle>().and_then(|under| under.0).map(|notice| view! { <Callout notice/> })}
    }
}
