//! Implements Describe, Watch, Claim, Release, Assign, Examine and Logs: what the host is, and what it must be.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use landfast_agent_core::claim::Denied;
use landfast_agent_core::observed::{self, Listed};
use landfast_certs::Role;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::{Context, examine, guard};
use crate::docker::{EngineError, LogRequest};
use crate::error_text::in_one_line;
use crate::observe::blocking;
use crate::ports::{self, Processes};
use crate::releases::RecordError;
use crate::state::Needed;
use crate::wire::{
    Agent, AssignRequest, AssignResponse, ClaimResponse, DescribeRequest, DescribeResponse, Engine, EngineNetwork,
    EngineVolume, ExamineRequest, ExamineResponse, HeldFabricRequest, HeldFabricResponse, HeldUnit, Image, LogsRequest,
    LogsResponse, RecordRequest, RecordResponse, ReleaseRequest, ReleaseResponse, Report, UnitKey, UsedPort,
    WatchRequest, WireClaimRequest, logs_response, unit_answer,
};

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Abilities that this agent has beyond the first version of the protocol.
const FEATURES: [&str; 5] = ["units", "claims", "ledger", "secrets", "incarnations"];

/// Length of the longest owner and of the longest purpose of a claim, in bytes.
const TEXT_MAX: usize = 256;

/// Time to wait for the first observation after a start.
const FIRST_LOOK: Duration = Duration::from_secs(5);

pub(super) struct AgentService(Context);

impl AgentService {
    pub(super) fn new(context: Context) -> Self {
        AgentService(context)
    }

    /// Returns the last report. Just after a start it waits for the first one.
    async fn report(&self) -> Report {
        let mut reports = self.0.reports.clone();
        let first = tokio::time::timeout(FIRST_LOOK, reports.wait_for(Option::is_some)).await;
        match first {
            Ok(Ok(report)) => report.as_deref().cloned().unwrap_or_default(),
            Ok(Err(_)) | Err(_) => Report { engine_lost: true, ..Report::default() },
        }
    }

    fn engine(&self) -> Engine {
        match &*self.0.about.borrow() {
            Ok(about) => Engine {
                version: about.version.clone(),
                api_version: about.api_version.clone(),
                image_store: about.image_store.clone(),
                os: about.os.clone(),
                architecture: about.architecture.clone(),
                error: String::new(),
                runtimes: about.runtimes.clone(),
                device_drivers: about.device_drivers.clone(),
            },
            Err(error) => Engine { error: error.clone(), ..Engine::default() },
        }
    }

    /// Asks the engine for everything that it has, in parallel.
    async fn contents(&self) -> Result<Contents, EngineError> {
        let (engine, fleet) = (&self.0.engine, self.0.fleet.as_str());
        let (images, networks, volumes, containers) = tokio::join!(
            engine.list_images(&self.0.images),
            engine.list_networks(fleet),
            engine.list_volumes(fleet),
            engine.list_containers(fleet)
        );
        let containers = containers?;
        let networks = networks?.into_iter().map(|(name, network)| engine_network(name, network, &containers));
        let networks = networks.collect();
        let volumes = volumes?.volumes.into_iter().map(|(name, volume)| engine_volume(name, volume)).collect();
        let ports = blocking(move || ports::used(&containers, Processes::Unnamed)).await;
        Ok(Contents { images: images?.images, networks, volumes, ports })
    }
}

#[tonic::async_trait]
impl Agent for AgentService {
    type WatchStream = ResponseStream<Report>;
    type LogsStream = ResponseStream<LogsResponse>;

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let with_held = request.get_ref().with_held;
        if with_held {
            guard::holds(&request, Role::Deployer)?;
        }
        let (report, contents) = tokio::join!(self.report(), self.contents());
        let mut engine = self.engine();
        let Contents { images, networks, volumes, ports } = contents.unwrap_or_else(|error| {
            engine.error = in_one_line(&error);
            Default::default()
        });
        let held = self.0.holder.current();
        Ok(Response::new(DescribeResponse {
            fleet: self.0.fleet.clone(),
            host: self.0.host.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: Some(engine),
            epoch: held.seen.epoch,
            generation: held.seen.generation,
            held: if with_held { held.described() } else { Vec::new() },
            releases: self.0.history.all(),
            highest_epoch: self.0.holder.claims.highest(held.seen.epoch),
            claim: self.0.holder.claims.in_force(),
            features: FEATURES.map(str::to_owned).to_vec(),
            report: Some(report),
            images,
            networks,
            volumes,
            ports,
            disk_free: disk_free(&self.0.state_dir),
        }))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let reports = WatchStream::new(self.0.reports.clone());
        let reports =
            reports.filter_map(|report| std::future::ready(report.map(|report: Arc<Report>| Ok((*report).clone()))));
        Ok(Response::new(reports.take_until(self.0.stop.clone().cancelled_owned()).boxed()))
    }

    async fn assign(&self, request: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        let request = request.into_inner();
        let stamp = request.stamp.clone().ok_or_else(|| Status::invalid_argument("the request has no stamp"))?;
        let Context { holder, history, blobs, secrets, .. } = self.0.clone();
        let (epoch, owner) = (stamp.epoch, stamp.owner.clone());
        let answers = blocking(move || {
            // A stack is assigned only when its bundle and its secrets are complete on the disk.
            let is_here = |needed: Needed<'_>| {
                let missing = match needed {
                    Needed::Bundle(manifest) => blobs.missing_manifests(&[manifest.to_owned()]),
                    Needed::Secret(digest) => secrets.missing(&[digest.to_owned()]),
                };
                missing.is_ok_and(|missing| missing.is_empty())
            };
            let _gate = holder.gate();
            holder.claims.may_assign(epoch, &owner).map_err(|unclaimed| unclaimed.to_string())?;
            let answers = holder.assign(&request, is_here).map_err(|refused| refused.to_string())?;
            secrets.keep_only(&(&holder.current().secrets() | &history.secrets()));
            Ok::<_, String>(answers)
        });
        let answers = answers.await.map_err(Status::failed_precondition)?;
        for refused in answers.iter().filter(|answer| answer.verdict() == unit_answer::Verdict::Refused) {
            tracing::warn!(reason = refused.reason, "unit refused");
        }
        let (epoch, owner, generation, units) = (stamp.epoch, stamp.owner, stamp.generation, answers.len());
        tracing::info!(epoch, owner, generation, units, "units assigned");
        Ok(Response::new(AssignResponse { answers }))
    }

    async fn claim(&self, request: Request<WireClaimRequest>) -> Result<Response<ClaimResponse>, Status> {
        let (holder, request) = (self.0.holder.clone(), request.into_inner());
        let is_epoch = (1..=i64::MAX.cast_unsigned()).contains(&request.epoch);
        let is_text = |text: &str| text.len() <= TEXT_MAX;
        if !is_epoch || request.owner.is_empty() || !is_text(&request.owner) || !is_text(&request.purpose) {
            let problem = format!("a claim needs an epoch and an owner, and texts of at most {TEXT_MAX} bytes");
            return Err(Status::invalid_argument(problem));
        }
        let answer = blocking(move || {
            let _gate = holder.gate();
            let claims = &holder.claims;
            let seen = holder.current().seen.epoch;
            Ok::<_, std::io::Error>(match claims.claim(request, seen)? {
                Ok(()) => ClaimResponse { granted: true, held: None },
                Err(Denied::Held(claim)) => ClaimResponse { granted: false, held: Some(claims.described(&claim)) },
                Err(Denied::OldEpoch(_)) => ClaimResponse { granted: false, held: None },
            })
        });
        let answer = answer.await.map_err(|error| Status::internal(in_one_line(&error)))?;
        Ok(Response::new(answer))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let (holder, request) = (self.0.holder.clone(), request.into_inner());
        let released = blocking(move || holder.claims.release(request.epoch, &request.owner)).await;
        released.map_err(|error| Status::internal(in_one_line(&error)))?;
        Ok(Response::new(ReleaseResponse {}))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        let RecordRequest { epoch, owner, records } = request.into_inner();
        let Context { holder, history, blobs, .. } = self.0.clone();
        let recorded = blocking(move || {
            let _gate = holder.gate();
            holder
                .claims
                .may_assign(epoch, &owner)
                .map_err(|unclaimed| Status::failed_precondition(unclaimed.to_string()))?;
            let has = |digest: &str| blobs.missing_blobs(&[digest.to_owned()]).is_ok_and(|missing| missing.is_empty());
            history.record(records, has).map_err(|error| match error {
                RecordError::Invalid { .. } => Status::invalid_argument(in_one_line(&error)),
                RecordError::Missing { .. } => Status::failed_precondition(in_one_line(&error)),
                RecordError::Write(_) => Status::internal(in_one_line(&error)),
            })?;
            blobs.keep_releases(&history.digests());
            Ok::<_, Status>(())
        });
        recorded.await?;
        Ok(Response::new(RecordResponse {}))
    }

    async fn held_fabric(&self, _: Request<HeldFabricRequest>) -> Result<Response<HeldFabricResponse>, Status> {
        let held = self.0.holder.current();
        let unit = held.units.get(&UnitKey::Fabric).map(HeldUnit::encode);
        Ok(Response::new(HeldFabricResponse { unit }))
    }

    async fn examine(&self, request: Request<ExamineRequest>) -> Result<Response<ExamineResponse>, Status> {
        let (trees, asked) = (self.0.trees.clone(), request.into_inner().sources);
        let sources = blocking(move || examine::examine(&trees, &asked)).await?;
        Ok(Response::new(ExamineResponse { sources }))
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let wanted = request.into_inner();
        let report = self.report().await;
        let of_instance = report.instances.into_iter().filter(|instance| {
            instance.stack == wanted.stack && instance.service == wanted.service && instance.index == wanted.index
        });
        // Of two incarnations side by side, the newest one with a container is meant.
        let found = of_instance.max_by_key(|it| (!it.container_id.is_empty(), it.incarnation));
        let name = format!("{}/{}.{}", wanted.stack, wanted.service, wanted.index);
        let container = found.map(|instance| instance.container_id).filter(|id| !id.is_empty());
        let container = container.ok_or_else(|| Status::not_found(format!("{name} has no container on this host")))?;
        let request = LogRequest { follow: wanted.follow, tail: wanted.tail, since: wanted.since };
        let lines = self.0.engine.logs(&container, &request).map_err(|error| engine_status(&error))?;
        let lines = lines.map(|line| match line {
            Ok(line) => {
                let stream = if line.stderr { logs_response::Stream::Stderr } else { logs_response::Stream::Stdout };
                Ok(LogsResponse { stream: stream.into(), time: line.time, data: line.data })
            }
            Err(error) => Err(engine_status(&error)),
        });
        Ok(Response::new(lines.take_until(self.0.stop.clone().cancelled_owned()).boxed()))
    }
}

/// Everything that the engine has.
#[derive(Default)]
struct Contents {
    images: Vec<Image>,
    networks: Vec<EngineNetwork>,
    volumes: Vec<EngineVolume>,
    ports: Vec<UsedPort>,
}

fn engine_network(name: String, network: observed::Network, containers: &BTreeMap<String, Listed>) -> EngineNetwork {
    let attached = containers.values().filter(|container| container.foreign.networks.contains(&name));
    EngineNetwork {
        containers: attached.map(|container| container.foreign.name.clone()).collect(),
        project: network.project,
        name,
        driver: network.driver,
        subnets: network.subnets,
        gateways: network.gateways,
        internal: network.internal,
        options: network.options,
        managed: network.ours,
    }
}

fn engine_volume(name: String, volume: observed::Volume) -> EngineVolume {
    EngineVolume { name, driver: volume.driver, options: volume.options, managed: volume.ours }
}

pub(super) fn engine_status(error: &EngineError) -> Status {
    let message = in_one_line(error);
    match error {
        EngineError::Refused { status: 404, .. } => Status::not_found(message),
        EngineError::Unreachable { .. } | EngineError::TimedOut(_) => Status::unavailable(message),
        EngineError::Refused { .. } if message.contains("no space left") => Status::resource_exhausted(message),
        _ => Status::internal(message),
    }
}

/// Returns the free space in bytes; 0 if the file system does not report it.
fn disk_free(folder: &std::path::Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |found| found.f_bavail * found.f_frsize)
}
