//! The text of HAProxy's agent check (its configuration manual, `agent-check`): one line of words.

use crate::load::Report;

/// Longer lines are no answers.
const LONGEST: usize = 200;

/// The machine takes connections: so much of its weight is right for it, in percent.
pub(super) fn ready(share: u8) -> String {
    // 0% would take all connections away, and however busy a machine is, it should not be for that.
    format!("ready up {}%", share.clamp(1, 100))
}

/// The share of its weight that a machine should get that is so busy (0 to 1).
pub(super) fn share(busy: f64) -> u8 {
    // A cast takes what is not a number for 0: nothing is known, so nothing is done.
    100 - (busy * 100.0).round().clamp(0.0, 100.0) as u8
}

/// What a program said, as an answer: its first line if that is one, or its number as a share.
pub(super) fn from_program(said: &str) -> Result<String, String> {
    let line = said.lines().next().unwrap_or_default().trim();
    if let Ok(share) = line.parse::<u8>()
        && share <= 100
    {
        return Ok(ready(share));
    }
    if is_answer(line) {
        return Ok(line.to_owned());
    }
    let start: String = line.chars().take(60).collect();
    Err(format!("{start:?} is neither a number from 0 to 100 nor the text of an agent check"))
}

/// Whether a line is understood by those who know HAProxy's agent checks.
pub(super) fn is_answer(line: &str) -> bool {
    if line.len() > LONGEST || line.contains(|c: char| c.is_control() && c != '\t') {
        return false;
    }
    Report::parse(line.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_what_is_not_busy_but_never_nothing() {
        for (busy, text) in [
            (0.0, "ready up 100%"),
            (0.254, "ready up 75%"),
            (0.996, "ready up 1%"),
            (1.0, "ready up 1%"),
            (7.5, "ready up 1%"),
            (-1.0, "ready up 100%"),
            (f64::NAN, "ready up 100%"),
        ] {
            assert_eq!(ready(share(busy)), text, "{busy}");
        }
    }

    #[test]
    fn a_program_may_say_a_number_or_an_answer() {
        for (said, expected) in [
            ("75\nmore\n", Some("ready up 75%")),
            ("0", Some("ready up 1%")),
            ("  drain \n", Some("drain")),
            ("up 50% maxconn:30", Some("up 50% maxconn:30")),
            ("UP,75%", Some("UP,75%")),
            ("down # the disk is full", Some("down # the disk is full")),
            ("101", None),
            ("", None),
            ("# nothing", None),
            ("-5%", None),
            ("all is well", None),
            ("up\u{7}", None),
        ] {
            assert_eq!(from_program(said).ok().as_deref(), expected, "{said:?}");
        }
        assert!(from_program(&"up ".repeat(LONGEST)).is_err());
    }
}
