//! A message's subject as it is sent, and as the log shows it.

use serde_json::Value;

use crate::domain::masking::{MASK, mask_marked};
use crate::server::App;
use crate::server::render::Undefined;

/// The subject as the log shows it, where the template marks variables that are given: with their values masked. Where it
/// cannot be made so, nothing of it is shown.
pub(in crate::server::services) async fn masked_subject(
    app: &App,
    source: &str,
    variables: &Value,
    marked: &[String],
) -> Option<String> {
    if !marked.iter().any(|name| variables.get(name).is_some()) {
        return None;
    }
    let (variables, secrets) = mask_marked(variables, marked);
    // What is missing is found in the subject that is sent.
    let shown = app.renderer.render_subject(source, &variables, Undefined::IsNothing).await;
    Some(shown.map_or_else(|_| MASK.to_owned(), |subject| secrets.scrub(&subject)))
}

/// The subject for the log and, where that is another, the one that is sent.
pub(in crate::server::services) fn split_subject(sent: String, shown: Option<String>) -> (String, Option<String>) {
    match shown {
        Some(shown) if shown != sent => (shown, Some(sent)),
        Some(_) | None => (sent, None),
    }
}
