//! A line that a client said, read as a command.
//! Sources: RFC 5321, section 4.1.1; RFC 3207 (STARTTLS); RFC 4954 (AUTH); RFC 3030 (BDAT).

use super::address::{EnvelopeAddress, PathError, read_path};
use super::parameters::{MailParameters, check_recipient_parameters, read_mail_parameters};
use super::reply::Reply;

/// The longest name by which a client calls itself, in bytes: that of a domain.
const NAME_BYTES: usize = 255;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// EHLO, with the client's name.
    Extended(String),
    /// HELO, with the client's name.
    Hello(String),
    StartTls,
    Auth {
        /// In capitals.
        mechanism: String,
        initial: Option<String>,
    },
    Mail {
        /// `None` is `<>`: a message that is not to be answered.
        sender: Option<EnvelopeAddress>,
        parameters: MailParameters,
    },
    Recipient(EnvelopeAddress),
    Data,
    Chunk {
        size_bytes: u64,
        is_last: bool,
    },
    Reset,
    Nothing,
    Quit,
    Verify,
    Expand,
    Help,
}

/// A line that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCommand {
    pub reply: Reply,
    pub flaw: Flaw,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// An address of MAIL or RCPT. It is not the program's fault, but that of somebody who wrote the address.
    Address,
    Command,
    /// Nobody can tell what the bytes behind it are, so none of them may be read as commands.
    Unclear,
}

impl From<Reply> for NoCommand {
    fn from(reply: Reply) -> Self {
        Self { reply, flaw: Flaw::Command }
    }
}

/// Reads a line, without its end. Blanks at its end do not count (RFC 5321, section 4.1.1).
pub fn read_command(line: &[u8]) -> Result<Command, NoCommand> {
    let text = std::str::from_utf8(line).ok().filter(|text| !text.chars().any(is_control)).ok_or_else(unreadable)?;
    let text = text.trim_end_matches([' ', '\t']);
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let argument = rest.trim_start_matches(' ');
    let command = match verb.to_ascii_uppercase().as_str() {
        "EHLO" => Command::Extended(read_name(argument)?),
        "HELO" => Command::Hello(read_name(argument)?),
        "STARTTLS" => alone(Command::StartTls, argument)?,
        "AUTH" => read_auth(argument)?,
        "MAIL" => read_mail(argument)?,
        "RCPT" => read_recipient(argument)?,
        "DATA" => alone(Command::Data, argument)?,
        "BDAT" => return read_chunk(argument),
        "RSET" => alone(Command::Reset, argument)?,
        "QUIT" => alone(Command::Quit, argument)?,
        "NOOP" => Command::Nothing,
        "VRFY" => Command::Verify,
        "EXPN" => Command::Expand,
        "HELP" => Command::Help,
        // A browser that a page has sent here: what follows are headers and a body that somebody else wrote.
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "CONNECT" | "PATCH" => return Err(of_a_browser()),
        _ => return Err(Reply::new(500, (5, 1), "That command is not known here").into()),
    };
    Ok(command)
}

fn is_control(letter: char) -> bool {
    letter.is_control() && letter != '\t'
}

fn unreadable() -> Reply {
    Reply::new(500, (5, 2), "A command is one line of text that ends in CRLF")
}

fn of_a_browser() -> NoCommand {
    let reply = Reply::new(421, (7, 0), "This is a mail server: it speaks SMTP, not HTTP");
    NoCommand { reply, flaw: Flaw::Unclear }
}

fn alone(command: Command, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() {
        return Ok(command);
    }
    Err(Reply::new(501, (5, 4), "That command stands alone"))
}

/// A client's name is not checked against anything, since no message may be refused for it (RFC 5321, section 4.1.4).
fn read_name(argument: &str) -> Result<String, Reply> {
    let name = argument.split(' ').next().unwrap_or_default();
    if (1..=NAME_BYTES).contains(&name.len()) {
        return Ok(name.to_owned());
    }
    Err(Reply::new(501, (5, 4), "Say your name: EHLO client.example.com"))
}

fn read_auth(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let (mechanism, initial, rest) = (words.next(), words.next(), words.next());
    match (mechanism, rest) {
        (Some(mechanism), None) => {
            Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial: initial.map(str::to_owned) })
        }
        _ => Err(Reply::new(501, (5, 4), "Name a mechanism: AUTH PLAIN")),
    }
}

fn wrong_address(reply: Reply) -> NoCommand {
    NoCommand { reply, flaw: Flaw::Address }
}

fn read_mail(argument: &str) -> Result<Command, NoCommand> {
    let usage = || Reply::new(501, (5, 4), "Name the sender: MAIL FROM:<ada@example.com>");
    let path = after_keyword(argument, "FROM:").ok_or_else(usage)?;
    let refused = |why| wrong_address(Reply::new(501, (1, 7), format!("The sender: {why}")));
    let (sender, rest) = read_path(path).map_err(refused)?;
    let parameters = read_mail_parameters(rest)?;
    if !parameters.is_utf8 && sender.as_ref().is_some_and(|sender| !sender.is_ascii()) {
        return Err(wrong_address(needs_utf8()));
    }
    Ok(Command::Mail { sender, parameters })
}

fn read_recipient(argument: &str) -> Result<Command, NoCommand> {
    let usage = || Reply::new(501, (5, 4), "Name a recipient: RCPT TO:<ada@example.com>");
    let path = after_keyword(argument, "TO:").ok_or_else(usage)?;
    let refused = |why| wrong_address(Reply::new(501, (1, 3), format!("The recipient: {why}")));
    let (recipient, rest) = read_path(path).map_err(refused)?;
    let recipient = recipient.ok_or_else(|| refused(PathError::Empty))?;
    check_recipient_parameters(rest)?;
    Ok(Command::Recipient(recipient))
}

/// An address outside ASCII in a transaction without SMTPUTF8. Source: RFC 6531, section 3.5.
pub fn needs_utf8() -> Reply {
    Reply::new(553, (6, 7), "An address with letters outside ASCII needs MAIL with SMTPUTF8")
}

/// What follows `FROM:` or `TO:`. Blanks behind the colon are no part of the standard, and common.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

/// Where the size cannot be read, nobody knows where the chunk ends.
fn read_chunk(argument: &str) -> Result<Command, NoCommand> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()));
    let (last, rest) = (words.next(), words.next());
    let is_last = last.is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
    match size.and_then(|size| size.parse().ok()) {
        Some(size_bytes) if rest.is_none() && is_last == last.is_some() => Ok(Command::Chunk { size_bytes, is_last }),
        _ => {
            let reply = Reply::new(501, (5, 4), "Say how much comes: BDAT 1000 LAST");
            Err(NoCommand { reply, flaw: Flaw::Unclear })
        }
    }
}

#[cfg(test)]
mod tests;
