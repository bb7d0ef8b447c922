//! Parts of subjects by the index of search, for filters that ask for more than words; and texts as the indexes of before have them.

use super::grams::phrase_of;
use super::letters::in_letters_of;
use crate::domain::ids::TeamId;
use crate::domain::mailbox::folded;
use crate::server::store::engine::{Engine, Sql};
use crate::server::store::folding::searchable;
use crate::server::store::like::{contains, push_like};

/// The shortest text that the trigrams of before find, in characters.
pub(in crate::server::store) const TRIGRAM: usize = 3;

/// Adds that the subject has this part, by the index of search, which knows every letter in any form; `false`, and nothing
/// added, for a part of which nothing is left.
pub(in crate::server::store) fn push_indexed_subject(sql: &mut Sql, team_id: TeamId, part: &str) -> bool {
    let folded = searchable(part);
    match sql.engine() {
        _ if folded.is_empty() => return false,
        Engine::Sqlite => {
            sql.push(
                " AND (e.id IN (SELECT m.email_id FROM search_grams s CROSS JOIN search_ids m
                 WHERE s.search_grams MATCH ",
            );
            sql.push_bind(format!("subject : {}", phrase_of(team_id, &folded, false))).push(" AND m.number = s.rowid");
            if folded.chars().count() < TRIGRAM {
                // The indexes of before do not know it, while they are still in use.
                sql.push(
                    ") OR ((SELECT COUNT(*) FROM (SELECT 1 FROM email_search LIMIT 1)) > 0
                     OR (SELECT COUNT(*) FROM (SELECT 1 FROM email_search_before LIMIT 1)) > 0) AND ",
                );
                push_like(sql, "e.subject", [contains(part)]);
                sql.push(")");
                return true;
            }
            let before = searched_before(part).map(|text| quoted(&text)).join(" OR ");
            let trigrams = [in_letters_of(team_id, &folded), folded.clone()].map(|text| quoted(&text)).join(" OR ");
            sql.push(" UNION ALL SELECT p.rowid FROM email_search p WHERE p.email_search MATCH ");
            sql.push_bind(format!("subject : ({trigrams})"));
            sql.push(" UNION ALL SELECT b.rowid FROM email_search_before b WHERE b.email_search_before MATCH ");
            sql.push_bind(format!("subject : ({before})")).push("))");
        }
        Engine::Postgres => {
            sql.push(" AND EXISTS (SELECT 1 FROM email_search s WHERE s.team_id = e.team_id AND s.email_id = e.id");
            let mut before = " AND (s.subject LIKE ";
            for text in searched_for(part) {
                sql.push(before).push_bind(contains(&text));
                before = " OR s.subject LIKE ";
            }
            sql.push("))");
        }
    }
    true
}

/// A text as the index of search may have it, rows from before too.
pub(in crate::server::store) fn searched_for(text: &str) -> Vec<String> {
    let mut texts = vec![searchable(text)];
    texts.extend(searched_before(text));
    texts.dedup();
    texts
}

/// A text as the index of before has it: with its accents and, in the oldest rows, a Greek word's last s as `to_lowercase`
/// makes it.
pub(in crate::server::store) fn searched_before(text: &str) -> [String; 2] {
    [folded(text), text.to_lowercase()]
}

/// A text as a phrase of SQLite's index.
pub(in crate::server::store) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
