//! Names that the hosts accept. A Compose file may hold longer ones, and an agent would refuse them only on its host.

use landfast_agreement::{ProjectName, ServiceName};

use super::Input;
use crate::findings::Findings;

/// Refuses a name of the project or of a service that an agent would refuse.
pub(super) fn check(input: Input<'_>, findings: &mut Findings<'_>) {
    let project = input.project;
    if let Err(invalid) = project.name.parse::<ProjectName>() {
        findings.refuse("name", invalid.to_string());
    }
    for name in project.services.keys() {
        if let Err(invalid) = name.parse::<ServiceName>() {
            findings.refuse(format!("services.{name}"), invalid.to_string());
        }
    }
}
