//! Tests of resolved references and of the sources of missing images.

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::compile::OtherSource;
use landfast_core::platform::Platform;
use landfast_proto::v1;

use super::{Images, LocalImage, Origin, ToPull};

fn has(references: &[&str], fingerprint: &str) -> v1::Image {
    v1::Image {
        id: format!("id of {fingerprint}"),
        references: references.iter().map(|reference| (*reference).to_owned()).collect(),
        fingerprint: fingerprint.to_owned(),
        size: 1000,
        ..v1::Image::default()
    }
}

fn here(reference: &str, fingerprint: &str, made_here: bool) -> Images {
    let image = LocalImage { fingerprint: fingerprint.to_owned(), size: 1000, made_here, ..LocalImage::default() };
    Images { here: BTreeMap::from([(reference.to_owned(), image)]), ..Images::default() }
}

fn meaning(images: &Images, reference: &str) -> (Option<String>, usize) {
    let resolution = images.resolve(&BTreeSet::from([reference.to_owned()]));
    let found = resolution.meanings[reference].found.first().map(|found| found.fingerprint.clone());
    (found, resolution.warnings.len())
}

#[test]
fn a_reference_means_the_image_of_the_hosts() {
    let mut images = here("redis:7", "other", false);
    images.add_host("alpha", &[has(&["redis:7"], "one")]);
    assert_eq!(meaning(&images, "docker.io/library/redis:7"), (Some("one".to_owned()), 0));
}

#[test]
fn an_image_made_here_takes_precedence_over_those_of_the_hosts() {
    let mut images = here("app:dev", "new", true);
    images.add_host("alpha", &[has(&["app:dev"], "old")]);
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
}

#[test]
fn the_last_built_image_is_meant_as_long_as_it_exists() {
    let mut images = here("app:dev", "new", false);
    images.add_host("alpha", &[has(&["app:dev"], "old")]);
    assert_eq!(meaning(&images, "app:dev"), (Some("old".to_owned()), 0), "it may come from a registry");
    images.remember("app:dev", "new".to_owned());
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
    images.remember("app:dev", "gone".to_owned());
    assert_eq!(meaning(&images, "app:dev"), (Some("old".to_owned()), 0));
}

#[test]
fn an_image_built_in_this_operation_takes_precedence() {
    let mut images = here("app:dev", "made", true);
    images.add_host("beta", &[has(&["app:dev"], "old")]);
    assert!(images.built_on("alpha", "app:dev", &[has(&["app:dev:latest", "docker.io/library/app:dev"], "new")]));
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
    assert!(!images.built_on("alpha", "other:1", &[]), "it is not there");
}

#[test]
fn different_images_on_hosts_are_decided_by_this_machine_or_the_majority_with_a_warning() {
    let hosts = |images: &mut Images| {
        images.add_host("alpha", &[has(&["redis:7"], "a")]);
        images.add_host("beta", &[has(&["redis:7"], "b")]);
        images.add_host("gamma", &[has(&["redis:7"], "b")]);
    };
    let mut images = here("redis:7", "a", false);
    hosts(&mut images);
    assert_eq!(meaning(&images, "redis:7"), (Some("a".to_owned()), 1));
    let mut images = Images::default();
    hosts(&mut images);
    assert_eq!(meaning(&images, "redis:7"), (Some("b".to_owned()), 1));
}

#[test]
fn an_image_that_no_machine_has_is_unknown() {
    let resolution = Images::default().resolve(&BTreeSet::from(["app:1".to_owned()]));
    assert_eq!(resolution.unknown, BTreeSet::from(["app:1".to_owned()]));
}

#[test]
fn a_missing_image_comes_from_this_machine_then_from_other_hosts_then_from_the_default_registry() {
    let mut images = here("app:1", "one", true);
    images.add_host("alpha", &[has(&["app:1"], "one")]);
    images.add_host("beta", &[]);
    let required = |host| BTreeMap::from([(host, BTreeSet::from([("app:1", "one")]))]);
    assert_eq!(images.needs(&required("alpha")), []);
    let needs = images.needs(&required("beta"));
    let from_alpha = Origin::Host { host: "alpha".to_owned(), reference: "app:1".to_owned() };
    assert_eq!(needs[0].origins, [Origin::Here, from_alpha, Origin::Registry]);
    assert_eq!(needs[0].size, 1000);
}

#[test]
fn a_registry_in_the_reference_is_tried_first() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&["lan:5000/app:1"], "one")]);
    images.add_host("beta", &[]);
    let needs = images.needs(&BTreeMap::from([("beta", BTreeSet::from([("lan:5000/app:1", "one")]))]));
    assert_eq!(needs[0].origins[0], Origin::Registry);
    assert_eq!(needs[0].origins.len(), 2);
}

#[test]
fn another_image_with_the_same_reference_does_not_count() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&["app:1"], "old")]);
    assert_eq!(images.needs(&BTreeMap::from([("alpha", BTreeSet::from([("app:1", "new")]))])).len(), 1);
}

#[test]
fn an_image_without_a_tag_is_transferred_by_its_id() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&[], "old"), has(&["app:dev"], "new")]);
    images.add_host("beta", &[has(&["app:dev"], "new")]);
    let required = BTreeMap::from([("beta", BTreeSet::from([("app:dev", "old")]))]);
    let needs = images.needs(&required);
    let alpha = Origin::Host { host: "alpha".to_owned(), reference: "id of old".to_owned() };
    assert_eq!(needs[0].origins, [alpha, Origin::Registry]);
}

fn for_arm(image: v1::Image) -> v1::Image {
    v1::Image { os: "linux".to_owned(), architecture: "arm64".to_owned(), ..image }
}

/// Fingerprint, platform and hosts of all images that a reference may mean, and whether a registry may have more.
fn all(images: &Images, reference: &str) -> (Vec<String>, OtherSource) {
    let resolution = images.resolve(&BTreeSet::from([reference.to_owned()]));
    assert_eq!(resolution.warnings, [""; 0]);
    let meaning = &resolution.meanings[reference];
    let text = |found: &landfast_core::compile::FoundImage| {
        format!("{} {} {:?}", found.fingerprint, found.platform, found.hosts)
    };
    (meaning.found.iter().map(text).collect(), meaning.other_source)
}

#[test]
fn hosts_of_different_processors_have_different_images_under_one_reference() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&["app:1"], "plain")]);
    images.add_host("beta", &[for_arm(has(&["app:1"], "arm"))]);
    images.add_host("gamma", &[for_arm(has(&["app:1"], "arm"))]);
    let found = ["plain an unknown platform {\"alpha\"}", "arm linux/arm64 {\"beta\", \"gamma\"}"].map(str::to_owned);
    assert_eq!(all(&images, "app:1"), (found.to_vec(), OtherSource::None));
    // An image that was made on this machine is meant for all platforms.
    images.built_here("app:1", LocalImage { fingerprint: "made".to_owned(), ..LocalImage::default() });
    assert_eq!(all(&images, "app:1"), (vec!["made an unknown platform {}".to_owned()], OtherSource::None));
}

#[test]
fn a_pulled_image_is_meant_for_its_platform_and_a_built_one_for_all() {
    let mut images = here("app:1", "made", true);
    images.add_host("alpha", &[has(&["app:1"], "old")]);
    images.add_host("beta", &[for_arm(has(&["app:1"], "arm"))]);
    let amd = v1::Image { os: "linux".to_owned(), architecture: "amd64".to_owned(), ..has(&[], "new") };
    let asked =
        ToPull { reference: "app:1".to_owned(), target: Platform::new("linux", "amd64", ""), ..ToPull::default() };
    images.fetched("alpha", &asked, &amd);
    let found = ["new linux/amd64 {\"alpha\"}", "arm linux/arm64 {\"beta\"}"].map(str::to_owned).to_vec();
    assert_eq!(all(&images, "app:1"), (found, OtherSource::Registry));
    assert!(images.built_on("beta", "app:1", &[has(&["app:1"], "built")]));
    assert_eq!(all(&images, "app:1").0, ["built an unknown platform {\"beta\"}"]);
}

#[test]
fn a_registry_may_have_other_platforms_of_a_pulled_image() {
    let mut images = Images::default();
    let (loaded, pulled) =
        (has(&["app:1", "lan:5000/app@sha256:ab"], "loaded"), has(&["app:2", "app@sha256:ab"], "pulled"));
    images.add_host("alpha", &[loaded, pulled]);
    let beyond = |images: &Images, reference: &str| all(images, reference).1;
    assert_eq!(beyond(&images, "app:1"), OtherSource::None, "it has a digest for another repository only");
    assert_eq!(beyond(&images, "app:2"), OtherSource::Registry);
    assert_eq!(beyond(&images, "app:3"), OtherSource::Registry, "no machine has it");
    images.remember_registry("docker.io/library/app:1");
    assert_eq!(beyond(&images, "app:1"), OtherSource::Registry, "it was pulled once");
    assert_eq!(beyond(&here("app:4", "one", false), "app:4"), OtherSource::Registry);
    assert_eq!(beyond(&here("app:4", "one", true), "app:4"), OtherSource::None);
}

#[test]
fn engines_with_the_same_store_give_an_image_the_same_id() {
    let mut images = here("app:1", "local", false);
    let local = images.here.get_mut("app:1").expect("is here");
    (local.id, local.store) = ("sha256:local".to_owned(), "classic");
    images.add_host("alpha", &[has(&["app:1"], "old")]);
    images.add_host("beta", &[has(&["app:1"], "new")]);
    images.add_host("gamma", &[has(&["app:1"], "other")]);
    let stores = [("alpha", "classic"), ("beta", "classic"), ("gamma", "containerd")];
    let stores = stores.map(|(host, store)| (host.to_owned(), store.to_owned())).into();
    let ids = images.ids(&stores);
    let known = |host: &str| ids[host].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(known("alpha"), ["local", "new", "old"]);
    assert_eq!(known("gamma"), ["other"]);
    assert_eq!(ids["alpha"]["new"], "id of new");
}
