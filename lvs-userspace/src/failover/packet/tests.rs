use proptest::{collection::vec, prelude::*};

use super::*;

fn ends(source: &str, destination: &str) -> Ends {
    Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn v4() -> Ends {
    ends("10.77.0.3", "224.0.0.18")
}

fn v6() -> Ends {
    ends("fe80::3", "ff02::12")
}

fn advert(priority: u8, addresses: &[&str]) -> Advert {
    Advert {
        vrid: 26,
        priority,
        interval: Interval::from_centiseconds(10).unwrap(),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
    }
}

/// Checksums worked out by hand from the RFC.
#[test]
fn bytes_of_an_ipv4_advertisement() {
    let advert = advert(200, &["10.77.0.100", "fd77::100"]);
    let message = advert.encode(v4(), Checksum::Message);
    assert_eq!(message, [0x31, 26, 200, 1, 0, 10, 0xfc, 0x28, 10, 77, 0, 100]);
    let pseudo_header = advert.encode(v4(), Checksum::PseudoHeader);
    assert_eq!(pseudo_header, [0x31, 26, 200, 1, 0, 10, 0x11, 0x4a, 10, 77, 0, 100]);
}

/// As it was seen on the wire, from 10.77.0.4 to all: keepalived 2.2.7, `vrrp_version 3`.
#[test]
fn keepalived_is_understood_and_understands_who_was_not_heard_yet() {
    let seen = [0x31, 0x1a, 0x64, 0x01, 0x00, 0x0a, 0x75, 0x49, 0x0a, 0x4d, 0x00, 0x64];
    let ends = ends("10.77.0.4", "224.0.0.18");
    let advert = advert(100, &["10.77.0.100"]);
    let received = decode(&seen, ends, 255).unwrap();
    assert_eq!((received.advert, received.checksum), (advert.clone(), Checksum::PseudoHeader));
    assert_eq!(advert.encode(ends, Checksum::default()), seen);
}

#[test]
fn bytes_of_an_ipv6_advertisement() {
    let advert = advert(0, &["10.77.0.100", "fd77::100"]);
    for checksum in [Checksum::Message, Checksum::PseudoHeader] {
        let bytes = advert.encode(v6(), checksum);
        let [head @ .., _, _] = bytes.first_chunk::<8>().unwrap();
        assert_eq!(head, &[0x31, 26, 0, 1, 0, 10]);
        assert_eq!(bytes.len(), 24);
        assert_eq!(bytes, advert.encode(v6(), Checksum::PseudoHeader));
    }
}

#[test]
fn there_is_always_an_address_and_never_too_many() {
    let named = |count: u32, ends: Ends| {
        let addresses = (0..count).map(|it| IpAddr::from(Ipv6Addr::from_bits(it.into())));
        let advert = Advert { addresses: addresses.collect(), ..advert(1, &[]) };
        let bytes = advert.encode(ends, Checksum::Message);
        decode(&bytes, ends, 255).unwrap().advert.addresses
    };
    assert_eq!(named(0, v4()), [v4().source]);
    assert_eq!(named(5, v4()), [v4().source]);
    assert_eq!(named(0, v6()), [v6().source]);
    assert_eq!(named(500, v6()).len(), MOST_V6);
}

/// By a way of the other family than all VIPs have, too, both name the same.
#[test]
fn a_receiver_expects_what_a_sender_names() {
    let advert = advert(100, &["fd77::100"]);
    let message = advert.encode(v4(), Checksum::Message);
    let received = decode(&message, v4(), HOP_LIMIT).unwrap();
    assert_eq!(received.advert.addresses, super::named(&advert.addresses, v4().source));
}

#[test]
fn every_reason_to_refuse() {
    let good = advert(100, &["10.77.0.100"]).encode(v4(), Checksum::Message);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    // The checksum covers the change, so that another reason is found.
    let valid = |at: usize, value: u8| {
        let mut bytes = changed(at, value);
        bytes[6..8].fill(0);
        let sum = sum(&bytes[..HEADER + usize::from(bytes[3]) * 4], v4(), Checksum::Message);
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    for (bytes, hop_limit, refusal) in [
        (good.clone(), 254, Refusal::HopLimit),
        (good[..7].to_vec(), 255, Refusal::TooShort),
        (good[..11].to_vec(), 255, Refusal::TooShort),
        (changed(3, 2), 255, Refusal::TooShort),
        (changed(0, 0x21), 255, Refusal::Version),
        (changed(0, 0x32), 255, Refusal::Type),
        (changed(2, 101), 255, Refusal::Checksum),
        (changed(6, 0), 255, Refusal::Checksum),
        (valid(3, 0), 255, Refusal::NoAddress),
        (valid(5, 0), 255, Refusal::NoInterval),
    ] {
        assert_eq!(decode(&bytes, v4(), hop_limit), Err(refusal), "{bytes:?}");
    }
    // Reserved bits are ignored.
    assert_eq!(decode(&valid(4, 0xf0), v4(), 255).unwrap().advert.interval.centiseconds(), 10);
}

#[test]
fn the_header_of_ipv4_is_taken_off() {
    let mut datagram = vec![0x46, 0, 0, 28, 0, 1, 0, 0, 255, PROTOCOL, 0, 0];
    datagram.extend([10, 77, 0, 3, 224, 0, 0, 18]); // Ends.
    datagram.extend([0x94, 4, 0, 0]); // An option.
    datagram.extend(b"rest");
    assert_eq!(split_ipv4(&datagram), Ok((v4(), 255, &b"rest"[..])));
    assert_eq!(split_ipv4(&datagram[..19]), Err(Refusal::TooShort));
    assert_eq!(split_ipv4(&datagram[..22]), Err(Refusal::TooShort));
}

fn any_ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        any::<[[u8; 4]; 2]>().prop_map(|it| it.map(IpAddr::from)),
        any::<[[u8; 16]; 2]>().prop_map(|it| it.map(IpAddr::from)),
    ]
    .prop_map(|[source, destination]| Ends { source, destination })
}

fn any_advert() -> impl Strategy<Value = (Advert, Ends)> {
    any_ends().prop_flat_map(|ends| {
        let address = if ends.source.is_ipv4() {
            any::<[u8; 4]>().prop_map(IpAddr::from).boxed()
        } else {
            any::<[u8; 16]>().prop_map(IpAddr::from).boxed()
        };
        (any::<u8>(), any::<u8>(), 1u16..0x1000, vec(address, 1..60)).prop_map(
            move |(vrid, priority, interval, addresses)| {
                let interval = Interval::from_centiseconds(interval).unwrap();
                (Advert { vrid, priority, interval, addresses }, ends)
            },
        )
    })
}

proptest! {
    #[test]
    fn what_is_sent_is_received(
        (advert, ends) in any_advert(), pseudo_header: bool, trailer in vec(any::<u8>(), 0..64),
    ) {
        let checksum = if pseudo_header { Checksum::PseudoHeader } else { Checksum::Message };
        let mut bytes = advert.encode(ends, checksum);
        let length = bytes.len();
        bytes.extend(&trailer);
        let received = decode(&bytes, ends, HOP_LIMIT).unwrap();
        prop_assert_eq!(received.advert, advert);
        prop_assert_eq!((received.message, received.trailer), bytes.split_at(length));
    }

    #[test]
    fn a_flipped_bit_is_noticed((advert, ends) in any_advert(), at: proptest::sample::Index) {
        let mut bytes = advert.encode(ends, Checksum::PseudoHeader);
        let bit = at.index(bytes.len() * 8);
        // The count, which can make the rest a trailer.
        prop_assume!(bit / 8 != 3);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let noticed = decode(&bytes, ends, HOP_LIMIT)
            .is_err() || decode(&bytes, ends, HOP_LIMIT).unwrap().checksum == Checksum::Message;
        prop_assert!(noticed);
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in vec(any::<u8>(), 0..400), ends in any_ends(), ttl: u8) {
        // Nothing is to be known but that they come to an end.
        drop(decode(&bytes, ends, ttl));
        drop(decode(&bytes, ends, HOP_LIMIT));
        if let Ok((ends, ttl, rest)) = split_ipv4(&bytes) {
            drop(decode(rest, ends, ttl));
        }
    }
}
