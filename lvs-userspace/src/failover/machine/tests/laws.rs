//! What holds whatever happens.

use proptest::{collection::vec, prelude::*};

use super::*;

fn any_event() -> impl Strategy<Value = Event> {
    let sender = prop_oneof![Just(Ordering::Less), Just(Ordering::Greater), Just(Ordering::Equal)];
    let priority = prop_oneof![Just(0), Just(255), 1..=254u8];
    let heard = (priority, 1u16..0x1000, sender).prop_map(|(priority, interval, sender)| {
        let interval = Interval::from_centiseconds(interval).unwrap();
        Event::Heard(Heard { priority, interval, sender })
    });
    let tracked = (any::<bool>(), any::<u8>())
        .prop_map(|(is_at_fault, penalty)| Event::Tracked(Condition { is_at_fault, penalty }));
    prop_oneof![
        2 => Just(Event::Start),
        1 => Just(Event::Stop),
        20 => Just(Event::Deadline),
        20 => heard,
        2 => tracked,
        2 => any::<bool>().prop_map(Event::Ready),
        1 => Just(Event::Resign),
        1 => Just(Event::Take),
        1 => any_settings().prop_map(Event::Reconfigured),
    ]
}

prop_compose! {
    fn any_settings()(
        priority in 1..=254u8,
        interval in 1u16..500,
        preempt: bool,
        preempt_delay in 0u64..2_000,
        start_delay in 0u64..2_000,
        peers_confirm: bool,
    ) -> Settings {
        Settings {
            priority,
            interval: Interval::from_centiseconds(interval).unwrap(),
            preempt,
            preempt_delay: Duration::from_millis(preempt_delay),
            start_delay: Duration::from_millis(start_delay),
            peers_confirm,
        }
    }
}

/// The diagram.
fn is_a_way(Change { from, to, edge }: Change) -> bool {
    use State::{Backup, Claim, Fault, Init, Master};
    match edge {
        Edge::Started => (from, to) == (Init, Backup),
        Edge::Stopped => from != Init && to == Init,
        Edge::MasterSilent | Edge::MasterStopped | Edge::Preempts | Edge::Told => {
            (from, to) == (Backup, Claim)
        }
        Edge::GaveWay | Edge::Unopposed => (from, to) == (Claim, Master),
        Edge::Outranked | Edge::Overslept | Edge::Resigned => {
            [Claim, Master].contains(&from) && to == Backup
        }
        Edge::Unfit => from != Fault && to == Fault,
        Edge::Fit => (from, to) == (Fault, Backup),
    }
}

proptest! {
    #[test]
    fn whatever_happens(
        settings in any_settings(),
        events in vec((any_event(), 0u64..400, prop::bool::weighted(0.95)), 1..200),
    ) {
        let mut alone = Alone::new(settings);
        let start = alone.now;
        let mut answers_until = None;
        let mut interval = settings.interval;
        let mut said_stop = true;
        for (event, ms, is_sent) in events {
            if event == Event::Deadline && ms % 4 != 0 {
                alone.now = alone.machine.deadline().unwrap_or(alone.now).max(alone.now);
            } else {
                alone.now += Duration::from_millis(ms);
            }
            if let Event::Reconfigured(settings) = event {
                interval = settings.interval;
            }
            let mut state = alone.machine.state();
            let due = alone.machine.deadline();
            let mut effects = Vec::new();
            for effect in alone.machine.handle(event, alone.now) {
                effects.push(effect);
                if let (Effect::Send(_), true) = (effect, is_sent) {
                    effects.extend(alone.machine.handle(Event::Sent(alone.now), alone.now));
                }
            }
            for (at, effect) in effects.iter().enumerate() {
                match *effect {
                    Effect::Renew(end) => {
                        prop_assert!(end < alone.now + 3 * interval.duration());
                        answers_until = Some(end);
                    }
                    Effect::Silence => answers_until = None,
                    // Nobody is told where the VIPs are before they are there.
                    Effect::Announce => {
                        prop_assert!(matches!(effects[at - 1], Effect::Renew(_)));
                    }
                    Effect::Send(priority) => said_stop = priority == STOPS,
                    Effect::Changed(change) => {
                        prop_assert!(is_a_way(change), "{:?}", change);
                        prop_assert_eq!(change.from, state);
                        state = change.to;
                        prop_assert_eq!(alone.machine.since(), alone.now);
                    }
                    Effect::Split(_) | Effect::Late(_) => {}
                }
            }
            prop_assert_eq!(alone.machine.state(), state);
            match state {
                State::Master => prop_assert!(!said_stop),
                State::Claim => prop_assert!(!said_stop && answers_until.is_none()),
                State::Init | State::Backup | State::Fault => {
                    prop_assert!(answers_until.is_none(), "a {} that answers", state);
                }
            }
            prop_assert!((1..=255).contains(&alone.machine.priority()));
            // Time goes on: what was due is so no more, and a state that waits waits for something.
            if event == Event::Deadline && due.is_some_and(|due| due <= alone.now) {
                prop_assert!(alone.machine.deadline() > due || alone.machine.deadline().is_none());
            }
            let waits = matches!(state, State::Backup | State::Claim | State::Master);
            prop_assert_eq!(alone.machine.deadline().is_some(), waits);
            prop_assert!(alone.machine.deadline().is_none_or(|it| it >= start));
        }
    }
}
