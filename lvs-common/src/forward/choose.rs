//! The real server of a new connection: where the client stays, or whom the scheduler picks, or the
//! sorry server.

use super::{Tables, decided::Decided, explain::Reason, flow::service};
use crate::{
    abi::{RealServer, Service, Settings, Template, TemplateKey, real_server_state, tells},
    flow::{Address, Flow},
    schedule,
};

/// Chooses; the result is the real server, 0 if there is none, and the [`Reason`], as one word: that is
/// what a BPF function returns.
pub fn choose<T: Tables, A: Address>(flow: &Flow<A>, tables: &T) -> u64 {
    let (Some(settings), Some(service)) = (tables.settings(), service(flow, tables)) else {
        return 0;
    };
    let now = (tables.jiffies() >> (settings.clock_shift & 31)) as u32;
    let key = TemplateKey {
        client: masked(A::client(&flow.key).to_v6(), service.granularity),
        service: service.id,
    };
    if service.persistence != 0
        && let Some(template) = tables.template(&key)
        && now.wrapping_sub(template.seen) <= service.persistence
        && takes_connections(template.real_server, service, tables)
    {
        note(&key, Template { seen: now, ..template }, tables, settings);
        return Decided::because(Reason::Persistence, template.real_server).to_word();
    }
    let (real_server, reason) = pick(service, flow, tables, settings);
    // Who was sent to the sorry server does not stay there.
    let stays = real_server != 0 && real_server != service.sorry_server;
    if service.persistence != 0 && stays {
        note(&key, Template { real_server, seen: now }, tables, settings);
    }
    Decided::because(reason, real_server).to_word()
}

/// Notes where a client stays, and tells of it.
#[inline(always)]
fn note<T: Tables>(key: &TemplateKey, template: Template, tables: &T, settings: &Settings) {
    tables.set_template(key, template);
    if settings.tells & tells::CHANGES != 0 {
        tables.tell_template(key);
    }
}

#[inline(always)]
fn pick<T: Tables, A: Address>(
    service: &Service,
    flow: &Flow<A>,
    tables: &T,
    settings: &Settings,
) -> (u32, Reason) {
    let picked = if tables.jiffies() <= settings.scheduled_until {
        schedule::pick(service, tables, flow)
    } else {
        schedule::pick_for_stray(service, tables, flow)
    };
    match picked {
        Some(real_server) => (real_server, Reason::Scheduler),
        None => (service.sorry_server, Reason::SorryServer),
    }
}

/// Whether a client may be sent back to where it was: not to a real server that is quiesced or
/// down, or whose place has another service's by now.
#[inline(always)]
fn takes_connections<T: Tables>(index: u32, service: &Service, tables: &T) -> bool {
    let serves = |it: &RealServer| it.state == real_server_state::READY && it.service == service.id;
    tables.real_server(index).is_some_and(serves)
        && tables.load(index).is_some_and(|load| load.weight > 0)
        && !tables.is_overloaded(index)
}

/// The first `bits` of an address.
#[inline(always)]
fn masked(address: [u8; 16], bits: u16) -> [u8; 16] {
    let mut words: [u32; 4] = bytemuck::cast(address);
    let mut left = u32::from(bits);
    for word in &mut words {
        let here = if left > 32 { 32 } else { left };
        // In 64 bits, so that a shift by 32 is one.
        *word &= ((!0u64 << (32 - here)) as u32).to_be();
        left -= here;
    }
    bytemuck::cast(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_to_their_prefix() {
        let address: [u8; 16] = core::array::from_fn(|at| 0xf0 + at as u8);
        for bits in 0..=128 {
            let expected = match bits {
                0 => 0,
                _ => u128::from_be_bytes(address) & (u128::MAX << (128 - bits)),
            };
            assert_eq!(masked(address, bits), expected.to_be_bytes(), "{bits} bits");
        }
    }
}
