//! Texts that are replaced by others once the variables are in their places.

use crate::domain::error::AppError;
use crate::server::render::{OUTPUT_CAP_BYTES, RenderedTemplate};

pub(super) fn replaced_subject(subject: String, replacements: &[(String, String)]) -> Result<String, AppError> {
    let mut content = RenderedTemplate { subject, ..RenderedTemplate::default() };
    replace_texts(&mut content, replacements)?;
    Ok(content.subject)
}

pub(super) fn replace_texts(content: &mut RenderedTemplate, replacements: &[(String, String)]) -> Result<(), AppError> {
    for (from, to) in replacements.iter().filter(|(from, _)| !from.is_empty()) {
        let texts = [Some(&mut content.subject), content.html.as_mut(), content.text.as_mut()];
        for text in texts.into_iter().flatten() {
            let added = text.matches(from.as_str()).count().saturating_mul(to.len());
            if text.len().saturating_add(added) > OUTPUT_CAP_BYTES {
                return Err(AppError::invalid_field("replace", "The content becomes too large by what is replaced"));
            }
            *text = text.replace(from.as_str(), to);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_never_grows_past_the_cap() {
        let content = |text: &str| RenderedTemplate { text: Some(text.to_owned()), ..RenderedTemplate::default() };
        let replace = |text: &str, from: &str, to: &str| {
            let mut content = content(text);
            replace_texts(&mut content, &[(from.to_owned(), to.to_owned())]).map(|()| content.text.unwrap())
        };
        assert_eq!(replace("a b a", "a", "c").unwrap(), "c b c");
        assert_eq!(replace("a", "", "c").unwrap(), "a");
        assert!(replace(&"a".repeat(3000), "a", &"b".repeat(3000)).is_err());
    }
}
