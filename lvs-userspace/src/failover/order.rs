//! What an operator's wish means for a director. Pure.

use super::{machine::State, settings::Settings};

/// What a director is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To give the role away.
    Resign,
    /// To take it.
    Take,
    /// Nothing: it is as is wanted.
    Nothing,
}

/// What `director`, whose state is this, is to do so that another, or the one that is named, has the
/// role.
///
/// # Errors
/// Why it can't, and what to do instead.
pub fn order(
    to: Option<&str>,
    director: &str,
    state: State,
    settings: &Settings,
) -> Result<Order, String> {
    let is_master = matches!(state, State::Master | State::Claim);
    match to {
        None if is_master => Ok(Order::Resign),
        None => Err(format!(
            "{director} is not master ({state}), so it can't hand over; run this on the master, or \
             `lvsctl failover --to {director}` to take over"
        )),
        Some(name) if name == director => match state {
            State::Master | State::Claim => Ok(Order::Nothing),
            State::Backup => Ok(Order::Take),
            State::Init | State::Fault => {
                Err(format!("{director} can't be master now ({state}); `lvsctl status` says why"))
            }
        },
        Some(name) => hand_over(name, director, is_master, settings),
    }
}

fn hand_over(
    to: &str,
    director: &str,
    is_master: bool,
    settings: &Settings,
) -> Result<Order, String> {
    let there = format!("run `lvsctl failover --to {to}` on {to}");
    let names: Vec<_> = settings.nodes.keys().map(String::as_str).collect();
    if names.is_empty() {
        return Err(format!("without [failover.node] parts {director} knows no names: {there}"));
    }
    if !names.contains(&to) {
        return Err(format!("there is no [failover.node.{to}]; there are {}", names.join(", ")));
    }
    match settings.heir(director) {
        Some(heir) if heir == to && is_master => Ok(Order::Resign),
        Some(heir) if is_master => {
            Err(format!("by its priority {heir} would take over from {director}: {there}"))
        }
        Some(_) | None => Err(format!("{director} is not master: {there}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use expect_test::expect;

    use super::*;
    use crate::failover::{Interval, announce, settings::Part};

    fn settings(nodes: &[(&str, u8)]) -> Settings {
        let part = |priority| Part { priority: Some(priority), peers: None, interfaces: None };
        Settings {
            vrid: 1,
            advert_interval: Interval::SHORTEST,
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            key_file: None,
            sync_port: None,
            announce: announce::Settings::default(),
            track: None,
            common: part(100),
            nodes: nodes
                .iter()
                .map(|(name, priority)| ((*name).to_owned(), part(*priority)))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn every_wish_in_every_state() {
        let three = settings(&[("midas", 200), ("estepe", 150), ("third", 100)]);
        let nameless = settings(&[]);
        let mut table = String::new();
        for to in [None, Some("midas"), Some("estepe"), Some("third"), Some("nobody")] {
            for state in [State::Master, State::Backup, State::Fault] {
                let said = match order(to, "midas", state, &three) {
                    Ok(order) => format!("{order:?}"),
                    Err(error) => error,
                };
                table += &format!("{} {state}: {said}\n", to.unwrap_or("-"));
            }
        }
        table += &order(Some("estepe"), "midas", State::Master, &nameless).unwrap_err();
        expect![[r#"
            - master: Resign
            - backup: midas is not master (backup), so it can't hand over; run this on the master, or `lvsctl failover --to midas` to take over
            - fault: midas is not master (fault), so it can't hand over; run this on the master, or `lvsctl failover --to midas` to take over
            midas master: Nothing
            midas backup: Take
            midas fault: midas can't be master now (fault); `lvsctl status` says why
            estepe master: Resign
            estepe backup: midas is not master: run `lvsctl failover --to estepe` on estepe
            estepe fault: midas is not master: run `lvsctl failover --to estepe` on estepe
            third master: by its priority estepe would take over from midas: run `lvsctl failover --to third` on third
            third backup: midas is not master: run `lvsctl failover --to third` on third
            third fault: midas is not master: run `lvsctl failover --to third` on third
            nobody master: there is no [failover.node.nobody]; there are estepe, midas, third
            nobody backup: there is no [failover.node.nobody]; there are estepe, midas, third
            nobody fault: there is no [failover.node.nobody]; there are estepe, midas, third
            without [failover.node] parts midas knows no names: run `lvsctl failover --to estepe` on estepe"#]].assert_eq(&table);
    }
}
