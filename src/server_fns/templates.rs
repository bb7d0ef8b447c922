//! Templates and their versions.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::TemplateId;
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::tracking::{TemplateTracking, Tracking, choice_of};

/// What the page of a template shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TemplateView {
    /// The template; `None` for one that is being made.
    pub template: Option<Template>,
    /// The variables that its current version uses, or what is being written.
    pub used_variables: Vec<String>,
    /// Its versions, newest first.
    pub versions: Vec<TemplateVersion>,
    pub draft: Draft,
    /// Values to see the template with, a JSON object.
    pub sample: String,
    /// What the team tracks where the template says nothing.
    pub team_tracking: Tracking,
    /// Why links of messages do not lead here as they should; `None` where they do.
    pub unreachable: Option<String>,
}

/// The field of the editor's form that holds the values of a preview.
pub const SAMPLE_FIELD: &str = "sample";
/// The one that lets a preview load images from other servers.
pub const IMAGES_FIELD: &str = "images";

/// The editor's form for a template that is not there yet.
pub const NEW_FORM: &str = "template";

/// Where the frame of the editor finds what was written: `?form=`.
pub const PREVIEW_PATH: &str = "/templates/preview";

/// The team's templates. Needs `templates:view`.
#[server]
pub async fn load_templates() -> Result<Vec<Template>, AppError> {
    use crate::server::{context, services::templates};
    templates::list_templates(&context::app(), &context::viewer().await?).await
}

/// The newest templates whose names hold this part, one more than a list shows where there are more. Needs `logs:view`.
#[server]
pub async fn load_template_choices(part: String) -> Result<Vec<(TemplateId, String)>, AppError> {
    use crate::server::{context, services::templates};
    templates::find_names(&context::app(), &context::viewer().await?, &part).await
}

/// An empty template to fill in. Needs `templates:create`.
#[server]
pub async fn load_new_template() -> Result<TemplateView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{context, services::templates, services::tracking};
    let (app, viewer) = (context::app(), context::viewer().await?);
    viewer.require(Permission::TemplatesCreate)?;
    let draft = super::draft::load_draft(NEW_FORM.to_owned()).await?;
    Ok(TemplateView {
        template: None,
        used_variables: templates::used_variables(&app, &source_of_draft(&draft)).await,
        versions: Vec::new(),
        draft,
        sample: "{}".to_owned(),
        team_tracking: tracking::find_tracking(&app, &viewer).await?,
        unreachable: tracking::unreachable_words(&app).map(str::to_owned),
    })
}

/// A template with its versions. Needs `templates:view`.
#[server]
pub async fn load_template(id: TemplateId) -> Result<TemplateView, AppError> {
    use crate::server::{context, services::templates, services::tracking};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let template = templates::find_template(&app, &viewer, id).await?;
    let versions = templates::list_versions(&app, &viewer, id).await?;
    let draft = super::draft::load_draft(id.to_string()).await?;
    let written = if draft.is_empty() { template.current.source.clone() } else { source_of_draft(&draft) };
    let used_variables = templates::used_variables(&app, &written).await;
    let sample = templates::sample_values(&app, &viewer, &template, &used_variables).await?;
    let team_tracking = tracking::find_tracking(&app, &viewer).await?;
    let unreachable = tracking::unreachable_words(&app).map(str::to_owned);
    Ok(TemplateView { template: Some(template), used_variables, versions, draft, sample, team_tracking, unreachable })
}

/// Makes a template. Needs `templates:create`.
#[server]
pub async fn create_template(
    name: String,
    subject: String,
    html: String,
    text: String,
    #[server(default)] masked: Vec<String>,
    #[server(default)] sample: String,
    #[server(default)] tracking: TrackingFields,
) -> Result<(), AppError> {
    use crate::server::{context, services::templates};
    let masked = masked_of(&masked);
    let draft = draft_of(NEW_FORM, &name, &subject, &html, &text, &masked).with(SAMPLE_FIELD, &sample);
    let draft = tracking.kept_in(draft);
    let (app, viewer) = (context::app(), context::viewer_of(&draft).await?);
    let (source, tracked) = (source_of(subject, html, text), tracking.given().unwrap_or_default());
    let result = templates::create_template(&app, &viewer, &name, source, &masked, tracked).await;
    let template = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    templates::keep_sample(&app, &viewer, template.id, &sample).await?;
    crate::server::context::redirect(&format!("/templates/{}", template.id));
    context::flash(context::FlashKind::Success, format!("Template “{}” created.", template.name));
    Ok(())
}

/// Gives a template a new version. Needs `templates:update`.
#[server]
pub async fn update_template(
    id: TemplateId,
    name: String,
    #[server(flatten)] texts: TemplateTexts,
    #[server(default)] masked: Vec<String>,
    #[server(default)] sample: String,
    #[server(default)] tracking: TrackingFields,
) -> Result<(), AppError> {
    use crate::server::{context, services::templates};
    let TemplateTexts { subject, html, text } = texts;
    let masked = masked_of(&masked);
    let draft = draft_of(&id.to_string(), &name, &subject, &html, &text, &masked).with(SAMPLE_FIELD, &sample);
    let draft = tracking.kept_in(draft);
    let viewer = context::viewer_of(&draft).await?;
    let (app, source) = (context::app(), source_of(subject, html, text));
    let tracked = tracking.given();
    let result = templates::update_template(&app, &viewer, id, Some(&name), source, Some(&masked), tracked).await;
    let saved = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    templates::keep_sample(&app, &viewer, id, &sample).await?;
    context::flash(
        context::FlashKind::Success,
        format!("Saved. Version {} is the current one.", saved.current.version),
    );
    crate::server::context::redirect(&format!("/templates/{id}"));
    Ok(())
}

/// What a version of a template says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TemplateTexts {
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// The editor's form, which need not be whole to be looked at.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct WrittenTemplate {
    pub name: String,
    pub subject: String,
    pub html: String,
    pub text: String,
    pub masked: Vec<String>,
    pub sample: String,
    /// `1` lets the preview's images load from other servers.
    pub images: String,
    pub tracking: TrackingFields,
}

impl WrittenTemplate {
    /// What is kept of it, for the form of this name.
    pub fn draft(&self, form: &str) -> Draft {
        let masked = masked_of(&self.masked);
        let draft = draft_of(form, &self.name, &self.subject, &self.html, &self.text, &masked);
        self.tracking.kept_in(draft.with(SAMPLE_FIELD, &self.sample).with(IMAGES_FIELD, &self.images))
    }
}

/// What the editor's form says of tracking: `team`, `yes` or `no` for what can be left to the team. A form without it changes
/// nothing of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TrackingFields {
    pub opens: String,
    pub clicks: String,
    /// `1` offers unsubscribing with one click.
    pub unsubscribe: String,
}

impl TrackingFields {
    /// The names of the fields in the form.
    pub const NAMES: [&str; 3] = ["tracking[opens]", "tracking[clicks]", "tracking[unsubscribe]"];

    /// What was said; `None` where the form did not have the fields.
    pub fn given(&self) -> Option<TemplateTracking> {
        if self.opens.is_empty() {
            return None;
        }
        Some(TemplateTracking {
            tracks_opens: choice_of(&self.opens),
            tracks_clicks: choice_of(&self.clicks),
            offers_unsubscribe: self.unsubscribe == "1",
        })
    }

    /// The draft with what was said.
    pub fn kept_in(&self, draft: Draft) -> Draft {
        let said = [&self.opens, &self.clicks, &self.unsubscribe];
        Self::NAMES.into_iter().zip(said).fold(draft, |draft, (name, said)| draft.with(name, said))
    }

    /// What a draft keeps.
    pub fn of_draft(draft: &Draft) -> Self {
        let [opens, clicks, unsubscribe] = Self::NAMES.map(|name| draft.text(name));
        Self { opens, clicks, unsubscribe }
    }
}

/// Gives back the page of what is written, with a preview of it or with what is wrong. Keeps the sample values for the next
/// visit. Needs `templates:view`.
#[server]
pub async fn preview_template(
    #[server(default)] id: Option<TemplateId>,
    #[server(flatten)] written: WrittenTemplate,
) -> Result<(), AppError> {
    use crate::server::{context, services::templates};
    let draft = written.draft(&form_of(id));
    let viewer = context::viewer_of(&draft).await?;
    let WrittenTemplate { subject, html, text, sample, .. } = written;
    let (app, source) = (context::app(), source_of(subject, html, text));
    let result = templates::preview(&app, &viewer, &source, &sample).await;
    context::or_point(&draft, result, label_of).await?;
    if let Some(id) = id {
        templates::keep_sample(&app, &viewer, id, &sample).await?;
    }
    context::keep_draft(&draft).await;
    let page = id.map_or_else(|| "/templates/new".to_owned(), |id| format!("/templates/{id}"));
    crate::server::context::redirect(&format!("{page}#preview"));
    Ok(())
}

/// Sends what is written, with the sample values, to the reader's own address; the page that follows says what the mail
/// server said, and has all that was typed. Needs `templates:view` and `emails:send`, by a person.
#[server]
pub async fn test_template(
    #[server(default)] id: Option<TemplateId>,
    #[server(flatten)] written: WrittenTemplate,
) -> Result<(), AppError> {
    use crate::server::{context, services::templates};
    let draft = written.draft(&form_of(id));
    let viewer = context::viewer_of(&draft).await?;
    let WrittenTemplate { subject, html, text, sample, .. } = written;
    let (app, source) = (context::app(), source_of(subject, html, text));
    let result = templates::send_preview(&app, &viewer, &source, &sample).await;
    let tested = context::or_point(&draft, result, label_of).await?;
    if let Some(id) = id {
        templates::keep_sample(&app, &viewer, id, &sample).await?;
    }
    context::keep_draft(&draft).await;
    context::flash_test(&tested);
    Ok(())
}

/// Deletes a template; messages made from it stay. Needs `templates:delete`.
#[server]
pub async fn delete_template(id: TemplateId) -> Result<(), AppError> {
    use leptos::server_fn::ServerFn;

    use crate::server::{context, services::templates};
    let name = templates::delete_template(&context::app(), &context::viewer().await?, id).await?;
    context::flash_undo(format!("Template “{name}” deleted."), RestoreTemplate::PATH, id);
    crate::server::context::redirect("/templates");
    Ok(())
}

/// Brings back a template that was deleted. Needs `templates:delete`.
#[server]
pub async fn restore_template(id: TemplateId) -> Result<(), AppError> {
    use crate::server::{context, services::templates};
    let name = templates::restore_template(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("The template “{name}” is back."));
    Ok(())
}

/// The editor's form for a template.
pub fn form_of(id: Option<TemplateId>) -> String {
    id.map_or_else(|| NEW_FORM.to_owned(), |id| id.to_string())
}

/// The draft of a template's form; `form` is the template's id, or [NEW_FORM]. The frame of the preview reads it again.
pub fn draft_of(form: &str, name: &str, subject: &str, html: &str, text: &str, masked: &[String]) -> Draft {
    let draft = Draft::of(form).with("name", name).with("subject", subject).with("html", html).with("text", text);
    draft.with(MASKED_FIELD, &masked.join(", ")).read_again()
}

/// What the editor calls a field, where it says what is wrong beside it.
pub fn label_of(field: &str) -> Option<&'static str> {
    match field {
        "name" => Some("Name"),
        "subject" => Some("Subject"),
        "html" => Some("HTML body"),
        "text" => Some("Text body"),
        "sample" => Some("Sample values"),
        _ => None,
    }
}

/// The field of a draft that holds the names of masked variables.
pub const MASKED_FIELD: &str = "masked";

/// The names of masked variables as a form sends them: one of each box that is ticked, and further ones with commas between
/// them. Each once.
pub fn masked_of(lists: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in lists.iter().flat_map(|list| names_of(list)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Names with commas between them.
pub fn names_of(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The sources as a form sends them: lines end in CR LF there, and an empty body is none.
pub fn source_of(subject: String, html: String, text: String) -> TemplateSource {
    let body = |text: String| (!text.trim().is_empty()).then(|| text.replace("\r\n", "\n"));
    TemplateSource { subject, html: body(html), text: body(text) }
}

/// The sources that a draft of the form holds.
pub fn source_of_draft(draft: &Draft) -> TemplateSource {
    source_of(draft.text("subject"), draft.text("html"), draft.text("text"))
}
