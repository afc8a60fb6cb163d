//! What is asked for over the control socket, and done for it.

use std::time::Instant;

use tracing::info;

use super::Agent;
use crate::{
    config::{Config, Difference},
    control::{
        Peer, Reply, Request,
        api::{
            self, ApiError, Configuration, Edited, Edits, Filter, HandOver, HandedOver, Question,
            Reload, Reloaded, Restore, Save, Saved, Why, Zero, Zeroed,
        },
    },
    daemon::{config_file, examination::known, failover::alone, report, why},
    doctor::Diagnosis,
};

impl Agent {
    /// Answers a request from the control socket.
    pub(in crate::daemon) async fn answer(&mut self, request: Request) {
        // Who asked may have gone away meanwhile; then nobody needs the answer.
        match request {
            Request::Services(reply) => {
                self.sweep(); // So that the connections are those of now.
                drop(reply.send(self.services()));
            }
            Request::Status(reply) => drop(reply.send(self.status().await)),
            Request::Doctor(reply) => self.examine(reply),
            Request::Rates(reply) => {
                let config = self.director.config();
                let rates = report::rates(
                    config,
                    &self.counts.service_rates,
                    &self.counts.real_server_rates,
                );
                drop(reply.send(Ok(rates)));
            }
            Request::Connections(filter, reply) => {
                drop(reply.send(Ok(self.connections(&filter))));
            }
            Request::Why(question, reply) => drop(reply.send(self.why(question))),
            Request::Reload(Reload { dry_run }, by, reply) => {
                let reloaded = match self.options.load() {
                    Ok(config) => {
                        let by = by.to_string();
                        let reloaded = self.reload(config, &by, dry_run).await;
                        if reloaded.is_ok() && !dry_run {
                            info!(by, "reloaded the configuration");
                        }
                        let out_of_sync = self.why_out_of_sync().filter(|_| !dry_run);
                        reloaded
                            .map(|Difference { changes, needs_restart }| Reloaded {
                                changes,
                                needs_restart,
                                out_of_sync,
                            })
                            .map_err(refused)
                    }
                    Err(errors) => Err(refused(errors)),
                };
                drop(reply.send(reloaded));
            }
            Request::Edit(Edits { edits }, by, reply) => {
                let edited = match self.director.config().edited(&edits) {
                    Ok(config) => self.adopt(config, &by).await,
                    Err(error) => Err(refused(error)),
                };
                drop(reply.send(edited));
            }
            Request::Restore(Restore { toml }, by, reply) => {
                let restored = match Config::parse(&toml, "what is to be restored") {
                    Ok(config) => self.adopt(config, &by).await,
                    Err(errors) => Err(refused(errors)),
                };
                drop(reply.send(restored));
            }
            Request::Configuration(reply) => {
                let toml = self.director.config().to_toml();
                let file = self.options.config.display().to_string();
                drop(reply.send(Ok(Configuration { toml, file })));
            }
            Request::Difference(reply) => {
                let unsaved = self.file.difference(&self.options, self.director.config());
                drop(reply.send(unsaved.map_err(refused)));
            }
            Request::Persistence(reply) => drop(reply.send(Ok(self.persistence()))),
            Request::Zero(Zero { service }, by, reply) => {
                let (placement, config) = (self.tables.placement(), self.director.config());
                let services = self.counts.zero(service, &self.dataplane, placement, config);
                let zeroed = match service {
                    Some(_) if services == 0 => Err(refused("No such service")),
                    Some(_) | None => Ok(Zeroed { services }),
                };
                info!(%by, services, "counters count from zero");
                drop(reply.send(zeroed));
            }
            Request::HandOver(HandOver { to, force }, by, reply) => {
                let config = self.director.config();
                let ordered = match &self.role {
                    Some(role) => role.order(to.as_deref(), force, config).await,
                    None => Err(alone(config)),
                };
                if let Ok(role) = ordered {
                    info!(%by, to, %role, "asked to hand over");
                }
                drop(reply.send(ordered.map(|role| HandedOver { role }).map_err(refused)));
            }
            Request::Save(Save {}, by, reply) => {
                let saved = config_file::save(&self.options.config, self.director.config());
                if let Ok(Saved { file, .. }) = &saved {
                    info!(%by, file, "saved the running configuration");
                }
                drop(reply.send(saved.map_err(refused)));
            }
        }
    }

    /// Asks the program what it would do with a packet.
    fn why(&mut self, question: Question) -> Result<Why, ApiError> {
        let frame = question.frame().map_err(refused)?;
        let explained = self
            .dataplane
            .explain(&frame)
            .map_err(|error| ApiError { error: format!("can't ask the program: {error:#}") })?;
        let explained = explained.ok_or_else(|| ApiError {
            error: "the program does not understand the question".to_owned(),
        })?;
        let known = why::Known {
            director: &self.director,
            tables: &self.tables,
            dataplane: &self.dataplane,
            limits: &self.counts.limits,
        };
        Ok(known.why(question, &explained))
    }

    /// Has the doctor look at everything.
    fn examine(&mut self, reply: Reply<Diagnosis>) {
        self.sweep();
        let mut known = known(
            &self.director,
            &self.links,
            &self.dataplane,
            self.tables.out_of_sync(),
            &self.reach,
            self.counts.in_tables,
            &self.options.bpffs,
        );
        let role = self.role.as_ref();
        known.failover = role.and_then(|it| it.evidence(self.director.config(), Instant::now()));
        self.examinations.begin(known, self.reach.netlink().clone(), reply);
    }

    /// Goes by a configuration that somebody has sent.
    async fn adopt(&mut self, config: Config, by: &Peer) -> Result<Edited, ApiError> {
        let Difference { changes, .. } =
            self.reload(config, &by.to_string(), false).await.map_err(refused)?;
        Ok(Edited { changes, out_of_sync: self.why_out_of_sync() })
    }

    fn why_out_of_sync(&self) -> Option<String> {
        self.tables.out_of_sync().map(|it| it.reason.clone())
    }

    fn services(&self) -> Result<api::Services, ApiError> {
        report::services(&self.director, self.tables.placement(), &self.dataplane, &self.counts)
            .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
    }

    fn connections(&self, filter: &Filter) -> api::Connections {
        report::connections(self.tables.placement(), &self.dataplane, &self.counts.limits, filter)
    }

    fn persistence(&self) -> api::Persistence {
        let (config, placement) = (self.director.config(), self.tables.placement());
        report::persistence(config, placement, &self.dataplane, Instant::now())
    }

    async fn status(&mut self) -> Result<api::Status, ApiError> {
        let punctuality = self.checks.punctuality().await;
        let config = self.director.config();
        report::status(
            config,
            self.file.state(&self.options, config),
            &self.links,
            &self.dataplane,
            self.tables.out_of_sync(),
            &punctuality,
            self.role.as_ref().and_then(|role| role.status(config, Instant::now())),
        )
        .map_err(|error| ApiError { error: format!("can't read the maps: {error}") })
    }
}

fn refused(error: impl std::fmt::Display) -> ApiError {
    ApiError { error: error.to_string() }
}
