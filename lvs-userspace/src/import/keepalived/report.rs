//! What is to be said of a keepalived.conf.

use std::fmt;

use super::syntax::Statement;
use crate::import::Line;

/// Keywords that are not carried over, and what there is instead.
const INSTEAD: [(&str, &str); 22] = [
    ("authentication", "see key_file in [failover]"),
    ("lvs_sync_daemon", "connections are told of without a word, see sync in [failover]"),
    ("misc_dynamic", "weights follow load reports, see follow_load"),
    ("notification_email", "see [alerts.mail]"),
    ("notification_email_from", "see [alerts.mail]"),
    ("notify", "see hooks in [alerts]"),
    ("notify_backup", "see hooks in [alerts]"),
    ("notify_down", "see hooks in [alerts]"),
    ("notify_fault", "see hooks in [alerts]"),
    ("notify_master", "see hooks in [alerts]"),
    ("notify_stop", "see hooks in [alerts]"),
    ("notify_up", "see hooks in [alerts]"),
    ("quorum_down", "see hooks in [alerts]"),
    ("quorum_up", "see hooks in [alerts]"),
    ("smtp_alert", "see [alerts.mail]"),
    ("smtp_connect_timeout", "see [alerts.mail]"),
    ("smtp_helo_name", "see [alerts.mail]"),
    ("smtp_server", "see [alerts.mail]"),
    ("unicast_src_ip", "the routes to the peers say it"),
    ("user", "the program runs as lvsd does"),
    ("warmup", "the first checks are spread over half a second"),
    ("vrrp_sync_group", "[failover] is one role for all services"),
];

/// What is not carried over, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) left_out: Vec<Line>,
    pub(super) errors: Vec<Line>,
}

impl Report {
    pub(super) fn error(&mut self, number: usize, message: String) {
        self.errors.push(Line { number, message });
    }

    pub(super) fn leave_out_line(&mut self, number: usize, message: String) {
        self.left_out.push(Line { number, message });
    }

    /// That a statement is not carried over, or not as it was.
    pub(super) fn leave_out(&mut self, statement: &Statement, why: impl fmt::Display) {
        self.leave_out_line(statement.line, format!("{}: {why}", statement.keyword));
    }

    /// That a statement is not carried over because there is nothing like it.
    pub(super) fn nothing_like(&mut self, statement: &Statement) {
        let instead = INSTEAD.iter().find(|(keyword, _)| *keyword == statement.keyword);
        self.leave_out(statement, instead.map_or("there is nothing like it", |(_, why)| why));
    }

    /// Carries a statement over, or says why not; and then nothing of what it holds.
    pub(super) fn carry<T>(
        &mut self,
        statement: &Statement,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Option<T> {
        let mut inner = Self::default();
        let read = read(&mut inner);
        self.errors.append(&mut inner.errors);
        match read {
            Ok(value) => {
                self.left_out.append(&mut inner.left_out);
                Some(value)
            }
            Err(why) => {
                self.leave_out(statement, why);
                None
            }
        }
    }
}
