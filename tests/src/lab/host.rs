//! One host of the lab: its engine, its sshd, its agent, and the faults that a test can cause.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::api::Api;
use super::binaries::agent_binary;
use super::lan::{ADDRESS, Lan};
use super::namespaces::Namespaces;
use super::output::Output;
use super::place::{Images, Machine};
use super::wait::wait_until;

/// Kind of engine that a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Engine of Debian 12: version 20.10 with the classic image store.
    Debian,
    /// Newer engine: version 28.5 with the containerd image store.
    Newer,
}

/// A host of the lab. Its methods take paths inside the host.
pub struct Host {
    name: String,
    address: Ipv4Addr,
    kind: EngineKind,
    folder: PathBuf,
    known_hosts: String,
    client_key: PathBuf,
    namespaces: std::sync::Mutex<Namespaces>,
    first: u32,
    lan: Lan,
}

/// Time limit for the start of an engine. An engine that has images to scan needs some seconds.
const ENGINE_START: Duration = Duration::from_secs(60);

impl Host {
    pub(crate) fn start(machine: &Machine, lan: &Lan, name: &str, number: u8, kind: EngineKind) -> Result<Self> {
        Self::start_once(machine, lan, name, number, kind).or_else(|first| {
            // An engine that was killed may have left data that it cannot read: start again without any.
            let folder = machine.host_folder(name);
            for data in ["docker", "loaded"] {
                fs::remove_dir_all(folder.join(data)).ok();
            }
            Self::start_once(machine, lan, name, number, kind)
                .with_context(|| format!("the second attempt failed too, after: {first:#}"))
        })
    }

    fn start_once(machine: &Machine, lan: &Lan, name: &str, number: u8, kind: EngineKind) -> Result<Self> {
        let folder = machine.host_folder(name);
        fs::create_dir_all(&folder)?;
        let address = Ipv4Addr::new(10, 77, 0, number);
        let environment = [
            ("HOST_FOLDER", folder.display().to_string()),
            ("HOST_NAME", name.to_owned()),
            ("HOST_ADDRESS", address.to_string()),
            ("LAN_ADDRESS", ADDRESS.to_owned()),
            ("CLIENT_KEY", machine.client_key().display().to_string()),
            ("NEWER_ENGINE", super::cache().join("engine-new").display().to_string()),
        ];
        let lock = machine.lock(name);
        let namespaces = Namespaces::start(&["--mount", "--uts", "--net"], "host.sh", &lock, &environment)
            .with_context(|| format!("cannot create the namespaces of {name}"))?;
        disable_restarts(&folder)?;
        let public = fs::read_to_string(machine.host_key(name).with_extension("pub"))?;
        let host = Self {
            name: name.to_owned(),
            address,
            kind,
            folder,
            known_hosts: format!("{address} {}", public.trim()),
            client_key: machine.client_key(),
            first: namespaces.first(),
            namespaces: std::sync::Mutex::new(namespaces),
            lan: lan.clone(),
        };
        host.connect()?;
        host.start_sshd(&machine.host_key(name))?;
        host.start_engine()?;
        host.clean().with_context(|| format!("cannot clean {name}"))?;
        Ok(host)
    }

    /// Name of the host: alpha, beta or gamma.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Address of the host on the LAN.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Kind of the host's engine.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Line of the host for a known_hosts file.
    pub fn known_hosts(&self) -> &str {
        &self.known_hosts
    }

    /// Path of the private key that may log in.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// Translates a path inside the host to one that this process can open.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.first))
    }

    /// Path of the engine's socket for this process.
    pub fn socket(&self) -> PathBuf {
        self.path("/run/docker.sock")
    }

    /// API of the host's engine.
    pub fn api(&self) -> Api {
        Api { socket: self.socket() }
    }

    /// Command that enters the host from this machine.
    pub fn enter_command(&self) -> String {
        format!("nsenter --target {} --mount --uts --net --pid --root --wdns=/", self.first)
    }

    /// Prepares a command that runs inside the host.
    pub fn command(&self, program: &str) -> Command {
        self.namespaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).command(program)
    }

    /// Runs a command inside the host and waits until it exits.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        let (program, arguments) = words.split_first().context("the command is empty")?;
        Output::of(self.command(program).args(arguments))
    }

    /// Runs a shell script inside the host. Fails if the script fails.
    pub fn sh(&self, script: &str) -> Result<Output> {
        self.run(&["sh", "-c", script])?.succeeds()
    }

    /// Runs the docker client inside the host.
    pub fn docker(&self, arguments: &[&str]) -> Result<Output> {
        Output::of(self.command("docker").args(arguments))
    }

    /// Runs a command inside a container.
    pub fn exec(&self, container: &str, words: &[&str]) -> Result<Output> {
        self.docker(&[&["exec", container], words].concat())
    }

    // The network.

    fn connect(&self) -> Result<()> {
        self.lan.attach(&self.name, self.first)?;
        self.sh(&format!(
            "ip link set lo up; ip addr add {}/24 dev eth0; ip link set eth0 up; ip route add default via {ADDRESS}; \
             sysctl -qw net.ipv4.ip_forward=1",
            self.address
        ))?;
        Ok(())
    }

    /// Disconnects the host from the LAN.
    pub fn disconnect(&self) -> Result<()> {
        self.lan.ip(&["link", "set", &format!("to-{}", self.name), "down"])?;
        Ok(())
    }

    /// Connects the host to the LAN again.
    pub fn reconnect(&self) -> Result<()> {
        self.lan.ip(&["link", "set", &format!("to-{}", self.name), "up"])?;
        Ok(())
    }

    fn start_sshd(&self, key: &Path) -> Result<()> {
        let inside = self.path("/etc/ssh/lab_host_key");
        fs::create_dir_all(self.path("/etc/ssh"))?;
        fs::copy(key, &inside)?;
        let settings = "HostKey /etc/ssh/lab_host_key\nPermitRootLogin prohibit-password\nUsePAM no\nStrictModes yes\n\
                        PidFile /run/sshd.pid\nSubsystem sftp internal-sftp\nMaxSessions 50\nMaxStartups 100\n";
        fs::write(self.path("/etc/ssh/lab_sshd_config"), settings)?;
        self.sh("chmod 600 /etc/ssh/lab_host_key")?;
        self.spawn("sshd", self.command("/usr/sbin/sshd").args(["-D", "-e", "-f", "/etc/ssh/lab_sshd_config"]))
    }

    /// Starts a daemon and writes its output to `<name>.log` in the host's folder.
    fn spawn(&self, name: &str, command: &mut Command) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().with_context(|| format!("cannot start {name} on {}", self.name))?;
        // The process may be ended from inside the host. Reap it here, so that no zombie remains.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    // The engine.

    /// Starts the engine and waits until it answers.
    pub fn start_engine(&self) -> Result<()> {
        let newer = self.kind == EngineKind::Newer;
        let live_restore = self.path("/etc/docker/live-restore").exists();
        let mut settings = serde_json::json!({"cgroup-parent": "/landfast-lab", "live-restore": live_restore});
        if newer {
            settings["features"] = serde_json::json!({"containerd-snapshotter": true});
        }
        fs::write(self.path("/etc/docker/daemon.json"), settings.to_string())?;
        let path = "/opt/lab-engine/usr/sbin:/opt/lab-engine/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let mut command = self.command("env");
        if newer {
            command.arg(format!("PATH={path}"));
        }
        self.spawn("dockerd", command.args(["dockerd", "--host=unix:///run/docker.sock"]))?;
        wait_until(&format!("the engine of {} answers", self.name), ENGINE_START, || {
            Ok(self.api().get("/version").is_ok())
        })
        .with_context(|| format!("see {}", self.log("dockerd").display()))
    }

    /// Sends this signal ("TERM", "KILL") to the engine and waits until it is gone.
    pub fn stop_engine(&self, signal: &str) -> Result<()> {
        self.signal("dockerd", signal)?;
        wait_until("the engine is gone", Duration::from_secs(60), || Ok(!self.is_running("dockerd")?))
    }

    /// Sets whether containers keep running while the engine is down, and restarts the engine to apply the setting.
    pub fn set_live_restore(&self, on: bool) -> Result<()> {
        let marker = self.path("/etc/docker/live-restore");
        if on {
            fs::write(marker, "")?;
        } else if marker.exists() {
            fs::remove_file(marker)?;
        } else {
            return Ok(());
        }
        self.restart_engine()
    }

    /// Stops the engine and starts it again, as after an upgrade.
    pub fn restart_engine(&self) -> Result<()> {
        self.stop_engine("TERM")?;
        self.start_engine()
    }

    /// Loads an image of the lab into the engine: `host.load("small:2")`.
    pub fn load(&self, image: &str) -> Result<()> {
        self.api().load(&Images::archive(image))
    }

    /// Removes an image from the engine. The next lab restores it.
    pub fn remove_image(&self, reference: &str) -> Result<()> {
        self.api().delete(&format!("/images/{reference}?force=true"))?;
        Ok(())
    }

    // Processes. Names and ids are those of the host's process namespace, so no process outside is affected.

    /// Sends a signal to every process of this name inside the host.
    pub fn signal(&self, process: &str, signal: &str) -> Result<()> {
        let sent = self.run(&["pkill", &format!("-{signal}"), "-x", process])?;
        ensure!(sent.code == 0, "no {process} runs on {}", self.name);
        Ok(())
    }

    /// Returns whether a process of this name runs inside the host. Zombies do not count.
    pub fn is_running(&self, process: &str) -> Result<bool> {
        Ok(self.run(&["pgrep", "-x", "-r", "D,R,S,T,t", process])?.code == 0)
    }

    // The agent.

    /// Starts an agent with the identity that `landfast cert issue agent` wrote to this folder.
    pub fn run_agent(&self, identity: &Path) -> Result<()> {
        let inside = self.path("/etc/landfast");
        fs::create_dir_all(&inside)?;
        for entry in fs::read_dir(identity)? {
            let entry = entry?;
            fs::copy(entry.path(), inside.join(entry.file_name()))?;
        }
        fs::copy(agent_binary()?, self.path("/usr/local/bin/landfast-agent"))?;
        self.start_agent_with(&[
            "/usr/local/bin/landfast-agent",
            "run",
            "--identity",
            "/etc/landfast",
            "--state",
            "/var/lib/landfast",
            "--listen",
            &format!("{}:7219", self.address),
            "--docker",
            "unix:///run/docker.sock",
        ])
    }

    fn start_agent_with(&self, words: &[&str]) -> Result<()> {
        let (program, arguments) = words.split_first().context("the command is empty")?;
        // The agent becomes a child of the host's first process, as on a real host: nsenter would stop together with a
        // suspended child. The umask is the one that `host add` uses on a host without systemd.
        let strict = ["--fork", "sh", "-c", "umask 077; exec \"$@\"", "sh", program];
        self.spawn("agent", self.command("setsid").args(strict).args(arguments))?;
        wait_until(&format!("the agent of {} listens", self.name), Duration::from_secs(20), || {
            let listens = format!("ss -Htln sport = :7219 | grep -q '{}:7219\\|0.0.0.0:7219\\|\\*:7219'", self.address);
            Ok(self.run(&["sh", "-c", &listens])?.code == 0)
        })
    }

    /// Kills the agent to simulate a crash.
    pub fn kill_agent(&self) -> Result<()> {
        // One script, because the timing matters. It records the command line for `start_agent`.
        self.sh("pid=$(pgrep -o -x landfast-agent) && kill -STOP $pid && \
             tr '\\0' '\\n' </proc/$pid/cmdline >/run/landfast-agent.cmdline && kill -KILL $pid")?;
        wait_until("the agent is gone", Duration::from_secs(60), || Ok(!self.is_running("landfast-agent")?))
    }

    /// Starts the agent that `kill_agent` killed, with the same command line.
    pub fn start_agent(&self) -> Result<()> {
        let kept = fs::read_to_string(self.path("/run/landfast-agent.cmdline"))?;
        let words: Vec<_> = kept.lines().collect();
        self.start_agent_with(&words)
    }

    /// Suspends the agent with SIGSTOP.
    pub fn freeze_agent(&self) -> Result<()> {
        self.signal("landfast-agent", "STOP")
    }

    /// Resumes a suspended agent.
    pub fn thaw_agent(&self) -> Result<()> {
        self.signal("landfast-agent", "CONT")
    }

    /// Mounts a file system of this size ("64m") for the agent's state. Call it before the agent starts.
    pub fn limit_state(&self, size: &str) -> Result<()> {
        self.sh(&format!("mount -t tmpfs -o mode=700,size={size} landfast /var/lib/landfast"))?;
        Ok(())
    }

    // Between tests.

    /// Removes everything that was deployed to the host. The engine keeps the lab's images.
    pub(crate) fn clean(&self) -> Result<()> {
        let alive = self.namespaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_alive();
        ensure!(alive, "the namespaces of {} are gone", self.name);
        self.reconnect()?;
        self.set_live_restore(false)?;
        self.sh(
            "pkill -KILL -x landfast-agent; \
             for id in $(docker ps -aq); do docker rm -fv $id; done >/dev/null; \
             docker network ls -q --filter type=custom | xargs -r docker network rm >/dev/null; \
             docker volume ls -q | xargs -r docker volume rm -f >/dev/null; \
             nft list tables | grep landfast | while read -r table; do nft delete $table; done; \
             ip -o link show type vxlan | cut -d: -f2 | while read -r link; do ip link del $link; done; \
             while [ $(stat -f -c %T /var/lib/landfast) = tmpfs ]; do umount /var/lib/landfast || break; done; \
             find /var/lib/landfast -mindepth 1 -delete; \
             rm -rf /etc/landfast /usr/local/bin/landfast* /etc/systemd/system/landfast* /run/landfast* /var/log/landfast*; \
             true",
        )?;
        self.restore_images()
    }

    /// Restores the lab's images. A test may have removed or added images, or moved a tag to another image.
    fn restore_images(&self) -> Result<()> {
        let loaded = self.folder.join("loaded");
        fs::create_dir_all(&loaded)?;
        let wanted = Images::all()?;
        let present = self.images()?;
        for foreign in present.keys().filter(|image| !wanted.iter().any(|(reference, ..)| reference == *image)) {
            self.docker(&["image", "rm", "-f", foreign])?;
        }
        for (reference, archive, key) in &wanted {
            let name = reference.replace(['/', ':'], "-");
            let (of_key, of_id) = (loaded.join(&name), loaded.join(format!("{name}.id")));
            let is = |stamp: &Path, what: &str| fs::read_to_string(stamp).is_ok_and(|kept| kept == what);
            if !(is(&of_key, key) && present.get(reference).is_some_and(|id| is(&of_id, id))) {
                self.api().load(archive)?;
                fs::write(of_key, key)?;
                fs::write(of_id, self.images()?.get(reference).map_or("", String::as_str))?;
            }
        }
        Ok(())
    }

    /// Returns the id of each image, keyed by reference.
    fn images(&self) -> Result<BTreeMap<String, String>> {
        let listed = self.docker(&["image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])?;
        let pairs = listed.succeeds()?.stdout;
        let pairs = pairs.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(reference, id)| (reference.to_owned(), id.to_owned())).collect())
    }

    /// Copies the logs of the daemons to the test's folder.
    pub(crate) fn keep_logs(&self, folder: &Path) {
        let target = folder.join(&self.name);
        fs::create_dir_all(&target).ok();
        for name in ["dockerd", "sshd", "agent"] {
            fs::copy(self.log(name), target.join(format!("{name}.log"))).ok();
        }
        // An agent that joined over SSH logs to the host's log folder.
        for folder in ["/var/log", "/var/lib/landfast"] {
            let Ok(entries) = fs::read_dir(self.path(folder)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".log") && (name.contains("landfast") || name.contains("agent")) {
                    fs::copy(entry.path(), target.join(format!("joined-{name}"))).ok();
                }
            }
        }
        if let Ok(containers) = self.docker(&["ps", "-a", "--no-trunc"]) {
            fs::write(target.join("containers.txt"), containers.stdout).ok();
        }
    }
}

/// Disables the restart of containers that an interrupted lab left: the engine would start them before the lab can
/// remove them.
fn disable_restarts(folder: &Path) -> Result<()> {
    for log in ["dockerd", "sshd", "agent"] {
        fs::remove_file(folder.join(format!("{log}.log"))).ok();
    }
    // The engine would also restore the containers' network endpoints and published ports.
    fs::remove_file(folder.join("docker/network/files/local-kv.db")).ok();
    let Ok(containers) = fs::read_dir(folder.join("docker/containers")) else { return Ok(()) };
    for container in containers {
        let path = container?.path().join("hostconfig.json");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Ok(mut settings) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
        if let Some(policy) = settings.pointer_mut("/RestartPolicy/Name") {
            *policy = "no".into();
            fs::write(&path, settings.to_string())?;
        }
    }
    Ok(())
}
