//! The address of a bulk resend that is to be made: that of the log's list, with what is taken in as `also`. Where `ids` names
//! messages one by one, the list is only where they were chosen. And the address of a report, `/resends/{id}`.

use super::logs::LogQuery;
use super::{Fields, read, read_id};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, ResendJobId};
use crate::domain::resend_job::{ResendItemState, ResendJob, ResendOptions};

/// The list that a job's messages were searched in; `None` where its filter is.
pub fn list_of(job: &ResendJob) -> Option<LogQuery> {
    let (_, url) = job.filter.as_ref()?;
    LogQuery::parse(url.split_once('?').map_or("", |(_, query)| query)).ok()
}

/// Messages to send again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewResendQuery {
    /// The chosen messages; empty for all of the list that failed or bounced.
    pub ids: Vec<EmailId>,
    /// The list, to which the page leads back.
    pub log: LogQuery,
    pub options: ResendOptions,
}

impl NewResendQuery {
    /// Reads a query string. What it does not know is ignored.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let mut parsed = Self { log: LogQuery::parse(query)?.with_page(1), ..Self::default() };
        for (name, value) in super::pairs(query) {
            match name.as_str() {
                "ids" => parsed.ids.extend(read_ids(&value)?),
                "also" => {
                    for option in value.split(',') {
                        match option {
                            "resent" => parsed.options.includes_resent = true,
                            "failing" => parsed.options.includes_failing = true,
                            _ => return Err(AppError::invalid_field("also", "choose resent or failing")),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// The address of the page that asks.
    pub fn to_url(&self) -> String {
        super::url("/resends/new", self.fields())
    }

    /// The parameters of this state.
    pub fn fields(&self) -> Fields {
        let mut fields = self.log.fields();
        if !self.ids.is_empty() {
            let ids: Vec<String> = self.ids.iter().map(EmailId::to_string).collect();
            fields.push(("ids", ids.join(",")));
        }
        let ResendOptions { includes_resent, includes_failing } = self.options;
        let also: Vec<&str> = [includes_resent.then_some("resent"), includes_failing.then_some("failing")]
            .into_iter()
            .flatten()
            .collect();
        if !also.is_empty() {
            fields.push(("also", also.join(",")));
        }
        fields
    }

    /// The same with other options.
    pub fn with(&self, options: ResendOptions) -> Self {
        Self { options, ..self.clone() }
    }
}

/// The messages that a query string chooses one by one, as `ids`.
pub fn chosen_ids(query: &str) -> Result<Vec<EmailId>, AppError> {
    let mut ids = Vec::new();
    for (name, value) in super::pairs(query) {
        if name == "ids" {
            ids.extend(read_ids(&value)?);
        }
    }
    Ok(ids)
}

/// Ids with commas between them.
pub fn read_ids(text: &str) -> Result<Vec<EmailId>, AppError> {
    text.split(',').map(|id| read_id("ids", id.trim(), "a message")).collect()
}

/// Which messages of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportQuery {
    /// `None` for all.
    pub state: Option<ResendItemState>,
    /// From 1.
    pub page: i64,
}

impl ReportQuery {
    /// Reads a query string. What it does not know is ignored.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let mut parsed = Self { state: None, page: 1 };
        for (name, value) in super::pairs(query) {
            match name.as_str() {
                "state" => parsed.state = Some(read(&name, &value)?),
                "page" => parsed.page = super::logs::checked_page(&value)?,
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// The address of this part of a job's report.
    pub fn to_url(self, id: ResendJobId) -> String {
        let state = self.state.map(|state| ("state", state.as_str().to_owned()));
        let page = (self.page != 1).then(|| ("page", self.page.to_string()));
        super::url(&format!("/resends/{id}"), state.into_iter().chain(page).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_resent_reads_back_from_its_address() {
        let both = ResendOptions { includes_resent: true, includes_failing: true };
        let chosen = NewResendQuery { ids: vec![EmailId(1), EmailId(2)], options: both, ..Default::default() };
        let url = chosen.to_url();
        assert_eq!(url, "/resends/new?ids=eml_0000000000001,eml_0000000000002&also=resent,failing");
        assert_eq!(NewResendQuery::parse(url.split_once('?').unwrap().1), Ok(chosen.clone()));
        let form = "ids=eml_0000000000001&ids=eml_0000000000002&also=failing,resent";
        assert_eq!(NewResendQuery::parse(form), Ok(chosen));
        let of_list = NewResendQuery::parse("preset=30d&status=failed&ids=eml_0000000000001").unwrap();
        assert_eq!(of_list.to_url(), "/resends/new?preset=30d&status=failed&ids=eml_0000000000001");
        assert_eq!(of_list.log.to_url(), "/logs?preset=30d&status=failed");
        let list = NewResendQuery::parse("preset=30d&status=failed&page=3&utm_source=x").unwrap();
        assert_eq!(list.to_url(), "/resends/new?preset=30d&status=failed");
        assert!(NewResendQuery::parse("ids=x").is_err() && NewResendQuery::parse("also=x").is_err());
    }

    #[test]
    fn a_part_of_a_report_reads_back_from_its_address() {
        let query = ReportQuery { state: Some(ResendItemState::LeftOut), page: 2 };
        let url = query.to_url(ResendJobId(1));
        assert_eq!(url, "/resends/rsd_0000000000001?state=left_out&page=2");
        assert_eq!(ReportQuery::parse(url.split_once('?').unwrap().1), Ok(query));
    }
}
