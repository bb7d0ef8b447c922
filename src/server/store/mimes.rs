//! Messages that came as mail, compressed by zstd. [super::bulk] keeps them, [super::outgoing] reads them for sending.
//! Source: RFC 8878.

use std::io::{self, Read};

use zstd::stream::read::Decoder;

use super::{Store, stored};
use crate::domain::email::Mime;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};

/// zstd's own choice.
const LEVEL: i32 = 3;

/// Compresses a mail that has this `Message-ID` of its own. Takes time in proportion to its length.
pub fn pack_mime(mail: &[u8], message_id: Option<String>) -> io::Result<Mime> {
    Ok(Mime { packed: zstd::encode_all(mail, LEVEL)?, length: mail.len() as i64, message_id })
}

/// The mail as it was.
pub(super) fn unpack_mime(packed: &[u8], length: i64) -> Result<Vec<u8>, AppError> {
    let mut mail = Vec::new();
    let unpack = || {
        let length = u64::try_from(length).map_err(io::Error::other)?;
        Decoder::new(packed)?.take(length + 1).read_to_end(&mut mail)?;
        if mail.len() as u64 == length { Ok(mail) } else { Err(io::Error::other("another length")) }
    };
    stored::<_, io::Error>("email_mimes.mime", unpack())
}

impl Store {
    /// A message that came as mail, as it was kept; `None` for one that did not.
    pub async fn find_mime(&self, team_id: TeamId, id: EmailId) -> Result<Option<Mime>, AppError> {
        let row: Option<(Vec<u8>, i64, Option<String>)> = self
            .read("SELECT mime, mime_bytes, message_id FROM email_mimes WHERE team_id = $1 AND email_id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        Ok(row.map(|(packed, length, message_id)| Mime { packed, length, message_id }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_it_was_kept_and_a_damaged_one_is_not() {
        let mail: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
        let mime = pack_mime(&mail, None).unwrap();
        let packed = mime.packed.as_slice();
        assert!(packed.len() < 10_000 && mime.length == 100_000);
        assert_eq!(unpack_mime(packed, 100_000).unwrap(), mail);
        assert_eq!(unpack_mime(&pack_mime(b"", None).unwrap().packed, 0).unwrap(), b"");
        for (packed, length) in [
            (packed, 99_999),
            (packed, 100_001),
            (packed, -1),
            (&packed[..packed.len() / 2], 100_000),
            (&b"not zstd"[..], 8),
        ] {
            assert_eq!(unpack_mime(packed, length), Err(AppError::Internal));
        }
    }
}
