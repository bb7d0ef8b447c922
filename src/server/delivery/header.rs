//! What can stand in a mail header. Called before a message is accepted and when it is written as mail.

use crate::domain::error::AppError;

/// Passes only a value that is safe in a mail header or in an SMTP command: without CR, LF, NUL and the other control
/// characters; a tab is allowed. `field` names the parameter in the error, [AppError::Validation].
pub fn check_header(field: &str, value: &str) -> Result<(), AppError> {
    if is_one_line(value) {
        Ok(())
    } else {
        let message = format!("{field} must be one line, without line breaks or other control characters");
        Err(AppError::invalid_field(field, message))
    }
}

pub(super) fn is_one_line(value: &str) -> bool {
    !value.chars().any(|letter| letter.is_control() && letter != '\t')
}
