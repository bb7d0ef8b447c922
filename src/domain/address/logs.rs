//! The state of the log page, which is the query string of its address: `q` is the search, see [crate::domain::search]. What
//! of it the menus choose too is read into their fields; `search` of older links is read as words. Parameters that the page
//! does not have are ignored: mail programs and campaigns add theirs to every link.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{Fields, PERIOD_PARAMETERS, PeriodReader, period_fields, read, read_id, read_text};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::StatusSet;
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::period::{PeriodChoice, Preset};
use crate::domain::search::{Condition, PARAMETER, Qualifier, Search, statuses_of};

/// The longest search of an old link, in characters.
const MAX_OLD_SEARCH_CHARS: usize = 200;

/// The parameter of the message in the panel beside the list. It is no part of the list's state: no filter keeps it.
const PEEK: &str = "peek";

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
    /// What else was searched for.
    pub search: Search,
    /// Counted from 1.
    pub page: i64,
    /// The moment at which the first page was made: a further page shows what was accepted before it, so that nothing is
    /// skipped or shown twice while messages arrive. No link to a first page has it; a page that keeps itself up to date asks
    /// with it for the same rows.
    pub seen: Option<DateTime<Utc>>,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            period: PeriodChoice::default(),
            statuses: StatusSet::default(),
            template_id: None,
            channel: None,
            search: Search::default(),
            page: 1,
            seen: None,
        }
    }
}

impl LogQuery {
    /// Reads a query string. Parameters without a value count as absent.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let mut parsed = Self::default();
        let mut period = PeriodReader::default();
        let (mut typed, mut old_words, mut template, mut channel) = (Vec::new(), Vec::new(), None, None);
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
                "template" => template = Some(read_id::<TemplateId>(&name, &value, "a template")?),
                "channel" => channel = Some(read::<Channel>(&name, &value)?),
                "search" => old_words.push(read_text(&name, &value, MAX_OLD_SEARCH_CHARS)?),
                PARAMETER => typed.push(value),
                "page" => parsed.page = checked_page(&value)?,
                "seen" => parsed.seen = Some(read_instant(&name, &value)?),
                _ => {}
            }
        }
        parsed.period = period.finish()?;
        parsed.search = Search::parse(&typed.join(" "))?;
        parsed.search.terms.extend(Search::of_words(&old_words.join(" ")).terms);
        parsed.take_choices(template, channel)?;
        // What the search says of the time is the period.
        if parsed.search.has_times() && parsed.period.preset != Preset::Custom {
            parsed.period = PeriodChoice::of(Preset::AllTime);
        }
        Ok(parsed)
    }

    /// Takes what the menus show out of the search, and into it what they cannot show: several templates or channels.
    fn take_choices(&mut self, template: Option<TemplateId>, channel: Option<Channel>) -> Result<(), AppError> {
        let statuses = self.search.take(Qualifier::Status);
        statuses_of(statuses.iter().map(String::as_str)).iter().for_each(|status| self.statuses.insert(status));
        let templates = self.together(Qualifier::Template, template.map(|id| id.to_string()));
        match templates.as_slice() {
            [one] if one.parse::<TemplateId>().is_ok() => self.template_id = one.parse().ok(),
            [] => {}
            _ => self.search.add(Condition::of(Qualifier::Template, templates))?,
        }
        let channels = self.together(Qualifier::Channel, channel.map(|channel| channel.as_str().to_owned()));
        match channels.as_slice() {
            [one] => self.channel = one.parse().ok(),
            [] => {}
            _ => self.search.add(Condition::of(Qualifier::Channel, channels))?,
        }
        Ok(())
    }

    fn together(&mut self, qualifier: Qualifier, parameter: Option<String>) -> Vec<String> {
        let mut values = self.search.take(qualifier);
        values.extend(parameter.filter(|value| !values.contains(value)));
        values
    }

    /// What was typed, of an address whose search or period cannot be read, and what else the address says. `field` is the
    /// parameter that was refused.
    pub fn unread(query: &str, field: &str) -> (String, Self) {
        let refused: &[&str] = if field == PARAMETER { &[PARAMETER] } else { &PERIOD_PARAMETERS };
        let (typed, others): (Vec<_>, Vec<_>) =
            super::pairs(query).into_iter().partition(|(name, _)| refused.contains(&name.as_str()));
        let typed: Vec<String> =
            typed.into_iter().filter(|(name, _)| name != "preset").map(|(_, value)| value).collect();
        let mut rest = form_urlencoded::Serializer::new(String::new());
        let between = if field == "from" || field == "to" { " - " } else { " " };
        (typed.join(between), Self::parse(&rest.extend_pairs(others).finish()).unwrap_or_default())
    }

    /// The address of this state.
    pub fn to_url(&self) -> String {
        super::url("/logs", self.fields())
    }

    /// This state as the parameter `list` of another page. It is never empty: a parameter without a value counts as absent.
    pub fn to_list(&self) -> String {
        self.to_url().split_once('?').map_or("?", |(_, query)| query).to_owned()
    }

    /// The address at which a page of this state that was made at `now` is told what changes.
    pub fn to_live_url(&self, now: DateTime<Utc>) -> String {
        super::url("/logs/live", self.as_of(now).fields())
    }

    /// The address of this state with a message in the panel beside the list, at the message's row.
    pub fn to_peek_url(&self, id: EmailId) -> String {
        let mut fields = self.fields();
        fields.push((PEEK, id.to_string()));
        format!("{}#{id}", super::url("/logs", fields))
    }

    /// The message in the panel beside the list, by a query string. What is no id is none.
    pub fn peeked(query: &str) -> Option<EmailId> {
        super::pairs(query).into_iter().find(|(name, _)| name == PEEK).and_then(|(_, id)| id.parse().ok())
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
        push(PARAMETER, (!self.search.is_empty()).then(|| self.search.to_string()));
        push("page", (self.page != 1).then(|| self.page.to_string()));
        push("seen", self.seen.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)));
        fields
    }

    /// The parameters that a form beside this state keeps: those of its first page, but for one that it sets itself.
    pub fn kept(&self, without: &str) -> Fields {
        let mut fields = self.with_page(1).fields();
        fields.retain(|(name, _)| *name != without);
        fields
    }

    /// The first page of another period, filters kept, but for those that say when.
    pub fn with_period(&self, period: PeriodChoice) -> Self {
        let search = self.search.clone().without_times();
        Self { period, search, ..self.with_page(1) }
    }

    /// The first page of a preset, filters kept.
    pub fn with_preset(&self, preset: Preset) -> Self {
        self.with_period(PeriodChoice::of(preset))
    }

    /// The first page of everything that was sent, whenever.
    pub fn in_all_time(&self) -> Self {
        self.with_preset(Preset::AllTime)
    }

    /// The first page of these statuses, everything else kept.
    pub fn with_statuses(&self, statuses: StatusSet) -> Self {
        Self { statuses, ..self.with_page(1) }
    }

    /// The first page without one of the search's qualifiers.
    pub fn without_condition(&self, index: usize) -> Self {
        let mut search = self.search.clone();
        if index < search.conditions.len() {
            search.conditions.remove(index);
        }
        Self { search, ..self.with_page(1) }
    }

    /// Another page of the same list. The first one is the newest.
    pub fn with_page(&self, page: i64) -> Self {
        Self { page, seen: self.seen.filter(|_| page != 1), ..self.clone() }
    }

    /// Another page of a list that was made at `now`.
    pub fn with_page_of(&self, page: i64, now: DateTime<Utc>) -> Self {
        self.as_of(now).with_page(page)
    }

    /// This page of a list that was made at `now`. Messages of that millisecond are in it.
    pub fn as_of(&self, now: DateTime<Utc>) -> Self {
        Self { seen: self.seen.or(Some(now + TimeDelta::milliseconds(1))), ..self.clone() }
    }

    /// The same period without any filter.
    pub fn without_filters(&self) -> Self {
        Self { period: self.period.clone(), ..Self::default() }
    }

    /// Whether anything but the period narrows the list.
    pub fn has_filters(&self) -> bool {
        !self.statuses.is_empty() || self.template_id.is_some() || self.channel.is_some() || !self.search.is_empty()
    }
}

fn read_instant(name: &str, value: &str) -> Result<DateTime<Utc>, AppError> {
    let instant = DateTime::parse_from_rfc3339(&value.replace(' ', "+"));
    instant
        .map(|time| time.to_utc())
        .map_err(|_| AppError::invalid_field(name, "write an instant: 2026-11-20T09:30:00Z"))
}

pub(super) fn checked_page(value: &str) -> Result<i64, AppError> {
    let page = value.parse().ok().filter(|page| (1..=MAX_PAGE).contains(page));
    page.ok_or_else(|| AppError::invalid_field("page", "pages are counted from 1"))
}

/// The address of everything sent to an address in the last 30 days.
pub fn search_url(address: &str) -> String {
    let conditions = vec![Condition::of(Qualifier::To, [address.to_owned()])];
    last_30_days(Search { terms: Vec::new(), conditions })
}

/// The address of the messages of the last 30 days that share a value: `name` is a qualifier, `tag` or `meta.order`.
pub fn shared_url(name: &str, value: &str) -> String {
    let quoted = format!("{name}:\"{}\"", value.replace('"', "\"\""));
    last_30_days(Search::parse(&quoted).unwrap_or_else(|_| Search::of_words(value)))
}

fn last_30_days(search: Search) -> String {
    LogQuery { search, ..LogQuery::default().with_preset(Preset::Last30Days) }.to_url()
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
        for query in ["", "?", "q=&search=&status=&template=&page=", "preset=7d", "utm_source=mail&fbclid=1"] {
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
                typed: None,
            },
            statuses: [EmailStatus::Bounced, EmailStatus::Failed].into_iter().collect(),
            template_id: Some(TemplateId(7)),
            channel: Some(Channel::Sms),
            search: Search::parse("50% off & more: +1 € \"10 day trial\" tag:a -template:\"Order receipt\"").unwrap(),
            page: 12,
            seen: "2026-11-20T09:00:00.125Z".parse().ok(),
        };
        let url = query.to_url();
        assert_eq!(
            url,
            "/logs?preset=custom&from=2026-11-20T09:30&to=2026-11-20T10:30:00Z&status=bounced,failed\
             &template=tpl_0000000000007&channel=sms&q=50%25%20off%20%26%20more:%20%2B1%20%E2%82%AC%20%2210%20day%20trial%22\
             %20tag:a%20-template:%22Order%20receipt%22&page=12&seen=2026-11-20T09:00:00.125Z"
        );
        assert_eq!(LogQuery::parse(url.split_once('?').unwrap().1), Ok(query));
    }

    #[test]
    fn the_message_beside_the_list_is_in_the_address_and_no_part_of_the_list() {
        let query = LogQuery::parse("preset=30d&q=ada&page=2").unwrap();
        let url = query.to_peek_url(EmailId(7));
        assert_eq!(url, "/logs?preset=30d&q=ada&page=2&peek=eml_0000000000007#eml_0000000000007");
        let address = "preset=30d&q=ada&page=2&peek=eml_0000000000007";
        assert_eq!(LogQuery::parse(address), Ok(query));
        assert_eq!(LogQuery::peeked(address), Some(EmailId(7)));
        assert_eq!(["", "peek=", "peek=tpl_1", "q=ada"].map(LogQuery::peeked), [None; 4]);
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
        let search = |query: &str| LogQuery::parse(query).unwrap().search.to_string();
        assert_eq!(search("q=your+receipt+%2B1"), "your receipt +1");
        assert_eq!(search("q=100%"), "100%");
        assert_eq!(search("q=%zz%2541"), "%zz%41");
    }

    #[test]
    fn a_saved_link_is_the_same_state_as_the_search_that_says_it() {
        for (old, new) in [
            ("search=your+receipt", "q=your+receipt"),
            ("search=foo:bar", "q=%22foo:bar%22"),
            ("status=bounced&channel=sms", "q=status:bounced+channel:sms"),
            ("status=bounced&status=failed,spam", "q=status:problems"),
            ("template=tpl_0000000000007", "q=template:tpl_0000000000007"),
            ("search=ada&q=tag:a", "q=ada&q=tag:a"),
            ("channel=sms&q=channel:call", "q=channel:call,sms"),
        ] {
            assert_eq!(LogQuery::parse(old), LogQuery::parse(new), "{old}");
        }
    }

    #[test]
    fn a_search_that_cannot_be_read_is_kept_with_the_rest_of_the_address() {
        let address = "preset=30d&q=foo:bar&status=sent&q=ada%20%22";
        assert_eq!(refused_field(address).as_deref(), Some("q"));
        let (typed, rest) = LogQuery::unread(address, "q");
        assert_eq!((typed.as_str(), rest.to_url().as_str()), ("foo:bar ada \"", "/logs?preset=30d&status=sent"));
        for (address, field, expected) in [
            ("when=soon&status=sent&q=ada", "when", "soon"),
            ("preset=custom&from=2026-11-02&to=2026-11-01&status=sent&q=ada", "to", "2026-11-02 - 2026-11-01"),
        ] {
            let (typed, rest) = LogQuery::unread(address, field);
            assert_eq!((typed.as_str(), rest.to_url().as_str()), (expected, "/logs?status=sent&q=ada"));
        }
    }

    #[test]
    fn from_or_to_alone_mean_a_custom_period() {
        assert_eq!(LogQuery::parse("from=2026-11-20").unwrap().period.preset, Preset::Custom);
        assert_eq!(refused_field("preset=today&to=2026-11-20").as_deref(), Some("to"));
    }

    #[test]
    fn impossible_parameters_are_named() {
        let long = format!("search={}", "x".repeat(MAX_OLD_SEARCH_CHARS + 1));
        for (query, field) in [
            ("q=foo:bar", "q"),
            ("q=status:lost", "q"),
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
    fn a_card_keeps_every_filter_but_the_status() {
        let query = LogQuery::parse("preset=30d&template=tpl_0000000000007&channel=sms&q=x%20tag:a&page=3&status=spam")
            .unwrap();
        assert_eq!(
            query.with_statuses(StatusSet::ARRIVED).to_url(),
            "/logs?preset=30d&status=delivered,opened,clicked&template=tpl_0000000000007&channel=sms&q=x%20tag:a"
        );
    }

    #[test]
    fn what_the_search_says_of_the_time_is_the_period() {
        let query = LogQuery::parse("q=x%20after:2026-11-01&preset=30d").unwrap();
        assert_eq!(query.to_url(), "/logs?preset=all&q=x%20after:2026-11-01");
        assert_eq!(query.with_preset(Preset::Today).to_url(), "/logs?preset=today&q=x");
        let custom = "/logs?preset=custom&from=2026-11-02T00:00:00Z&q=before:2026-11-05";
        assert_eq!(LogQuery::parse(custom.split_once('?').unwrap().1).unwrap().to_url(), custom);
    }

    #[test]
    fn a_further_page_remembers_when_the_first_was_made() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00.249Z".parse().unwrap();
        let second = LogQuery::default().with_page_of(2, now);
        assert_eq!(second.to_url(), "/logs?page=2&seen=2026-11-20T12:00:00.250Z");
        let read = LogQuery::parse("page=2&seen=2026-11-20T12:00:00.250Z").unwrap();
        assert_eq!((read.seen, read.with_page_of(3, now).seen), (second.seen, second.seen));
        assert_eq!(second.with_page(1).to_url(), "/logs");
        assert_eq!(second.with_statuses(StatusSet::READ).to_url(), "/logs?status=opened,clicked");
        let frozen = LogQuery::parse("seen=2026-11-20T12:00:00Z").unwrap();
        assert_eq!((frozen.seen.is_some(), frozen.with_page(1)), (true, LogQuery::default()));
        assert_eq!(refused_field("page=2&seen=yesterday").as_deref(), Some("seen"));
    }
}
