//! The proof that a message of a synchronisation comes from a director that has the key, in this very
//! conversation, and in this order. Pure.
//!
//! Both ends begin with a greeting, in the clear:
//!
//! ```text
//!  'L' 'V' 'S' 'S' 'Y' 'N' 'C' version (2) | 1: signs, 0: not | 3 zeros | nonce, 16 random bytes
//! ```
//!
//! and go on with messages, each signed with HMAC-SHA256 over what it is for, who speaks, both nonces,
//! its number in this direction (from 0) and its bytes:
//!
//! ```text
//!  length of the body, 4 bytes | body | number of the key, 4 bytes | signature, 32 bytes
//! ```
//!
//! So nothing that was recorded can be played again, put in another order, or sent back to who sent it.
//! Without a key the last two are left out.

use super::super::auth::{Key, Keys};

const MAGIC: [u8; 8] = *b"LVSSYNC\x02";
const PURPOSE: &[u8] = b"lvs-xdp synchronisation";

/// Bytes of a greeting.
pub(super) const GREETING: usize = 28;
/// Bytes behind a body that is signed.
pub(super) const TRAILER: usize = 4 + Key::SIGNATURE;

/// A random number that is used once.
pub(super) type Nonce = [u8; 16];

/// Why a message, or its sender, is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    /// Something else is spoken there.
    #[error("it does not speak this protocol, or another version of it")]
    Greeting,
    /// It has keys, and this director has none.
    #[error(
        "it signs what it says and this director does not: both need the same [failover] key_file"
    )]
    OnlyTheySign,
    /// This director has keys, and it has none.
    #[error("it does not sign what it says: both directors need the same [failover] key_file")]
    OnlyWeSign,
    /// A signature by a key that is not in the file.
    #[error("it signs with a key that is not in this director's key_file")]
    UnknownKey,
    /// A signature that is wrong.
    #[error("a signature is wrong")]
    BadSignature,
}

/// One end's greeting.
pub(super) fn greeting(signs: bool, nonce: Nonce) -> [u8; GREETING] {
    let mut bytes = [0; GREETING];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    rest[0] = signs.into();
    rest[4..].copy_from_slice(&nonce);
    bytes
}

/// The nonce of the other end, if it does as this one.
pub(super) fn greeted(bytes: &[u8; GREETING], we_sign: bool) -> Result<Nonce, Distrust> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(Distrust::Greeting)?;
    let (&[signs, ..], nonce) = rest.split_first_chunk::<4>().ok_or(Distrust::Greeting)?;
    if *magic != MAGIC {
        return Err(Distrust::Greeting);
    }
    match (signs != 0, we_sign) {
        (true, false) => Err(Distrust::OnlyTheySign),
        (false, true) => Err(Distrust::OnlyWeSign),
        (true, true) | (false, false) => nonce.try_into().map_err(|_| Distrust::Greeting),
    }
}

/// Who of the two speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Speaker {
    /// Who has connected.
    Follower = b'F',
    /// Who was connected to.
    Server = b'S',
}

/// One direction of a conversation.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    speaker: Speaker,
    nonces: [Nonce; 2],
    number: u64,
}

impl Seal {
    /// With the nonces of both, that of the follower first.
    pub(super) fn new(speaker: Speaker, follower: Nonce, server: Nonce) -> Self {
        Self { speaker, nonces: [follower, server], number: 0 }
    }

    /// What stands behind the next body.
    pub(super) fn sign(&mut self, keys: &Keys, body: &[u8]) -> [u8; TRAILER] {
        let key = keys.first();
        let mut trailer = [0; TRAILER];
        let (number, signature) = trailer.split_at_mut(4);
        number.copy_from_slice(&key.number().to_be_bytes());
        signature.copy_from_slice(&self.covering(body, |parts| key.sign(parts)));
        trailer
    }

    /// Whether that stands rightly behind the next body.
    pub(super) fn verify(
        &mut self,
        keys: &Keys,
        body: &[u8],
        trailer: &[u8; TRAILER],
    ) -> Result<(), Distrust> {
        let (number, signature) = trailer.split_first_chunk::<4>().ok_or(Distrust::BadSignature)?;
        let key = keys.find(u32::from_be_bytes(*number)).ok_or(Distrust::UnknownKey)?;
        let is_right = self.covering(body, |parts| key.verify(parts, signature));
        if is_right { Ok(()) } else { Err(Distrust::BadSignature) }
    }

    fn covering<T>(&mut self, body: &[u8], act: impl FnOnce(&[&[u8]]) -> T) -> T {
        let number = self.number.to_be_bytes();
        self.number += 1;
        let [follower, server] = &self.nonces;
        act(&[PURPOSE, &[self.speaker as u8], follower, server, &number, body])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: &[(u32, &str)]) -> Keys {
        let text: String =
            lines.iter().map(|(n, byte)| format!("{n} {}\n", byte.repeat(32))).collect();
        Keys::parse(&text).unwrap()
    }

    fn ends() -> (Seal, Seal) {
        let seal = Seal::new(Speaker::Server, [1; 16], [2; 16]);
        (seal.clone(), seal)
    }

    #[test]
    fn in_order_each_is_believed_once() {
        let keys = keys(&[(1, "aa")]);
        let (mut speaks, mut hears) = ends();
        let [first, second] = [b"one", b"two"].map(|body| speaks.sign(&keys, body));
        assert_eq!(hears.verify(&keys, b"one", &first), Ok(()));
        assert_eq!(hears.verify(&keys, b"two", &second), Ok(()));
        assert_eq!(hears.verify(&keys, b"two", &second), Err(Distrust::BadSignature));
        let (_, mut hears) = ends();
        assert_eq!(hears.verify(&keys, b"two", &second), Err(Distrust::BadSignature));
    }

    #[test]
    fn a_recording_is_worth_nothing_in_another_conversation() {
        let keys = keys(&[(1, "aa")]);
        let (mut speaks, _) = ends();
        let said = speaks.sign(&keys, b"one");
        for (speaker, follower, server) in [
            (Speaker::Follower, [1; 16], [2; 16]),
            (Speaker::Server, [3; 16], [2; 16]),
            (Speaker::Server, [1; 16], [3; 16]),
        ] {
            let mut hears = Seal::new(speaker, follower, server);
            assert_eq!(hears.verify(&keys, b"one", &said), Err(Distrust::BadSignature));
        }
    }

    #[test]
    fn keys_are_known_by_their_numbers() {
        let (old, both) = (keys(&[(1, "aa")]), keys(&[(2, "bb"), (1, "aa")]));
        let (mut speaks, mut hears) = ends();
        assert_eq!(hears.verify(&both, b"one", &speaks.sign(&old, b"one")), Ok(()));
        let new = speaks.sign(&both, b"two");
        assert_eq!(hears.verify(&old, b"two", &new), Err(Distrust::UnknownKey));
    }

    #[test]
    fn who_does_otherwise_is_told_so() {
        for (theirs, ours, expected) in [
            (true, true, Ok([7; 16])),
            (false, false, Ok([7; 16])),
            (true, false, Err(Distrust::OnlyTheySign)),
            (false, true, Err(Distrust::OnlyWeSign)),
        ] {
            assert_eq!(greeted(&greeting(theirs, [7; 16]), ours), expected);
        }
        assert_eq!(greeted(&[b'S'; GREETING], true), Err(Distrust::Greeting));
    }
}
