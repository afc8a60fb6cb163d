//! The filter of VIPs: which bits are set, and for whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
};

use aya::maps::{Array, MapData};
use lvs_common::{
    abi::{Service, ServiceKey, service_flags},
    limits::VIP_FILTER,
    vip_filter::{Marks, fold_of, place},
};

/// The one value of the map: the program's data.
type Words = [u64; VIP_FILTER];

/// The map, and who has set each of its bits.
pub(super) struct VipFilter {
    map: Array<MapData, Words>,
    /// What it holds.
    words: Box<Words>,
    vips: Bits<[u8; 16]>,
    stateless: Bits<ServiceKey>,
}

impl VipFilter {
    pub(super) fn new(map: Array<MapData, Words>) -> Self {
        let (vips, stateless) = (Bits::default(), Bits::default());
        Self { map, words: Box::new([0; VIP_FILTER]), vips, stateless }
    }

    /// This VIP is there. To be followed by [`restore`](Self::restore).
    pub(super) fn hold(&mut self, vip: [u8; 16]) {
        self.vips.add(vip, vip);
    }

    /// The same of a service.
    pub(super) fn hold_service(&mut self, key: &ServiceKey, service: &Service) {
        if is_stateless(service) {
            self.stateless.add(key.vip, *key);
        }
    }

    /// Writes it for the first time.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        *self.words = std::array::from_fn(|word| self.word(word as u32));
        self.write()
    }

    /// To be called before the VIP is there.
    pub(super) fn add(&mut self, vip: [u8; 16]) -> io::Result<()> {
        let word = self.vips.add(vip, vip);
        self.renew(word)
    }

    /// To be called when it is gone.
    pub(super) fn remove(&mut self, vip: [u8; 16]) -> io::Result<()> {
        let word = self.vips.remove(vip, &vip);
        self.renew(word)
    }

    /// To be called before the service is there, or another than it was.
    pub(super) fn note(&mut self, key: &ServiceKey, service: &Service) -> io::Result<()> {
        if !is_stateless(service) {
            return self.forget(key);
        }
        let word = self.stateless.add(key.vip, *key);
        self.renew(word)
    }

    /// To be called when it is gone.
    pub(super) fn forget(&mut self, key: &ServiceKey) -> io::Result<()> {
        let word = self.stateless.remove(key.vip, key);
        self.renew(word)
    }

    fn word(&self, word: u32) -> u64 {
        let of = |bits, mark| bits * u64::from(mark);
        of(self.vips.word(word), Marks::VIP) | of(self.stateless.word(word), Marks::STATELESS)
    }

    /// Writes a word, if it is another than it was.
    fn renew(&mut self, word: u32) -> io::Result<()> {
        let (at, now) = (word as usize, self.word(word));
        let before = mem::replace(&mut self.words[at], now);
        if before == now {
            return Ok(());
        }
        self.write().inspect_err(|_| self.words[at] = before)
    }

    /// Writes all of it, as that is one value: a packet sees any of its bits as it was or as it is, and the others do not
    /// change.
    fn write(&mut self) -> io::Result<()> {
        self.map.set(0, *self.words, 0).map_err(io::Error::other)
    }
}

fn is_stateless(service: &Service) -> bool {
    service.flags & service_flags::STATELESS != 0
}

/// Places of the filter, and who has one of its marks there.
#[derive(Debug)]
struct Bits<K>(BTreeMap<(u32, u32), BTreeSet<K>>);

impl<K> Default for Bits<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Bits<K> {
    /// Adds who has this VIP, and says in which word that is.
    fn add(&mut self, vip: [u8; 16], who: K) -> u32 {
        let place = place(fold_of(vip));
        self.0.entry(place).or_default().insert(who);
        place.0
    }

    /// Removes one, and says in which word it was.
    fn remove(&mut self, vip: [u8; 16], who: &K) -> u32 {
        let place = place(fold_of(vip));
        if let Some(all) = self.0.get_mut(&place) {
            all.remove(who);
            if all.is_empty() {
                self.0.remove(&place);
            }
        }
        place.0
    }

    /// A word, with the lowest bit of each place that somebody has.
    fn word(&self, word: u32) -> u64 {
        let bits = self.0.range((word, 0)..=(word, 63));
        bits.fold(0, |value, (&(_, bit), _)| value | 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_bit_is_set_for_as_long_as_a_vip_has_it() {
        let mut bits = Bits::default();
        let vip = |number: u32| Ipv4Addr::from(number).to_ipv6_mapped().octets();
        let shared = (1..).find(|&it| place(fold_of(vip(it))) == place(fold_of(vip(0))));
        let (one, other) = (vip(0), vip(shared.unwrap()));
        let word = bits.add(one, 1);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.add(one, 1);
        bits.add(one, 2);
        bits.add(other, 3);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.remove(one, &1);
        bits.remove(one, &1);
        bits.remove(other, &3);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.remove(one, &2);
        assert_eq!(bits.word(word), 0);
    }

    #[test]
    fn places_are_inside_the_map() {
        for number in (0..u32::MAX).step_by(65_521) {
            let (word, bit) = place(number);
            assert!((word as usize) < VIP_FILTER && bit < 64 && bit % 2 == 0);
        }
    }
}
