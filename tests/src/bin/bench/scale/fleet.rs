//! Generates a fleet: hosts on loopback addresses, one stack of 20 services for each host, and credentials.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use landfast_agreement::ports;
use landfast_certs::{Authority, Credentials, Identity, Role, Validity};

/// Name of the fleet.
pub(crate) const NAME: &str = "scale";
/// Number of instances on each host.
pub(crate) const INSTANCES: usize = 20;
/// Hosts whose instances share one fleet network. The automatic range of a network has 32,766 addresses.
const HOSTS_A_NETWORK: usize = 1_500;

/// A generated fleet in a temporary folder.
pub(crate) struct Fleet {
    folder: tempfile::TempDir,
    /// Number of hosts.
    pub(crate) hosts: usize,
}

impl Fleet {
    /// Writes `landfast.toml`, the stacks, the authority and an operator's credentials.
    pub(crate) fn write(hosts: usize) -> Result<Self> {
        let fleet = Self { folder: tempfile::tempdir()?, hosts };
        let authority = Authority::create(NAME, SystemTime::now())?;
        authority.save(&fleet.authority())?;
        let state = fleet.path().join(".landfast");
        fs::create_dir(&state)?;
        let operator = Identity::operator(NAME, "anna", Role::Deployer)?;
        authority.issue(&operator, Validity::standard(SystemTime::now()))?.save(&state.join("operator"))?;
        fs::write(fleet.path().join("landfast.toml"), fleet.toml()?)?;
        for number in 0..hosts {
            fs::create_dir(fleet.path().join(stack(number)))?;
            fleet.declare(number, |_| "first")?;
        }
        Ok(fleet)
    }

    /// Folder of the fleet.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the authority that signs the agents' certificates.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path().join("authority")
    }

    /// Writes the stack of a host, with a value of the variable `SETTING` for each service. All values should have the same
    /// length, so that runs are comparable.
    pub(crate) fn declare<'v>(&self, number: usize, setting: impl Fn(usize) -> &'v str) -> Result<()> {
        let network = network(number / HOSTS_A_NETWORK);
        let mut text = String::from("services:\n");
        for service in 0..INSTANCES {
            let (image, setting) = (image(service), setting(service));
            write!(
                text,
                "  {name}:\n    image: {image}\n    restart: unless-stopped\n    read_only: true\n    \
                 environment: {{SETTING: {setting}, TZ: UTC}}\n    \
                 healthcheck: {{test: [CMD, wget, -qO-, \"http://127.0.0.1:8080/\"], interval: 10s}}\n    \
                 networks: [{network}]\n",
                name = self::service(number, service)
            )?;
        }
        writeln!(text, "networks: {{{network}: {{external: true, name: {network}}}}}")?;
        Ok(fs::write(self.path().join(stack(number)).join("compose.yaml"), text)?)
    }

    fn toml(&self) -> Result<String> {
        let mut text = format!("[fleet]\nname = \"{NAME}\"\n");
        for number in 0..self.hosts.div_ceil(HOSTS_A_NETWORK) {
            let (name, subnet) = (network(number), 16 + number);
            write!(
                text,
                "\n[networks.{name}]\nsubnet = \"10.{subnet}.0.0/16\"\nauto = \"10.{subnet}.0.0/17\"\n\
                 gateways = \"10.{subnet}.128.0/17\"\n"
            )?;
        }
        for number in 0..self.hosts {
            let (host, stack, address) = (host(number), stack(number), address(number));
            write!(
                text,
                "\n[hosts.{host}]\naddress = \"{address}\"\n\n[stacks.{stack}]\npath = \"{stack}\"\n\n\
                 [stacks.{stack}.place]\n\"*\" = \"{host}\"\n"
            )?;
        }
        Ok(text)
    }
}

/// Issues the credentials of every agent.
pub(crate) fn agents(authority: &Path, hosts: usize) -> Result<BTreeMap<usize, Credentials>> {
    let authority = Authority::load(authority)?;
    let issue = |number: usize| -> Result<_> {
        let identity = Identity::agent(NAME, &host(number))?;
        Ok((number, authority.issue(&identity, Validity::standard(SystemTime::now()))?))
    };
    (0..hosts).map(issue).collect()
}

/// Name of a host.
pub(crate) fn host(number: usize) -> String {
    format!("h{number:05}")
}

/// Name of the stack of a host.
pub(crate) fn stack(number: usize) -> String {
    format!("s{number:05}")
}

/// Loopback address of a host's agent, from 127.64.0.1 up.
pub(crate) fn address(number: usize) -> Ipv4Addr {
    let first = u32::from(Ipv4Addr::new(127, 64, 0, 1));
    Ipv4Addr::from(first + u32::try_from(number).expect("the fleet is small"))
}

/// Port of every agent.
pub(crate) const PORT: u16 = ports::AGENT;

/// Reference of the image of a service, which every host has.
pub(crate) fn image(service: usize) -> String {
    format!("scale/app-{service:02}:1")
}

/// Name of a service. It is unique in the fleet, like the names of most services.
fn service(host: usize, service: usize) -> String {
    format!("app-{service:02}-{host:05}")
}

fn network(number: usize) -> String {
    format!("net{number}")
}
