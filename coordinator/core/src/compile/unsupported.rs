//! What a service asks for that is not honoured: refused when the container would be another one without it, warned about
//! when it would only be less. Nothing is dropped in silence.
//!
//! Keys that mean nothing here whatever they say are in the loader's own table; here are those whose value decides.
use super::findings::Findings;
use crate::compose::Project;
use crate::compose::model::{Attachment, MountKind, Service};
use crate::fleet::Fleet;

pub(super) fn check(fleet: &Fleet, project: &Project, findings: &mut Findings<'_>) {
    for (name, service) in &project.services {
        let mut about = About { name, service, findings };
        about.image();
        about.namespaces();
        about.neighbours();
        about.deploy();
        about.update();
        about.mounts();
        about.names();
        for (key, attachment) in &service.networks {
            let name = project.networks.get(key).map_or(key.as_str(), |network| &network.name);
            about.attachment(key, attachment, fleet.network_of(name, key).is_some());
        }
    }
}

struct About<'a, 'f, 'p> {
    name: &'a str,
    service: &'a Service,
    findings: &'f mut Findings<'p>,
}

impl About<'_, '_, '_> {
    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.findings.refuse(format!("services.{}.{key}", self.name), message);
    }

    fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.findings.warn(format!("services.{}.{key}", self.name), message);
    }

    fn image(&mut self) {
        if self.service.image.is_none() {
            let message = match self.service.build {
                Some(_) => "images are not built yet: build it, and name it with image:",
                None => "the service has no image",
            };
            self.refuse("build", message);
        }
        match self.service.pull_policy.as_deref() {
            Some("build") => self.refuse("pull_policy", "images are not built yet"),
            None | Some("missing" | "if_not_present" | "never") => {}
            Some(other) => {
                self.warn("pull_policy", format!("{other} is not honoured: an image is brought when missing"))
            }
        }
    }

    /// Modes that name another container need that container's place and life.
    fn namespaces(&mut self) {
        let service = self.service;
        let modes = [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc)];
        for (key, mode) in modes {
            let Some(mode) = mode else { continue };
            if mode.starts_with("service:") || mode.starts_with("container:") {
                self.refuse(key, format!("{mode} is not supported yet: a namespace of its own, or host, is"));
            }
        }
        if let Some(mode) = &service.network_mode
            && !matches!(mode.as_str(), "none" | "host" | "bridge")
            && !mode.contains(':')
        {
            self.refuse("network_mode", format!("{mode} is not supported: none, host and bridge are"));
        }
    }

    fn neighbours(&mut self) {
        let restarting: Vec<_> =
            self.service.depends_on.iter().filter(|(_, on)| on.restart).map(|(on, _)| on).collect();
        for on in restarting {
            self.warn(
                &format!("depends_on.{on}.restart"),
                "not honoured yet: it is not restarted with what it depends on",
            );
        }
    }

    fn deploy(&mut self) {
        let deploy = &self.service.deploy;
        match deploy.mode.as_deref() {
            None | Some("replicated" | "global") => {}
            Some(mode) => self.refuse("deploy.mode", format!("{mode} is not supported: replicated and global are")),
        }
        if deploy.resources.reservations.cpus.is_some() {
            self.warn("deploy.resources.reservations.cpus", "not honoured: CPUs are not reserved");
        }
        if !deploy.placement.preferences.is_empty() {
            self.warn("deploy.placement.preferences", "not honoured yet: instances go where the fewest are");
        }
        if let Some(policy) = &deploy.restart_policy {
            for (key, there) in [("delay", policy.delay.is_some()), ("window", policy.window.is_some())] {
                if there {
                    self.warn(&format!("deploy.restart_policy.{key}"), "not honoured: the engine has its own pauses");
                }
            }
        }
    }

    fn update(&mut self) {
        let deploy = &self.service.deploy;
        if deploy.rollback_config.is_some() {
            self.warn("deploy.rollback_config", "not honoured yet: a rollback goes like an update");
        }
        let Some(update) = &deploy.update_config else { return };
        let not_yet = [
            ("delay", update.delay.is_some_and(|delay| delay.0 != 0)),
            ("failure_action", update.failure_action.as_deref().is_some_and(|action| action != "pause")),
            ("monitor", update.monitor.is_some()),
            ("max_failure_ratio", update.max_failure_ratio.is_some_and(|ratio| ratio != 0.0)),
            ("order", update.order.as_deref().is_some_and(|order| order != "stop-first")),
        ];
        for (key, _) in not_yet.iter().filter(|(_, there)| *there) {
            let message = "not honoured yet: an update stops the old first, and stops at the first failure";
            self.warn(&format!("deploy.update_config.{key}"), message);
        }
    }

    fn mounts(&mut self) {
        for (at, mount) in self.service.volumes.iter().enumerate() {
            if mount.bind.recursive.is_some() {
                self.refuse(&format!("volumes[{at}].bind.recursive"), "not supported yet");
            }
            if !mount.volume.labels.is_empty() {
                self.warn(
                    &format!("volumes[{at}].volume.labels"),
                    "not honoured: volumes get the labels under volumes:",
                );
            }
            if mount.kind == MountKind::Volume && mount.source.is_none() {
                let message = "an anonymous volume is lost with its container: name it to keep the data";
                self.warn(&format!("volumes[{at}]"), message);
            }
        }
    }

    /// What only one instance can have.
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
        if end.gw_priority != 0 {
            self.warn(
                &format!("{path}.gw_priority"),
                "not honoured: the network of the highest priority has the default route",
            );
        }
        if spans_hosts && end.mac_address.is_some() {
            self.refuse(&format!("{path}.mac_address"), "on a network of the fleet the MAC follows from the address");
        }
    }
}
