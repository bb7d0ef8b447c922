//! The state of the page of the audit log, which is the query string of its address.

use super::{Fields, PeriodReader, period_fields, read, read_text};
use crate::domain::audit::AuditChoice;
use crate::domain::error::AppError;
use crate::domain::period::{PeriodChoice, Preset};

/// The address of the page.
pub const PATH: &str = "/settings/audit";

/// The longest id, in characters.
const MAX_ID_CHARS: usize = 40;

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    pub period: PeriodChoice,
    /// What was done: one action, or a group of them.
    pub action: Option<AuditChoice>,
    /// Who did it, by id.
    pub actor: Option<String>,
    /// What it was done to, by id.
    pub object: Option<String>,
    /// The list begins with what is older than the line of this number.
    pub before: Option<i64>,
}

impl AuditQuery {
    /// Reads a query string. Parameters without a value count as absent.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let (unknown, parsed) = Self::read(query)?;
        match unknown {
            Some((name, _)) => Err(super::unknown(name)),
            None => Ok(parsed),
        }
    }

    /// Reads the query string of an export: the format, by default `csv`, and the filters.
    pub fn parse_export(query: &str) -> Result<(String, Self), AppError> {
        match Self::read(query)? {
            (Some((name, format)), parsed) if name == "format" => Ok((format, parsed)),
            (Some((name, _)), _) => Err(super::unknown(name)),
            (None, parsed) => Ok(("csv".to_owned(), parsed)),
        }
    }

    /// Reads what it knows; gives the one parameter more that there may be.
    fn read(query: &str) -> Result<(Option<(String, String)>, Self), AppError> {
        let (mut parsed, mut period, mut other) = (Self::default(), PeriodReader::default(), None);
        for (name, value) in super::pairs(query) {
            if period.take(&name, &value)? {
                continue;
            }
            match name.as_str() {
                "action" => parsed.action = Some(read_action(&value)?),
                "actor" => parsed.actor = Some(read_text(&name, &value, MAX_ID_CHARS)?),
                "object" => parsed.object = Some(read_text(&name, &value, MAX_ID_CHARS)?),
                "before" => parsed.before = Some(read(&name, &value)?),
                _ if other.is_none() => other = Some((name, value)),
                _ => return Err(super::unknown(name)),
            }
        }
        parsed.period = period.finish()?;
        Ok((other, parsed))
    }

    /// The address of this state.
    pub fn to_url(&self) -> String {
        super::url(PATH, self.fields())
    }

    /// The address of the file of what this state lists.
    pub fn export_url(&self, format: &str) -> String {
        let mut fields = vec![("format", format.to_owned())];
        fields.extend(self.at(None).fields());
        super::url("/settings/audit/export", fields)
    }

    /// The parameters of this state.
    pub fn fields(&self) -> Fields {
        let mut fields = period_fields(&self.period);
        fields.extend(self.action.map(|action| ("action", action.as_str().to_owned())));
        fields.extend(self.actor.clone().map(|actor| ("actor", actor)));
        fields.extend(self.object.clone().map(|object| ("object", object)));
        fields.extend(self.before.map(|before| ("before", before.to_string())));
        fields
    }

    /// The same list at another place.
    pub fn at(&self, before: Option<i64>) -> Self {
        Self { before, ..self.clone() }
    }

    /// The newest of another period.
    pub fn with_preset(&self, preset: Preset) -> Self {
        let period = PeriodChoice::of(preset);
        Self { period, ..self.at(None) }
    }

    /// Whether it shows less than the period has.
    pub fn has_filters(&self) -> bool {
        self.action.is_some() || self.actor.is_some() || self.object.is_some()
    }

    /// Everything that was done to one thing.
    pub fn about(object: impl ToString) -> Self {
        Self { period: PeriodChoice::of(Preset::AllTime), object: Some(object.to_string()), ..Self::default() }
    }

    /// All of the period.
    pub fn without_filters(&self) -> Self {
        Self { period: self.period.clone(), ..Self::default() }
    }
}

fn read_action(value: &str) -> Result<AuditChoice, AppError> {
    value.parse().map_err(|_| AppError::invalid_field("action", "that is no action of the audit log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        for address in [
            "/settings/audit",
            "/settings/audit?preset=30d&action=api-key.rotated&actor=usr_1&object=key_1&before=51",
            "/settings/audit?action=roles",
            "/settings/audit?preset=custom&from=2026-11-01T00:00",
        ] {
            let query = AuditQuery::parse(address.split_once('?').map_or("", |(_, query)| query)).unwrap();
            assert_eq!(query.to_url(), address);
        }
    }

    #[test]
    fn what_the_page_does_not_have_is_refused() {
        for query in ["action=member.eaten", "before=x", "page=2", "format=csv", "a=1&b=2"] {
            assert!(AuditQuery::parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn an_export_keeps_the_filters_and_begins_with_the_newest() {
        let query = AuditQuery::parse("preset=30d&actor=usr_1&before=51").unwrap();
        let url = query.export_url("csv");
        assert_eq!(url, "/settings/audit/export?format=csv&preset=30d&actor=usr_1");
        let (format, read) = AuditQuery::parse_export(url.split_once('?').unwrap().1).unwrap();
        assert_eq!((format.as_str(), read), ("csv", query.at(None)));
        assert!(AuditQuery::parse_export("kind=csv").is_err());
    }
}
