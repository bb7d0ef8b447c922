//! The documents in `docs/`, built in, for the pages of help.

/// The documents by their names; `sdk/resend.md` is `sdk-resend`.
const DOCUMENTS: &[(&str, &str)] = &[
    ("contents", include_str!("../../docs/README.md")),
    ("access", include_str!("../../docs/access.md")),
    ("accounts", include_str!("../../docs/accounts.md")),
    ("adapters", include_str!("../../docs/adapters.md")),
    ("architecture", include_str!("../../docs/architecture.md")),
    ("audit", include_str!("../../docs/audit.md")),
    ("backup", include_str!("../../docs/backup.md")),
    ("behind-a-proxy", include_str!("../../docs/behind-a-proxy.md")),
    ("bounces", include_str!("../../docs/bounces.md")),
    ("dialects", include_str!("../../docs/dialects.md")),
    ("events", include_str!("../../docs/events.md")),
    ("http-adapter", include_str!("../../docs/http-adapter.md")),
    ("imports", include_str!("../../docs/imports.md")),
    ("keys", include_str!("../../docs/keys.md")),
    ("metrics", include_str!("../../docs/metrics.md")),
    ("operating", include_str!("../../docs/operating.md")),
    ("privacy", include_str!("../../docs/privacy.md")),
    ("provider-webhooks", include_str!("../../docs/provider-webhooks.md")),
    ("quick-start", include_str!("../../docs/quick-start.md")),
    ("resends", include_str!("../../docs/resends.md")),
    ("scaling", include_str!("../../docs/scaling.md")),
    ("search", include_str!("../../docs/search.md")),
    ("security", include_str!("../../docs/security.md")),
    ("smtp-in", include_str!("../../docs/smtp-in.md")),
    ("suppressions", include_str!("../../docs/suppressions.md")),
    ("templates", include_str!("../../docs/templates.md")),
    ("tracking", include_str!("../../docs/tracking.md")),
    ("upgrading", include_str!("../../docs/upgrading.md")),
    ("webhooks", include_str!("../../docs/webhooks.md")),
    ("providers-amazon-ses", include_str!("../../docs/providers/amazon-ses.md")),
    ("providers-brevo", include_str!("../../docs/providers/brevo.md")),
    ("providers-jetemail", include_str!("../../docs/providers/jetemail.md")),
    ("providers-mailgun", include_str!("../../docs/providers/mailgun.md")),
    ("providers-mailjet", include_str!("../../docs/providers/mailjet.md")),
    ("providers-postmark", include_str!("../../docs/providers/postmark.md")),
    ("providers-resend", include_str!("../../docs/providers/resend.md")),
    ("providers-sendgrid", include_str!("../../docs/providers/sendgrid.md")),
    ("providers-smtp", include_str!("../../docs/providers/smtp.md")),
    ("providers-sparkpost", include_str!("../../docs/providers/sparkpost.md")),
    ("providers-twilio", include_str!("../../docs/providers/twilio.md")),
    ("providers-vonage", include_str!("../../docs/providers/vonage.md")),
    ("sdk-jetemail", include_str!("../../docs/sdk/jetemail.md")),
    ("sdk-notificationapi", include_str!("../../docs/sdk/notificationapi.md")),
    ("sdk-resend", include_str!("../../docs/sdk/resend.md")),
    ("sdk-sendlog", include_str!("../../docs/sdk/sendlog.md")),
    ("sdk-sendwithus", include_str!("../../docs/sdk/sendwithus.md")),
    ("sdk-smtp", include_str!("../../docs/sdk/smtp.md")),
];

/// The document of this name.
pub fn find_document(name: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::document::{Block, read_document};

    #[test]
    fn every_document_is_built_in_and_has_a_title_and_parts() {
        let mut names = names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), "");
        // The order of the site's chapters, and no text.
        names.retain(|name| name != "SUMMARY");
        assert_eq!(names.len(), DOCUMENTS.len());
        for name in names.iter().filter(|name| *name != "README") {
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

    #[test]
    fn documents_in_folders_lead_to_others_from_the_top() {
        for (name, text) in
            DOCUMENTS.iter().filter(|(name, _)| name.starts_with("sdk-") || name.starts_with("providers-"))
        {
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
            for target in targets.filter(|target| target.contains(".md")) {
                assert!(target.starts_with("../"), "{name}: {target}");
            }
        }
    }

    /// The names of the documents in a folder, and in those within it.
    fn names_in(folder: &Path, before: &str) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                names.extend(names_in(&entry.path(), &format!("{before}{name}-")));
            } else if let Some(name) = name.strip_suffix(".md") {
                names.push(format!("{before}{name}"));
            }
        }
        names
    }
}
