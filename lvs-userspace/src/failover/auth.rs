//! The proof that an advertisement comes from a director that has the key. Pure.
//!
//! VRRP has none: its own was found useless and taken out (RFC 9568, section 9). Between directors that
//! share a key file each advertisement is followed by a signature, which is no part of it:
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |      'L'      |      'V'      |      'S'      |   Version (1) |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |                           Key number                          |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |                                                               |
//!  +          Stamp: microseconds since 1970, ever growing         +
//!  |                                                               |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |                                                               |
//!  +     HMAC-SHA256 (RFC 2104) of the packet's ends, the message  +
//!  |     and what stands above, 32 bytes                           |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! A stamp that is not above the last of the same sender is refused, so nothing that was sent can be
//! sent again. Who hears a sender for the first time has no last stamp; then its own clock decides, with
//! [`TOLERANCE`]. So the clocks of directors must agree to some minutes, and a director whose clock is
//! set back while it is down is not believed until the clock is right.

mod keys;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

pub use keys::{Key, Keys, KeysError};

use super::{Refusal, packet::Ends};

/// So far clocks may be apart when a sender is heard for the first time.
pub const TOLERANCE: Duration = Duration::from_secs(10 * 60);

/// Tells what is signed here from whatever else may be signed with the same key.
const PURPOSE: &[u8] = b"lvs-xdp advertisement";
const MAGIC: [u8; 4] = *b"LVS\x01";
const HEAD: usize = 16;

/// Signs what is sent.
#[derive(Debug, Default)]
pub struct Signer {
    last: u64,
}

impl Signer {
    /// The signature of a message, to be sent behind it; `unix` is the time since 1970.
    pub fn sign(&mut self, keys: &Keys, message: &[u8], ends: Ends, unix: Duration) -> Vec<u8> {
        self.last = micros(unix).max(self.last + 1);
        let key = keys.first();
        let mut trailer = Vec::with_capacity(HEAD + Key::SIGNATURE);
        trailer.extend(MAGIC);
        trailer.extend(key.number().to_be_bytes());
        trailer.extend(self.last.to_be_bytes());
        let signature = key.sign(&covered(message, &trailer, &addresses(ends)));
        trailer.extend(signature);
        trailer
    }
}

/// Checks what is received.
#[derive(Debug, Default)]
pub struct Verifier {
    /// The last stamp of each sender that has a key; so there are only as many as have one.
    last: BTreeMap<IpAddr, u64>,
}

impl Verifier {
    /// Says whether a message with this behind it is to be believed.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(
        &mut self,
        keys: &Keys,
        message: &[u8],
        trailer: &[u8],
        ends: Ends,
        unix: Duration,
    ) -> Result<(), Refusal> {
        let (head, signature) = trailer.split_at_checked(HEAD).ok_or(Refusal::NotSigned)?;
        let &[a, b, c, d, e, f, g, h, ref stamp @ ..] =
            head.first_chunk::<HEAD>().ok_or(Refusal::NotSigned)?;
        if [a, b, c, d] != MAGIC {
            return Err(Refusal::NotSigned);
        }
        let key = keys.find(u32::from_be_bytes([e, f, g, h])).ok_or(Refusal::UnknownKey)?;
        if !key.verify(&covered(message, head, &addresses(ends)), signature) {
            return Err(Refusal::BadSignature);
        }
        let stamp = u64::from_be_bytes(*stamp);
        match self.last.get(&ends.source) {
            Some(&last) if stamp <= last => return Err(Refusal::Replayed),
            None if stamp.abs_diff(micros(unix)) > micros(TOLERANCE) => {
                return Err(Refusal::Stale);
            }
            Some(_) | None => {}
        }
        self.last.insert(ends.source, stamp);
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn addresses(ends: Ends) -> [u8; 32] {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&octets(ends.source));
    bytes[16..].copy_from_slice(&octets(ends.destination));
    bytes
}

/// All of a fixed length but the message, which says itself how long it is.
fn covered<'a>(message: &'a [u8], head: &'a [u8], addresses: &'a [u8]) -> [&'a [u8]; 4] {
    [PURPOSE, addresses, head, message]
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn keys(text: &str) -> Keys {
        Keys::parse(text).unwrap()
    }

    fn key(number: u32, byte: u8) -> String {
        format!("{number} {}\n", format!("{byte:02x}").repeat(32))
    }

    fn ends(source: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: "224.0.0.18".parse().unwrap() }
    }

    #[test]
    fn signed_once_it_is_believed_once() {
        let keys = keys(&key(1, 0xaa));
        let (mut signer, mut verifier) = (Signer::default(), Verifier::default());
        let from = ends("10.77.0.3");
        for n in 0..3 {
            // The clock stands still, and goes back.
            let trailer = signer.sign(&keys, b"message", from, NOW - Duration::from_secs(n));
            let mut verify = || verifier.verify(&keys, b"message", &trailer, from, NOW);
            assert_eq!(verify(), Ok(()));
            assert_eq!(verify(), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn an_older_one_is_refused_when_a_newer_was_heard() {
        let keys = keys(&key(1, 0xaa));
        let (mut signer, mut verifier) = (Signer::default(), Verifier::default());
        let from = ends("10.77.0.3");
        let [old, new] = [0, 1].map(|_| signer.sign(&keys, b"m", from, NOW));
        assert_eq!(verifier.verify(&keys, b"m", &new, from, NOW), Ok(()));
        assert_eq!(verifier.verify(&keys, b"m", &old, from, NOW), Err(Refusal::Replayed));
        // Another sender has stamps of its own.
        let from = ends("10.77.0.4");
        let other = Signer::default().sign(&keys, b"m", from, NOW - Duration::from_secs(9));
        assert_eq!(verifier.verify(&keys, b"m", &other, from, NOW), Ok(()));
    }

    #[test]
    fn who_was_asleep_does_not_believe_recordings() {
        let keys = keys(&key(1, 0xaa));
        let from = ends("10.77.0.3");
        let recording = Signer::default().sign(&keys, b"m", from, NOW);
        for (later, expected) in [(60, Ok(())), (601, Err(Refusal::Stale))] {
            let now = NOW + Duration::from_secs(later);
            let heard = Verifier::default().verify(&keys, b"m", &recording, from, now);
            assert_eq!(heard, expected, "{later}");
        }
        let before = NOW - Duration::from_secs(601);
        let heard = Verifier::default().verify(&keys, b"m", &recording, from, before);
        assert_eq!(heard, Err(Refusal::Stale));
    }

    /// The three steps of a rotation, as the key file's documentation has them, at two directors that
    /// are never at the same step at once: each believes the other at every moment.
    #[test]
    fn keys_are_rotated_without_an_outage() {
        let (old, new) = (key(1, 0xaa), key(2, 0xbb));
        let steps = [old.clone(), old.clone() + &new, new.clone() + &old, new];
        let (mut midas, mut estepe) = (Signer::default(), Signer::default());
        let (mut by_midas, mut by_estepe) = (Verifier::default(), Verifier::default());
        for step in 1..steps.len() {
            for (of_midas, of_estepe) in [(step, step - 1), (step, step)] {
                let [of_midas, of_estepe] = [of_midas, of_estepe].map(|it| keys(&steps[it]));
                let from = ends("10.77.0.3");
                let trailer = midas.sign(&of_midas, b"m", from, NOW);
                assert_eq!(by_estepe.verify(&of_estepe, b"m", &trailer, from, NOW), Ok(()));
                let from = ends("10.77.0.4");
                let trailer = estepe.sign(&of_estepe, b"m", from, NOW);
                assert_eq!(by_midas.verify(&of_midas, b"m", &trailer, from, NOW), Ok(()));
            }
        }
    }

    #[test]
    fn other_keys_are_named() {
        let from = ends("10.77.0.3");
        let trailer = Signer::default().sign(&keys(&key(1, 0xaa)), b"m", from, NOW);
        let verify =
            |text: &str| Verifier::default().verify(&keys(text), b"m", &trailer, from, NOW);
        assert_eq!(verify(&key(2, 0xaa)), Err(Refusal::UnknownKey));
        assert_eq!(verify(&key(1, 0xab)), Err(Refusal::BadSignature));
        let none = Verifier::default().verify(&keys(&key(1, 0xaa)), b"m", b"", from, NOW);
        assert_eq!(none, Err(Refusal::NotSigned));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_is_noticed(
            message in vec(any::<u8>(), 1..80), at: proptest::sample::Index, to_other_ends: bool,
        ) {
            let keys = keys(&key(7, 0x5a));
            let from = ends("10.77.0.3");
            let trailer = Signer::default().sign(&keys, &message, from, NOW);
            let mut bytes = [&message[..], &trailer].concat();
            let mut seen_from = from;
            if to_other_ends {
                seen_from = ends("10.77.0.5");
            } else {
                let bit = at.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let (message, trailer) = bytes.split_at(message.len());
            let heard = Verifier::default().verify(&keys, message, trailer, seen_from, NOW);
            prop_assert!(heard.is_err());
        }

        #[test]
        fn no_trailer_is_too_odd(trailer in vec(any::<u8>(), 0..100)) {
            let keys = keys(&key(7, 0x5a));
            let mut verifier = Verifier::default();
            prop_assert!(verifier.verify(&keys, b"m", &trailer, ends("10.77.0.3"), NOW).is_err());
            let magic = [&MAGIC[..], &7u32.to_be_bytes(), &trailer].concat();
            prop_assert!(verifier.verify(&keys, b"m", &magic, ends("10.77.0.3"), NOW).is_err());
        }
    }
}
