//! Reports values that are not supported: an error if the container would behave differently without them, a warning if they only
//! have no effect. No value is ignored silently.
//!
//! The loader's table lists keys that are never supported. This module checks keys that are supported with some values only, and
//! uses the texts of the table.
use crate::findings::Findings;
use crate::fleet::Fleet;
use landfast_compose::cases;
use landfast_compose::model::{Attachment, Service};
use landfast_compose::{Case, Project};

pub(super) fn check(fleet: &Fleet, project: &Project, findings: &mut Findings<'_>) {
    for (name, service) in &project.services {
        let mut about = ServiceCheck { name, service, findings };
        about.image();
        about.namespaces();
        about.deploy();
        about.update();
        about.names();
        about.mac(fleet, project);
        for (key, attachment) in &service.networks {
            let name = project.networks.get(key).map_or(key.as_str(), |network| &network.name);
            about.attachment(key, attachment, fleet.network_of(name, key).is_some());
        }
    }
}

struct ServiceCheck<'a, 'f, 'p> {
    name: &'a str,
    service: &'a Service,
    findings: &'f mut Findings<'p>,
}

impl ServiceCheck<'_, '_, '_> {
    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.findings.refuse(format!("services.{}.{key}", self.name), message);
    }

    fn case(&mut self, key: &str, said: &str, case: &Case) {
        self.findings.case(format!("services.{}.{key}", self.name), said, case);
    }

    fn image(&mut self) {
        if self.service.image.is_none() {
            self.refuse("image", "the service has no image");
        }
        if self.service.pull_policy.as_deref() == Some("refresh") {
            self.case("pull_policy", "", &cases::PULL_REFRESH);
        }
    }

    fn namespaces(&mut self) {
        if let Some(mode) = &self.service.network_mode
            && !matches!(mode.as_str(), "none" | "host" | "bridge")
            && !mode.contains(':')
        {
            self.case("network_mode", mode, &cases::NETWORK_MODE);
        }
    }

    fn deploy(&mut self) {
        let mode = self.service.deploy.mode.as_deref();
        if let Some(mode) = mode.filter(|mode| !matches!(*mode, "replicated" | "global")) {
            self.case("deploy.mode", mode, &cases::JOB_MODES);
        }
    }

    fn update(&mut self) {
        let Some(update) = &self.service.deploy.update_config else { return };
        let not_yet = [
            ("delay", update.delay.is_some_and(|delay| delay.0 != 0), &cases::UPDATE_DELAY),
            (
                "failure_action",
                update.failure_action.as_deref().is_some_and(|it| it != "pause"),
                &cases::UPDATE_FAILURE,
            ),
            ("max_failure_ratio", update.max_failure_ratio.is_some_and(|ratio| ratio != 0.0), &cases::UPDATE_RATIO),
            ("order", update.order.as_deref().is_some_and(|order| order != "stop-first"), &cases::UPDATE_ORDER),
        ];
        for (key, _, case) in not_yet.iter().filter(|(_, there, _)| *there) {
            self.case(&format!("deploy.update_config.{key}"), "", case);
        }
    }

    /// On a fleet network, the MAC of an instance is derived from its address, so another MAC is refused.
    fn mac(&mut self, fleet: &Fleet, project: &Project) {
        let first = self.service.networks_by_priority().first().map(|(key, _)| *key);
        let Some(key) = first.filter(|_| self.service.mac_address.is_some()) else { return };
        let name = project.networks.get(key).map_or(key, |network| &network.name);
        if fleet.network_of(name, key).is_some() {
            self.case("mac_address", "", &cases::FLEET_MAC);
        }
    }

    /// Refuses names and addresses that several instances cannot share.
    fn names(&mut self) {
        if self.service.deploy.mode.as_deref() == Some("global") && self.service.container_name.is_some() {
            self.refuse("container_name", "several instances cannot have one container name");
        }
        let written: Vec<_> = self.service.networks.iter().filter(|(_, end)| end.ipv4_address.is_some()).collect();
        for (key, _) in written.into_iter().filter(|_| self.service.replicas() > 1) {
            self.refuse(&format!("networks.{key}.ipv4_address"), "several instances cannot have one address");
        }
    }

    fn attachment(&mut self, key: &str, end: &Attachment, spans_hosts: bool) {
        let path = format!("networks.{key}");
        if spans_hosts && end.mac_address.is_some() {
            self.case(&format!("{path}.mac_address"), "", &cases::FLEET_MAC);
        }
    }
}
