//! Rows for spreadsheets: CSV of which no cell is a formula. Called by the exports of the log and of the audit log.
//! Sources: RFC 4180 for CSV; OWASP, "CSV Injection".

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};
use tracing::error;

use crate::domain::error::AppError;

/// What tells spreadsheets that a file is UTF-8. Source: RFC 3629, section 6.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The beginning of a file: the names of its columns.
pub fn csv_head(columns: &[&str]) -> Result<String, AppError> {
    Ok(BYTE_ORDER_MARK.to_owned() + &csv_lines([columns])?)
}

/// Rows, a line each. What a spreadsheet would take for a formula gets an apostrophe in front.
pub fn csv_lines<Row>(rows: impl IntoIterator<Item = Row>) -> Result<String, AppError>
where
    Row: IntoIterator<Item: AsRef<str>>,
{
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        for row in rows {
            for cell in row {
                writer.write_field(&*harmless(cell.as_ref()))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.into_inner().map_err(|cause| cause.into_error().into())
    };
    let bytes = write().map_err(|cause| {
        error!(%cause, "rows of CSV");
        AppError::Internal
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn harmless(cell: &str) -> Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_those_of_rfc_4180_and_no_formulas() {
        for (text, cell) in [
            ("plain", "plain"),
            ("", ""),
            (" a ", " a "),
            ("a, b", "\"a, b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("a\nb", "\"a\nb\""),
            ("a\rb", "\"a\rb\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("=A1,B1", "\"'=A1,B1\""),
            ("a=1", "a=1"),
            ("é;'|#", "é;'|#"),
        ] {
            assert_eq!(csv_lines([["", text, "z"]]), Ok(format!(",{cell},z\r\n")));
        }
    }

    #[test]
    fn a_file_begins_with_its_mark_and_its_columns() {
        assert_eq!(csv_head(&["id", "to, cc"]).as_deref(), Ok("\u{feff}id,\"to, cc\"\r\n"));
        assert_eq!(csv_lines([["a", "b"], ["", ""]]).as_deref(), Ok("a,b\r\n,\r\n"));
        assert_eq!(csv_lines::<[&str; 2]>([]).as_deref(), Ok(""));
    }
}
