//! What must not be readable in the database: adapter passwords, sealed with the server's [SecretKey], and tokens, kept
//! as hashes. Called by the services that make either and by [super::delivery::worker].
//! Source of the cipher: XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::error;

use super::private_files;
use crate::domain::error::AppError;

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
/// How long a signature is, in bytes: 128 bits.
pub const SIGNATURE_LENGTH: usize = 16;
const SEALED_PREFIX: &str = "v1:";

/// How many letters and digits a token has: 238 bits.
const TOKEN_LENGTH: usize = 40;

/// The key that seals what the database must not show. Its `Debug` shows nothing of it, nor does the time that it takes
/// to compare two.
#[derive(Clone, Eq)]
pub struct SecretKey([u8; KEY_LENGTH]);

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Why there is no usable key. Each is one line for the person who started the program.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The text is neither form of 32 bytes.
    #[error("a secret key is 64 hexadecimal digits, or 32 bytes in base64")]
    Format,
    /// The file holds something else.
    #[error("the secret key in {0} is damaged: it must be 64 hexadecimal digits, or 32 bytes in base64")]
    FileFormat(String),
    #[error("cannot read or make the secret key file {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
}

impl SecretKey {
    /// A key of fresh randomness.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// The key in the file at `path`. A file that is absent is made, readable by its owner alone; of several programs
    /// that make it at once, one wins and all use its key.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretKeyError> {
        let file_error = |cause| SecretKeyError::File { path: path.display().to_string(), cause };
        match fs::read_to_string(path) {
            Ok(text) => {
                private_files::tighten(path);
                return Self::from_file(path, &text);
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(file_error(cause)),
        }
        write_new(path, &Self::generate()).map_err(file_error)?;
        let text = fs::read_to_string(path).map_err(file_error)?;
        Self::from_file(path, &text)
    }

    fn from_file(path: &Path, text: &str) -> Result<Self, SecretKeyError> {
        text.parse().map_err(|_| SecretKeyError::FileFormat(path.display().to_string()))
    }

    /// Encrypts `plain` so that only this key opens it, and only with the same `context`: the name of the place it is
    /// kept in (`adapter:team_…:adp_…`), so that nobody can move it to another place.
    pub fn seal(&self, plain: &[u8], context: &str) -> String {
        let nonce: [u8; NONCE_LENGTH] = rand::random();
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.expect("this cipher refuses only texts of 256 GiB and more");
        format!("{SEALED_PREFIX}{}", STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// What was sealed with this key and `context`; [AppError::Internal] for another key, another context, or a text
    /// that was changed.
    pub fn open(&self, sealed: &str, context: &str) -> Result<Vec<u8>, AppError> {
        self.try_open(sealed, context).ok_or_else(|| {
            error!(context, "a stored secret cannot be opened: the secret key is another one, or it was changed");
            AppError::Internal
        })
    }

    /// Like [Self::open], for what comes from outside: a text that does not open is nothing to log.
    pub fn try_open(&self, sealed: &str, context: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed.strip_prefix(SEALED_PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH)?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).ok()
    }

    /// What is kept of a text that is short enough to be guessed: its HMAC-SHA-256 with this key and `context`, in
    /// hexadecimal digits. A copy of the database alone tells nothing of the text. Source: RFC 2104.
    pub fn hash(&self, text: &str, context: &str) -> String {
        hex::encode(self.mac(&[context, "\0", text].map(str::as_bytes)).finalize().into_bytes())
    }

    /// A key of its own for one purpose: who knows it knows nothing of this one. Source: RFC 5869, with one block of output.
    pub fn derive(&self, purpose: &str) -> Self {
        Self(self.mac(&[b"derived\0", purpose.as_bytes(), b"\x01"]).finalize().into_bytes().into())
    }

    /// What proves that who has this key wrote these bytes: the first half of their HMAC-SHA-256. Source: RFC 2104, section 5.
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        let mut signature = [0; SIGNATURE_LENGTH];
        signature.copy_from_slice(&self.mac(&[bytes]).finalize().into_bytes()[..SIGNATURE_LENGTH]);
        signature
    }

    /// Whether the signature is [Self::sign]'s of these bytes; it takes as long for each that is not.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.sign(bytes).ct_eq(signature).into()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl FromStr for SecretKey {
    type Err = SecretKeyError;

    fn from_str(text: &str) -> Result<Self, SecretKeyError> {
        let text = text.trim();
        let decoded = hex::decode(text).ok().or_else(|| {
            let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
            engines.iter().find_map(|engine| engine.decode(text).ok())
        });
        decoded.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(SecretKeyError::Format)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Writes the key beside `path` and moves it there in one step, unless a file is there by then.
fn write_new(path: &Path, key: &SecretKey) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        private_files::create_folder(folder)?;
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", random_token()));
    let draft = Path::new(&draft);
    let written = write_private(draft, &format!("{}\n", hex::encode(key.0)));
    let moved = written.and_then(|()| match fs::hard_link(draft, path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links.
        Err(_) if !path.exists() => fs::rename(draft, path),
        other => other,
    });
    let _ = fs::remove_file(draft);
    moved
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A token that nobody guesses: letters and digits, safe in addresses and headers.
pub fn random_token() -> String {
    rand::rng().sample_iter(Alphanumeric).take(TOKEN_LENGTH).map(char::from).collect()
}

/// What is kept of a token: its SHA-256 in hexadecimal digits. For tokens of [random_token] only; people's passwords
/// need a slow hash.
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = "adapter:team_0000000000001:adp_0000000000001";

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context() {
        let key = SecretKey::generate();
        let sealed = key.seal(b"hunter2", CONTEXT);
        assert!(sealed.starts_with("v1:"));
        assert_eq!(key.open(&sealed, CONTEXT), Ok(b"hunter2".to_vec()));
        assert_ne!(sealed, key.seal(b"hunter2", CONTEXT), "each sealing has its own nonce");
    }

    #[test]
    fn another_key_another_place_or_a_changed_text_opens_nothing() {
        let key = SecretKey::generate();
        let sealed = key.seal(b"hunter2", CONTEXT);
        assert_eq!(SecretKey::generate().open(&sealed, CONTEXT), Err(AppError::Internal));
        assert_eq!(key.open(&sealed, "adapter:team_0000000000002:adp_0000000000001"), Err(AppError::Internal));
        let changed = sealed.replace(char::from(sealed.as_bytes()[10]), "A");
        let changed = if changed == sealed { sealed.replacen('A', "B", 1) } else { changed };
        for text in [changed.as_str(), "", "v1:", "v1:AAAA", "v2:AAAA", "hunter2"] {
            assert_eq!(key.open(text, CONTEXT), Err(AppError::Internal), "{text}");
        }
    }

    #[test]
    fn a_key_is_read_from_hexadecimal_digits_and_from_base64() {
        let bytes = [0xA7; KEY_LENGTH];
        for text in
            [hex::encode(bytes), hex::encode_upper(bytes), STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]
        {
            assert_eq!(text.parse::<SecretKey>().unwrap(), SecretKey(bytes));
        }
        for text in ["", "secret", &hex::encode([0; 31]), &STANDARD.encode([0; 33])] {
            assert!(text.parse::<SecretKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", SecretKey([7; KEY_LENGTH])), "SecretKey(…)");
    }

    #[test]
    fn a_key_file_is_made_once_and_is_private() {
        let folder = std::env::temp_dir().join(format!("sendlog-key-{}", random_token()));
        let path = folder.join("sendlog.key");
        let key = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(SecretKey::load_or_create(&path).unwrap(), key);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the draft is gone");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&path, "nonsense").unwrap();
        let message = SecretKey::load_or_create(&path).unwrap_err().to_string();
        assert!(message.contains("sendlog.key is damaged"), "{message}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn programs_that_start_together_use_one_key() {
        let folder = std::env::temp_dir().join(format!("sendlog-key-{}", random_token()));
        let path = folder.join("sendlog.key");
        let keys: Vec<SecretKey> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| SecretKey::load_or_create(&path).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_hash_needs_the_key_and_the_context() {
        let (key, hash) = (SecretKey([7; KEY_LENGTH]), SecretKey([7; KEY_LENGTH]).hash("abcd-efgh", "usr_1"));
        assert_eq!(key.hash("abcd-efgh", "usr_1"), hash);
        assert_ne!(key.hash("abcd-efgh", "usr_2"), hash);
        assert_ne!(SecretKey([8; KEY_LENGTH]).hash("abcd-efgh", "usr_1"), hash);
    }

    #[test]
    fn a_derived_key_is_another_one_for_each_purpose_and_signs_alone_what_it_signed() {
        let key = SecretKey([7; KEY_LENGTH]);
        let (links, other) = (key.derive("links"), key.derive("other"));
        assert!(links == key.derive("links") && links != other && links != key);
        let signature = links.sign(b"a link");
        assert!(links.has_signed(b"a link", &signature));
        assert!(!links.has_signed(b"a lins", &signature) && !other.has_signed(b"a link", &signature));
        assert!(!links.has_signed(b"a link", &signature[..15]) && !links.has_signed(b"a link", b""));
    }

    #[test]
    fn tokens_differ_and_only_their_hash_is_kept() {
        let (first, second) = (random_token(), random_token());
        assert_ne!(first, second);
        assert!(first.len() == TOKEN_LENGTH && first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(token_hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
