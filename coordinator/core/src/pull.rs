//! Pull policy: when a registry is asked for an image that already exists.
use std::collections::BTreeSet;

use landfast_compose::Project;
use landfast_compose::model::Service;

const DAY: u64 = 24 * 3600;

/// Pull policy of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The registry is asked in every run.
    Always,
    /// The registry is asked for images that are not found elsewhere.
    Missing,
    /// The registry is never asked.
    Never,
    /// The image is built in every run.
    Build,
    /// The registry is asked if the last pull was at least this many seconds ago.
    Every(u64),
}

impl Policy {
    /// Returns the policy of a service, or [`Policy::Missing`] if it has none.
    pub fn of(service: &Service) -> Self {
        match service.pull_policy.as_deref().unwrap_or_default() {
            "always" => Self::Always,
            "never" => Self::Never,
            "build" => Self::Build,
            "daily" => Self::Every(DAY),
            "weekly" => Self::Every(7 * DAY),
            other => other.strip_prefix("every_").and_then(seconds).map_or(Self::Missing, Self::Every),
        }
    }

    /// Sets this policy for every service of a project (`up --pull`).
    pub fn impose(self, project: &mut Project) {
        let word = match self {
            Self::Always => "always",
            Self::Missing => "missing",
            Self::Never => "never",
            Self::Build => "build",
            Self::Every(seconds) => &format!("every_{seconds}s"),
        };
        for service in project.services.values_mut() {
            service.pull_policy = Some(word.to_owned());
        }
    }

    /// Whether the registry is asked although the image exists. Both times are Unix times in seconds.
    fn is_due(self, last: Option<i64>, now: i64) -> bool {
        match (self, last) {
            (Self::Always, _) | (Self::Every(_), None) => true,
            // A pull in the future means that a clock is wrong.
            (Self::Every(period), Some(last)) => {
                u64::try_from(now.saturating_sub(last)).map_or(true, |age| age >= period)
            }
            (Self::Missing | Self::Never | Self::Build, _) => false,
        }
    }
}

/// Converts a period such as `1d12h` to seconds.
fn seconds(period: &str) -> Option<u64> {
    let mut total: u64 = 0;
    for part in period.split_inclusive(['w', 'd', 'h', 'm', 's']) {
        let (number, unit) = part.split_at(part.len().checked_sub(1)?);
        let unit = match unit {
            "w" => 7 * DAY,
            "d" => DAY,
            "h" => 3600,
            "m" => 60,
            _ => 1,
        };
        // A number that is too large is treated as the longest period.
        let number = if number.bytes().all(|digit| digit.is_ascii_digit()) { number } else { return None };
        total = total.saturating_add(number.parse().unwrap_or(u64::MAX).saturating_mul(unit));
    }
    Some(total)
}

/// An image for which the registry is asked although it may exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Reference of the image.
    pub image: String,
    /// Service that uses it.
    pub service: String,
    /// `pull_policy` of the service.
    pub policy: String,
    /// Whether a service of the project builds the image, so that it may be missing from the registry.
    pub is_built: bool,
}

/// Returns the references for which no registry is asked, because all services that use them have the policy `never`.
pub fn never(projects: &[&Project]) -> BTreeSet<String> {
    let services = || projects.iter().flat_map(|project| project.services.values()).filter(|it| it.replicas() > 0);
    let images = |is_never: bool| {
        let all = services().filter(move |service| (Policy::of(service) == Policy::Never) == is_never);
        all.filter_map(|service| service.image.clone()).collect::<BTreeSet<_>>()
    };
    &images(true) - &images(false)
}

/// Returns the pulls that a project requires. `last` returns the time of the last pull of a reference, if it is known.
pub fn due(project: &Project, last: impl Fn(&str) -> Option<i64>, now: i64) -> Vec<Pull> {
    let services = project.services.iter().filter(|(_, service)| service.replicas() > 0);
    let built: BTreeSet<&String> = project
        .services
        .values()
        .filter(|service| service.build.is_some())
        .filter_map(|it| it.image.as_ref())
        .collect();
    let asking = services.filter_map(|(name, service)| {
        let image = service.image.clone()?;
        let is_built = built.contains(&image);
        Policy::of(service).is_due(last(&image), now).then(|| Pull {
            image,
            service: name.clone(),
            policy: service.pull_policy.clone().unwrap_or_default(),
            is_built,
        })
    });
    asking.collect()
}

#[cfg(test)]
mod tests {
    use super::{DAY, Policy, due, never};
    use landfast_compose::Project;
    use landfast_compose::model::{Build, Service};

    fn policy(text: &str) -> Policy {
        Policy::of(&Service { pull_policy: Some(text.to_owned()), ..Service::default() })
    }

    /// Creates a project from services with name, image and policy. The last one has a `build`.
    fn project(services: &[(&str, &str, &str)]) -> Project {
        let mut project = Project::default();
        for (at, (name, image, policy)) in services.iter().enumerate() {
            let (image, pull_policy) = (Some((*image).to_owned()), Some((*policy).to_owned()));
            let build = (at + 1 == services.len()).then(Build::default);
            project.services.insert((*name).to_owned(), Service { image, pull_policy, build, ..Service::default() });
        }
        project
    }

    #[test]
    fn no_registry_is_asked_if_every_service_has_the_policy_never() {
        let (one, other) = (
            project(&[("a", "app:1", "never"), ("b", "app:2", "never"), ("c", "app:2", "missing")]),
            project(&[("d", "app:3", "never"), ("e", "app:1", "never")]),
        );
        assert_eq!(never(&[&one, &other]).into_iter().collect::<Vec<_>>(), ["app:1", "app:3"]);
        let mut imposed = one;
        Policy::Always.impose(&mut imposed);
        assert_eq!(never(&[&imposed]).len(), 0);
    }

    #[test]
    fn each_service_pulls_by_its_own_policy() {
        let services = [("a", "app:1", "always"), ("b", "app:2", "missing"), ("c", "app:3", "daily")];
        let asked = |last| {
            let pulls = due(&project(&services), |_| last, 1_000_000);
            pulls.into_iter().map(|pull| (pull.image, pull.service, pull.policy, pull.is_built)).collect::<Vec<_>>()
        };
        let one = |(service, image, policy): (&str, &str, &str), is_built| {
            (image.to_owned(), service.to_owned(), policy.to_owned(), is_built)
        };
        assert_eq!(asked(Some(999_999)), [one(services[0], false)]);
        assert_eq!(asked(None), [one(services[0], false), one(services[2], true)]);
    }

    #[test]
    fn an_image_that_another_service_builds_may_be_missing_from_the_registry() {
        let project = project(&[("migrate", "app:1", "always"), ("web", "app:1", "missing")]);
        let pulls = due(&project, |_| None, 1_000_000);
        assert_eq!(
            pulls.iter().map(|pull| (pull.service.as_str(), pull.is_built)).collect::<Vec<_>>(),
            [("migrate", true)]
        );
    }

    #[test]
    fn a_policy_is_a_name_or_a_period() {
        assert_eq!(Policy::of(&Service::default()), Policy::Missing);
        for (text, expected) in [
            ("always", Policy::Always),
            ("missing", Policy::Missing),
            ("if_not_present", Policy::Missing),
            ("refresh", Policy::Missing),
            ("never", Policy::Never),
            ("build", Policy::Build),
            ("daily", Policy::Every(DAY)),
            ("weekly", Policy::Every(7 * DAY)),
            ("every_12h", Policy::Every(12 * 3600)),
            ("every_1d12h30m5s", Policy::Every(DAY + 12 * 3600 + 30 * 60 + 5)),
            ("every_2w", Policy::Every(14 * DAY)),
            ("every_99999999999999999999w", Policy::Every(u64::MAX)),
            ("every_day", Policy::Missing),
        ] {
            assert_eq!(policy(text), expected, "{text}");
        }
    }

    #[test]
    fn a_registry_is_asked_when_the_last_pull_is_old_enough() {
        let day = 24 * 3600;
        for (text, last, is_due) in [
            ("always", Some(1_000_000), true),
            ("missing", None, false),
            ("never", None, false),
            ("build", None, false),
            ("daily", None, true),
            ("daily", Some(1_000_000 - day), true),
            ("daily", Some(1_000_000 - day + 1), false),
            ("daily", Some(1_000_001), true),
            ("every_0s", Some(1_000_000), true),
            ("every_99999999999999999999w", Some(0), false),
        ] {
            assert_eq!(policy(text).is_due(last, 1_000_000), is_due, "{text} after {last:?}");
        }
    }
}
