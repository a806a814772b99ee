//! Keys of a compose file that need a real engine: secrets that are not files, services that share a network, hooks,
//! and anonymous volumes.

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab};

use crate::fixtures::{LONG, demo, plan, running_container};

/// Creates a fleet with running agents. One host is sufficient, because the behaviour is the same on all.
fn fleet<'lab>(lab: &'lab Lab, compose: &str) -> Result<(Fleet<'lab>, &'lab Host)> {
    let fleet = demo(lab, compose, "")?;
    fleet.install_agents()?;
    Ok((fleet, lab.host("alpha")?))
}

fn exec(host: &Host, service: &str, words: &[&str]) -> Result<String> {
    let container = running_container(host, "demo", service)?;
    Ok(host.exec(&container, words)?.succeeds()?.text().trim().to_owned())
}

const SECRETS: &str = "
services:
  web:
    image: landfast/small:1
    secrets: [token, {source: token, target: /etc/app/token, uid: '70', gid: '71', mode: 0400}]
    configs: [{source: settings, target: /etc/app/settings}]
secrets: {token: {environment: TOKEN}}
configs: {settings: {content: 'level=${LEVEL:-info}'}}
";

#[test]
fn a_secret_from_a_variable_is_in_its_container_and_nowhere_else() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, SECRETS)?;
    let up = |token: &str, words: &[&str]| fleet.landfast_in(None, &[("TOKEN", token)], words);
    up("hunter-two", &["up", "--yes"])?.succeeds()?.never_says("hunter-two")?;
    let first = running_container(alpha, "demo", "web")?;
    ensure!(exec(alpha, "web", &["cat", "/run/secrets/token", "/etc/app/settings"])? == "hunter-twolevel=info");
    let owner = exec(alpha, "web", &["stat", "-c", "%u %g %a", "/etc/app/token", "/run/secrets/token"])?;
    ensure!(owner == "70 71 400\n0 0 444", "{owner}");
    let inspected = alpha.api().get(&format!("/containers/{first}/json"))?.to_string();
    ensure!(!inspected.contains("hunter-two"), "the engine's description has the secret");

    up("hunter-two", &["plan"])?.exits(0)?;
    up("hunter-three", &["plan"])?.exits(3)?.says("file /run/secrets/token changed")?.never_says("hunter")?;
    up("hunter-three", &["up", "--yes"])?.succeeds()?.never_says("hunter")?;
    ensure!(running_container(alpha, "demo", "web")? != first, "the container is still the old one");
    ensure!(exec(alpha, "web", &["cat", "/run/secrets/token"])? == "hunter-three");
    let log = alpha.sh("cat /var/log/landfast-agent.log /run/log/landfast* 2>/dev/null || true")?;
    log.never_says("hunter")?;

    // On the host it is in the store of secrets, for root alone; in the folder of the fleet it is nowhere.
    let elsewhere = alpha.sh("grep -rl hunter /var/lib/landfast | grep -v ^/var/lib/landfast/secrets/ || true")?;
    ensure!(elsewhere.text().trim().is_empty(), "{elsewhere}");
    let kept = alpha.sh("find /var/lib/landfast/secrets -type f -exec stat -c '%U %a' {} + | sort -u")?;
    ensure!(kept.text().trim() == "root 600", "{kept}");
    let store = std::fs::read(fleet.path(".landfast/state.redb"))?;
    ensure!(!store.windows(6).any(|window| window == b"hunter"), "the store of the coordinator has the secret");
    // A rollback needs neither the variable nor what this folder remembers.
    std::fs::remove_file(fleet.path(".landfast/state.redb"))?;
    fleet.landfast(&["rollback", "demo", "--yes"])?.succeeds()?.never_says("hunter")?;
    ensure!(exec(alpha, "web", &["cat", "/run/secrets/token"])? == "hunter-two");
    // A host that has lost its secrets gets them again.
    alpha.sh("find /var/lib/landfast/secrets -type f -delete")?;
    up("hunter-two", &["up", "--yes", "--force-recreate"])?.succeeds()?.never_says("hunter")?;
    ensure!(exec(alpha, "web", &["cat", "/run/secrets/token"])? == "hunter-two");
    Ok(())
}

const NEWER: &str = "
services:
  web: {image: 'landfast/small:1', annotations: {tier: front}}
";

#[test]
fn a_key_that_the_engine_is_too_old_for_is_refused_before_anything_is_created() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, NEWER)?;
    for command in [&["plan"][..], &["up", "--yes"]] {
        let refused = fleet.landfast(command)?.exits(1)?;
        refused
            .says("demo/compose.yaml:3:")?
            .says("needs Docker Engine 24 or newer")?
            .says("alpha has API version 1.41")?;
    }
    let there = alpha.api().get("/containers/json?all=1")?;
    ensure!(there.as_array().is_some_and(Vec::is_empty), "{there}");
    Ok(())
}

const TOGETHER: &str = "
services:
  db: {image: 'landfast/small:1'}
  web: {image: 'landfast/small:2', network_mode: 'service:db', environment: {PORT: '8090'}, volumes_from: [store]}
  beside: {image: 'landfast/small:1', network_mode: 'service:db', environment: {PORT: '8091'}}
  store: {image: 'landfast/small:1', volumes: ['kept:/kept']}
volumes: {kept: {}}
";

/// Returns whether web reaches its database on its own loopback.
fn are_together(host: &Host) -> Result<bool> {
    let (db, web) = (running_container(host, "demo", "db")?, running_container(host, "demo", "web")?);
    let mode = host.api().get(&format!("/containers/{web}/json"))?["HostConfig"]["NetworkMode"].clone();
    let answer = host.exec(&web, &["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"])?;
    Ok(mode == format!("container:{db}") && answer.succeeds().is_ok())
}

fn wait_until_together(host: &Host) -> Result<()> {
    landfast_tests::lab::wait_for("web and db share a network", LONG, || Ok(are_together(host)?.then_some(())))
}

/// Returns the Unix time in this many seconds, in the engine's notation.
fn in_seconds(later: u64) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(format!("{}.{:09}", now.as_secs() + later, now.subsec_nanos()))
}

/// Returns the original names of the containers that an engine has created since then.
fn made_since(host: &Host, begun: &str) -> Result<Vec<String>> {
    let until = in_seconds(1)?;
    let mut words = vec!["events", "--since", begun, "--until", &until];
    words.extend(["--filter", "type=container", "--filter", "event=create", "--format", "{{.Actor.Attributes.name}}"]);
    let events = host.docker(&words)?.succeeds()?;
    Ok(events.text().lines().map(str::to_owned).collect())
}

#[test]
fn containers_that_share_a_network_are_recreated_with_its_owner() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, TOGETHER)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(are_together(alpha)?, "web does not see db");
    exec(alpha, "store", &["sh", "-c", "echo here >/kept/file"])?;
    ensure!(exec(alpha, "web", &["cat", "/kept/file"])? == "here");

    fleet.edit("demo/compose.yaml", "db: {image: 'landfast/small:1'}", "db: {image: 'landfast/small:2'}")?;
    let begun = in_seconds(0)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?.says("it is recreated together with demo/db.1")?;
    wait_until_together(alpha)?;
    let made = made_since(alpha, &begun)?;
    ensure!(made.len() == 3, "db, web and beside should be created once each: {made:?}");
    ensure!(plan(&fleet)?.is_empty(), "there is something left to do");

    // When the owner is removed by hand, the agent recreates both.
    let db = running_container(alpha, "demo", "db")?;
    alpha.docker(&["rm", "-f", &db])?.succeeds()?;
    landfast_tests::lab::wait_for("another db", LONG, || {
        Ok((running_container(alpha, "demo", "db")? != db).then_some(()))
    })?;
    wait_until_together(alpha)?;
    // When the engine restarts the owner, the same container has a new network namespace.
    let db = running_container(alpha, "demo", "db")?;
    alpha.docker(&["restart", "-t", "1", &db])?.succeeds()?;
    wait_until_together(alpha)
}

const HOOKS: &str = "
services:
  web:
    image: landfast/small:1
    volumes: ['notes:/notes']
    post_start:
      - {command: [sh, -c, 'echo started by $$(id -u) in $$(pwd) with $$WORD >>/notes/log'], user: '7:7', working_dir: /tmp, environment: {WORD: hello}}
    pre_stop:
      - {command: [sh, -c, 'echo stopping >>/notes/log']}
volumes: {notes: {}}
";

#[test]
fn hooks_run_in_the_container_and_a_failure_is_reported() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, &HOOKS.replace("user: '7:7'", "user: '0:7'"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(exec(alpha, "web", &["cat", "/notes/log"])? == "started by 0 in /tmp with hello");
    fleet.edit("demo/compose.yaml", "landfast/small:1", "landfast/small:2")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let log = exec(alpha, "web", &["cat", "/notes/log"])?;
    let lines: Vec<&str> = log.lines().collect();
    ensure!(lines.len() == 3 && lines[1] == "stopping", "{log}");

    fleet.edit("demo/compose.yaml", "echo started", "echo no such table; exit 4; echo started")?;
    let failed = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    failed.says("after the start ended with status 4")?.says("no such table")?;
    Ok(())
}

const MIGRATED: &str = "
services:
  web:
    image: landfast/small:1
    volumes: ['notes:/notes']
    post_start:
      - {command: [sh, -c, 'echo tried >>/notes/log; test -e /notes/table || { echo no such table; exit 4; }']}
  after: {image: 'landfast/small:1', depends_on: [web]}
volumes: {notes: {}}
";

#[test]
fn a_failed_hook_is_run_again_by_the_next_up() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, MIGRATED)?;
    let failed = |up: landfast_tests::lab::Output| {
        up.exits(1)?.says("after the start ended with status 4")?.says("no such table").map(drop)
    };
    failed(fleet.landfast(&["up", "--yes"])?)?;
    ensure!(running_container(alpha, "demo", "after").is_err(), "a service that depends on it was started");
    // A restart of the agent does not clear the failure.
    alpha.kill_agent()?;
    alpha.start_agent()?;
    fleet.landfast(&["plan"])?.exits(3)?.says("no such table")?;
    failed(fleet.landfast(&["up", "--yes"])?)?;
    ensure!(exec(alpha, "web", &["cat", "/notes/log"])?.lines().count() == 2, "the hook was not run again");

    exec(alpha, "web", &["touch", "/notes/table"])?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    running_container(alpha, "demo", "after")?;
    ensure!(plan(&fleet)?.is_empty(), "there is something left to do");
    Ok(())
}

const ANONYMOUS: &str = "
services:
  web: {image: 'landfast/small:1', volumes: ['/data']}
";

#[test]
fn an_anonymous_volume_survives_an_update_and_is_removed_with_the_stack() -> Result<()> {
    let lab = Lab::of(1)?;
    let (fleet, alpha) = fleet(&lab, ANONYMOUS)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    exec(alpha, "web", &["sh", "-c", "echo kept >/data/file"])?;
    // At the second update, the engine no longer manages the volume as an anonymous one.
    for (from, to) in [("small:1", "small:2"), ("small:2", "small:1")] {
        fleet.edit("demo/compose.yaml", from, to)?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        ensure!(exec(alpha, "web", &["cat", "/data/file"])? == "kept");
    }
    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    let left = alpha.api().get("/volumes")?["Volumes"].clone();
    let left = left.as_array().context("the answer has no list of volumes").map_or(0, Vec::len);
    ensure!(left == 0, "{left} volumes are left");
    Ok(())
}
