//! Conversion of reports and of a host's description.

use landfast_core::deployment::InstanceName;
use landfast_core::plan::sources::{Place, Seen};
use landfast_core::plan::{EngineNetwork, EngineVolume, UsedPort};
use landfast_core::report::{
    ContainerState, Health, InstanceReport, Problem, Report, ReportedPort, ResourceKind, TreeReport, UnitReport,
};
use landfast_proto::v1;

use super::{Wire, mirror, numbered};

mirror!(Report = v1::Report { epoch, owner, generation, converged, instances, problems, trees, engine_lost, units });
mirror!(TreeReport = v1::TreeReport { stack, manifest, drift, progress });
mirror!(ReportedPort = v1::instance_report::Port { address, published, target, protocol });
mirror!(
    EngineNetwork =
        v1::EngineNetwork { name, driver, subnets, gateways, internal, options, managed, containers, project }
);
mirror!(EngineVolume = v1::EngineVolume { name, driver, options, managed });
mirror!(UsedPort = v1::UsedPort { address, port, protocol, owner, instance });
impl Wire for Seen {
    type Message = v1::ExaminedSource;

    fn to_wire(self) -> v1::ExaminedSource {
        use v1::examined_source::Kind;
        let (kind, problem) = match self {
            Self::There => (Kind::File, String::new()),
            Self::Missing => (Kind::Missing, String::new()),
            Self::Impossible(problem) => (Kind::Impossible, problem),
        };
        v1::ExaminedSource { kind: kind.into(), problem }
    }

    fn of_wire(message: v1::ExaminedSource) -> Self {
        use v1::examined_source::Kind;
        match message.kind() {
            Kind::Missing => Self::Missing,
            Kind::Impossible => Self::Impossible(message.problem),
            Kind::Unspecified | Kind::Folder | Kind::File | Kind::Socket | Kind::Pipe | Kind::Device => Self::There,
        }
    }
}

impl Wire for Place {
    type Message = v1::MountSource;

    fn to_wire(self) -> v1::MountSource {
        let place = match self {
            Self::Host(path) => v1::mount_source::Place::Host(path),
            Self::Tree { stack, path } => v1::mount_source::Place::Tree(v1::TreePath { stack, path }),
        };
        v1::MountSource { place: Some(place) }
    }

    fn of_wire(message: v1::MountSource) -> Self {
        match message.place {
            Some(v1::mount_source::Place::Tree(v1::TreePath { stack, path })) => Self::Tree { stack, path },
            Some(v1::mount_source::Place::Host(path)) => Self::Host(path),
            None => Self::Host(String::new()),
        }
    }
}

numbered!(ContainerState = v1::instance_report::State {
    Unknown = Unspecified, Created = Created, Running = Running, Paused = Paused, Restarting = Restarting,
    Exited = Exited, Dead = Dead, Missing = Missing
});
numbered!(Health = v1::instance_report::Health {
    None = Unspecified, Starting = Starting, Healthy = Healthy, Unhealthy = Unhealthy
});

numbered!(ResourceKind = v1::problem::Kind {
    Unknown = Unspecified, Instance = Instance, Network = Network, Overlay = Overlay, Volume = Volume, Tree = Tree
});

impl Wire for Problem {
    type Message = v1::Problem;

    fn to_wire(self) -> v1::Problem {
        let Self { step, resource, message, is_final, stack, kind } = self;
        v1::Problem { step, resource, message, r#final: is_final, stack, kind: kind.to_wire() }
    }

    fn of_wire(message: v1::Problem) -> Self {
        let v1::Problem { step, resource, message, r#final: is_final, stack, kind } = message;
        Self { step, resource, message, is_final, stack, kind: ResourceKind::of_wire(kind) }
    }
}

/// The fabric has no status of its own: it is a part of the networks of the fleet.
impl Wire for UnitReport {
    type Message = v1::UnitReport;

    fn to_wire(self) -> v1::UnitReport {
        let unit = if self.stack.is_empty() {
            v1::unit_report::Unit::Base(true)
        } else {
            v1::unit_report::Unit::Stack(self.stack)
        };
        v1::UnitReport { unit: Some(unit), stamp: None, converged: self.converged }
    }

    fn of_wire(message: v1::UnitReport) -> Self {
        use v1::unit_report::Unit;
        let stack = match message.unit {
            Some(Unit::Stack(stack) | Unit::Removal(stack)) => stack,
            Some(Unit::Base(_) | Unit::Fabric(_)) | None => String::new(),
        };
        Self { stack, converged: message.converged }
    }
}

/// Implements [`Wire`] for `InstanceReport`. The fields are all except its name.
macro_rules! instance_report {
    ($($field:ident),* $(,)?) => {
        impl Wire for InstanceReport {
            type Message = v1::InstanceReport;

            fn to_wire(self) -> v1::InstanceReport {
                let Self { name: InstanceName { stack, service, index }, $($field),* } = self;
                v1::InstanceReport { stack, service, index, $($field: $field.to_wire()),* }
            }

            fn of_wire(message: v1::InstanceReport) -> Self {
                let v1::InstanceReport { stack, service, index, $($field),* } = message;
                Self { name: InstanceName { stack, service, index }, $($field: Wire::of_wire($field)),* }
            }
        }
    };
}
instance_report!(
    container_id,
    state,
    health,
    exit_code,
    image,
    digest,
    release,
    addresses,
    ports,
    started_at,
    restarts,
    health_output,
    unfinished,
    output,
    tree,
    unmanaged,
    incarnation,
);
