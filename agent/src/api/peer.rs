//! Implements what agents ask each other: a newer fabric, and the health of instances. Nothing in the answers is secret.

use std::collections::BTreeMap;

use landfast_agent_core::assignment::is_newer_fabric;
use landfast_agent_core::desired::InstanceName;
use landfast_agent_core::peers::NAMES_AT_ONCE;
use tonic::{Request, Response, Status};

use super::Context;
use crate::wire::{
    HealthRequest, HealthResponse, HeldUnit, InstanceReport, NewerFabricRequest, NewerFabricResponse, Peer, UnitKey,
    health_of,
};

pub(super) struct PeerService(Context);

impl PeerService {
    pub(super) fn new(context: Context) -> Self {
        PeerService(context)
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn newer_fabric(
        &self,
        request: Request<NewerFabricRequest>,
    ) -> Result<Response<NewerFabricResponse>, Status> {
        let NewerFabricRequest { version, digest } = request.into_inner();
        let is_newer = self
            .0
            .holder
            .fabric()
            .is_some_and(|(ours, our_digest)| our_digest != digest && is_newer_fabric(version, ours));
        let held = is_newer.then(|| self.0.holder.current());
        let fabric = held.and_then(|held| held.units.get(&UnitKey::Fabric).map(HeldUnit::encode));
        Ok(Response::new(NewerFabricResponse { fabric }))
    }

    async fn health(&self, request: Request<HealthRequest>) -> Result<Response<HealthResponse>, Status> {
        let names = request.into_inner().instances;
        if names.len() > NAMES_AT_ONCE {
            let problem = format!("{} names are more than {NAMES_AT_ONCE}", names.len());
            return Err(Status::invalid_argument(problem));
        }
        let names: Result<Vec<InstanceName>, _> = names.iter().map(|name| name.parse()).collect();
        let names = names.map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
        let report = self.0.reports.borrow().clone();
        let Some(report) = report.filter(|report| !report.engine_lost) else {
            return Err(Status::unavailable("what the instances of this host do is not known now"));
        };
        let managed = report.instances.iter().filter(|instance| !instance.unmanaged);
        let mut known: BTreeMap<(&str, &str, u32), Vec<&InstanceReport>> = BTreeMap::new();
        for it in managed {
            known.entry((it.stack.as_str(), it.service.as_str(), it.index)).or_default().push(it);
        }
        let held = self.0.holder.current();
        let of = |name: &InstanceName| {
            // Of several incarnations, the newest that is to run counts.
            let main = held.desired.main(name);
            // Nobody waits for an instance that is to be stopped.
            let is_stopped = main.and_then(|main| held.desired.instances.get(main)).is_some_and(|it| it.stopped);
            let found = known.get(&(name.stack.as_str(), name.service.as_str(), name.index)).filter(|_| !is_stopped);
            let is_main = |it: &&&InstanceReport| main.is_some_and(|main| main.number == it.incarnation);
            let found = found.and_then(|all| all.iter().find(is_main).or(all.last()));
            found.map(|found| health_of(found)).unwrap_or_default()
        };
        Ok(Response::new(HealthResponse { instances: names.iter().map(of).collect() }))
    }
}
