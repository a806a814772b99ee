//! A step of a plan as a sentence.

use landfast_core::plan::{Action, Step};

/// `recreate data/postgres.1 on beta`.
pub fn sentence(step: &Step) -> String {
    let Step { action, stack, instance, host, from, .. } = step;
    match action {
        Action::CreateNetwork => format!("create network {instance} on {host}"),
        Action::CreateVolume => format!("create volume {instance} on {host}"),
        Action::Sync => format!("bring the files of {stack} to {host}"),
        Action::Create => format!("create {instance} on {host}"),
        Action::Start => format!("start {instance} on {host}"),
        Action::Recreate => format!("recreate {instance} on {host}"),
        Action::Move => format!("move {instance} from {} to {host}", from.as_deref().unwrap_or("elsewhere")),
        Action::Remove => format!("remove {instance} from {host}"),
        Action::RemoveTree => format!("remove the files of {stack} from {host}"),
        Action::RemoveNetwork => format!("remove network {instance} from {host}"),
        Action::RemoveVolume => format!("remove volume {instance} and its data from {host}"),
    }
}
