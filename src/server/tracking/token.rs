//! What a link in a mail carries: the message, one of its recipients, and where the link leads. Whoever changes a letter of it
//! has no token any more. It names nobody: a recipient is a place in the message's list.
//!
//! Its bytes, in base64 for addresses: the version, the kind, the team, the message, the recipient's place, the target, and
//! the signature of all of that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::ids::{EmailId, TeamId};
use crate::server::secrets::{SIGNATURE_LENGTH, SecretKey};

/// The longest target, in bytes. A longer link is not followed by a token.
pub const MAX_TARGET_BYTES: usize = 2_000;
/// The longest token, in characters.
pub const MAX_TOKEN_CHARS: usize = (HEAD + MAX_TARGET_BYTES + SIGNATURE_LENGTH).div_ceil(3) * 4;

const VERSION: u8 = 1;
/// The bytes before the target.
const HEAD: usize = 2 + 8 + 8 + 2;
/// In the place of a recipient, where a message went to several at once.
const NOBODY: u16 = u16::MAX;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Open,
    Click,
    Unsubscribe,
}

impl TokenKind {
    const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Click => 2,
            Self::Unsubscribe => 3,
        }
    }

    /// The folder of its addresses.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Open => "/t/o/",
            Self::Click => "/t/c/",
            Self::Unsubscribe => "/u/",
        }
    }
}

/// A message as one of its recipients has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailCopy {
    pub team_id: TeamId,
    pub email_id: EmailId,
    /// The recipient's place in the message's list; `None` where the same mail went to several.
    pub recipient: Option<u16>,
}

/// Signs tokens, and reads those that it signed.
#[derive(Clone, Debug)]
pub struct Signer(SecretKey);

impl Signer {
    pub fn new(key: &SecretKey) -> Self {
        Self(key.derive("links in mails"))
    }

    /// The token of a copy; `target` is where a [TokenKind::Click] leads.
    pub fn sign(&self, kind: TokenKind, copy: MailCopy, target: &str) -> String {
        let mut bytes = Vec::with_capacity(HEAD + target.len() + SIGNATURE_LENGTH);
        bytes.extend([VERSION, kind.code()]);
        bytes.extend(copy.team_id.0.to_be_bytes());
        bytes.extend(copy.email_id.0.to_be_bytes());
        bytes.extend(copy.recipient.unwrap_or(NOBODY).to_be_bytes());
        bytes.extend(target.as_bytes());
        let signature = self.0.sign(&bytes);
        bytes.extend(signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token of this kind says; `None` for one that was not signed here.
    pub fn read(&self, kind: TokenKind, token: &str) -> Option<(MailCopy, String)> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_LENGTH)?)?;
        if !self.0.has_signed(signed, signature) {
            return None;
        }
        let (head, target) = signed.split_first_chunk::<HEAD>()?;
        let number = |from: usize| head[from..from + 8].try_into().map(i64::from_be_bytes).ok();
        let place = u16::from_be_bytes([head[HEAD - 2], head[HEAD - 1]]);
        let copy = MailCopy {
            team_id: TeamId(number(2)?),
            email_id: EmailId(number(10)?),
            recipient: (place != NOBODY).then_some(place),
        };
        let is_of_kind = head[0] == VERSION && head[1] == kind.code();
        is_of_kind.then_some((copy, String::from_utf8(target.to_vec()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: MailCopy =
        MailCopy { team_id: TeamId(-7), email_id: EmailId(1_795_265_892_000 << 20), recipient: Some(3) };
    const TARGET: &str = "https://finch.example/a?b=ü&c=1#d";

    fn signer() -> Signer {
        Signer::new(&SecretKey::generate())
    }

    #[test]
    fn a_token_says_what_was_signed_and_fits_an_address() {
        let signer = signer();
        for (kind, copy, target) in [
            (TokenKind::Open, COPY, ""),
            (TokenKind::Click, MailCopy { recipient: None, ..COPY }, TARGET),
            (TokenKind::Unsubscribe, COPY, ""),
        ] {
            let token = signer.sign(kind, copy, target);
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
            assert_eq!(signer.read(kind, &token), Some((copy, target.to_owned())));
        }
        let longest = signer.sign(TokenKind::Click, COPY, &"x".repeat(MAX_TARGET_BYTES));
        assert!(longest.len() <= MAX_TOKEN_CHARS && signer.read(TokenKind::Click, &longest).is_some());
    }

    #[test]
    fn a_token_with_any_other_letter_is_none() {
        let signer = signer();
        let token = signer.sign(TokenKind::Click, COPY, TARGET);
        for place in 0..token.len() {
            for other in ['A', 'b', '0', '-', '_', '=', ' '] {
                let mut changed: Vec<char> = token.chars().collect();
                if std::mem::replace(&mut changed[place], other) == other {
                    continue;
                }
                let changed: String = changed.into_iter().collect();
                assert_eq!(signer.read(TokenKind::Click, &changed), None, "{changed}");
            }
        }
        for cut in 0..token.len() {
            assert_eq!(signer.read(TokenKind::Click, &token[..cut]), None);
        }
        for more in ["A", "AA", "AAAA", "=", "=="] {
            assert_eq!(signer.read(TokenKind::Click, &format!("{token}{more}")), None);
        }
    }

    #[test]
    fn a_token_of_another_kind_or_another_server_is_none() {
        let signer = signer();
        let token = signer.sign(TokenKind::Open, COPY, "");
        assert_eq!(signer.read(TokenKind::Click, &token), None);
        assert_eq!(signer.read(TokenKind::Unsubscribe, &token), None);
        assert_eq!(super::tests::signer().read(TokenKind::Open, &token), None);
        let huge = "A".repeat(MAX_TOKEN_CHARS + 1);
        for wrong in ["", "A", "AAAA", "../../x", "%00", huge.as_str()] {
            assert_eq!(signer.read(TokenKind::Open, wrong), None);
        }
    }
}
