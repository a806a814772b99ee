//! Tests of `landfast status` and `ps` for selected stacks.

use std::process::Output;

use serde_json::Value;

use crate::fleet::Fleet;

const STACKS: &str = "\
[stacks.web]
[stacks.web.place]
\"*\" = \"alpha\"

[stacks.data]
[stacks.data.place]
\"*\" = \"beta\"

[stacks.later]
";

async fn fleet() -> Fleet {
    let fleet = Fleet::start(&["alpha", "beta"], STACKS).await;
    fleet.write("web/compose.yaml", "services: {app: {image: 'app:1'}, job: {image: 'app:1'}}\n");
    fleet.write("data/compose.yaml", "services: {db: {image: 'app:1'}}\n");
    fleet.write("later/compose.yaml", "services: {later: {image: 'app:1'}}\n");
    fleet.image("app:1", "app1");
    let output = fleet.landfast(&["up", "--yes", "web", "data"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    fleet
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The hosts and the instances in the output.
fn shown(output: &Output) -> [Vec<String>; 2] {
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let names = |list: &str, key: &str| {
        let all = status[list].as_array().expect("a list").iter();
        all.map(|one| one[key].as_str().expect("text").to_owned()).collect()
    };
    [names("hosts", "name"), names("instances", "instance")]
}

#[tokio::test(flavor = "multi_thread")]
async fn status_of_a_stack_shows_its_instances_and_hosts() {
    let fleet = fleet().await;
    for (names, hosts, instances) in [
        (&[][..], &["alpha", "beta"][..], &["data/db.1", "web/app.1", "web/job.1"][..]),
        (&["web"], &["alpha"], &["web/app.1", "web/job.1"]),
        (&["web/job"], &["alpha"], &["web/job.1"]),
        (&["web/job", "data"], &["alpha", "beta"], &["data/db.1", "web/job.1"]),
        (&["later"], &[], &[]),
    ] {
        let output = fleet.landfast(&[&["status", "--format", "json"], names].concat()).await;
        assert_eq!((output.status.code(), shown(&output)), (Some(0), [hosts, instances].map(owned)), "{names:?}");
        let output = fleet.landfast(&[&["ps", "--format", "json"], names].concat()).await;
        let listed: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let listed: Vec<_> = listed.iter().map(|one| one["instance"].as_str().expect("text")).collect();
        assert_eq!(listed, instances, "{names:?}");
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_refused_with_a_suggestion() {
    let fleet = fleet().await;
    for (name, hint) in [
        ("wbe", "did you mean web?"),
        ("web/jbo", "did you mean web/job?"),
        ("nothing-like-it", "the stacks are data, later, web; `landfast ps` lists their services"),
    ] {
        for verb in ["status", "ps"] {
            let output = fleet.landfast(&[verb, "data", name]).await;
            let printed = text(&output.stderr);
            assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{printed}");
            assert_eq!(printed, format!("error: there is no stack or service {name}\nhint: {hint}\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_host_is_always_shown() {
    let mut fleet = fleet().await;
    drop(fleet.hosts.remove("beta"));
    let output = fleet.landfast(&["status", "web", "--format", "json"]).await;
    assert_eq!(shown(&output), [&["alpha", "beta"][..], &["web/app.1", "web/job.1"]].map(owned));
    let output = fleet.landfast(&["status", "data/db"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("no stack or service data/db (beta did not answer)"),
        "{}",
        text(&output.stderr)
    );
}
