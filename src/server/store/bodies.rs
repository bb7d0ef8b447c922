//! The bodies of messages as they are kept: compressed by zstd, those of a template against the version that they were made
//! from, so that many messages of one template take little more than what differs. [super::bulk] keeps them; messages are
//! read with them by [super::emails] and [super::outgoing]. Those of before are brought over in steps, while the program
//! serves. Source: RFC 8878.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::engine::{Sql, Transaction};
use super::{Store, stored};
use crate::domain::email::NewEmail;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId, TemplateVersionId};

/// What is compressed against nothing begins with it.
const ALONE: u8 = 0;
/// What is compressed against the message's template version begins with it.
const AGAINST_VERSION: u8 = 1;

/// zstd's own choice: higher levels take twice the time for a body of a template, for a few bytes.
const LEVEL: i32 = 3;

/// The length of a part that a message does not have.
const ABSENT: u32 = u32::MAX;

/// How many bytes of template versions stay in memory.
const VERSIONS_BYTES: usize = 2 * 1024 * 1024;

/// Bodies, compressed.
#[derive(Debug)]
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    /// How long they are as they were.
    pub length: i64,
}

/// What bodies are compressed against: the sources of a template version.
#[derive(Clone, Debug)]
pub(super) struct Version(Arc<[u8]>);

impl Version {
    /// `None` where there is no such version, or nothing in it.
    pub fn new(html: Option<&str>, text: Option<&str>) -> Option<Self> {
        let sources: String = [html, text].into_iter().flatten().collect();
        (!sources.is_empty()).then(|| Self(sources.into_bytes().into()))
    }
}

/// The versions that bodies were compressed against last, the last one first.
#[derive(Debug, Default)]
pub(super) struct Versions(Mutex<VecDeque<(TeamId, TemplateVersionId, Version)>>);

impl Versions {
    fn find(&self, team_id: TeamId, id: TemplateVersionId) -> Option<Version> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known.iter().position(|(team, version, _)| (*team, *version) == (team_id, id))?;
        let found = known.remove(place)?;
        let version = found.2.clone();
        known.push_front(found);
        Some(version)
    }

    fn keep(&self, team_id: TeamId, id: TemplateVersionId, version: &Version) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_front((team_id, id, version.clone()));
        let bytes = |known: &VecDeque<(TeamId, TemplateVersionId, Version)>| -> usize {
            known.iter().map(|(_, _, version)| version.0.len()).sum()
        };
        while bytes(&known) > VERSIONS_BYTES {
            known.pop_back();
        }
    }
}

/// Compresses the bodies of a message; `None` where it has none.
pub(super) fn pack(html: Option<&str>, text: Option<&str>, version: Option<&Version>) -> Option<io::Result<Packed>> {
    (html.is_some() || text.is_some()).then(|| {
        let length = [html, text].into_iter().flatten().map(str::len).sum::<usize>();
        let kind = if version.is_some() { AGAINST_VERSION } else { ALONE };
        let dictionary = version.map_or(&[][..], |version| &version.0);
        let mut encoder = Encoder::with_dictionary(vec![kind], LEVEL, dictionary)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some((length + 8) as u64))?;
        for part in [html, text] {
            let length = part.map_or(Ok(ABSENT), |part| u32::try_from(part.len()));
            encoder.write_all(&length.map_err(io::Error::other)?.to_le_bytes())?;
        }
        for part in [html, text].into_iter().flatten() {
            encoder.write_all(part.as_bytes())?;
        }
        Ok(Packed { bytes: encoder.finish()?, length: length as i64 })
    })
}

/// The HTML and the text of compressed bodies; `version` is the message's.
fn unpack(bytes: &[u8], version: Option<&Version>) -> io::Result<(Option<String>, Option<String>)> {
    let (kind, frame) = bytes.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
    let version = match *kind {
        ALONE => None,
        AGAINST_VERSION => Some(version.ok_or_else(|| io::Error::other("the template version is gone"))?),
        _ => return Err(io::Error::other("an unknown kind")),
    };
    let mut decoder = Decoder::with_dictionary(frame, version.map_or(&[][..], |version| &version.0))?;
    let mut lengths = [[0; 4]; 2];
    for length in &mut lengths {
        decoder.read_exact(length)?;
    }
    let [html, text] = lengths.map(u32::from_le_bytes);
    let html = read_part(&mut decoder, html)?;
    let text = read_part(&mut decoder, text)?;
    // To the end, where the checksum is.
    match decoder.read(&mut [0])? {
        0 => Ok((html, text)),
        _ => Err(io::Error::other("more than its parts")),
    }
}

/// Reads a part, whatever length its bytes claim, as far as there are bytes.
fn read_part(decoder: &mut impl Read, length: u32) -> io::Result<Option<String>> {
    if length == ABSENT {
        return Ok(None);
    }
    let mut part = String::new();
    decoder.take(u64::from(length)).read_to_string(&mut part)?;
    if part.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(part))
}

/// The bodies of a message, as it is read: with the sources of the version that it was made from.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct BodyRow {
    /// As they are kept now.
    pub body: Option<Vec<u8>>,
    /// As they were kept before.
    pub html: Option<String>,
    pub text: Option<String>,
    pub version_html: Option<String>,
    pub version_text: Option<String>,
}

impl BodyRow {
    /// Its columns, of the contents `c` and the template version `v`.
    pub const COLUMNS: &str = "c.body, c.html, c.text, v.html AS version_html, v.text AS version_text";

    /// The HTML and the text.
    pub fn read(&self) -> Result<(Option<String>, Option<String>), AppError> {
        match &self.body {
            Some(body) => stored("email_contents.body", unpack(body, self.version().as_ref())),
            None => Ok((self.html.clone(), self.text.clone())),
        }
    }

    pub fn version(&self) -> Option<Version> {
        Version::new(self.version_html.as_deref(), self.version_text.as_deref())
    }
}

impl Store {
    /// Compresses the bodies of messages, in their order.
    pub(super) async fn pack_bodies(
        &self,
        team_id: TeamId,
        emails: &[&NewEmail],
    ) -> Result<Vec<Option<Packed>>, AppError> {
        let mut packed = Vec::new();
        for email in emails {
            let version = match email.version() {
                Some(version) => self.find_version(team_id, version).await?,
                None => None,
            };
            let body = pack(email.html.as_deref(), email.text.as_deref(), version.as_ref());
            packed.push(stored("email_contents.body", body.transpose())?);
        }
        Ok(packed)
    }

    /// What the bodies of a template version's messages are compressed against.
    async fn find_version(&self, team_id: TeamId, id: TemplateVersionId) -> Result<Option<Version>, AppError> {
        if let Some(known) = self.versions.find(team_id, id) {
            return Ok(Some(known));
        }
        let row: Option<(Option<String>, Option<String>)> = self
            .read("SELECT html, text FROM template_versions WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        let version = row.and_then(|(html, text)| Version::new(html.as_deref(), text.as_deref()));
        if let Some(version) = &version {
            self.versions.keep(team_id, id, version);
        }
        Ok(version)
    }
}

/// Where the bringing over of bodies is: the team, and the last of its messages that was looked at. Gone when it is over.
const FIND_PLACE: &str = "SELECT value FROM settings WHERE name = 'bodies_packed_to'";
/// Messages that one step looks at, and how long their bodies are together, at most; one is always brought over.
const STEP: i64 = 100;
const STEP_BYTES: i64 = 4 * 1024 * 1024;

/// The next messages of a team. `$1` team, `$2` the last one that was looked at, `$3` how many.
pub(super) const FIND_NEXT: &str = "SELECT email_id,
         CAST(COALESCE(octet_length(html), 0) + COALESCE(octet_length(text), 0) AS BIGINT) AS bytes
     FROM email_contents WHERE team_id = $1 AND email_id > $2 ORDER BY email_id LIMIT $3";

impl Store {
    /// Compresses some of the bodies that were kept before they were compressed; whether there may be more.
    pub async fn pack_some_bodies(&self) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let find_place = format!("{FIND_PLACE}{}", tx.engine().for_update());
        let place: Option<String> = tx.query(find_place).fetch_optional_scalar().await?;
        let Some((team_id, last)) = place.as_deref().and_then(|place| place.split_once(' ')) else { return Ok(false) };
        let (team_id, last) =
            (TeamId(stored("settings.value", team_id.parse())?), stored("settings.value", last.parse())?);
        let next: Vec<(EmailId, i64)> =
            tx.query(FIND_NEXT).bind(team_id).bind(EmailId(last)).bind(STEP).fetch_all().await?;
        let mut bytes = 0;
        let mut room = |length: &i64| {
            let is_first = bytes == 0;
            bytes += length;
            is_first || bytes <= STEP_BYTES
        };
        let taken: Vec<EmailId> = next.iter().take_while(|(_, length)| room(length)).map(|(id, _)| *id).collect();
        let place = match taken.last() {
            Some(last) => {
                pack_bodies_of(&mut tx, team_id, &taken).await?;
                Some((team_id, last.0))
            }
            None => {
                let next: Option<TeamId> = tx
                    .query("SELECT MIN(id) FROM teams WHERE id > $1 AND deleted_at IS NULL")
                    .bind(team_id)
                    .fetch_scalar()
                    .await?;
                next.map(|team_id| (team_id, 0))
            }
        };
        match place {
            Some((team_id, last)) => {
                let update = "UPDATE settings SET value = $1 WHERE name = 'bodies_packed_to'";
                tx.query(update).bind(format!("{} {last}", team_id.0)).execute().await?;
            }
            None => {
                tx.query("DELETE FROM settings WHERE name = 'bodies_packed_to'").execute().await?;
            }
        }
        tx.commit().await?;
        Ok(place.is_some())
    }
}

#[derive(sqlx::FromRow)]
struct UnpackedRow {
    email_id: EmailId,
    #[sqlx(flatten)]
    bodies: BodyRow,
}

/// Compresses the bodies of these messages, where they are not.
async fn pack_bodies_of(tx: &mut Transaction, team_id: TeamId, ids: &[EmailId]) -> Result<(), AppError> {
    let mut find = Sql::new(
        tx.engine(),
        format!(
            "SELECT c.email_id, {} FROM email_contents c
         JOIN emails e ON e.team_id = c.team_id AND e.id = c.email_id
         LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
         WHERE c.team_id = ",
            BodyRow::COLUMNS
        ),
    );
    find.push_bind(team_id).push(" AND c.email_id IN (").push_list(ids).push(") AND c.body IS NULL").keep(false);
    let rows: Vec<UnpackedRow> = tx.query(find).fetch_all().await?;
    for UnpackedRow { email_id, bodies } in rows {
        let packed = pack(bodies.html.as_deref(), bodies.text.as_deref(), bodies.version().as_ref());
        let Some(packed) = stored("email_contents.body", packed.transpose())? else { continue };
        tx.query(
            "UPDATE email_contents SET body = $3, body_bytes = $4, html = NULL, text = NULL
             WHERE team_id = $1 AND email_id = $2",
        )
        .bind(team_id)
        .bind(email_id)
        .bind(&packed.bytes)
        .bind(packed.length)
        .execute()
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(html: Option<&str>, text: Option<&str>, version: Option<&Version>) -> Packed {
        let packed = pack(html, text, version).unwrap().unwrap();
        let (read_html, read_text) = unpack(&packed.bytes, version).unwrap();
        assert_eq!((read_html.as_deref(), read_text.as_deref()), (html, text));
        packed
    }

    #[test]
    fn bodies_are_read_as_they_were_kept() {
        let version = Version::new(Some("<p>{{ name }}</p>"), None).unwrap();
        let long = "Größe\0\n".repeat(300_000);
        for (html, text) in
            [(Some(""), None), (None, Some("")), (Some("<p>é</p>"), Some("é")), (Some(&*long), Some(&*long))]
        {
            let packed = round(html, text, None);
            assert_eq!(packed.length as usize, html.unwrap_or_default().len() + text.unwrap_or_default().len());
            round(html, text, Some(&version));
        }
        assert!(pack(None, None, Some(&version)).is_none());
        assert!(Version::new(None, None).is_none() && Version::new(Some(""), Some("")).is_none());
    }

    #[test]
    fn a_body_of_a_template_takes_little_more_than_what_is_its_own() {
        let rows: String = (0..60).map(|row| format!("<tr><td class=\"c{row}\">{}</td></tr>\n", row * row)).collect();
        let source = format!("<html><body><p>Hello {{{{ name }}}}</p>{rows}<p>#{{{{ order }}}}</p></body></html>");
        let version = Version::new(Some(&source), None).unwrap();
        let html = source.replace("{{ name }}", "Maya Lindqvist").replace("{{ order }}", "48213");
        let packed = round(Some(&html), None, Some(&version));
        assert!(packed.bytes.len() < 80, "{} of {}", packed.bytes.len(), html.len());
        assert!(packed.bytes.len() * 4 < round(Some(&html), None, None).bytes.len());
    }

    #[test]
    fn what_is_not_a_body_any_more_is_an_error_never_another_body() {
        let [version, other] = ["<p>{{ name }} and so on and so on</p>", "<p>{{ nom }} etc. etc. etc. etc. etc.</p>"]
            .map(|source| Version::new(Some(source), None).unwrap());
        let packed = round(Some("<p>Maya and so on and so on</p>"), Some("Maya"), Some(&version)).bytes;
        assert!(unpack(&packed, None).is_err() && unpack(&packed, Some(&other)).is_err());
        for place in 0..packed.len() {
            assert!(unpack(&packed[..place], Some(&version)).is_err(), "cut at {place}");
            let mut changed = packed.clone();
            changed[place] ^= 0x10;
            let read = unpack(&changed, Some(&version)).ok();
            assert!(read.is_none_or(|(html, _)| html.as_deref() == Some("<p>Maya and so on and so on</p>")), "{place}");
        }
        let mut longer = packed.clone();
        longer.push(7);
        assert!(unpack(&longer, Some(&version)).is_err());
    }

    #[test]
    fn few_versions_stay_in_memory_those_that_are_used() {
        let (versions, team) = (Versions::default(), TeamId(1));
        let version = Version::new(Some(&"a".repeat(VERSIONS_BYTES / 4)), None).unwrap();
        for id in 1..=4 {
            versions.keep(team, TemplateVersionId(id), &version);
        }
        assert!(versions.find(team, TemplateVersionId(1)).is_some());
        versions.keep(team, TemplateVersionId(5), &version);
        let kept = [1, 2, 3, 4, 5].map(|id| versions.find(team, TemplateVersionId(id)).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
        assert!(versions.find(TeamId(2), TemplateVersionId(1)).is_none());
        let huge = Version::new(Some(&"a".repeat(VERSIONS_BYTES + 1)), None).unwrap();
        versions.keep(team, TemplateVersionId(6), &huge);
        assert!(versions.find(team, TemplateVersionId(6)).is_none());
    }
}
