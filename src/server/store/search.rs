//! Search in addresses, names, subjects, metadata and variables, folded as [super::folding] has it. Each word must be in one of
//! them. Words of any length are found by an index of [grams], in [look]; a word that most messages have is looked for in the
//! messages themselves, the newest first, as an index would gather them all.

pub(super) mod common;
pub(super) mod grams;
pub(super) mod index;
pub(super) mod letters;
pub(super) mod look;
mod numbers;
pub(super) mod subjects;
pub(super) mod texts;

use self::look::Look;
use self::texts::SearchTexts;
use super::Store;
use super::criteria::{push_criteria, push_scope, push_statuses};
use super::engine::Sql;
use super::folding::searchable;
use super::range::IdRange;
use crate::domain::email::EmailSummary;
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter, RollupScope};
use crate::domain::ids::TeamId;
use crate::domain::page::{OffsetRequest, Total};
use crate::domain::words::words_of;

/// A page of matches and how many there are in all.
pub(super) struct Matches {
    pub ids: Vec<i64>,
    pub total: Total,
}

/// A word or a phrase that is looked for.
#[derive(Clone, Debug)]
pub(super) struct Word {
    typed: String,
    folded: String,
}

impl Word {
    /// The words of a text; those of which nothing is left, a lone accent, ask for nothing.
    pub(super) fn all_of(text: &str) -> Vec<Self> {
        let word = |typed: &str| Self { typed: typed.to_owned(), folded: searchable(typed) };
        words_of(text).into_iter().map(word).filter(|word| !word.folded.is_empty()).collect()
    }

    /// As a whole value stands in metadata and variables.
    fn as_line(&self) -> String {
        format!("\n{}\n", self.folded)
    }

    /// Whether it is in what the viewer sees of a message. Values that they do not see are found whole, addresses where
    /// those are masked too.
    pub(super) fn is_in(&self, texts: &SearchTexts, criteria: &Criteria) -> bool {
        let word = self.folded.as_str();
        if texts.subject.contains(word) {
            return true;
        }
        if criteria.keeps_addresses {
            return texts.addresses.lines().any(|address| address == word);
        }
        let of_contents = match criteria.sees_contents {
            true => texts.metadata.contains(word) || texts.variables.contains(word),
            false => texts.metadata.contains(&self.as_line()),
        };
        of_contents || texts.addresses.contains(word) || texts.names.contains(word)
    }
}

/// Whether each word of a search is in the subject or in a recipient's name or address. Where one is not, and search found the
/// message, the word is in its metadata or variables: there is nothing else that search looks through.
pub fn is_in_sight(text: &str, email: &EmailSummary) -> bool {
    let SearchTexts { addresses, names, subject, .. } = SearchTexts::new(&email.recipients, &email.subject);
    let texts = [addresses, names, subject];
    Word::all_of(text).iter().all(|word| texts.iter().any(|text| text.contains(word.folded.as_str())))
}

impl Store {
    /// The ids of the messages that match `filter.search` and the rest of the filter.
    pub(super) async fn search_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        window: OffsetRequest,
    ) -> Result<Matches, AppError> {
        let ids = IdRange::from(filter.range);
        // No text holds U+0000; both engines refuse to look for it.
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Matches { ids: Vec::new(), total: Total::Exact(0) });
        }
        let words = Word::all_of(text);
        if words.is_empty() {
            let any = EmailFilter { search: None, ..filter.clone() };
            let (ids, total) = Box::pin(self.find_window_ids(team_id, &any, window)).await?;
            return Ok(Matches { ids, total });
        }
        let mut reading = self.begin_reading().await?;
        let look = Look::begin(&mut reading, team_id, filter, &words, ids).await?;
        let is_common = self.common.has(team_id, filter, ids);
        let (matches, counted) = look.page(&mut reading, window, is_common).await?;
        if let Some(ids) = counted {
            self.common.keep(team_id, filter, ids);
        }
        Ok(matches)
    }

    /// The ids of the newest messages of a range that match `filter.search` and the rest of the filter, or of the oldest.
    pub(super) async fn search_ids_in(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Vec::new());
        }
        let words = Word::all_of(text);
        if words.is_empty() {
            let any = EmailFilter { search: None, ..filter.clone() };
            return self.walk_ids(team_id, &any, ids, oldest_first, limit, 0).await;
        }
        let mut reading = self.begin_reading().await?;
        Look::begin(&mut reading, team_id, filter, &words, ids)
            .await?
            .find(&mut reading, ids, oldest_first, limit)
            .await
    }
}

/// Adds what the filter asks for beside its text and its range.
fn push_conditions(sql: &mut Sql, team_id: TeamId, filter: &EmailFilter) {
    push_statuses(sql, filter.statuses);
    push_scope(sql, filter.scope());
    push_criteria(sql, team_id, &filter.criteria);
}

/// Whether the filter asks for something of a message beside its text and its range.
fn has_conditions(filter: &EmailFilter) -> bool {
    let Criteria { keeps_addresses, sees_contents, .. } = filter.criteria;
    let none = Criteria { keeps_addresses, sees_contents, ..Criteria::default() };
    !filter.statuses.is_empty() || filter.scope() != RollupScope::All || filter.criteria != none
}
