//! Keys, and the file that they are in.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The keys of a key file: everything is signed with the first, and believed by any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    first: Key,
    others: Vec<Key>,
}

/// A key with its number.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    number: u32,
    /// Filled up with zeros, as HMAC does it (RFC 2104, section 2).
    secret: [u8; LONGEST],
}

/// What is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A line that is none.
    #[error(
        "line {0}: expected a number and a key of 32 to 128 hexadecimal digits, like the one that `openssl rand -hex 32` prints"
    )]
    Line(usize),
    /// A number that another key has.
    #[error("line {0}: another key has the number {1}")]
    Twice(usize, u32),
    /// No line at all.
    #[error(
        "there is no key in it; a line is a number and a key: `echo 1 $(openssl rand -hex 32)`"
    )]
    Empty,
}

/// Half of what the hash has, and more than anybody can guess.
const SHORTEST: usize = 16;
/// A block of the hash.
const LONGEST: usize = 64;

impl Keys {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// What is wrong with it, and in which line. It never has a key in it.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if line.is_empty() {
                continue;
            }
            let key = parse_key(line).ok_or(KeysError::Line(number))?;
            if keys.iter().any(|it| it.number == key.number) {
                return Err(KeysError::Twice(number, key.number));
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeysError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// The key that is signed with.
    #[must_use]
    pub const fn first(&self) -> &Key {
        &self.first
    }

    /// The key with this number.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|it| it.number == number)
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let (number, digits) = line.split_once(char::is_whitespace)?;
    let (number, digits) = (number.parse().ok()?, digits.trim_start());
    let good = digits.len() % 2 == 0 && digits.bytes().all(|it| it.is_ascii_hexdigit());
    if !good || !(SHORTEST..=LONGEST).contains(&(digits.len() / 2)) {
        return None;
    }
    let mut secret = [0; LONGEST];
    for (byte, at) in secret.iter_mut().zip((0..digits.len()).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(Key { number, secret })
}

impl Key {
    /// Bytes of a signature.
    pub const SIGNATURE: usize = 32;

    /// What it is called.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The signature of these bytes, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; Self::SIGNATURE] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether that is the signature of these bytes. It takes as long for any that is not.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.mac(parts).verify_slice(signature).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::new(&self.secret.into());
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_keys() {
        let text = "# the new one\n2  00112233445566778899AABBccddeeff\n\n1 ffeeddccbbaa99887766554433221100 # old\n";
        let keys = Keys::parse(text).unwrap();
        assert_eq!(keys.first().number(), 2);
        assert_eq!(keys.find(1).unwrap().secret[..2], [0xff, 0xee]);
        assert_eq!(keys.find(3), None);
        // A key never gets into a log.
        let shown = format!("{keys:?}");
        assert!(!shown.contains("ff") && !shown.contains("255"), "{shown}");
    }

    #[test]
    fn what_is_wrong_with_it() {
        let good = "1 00112233445566778899aabbccddeeff\n";
        for (text, expected) in [
            ("", KeysError::Empty),
            ("# nothing\n", KeysError::Empty),
            ("1 0011223344556677\n", KeysError::Line(1)),
            ("1 00112233445566778899aabbccddeefg\n", KeysError::Line(1)),
            ("1 00112233445566778899aabbccddeeff0\n", KeysError::Line(1)),
            ("00112233445566778899aabbccddeeff\n", KeysError::Line(1)),
            ("-1 00112233445566778899aabbccddeeff\n", KeysError::Line(1)),
            (&format!("1 {}\n", "00".repeat(65)), KeysError::Line(1)),
            (&format!("{good}\nsecret\n"), KeysError::Line(3)),
            (&good.repeat(2), KeysError::Twice(2, 1)),
        ] {
            assert_eq!(Keys::parse(text), Err(expected), "{text}");
        }
    }

    /// RFC 4231, test case 1.
    #[test]
    fn a_signature_of_the_rfc() {
        let key = parse_key(&format!("1 {}", "0b".repeat(20))).unwrap();
        let signature = key.sign(&[b"Hi ", b"There"]);
        assert_eq!(signature[..4], [0xb0, 0x34, 0x4c, 0x61]);
        assert!(key.verify(&[b"Hi There"], &signature));
        assert!(!key.verify(&[b"Hi There"], &signature[..31]));
        assert!(!key.verify(&[b"Hi There", b"!"], &signature));
    }
}
