//! The state of the log page, which is the query string of its address.

use super::{Fields, PeriodReader, period_fields, read, read_id, read_text};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::StatusSet;
use crate::domain::ids::TemplateId;
use crate::domain::period::{PeriodChoice, Preset};

/// The longest search, in characters.
pub const MAX_SEARCH_CHARS: usize = 200;

/// The last page that can be asked for.
const MAX_PAGE: i64 = 1_000_000_000;

/// What the log page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// When the messages were accepted.
    pub period: PeriodChoice,
    /// Their status; empty for any.
    pub statuses: StatusSet,
    pub template_id: Option<TemplateId>,
    pub channel: Option<Channel>,
    /// A part of a recipient's address or of the subject. Never empty.
    pub search: Option<String>,
    /// Counted from 1.
    pub page: i64,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            period: PeriodChoice::default(),
            statuses: StatusSet::default(),
            template_id: None,
            channel: None,
            search: None,
            page: 1,
        }
    }
}

impl LogQuery {
    /// Reads a query string. Parameters without a value count as absent.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let mut parsed = Self::default();
        let mut period = PeriodReader::default();
        for (name, value) in super::pairs(query) {
            if period.take(&name, &value)? {
                continue;
            }
            match name.as_str() {
                "status" => {
                    for status in value.split(',') {
                        parsed.statuses.insert(read(&name, status.trim())?);
                    }
                }
                "template" => parsed.template_id = Some(read_id(&name, &value, "a template")?),
                "channel" => parsed.channel = Some(read(&name, &value)?),
                "search" => parsed.search = Some(read_text(&name, &value, MAX_SEARCH_CHARS)?),
                "page" => parsed.page = checked_page(&value)?,
                _ => return Err(super::unknown(name)),
            }
        }
        parsed.period = period.finish()?;
        Ok(parsed)
    }

    /// The address of this state.
    pub fn to_url(&self) -> String {
        super::url("/logs", self.fields())
    }

    /// The address of the whole list as a file of this format: `csv` or `ndjson`.
    pub fn to_export_url(&self, format: &str) -> String {
        let mut fields = self.with_page(1).fields();
        fields.insert(0, ("format", format.to_owned()));
        super::url("/logs/export", fields)
    }

    /// The parameters of this state, without those that have their default value.
    pub fn fields(&self) -> Fields {
        let mut fields = period_fields(&self.period);
        let mut push = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
        let statuses: Vec<_> = self.statuses.iter().map(|status| status.as_str()).collect();
        push("status", (!statuses.is_empty()).then(|| statuses.join(",")));
        push("template", self.template_id.map(|id| id.to_string()));
        push("channel", self.channel.map(|channel| channel.as_str().to_owned()));
        push("search", self.search.clone());
        push("page", (self.page != 1).then(|| self.page.to_string()));
        fields
    }

    /// The parameters that a form beside this state keeps: those of its first page, but for one that it sets itself.
    pub fn kept(&self, without: &str) -> Fields {
        let mut fields = self.with_page(1).fields();
        fields.retain(|(name, _)| *name != without);
        fields
    }

    /// The first page of another period, filters kept.
    pub fn with_period(&self, period: PeriodChoice) -> Self {
        Self { period, page: 1, ..self.clone() }
    }

    /// The first page of a preset, filters kept.
    pub fn with_preset(&self, preset: Preset) -> Self {
        self.with_period(PeriodChoice { preset, from: None, to: None })
    }

    /// What a card counts: these statuses in the same period and template, whatever the search.
    pub fn for_card(&self, statuses: StatusSet) -> Self {
        Self { statuses, search: None, page: 1, ..self.clone() }
    }

    /// Another page of the same list.
    pub fn with_page(&self, page: i64) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same period without any filter.
    pub fn without_filters(&self) -> Self {
        Self { period: self.period.clone(), ..Self::default() }
    }

    /// Whether anything but the period narrows the list.
    pub fn has_filters(&self) -> bool {
        !self.statuses.is_empty() || self.template_id.is_some() || self.channel.is_some() || self.search.is_some()
    }
}

fn checked_page(value: &str) -> Result<i64, AppError> {
    let page = value.parse().ok().filter(|page| (1..=MAX_PAGE).contains(page));
    page.ok_or_else(|| AppError::invalid_field("page", "pages are counted from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::email::EmailStatus;

    fn refused_field(query: &str) -> Option<String> {
        match LogQuery::parse(query) {
            Err(AppError::Validation { field, .. }) => field,
            _ => None,
        }
    }

    #[test]
    fn an_empty_address_is_the_default_view() {
        for query in ["", "?", "search=&status=&template=&page=", "preset=7d"] {
            assert_eq!(LogQuery::parse(query), Ok(LogQuery::default()));
        }
        assert_eq!(LogQuery::default().to_url(), "/logs");
    }

    #[test]
    fn every_state_reads_back_from_its_address() {
        let query = LogQuery {
            period: PeriodChoice {
                preset: Preset::Custom,
                from: Some("2026-11-20T09:30".to_owned()),
                to: Some("2026-11-20T10:30:00Z".to_owned()),
            },
            statuses: [EmailStatus::Bounced, EmailStatus::Failed].into_iter().collect(),
            template_id: Some(TemplateId(7)),
            channel: Some(Channel::Sms),
            search: Some("50% off & more: +1 €".to_owned()),
            page: 12,
        };
        let url = query.to_url();
        assert_eq!(
            url,
            "/logs?preset=custom&from=2026-11-20T09:30&to=2026-11-20T10:30:00Z&status=bounced,failed\
             &template=tpl_0000000000007&channel=sms&search=50%25%20off%20%26%20more:%20%2B1%20%E2%82%AC&page=12"
        );
        assert_eq!(LogQuery::parse(url.split_once('?').unwrap().1), Ok(query));
    }

    #[test]
    fn statuses_come_repeated_or_with_commas() {
        let expected: StatusSet = [EmailStatus::Sent, EmailStatus::Spam].into_iter().collect();
        for query in ["status=sent&status=spam", "status=spam,sent", "status=sent%2Cspam"] {
            assert_eq!(LogQuery::parse(query).unwrap().statuses, expected);
        }
    }

    #[test]
    fn forms_write_spaces_as_plus() {
        assert_eq!(LogQuery::parse("search=your+receipt+%2B1").unwrap().search.as_deref(), Some("your receipt +1"));
        assert_eq!(LogQuery::parse("search=100%").unwrap().search.as_deref(), Some("100%"));
        assert_eq!(LogQuery::parse("search=%zz%2541").unwrap().search.as_deref(), Some("%zz%41"));
    }

    #[test]
    fn from_or_to_alone_mean_a_custom_period() {
        assert_eq!(LogQuery::parse("from=2026-11-20").unwrap().period.preset, Preset::Custom);
        assert_eq!(refused_field("preset=today&to=2026-11-20").as_deref(), Some("to"));
    }

    #[test]
    fn unknown_and_impossible_parameters_are_named() {
        let long = format!("search={}", "x".repeat(MAX_SEARCH_CHARS + 1));
        for (query, field) in [
            ("colour=red", "colour"),
            ("preset=year", "preset"),
            ("status=lost", "status"),
            ("status=sent,", "status"),
            ("template=eml_0000000000007", "template"),
            ("channel=pigeon", "channel"),
            ("search=a%00b", "search"),
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=many", "page"),
            ("page=99999999999999999999", "page"),
            (long.as_str(), "search"),
        ] {
            assert_eq!(refused_field(query).as_deref(), Some(field), "{query}");
        }
    }

    #[test]
    fn a_card_keeps_period_and_template_and_drops_search_and_page() {
        let query =
            LogQuery::parse("preset=30d&template=tpl_0000000000007&channel=sms&search=x&page=3&status=spam").unwrap();
        let url = query.for_card(StatusSet::ARRIVED).to_url();
        assert_eq!(url, "/logs?preset=30d&status=delivered,opened,clicked&template=tpl_0000000000007&channel=sms");
    }
}
