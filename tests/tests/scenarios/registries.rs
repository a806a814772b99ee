//! Registries that require a login: Landfast reads it like the docker client and sends it only to the builder that
//! asks.

use std::time::Duration;

use anyhow::Result;
use landfast_tests::lab::{Fleet, Host, Lab, Output, wait_until};

use crate::fixtures::demo;

const REGISTRY: &str = "127.0.0.1:5000";
const PASSWORD: &str = "sesame-open-sesame";
/// User `anna` with that password, as bcrypt.
const USERS: &str = "anna:$2b$05$Da0Sf4EcsTuVZ2ztLm2hWOQRMyZjpA66JxatKuEvlr9kKpX95YX3W\n";
const SETTINGS: &str = "version: 0.1
storage: {filesystem: {rootdirectory: /run/registry}}
http: {addr: 127.0.0.1:5000}
auth: {htpasswd: {realm: lab, path: /run/registry-users}}
";

const COMPOSE: &str = r#"
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM 127.0.0.1:5000/team/base:1
        RUN echo made >/made.txt
"#;

/// A credential helper that answers for one registry and checks the request.
const HELPER: &str = r#"#!/bin/sh
read -r server
[ "$1 $server" = "get 127.0.0.1:5000" ] || { echo "asked for $*, $server"; exit 1; }
printf '{"ServerURL": "%s", "Username": "anna", "Secret": "%s"}' "$server" "$(cat "$DOCKER_CONFIG/kept")"
"#;

/// Builds on an old engine as the coordinator's own, and on a new engine through its agent.
#[test]
fn a_base_image_that_requires_a_login_is_pulled_with_a_credential_helper() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = demo(&lab, COMPOSE, "")?;
    fleet.install_agents()?;
    for (name, is_local) in [("alpha", true), ("gamma", false)] {
        let host = lab.host(name)?;
        serve_a_base_image(host)?;
        let build = |folder: &str| build(&fleet, is_local.then_some(host), folder);

        let refused = build("nobody")?.exits(1)?;
        assert!(refused.stderr.contains("auth"), "{name}: without a login it is refused: {refused}");
        let refused = build("locked")?.exits(1)?;
        for part in ["docker-credential-lab has no login for 127.0.0.1:5000: the store is locked", "compose.yaml:4:"] {
            assert!(refused.stderr.contains(part), "{name}: it says why, with {part}: {refused}");
        }
        let built = build("helper")?.succeeds()?;
        assert!(!built.to_string().contains(PASSWORD), "the password is in the output: {built}");
        let made = host.docker(&["run", "--rm", "--entrypoint", "cat", "demo-web", "/made.txt"])?.succeeds()?;
        assert_eq!(made.stdout, "made\n", "{name}");
    }
    Ok(())
}

/// Starts a registry with one image that requires a login, and removes the image from the engine.
fn serve_a_base_image(host: &Host) -> Result<()> {
    std::fs::write(host.path("/run/registry.yml"), SETTINGS)?;
    std::fs::write(host.path("/run/registry-users"), USERS)?;
    host.sh("setsid --fork docker-registry serve /run/registry.yml >/run/registry.log 2>&1 </dev/null")?;
    wait_until("the registry listens", Duration::from_secs(30), || {
        Ok(host.run(&["sh", "-c", "ss -Htln sport = :5000 | grep -q 5000"])?.code == 0)
    })?;
    let image = format!("{REGISTRY}/team/base:1");
    host.sh(&format!(
        "export DOCKER_CONFIG=/run/login; echo {PASSWORD} | docker login {REGISTRY} -u anna --password-stdin && \
         docker tag landfast/small:1 {image} && docker push {image} && docker image rm {image} && docker builder prune -af"
    ))?;
    Ok(())
}

/// Runs `landfast build` with one of three sources of a login: none, a helper that fails, or a helper that has it.
fn build(fleet: &Fleet<'_>, engine: Option<&Host>, way: &str) -> Result<Output> {
    let folder = fleet.path(&format!("../{way}"));
    std::fs::create_dir_all(&folder)?;
    let program = match way {
        "locked" => "#!/bin/sh\necho the store is locked\nexit 1\n",
        _ => HELPER,
    };
    let config = if way == "nobody" { "{}" } else { r#"{"credHelpers": {"127.0.0.1:5000": "lab"}}"# };
    for (name, text) in [("config.json", config), ("kept", PASSWORD), ("docker-credential-lab", program)] {
        std::fs::write(folder.join(name), text)?;
    }
    let program = folder.join("docker-credential-lab");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let folder = folder.display();
    let variables = [("DOCKER_CONFIG", folder.to_string()), ("PATH", format!("{folder}:/usr/bin:/bin"))];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fleet.landfast_in(engine, &variables, &["build"])
}
