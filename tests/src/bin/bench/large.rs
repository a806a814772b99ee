//! Generates a project larger than real ones: 300 services with templates, anchors, includes and variables.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

const PARTS: usize = 6;
const SERVICES_A_PART: usize = 50;

/// Number of services in the project.
pub(crate) const SERVICES: usize = PARTS * SERVICES_A_PART;

/// Templates that extend each other. Every service extends one of them.
const TEMPLATES: &str = "\
services:
  base:
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: [\"no-new-privileges:true\"]
    logging: {driver: json-file, options: {max-size: 5m, max-file: \"2\"}}
    environment: {TZ: \"${TZ:-UTC}\", LEVEL: \"${LEVEL:-info}\"}
    deploy: {resources: {limits: {cpus: \"0.50\", memory: 256M}, reservations: {memory: 64M}}}
  web:
    extends: base
    image: registry.example/web:${TAG:-1}
    tmpfs: [/tmp]
    healthcheck: {test: [CMD, wget, -qO-, \"http://127.0.0.1:8080/\"], interval: 10s, timeout: 2s, retries: 5}
  worker:
    extends: base
    image: registry.example/worker:${TAG:-1}
    init: true
    stop_grace_period: 1m30s
";

/// Writes the project into a folder.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut main = String::from("name: large\ninclude:\n");
    for part in 0..PARTS {
        writeln!(main, "  - part-{part}/compose.yaml")?;
        let inside = folder.join(format!("part-{part}"));
        fs::create_dir_all(&inside)?;
        fs::write(inside.join(".env"), format!("TAG=1.{part}\nPART={part}\n"))?;
        fs::write(inside.join("compose.yaml"), part_of(part)?)?;
        fs::write(inside.join("common.env"), "A=1\nB=\"two ${A}\"\nC=${PART:-none}\n")?;
    }
    fs::write(folder.join("compose.yaml"), main)?;
    fs::write(folder.join("templates.yaml"), TEMPLATES)?;
    Ok(())
}

fn part_of(part: usize) -> Result<String> {
    let mut text = String::from(
        "x-labels: &labels {team: core, part: \"${PART}\"}\nx-variables: &variables {X: 1, Y: \"${PART}-y\"}\n",
    );
    text += "services:\n";
    for number in 0..SERVICES_A_PART {
        let name = format!("s-{part}-{number}");
        let (template, port) = (["web", "worker"][number % 2], 10_000 + part * 1_000 + number);
        writeln!(
            text,
            "  {name}:\n    extends: {{file: ../templates.yaml, service: {template}}}\n    hostname: {name}"
        )?;
        writeln!(
            text,
            "    labels: {{<<: *labels, number: \"{number}\"}}\n    environment: {{<<: *variables, NAME: {name}}}"
        )?;
        writeln!(
            text,
            "    env_file: [common.env]\n    ports: [\"127.0.0.1:{port}:8080\"]\n    networks: [front, back]"
        )?;
        writeln!(text, "    volumes: [\"./conf/{name}:/conf:ro\", \"data-{part}:/data\"]")?;
        if number > 0 {
            writeln!(text, "    depends_on: {{s-{part}-{}: {{condition: service_started}}}}", number - 1)?;
        }
    }
    writeln!(text, "networks: {{front: {{}}, back: {{internal: true}}}}\nvolumes: {{data-{part}: {{}}}}")?;
    Ok(text)
}
