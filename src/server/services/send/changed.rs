//! What a copy has otherwise than its message: who may change it, and the copy made anew. Called by [super::copy].

use serde_json::{Value, json};

use super::request::{check_subject, checked_object};
use super::subject::{masked_subject, split_subject};
use crate::domain::adapter::Adapter;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, NewEmail, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TemplateVersionId};
use crate::domain::mailbox::is_same_address;
use crate::domain::masking::{Contents, Visibility, mask_marked};
use crate::domain::permission::Permission;
use crate::domain::resend_change::{CopyChange, MAX_VARIABLES_BYTES, ResendChange, TemplateChoice, changed_names};
use crate::domain::template::TemplateSource;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::mailbox::parse_mailbox;
use crate::server::render::Undefined;

/// The version of a template that a message was made from.
pub(in crate::server::services) type Version = Option<(TemplateVersionId, TemplateSource)>;

/// Passes who may ask for such a change of any message: whom a copy goes to and what it says, those say who may see that.
pub(in crate::server::services) fn require_change(viewer: &Viewer, change: &ResendChange) -> Result<(), AppError> {
    if change.to.is_some() || change.variables.is_some() {
        viewer.require(Permission::LogsReveal)?;
    }
    if change.adapter.is_some() {
        viewer.require(Permission::AdaptersView)?;
    }
    Ok(())
}

/// Passes who may send this message to another address, where they could read all of it: who sees less than that must not
/// have it sent to themselves.
pub(in crate::server::services) fn may_readdress(
    viewer: &Viewer,
    email: &Email,
    variables: &Value,
    visibility: Visibility,
) -> Result<(), AppError> {
    let holds_marked = email.marked_variables.iter().any(|name| variables.get(name).is_some());
    viewer.require(Permission::LogsReveal)?;
    if email.channel != Channel::Email {
        return Err(AppError::invalid_field("to", "Only an email can go to another address"));
    }
    match visibility.contents {
        Contents::Hidden | Contents::Locked => Err(reason_first("It can go to another address")),
        Contents::AllButMarked if holds_marked => {
            Err(reason_first("Some of its values are masked. It can go to another address"))
        }
        Contents::AllButMarked | Contents::All => Ok(()),
    }
}

/// Passes who may change this message's variables, where a template puts them into it.
pub(in crate::server::services) fn may_edit(
    viewer: &Viewer,
    email: &Email,
    version: &Version,
    visibility: Visibility,
) -> Result<(), AppError> {
    viewer.require(Permission::LogsReveal)?;
    if email.channel != Channel::Email || version.is_none() {
        let words = "It was not made from a template, so that no variable of it can be changed";
        return Err(AppError::invalid_field("variables", words));
    }
    match visibility.contents {
        Contents::Hidden | Contents::Locked => Err(reason_first("Its variables can be changed")),
        Contents::AllButMarked | Contents::All => Ok(()),
    }
}

fn reason_first(what: &str) -> AppError {
    AppError::Forbidden(format!("{what} once you have given a reason to see it, on the message's page"))
}

/// The adapter that a change names, where it sends the channel.
pub(super) async fn named_adapter(
    app: &App,
    viewer: &Viewer,
    channel: Channel,
    id: Option<AdapterId>,
) -> Result<Option<Adapter>, AppError> {
    let Some(id) = id else { return Ok(None) };
    let adapter = app.store.find_adapter(viewer.team, id).await?.filter(|adapter| adapter.kind.sends(channel));
    adapter.map(Some).ok_or_else(|| AppError::not_found("Adapter"))
}

/// What was made of a copy.
pub(super) struct Changed {
    pub(super) change: CopyChange,
    /// Whether the application had given its subject, which stays.
    pub(super) keeps_subject: bool,
}

/// Changes a copy, which says the same as its message so far, as it is asked for. The adapter the caller has chosen.
pub(super) async fn apply(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    new: &mut NewEmail,
    version: Version,
    (asked, named): (&ResendChange, Option<Adapter>),
) -> Result<Changed, AppError> {
    let visibility = Visibility::of(viewer, email.id, app.clock.now());
    let (adapter_id, adapter_name) = (named.as_ref().map(|adapter| adapter.id), named.map(|adapter| adapter.name));
    let mut change = CopyChange { adapter_id, adapter_name, ..CopyChange::default() };
    if let Some(to) = &asked.to {
        may_readdress(viewer, email, &new.variables, visibility)?;
        let mailbox = parse_mailbox("to", to)?;
        let recipient = Recipient { kind: RecipientKind::To, address: mailbox.address, name: mailbox.name };
        change.is_to_other = match &email.recipients[..] {
            [only] => !is_same_address(&only.address, &recipient.address),
            [] | [_, _, ..] => true,
        };
        new.recipients = vec![recipient];
    }
    let variables = match &asked.variables {
        Some(given) => {
            may_edit(viewer, email, &version, visibility)?;
            given_variables(given, &new.variables, email, visibility)?
        }
        None => new.variables.clone(),
    };
    change.variables = changed_names(&new.variables, &variables);
    change.is_current = asked.template == TemplateChoice::Current;
    let keeps_subject = match change.variables.is_empty() && !change.is_current {
        true => false,
        false => render(app, viewer, email, new, version, (variables, change.is_current)).await?,
    };
    Ok(Changed { change, keeps_subject })
}

/// Makes the copy's texts anew; whether its subject stays, because the application had given it.
async fn render(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    new: &mut NewEmail,
    version: Version,
    (variables, is_current): (Value, bool),
) -> Result<bool, AppError> {
    let original = version.map(|(_, source)| source);
    let (source, marked) = match is_current {
        true => {
            let gone = || {
                let words = "It was made from no template, or from one that is deleted: there is no current version";
                AppError::invalid_field("template", words)
            };
            let id = email.template_id.filter(|_| email.channel == Channel::Email).ok_or_else(gone)?;
            let template = app.store.find_template(viewer.team, id).await?.ok_or_else(gone)?;
            new.template = Some((template.id, template.current.id));
            new.worded_by = None;
            (template.current.source, template.masked_variables)
        }
        false => {
            let none = || AppError::invalid_field("variables", "It was not made from a template");
            (original.clone().ok_or_else(none)?, email.marked_variables.clone())
        }
    };
    let (undefined, keeps_subject) = match &original {
        Some(original) => {
            // What was missing when it was sent may be missing again.
            let before = app.renderer.render_template(original, &new.variables, Undefined::Refused).await;
            let undefined = if before.is_ok() { Undefined::Refused } else { Undefined::IsNothing };
            let before = app.renderer.render_subject(&original.subject, &new.variables, undefined).await;
            let sent = new.sent_subject.as_ref().unwrap_or(&new.subject);
            (undefined, before.is_ok_and(|before| before != *sent))
        }
        None => (Undefined::Refused, false),
    };
    let rendered = app.renderer.render_template(&source, &variables, undefined).await?;
    if !keeps_subject {
        check_subject(&rendered.subject)?;
        let shown = masked_subject(app, &source.subject, &variables, &marked).await;
        (new.subject, new.sent_subject) = split_subject(rendered.subject, shown);
    }
    (new.html, new.text, new.variables) = (rendered.html, rendered.text, variables);
    Ok(keeps_subject)
}

/// The variables that were given, where those that stand as the viewer was shown them stay what they are behind their masks.
fn given_variables(given: &Value, own: &Value, email: &Email, visibility: Visibility) -> Result<Value, AppError> {
    if given.to_string().len() > MAX_VARIABLES_BYTES {
        let words = format!("variables are longer than {} KiB", MAX_VARIABLES_BYTES / 1024);
        return Err(AppError::invalid_field("variables", words));
    }
    let mut given = checked_object("variables", given.clone())?;
    if visibility.contents != Contents::All {
        let (shown, _) = mask_marked(own, &email.marked_variables);
        for (name, value) in given.as_object_mut().into_iter().flatten() {
            if shown.get(name) == Some(&*value)
                && let Some(own) = own.get(name)
            {
                value.clone_from(own);
            }
        }
    }
    Ok(given)
}

/// What the audit log says of a copy: which things were changed, and no value of them.
pub(super) fn audited(copy: EmailId, change: &CopyChange) -> Value {
    let mut made = json!({ "resentAs": copy });
    if let Value::Object(fields) = &mut made {
        let variables = (!change.variables.is_empty()).then(|| json!(change.variables));
        let told = [
            ("toAnotherAddress", change.is_to_other.then_some(json!(true))),
            ("variables", variables),
            ("template", change.is_current.then(|| json!("current"))),
            ("adapter", change.adapter_name.as_ref().map(|name| json!(name))),
        ];
        fields.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    made
}
