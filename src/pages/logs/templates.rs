//! The choice of a template to filter the log by: the newest ones, and a field that finds the others. Without scripts the
//! field leads to a page of what is found; with them that page's list takes the place of the menu's while one types.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::components::field::HiddenFields;
use crate::components::filter::{Choice, ChoiceList, filter_label};
use crate::components::menu::Menu;
use crate::domain::address;
use crate::domain::address::logs::LogQuery;
use crate::domain::ids::TemplateId;
use crate::domain::mount::mounted;
use crate::domain::template::{FIND_PARAMETER, MAX_FIND_CHARS, TEMPLATES_SHOWN};
use crate::pages::layout::{PageTitle, Section, in_layout};
use crate::server_fns::templates::load_template_choices;

/// The id of the list that changes while one types.
const LIST: &str = "template-choices";
/// The parameter of `/logs` that holds the template.
const TEMPLATE: &str = "template";

/// The menu over the table. There is none in a team without templates.
#[component]
pub fn TemplateFilter(
    query: LogQuery,
    /// The newest ones, and the chosen one.
    templates: Vec<(TemplateId, String)>,
) -> impl IntoView {
    let named = |id| templates.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
    let chosen = query.template_id.map(|id| named(id).unwrap_or_else(|| "one".to_owned()));
    (!templates.is_empty() || chosen.is_some()).then(|| {
        let any = LogQuery { template_id: None, ..query.with_page(1) }.to_url();
        let any = Choice { url: any, label: "Any template".to_owned(), glyph: None, is_current: chosen.is_none() };
        view! {
            <Menu label=filter_label("Template", chosen) class="template-filter">
                <ChoiceList choices=vec![any]/>
                <FindTemplate query=query.clone() part=String::new()/>
                <Templates query templates has_more=false/>
            </Menu>
        }
    })
}

/// `/logs/templates`: what a part of a name finds, as links to the list of its messages.
#[component]
pub fn TemplateChoicesPage() -> impl IntoView {
    let address = use_location().search.get_untracked();
    let load = async move {
        let query = LogQuery::parse(&address)?;
        let part = address::pairs(&address).into_iter().find(|(name, _)| name == FIND_PARAMETER);
        let part = part.map(|(_, part)| part).unwrap_or_default();
        let found = load_template_choices(part.clone()).await?;
        Ok((query, part, found))
    };
    in_layout(Section::Logs, load, |(query, part, found)| {
        let back = query.with_page(1).to_url();
        let has_more = found.len() > TEMPLATES_SHOWN;
        let templates = found.into_iter().take(TEMPLATES_SHOWN).collect();
        view! {
            <div class="page-head"><PageTitle text="Messages of a template"/></div>
            <section class="panel template-page" aria-label="Templates">
                <FindTemplate query=query.clone() part/>
                <Templates query templates has_more/>
                <p><a href=mounted(back)>"Back to the list"</a></p>
            </section>
        }
    })
}

#[component]
fn FindTemplate(query: LogQuery, part: String) -> impl IntoView {
    view! {
        <form method="get" action=mounted("/logs/templates") class="find" data-find=LIST>
            <HiddenFields fields=query.kept(TEMPLATE)/>
            <input
                type="search"
                name=FIND_PARAMETER
                value=part
                aria-label="Find a template"
                placeholder="Find a template…"
                maxlength=MAX_FIND_CHARS
                autocomplete="off"
                spellcheck="false"
            />
        </form>
    }
}

#[component]
fn Templates(query: LogQuery, templates: Vec<(TemplateId, String)>, has_more: bool) -> impl IntoView {
    let choice = |(id, label): (TemplateId, String)| Choice {
        url: LogQuery { template_id: Some(id), ..query.with_page(1) }.to_url(),
        label,
        glyph: None,
        is_current: Some(id) == query.template_id,
    };
    let choices = templates.into_iter().map(choice).collect::<Vec<_>>();
    let none = choices.is_empty().then(|| view! { <p class="hint">"No template has this in its name."</p> });
    let more = has_more.then(|| view! { <p class="hint">"There are more: type more of the name."</p> });
    view! { <div id=LIST><ChoiceList choices/>{none}{more}</div> }
}
