//! Why what came as an advertisement was not taken for one, each reason with a counter of its own.

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a packet is not taken for an advertisement of this virtual router.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name of the counter.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it means, in a sentence for an operator.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

refusals! {
    /// It came through a router (its hop limit is not 255), so it is from no director of this network.
    HopLimit = "hop_limit",
    /// It is shorter than it says, or than any advertisement.
    TooShort = "too_short",
    /// It is of another version of VRRP than 3.
    Version = "version",
    /// It is of version 3, but no advertisement.
    Type = "type",
    /// Its checksum is wrong.
    Checksum = "checksum",
    /// It names no address.
    NoAddress = "no_address",
    /// It says that the next comes after no time at all.
    NoInterval = "no_interval",
    /// It is of another virtual router: its vrid is not ours.
    OtherRouter = "other_router",
    /// It comes from an address that is not among the peers.
    UnknownPeer = "unknown_peer",
    /// Nothing proves who sent it: the peer has no key_file.
    NotSigned = "not_signed",
    /// It was signed with a key that is not in our key_file.
    UnknownKey = "unknown_key",
    /// Its signature is wrong: the key of this number is another here, or somebody has forged it.
    BadSignature = "bad_signature",
    /// It was signed too long ago, or in the future: a recording, or the clocks differ.
    Stale = "stale",
    /// It is not newer than the one before: a recording, or the peer's clock was set back.
    Replayed = "replayed",
}
