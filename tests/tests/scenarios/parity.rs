//! The reference and Landfast make the same projects on the same engine. What `inspect` prints for the containers,
//! networks and volumes must be equal field by field, except for a short list of intended differences.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{EngineKind, Fleet, Host, Lab, Output, compose, workspace};
use landfast_tests::parity::{Difference, INTENDED, Made, Verdict, differences};
use serde_json::{Map, Value};

/// Folder of the projects on a host, for the reference.
const FOLDER: &str = "/srv/parity";

/// Project on the network of the fleet. For this project, the reference gets a network with the same settings.
const ON_THE_FLEET: &str = "fleet";
const NETWORK: &str = "infra_net";
const SUBNET: &str = "10.219.0.0/16";
/// First gateway of the fleet, because the fleet has one host.
const GATEWAY: &str = "10.219.255.1";

/// What both programs make of one project on one engine, in this order: theirs, ours.
struct Pair {
    project: String,
    made: Result<[Made; 2]>,
}

#[test]
fn landfast_makes_what_the_reference_makes() -> Result<()> {
    let lab = Lab::of(3)?;
    let pairs = std::thread::scope(|scope| {
        let lab = &lab;
        // One engine of each kind.
        let runs = ["alpha", "gamma"].map(|name| scope.spawn(move || both(lab, name)));
        runs.map(|run| run.join().expect("a run does not panic"))
    });
    let mut verdict = Verdict::default();
    let mut wrong = String::new();
    for pairs in pairs {
        for Pair { project, made } in pairs? {
            match made {
                Ok(made) => verdict.add(&project, compared(&lab, &project, &made)?, INTENDED),
                Err(error) => writeln!(wrong, "{project}: {error:#}")?,
            }
        }
    }
    report(&verdict, &mut wrong)?;
    ensure!(wrong.is_empty(), "Landfast does not make what the reference makes:\n{wrong}");
    Ok(())
}

/// Returns the differences, and writes both sides to the test's folder for inspection.
fn compared(lab: &Lab, project: &str, [theirs, ours]: &[Made; 2]) -> Result<Vec<Difference>> {
    let (theirs, ours) = (theirs.settled(), ours.settled());
    let name = project.replace(' ', "-");
    fs::write(lab.folder().join(format!("{name}.theirs.json")), format!("{theirs:#}"))?;
    fs::write(lab.folder().join(format!("{name}.ours.json")), format!("{ours:#}"))?;
    Ok(differences(&theirs, &ours))
}

/// Prints the intended differences. Adds to `wrong` the other differences, and the entries of the list without any.
fn report(verdict: &Verdict, wrong: &mut String) -> Result<()> {
    for (intended, count) in verdict.counts(INTENDED) {
        println!("{count:4}  {intended}");
        if count == 0 {
            writeln!(wrong, "no project has the intended difference: {intended}")?;
        }
    }
    for (project, difference) in &verdict.undocumented {
        writeln!(wrong, "{project}: {difference}")?;
    }
    Ok(())
}

/// Returns the names of the projects, sorted.
fn projects() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace().join("tests/parity"))? {
        names.push(entry?.file_name().into_string().ok().context("the name of a project is not UTF-8")?);
    }
    names.sort();
    Ok(names)
}

/// Returns the profiles of the parity projects that this engine supports.
fn profiles(host: &Host) -> &'static [&'static str] {
    match host.kind() {
        EngineKind::Debian => &["chosen"],
        EngineKind::Newer => &["chosen", "newer"],
    }
}

/// Makes all projects with both programs. The reference is first, because a host has the fleet's network once it joins.
fn both(lab: &Lab, host: &str) -> Result<Vec<Pair>> {
    let host = lab.host(host)?;
    prepare(host)?;
    let reference = |project: String| {
        let made = theirs(host, &project).context("the reference");
        (project, made)
    };
    let theirs: Vec<_> = projects()?.into_iter().map(reference).collect();
    let fleet = fleet(lab, host)?;
    fleet.landfast(&["init"])?.succeeds()?;
    fleet.install_agent(host)?;
    let pair = |(project, theirs): (String, Result<Made>)| {
        let ours = ours(&fleet, host, &project).context("Landfast");
        let made = theirs.and_then(|theirs| Ok([theirs, ours?]));
        Pair { project: format!("{project} on {}", host.name()), made }
    };
    Ok(theirs.into_iter().map(pair).collect())
}

/// Creates the external objects of the projects, and copies the projects to where the reference can bind them.
fn prepare(host: &Host) -> Result<()> {
    fs::create_dir_all(host.path("/usr/local/bin"))?;
    fs::copy(compose(), host.path("/usr/local/bin/docker-compose"))?;
    copy(&workspace().join("tests/parity"), &host.path(FOLDER))?;
    host.sh("mkdir -p /srv/parity-outside")?;
    host.docker(&["network", "create", "--subnet", "10.203.0.0/24", "parity-given"])?.succeeds()?;
    host.docker(&["volume", "create", "parity-given"])?.succeeds()?;
    let run = ["run", "--detach", "--name", "parity-given", "--volume", "parity-given:/given", "landfast/small:1"];
    host.docker(&run)?.succeeds()?;
    Ok(())
}

fn copy(from: &Path, to: &PathBuf) -> Result<()> {
    Output::of(Command::new("cp").args(["-a", "-T"]).arg(from).arg(to))?.succeeds()?;
    Ok(())
}

/// Creates a fleet of one host with every project as a stack.
fn fleet<'lab>(lab: &'lab Lab, host: &Host) -> Result<Fleet<'lab>> {
    let fleet = lab.empty_fleet(&format!("fleet-{}", host.name()))?;
    copy(&workspace().join("tests/parity"), &fleet.path("."))?;
    let mut toml = format!(
        "[fleet]\nname = \"parity\"\n\n[networks.{NETWORK}]\nsubnet = \"{SUBNET}\"\nauto = \"10.219.128.0/17\"\n\
         gateways = \"10.219.255.0/24\"\n\n[hosts.{}]\naddress = \"{}\"\n",
        host.name(),
        host.address()
    );
    for project in projects()? {
        write!(toml, "\n[stacks.{project}]\npath = \"{project}\"\nprofiles = {:?}\n", profiles(host))?;
    }
    fleet.write("landfast.toml", &toml)?;
    Ok(fleet)
}

fn theirs(host: &Host, project: &str) -> Result<Made> {
    let folder = format!("{FOLDER}/{project}");
    let compose = |words: &[&str]| {
        let mut command = host.command("docker-compose");
        command.args(["--project-directory", &folder, "--project-name", project]);
        command.args(profiles(host).iter().flat_map(|profile| ["--profile", profile]));
        Output::of(command.args(words))
    };
    if project == ON_THE_FLEET {
        host.docker(&["network", "create", "--attachable", "--subnet", SUBNET, "--gateway", GATEWAY, NETWORK])?
            .succeeds()?;
    }
    let up = compose(&["up", "--detach"])?.succeeds();
    let made = up.and_then(|_| made(host, project, folder.clone()));
    compose(&["down", "--volumes", "--timeout", "1"])?.succeeds()?;
    if project == ON_THE_FLEET {
        host.docker(&["network", "rm", NETWORK])?.succeeds()?;
    }
    made
}

fn ours(fleet: &Fleet<'_>, host: &Host, project: &str) -> Result<Made> {
    let up = fleet.landfast(&["up", "--yes", project])?.succeeds();
    let made = up.and_then(|_| made(host, project, format!("/var/lib/landfast/stacks/{project}/live")));
    fleet.landfast(&["down", "--volumes", "--yes", project])?.succeeds()?;
    made
}

/// Returns the engine's descriptions of everything that has the project's label.
fn made(host: &Host, project: &str, folder: String) -> Result<Made> {
    let filter = format!("%7B%22label%22%3A%5B%22com.docker.compose.project%3D{project}%22%5D%7D");
    let api = host.api();
    let mut made = Made { folder, ..Made::default() };
    for container in list(&api.get(&format!("/containers/json?all=1&filters={filter}"))?)? {
        let labels = &container["Labels"];
        let part = |key: &str| labels[format!("com.docker.compose.{key}")].as_str().unwrap_or("?").to_owned();
        let id = container["Id"].as_str().context("a container has no id")?;
        let mut inspected = api.get(&format!("/containers/{id}/json"))?;
        // A project can look inside the container for what no description shows.
        if let Some(look) = labels["parity.look"].as_str() {
            inspected["Looked"] = host.exec(id, &["sh", "-c", look])?.succeeds()?.stdout.into();
        }
        made.containers.insert(format!("{}.{}", part("service"), part("container-number")), inspected);
    }
    // Include networks that existed before, because each side may have had its own.
    let mut on = list(&api.get(&format!("/networks?filters={filter}"))?)?.to_vec();
    let ends = made.containers.values().filter_map(|container| container["NetworkSettings"]["Networks"].as_object());
    let names = ends.flat_map(Map::keys).filter(|name| !matches!(name.as_str(), "bridge" | "host" | "none"));
    on.extend(names.map(|name| serde_json::json!({"Name": name})));
    let named = |objects: &Value, kind: &str| -> Result<Map<String, Value>> {
        let mut found = Map::new();
        for object in list(objects)? {
            let name = object["Name"].as_str().context("an object has no name")?;
            if !found.contains_key(name) {
                found.insert(name.to_owned(), api.get(&format!("/{kind}/{name}"))?);
            }
        }
        Ok(found)
    };
    made.networks = named(&on.into(), "networks")?;
    made.volumes = named(&api.get(&format!("/volumes?filters={filter}"))?["Volumes"], "volumes")?;
    Ok(made)
}

fn list(value: &Value) -> Result<&[Value]> {
    if value.is_null() {
        return Ok(&[]);
    }
    Ok(value.as_array().context("the answer is not a list")?)
}
