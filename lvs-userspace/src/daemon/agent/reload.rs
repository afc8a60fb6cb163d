//! How a running director comes by another configuration.

use std::time::Instant;

use tracing::{error, info, warn};

use super::Agent;
use crate::{
    config::{self, Config, Difference},
    control::api::What,
    daemon::failover::{FailoverError, Role},
    dataplane::{SyncError, sweep},
    director::Director,
};

/// Why a configuration is not adopted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Room(#[from] SyncError),
    #[error(transparent)]
    Failover(#[from] FailoverError),
}

impl Agent {
    /// Whether the maps have room for a configuration: those that there are, which may be smaller
    /// than it says.
    ///
    /// # Errors
    /// What they have no room for.
    fn would_fit(&self, config: &Config) -> Result<(), SyncError> {
        let now = Instant::now();
        let services = Director::at_most(config.clone(), now);
        self.tables.would_fit(&services, self.dataplane.clock(), now)
    }

    /// The same of the configuration in force.
    pub(in crate::daemon) fn fits(&self) -> Result<(), SyncError> {
        self.would_fit(self.director.config())
    }

    /// Goes by another configuration from now on, except for what needs a restart. Connections stay
    /// where they are, and what has not changed is not touched.
    ///
    /// # Errors
    /// What the maps have no room for, or can't be read; then everything is as it was.
    pub(super) async fn reload(
        &mut self,
        config: Config,
        by: &str,
        dry_run: bool,
    ) -> Result<Difference, ReloadError> {
        self.would_fit(&config)?;
        if self.role.is_some() {
            Role::check(&config)?;
        }
        let running = self.director.config();
        let difference = config::difference(running, &config);
        if dry_run {
            return Ok(difference);
        }
        for line in &difference.changes {
            info!(by, "configuration: {line}");
            self.tell(What::Configuration { by: by.to_owned(), change: line.clone() });
        }
        for line in &difference.needs_restart {
            warn!("changed, but not followed: {line}");
        }
        let config = config::without_restart(running, config);
        self.counts.limits =
            sweep::Limits::new(&config.connections.timeouts, self.dataplane.clock());
        self.alerts.reconfigure(&config.alerts);
        if let Some(role) = &mut self.role {
            role.reconfigure(running, &config);
        }
        self.file.running_has_changed();
        self.director.reconfigure(config, Instant::now());
        self.counts.forget_others(self.director.config());
        if let Err(error) = self.find_real_servers().await {
            warn!(%error, "can't read the kernel's neighbours");
        }
        // When there are ways for those that go through VIPs.
        self.check_real_servers();
        self.is_dirty = true;
        // Who has asked for it finds it done.
        self.follow();
        Ok(difference)
    }

    /// Reads the configuration file again.
    pub(in crate::daemon) async fn hang_up(&mut self) {
        match self.options.load() {
            Ok(config) => match self.reload(config, "SIGHUP", false).await {
                Ok(_) => info!("reloaded the configuration"),
                Err(error) => error!(%error, "the configuration stays as it was"),
            },
            Err(errors) => {
                for error in errors.0 {
                    error!(%error, "the configuration stays as it was");
                }
            }
        }
    }
}
