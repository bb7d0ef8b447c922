//! The log as a sheet: the list's columns in its order, without those that its reader leaves out, and with what a row of the
//! list says beside them. Every row begins with the message's id.

use chrono::SecondsFormat;
use chrono_tz::Tz;

use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::list_view::{Column, ListView};
use crate::server::services::emails::ExportRow;
use crate::server::services::spreadsheet::{csv_head, csv_lines};

/// A column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SheetColumn {
    Id,
    Status,
    Recipient,
    RecipientName,
    OtherRecipients,
    Channel,
    Subject,
    Reason,
    ReplyCode,
    Template,
    Accepted,
}

impl SheetColumn {
    const ALL: [Self; 11] = [
        Self::Id,
        Self::Status,
        Self::Recipient,
        Self::RecipientName,
        Self::OtherRecipients,
        Self::Channel,
        Self::Subject,
        Self::Reason,
        Self::ReplyCode,
        Self::Template,
        Self::Accepted,
    ];

    /// Whether it stands in a file of this look. Why a message failed does, whatever is left out.
    fn is_in(self, look: &ListView) -> bool {
        let shows = |column: Column| !look.hidden.contains(&column);
        match self {
            Self::Status => shows(Column::Status),
            Self::Subject => shows(Column::Subject),
            Self::Template => shows(Column::Template),
            Self::Id
            | Self::Recipient
            | Self::RecipientName
            | Self::OtherRecipients
            | Self::Channel
            | Self::Reason
            | Self::ReplyCode
            | Self::Accepted => true,
        }
    }

    fn title(self, zone: Tz) -> String {
        let title = match self {
            // In small letters: programs have taken files that begin with "ID" for another format, SYLK.
            Self::Id => "id",
            Self::Status => "Status",
            Self::Recipient => "Recipient",
            Self::RecipientName => "Recipient name",
            Self::OtherRecipients => "Other recipients",
            Self::Channel => "Channel",
            Self::Subject => "Subject",
            Self::Reason => "Reason",
            Self::ReplyCode => "Reply code",
            Self::Template => "Template",
            Self::Accepted => return format!("Accepted ({})", zone.name()),
        };
        title.to_owned()
    }

    fn cell(self, row: &ExportRow, zone: Tz) -> String {
        let email = &row.email;
        let first = email.recipients.first();
        match self {
            Self::Id => email.id.to_string(),
            Self::Status => email.status.label().to_owned(),
            Self::Recipient => first.map(|first| first.address.clone()).unwrap_or_default(),
            Self::RecipientName => first.and_then(|first| first.name.clone()).unwrap_or_default(),
            Self::OtherRecipients => email.recipients.iter().skip(1).map(in_words).collect::<Vec<_>>().join(", "),
            Self::Channel => email.channel.label().to_owned(),
            Self::Subject => email.subject.clone(),
            Self::Reason => row.reason.clone().unwrap_or_default(),
            Self::ReplyCode => row.reply_code.clone().unwrap_or_default(),
            Self::Template => email.template_name.clone().unwrap_or_default(),
            // With the offset, so that the hour that comes twice is told apart.
            Self::Accepted => email.created_at().with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        }
    }
}

/// `Ada Lovelace <ada@example.com> (Cc)`.
fn in_words(recipient: &Recipient) -> String {
    let Recipient { kind, address, name } = recipient;
    let whom = match name {
        Some(name) => format!("{name} <{address}>"),
        None => address.clone(),
    };
    match kind {
        RecipientKind::To => whom,
        RecipientKind::Cc => format!("{whom} (Cc)"),
        RecipientKind::Bcc => format!("{whom} (Bcc)"),
    }
}

/// How a file of CSV is written.
pub(super) struct Sheet {
    columns: Vec<SheetColumn>,
    /// Whose clock tells its times.
    zone: Tz,
}

impl Sheet {
    pub(super) fn new(look: &ListView, zone: Tz) -> Self {
        Self { columns: SheetColumn::ALL.into_iter().filter(|column| column.is_in(look)).collect(), zone }
    }

    /// The beginning of the file: the names of its columns.
    pub(super) fn head(&self) -> Result<String, AppError> {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title(self.zone)).collect();
        csv_head(&titles.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A line a message.
    pub(super) fn lines(&self, rows: &[ExportRow]) -> Result<String, AppError> {
        csv_lines(rows.iter().map(|row| self.columns.iter().map(move |column| column.cell(row, self.zone))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_columns_that_are_shown_and_the_id_first() {
        let head = |look: &str| Sheet::new(&ListView::read(look), Tz::Europe__Berlin).head().unwrap();
        assert_eq!(
            head(""),
            "\u{feff}id,Status,Recipient,Recipient name,Other recipients,Channel,Subject,Reason,Reply code,Template,\
             Accepted (Europe/Berlin)\r\n"
        );
        assert_eq!(
            head("dense-status-subject-template"),
            "\u{feff}id,Recipient,Recipient name,Other recipients,Channel,Reason,Reply code,Accepted (Europe/Berlin)\r\n"
        );
    }
}
