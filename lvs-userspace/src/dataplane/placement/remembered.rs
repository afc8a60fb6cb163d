//! What the next lvsd must know of a real server, as the maps have it.

use lvs_common::abi::{self, real_server_health, real_server_reports};

use crate::{
    health::Health,
    load::{Admin, Standing},
};

/// What is thought of a real server. It goes into the maps, where the next lvsd finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What its checks say; [`Health::Up`] if it has none.
    pub health: Health,
    /// What follows from its load reports.
    pub standing: Standing,
    /// The share of its weight that it has again since it is back from a failure, in percent.
    pub risen: u8,
}

/// Of one that there is nothing to say of.
impl Default for Remembered {
    fn default() -> Self {
        Self { health: Health::Up, standing: Standing::default(), risen: 100 }
    }
}

impl Remembered {
    /// Notes this in an entry of the maps.
    pub(super) fn note(self, entry: abi::RealServer) -> abi::RealServer {
        let Self { health, standing: Standing { share, admin, is_down }, risen } = self;
        let admin = match admin {
            Admin::Ready => 0,
            Admin::Drain => real_server_reports::DRAIN,
            Admin::Maintenance => real_server_reports::MAINTENANCE,
        };
        abi::RealServer {
            health: match health {
                Health::Checking => real_server_health::CHECKING,
                Health::Up => real_server_health::UP,
                Health::Down => real_server_health::DOWN,
            },
            reports: admin | if is_down { real_server_reports::DOWN } else { 0 },
            load_share: u8::try_from(share).unwrap_or(u8::MAX),
            risen,
            ..entry
        }
    }

    /// What an entry of the maps says. What makes no sense says nothing.
    pub(super) fn of(entry: &abi::RealServer) -> Self {
        let has = |bit| entry.reports & bit != 0;
        Self {
            health: match entry.health {
                real_server_health::UP => Health::Up,
                real_server_health::DOWN => Health::Down,
                _ => Health::Checking,
            },
            standing: Standing {
                share: u16::from(entry.load_share.min(100)),
                admin: if has(real_server_reports::MAINTENANCE) {
                    Admin::Maintenance
                } else if has(real_server_reports::DRAIN) {
                    Admin::Drain
                } else {
                    Admin::Ready
                },
                is_down: has(real_server_reports::DOWN),
            },
            risen: entry.risen.min(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_noted_is_found_again(
            health in prop::sample::select(vec![Health::Checking, Health::Up, Health::Down]),
            admin in prop::sample::select(vec![Admin::Ready, Admin::Drain, Admin::Maintenance]),
            (share, is_down, risen) in (0u16..=100, any::<bool>(), 0u8..=100),
        ) {
            let it = Remembered { health, standing: Standing { share, admin, is_down }, risen };
            prop_assert_eq!(Remembered::of(&it.note(bytemuck::Zeroable::zeroed())), it);
        }

        #[test]
        fn whatever_stands_there_can_be_read(bytes in any::<[u8; size_of::<abi::RealServer>()]>()) {
            let Remembered { standing, risen, .. } = Remembered::of(&bytemuck::cast(bytes));
            prop_assert!(standing.share <= 100 && risen <= 100);
        }
    }
}
