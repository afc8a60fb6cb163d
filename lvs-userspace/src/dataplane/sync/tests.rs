use lvs_common::fate::Fate;
use proptest::prelude::*;

use super::*;
use crate::dataplane::{MapWrite, ServiceTraffic, placement::tests::service};

const MOST: u32 = 100;

/// Maps in memory, that can be told to fail.
#[derive(Default)]
struct Fake {
    held: Tables,
    /// So many writes succeed; then all fail.
    patience: Option<usize>,
    writes: usize,
}

impl Dataplane for Fake {
    fn write(&mut self, write: &MapWrite) -> io::Result<()> {
        if self.patience == Some(0) {
            return Err(io::Error::other("no, not now"));
        }
        self.patience = self.patience.map(|left| left - 1);
        self.writes += 1;
        self.held.note(write);
        for service in self.held.services.values().filter(|service| service.n_slots > 0) {
            let slots = &self.held.slots[&service.first_slot];
            assert_eq!(slots.len(), service.n_slots as usize, "{write:?}");
            assert!(slots.iter().all(|slot| self.held.real_servers.contains_key(slot)));
        }
        Ok(())
    }

    fn read(&self, real_servers: &mut dyn Iterator<Item = u32>) -> io::Result<Tables> {
        let mut tables = self.held.clone();
        let asked: Vec<_> = real_servers.collect();
        tables.real_servers.retain(|index, _| asked.contains(index));
        tables.limits.retain(|index, _| asked.contains(index));
        Ok(tables)
    }

    fn service_traffic(&self, _: u32) -> io::Result<ServiceTraffic> {
        Ok(ServiceTraffic::default())
    }

    fn fate(&self, _: Fate) -> io::Result<u64> {
        Ok(0)
    }

    fn unrecorded(&self) -> io::Result<u64> {
        Ok(0)
    }
}

fn synchronise(
    synchroniser: &mut Synchroniser,
    services: &[Service],
    fake: &mut Fake,
    now: Instant,
) -> Result<(), SyncError> {
    let interfaces = BTreeMap::from([(7, MacAddr([2, 0, 0, 0, 0, 3]))]);
    let clock = Clock::new(250, 0, now);
    synchroniser.synchronise(services, &interfaces, &clock, fake, now)
}

#[test]
fn a_write_that_fails_is_made_up_for_wherever_it_is() {
    let now = Instant::now();
    let before = [service(80, &[(11, 3), (12, 1)]), service(443, &[(11, 1)])];
    let after = [service(80, &[(11, 1), (13, 2)]), service(22, &[(12, 5)])];
    for patience in 0.. {
        let mut fake = Fake::default();
        let mut synchroniser = Synchroniser::new(MOST, Tables::default());
        synchronise(&mut synchroniser, &before, &mut fake, now).unwrap();
        fake.patience = Some(patience);
        let done = synchronise(&mut synchroniser, &after, &mut fake, now).is_ok();
        assert_eq!(synchroniser.out_of_sync().is_none(), done);

        fake.patience = None;
        synchronise(&mut synchroniser, &after, &mut fake, now).unwrap();
        assert_eq!(synchroniser.out_of_sync(), None);
        assert_eq!(synchroniser.compare(&fake).unwrap(), 0);
        assert_eq!((fake.held.services.len(), fake.held.real_servers.len()), (2, 3));
        if done {
            assert!(patience > 5, "there was more to write");
            break;
        }
    }
}

#[test]
fn what_goes_on_failing_is_tried_ever_more_seldom() {
    let mut now = Instant::now();
    let mut synchroniser = Synchroniser::new(MOST, Tables::default());
    let mut fake = Fake { patience: Some(0), ..Fake::default() };
    let mut waits = Vec::new();
    for attempts in 1..=8 {
        synchronise(&mut synchroniser, &[service(80, &[(11, 1)])], &mut fake, now).unwrap_err();
        let OutOfSync { reason, attempts: counted, retry_at } =
            synchroniser.out_of_sync().unwrap().clone();
        assert_eq!((reason.as_str(), counted), ("can't write the maps: no, not now", attempts));
        waits.push((retry_at - now).as_secs());
        assert!(!synchroniser.is_due(now) && synchroniser.is_due(retry_at));
        now = retry_at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn what_something_else_has_changed_is_repaired() {
    let now = Instant::now();
    let services = [service(80, &[(11, 3), (12, 1)]), service(443, &[(11, 1)])];
    let mut fake = Fake::default();
    let mut synchroniser = Synchroniser::new(MOST, Tables::default());
    synchronise(&mut synchroniser, &services, &mut fake, now).unwrap();
    let good = fake.held.clone();

    type Harm = fn(&mut Tables);
    let harms: [Harm; 7] = [
        |it| it.real_servers.values_mut().for_each(|entry| entry.mac = [6; 6]),
        |it| it.limits.values_mut().for_each(|limits| limits.weight = 9),
        |it| it.slots.values_mut().for_each(|slots| slots.fill(1)),
        |it| it.services.values_mut().for_each(|service| service.flags = 1),
        |it| it.vips.clear(),
        |it| it.vips.extend([([7; 16], lvs_common::abi::Vip { services: 1 })]),
        |it| it.interfaces.clear(),
    ];
    for (number, harm) in harms.iter().enumerate() {
        harm(&mut fake.held);
        assert!(synchroniser.compare(&fake).unwrap() > 0, "{number}");
        synchronise(&mut synchroniser, &services, &mut fake, now).unwrap();
        assert_eq!(fake.held, good, "{number}");
        assert_eq!(synchroniser.compare(&fake).unwrap(), 0, "{number}");
    }
}

fn some_services() -> impl Strategy<Value = Vec<Service>> {
    let real_servers = prop::collection::btree_map(1u8..30, 0u16..9, 0..8);
    prop::collection::btree_map(1u16..12, real_servers, 0..8).prop_map(|services| {
        let list = |it: BTreeMap<u8, u16>| it.into_iter().collect::<Vec<_>>();
        services.into_iter().map(|(port, servers)| service(port, &list(servers))).collect()
    })
}

proptest! {
    /// However the tables came about, one that begins anew with them has everything in its place.
    #[test]
    fn a_new_start_finds_everything_in_its_place(
        past in prop::collection::vec(some_services(), 1..6),
        next in some_services(),
    ) {
        let mut now = Instant::now();
        let mut fake = Fake::default();
        let mut first = Synchroniser::new(1000, Tables::default());
        for services in &past {
            now += Duration::from_secs(60);
            synchronise(&mut first, services, &mut fake, now).unwrap();
        }
        let last = past.last().unwrap();
        let mut second = Synchroniser::new(1000, fake.read(&mut (0..1001)).unwrap());
        fake.writes = 0;
        synchronise(&mut second, last, &mut fake, now).unwrap();
        prop_assert_eq!(fake.writes, 0);
        for service in last {
            prop_assert_eq!(
                first.placement().service(&service.id),
                second.placement().service(&service.id)
            );
        }
        synchronise(&mut second, &next, &mut fake, now).unwrap();
        prop_assert_eq!(second.compare(&fake).unwrap(), 0);
        prop_assert_eq!(fake.held.services.len(), next.len());
    }
}
