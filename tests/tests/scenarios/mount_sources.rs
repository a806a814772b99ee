//! Mounts of containers, on a host of each engine: every kind of source, existing or not, in every notation.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab};

use crate::fixtures::{running_container, toml_of};

/// Folder of the sources on the host.
const HOST: &str = "/run/sources";
/// Live tree of the stack.
const TREE: &str = "/var/lib/landfast/stacks/demo/live";

/// A mount in one notation of a compose file.
type Form = (&'static str, fn(&str, &str) -> String);

const FORMS: [Form; 4] = [
    ("short", |source, target| format!("      - {source}:{target}:ro\n")),
    ("long", |source, target| long(source, target, "")),
    ("create: true", |source, target| long(source, target, ", bind: {create_host_path: true}")),
    ("create: false", |source, target| long(source, target, ", bind: {create_host_path: false}")),
];

fn long(source: &str, target: &str, more: &str) -> String {
    format!("      - {{type: bind, source: {source}, target: {target}, read_only: true{more}}}\n")
}

/// Creates a source of every kind in a folder of a host.
fn create_sources(host: &Host, folder: &str) -> Result<()> {
    host.sh(&format!(
        "mkdir -p {folder}/folder; cd {folder}; echo text >file; mknod device c 1 3; ln -s file to-file; ln -s socket to-socket; \
         ln -s device to-device; ln -s folder to-folder; ln -s nothing dangling; \
         python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{folder}/socket\")'"
    ))?;
    Ok(())
}

/// Creates a fleet of one host of the lab with an idle service.
fn fleet_on<'lab>(lab: &'lab Lab, host: &str) -> Result<Fleet<'lab>> {
    let fleet = lab.empty_fleet(&format!("on-{host}"))?;
    fleet.write("landfast.toml", &toml_of([lab.host(host)?], ""))?;
    fleet.write("demo/readme", "may be read by anybody\n")?;
    fleet.write("demo/compose.yaml", &still("still", ""))?;
    fleet.landfast(&["init"])?.succeeds()?;
    fleet.install_agent(lab.host(host)?)?;
    Ok(fleet)
}

fn still(name: &str, more: &str) -> String {
    format!(
        "services:\n  {name}:\n    image: landfast/small:1\n    entrypoint: [sleep, \"100000\"]\n    init: true\n{more}"
    )
}

/// A script that prints the kind of everything that is mounted in /m, as the container sees it.
const KIND: &str = "for path in /m/*; do if [ -S $path ]; then kind=socket; elif [ -c $path ]; then kind=device; \
                    elif [ -d $path ]; then kind=folder; elif [ -f $path ]; then kind=file; else kind=nothing; fi; \
                    echo ${path#/m/} $kind; done";

/// Existing sources, each with the kind that a container finds.
const THERE: [(&str, &str); 8] = [
    ("file", "file"),
    ("folder", "folder"),
    ("socket", "socket"),
    ("device", "device"),
    ("to-file", "file"),
    ("to-socket", "socket"),
    ("to-device", "device"),
    ("to-folder", "folder"),
];

/// Sources that are created because they are missing.
const MADE: [&str; 2] = ["missing", "missing-parents/of/this"];

/// Returns all mounts that must work: (name in the container, line of the table, kind, lines of the compose file).
fn good() -> Vec<(String, String, &'static str, String)> {
    let mut mounts = Vec::new();
    for (place, prefix) in [("host", format!("{HOST}/")), ("stack", "./data/".to_owned())] {
        for (at, (form, write)) in FORMS.into_iter().enumerate() {
            let made = MADE.iter().filter(|_| form != "create: false").map(|name| (*name, "folder"));
            for (source, kind) in THERE.into_iter().chain(made) {
                // Each notation creates its own folders.
                let fresh =
                    if kind == "folder" && source.starts_with("missing") { format!("{at}-") } else { String::new() };
                let name = format!("{place}-{at}-{}", source.replace('/', "-"));
                let text = write(&format!("{prefix}{fresh}{source}"), &format!("/m/{name}"));
                mounts.push((name, format!("{place:6}{source:26}{form:15}"), kind, text));
            }
        }
    }
    mounts
}

#[test]
fn every_kind_of_source_is_mounted_as_it_is_on_both_engines() -> Result<()> {
    let lab = Lab::of(3)?;
    for name in ["alpha", "gamma"] {
        let host = lab.host(name)?;
        let fleet = fleet_on(&lab, name)?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        for folder in [HOST.to_owned(), format!("{TREE}/data")] {
            create_sources(host, &folder)?;
        }
        let mounts = good();
        let lines: String = mounts.iter().map(|(.., text)| text.as_str()).collect();
        fleet.write("demo/compose.yaml", &still("still", &format!("    volumes:\n      - .:/app\n{lines}")))?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        let container = running_container(host, "demo", "still")?;
        let seen = host.exec(&container, &["sh", "-c", KIND])?.succeeds()?;
        let mut table = format!("{name}: where, source, form, found\n");
        let mut wrong = 0;
        for (mount, line, kind, _) in &mounts {
            let found =
                seen.stdout.lines().find_map(|line| line.strip_prefix(&format!("{mount} "))).unwrap_or("nothing");
            wrong += usize::from(found != *kind);
            writeln!(table, "  {line}{found}{}", if found == *kind { "" } else { " WRONG" })?;
        }
        println!("{table}");
        ensure!(wrong == 0, "{table}");
        created_folders_have_the_modes_of_compose(host)?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?.says("nothing to do")?;
        fleet.landfast(&["down", "--yes"])?.succeeds()?;
        host.sh(&format!("rm -rf {HOST}"))?;
        host.kill_agent()?;
    }
    Ok(())
}

/// Checks the created folders and their parents. The umask of the agent has no effect on them.
fn created_folders_have_the_modes_of_compose(host: &Host) -> Result<()> {
    for folder in [HOST.to_owned(), format!("{TREE}/data")] {
        for made in ["0-missing", "0-missing-parents", "0-missing-parents/of", "0-missing-parents/of/this"] {
            let mode = host.sh(&format!("stat -c %a {folder}/{made}"))?;
            ensure!(mode.text() == "755", "{folder}/{made} has the mode {}", mode.text());
        }
    }
    Ok(())
}

#[test]
fn a_containers_user_may_read_the_stacks_folder() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = fleet_on(&lab, "alpha")?;
    fleet.write("demo/compose.yaml", &still("still", "    user: \"1000:1000\"\n    volumes: [\".:/app\"]\n"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let alpha = lab.host("alpha")?;
    let container = running_container(alpha, "demo", "still")?;
    alpha.exec(&container, &["cat", "/app/readme"])?.succeeds()?.says("may be read by anybody")?;
    Ok(())
}

#[test]
fn plan_reports_all_impossible_mounts_at_once_and_creates_nothing() -> Result<()> {
    let lab = Lab::of(3)?;
    for name in ["alpha", "gamma"] {
        let host = lab.host(name)?;
        let fleet = fleet_on(&lab, name)?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        for folder in [HOST.to_owned(), format!("{TREE}/data")] {
            create_sources(host, &folder)?;
        }
        host.sh(&format!("mkdir {HOST}/ro && mount -t tmpfs -o ro none {HOST}/ro"))?;
        let before = running_container(host, "demo", "still")?;
        let mut lines = String::new();
        for (at, (form, write)) in FORMS.into_iter().enumerate() {
            for (source, prefix) in [("host", format!("{HOST}/")), ("stack", "./data/".to_owned())] {
                for bad in ["dangling", "file/beneath"] {
                    lines += &write(&format!("{prefix}{bad}"), &format!("/m/{source}-{at}-{}", bad.replace('/', "-")));
                }
                if form == "create: false" {
                    lines += &write(&format!("{prefix}nowhere"), &format!("/m/{source}-{at}-nowhere"));
                }
            }
            lines += &write(&format!("{HOST}/ro/folder"), &format!("/m/ro-{at}"));
        }
        let volumes = "volumes:\n  bound:\n    driver_opts: {type: none, o: bind, device: /run/sources/no-device}\n";
        let more = format!("    volumes:\n      - bound:/bound\n{lines}{volumes}");
        fleet.write("demo/compose.yaml", &still("still", &more))?;
        let refused = fleet.landfast(&["plan"])?.exits(1)?;
        for expected in [
            format!("{name}: {HOST}/dangling is a link to nothing, which is missing"),
            format!("{name}: {HOST}/file/beneath cannot be created: {HOST}/file is not a folder"),
            format!("{name}: {HOST}/nowhere does not exist, and nothing creates it"),
            format!("{name}: {HOST}/ro/folder cannot be created: its file system is read-only"),
            format!(
                "{name}: {HOST}/no-device does not exist, and nothing creates it: demo/still.1 mounts the volume demo_bound"
            ),
            format!("{name}: {TREE}/data/dangling is a link to nothing, which is missing"),
            format!("{name}: {TREE}/data/file/beneath cannot be created: {TREE}/data/file is not a folder"),
            format!(
                "{name}: ./data/nowhere is not on the host, and is missing or ignored in the folder of the stack demo"
            ),
        ] {
            ensure!(refused.stderr.contains(&expected), "it should say {expected:?}: {refused}");
        }
        fleet.landfast(&["up", "--yes"])?.exits(1)?;
        ensure!(running_container(host, "demo", "still")? == before, "the container was touched");
        host.sh(&format!("umount {HOST}/ro && rm -rf {HOST}"))?;
        host.kill_agent()?;
    }
    Ok(())
}

#[test]
fn a_file_that_was_missing_at_first_can_be_added_later() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = fleet_on(&lab, "alpha")?;
    let alpha = lab.host("alpha")?;
    let mounts = "    volumes:\n      - ./conf/late.conf:/late.conf\n      - ./filled:/filled\n";
    fleet.write("demo/compose.yaml", &still("still", mounts))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let first = running_container(alpha, "demo", "still")?;
    alpha.exec(&first, &["sh", "-c", "[ -d /late.conf ] && echo rows >/filled/rows"])?.succeeds()?;
    fleet.write("demo/conf/late.conf", "here now\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let second = running_container(alpha, "demo", "still")?;
    ensure!(first != second, "the container was not recreated");
    alpha.exec(&second, &["cat", "/late.conf"])?.succeeds()?.says("here now")?;
    // A folder that has contents is kept.
    fleet.write("demo/filled", "a file now\n")?;
    fleet.landfast(&["up", "--yes"])?.exits(1)?.says("filled is a folder that holds other files")?;
    alpha.exec(&second, &["cat", "/filled/rows"])?.succeeds()?.says("rows")?;
    Ok(())
}

#[test]
fn the_engines_socket_is_mounted_read_only() -> Result<()> {
    let lab = Lab::of(3)?;
    for name in ["alpha", "gamma"] {
        let host = lab.host(name)?;
        let fleet = fleet_on(&lab, name)?;
        fleet.write(
            "demo/compose.yaml",
            &still("still", "    volumes: [\"/run/docker.sock:/var/run/docker.sock:ro\"]\n"),
        )?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        let container = running_container(host, "demo", "still")?;
        host.exec(&container, &["sh", "-c", "[ -S /var/run/docker.sock ]"])?.succeeds()?;
        fleet.landfast(&["down", "--yes"])?.succeeds()?;
        host.kill_agent()?;
    }
    Ok(())
}
