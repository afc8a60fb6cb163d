//! The filter of VIPs: which bits are set, and for whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use aya::maps::{Array, MapData};
use lvs_common::vip_filter::{fold_of, place};

/// The map, and the VIPs that have set each of its bits.
pub(super) struct VipFilter {
    map: Array<MapData, u64>,
    bits: Bits,
}

impl VipFilter {
    /// Sets it up for the VIPs that are there; whatever else it holds is forgotten.
    pub(super) fn new(
        map: Array<MapData, u64>,
        vips: impl Iterator<Item = [u8; 16]>,
    ) -> io::Result<Self> {
        let mut bits = Bits::default();
        for vip in vips {
            bits.add(vip);
        }
        let mut filter = Self { map, bits };
        for word in 0..filter.map.len() {
            let held = filter.map.get(&word, 0).map_err(io::Error::other)?;
            if held != filter.bits.word(word) {
                filter.write(word)?;
            }
        }
        Ok(filter)
    }

    /// To be called before the VIP is there.
    pub(super) fn add(&mut self, vip: [u8; 16]) -> io::Result<()> {
        let word = self.bits.add(vip);
        self.write(word)
    }

    /// To be called when it is gone.
    pub(super) fn remove(&mut self, vip: [u8; 16]) -> io::Result<()> {
        let word = self.bits.remove(vip);
        self.write(word)
    }

    fn write(&mut self, word: u32) -> io::Result<()> {
        self.map.set(word, self.bits.word(word), 0).map_err(io::Error::other)
    }
}

/// Places of the filter, and the VIPs there.
#[derive(Debug, Default)]
struct Bits(BTreeMap<(u32, u32), BTreeSet<[u8; 16]>>);

impl Bits {
    /// Adds a VIP, and says in which word it is.
    fn add(&mut self, vip: [u8; 16]) -> u32 {
        let place = place(fold_of(vip));
        self.0.entry(place).or_default().insert(vip);
        place.0
    }

    /// Removes one, and says in which word it was.
    fn remove(&mut self, vip: [u8; 16]) -> u32 {
        let place = place(fold_of(vip));
        if let Some(vips) = self.0.get_mut(&place) {
            vips.remove(&vip);
            if vips.is_empty() {
                self.0.remove(&place);
            }
        }
        place.0
    }

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
        let word = bits.add(one);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.add(one);
        bits.add(other);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.remove(one);
        assert_eq!(bits.word(word).count_ones(), 1);
        bits.remove(one);
        bits.remove(other);
        assert_eq!(bits.word(word), 0);
    }

    #[test]
    fn places_are_inside_the_map() {
        for number in (0..u32::MAX).step_by(65_521) {
            let (word, bit) = place(number);
            assert!((word as usize) < lvs_common::limits::VIP_FILTER && bit < 64);
        }
    }
}
