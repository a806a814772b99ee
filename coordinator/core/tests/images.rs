//! Tests of the choice of images: which image an instance uses, and which ones are refused before anything is changed.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_core::compile::{FoundImage, ImageCandidates, OtherSource};
use landfast_core::platform::Platform;
use test_fleet::TestFleet;

const ALPHA: &str = "[stacks.app]\npath = \"app\"\n[stacks.app.place]\n\"*\" = \"alpha\"\n";

/// alpha and gamma are amd64, beta is arm64.
fn test_fleet(found: &[(&str, &str, &str)], beyond: OtherSource) -> TestFleet {
    let mut test_fleet = TestFleet::new(ALPHA);
    for (host, platform) in [("alpha", "linux/amd64"), ("beta", "linux/arm64"), ("gamma", "linux/amd64")] {
        test_fleet.platforms.insert(host.into(), Platform::parse(platform).unwrap());
    }
    let found = found.iter().map(|(fingerprint, platform, hosts)| FoundImage {
        fingerprint: (*fingerprint).into(),
        platform: Platform::parse(platform).unwrap_or_default(),
        hosts: hosts.split_whitespace().map(str::to_owned).collect(),
    });
    test_fleet.meanings.insert("app:1".into(), ImageCandidates { found: found.collect(), other_source: beyond });
    test_fleet
}

fn yaml(key: &str) -> String {
    format!("services:\n  web:\n    image: app:1\n    {key}\n")
}

/// Returns the image of the instance on alpha, and the warnings.
fn chosen(test_fleet: &TestFleet, key: &str) -> (String, String) {
    let compiled = test_fleet.compile("app", &yaml(key)).unwrap();
    let container = &compiled.deployment.instances.values().next().unwrap().container;
    let warnings = compiled.warnings.iter().map(ToString::to_string).collect::<String>();
    (container.image_fingerprint.clone(), warnings)
}

fn refusal(test_fleet: &TestFleet, key: &str) -> String {
    test_fleet.compile("app", &yaml(key)).unwrap_err()
}

#[test]
fn a_host_gets_the_image_for_its_processor() {
    let both = [("arm", "linux/arm64", "beta"), ("amd", "linux/amd64", "alpha")];
    for (found, key, expected) in [
        (&both[..], "", "amd"),
        (&both[1..], "", "amd"),
        (&both[..], "platform: linux/amd64", "amd"),
        (&[("old", "linux/386", "beta"), ("amd", "linux/amd64", "")][..], "", "amd"),
        (&[("old", "linux/386", "alpha"), ("amd", "linux/amd64", "beta")][..], "", "old"),
        (&[("amd", "linux/amd64", "beta"), ("plain", "", "alpha")][..], "", "plain"),
        (&[("arm", "linux/arm64", "alpha"), ("amd", "linux/amd64", "beta")][..], "", "amd"),
        (&[("old", "linux/386", "alpha")][..], "", "old"),
        (&[("old", "linux/386", "alpha")][..], "platform: linux/386", "old"),
        (&[("plain", "", "alpha")][..], "", "plain"),
        (&[("plain", "", "alpha")][..], "platform: linux/arm64", "plain"),
    ] {
        let (fingerprint, warnings) = chosen(&test_fleet(found, OtherSource::None), key);
        assert_eq!((fingerprint.as_str(), warnings.as_str()), (expected, ""), "{found:?} {key}");
    }
    let mut mixed = test_fleet(&both, OtherSource::None);
    mixed.fleet.stacks.clear();
    let compiled = mixed.compile("app", &yaml("deploy: {mode: global}")).unwrap();
    let on =
        compiled.deployment.instances.values().map(|it| (it.host.as_str(), it.container.image_fingerprint.as_str()));
    assert_eq!(on.collect::<Vec<_>>(), [("alpha", "amd"), ("beta", "arm"), ("gamma", "amd")]);
}

#[test]
fn an_image_for_another_processor_is_refused_with_the_hosts_that_could_run_it() {
    let arm = [("arm", "linux/arm64", "alpha")];
    for (beyond, ask) in [(OtherSource::None, ""), (OtherSource::Registry, " (`--pull always` asks the registry)")] {
        let refusal = refusal(&test_fleet(&arm, beyond), "");
        for part in [
            "app/compose.yaml:3:5: app:1 is for linux/arm64, and alpha is linux/amd64 (services.web.image)",
            &format!(
                "place the service on beta, or build or pull app:1 for linux/amd64{ask}; write `platform: linux/arm64` if"
            ),
        ] {
            assert!(refusal.contains(part), "{part} in {refusal}");
        }
    }
    let refusal = refusal(&test_fleet(&[("odd", "linux/s390x", "alpha")], OtherSource::None), "");
    assert!(refusal.contains("hint: build or pull app:1 for linux/amd64"), "no host runs it: {refusal}");
}

#[test]
fn a_platform_without_an_image_is_refused() {
    let amd = [("amd", "linux/amd64", "alpha")];
    let lacking = refusal(&test_fleet(&amd, OtherSource::None), "platform: linux/arm64");
    assert!(
        lacking.contains("compose.yaml:4:5: app:1 is for linux/amd64, not for linux/arm64 (services.web.platform)"),
        "{lacking}"
    );
    let wrong = refusal(&test_fleet(&amd, OtherSource::None), "platform: linux/amd64/v1/x");
    assert!(wrong.contains("compose.yaml:4:5: linux/amd64/v1/x is not a platform"), "{wrong}");
}

#[test]
fn a_written_platform_other_than_the_hosts_causes_a_warning_about_emulation() {
    let arm = [("arm", "linux/arm64", "alpha")];
    let (fingerprint, warnings) = chosen(&test_fleet(&arm, OtherSource::None), "platform: linux/arm64");
    assert_eq!(fingerprint, "arm");
    assert!(
        warnings.contains("compose.yaml:4:5: alpha is linux/amd64, so it runs app:1 for linux/arm64 only if"),
        "{warnings}"
    );
}

#[test]
fn an_image_that_a_registry_may_have_is_not_refused() {
    let elsewhere = [("arm", "linux/arm64", "beta")];
    let there = [("arm", "linux/arm64", "alpha")];
    for (found, beyond, key) in [
        (&[][..], OtherSource::Registry, ""),
        (&[][..], OtherSource::Pending, "pull_policy: never"),
        (&elsewhere[..], OtherSource::Registry, ""),
        (&elsewhere[..], OtherSource::Registry, "platform: linux/amd64"),
        (&there[..], OtherSource::Pending, ""),
    ] {
        assert_eq!(
            chosen(&test_fleet(found, beyond), key),
            (String::new(), String::new()),
            "{found:?} {beyond:?} {key}"
        );
    }
    for (found, beyond, key) in
        [(&elsewhere[..], OtherSource::None, ""), (&elsewhere[..], OtherSource::Registry, "pull_policy: never")]
    {
        let refusal = refusal(&test_fleet(found, beyond), key);
        assert!(refusal.contains("app:1 is for linux/arm64, and alpha is linux/amd64"), "{refusal}");
    }
}

#[test]
fn a_missing_image_is_refused_with_the_policy_never() {
    let refusal = refusal(&test_fleet(&[], OtherSource::Registry), "pull_policy: never");
    for part in [
        "compose.yaml:4:5: the image app:1 was not found on any host or on this machine (services.web.pull_policy)",
        "Landfast searched alpha, beta, gamma and this machine's engine",
    ] {
        assert!(refusal.contains(part), "{part} in {refusal}");
    }
}
