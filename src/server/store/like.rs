//! Texts compared by `LIKE`, in any case of letters on both engines: patterns, and the conditions that they stand in. Called by
//! what lists, searches and suggests.

use super::engine::Sql;

/// A text as a part of a `LIKE` pattern that escapes by a backslash.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The pattern of a whole text.
pub(super) fn equals(text: &str) -> String {
    escaped(text)
}

/// The pattern of a part.
pub(super) fn contains(text: &str) -> String {
    format!("%{}%", escaped(text))
}

/// Adds that a column is like one of the patterns, as they are or in lower case.
pub(super) fn push_patterns(sql: &mut Sql, column: &str, patterns: impl IntoIterator<Item = String>) {
    sql.push(" AND ");
    push_like(sql, column, patterns);
}

/// The same without the `AND` before it.
pub(super) fn push_like(sql: &mut Sql, column: &str, patterns: impl IntoIterator<Item = String>) {
    let like = sql.engine().like();
    let mut before = "(";
    for pattern in patterns {
        let lower = pattern.to_lowercase();
        for pattern in (pattern != lower).then_some(pattern).into_iter().chain([lower]) {
            sql.push(format!("{before}{column} {like} ")).push_bind(pattern).push(" ESCAPE '\\'");
            before = " OR ";
        }
    }
    sql.push(")");
}
