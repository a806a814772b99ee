//! `tests/bench.sh deploy`: duration of a deployment, compared with Compose over SSH and with bare API calls.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfast_tests::figures::{self, Figure};
use landfast_tests::lab::{Api, Fleet, Host, Lab, Output, compose, workspace};
use serde_json::{Value, json};

pub(crate) fn deploy(runs: usize) -> Result<()> {
    let mut all = eight_to_one(runs)?;
    all.extend(twenty_four_to_three(runs)?);
    let path = workspace().join("target/bench/deploy.json");
    figures::write(&path, &all)?;
    figures::print(&all);
    eprintln!("written to {}", path.display());
    Ok(())
}

/// Measures the figures `first 8` and `floor 8`.
fn eight_to_one(runs: usize) -> Result<Vec<Figure>> {
    let lab = Lab::of(1)?;
    let bench = Bench::new(&lab, 8)?;
    let alpha = lab.host("alpha")?;
    let (mut ours, mut theirs, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        eprintln!("8 services to one host, run {} of {runs}", run + 1);
        ours.push(bench.up()?);
        bench.down()?;
        theirs.push(bench.compose_up()?);
        bench.compose_down()?;
        floor.push(by_hand(&alpha.api(), &services_of(0, 8))?);
        remove_by_hand(&alpha.api())?;
    }
    let by_hand = "POST /networks/create, then 8 times POST /containers/create and /start, in parallel";
    Ok(vec![
        Figure::of("first 8", &ours, &theirs, "DOCKER_HOST=ssh://root@alpha docker-compose up -d", 0.7),
        Figure::of("floor 8", &ours, &floor, by_hand, 1.1),
    ])
}

/// Measures the figures `first 24` and `unchanged 24`.
fn twenty_four_to_three(runs: usize) -> Result<Vec<Figure>> {
    let lab = Lab::of(3)?;
    let bench = Bench::new(&lab, 24)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut ours_again, mut theirs_again) = (Vec::new(), Vec::new());
    for run in 0..runs {
        eprintln!("24 services to three hosts, run {} of {runs}", run + 1);
        ours.push(bench.up()?);
        ours_again.push(bench.up()?);
        bench.down()?;
        theirs.push(bench.compose_up()?);
        theirs_again.push(bench.compose_up()?);
        bench.compose_down()?;
    }
    let peer = "DOCKER_HOST=ssh://root@HOST docker-compose up -d, three hosts in parallel";
    Ok(vec![
        Figure::of("first 24", &ours, &theirs, peer, 0.7),
        Figure::of("unchanged 24", &ours_again, &theirs_again, peer, 0.15),
    ])
}

/// Name and address of a service.
type Service = (String, String);

fn services_of(host: usize, count: usize) -> Vec<Service> {
    (1..=count)
        .map(|number| host * count + number)
        .map(|n| (format!("small-{n:02}"), format!("172.19.1.{n}")))
        .collect()
}

/// The same services as a fleet of Landfast and as one Compose project per host.
struct Bench<'lab> {
    lab: &'lab Lab,
    fleet: Fleet<'lab>,
    /// Folder of the Compose project of each host.
    projects: Vec<(&'lab Host, PathBuf)>,
    /// Folder with an `ssh` that uses the lab's keys.
    bin: PathBuf,
}

impl<'lab> Bench<'lab> {
    fn new(lab: &'lab Lab, count: usize) -> Result<Self> {
        let fleet = lab.empty_fleet("bench")?;
        let hosts: Vec<&Host> = lab.hosts().collect();
        let each = count / hosts.len();
        let mut toml = String::from("[fleet]\nname = \"bench\"\n\n[networks.infra_net]\nsubnet = \"172.19.0.0/16\"\n");
        let mut place = String::from("\n[stacks.bench]\npath = \"bench\"\n\n[stacks.bench.place]\n");
        let mut all = Vec::new();
        let mut projects = Vec::new();
        for (number, host) in hosts.iter().enumerate() {
            toml += &format!("\n[hosts.{}]\naddress = \"{}\"\n", host.name(), host.address());
            let services = services_of(number, each);
            for (name, _) in &services {
                place += &format!("\"{name}\" = \"{}\"\n", host.name());
            }
            let project = lab.folder().join(format!("compose-{}", host.name()));
            std::fs::create_dir_all(&project)?;
            std::fs::write(project.join("compose.yaml"), compose_file(&services))?;
            projects.push((*host, project));
            all.extend(services);
        }
        fleet.write("landfast.toml", &(toml + &place))?;
        fleet.write("bench/compose.yaml", &compose_file(&all))?;
        fleet.join_all()?;
        let bin = ssh_wrapper(lab, hosts.first().context("the lab has no host")?.client_key())?;
        Ok(Self { lab, fleet, projects, bin })
    }

    fn up(&self) -> Result<Duration> {
        Ok(self.fleet.landfast(&["up", "--yes"])?.succeeds()?.took)
    }

    fn down(&self) -> Result<()> {
        self.fleet.landfast(&["down", "--yes"])?.succeeds()?;
        self.nothing_is_left()
    }

    fn compose_up(&self) -> Result<Duration> {
        self.compose(&["up", "-d"])
    }

    fn compose_down(&self) -> Result<()> {
        self.compose(&["down", "-t", "1"])?;
        self.nothing_is_left()
    }

    /// Runs one Compose per host, all in parallel, over the hosts' sshd.
    fn compose(&self, words: &[&str]) -> Result<Duration> {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .projects
                .iter()
                .map(|(host, project)| scope.spawn(|| self.compose_on(host, project, words)))
                .collect();
            running.into_iter().try_for_each(|thread| thread.join().expect("the thread does not panic"))
        })?;
        Ok(began.elapsed())
    }

    fn compose_on(&self, host: &Host, project: &Path, words: &[&str]) -> Result<()> {
        let mut command: Command = self.lab.lan().command(compose());
        command.env("DOCKER_HOST", format!("ssh://root@{}", host.address())).env("HOME", self.lab.folder());
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.bin.display()));
        command.current_dir(project).args(["--project-name", "peer"]).args(words);
        Output::of(&mut command)?.succeeds()?;
        Ok(())
    }

    fn nothing_is_left(&self) -> Result<()> {
        for host in self.lab.hosts() {
            let left = host.api().get("/containers/json?all=1")?;
            ensure!(left.as_array().is_some_and(Vec::is_empty), "{} still has containers: {left}", host.name());
            // A network of the fleet outlives its stacks, but the other two programs create their own.
            if has_network(&host.api())? {
                host.api().delete("/networks/infra_net")?;
            }
        }
        Ok(())
    }
}

fn compose_file(services: &[Service]) -> String {
    let mut text = String::from("services:\n");
    for (name, address) in services {
        text += &format!(
            "  {name}:\n    image: landfast/small:1\n    restart: unless-stopped\n    networks:\n      infra_net:\n        \
             ipv4_address: {address}\n"
        );
    }
    text + "networks:\n  infra_net:\n    name: infra_net\n    ipam:\n      config:\n        - subnet: 172.19.0.0/16\n"
}

/// Creates an `ssh` that uses the lab's settings instead of the user's.
fn ssh_wrapper(lab: &Lab, key: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let bin = lab.folder().join("bin");
    std::fs::create_dir_all(&bin)?;
    let known: String = lab.hosts().map(|host| format!("{}\n", host.known_hosts())).collect();
    let known_hosts = lab.folder().join("known_hosts");
    std::fs::write(&known_hosts, known)?;
    let ssh = bin.join("ssh");
    let (known_hosts, key) = (known_hosts.display(), key.display());
    let script =
        format!("#!/bin/sh\nexec /usr/bin/ssh -F /dev/null -i '{key}' -o UserKnownHostsFile='{known_hosts}' \"$@\"\n");
    std::fs::write(&ssh, script)?;
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755))?;
    Ok(bin)
}

/// Runs the services with as few API calls as possible, as fast as possible: a lower bound.
fn by_hand(api: &Api, services: &[Service]) -> Result<Duration> {
    let began = Instant::now();
    let network = json!({"Name": "infra_net", "IPAM": {"Config": [{"Subnet": "172.19.0.0/16"}]}});
    api.post("/networks/create", Some(&network))?;
    std::thread::scope(|scope| {
        let running: Vec<_> = services.iter().map(|service| scope.spawn(|| run_by_hand(api, service))).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("the thread does not panic"))
    })?;
    Ok(began.elapsed())
}

fn run_by_hand(api: &Api, (name, address): &Service) -> Result<()> {
    let container = json!({
        "Image": "landfast/small:1",
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}, "NetworkMode": "infra_net"},
        "NetworkingConfig": {"EndpointsConfig": {"infra_net": {"IPAMConfig": {"IPv4Address": address}, "Aliases": [name]}}},
    });
    api.post(&format!("/containers/create?name={name}"), Some(&container))?;
    api.post(&format!("/containers/{name}/start"), None)?;
    Ok(())
}

fn remove_by_hand(api: &Api) -> Result<()> {
    let listed = api.get("/containers/json?all=1")?;
    for container in listed.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().context("a container has no id")?;
        api.delete(&format!("/containers/{id}?force=true&v=true"))?;
    }
    api.delete("/networks/infra_net")?;
    Ok(())
}

fn has_network(api: &Api) -> Result<bool> {
    let networks: Value = api.get("/networks")?;
    Ok(networks.as_array().into_iter().flatten().any(|network| network["Name"] == "infra_net"))
}
