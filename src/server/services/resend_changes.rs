//! Sending one message again with a change: what may be changed, what would happen, and doing it. Called by the page
//! `/logs/:id/resend` and by `POST /api/logs/{id}/resend`.

use serde_json::{Value, json};

use super::reveal::{secrets_of_one, shown_content};
use super::send::{self, IdempotencyKey, KeptAnswer, PreparedCopy, Version};
use crate::domain::channel::Channel;
use crate::domain::email::{Accepted, Email, NewEmail, Recipient};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TemplateVersionId};
use crate::domain::masking::Visibility;
use crate::domain::permission::Permission;
use crate::domain::resend::{Knowing, ResendRule, newest_sent};
use crate::domain::resend_change::{
    ChangePreflight, Changeable, CopyChange, FamilyChanges, MAX_VARIABLES_BYTES, ResendChange, TemplateChoice,
    TypedChange, Warning, named_few,
};
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::token_hash;

/// How many recipients are named; of more, the others are counted.
const NAMED: usize = 5;

/// Sends a message again with a change, if any. Needs `logs:resend`; another address and other variables need `logs:reveal`, and
/// a reason where the viewer sees less than all of the message; an adapter needs `adapters:view`. `rule` says which messages the
/// caller may mean. `answer` makes what the caller is told, which a repetition with the same key is told too.
pub async fn resend_changed(
    app: &App,
    viewer: &Viewer,
    (id, again, rule): (EmailId, Option<EmailId>, ResendRule),
    change: &ResendChange,
    key: Option<IdempotencyKey>,
    answer: impl FnOnce(Accepted) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    viewer.require(Permission::LogsResend)?;
    let email = load(app, viewer, id).await?;
    let copy = prepare(app, viewer, &email, (again, rule), key.is_some(), change).await?;
    let answer = answer(copy.accepted())?;
    let first = send::accept_copy(app, viewer, copy, key.map(|key| (key, answer.clone()))).await?;
    Ok(first.unwrap_or(answer))
}

/// The same by a person, who may send what went out once more where `again` says that they know it. A form that is sent twice
/// with one key sends one copy; with what the first was answered.
pub async fn resend_by_form(
    app: &App,
    viewer: &Viewer,
    (id, again): (EmailId, Option<EmailId>),
    change: &ResendChange,
    key: IdempotencyKey,
) -> Result<EmailId, AppError> {
    let (_turn, first) = send::begin_once(app, viewer, Permission::LogsResend, &key).await?;
    let rule = if again.is_some() { viewer.resend_rule() } else { ResendRule::Failed };
    let answer = |accepted: Accepted| Ok(KeptAnswer { status: 303, body: accepted.id.to_string() });
    let answer = match first {
        Some(first) => first,
        None => resend_changed(app, viewer, (id, again, rule), change, Some(key), answer).await?,
    };
    answer.body.parse().map_err(|_| AppError::Internal)
}

async fn prepare(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    (again, rule): (Option<EmailId>, ResendRule),
    may_repeat: bool,
    change: &ResendChange,
) -> Result<PreparedCopy, AppError> {
    // Who may not make the change learns nothing else.
    send::require_change(viewer, change)?;
    if let Some(obstacle) = email.resend_obstacle(rule) {
        return Err(AppError::invalid(obstacle));
    }
    let must_have_failed = rule != ResendRule::Any;
    send::prepare_changed_copy(app, viewer, email, Knowing::Of(again), must_have_failed, may_repeat, change).await
}

async fn load(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    app.store.find_email(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Email log"))
}

/// Passes who may ask for such a change of a message that is there. Needs `logs:view` and `logs:resend`, and what the change needs.
pub async fn check_change(app: &App, viewer: &Viewer, id: EmailId, change: &ResendChange) -> Result<(), AppError> {
    require_rights(viewer, change)?;
    load(app, viewer, id).await.map(drop)
}

fn require_rights(viewer: &Viewer, change: &ResendChange) -> Result<(), AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsResend)?;
    send::require_change(viewer, change)
}

/// Reads a form.
pub fn read(typed: &TypedChange) -> Result<ResendChange, AppError> {
    let adapter = match typed.adapter.trim() {
        "" => None,
        id => Some(id.parse().map_err(|_| AppError::not_found("Adapter"))?),
    };
    Ok(ResendChange {
        to: Some(typed.to.trim().to_owned()).filter(|to| !to.is_empty()),
        variables: read_variables(&typed.variables)?,
        template: read_choice(typed.template.trim())?,
        adapter,
    })
}

/// What stands for all of a form. A browser sends other line ends than it was given.
pub fn checked(typed: &TypedChange) -> String {
    let template = if typed.template.is_empty() { "original" } else { &typed.template };
    let said = json!([typed.to.trim(), typed.variables.replace("\r\n", "\n").trim(), template, typed.adapter]);
    token_hash(&said.to_string())
}

/// Reads variables as they are typed into a form: JSON, or nothing.
fn read_variables(typed: &str) -> Result<Option<Value>, AppError> {
    let wrong = |words: String| AppError::invalid_field("variables", words);
    if typed.len() > MAX_VARIABLES_BYTES {
        return Err(wrong(format!("variables are longer than {} KiB", MAX_VARIABLES_BYTES / 1024)));
    }
    if typed.trim().is_empty() {
        return Ok(None);
    }
    let value: Value =
        serde_json::from_str(typed).map_err(|cause| wrong(format!("variables are not JSON: {cause}")))?;
    if value.is_object() { Ok(Some(value)) } else { Err(wrong("variables must be a JSON object".to_owned())) }
}

/// A message as the viewer sees it, with what of it they may change. Needs `logs:view` and `logs:resend`.
pub async fn find_changeable(app: &App, viewer: &Viewer, id: EmailId) -> Result<(Email, Changeable), AppError> {
    require_rights(viewer, &ResendChange::default())?;
    let email = load(app, viewer, id).await?;
    let visibility = Visibility::of(viewer, email.id, app.clock.now());
    let stored = app.store.find_stored_content(viewer.team, email.id).await?;
    let (version, own) = match &stored {
        Some(stored) => (stored.version.clone(), stored.content.variables.clone()),
        None => (None, Value::Null),
    };
    let address = send::may_readdress(viewer, &email, &own, visibility);
    let edit = send::may_edit(viewer, &email, &version, visibility);
    let versions = versions(app, viewer, &email, &version).await?;
    let adapters = match viewer.may(Permission::AdaptersView) {
        true => app.store.list_adapters(viewer.team).await?,
        false => Vec::new(),
    };
    let adapters = adapters.into_iter().filter(|adapter| adapter.kind.sends(email.channel));
    let adapters = adapters.map(|adapter| (adapter.id, adapter.name)).collect();
    let mut obstacles: Vec<String> = Vec::new();
    // Of what is not kept any more, the preflight tells.
    for error in [address.as_ref().err(), edit.as_ref().err()].into_iter().flatten().filter(|_| stored.is_some()) {
        match error {
            // The page says whom to ask.
            AppError::MissingPermission(_) => {}
            error => obstacles.push(error.to_string()),
        }
    }
    let (has_content, mut variables) = (stored.is_some(), None);
    if let (Some(stored), Ok(())) = (stored, &edit) {
        let shown = shown_content(app, visibility, &email, stored).await.variables;
        variables = serde_json::to_string_pretty(&shown).ok().filter(|json| json.len() <= MAX_VARIABLES_BYTES);
        if variables.is_none() {
            obstacles.push(format!(
                "Its variables are longer than {} KiB, too long to be changed here",
                MAX_VARIABLES_BYTES / 1024
            ));
        }
    }
    let secrets = secrets_of_one(app, viewer, &email).await?;
    let changeable = Changeable { address: has_content && address.is_ok(), variables, obstacles, versions, adapters };
    Ok((visibility.email(email, &secrets), changeable))
}

async fn versions(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    version: &Version,
) -> Result<Option<(Option<i64>, i64)>, AppError> {
    let Some(id) = email.template_id.filter(|_| version.is_some()) else { return Ok(None) };
    let current = app.store.find_template(viewer.team, id).await?;
    Ok(current.map(|template| (email.template_version, template.current.version)))
}

/// What would happen, whatever of the change is wrong. Needs `logs:view` and `logs:resend`.
pub async fn preflight(
    app: &App,
    viewer: &Viewer,
    id: EmailId,
    change: &ResendChange,
) -> Result<ChangePreflight, AppError> {
    require_rights(viewer, &ResendChange::default())?;
    let email = load(app, viewer, id).await?;
    let family = app.store.find_family(viewer.team, email.id).await?;
    let again = newest_sent(&family, email.id).map(|sent| sent.id).or_else(|| email.reach().map(|_| email.id));
    let rule = viewer.resend_rule();
    let copy = match prepare(app, viewer, &email, (again, rule), false, change).await {
        Ok(copy) => copy,
        Err(error @ (AppError::Unavailable | AppError::TooSlow | AppError::Internal)) => return Err(error),
        Err(error) => {
            let field = match &error {
                AppError::InvalidTemplate { .. } => Some("variables".to_owned()),
                error => error.field().map(str::to_owned),
            };
            return Ok(ChangePreflight { refusal: Some((field, error.to_string())), ..ChangePreflight::default() });
        }
    };
    let visibility = Visibility::of(viewer, email.id, app.clock.now());
    let mut warnings = suppressed(app, viewer, visibility, copy.email()).await?;
    if let Some(sent) = newest_sent(&family, email.id) {
        let words = format!("It was sent already, as {}, and {}.", sent.id, sent.reach.words());
        warnings.push(Warning { words, because_of: Some(sent.id) });
    } else if let Some(reach) = email.reach() {
        warnings.push(Warning { words: format!("It did not fail: it {}.", reach.words()), because_of: None });
    }
    if copy.keeps_subject() {
        let words = "Its application gave it a subject of its own, which stays as it was.".to_owned();
        warnings.push(Warning { words, because_of: None });
    }
    if copy.change().is_to_other && copy.email().mime.is_some() {
        let words = "It came as mail and goes out as it came: in its head the first address stands on.".to_owned();
        warnings.push(Warning { words, because_of: None });
    }
    let sentences = sentences(app, viewer, &email, &copy, visibility).await?;
    Ok(ChangePreflight { sentences, warnings, refusal: None, again })
}

async fn sentences(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    copy: &PreparedCopy,
    visibility: Visibility,
) -> Result<Vec<String>, AppError> {
    let (new, change) = (copy.email(), copy.change());
    let instead = change.is_to_other.then(|| format!(" instead of {}", people(&email.recipients)));
    let to = format!("It goes to {}{}.", people(&new.recipients), instead.unwrap_or_default());
    let subject = match new.subject.as_str() {
        "" => "It has no subject.".to_owned(),
        subject => format!("Its subject is “{subject}”."),
    };
    let name = email.template_name.as_ref().map(|name| format!(" of “{name}”")).unwrap_or_default();
    let version = |number: Option<i64>| number.map(|number| format!("version {number}{name}"));
    let template = match (change.is_current, change.variables.is_empty()) {
        (true, _) => {
            let current = current_version(app, viewer, email, new.template.map(|(_, version)| version)).await?;
            let before = version(email.template_version).unwrap_or_else(|| "another version".to_owned());
            let now = version(current).unwrap_or_else(|| "the current version".to_owned());
            format!("It is made anew from {now}, the current one. It was sent from {before}.")
        }
        (false, false) => {
            let version = version(email.template_version).unwrap_or_else(|| "its template".to_owned());
            format!("It is made anew from {version}, as it was when it was sent.")
        }
        (false, true) => "It says what it said: nothing is made anew.".to_owned(),
    };
    let variables = match change.variables.is_empty() {
        true => "No variable is changed.".to_owned(),
        false => format!("Changed variables: {}.", named_few(&change.variables)),
    };
    let adapter = match new.adapter_id {
        Some(id) => app.store.find_adapter(viewer.team, id).await?.map(|adapter| adapter.name),
        None => None,
    };
    let by = match (adapter, change.adapter_id) {
        (Some(name), Some(_)) => format!("It goes out by “{name}” and by no other adapter, from {}.", new.from_address),
        (Some(name), None) => format!("It goes out by “{name}”."),
        (None, _) => "It waits until the team has an adapter for it.".to_owned(),
    };
    let once =
        "It gets its own entry in the log, linked to this one. Pressing the button twice sends it once.".to_owned();
    let told = [to, subject, template, variables, by, once];
    let secrets = secrets_of_one(app, viewer, email).await?;
    Ok(told.into_iter().map(|sentence| visibility.text(secrets.scrub(&sentence))).collect())
}

async fn current_version(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    version: Option<TemplateVersionId>,
) -> Result<Option<i64>, AppError> {
    let Some(id) = email.template_id else { return Ok(None) };
    let template = app.store.find_template(viewer.team, id).await?;
    let current = template.map(|template| template.current).filter(|current| Some(current.id) == version);
    Ok(current.map(|current| current.version))
}

/// Which recipients the copy would not get to, since the team does not write to them any more.
async fn suppressed(
    app: &App,
    viewer: &Viewer,
    visibility: Visibility,
    new: &NewEmail,
) -> Result<Vec<Warning>, AppError> {
    let addresses: Vec<String> = match new.channel {
        Channel::Email => new.recipients.iter().map(|one| one.address.clone()).collect(),
        Channel::Sms | Channel::Call | Channel::Push | Channel::InApp => Vec::new(),
    };
    let mut warnings = Vec::new();
    for Suppression { address, reason, created_at, email_id, .. } in
        app.store.find_suppressions_of(viewer.team, &addresses).await?
    {
        let why = match reason {
            SuppressionReason::Bounced => "an earlier message came back",
            SuppressionReason::Complained => "an earlier message was marked as spam",
            SuppressionReason::Unsubscribed => "its owner unsubscribed",
            SuppressionReason::Manual => "somebody put it there",
        };
        let since = created_at.format("%Y-%m-%d");
        let words = format!(
            "{address} is on the suppression list since {since}, because {why}: what goes to it is dropped, unless it is lifted \
             from the list first."
        );
        warnings.push(Warning { words: visibility.text(words), because_of: email_id });
    }
    Ok(warnings)
}

/// `ada@example.com, bob@example.com and 3 more`.
fn people(recipients: &[Recipient]) -> String {
    let named = if recipients.len() > NAMED { NAMED - 1 } else { recipients.len() };
    let shown: Vec<&str> = recipients.iter().take(named).map(|recipient| recipient.address.as_str()).collect();
    match (recipients.len(), recipients.len() - named) {
        (0, _) => "nobody".to_owned(),
        (_, 0) => shown.join(", "),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What a message has otherwise than the one that it sends again, and its copies than it. The caller has checked that the viewer
/// may see it.
pub(super) async fn family_changes(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    visibility: Visibility,
) -> Result<FamilyChanges, AppError> {
    let mut ids = email.resent_as.clone();
    ids.extend(email.resend_of.map(|_| email.id));
    let mut copies = app.store.list_resend_changes(viewer.team, &ids).await?;
    let own: CopyChange = match copies.iter().position(|(id, _)| *id == email.id) {
        Some(place) => copies.remove(place).1,
        None => CopyChange::default(),
    };
    let original = match email.resend_of.filter(|_| own.is_to_other) {
        Some(id) => app.store.find_email(viewer.team, id).await?,
        None => None,
    };
    let instead_of = original.map(|original| visibility.text(people(&original.recipients)));
    Ok(FamilyChanges { own, instead_of, copies })
}

/// What is chosen of the template, by its name; nothing where the form has no such field.
fn read_choice(typed: &str) -> Result<TemplateChoice, AppError> {
    match typed {
        "" => Ok(TemplateChoice::Original),
        name => name.parse().map_err(|cause| AppError::invalid_field("template", format!("{cause}"))),
    }
}
