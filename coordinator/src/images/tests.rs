//! What references mean, and where what is lacking comes from.

use std::collections::{BTreeMap, BTreeSet};

use landfast_proto::v1;

use super::{Images, LocalImage, Origin};

fn has(references: &[&str], fingerprint: &str) -> v1::Image {
    v1::Image {
        id: format!("id of {fingerprint}"),
        references: references.iter().map(|reference| (*reference).to_owned()).collect(),
        fingerprint: fingerprint.to_owned(),
        size: 1000,
    }
}

fn here(reference: &str, fingerprint: &str, made_here: bool) -> Images {
    let image = LocalImage { fingerprint: fingerprint.to_owned(), size: 1000, made_here };
    Images { here: BTreeMap::from([(reference.to_owned(), image)]), ..Images::default() }
}

fn meaning(images: &Images, reference: &str) -> (Option<String>, usize) {
    let resolution = images.resolve(&BTreeSet::from([reference.to_owned()]));
    (resolution.fingerprints.get(reference).cloned(), resolution.warnings.len())
}

#[test]
fn what_the_hosts_have_is_what_a_reference_means() {
    let mut images = here("redis:7", "other", false);
    images.add_host("alpha", &[has(&["redis:7"], "one")]);
    assert_eq!(meaning(&images, "docker.io/library/redis:7"), (Some("one".to_owned()), 0));
}

#[test]
fn what_was_made_here_goes_before_what_the_hosts_have() {
    let mut images = here("app:dev", "new", true);
    images.add_host("alpha", &[has(&["app:dev"], "old")]);
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
}

#[test]
fn what_was_built_last_is_meant_for_as_long_as_it_is_somewhere() {
    let mut images = here("app:dev", "new", false);
    images.add_host("alpha", &[has(&["app:dev"], "old")]);
    assert_eq!(meaning(&images, "app:dev"), (Some("old".to_owned()), 0), "it may come from a registry");
    images.remember("app:dev", "new".to_owned());
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
    images.remember("app:dev", "gone".to_owned());
    assert_eq!(meaning(&images, "app:dev"), (Some("old".to_owned()), 0));
}

#[test]
fn what_was_built_in_this_run_goes_before_all() {
    let mut images = here("app:dev", "made", true);
    images.add_host("beta", &[has(&["app:dev"], "old")]);
    assert!(images.built_on("alpha", "app:dev", &[has(&["app:dev:latest", "docker.io/library/app:dev"], "new")]));
    assert_eq!(meaning(&images, "app:dev"), (Some("new".to_owned()), 0));
    assert!(!images.built_on("alpha", "other:1", &[]), "it is not there");
}

#[test]
fn hosts_that_differ_are_settled_by_this_machine_or_by_the_most_of_them_and_that_is_said() {
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
fn what_nobody_has_is_unknown() {
    let resolution = Images::default().resolve(&BTreeSet::from(["app:1".to_owned()]));
    assert_eq!(resolution.unknown, BTreeSet::from(["app:1".to_owned()]));
}

#[test]
fn a_host_that_lacks_an_image_gets_it_from_here_then_from_others_then_from_the_default_registry() {
    let mut images = here("app:1", "one", true);
    images.add_host("alpha", &[has(&["app:1"], "one")]);
    images.add_host("beta", &[]);
    let wanted = |host| BTreeMap::from([(host, BTreeMap::from([("app:1", "one")]))]);
    assert_eq!(images.needs(&wanted("alpha")), []);
    let needs = images.needs(&wanted("beta"));
    let from_alpha = Origin::Host { host: "alpha".to_owned(), reference: "app:1".to_owned() };
    assert_eq!(needs[0].origins, [Origin::Here, from_alpha, Origin::Registry]);
    assert_eq!(needs[0].size, 1000);
}

#[test]
fn a_registry_that_the_reference_names_is_asked_first() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&["lan:5000/app:1"], "one")]);
    images.add_host("beta", &[]);
    let needs = images.needs(&BTreeMap::from([("beta", BTreeMap::from([("lan:5000/app:1", "one")]))]));
    assert_eq!(needs[0].origins[0], Origin::Registry);
    assert_eq!(needs[0].origins.len(), 2);
}

#[test]
fn another_image_under_the_same_reference_is_lacking() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&["app:1"], "old")]);
    assert_eq!(images.needs(&BTreeMap::from([("alpha", BTreeMap::from([("app:1", "new")]))])).len(), 1);
}

#[test]
fn an_image_whose_reference_went_to_another_is_brought_by_its_id() {
    let mut images = Images::default();
    images.add_host("alpha", &[has(&[], "old"), has(&["app:dev"], "new")]);
    images.add_host("beta", &[has(&["app:dev"], "new")]);
    let wanted = BTreeMap::from([("beta", BTreeMap::from([("app:dev", "old")]))]);
    let needs = images.needs(&wanted);
    let alpha = Origin::Host { host: "alpha".to_owned(), reference: "id of old".to_owned() };
    assert_eq!(needs[0].origins, [alpha, Origin::Registry]);
}
