//! Candidate hosts of a service, by `landfast.toml`, the constraints of the compose file, and the abilities of engines.
use super::PlacementInput;
use super::devices::{self, MissingAbility};
use crate::findings::Findings;
use crate::fleet::{Host, PlacementRule};
use landfast_compose::model::Service;

/// Hosts that may run a service, and the reasons that exclude the others.
#[derive(Clone)]
pub(super) struct Candidates<'a> {
    pub(super) name: &'a str,
    pub(super) service: &'a Service,
    pub(super) hosts: Vec<String>,
    /// What excluded hosts: the rule of `landfast.toml`, constraints, or missing abilities.
    pub(super) by: Vec<String>,
    pub(super) excluded: Vec<String>,
    /// An ability that an excluded host does not have.
    missing: Option<MissingAbility>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        input: PlacementInput<'a>,
        name: &'a str,
        service: &'a Service,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut candidates =
            Self { name, service, hosts: Vec::new(), by: Vec::new(), excluded: Vec::new(), missing: None };
        let rule = input.config.and_then(|config| {
            let places = &config.place;
            places.get_key_value(name).or_else(|| places.get_key_value("*"))
        });
        let constraints = constraints(name, service, findings);
        for (host_name, host) in &input.fleet.hosts {
            let by_rule = rule.filter(|(_, placement)| !allows(&placement.rule, host_name, host));
            let by_constraint = constraints.iter().find(|constraint| !constraint.allows(host_name, host));
            if let Some((service, placement)) = by_rule {
                candidates.narrowed_by(placement.quote(input.stack, service));
                let wanted = match &placement.rule {
                    PlacementRule::Hosts(hosts) => format!("it is placed on {}", hosts.join(", ")),
                    PlacementRule::Label { key, value } => format!("it needs the label {key}={value}"),
                };
                candidates.excluded.push(format!("{host_name} by {} ({wanted})", placement.location));
            } else if let Some(constraint) = by_constraint {
                candidates.narrowed_by(format!("the constraint {}", constraint.text));
                candidates.excluded.push(format!("{host_name} by the constraint {}", constraint.text));
            } else if let Some(missing) =
                input.abilities.get(host_name).and_then(|it| devices::missing_ability(service, it))
            {
                candidates.narrowed_by(missing.key.clone());
                candidates.excluded.push(missing.on(host_name));
                candidates.missing = Some(missing);
            } else {
                candidates.hosts.push(host_name.clone());
            }
        }
        candidates
    }

    fn narrowed_by(&mut self, what: String) {
        if !self.by.contains(&what) {
            self.by.push(what);
        }
    }

    /// Whether the service runs on every host.
    pub(super) fn is_global(&self) -> bool {
        is_global(self.service)
    }

    /// Adds the error that no host may run the service.
    pub(super) fn refuse(&self, findings: &mut Findings<'_>) {
        if let Some(missing) = &self.missing {
            return devices::refuse(self.name, missing, &self.excluded, findings);
        }
        let message = match self.excluded.as_slice() {
            [] => "the fleet has no host".to_owned(),
            excluded => format!("no host can run {}; excluded hosts: {}", self.name, excluded.join("; ")),
        };
        let hint = if self.excluded.is_empty() {
            "add a host: landfast host add NAME ADDRESS"
        } else {
            "change the placement in landfast.toml, the constraint, or the labels of a host"
        };
        findings.refuse(format!("services.{}", self.name), message).hint = Some(hint.to_owned());
    }
}

/// Whether a service runs on every host.
pub(super) fn is_global(service: &Service) -> bool {
    service.deploy.mode.as_deref() == Some("global")
}

fn allows(rule: &PlacementRule, name: &str, host: &Host) -> bool {
    match rule {
        PlacementRule::Hosts(hosts) => hosts.iter().any(|host| host == name),
        PlacementRule::Label { key, value } => host.labels.get(key) == Some(value),
    }
}

/// Placement constraint such as `node.labels.disk==ssd`.
struct Constraint {
    text: String,
    /// Label to compare, or `None` for the name of the host.
    label: Option<String>,
    equal: bool,
    value: String,
}

impl Constraint {
    fn parse(text: &str) -> Option<Self> {
        let (key, equal, value) = match text.split_once("!=") {
            Some((key, value)) => (key, false, value),
            None => text.split_once("==").map(|(key, value)| (key, true, value))?,
        };
        let label = match key.trim() {
            "node.hostname" => None,
            key => Some(key.strip_prefix("node.labels.")?.to_owned()),
        };
        Some(Self { text: text.to_owned(), label, equal, value: value.trim().to_owned() })
    }

    fn allows(&self, name: &str, host: &Host) -> bool {
        let found = match &self.label {
            None => Some(name),
            Some(label) => host.labels.get(label).map(String::as_str),
        };
        (found == Some(self.value.as_str())) == self.equal
    }
}

fn constraints(name: &str, service: &Service, findings: &mut Findings<'_>) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for (at, text) in service.deploy.placement.constraints.iter().enumerate() {
        match Constraint::parse(text) {
            Some(constraint) => constraints.push(constraint),
            None => {
                let path = format!("services.{name}.deploy.placement.constraints[{at}]");
                let message = format!("the constraint {text:?} is not supported");
                let hint = "use node.hostname or node.labels.<key>, with == or !=";
                findings.refuse(path, message).hint = Some(hint.to_owned());
            }
        }
    }
    constraints
}
