//! The address that a message's bounces come back to: an envelope sender of its own, whose local part names the message and proves
//! that Sendlog made it. Made by [super::delivery] for what goes out, read by [super::smtp_in] and [super::inbound].
//! Sources: RFC 5321, section 4.5.3.1.1 (a local part has at most 64 octets) and section 2.4 (mail servers may change the case of
//! what is theirs); D. J. Bernstein, "Variable Envelope Return Paths".

use subtle::ConstantTimeEq;

use super::secrets::SecretKey;
use crate::domain::ids::{EmailId, TeamId};

/// What a local part begins with.
const FIRST: char = 'b';
/// The hexadecimal digits of an id.
const ID_DIGITS: usize = 16;
/// The hexadecimal digits of the proof: 80 bits.
const PROOF_DIGITS: usize = 20;
const LOCAL_BYTES: usize = 1 + 2 * ID_DIGITS + PROOF_DIGITS;

/// The longest domain, in bytes, with which the address is short enough for every mail server.
pub const MAX_DOMAIN_BYTES: usize = 190;

/// A message that an address proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BouncedEmail {
    pub team: TeamId,
    pub email: EmailId,
}

/// The address at `domain` that the message's bounces come back to. It is in lower case.
pub fn bounce_address(key: &SecretKey, team: TeamId, email: EmailId, domain: &str) -> String {
    let domain = plain_domain(domain);
    let ids = format!("{:016x}{:016x}", team.0, email.0);
    let proof = proof(key, &ids, &domain);
    format!("{FIRST}{ids}{proof}@{domain}")
}

/// The message whose address this is, in any case of letters; `None` for an address that this key did not make, or that was
/// made for another domain.
pub fn read_bounce_address(key: &SecretKey, address: &str) -> Option<BouncedEmail> {
    let (local, domain) = address.trim().rsplit_once('@')?;
    if local.len() != LOCAL_BYTES || domain.len() > MAX_DOMAIN_BYTES + 1 || !address.is_ascii() {
        return None;
    }
    let local = local.to_ascii_lowercase();
    let (ids, said) = local.strip_prefix(FIRST)?.split_at_checked(2 * ID_DIGITS)?;
    let proof = proof(key, ids, &plain_domain(domain));
    if !bool::from(said.as_bytes().ct_eq(proof.as_bytes())) {
        return None;
    }
    let (team, email) = ids.split_at_checked(ID_DIGITS)?;
    Some(BouncedEmail { team: TeamId(id_of(team)?), email: EmailId(id_of(email)?) })
}

fn plain_domain(domain: &str) -> String {
    domain.trim().trim_end_matches('.').to_ascii_lowercase()
}

fn proof(key: &SecretKey, ids: &str, domain: &str) -> String {
    key.hash(&format!("{ids}@{domain}"), "bounce-address").chars().take(PROOF_DIGITS).collect()
}

fn id_of(digits: &str) -> Option<i64> {
    u64::from_str_radix(digits, 16).ok().map(u64::cast_signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_message_in_any_case() {
        let key = SecretKey::generate();
        for (team, email) in [(1, 2), (0x18d_0000_0000_0001, i64::MAX), (0, 0)] {
            let (team, email) = (TeamId(team), EmailId(email));
            let address = bounce_address(&key, team, email, "Bounces.Finch.example.");
            let (local, domain) = address.split_once('@').unwrap();
            assert!(local.len() <= 64 && address == address.to_lowercase(), "{address}");
            assert_eq!(domain, "bounces.finch.example");
            let expected = Some(BouncedEmail { team, email });
            assert_eq!(read_bounce_address(&key, &address), expected);
            assert_eq!(read_bounce_address(&key, &address.to_uppercase()), expected);
            assert_eq!(read_bounce_address(&key, &format!(" {address}. ")), expected);
        }
    }

    #[test]
    fn nothing_is_read_of_an_address_that_this_key_did_not_make() {
        let key = SecretKey::generate();
        let address = bounce_address(&key, TeamId(1), EmailId(2), "bounces.finch.example");
        assert_eq!(read_bounce_address(&SecretKey::generate(), &address), None);
        let elsewhere = address.replace("finch", "heron");
        assert_eq!(read_bounce_address(&key, &elsewhere), None);
        // No digit of it can be another.
        for at in 0..address.len() {
            let mut other = address.clone().into_bytes();
            other[at] = if other[at] == b'7' { b'8' } else { b'7' };
            assert_eq!(read_bounce_address(&key, &String::from_utf8(other).unwrap()), None, "{at}");
        }
        for odd in ["", "@", "b@bounces.finch.example", "ünïcode@finch.example", &address[1..], &format!("b{address}")]
        {
            assert_eq!(read_bounce_address(&key, odd), None, "{odd}");
        }
    }
}
