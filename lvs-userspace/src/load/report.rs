//! The text of an agent's report.
//!
//! Words, parted by spaces, tabs or commas, up to the end of the line (HAProxy's configuration
//! manual, `agent-check`): `75%` is a share of the configured weight, `maxconn:100` a number of
//! connections (which is let be here), `ready`, `drain` and `maint` what the operator wants, `up`,
//! `down`, `stopped` and `fail` how it is; behind `#` there is a reason.

use super::Admin;

/// The largest share that can be reported; HAProxy's.
const MOST: u16 = 256;
/// So much of a reason is kept, in characters.
const LONGEST_REASON: usize = 100;

/// What an agent has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The share of its weight that it should get, in percent.
    pub share: Option<u16>,
    /// What its operator wants.
    pub admin: Option<Admin>,
    /// Whether it is up.
    pub is_up: Option<bool>,
    /// Why.
    pub reason: Option<String>,
}

/// Why a text is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// There was nothing.
    #[error("the agent said nothing")]
    Empty,
    /// There is a word that no agent should say.
    #[error("the agent said {0:?}, which is no word of a report (like \"75%\", \"up\", \"drain\")")]
    Word(String),
}

impl Report {
    /// Reads the first line of an answer.
    ///
    /// # Errors
    /// What is not a report.
    pub fn parse(answer: &[u8]) -> Result<Self, ReportError> {
        let line = answer.split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let (words, reason) = match text.split_once('#') {
            Some((words, reason)) => (words, Some(reason)),
            None => (&*text, None),
        };
        let mut report = Self {
            reason: reason.map(|it| it.trim().chars().take(LONGEST_REASON).collect()),
            ..Self::default()
        };
        let mut said = false;
        for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            report.take(word).ok_or_else(|| ReportError::Word(word.chars().take(40).collect()))?;
            said = true;
        }
        if said { Ok(report) } else { Err(ReportError::Empty) }
    }

    fn take(&mut self, word: &str) -> Option<()> {
        if let Some(share) = word.strip_suffix('%') {
            self.share = Some(number(share)?.min(MOST));
            return Some(());
        }
        if let Some(connections) = word.strip_prefix("maxconn:") {
            return number(connections).map(drop);
        }
        match word.to_ascii_lowercase().as_str() {
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maintenance),
            "up" => self.is_up = Some(true),
            "down" | "stopped" | "fail" | "failed" => self.is_up = Some(false),
            _ => return None,
        }
        Some(())
    }
}

/// A number of digits alone, or the largest there is.
fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() < 10 && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(share: Option<u16>, admin: Option<Admin>, is_up: Option<bool>) -> Report {
        Report { share, admin, is_up, reason: None }
    }

    #[test]
    fn what_agents_say() {
        let cases: [(&[u8], Report); 11] = [
            (b"75%\n", report(Some(75), None, None)),
            (b"75%", report(Some(75), None, None)),
            (b"ready up 40%\r\nand more", report(Some(40), Some(Admin::Ready), Some(true))),
            (b"up,ready,100%,maxconn:30\n", report(Some(100), Some(Admin::Ready), Some(true))),
            (b"\tDrain \n", report(None, Some(Admin::Drain), None)),
            (b"maint", report(None, Some(Admin::Maintenance), None)),
            (b"stopped\n", report(None, None, Some(false))),
            (b"fail\n", report(None, None, Some(false))),
            (b"0%\n", report(Some(0), None, None)),
            (b"999999%\n", report(Some(MOST), None, None)),
            (
                b"down # the disk is full\n",
                Report {
                    reason: Some("the disk is full".to_owned()),
                    ..report(None, None, Some(false))
                },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Report::parse(text), Ok(expected), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_no_report() {
        for text in [&b""[..], b"\n75%\n", b"  \n", b"# why\n"] {
            assert_eq!(Report::parse(text), Err(ReportError::Empty));
        }
        for (text, word) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], "HTTP/1.1"),
            (b"75 %\n", "75"),
            (b"-1%\n", "-1%"),
            (b"%\n", "%"),
            (b"up 12345678901%\n", "12345678901%"),
            (b"maxconn:\n", "maxconn:"),
            (b"\xff\xfe\n", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(Report::parse(text), Err(ReportError::Word(word.to_owned())));
        }
        let long = Report::parse(&[b'x'; 100_000]);
        assert_eq!(long, Err(ReportError::Word("x".repeat(40))));
    }
}
