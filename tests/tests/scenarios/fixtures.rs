//! Shared by the scenarios: a small stack to break on purpose, and queries to a fleet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use landfast_tests::lab::{Fleet, Host, Lab, wait_for};
use serde_json::Value;

/// Time limit for any operation on a small machine under load.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Creates a fleet of all hosts of the lab with one stack, `demo`. `extra` is appended to its `landfast.toml`.
pub(crate) fn demo<'lab>(lab: &'lab Lab, compose: &str, extra: &str) -> Result<Fleet<'lab>> {
    let fleet = lab.empty_fleet("fleet")?;
    fleet.write("landfast.toml", &toml(lab, extra))?;
    fleet.write("demo/compose.yaml", compose)?;
    Ok(fleet)
}

/// Creates the fleet of [`demo`] with running agents.
pub(crate) fn running_demo<'lab>(lab: &'lab Lab, compose: &str, extra: &str) -> Result<Fleet<'lab>> {
    let fleet = demo(lab, compose, extra)?;
    fleet.install_agents()?;
    Ok(fleet)
}

/// Returns a `landfast.toml` with all hosts of the lab.
pub(crate) fn toml(lab: &Lab, extra: &str) -> String {
    toml_of(lab.hosts(), extra)
}

/// Returns a `landfast.toml` with these hosts.
pub(crate) fn toml_of<'a>(hosts: impl IntoIterator<Item = &'a Host>, extra: &str) -> String {
    let mut text = String::from(
        "[fleet]\nname = \"demo\"\n\n[networks.infra_net]\nsubnet = \"172.19.0.0/16\"\nauto = \"172.19.128.0/17\"\n\
         gateways = \"172.19.255.0/24\"\n",
    );
    for host in hosts {
        // Writing to a string cannot fail.
        write!(text, "\n[hosts.{}]\naddress = \"{}\"\n", host.name(), host.address()).ok();
    }
    text + "\n[stacks.demo]\npath = \"demo\"\n" + extra
}

/// Returns a service of the small image on infra_net. It is healthy as soon as it answers.
pub(crate) fn service(name: &str, tag: &str, more: &str) -> String {
    format!(
        "  {name}:\n    image: landfast/small:{tag}\n    networks: [infra_net]\n    healthcheck:\n      \
         test: [\"CMD\", \"wget\", \"-q\", \"-O\", \"/dev/null\", \"http://127.0.0.1:8080/\"]\n      interval: 500ms\n      \
         timeout: 2s\n      retries: 20\n{more}"
    )
}

/// Returns a compose file with these services.
pub(crate) fn compose(services: &[String]) -> String {
    format!("services:\n{}networks:\n  infra_net:\n    name: infra_net\n", services.concat())
}

/// Returns the output of `landfast status --format json`.
pub(crate) fn status(fleet: &Fleet<'_>) -> Result<Value> {
    fleet.landfast(&["status", "--format", "json"])?.succeeds()?.json()
}

/// Returns the container id of each instance: "6f2c…" for "demo/web.1".
pub(crate) fn ids(fleet: &Fleet<'_>) -> Result<BTreeMap<String, String>> {
    let status = status(fleet)?;
    let instances = status["instances"].as_array().context("the status has no instances")?;
    instances.iter().map(|instance| Ok((name_of(instance), text(instance, "container_id")?.to_owned()))).collect()
}

/// Returns the name of an instance, for example "infra/app-1.1".
pub(crate) fn name_of(instance: &Value) -> String {
    let index = &instance["instance"];
    let part = |key: &str| instance[key].as_str().unwrap_or("?").to_owned();
    // The field is the instance's name, or its number within the service.
    match index.as_str() {
        Some(name) if name.contains('/') => name.to_owned(),
        Some(name) => format!("{}/{name}", part("stack")),
        None => format!("{}/{}.{index}", part("stack"), part("service")),
    }
}

/// Returns a text field of a JSON object.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value[key].as_str().with_context(|| format!("no {key} in {value}"))
}

/// Returns the steps of `plan --format json`.
pub(crate) fn plan(fleet: &Fleet<'_>) -> Result<Vec<Value>> {
    let output = fleet.landfast(&["plan", "--format", "json"])?;
    let steps: Value = output.json()?;
    let steps = steps["steps"].as_array().cloned().context("the plan has no steps")?;
    let expected = if steps.is_empty() { 0 } else { 3 };
    output.exits(expected)?;
    Ok(steps)
}

/// Returns (id, state) of the containers of a service on a host, found by Compose's labels.
pub(crate) fn containers(host: &Host, stack: &str, service: &str) -> Result<Vec<(String, String)>> {
    let listed = host.api().get("/containers/json?all=1")?;
    let mut found = Vec::new();
    for container in listed.as_array().context("the answer is not a list of containers")? {
        let labels = &container["Labels"];
        if labels["com.docker.compose.project"] == stack && labels["com.docker.compose.service"] == service {
            found.push((text(container, "Id")?.to_owned(), text(container, "State")?.to_owned()));
        }
    }
    Ok(found)
}

/// Waits until a service has exactly one container on a host and it runs. Returns its id.
pub(crate) fn running_container(host: &Host, stack: &str, service: &str) -> Result<String> {
    wait_for(&format!("{stack}/{service} runs once on {}", host.name()), LONG, || {
        match containers(host, stack, service)?.as_slice() {
            [(id, state)] if state == "running" => Ok(Some(id.clone())),
            others => bail!("there is {others:?}"),
        }
    })
}
