//! `/templates`: what the team's messages are made from.

mod editor;
mod preview;
mod tracking;

use leptos::prelude::*;

pub use self::editor::{NewTemplatePage, TemplatePage};
use super::layout::{PageTitle, Section, in_layout};
use crate::components::can::{Can, may};
use crate::components::empty_state::EmptyState;
use crate::components::icon::{Glyph, Icon};
use crate::components::time::Time;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::template::Template;
use crate::server_fns::templates::load_templates;

/// The team's templates.
#[component]
pub fn TemplatesPage() -> impl IntoView {
    in_layout(Section::Templates, load_templates(), |templates| view! { <Templates templates/> })
}

#[component]
fn Templates(templates: Vec<Template>) -> impl IntoView {
    let list = if templates.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Template title="No template yet">
                <p>"A template is the subject and the body of a message, with variables to fill in."</p>
                {may(Permission::TemplatesCreate).then(|| view! {
                    <p><a class="button primary" href=mounted("/templates/new")>"Create the first one"</a></p>
                })}
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Template"</th>
                        <th scope="col" class="wide-only">"Id"</th>
                        <th scope="col">"Version"</th>
                        <th scope="col" class="time">"Changed"</th>
                    </tr>
                </thead>
                <tbody>{templates.into_iter().map(|template| view! { <TemplateRow template/> }).collect_view()}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <PageTitle text="Templates"/>
            <div class="page-actions">
                <Can permission=Permission::TemplatesCreate>
                    <a class="button primary" href=mounted("/templates/new")><Icon glyph=Glyph::Plus/>"New template"</a>
                </Can>
            </div>
        </div>
        <section class="panel" aria-label="Templates">{list}</section>
    }
}

#[component]
fn TemplateRow(template: Template) -> impl IntoView {
    view! {
        <tr>
            <td>
                <span class="two-lines">
                    <a class="row-link" href=mounted(format!("/templates/{}", template.id))>{template.name}</a>
                    <span>{template.current.source.subject}</span>
                </span>
            </td>
            <td class="wide-only"><code>{template.id.to_string()}</code></td>
            <td>{template.current.version}</td>
            <td class="time"><Time at=template.updated_at/></td>
        </tr>
    }
}
