//! The documents in `docs/`, built in, for the pages of help.

/// The documents by their names.
const DOCUMENTS: [(&str, &str); 22] = [
    ("contents", include_str!("../../docs/README.md")),
    ("access", include_str!("../../docs/access.md")),
    ("accounts", include_str!("../../docs/accounts.md")),
    ("adapters", include_str!("../../docs/adapters.md")),
    ("audit", include_str!("../../docs/audit.md")),
    ("bounces", include_str!("../../docs/bounces.md")),
    ("dialects", include_str!("../../docs/dialects.md")),
    ("events", include_str!("../../docs/events.md")),
    ("http-adapter", include_str!("../../docs/http-adapter.md")),
    ("imports", include_str!("../../docs/imports.md")),
    ("keys", include_str!("../../docs/keys.md")),
    ("operating", include_str!("../../docs/operating.md")),
    ("privacy", include_str!("../../docs/privacy.md")),
    ("provider-webhooks", include_str!("../../docs/provider-webhooks.md")),
    ("suppressions", include_str!("../../docs/suppressions.md")),
    ("resends", include_str!("../../docs/resends.md")),
    ("smtp-in", include_str!("../../docs/smtp-in.md")),
    ("search", include_str!("../../docs/search.md")),
    ("security", include_str!("../../docs/security.md")),
    ("webhooks", include_str!("../../docs/webhooks.md")),
    ("templates", include_str!("../../docs/templates.md")),
    ("tracking", include_str!("../../docs/tracking.md")),
];

/// The document of this name.
pub fn find_document(name: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::{Block, read_document};

    #[test]
    fn every_document_is_built_in_and_has_a_title_and_parts() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let files =
            std::fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let files: Vec<String> = files.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect();
        assert_eq!(files.len(), DOCUMENTS.len());
        for name in files.iter().filter(|name| *name != "README") {
            assert!(find_document(name).is_some(), "{name}");
        }
        for (name, text) in DOCUMENTS {
            let (title, blocks) = read_document(text);
            assert!(
                !title.is_empty() && blocks.iter().any(|block| matches!(block, Block::Paragraph(_) | Block::List(_))),
                "{name}"
            );
        }
    }
}
