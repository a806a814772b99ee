//! The main scenario: `tests/fleets/infra` on three hosts, joined over their sshd, from the first deployment to
//! removal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, compose, wait_for, wait_until};
use serde_json::Value;

use crate::fixtures::{LONG, ids, name_of, plan, running_container, status, text};

/// Address and port of each server. All addresses are static.
const LISTENERS: [(&str, u16); 10] = [
    ("172.19.0.13", 8080),
    ("172.19.0.20", 5432),
    ("172.19.0.21", 6379),
    ("172.19.0.30", 9090),
    ("172.19.0.50", 2379),
    ("172.19.0.51", 2379),
    ("172.19.0.52", 2379),
    ("172.19.0.61", 8080),
    ("172.19.0.62", 8080),
    ("172.19.0.63", 8080),
];

#[test]
fn infra_runs_on_three_hosts_from_joining_to_removal() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = lab.fleet("infra")?;
    fleet.join_all()?;
    // Only alpha has this image, so the other hosts get it without a registry.
    lab.host("beta")?.remove_image("landfast/app:2")?;
    lab.host("gamma")?.remove_image("landfast/app:2")?;

    let up = fleet.landfast(&["up", "--yes"])?.succeeds()?;
    println!("infra was deployed to three hosts in {:.1?}", up.took);
    everything_is_healthy(&fleet)?;
    compose_shows_the_containers(&lab)?;
    every_address_answers_from_every_host(&lab)?;
    names_resolve_on_every_host(&lab)?;
    etcd_has_quorum_across_the_hosts(&lab)?;
    rows_arrive(&lab)?;
    prometheus_sees_every_target_up(&lab)?;
    an_edited_file_recreates_one_instance(&fleet)?;
    a_second_up_changes_nothing(&fleet)?;
    a_new_image_rolls_over_three_hosts(&lab, &fleet)?;
    a_rollback_returns_to_the_previous_release(&lab, &fleet)?;
    down_leaves_data(&lab, &fleet)?;
    down_v_names_what_it_deletes_and_asks(&lab, &fleet)
}

/// Returns a host and the container of a service on it.
fn container<'lab>(lab: &'lab Lab, host: &str, service: &str) -> Result<(&'lab Host, String)> {
    let host = lab.host(host)?;
    Ok((host, running_container(host, "infra", service)?))
}

fn exec(lab: &Lab, host: &str, service: &str, words: &[&str]) -> Result<String> {
    let (host, id) = container(lab, host, service)?;
    Ok(host.exec(&id, words)?.succeeds()?.text().to_owned())
}

fn everything_is_healthy(fleet: &Fleet<'_>) -> Result<()> {
    wait_until("every instance is healthy", LONG, || {
        let status = status(fleet)?;
        let instances = status["instances"].as_array().context("the status has no instances")?;
        for instance in instances {
            let job = instance["service"] == "secrets-check";
            let good = if job { instance["state"] == "exited" } else { instance["health"] == "healthy" };
            ensure!(good, "{} is {} {}", name_of(instance), instance["state"], instance["health"]);
        }
        Ok(instances.len() == 11)
    })
}

/// Checks that Compose on each host lists the host's containers.
fn compose_shows_the_containers(lab: &Lab) -> Result<()> {
    for host in lab.hosts() {
        let mut ps = Command::new(compose());
        ps.env("DOCKER_HOST", format!("unix://{}", host.socket().display())).current_dir(lab.folder());
        let listed = Output::of(ps.args(["--project-name", "infra", "ps", "--quiet", "--no-trunc"]))?.succeeds()?;
        let all = host.docker(&["ps", "--quiet", "--no-trunc"])?.succeeds()?;
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(listed.text()), sorted(all.text()), "{}", host.name());
    }
    Ok(())
}

/// Returns one container per host that sends requests, so that they take the path of container traffic.
fn askers(lab: &Lab) -> Result<Vec<(&Host, String)>> {
    [("alpha", "etcd-1"), ("beta", "etcd-2"), ("gamma", "etcd-3")]
        .into_iter()
        .map(|(host, service)| container(lab, host, service))
        .collect()
}

fn every_address_answers_from_every_host(lab: &Lab) -> Result<()> {
    for (host, asker) in askers(lab)? {
        for (address, port) in LISTENERS {
            // A TCP connection that is closed at once.
            let script = format!("nc -w 3 {address} {port} </dev/null");
            wait_until(&format!("{address}:{port} answers on {}", host.name()), Duration::from_secs(20), || {
                Ok(host.exec(&asker, &["sh", "-c", &script])?.code == 0)
            })?;
        }
    }
    Ok(())
}

fn names_resolve_on_every_host(lab: &Lab) -> Result<()> {
    for (host, asker) in askers(lab)? {
        for (name, address) in [("postgres", "172.19.0.20"), ("gateway", "172.19.0.13"), ("app-3", "172.19.0.63")] {
            let found =
                host.exec(&asker, &["sh", "-c", &format!("nslookup {name} | tail -n +3; grep -w {name} /etc/hosts")])?;
            ensure!(found.stdout.contains(address), "{name} is not {address} on {}: {found}", host.name());
        }
    }
    Ok(())
}

fn etcd_has_quorum_across_the_hosts(lab: &Lab) -> Result<()> {
    exec(lab, "alpha", "etcd-1", &["etcdctl", "--endpoints=http://127.0.0.1:2379", "put", "from", "alpha"])?;
    let read = exec(lab, "gamma", "etcd-3", &["etcdctl", "get", "from", "--print-value-only"])?;
    assert_eq!(read, "alpha");
    let members = exec(lab, "beta", "etcd-2", &["etcdctl", "member", "list"])?;
    assert_eq!(members.lines().filter(|line| line.contains("started")).count(), 3, "{members}");
    Ok(())
}

/// Returns the numbers of the application's /count page, requested through the gateway.
fn counts(lab: &Lab) -> Result<BTreeMap<String, u64>> {
    let page = exec(lab, "alpha", "haproxy", &["wget", "-q", "-O", "-", "http://172.19.0.13:8080/count"])?;
    page.lines()
        .map(|line| {
            let (key, value) = line.split_once(' ').context("a line is not a key and a number")?;
            Ok((key.to_owned(), value.parse()?))
        })
        .collect()
}

fn rows_arrive(lab: &Lab) -> Result<()> {
    let before = counts(lab)?;
    wait_until("rows arrive in PostgreSQL and Redis", Duration::from_secs(30), || {
        let now = counts(lab)?;
        Ok(now["rows"] > before["rows"] + 3 && now["redis"] > before["redis"] + 3)
    })
}

fn prometheus_sees_every_target_up(lab: &Lab) -> Result<()> {
    wait_until("Prometheus sees every target up", Duration::from_secs(60), || {
        let url = "http://127.0.0.1:9090/api/v1/targets?state=active";
        let answer: Value = serde_json::from_str(&exec(lab, "gamma", "prometheus", &["wget", "-q", "-O", "-", url])?)?;
        let targets = answer["data"]["activeTargets"].as_array().context("the answer has no list of targets")?;
        for target in targets {
            ensure!(
                target["health"] == "up",
                "{} is {}: {}",
                target["scrapeUrl"],
                target["health"],
                target["lastError"]
            );
        }
        Ok(targets.len() == 8)
    })
}

/// Returns the instances whose id differs.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    after.iter().filter(|(name, id)| before.get(*name) != Some(id)).map(|(name, _)| name.clone()).collect()
}

fn an_edited_file_recreates_one_instance(fleet: &Fleet<'_>) -> Result<()> {
    let before = ids(fleet)?;
    fleet.edit("infra/04-data/redis.conf", "maxmemory 64mb", "maxmemory 48mb")?;
    let steps = plan(fleet)?;
    let touched: Vec<String> = steps
        .iter()
        .filter(|step| step["service"].as_str().is_some_and(|name| !name.is_empty()))
        .map(name_of)
        .collect();
    ensure!(
        !touched.is_empty() && touched.iter().all(|name| name == "infra/redis.1"),
        "the plan touches {touched:?}: {steps:#?}"
    );
    let reasons = steps.iter().map(|step| step["reasons"].to_string()).collect::<String>();
    ensure!(reasons.contains("04-data/redis.conf"), "the reason does not name the file: {reasons}");

    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(changed(&before, &ids(fleet)?), ["infra/redis.1"]);
    everything_is_healthy(fleet)
}

fn a_second_up_changes_nothing(fleet: &Fleet<'_>) -> Result<()> {
    let before = ids(fleet)?;
    assert_eq!(plan(fleet)?, Vec::<Value>::new());
    let up = fleet.landfast(&["up", "--yes"])?.succeeds()?;
    println!("a second up of infra took {:.2?}", up.took);
    assert_eq!(changed(&before, &ids(fleet)?), Vec::<String>::new());
    Ok(())
}

fn a_new_image_rolls_over_three_hosts(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let before = ids(fleet)?;
    let client = Client::start(lab, "http://10.77.0.11:8080/")?;
    fleet.edit("infra/.env.dev", "APP_VERSION=1", "APP_VERSION=2")?;
    let up = fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let answers = client.stop()?;
    println!("a new image rolled over three hosts in {:.1?}: {answers}", up.took);
    assert_eq!(changed(&before, &ids(fleet)?), ["infra/app-1.1", "infra/app-2.1", "infra/app-3.1"]);
    everything_is_healthy(fleet)?;
    ensure!(answers.ones > 0 && answers.twos > 0, "the client saw {answers}");
    // The gateway retries with another instance when one does not answer.
    ensure!(answers.failed * 100 <= answers.asked(), "more than one in a hundred requests failed: {answers}");
    rows_arrive(lab)
}

fn a_rollback_returns_to_the_previous_release(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    fleet.landfast(&["rollback", "infra", "--yes"])?.succeeds()?;
    everything_is_healthy(fleet)?;
    let version = exec(lab, "beta", "app-2", &["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"])?;
    assert_eq!(version, "1");
    fleet.edit("infra/.env.dev", "APP_VERSION=2", "APP_VERSION=1")?;
    assert_eq!(plan(fleet)?, Vec::<Value>::new());
    Ok(())
}

fn volumes(host: &Host) -> Result<String> {
    Ok(host.docker(&["volume", "ls", "-q"])?.succeeds()?.text().to_owned())
}

fn down_leaves_data(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let rows = counts(lab)?["rows"];
    let kept: Vec<String> = lab.hosts().map(volumes).collect::<Result<_>>()?;
    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    for (host, volumes_before) in lab.hosts().zip(&kept) {
        assert_eq!(host.docker(&["ps", "-aq"])?.text(), "", "{} still has containers", host.name());
        assert_eq!(&volumes(host)?, volumes_before, "{}", host.name());
    }
    let redis = lab.host("gamma")?.path("/var/lib/landfast/stacks/infra/live/data/redis");
    ensure!(fs::read_dir(&redis)?.next().is_some(), "Redis' data is gone from {}", redis.display());

    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    everything_is_healthy(fleet)?;
    ensure!(counts(lab)?["rows"] >= rows, "rows were lost over down and up");
    Ok(())
}

fn down_v_names_what_it_deletes_and_asks(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    // Without a terminal to ask for consent, the command is refused.
    fleet.landfast(&["down", "-v"])?.exits(2)?;
    let asked = fleet.landfast_on_a_terminal(&["down", "-v"], "n\n")?;
    for volume in ["postgres", "etcd-1", "etcd-2", "etcd-3"] {
        ensure!(asked.stdout.contains(volume), "it should name {volume}: {asked}");
    }
    ensure!(asked.code != 0, "it should not succeed: {asked}");
    everything_is_healthy(fleet)?;

    fleet.landfast(&["down", "-v", "--yes"])?.succeeds()?;
    for host in lab.hosts() {
        assert_eq!(host.docker(&["ps", "-aq"])?.text(), "", "{} still has containers", host.name());
        assert_eq!(volumes(host)?, "", "{} still has volumes", host.name());
    }
    Ok(())
}

/// A client on the LAN that requests one page repeatedly.
struct Client {
    child: Child,
    stop: std::path::PathBuf,
    log: std::path::PathBuf,
}

/// Numbers of the client's answers, by version.
#[derive(Debug)]
struct Answers {
    ones: usize,
    twos: usize,
    failed: usize,
}

impl Answers {
    fn asked(&self) -> usize {
        self.ones + self.twos + self.failed
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ones, twos, failed } = self;
        write!(
            out,
            "{} requests, {ones} answered by the old version, {twos} by the new one, {failed} failed",
            self.asked()
        )
    }
}

impl Client {
    fn start(lab: &Lab, url: &str) -> Result<Self> {
        let (stop, log) = (lab.folder().join("client.stop"), lab.folder().join("client.log"));
        let script = format!(
            "while [ ! -e '{}' ]; do curl -s --max-time 5 --fail '{url}' || echo failed; done > '{}'",
            stop.display(),
            log.display()
        );
        let mut command: Command = lab.lan().command("sh");
        let child = command.args(["-c", &script]).stdin(Stdio::null()).spawn()?;
        let client = Self { child, stop, log };
        wait_for("the client has its first answer", Duration::from_secs(20), || {
            Ok(fs::read_to_string(&client.log)?.contains('1').then_some(()))
        })?;
        Ok(client)
    }

    fn stop(mut self) -> Result<Answers> {
        fs::write(&self.stop, "")?;
        self.child.wait()?;
        let log = fs::read_to_string(&self.log)?;
        let count = |what: &str| log.lines().filter(|line| *line == what).count();
        Ok(Answers { ones: count("1"), twos: count("2"), failed: count("failed") })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn status_has_the_documented_fields() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = lab.fleet("infra")?;
    fleet.install_agents()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let status = status(&fleet)?;
    assert_eq!(status["fleet"], "lab");
    for host in status["hosts"].as_array().context("the status has no hosts")? {
        for key in ["name", "address", "state", "agent_version", "engine_version"] {
            text(host, key)?;
        }
        ensure!(host["age_ms"].is_number(), "no age_ms in {host}");
    }
    let instances = status["instances"].as_array().context("the status has no instances")?;
    for instance in instances {
        for key in ["stack", "service", "host", "container_id", "state", "image"] {
            text(instance, key)?;
        }
        ensure!(instance["release"].is_number(), "no release in {instance}");
    }
    let postgres = instances.iter().find(|one| one["service"] == "postgres").context("the status has no postgres")?;
    assert_eq!(text(postgres, "address")?.parse::<Ipv4Addr>()?, Ipv4Addr::new(172, 19, 0, 20));
    assert_eq!(postgres["host"], "beta");
    Ok(())
}
