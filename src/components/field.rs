//! Fields of forms, each with its label.

use leptos::prelude::*;

use crate::domain::draft::TEAM_FIELD;
use crate::domain::field_rule::FieldRule;
use crate::domain::plain_words::sentence;
use crate::domain::viewer::Viewer;

/// A labelled field of one line.
#[component]
pub fn TextField(
    /// What it is called.
    label: &'static str,
    /// Its name in the form; its id too.
    name: &'static str,
    /// What it holds at first.
    #[prop(optional, into)]
    value: String,
    /// `text`, `email`, `password` …
    #[prop(default = "text")]
    kind: &'static str,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// An example.
    #[prop(optional)]
    placeholder: Option<&'static str>,
    /// A sentence under the field; none where it is empty.
    #[prop(optional, into)]
    hint: String,
    /// The fewest characters that are accepted.
    #[prop(optional)]
    min_length: Option<u16>,
    /// The most characters that are accepted.
    #[prop(optional)]
    max_length: Option<u16>,
    /// Whether the cursor starts here. It does where the field was wrong.
    #[prop(optional)]
    autofocus: bool,
    /// Whether it must be filled in.
    #[prop(default = true)]
    required: bool,
    /// What it takes, and what is said beside it of anything else before that is sent.
    #[prop(optional)]
    rule: Option<(FieldRule, String)>,
    /// What was wrong with it.
    #[prop(default = None)]
    error: Option<String>,
) -> impl IntoView {
    let (rule, wrong) = rule.unzip();
    let input_mode = matches!(rule, Some(FieldRule::Number { .. })).then_some("numeric");
    let hint_id = (!hint.is_empty()).then(|| format!("{name}-hint"));
    let error_id = error.as_ref().map(|_| format!("{name}-error"));
    let described_by: Vec<String> = [error_id.clone(), hint_id.clone()].into_iter().flatten().collect();
    let is_wrong = error.is_some().then_some("true");
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type=kind
                value=value
                autocomplete=autocomplete
                placeholder=placeholder
                minlength=min_length
                maxlength=max_length
                inputmode=input_mode
                data-rule=rule.map(|rule| rule.to_string())
                data-wrong=wrong
                autofocus=autofocus || is_wrong.is_some()
                aria-invalid=is_wrong
                aria-describedby=(!described_by.is_empty()).then(|| described_by.join(" "))
                required=required
            />
            {error.map(|error| view! { <p class="field-error" id=error_id>{sentence(&error)}</p> })}
            {hint_id.map(|id| view! { <p class="hint" id=id>{hint}</p> })}
        </div>
    }
}

/// A labelled field of many lines, for source text.
#[component]
pub fn SourceField(
    /// What it is called.
    label: &'static str,
    /// Its name in the form; its id too.
    name: &'static str,
    /// What it holds at first.
    value: String,
    /// How many lines are visible.
    rows: u16,
    /// The id of the form that it belongs to, where it stands outside.
    #[prop(optional)]
    form: Option<&'static str>,
    /// A sentence under the field.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// What was wrong with it.
    #[prop(default = None)]
    error: Option<String>,
) -> impl IntoView {
    let hint_id = hint.map(|_| format!("{name}-hint"));
    let error_id = error.as_ref().map(|_| format!("{name}-error"));
    let described_by: Vec<String> = [error_id.clone(), hint_id.clone()].into_iter().flatten().collect();
    view! {
        <div class="field">
            <label for=name>{label}</label>
            // A text area drops one line break at its beginning.
            <textarea
                id=name
                name=name
                form=form
                rows=rows
                spellcheck="false"
                class="source"
                autofocus=error.is_some()
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=(!described_by.is_empty()).then(|| described_by.join(" "))
            >
                {format!("\n{value}")}
            </textarea>
            {error.map(|error| view! { <p class="field-error" id=error_id>{sentence(&error)}</p> })}
            {hint.map(|hint| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

/// A labelled choice.
#[component]
pub fn SelectField(
    /// What it is called.
    label: &'static str,
    /// Its name in the form; its id too.
    name: &'static str,
    /// Each choice: its value and what it is called.
    options: Vec<(String, String)>,
    /// The value chosen at first.
    #[prop(into)]
    selected: String,
    /// A sentence under the field.
    #[prop(optional)]
    hint: Option<&'static str>,
) -> impl IntoView {
    let hint_id = hint.map(|_| format!("{name}-hint"));
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <select id=name name=name aria-describedby=hint_id.clone()>
                {options
                    .into_iter()
                    .map(|(value, text)| {
                        let is_selected = value == selected;
                        view! { <option value=value selected=is_selected>{text}</option> }
                    })
                    .collect_view()}
            </select>
            {hint.map(|hint| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

/// A labelled field for one of many values, which the browser completes while one types. What is typed is checked on the
/// server.
#[component]
pub fn ListField(
    /// What it is called.
    label: &'static str,
    /// Its name in the form; its id too.
    name: &'static str,
    /// The values to choose from.
    options: Vec<String>,
    /// What it holds at first.
    value: String,
    /// A sentence under the field.
    hint: &'static str,
    /// What is wrong with what was typed.
    error: Option<String>,
) -> impl IntoView {
    let (list_id, hint_id, error_id) = (format!("{name}-list"), format!("{name}-hint"), format!("{name}-error"));
    let described = if error.is_some() { format!("{error_id} {hint_id}") } else { hint_id.clone() };
    let options = options.into_iter().map(|option| view! { <option value=option></option> }).collect_view();
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type="text"
                list=list_id.clone()
                value=value
                autocomplete="off"
                spellcheck="false"
                maxlength="100"
                aria-describedby=described
                autofocus=error.is_some()
                aria-invalid=error.is_some().then_some("true")
                required
            />
            <datalist id=list_id>{options}</datalist>
            {error.map(|words| view! { <p class="field-error" id=error_id>{sentence(&words)}</p> })}
            <p class="hint" id=hint_id>{hint}</p>
        </div>
    }
}

/// Fields that a form sends with the others and nobody sees.
#[component]
pub fn HiddenFields(
    /// Their names and values.
    fields: Vec<(&'static str, String)>,
) -> impl IntoView {
    fields.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()
}

/// Says which team the page is of: what is typed into the form comes back in that team, where the session has ended when it
/// is sent.
#[component]
pub fn OfTeam() -> impl IntoView {
    let team = use_context::<Viewer>().map(|viewer| viewer.team.to_string());
    team.map(|team| view! { <input type="hidden" name=TEAM_FIELD value=team/> })
}
