//! A template that is being written, made into a message with sample values: to look at, and as a test to oneself. Called by
//! the editor. Of it, the sample values alone are kept, for whoever typed them.

use serde_json::{Map, Value, json};

use super::super::{adapters, audit, direct, emails, limits};
use crate::domain::audit::AuditAction;
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::TemplateId;
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::template::{Template, TemplateSource, Undefined};
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;
use crate::server::render::RenderedTemplate;

/// The longest sample values that are kept, in bytes.
const MAX_SAMPLE_BYTES: usize = 64 * 1024;

/// Renders sources with sample values, a JSON object. Needs `templates:view`. A variable that the values lack is an
/// error, as it is when a message is sent.
pub async fn preview(
    app: &App,
    viewer: &Viewer,
    source: &TemplateSource,
    sample: &str,
) -> Result<RenderedTemplate, AppError> {
    viewer.require(Permission::TemplatesView)?;
    app.renderer.check_template(source).await?;
    let rendered = app.renderer.render_template(source, &sample_of(sample)?, Undefined::Refused).await;
    rendered.map_err(|error| match error {
        AppError::Validation { message, .. } => {
            AppError::invalid_field("sample", message.replace("The variables", "The sample values"))
        }
        error => error,
    })
}

/// Sends such a message to the viewer's own address by the team's default mail server, and tells what that said. Needs
/// `templates:view` and `emails:send`. It is in no log and counts in no statistics; the audit log has it.
pub async fn send_preview(
    app: &App,
    viewer: &Viewer,
    source: &TemplateSource,
    sample: &str,
) -> Result<adapters::TestOutcome, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let rendered = preview(app, viewer, source, sample).await?;
    let Actor::User { email, .. } = &viewer.actor else {
        return Err(AppError::Forbidden(
            "A test goes to the person who asks for it, so an API key cannot send one".to_owned(),
        ));
    };
    let adapter = app.store.find_default_adapter(viewer.team, Channel::Email).await?;
    let no_adapter =
        || AppError::Adapter("The team has no mail adapter yet. Add one under Settings, Adapters".to_owned());
    let adapter = adapter.ok_or_else(no_adapter)?;
    limits::count_attempt(app, limits::ADAPTER_TEST, &viewer.team.to_string()).await?;
    let mut message = direct::message(Channel::Email, &adapter.from_address, email, &rendered.subject, "");
    (message.html, message.text) = (rendered.html, rendered.text);
    let outcome = adapters::try_message(app, viewer.team, &adapter, email, &message).await?;
    let event = audit::by(app, viewer, AuditAction::TemplateTested).made(outcome.said());
    app.store.append_audit_event(viewer.team, &event).await?;
    Ok(outcome)
}

/// Keeps the sample values that a person saw a template with, for their next visit, which takes `templates:view`. What is no
/// JSON object, is too long or was typed by nobody in person is not kept, and that is no error.
pub async fn keep_sample(app: &App, viewer: &Viewer, id: TemplateId, sample: &str) -> Result<(), AppError> {
    let Actor::User { id: user, .. } = &viewer.actor else { return Ok(()) };
    if !viewer.may(Permission::TemplatesView) || sample.len() > MAX_SAMPLE_BYTES || sample_of(sample).is_err() {
        return Ok(());
    }
    app.store.keep_template_sample(viewer.team, id, *user, &sample.replace("\r\n", "\n")).await
}

/// Sample values for a template, a JSON object in lines: those that the person last saw it with, or else those of the newest
/// message made from it, for who may see them; otherwise each variable's own name. Needs `templates:view`.
pub async fn sample_values(
    app: &App,
    viewer: &Viewer,
    template: &Template,
    used: &[String],
) -> Result<String, AppError> {
    viewer.require(Permission::TemplatesView)?;
    if let Actor::User { id: user, .. } = &viewer.actor
        && let Some(kept) = app.store.find_template_sample(viewer.team, template.id, *user).await?
    {
        return Ok(kept);
    }
    let newest = if viewer.may(Permission::LogsView) && viewer.may(Permission::LogsReveal) {
        let filter = EmailFilter { template_id: Some(template.id), ..EmailFilter::default() };
        emails::list_emails(app, viewer, &filter, PageRequest { page: 1, page_size: 1 }).await?.items.pop()
    } else {
        None
    };
    let mut values = match newest {
        Some(newest) => match emails::find_email_with_variables(app, viewer, newest.id).await?.1 {
            Value::Object(values) => values,
            _ => Map::new(),
        },
        None => Map::new(),
    };
    for name in used {
        values.entry(name).or_insert_with(|| json!(name.replace('_', " ")));
    }
    Ok(serde_json::to_string_pretty(&values).unwrap_or_default())
}

fn sample_of(text: &str) -> Result<Value, AppError> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    let wrong = |message: String| AppError::invalid_field("sample", message);
    match serde_json::from_str(text) {
        Ok(values @ Value::Object(_)) => Ok(values),
        Ok(_) => Err(wrong("Sample values are a JSON object, such as {\"name\": \"Ada\"}".to_owned())),
        Err(cause) => {
            let place = format!(" at line {} column {}", cause.line(), cause.column());
            let what = cause.to_string();
            let what = plain_words(what.strip_suffix(&place).unwrap_or(&what));
            Err(wrong(format!("Sample values, line {}, column {}: {what}", cause.line(), cause.column())))
        }
    }
}

/// What is wrong with a JSON text, by the words of its parser. Source: serde_json, `ErrorCode`.
fn plain_words(what: &str) -> &'static str {
    match what {
        "EOF while parsing an object" => "the closing brace } is missing",
        "EOF while parsing a list" => "the closing bracket ] is missing",
        "EOF while parsing a string" => "the closing quotation mark \" is missing",
        "EOF while parsing a value" | "expected value" | "expected ident" => {
            "a value is missing: text in quotation marks, a number, true, false, null, a list or an object"
        }
        "expected `:`" => "a colon is missing between a name and its value",
        "expected `,` or `}`" => "a comma or the closing brace } is missing",
        "expected `,` or `]`" => "a comma or the closing bracket ] is missing",
        "key must be a string" => "a name in quotation marks is missing, such as \"name\"",
        "trailing comma" => "there is a comma with nothing behind it",
        "trailing characters" => "there is more behind the end",
        "invalid number" => "this is no number",
        "invalid escape" => "a backslash stands before a character that needs none; for a backslash itself, write two",
        what if what.starts_with("control character") => {
            "a line break or a tab stands within a text; write \\n or \\t in its place"
        }
        _ => "this is no JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_sample_values_is_said_in_plain_words_with_its_place() {
        for (sample, words) in [
            ("[1]", "Sample values are a JSON object, such as {\"name\": \"Ada\"}"),
            ("{\n\"name\": }", "Sample values, line 2, column 9: a value is missing"),
            ("{name}", "Sample values, line 1, column 2: a name in quotation marks is missing"),
            ("{\"a\": 1", "Sample values, line 1, column 7: the closing brace } is missing"),
            ("{\"a\": \"b", "the closing quotation mark \" is missing"),
            ("{\"a\" 1}", "a colon is missing"),
            ("{\"a\": 1 \"b\": 2}", "a comma or the closing brace } is missing"),
            ("{\"a\": [1 2]}", "a comma or the closing bracket ] is missing"),
            ("{\"a\": 1,}", "there is a comma with nothing behind it"),
            ("{} {}", "there is more behind the end"),
            ("{\"a\": \"b\nc\"}", "a line break or a tab stands within a text"),
            ("{\"a\": \"\\d\"}", "a backslash stands before"),
            ("{\"a\": 1.}", "this is no number"),
        ] {
            let error = sample_of(sample).unwrap_err();
            assert_eq!(error.field(), Some("sample"));
            assert!(error.to_string().contains(words) && !error.to_string().contains('`'), "{sample}: {error}");
        }
        assert!(sample_of(" \n").is_ok());
    }
}
