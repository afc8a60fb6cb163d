//! The arguments of statements. What is no value is an error; what is one that is not ours is said, and
//! the nearest taken.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use super::{report::Report, syntax::Statement};

impl Statement {
    /// The only argument.
    pub(super) fn one(&self, report: &mut Report) -> Option<&str> {
        match self.arguments.as_slice() {
            [argument] => Some(argument),
            _ => {
                report.error(self.line, format!("{}: expected one value", self.keyword));
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number<N: Copy + Into<u64> + TryFrom<u64>>(
        &self,
        range: RangeInclusive<N>,
        report: &mut Report,
    ) -> Option<N> {
        let text = self.one(report)?;
        self.number_of(text, range, report)
    }

    /// A whole number of several arguments.
    pub(super) fn number_of<N: Copy + Into<u64> + TryFrom<u64>>(
        &self,
        text: &str,
        range: RangeInclusive<N>,
        report: &mut Report,
    ) -> Option<N> {
        let Ok(number) = text.parse::<u64>() else {
            report.error(self.line, format!("{}: {text:?} is no number", self.keyword));
            return None;
        };
        let nearest = number.clamp((*range.start()).into(), (*range.end()).into());
        if nearest != number {
            report.leave_out(self, format!("{number} becomes {nearest}"));
        }
        N::try_from(nearest).ok()
    }

    /// A time in seconds, which may have a fraction.
    pub(super) fn time(
        &self,
        range: RangeInclusive<Duration>,
        report: &mut Report,
    ) -> Option<Duration> {
        let text = self.one(report)?;
        let is_number = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
        let seconds = text.parse().ok().filter(|_| is_number);
        let Some(time) = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok()) else {
            report.error(self.line, format!("{}: {text:?} is no time in seconds", self.keyword));
            return None;
        };
        let nearest = time.clamp(*range.start(), *range.end());
        if nearest != time {
            report.leave_out(self, format!("{time:?} becomes {nearest:?}"));
        }
        // Ours have no smaller parts.
        Some(Duration::from_millis(nearest.as_millis() as u64))
    }

    /// Yes or no; alone it is a yes.
    pub(super) fn yes(&self, report: &mut Report) -> bool {
        match self.arguments.first().map(|it| it.to_ascii_lowercase()).as_deref() {
            None | Some("on" | "true" | "yes") => true,
            Some("off" | "false" | "no") => false,
            Some(text) => {
                report.error(self.line, format!("{}: {text:?} is no yes or no", self.keyword));
                true
            }
        }
    }

    /// An address, and a port if there is one; 0 is none.
    pub(super) fn address(&self, report: &mut Report) -> Option<(IpAddr, Option<u16>)> {
        match self.arguments.as_slice() {
            [address] => Some((self.or_error(super::address(address), report)?, None)),
            [address, port] => {
                let address = self.or_error(super::address(address), report)?;
                let port = self.or_error(super::port(port), report)?;
                Some((address, Some(port).filter(|&port| port > 0)))
            }
            _ => {
                report.error(self.line, format!("{}: expected ADDRESS PORT", self.keyword));
                None
            }
        }
    }

    /// The value, or an error of this statement.
    pub(super) fn or_error<T>(&self, value: Result<T, String>, report: &mut Report) -> Option<T> {
        value.map_err(|error| report.error(self.line, format!("{}: {error}", self.keyword))).ok()
    }
}
