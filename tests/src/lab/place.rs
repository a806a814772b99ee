//! Paths of the lab's files, and the lock that allows only one lab at a time on this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Root folder of the checkout.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}

/// Target folder of Cargo.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Folder with everything that `tests/setup.sh` made.
pub fn cache() -> PathBuf {
    std::env::var_os("LANDFAST_CACHE").map_or_else(|| workspace().join("target/lab-cache"), PathBuf::from)
}

/// Path of the reference `docker-compose`.
pub fn compose() -> PathBuf {
    cache().join("bin/docker-compose")
}

/// Archives of the images that engines load.
pub struct Images;

impl Images {
    /// Returns the path of an archive by the image's name and tag: `Images::archive("small:1")`.
    pub fn archive(image: &str) -> PathBuf {
        cache().join("images").join(format!("{}.tar", image.replace(':', "-")))
    }

    /// Returns all archives, sorted, as (reference, archive, key of its contents).
    pub fn all() -> Result<Vec<(String, PathBuf, String)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(cache().join("images"))? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".tar")) else { continue };
            let (name, tag) = name.rsplit_once('-').context("the name of an archive has no tag")?;
            let key = fs::read_to_string(path.with_extension("key"))
                .or_else(|_| fs::read_to_string(cache().join(format!("images/{name}-{tag}.key"))))?;
            found.push((format!("landfast/{name}:{tag}"), path.clone(), key));
        }
        ensure!(!found.is_empty(), "there are no images in {}: run tests/setup.sh", cache().display());
        found.sort();
        Ok(found)
    }
}

/// This machine, locked for one lab.
pub(crate) struct Machine {
    cache: PathBuf,
    _claim: File,
}

impl Machine {
    /// Waits until no other process has a lab, and checks that this machine can run one.
    pub(crate) fn claim() -> Result<Self> {
        let cache = cache();
        let uid = Command::new("id").arg("-u").output()?;
        ensure!(uid.stdout.starts_with(b"0\n"), "the lab creates namespaces and starts engines: run the tests as root");
        for tool in ["dockerd", "nsenter", "ip", "sshd", "tini", "iptables", "nft"] {
            let found = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|dir| Path::new(dir).join(tool).exists());
            ensure!(found, "{tool} is missing: run tests/setup.sh");
        }
        if !cache.join("engine-new/usr/sbin/dockerd").exists() {
            bail!("the newer engine is not in {}: run tests/setup.sh", cache.display());
        }
        let path = cache.join("lab.lock");
        let claim = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        claim.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        let machine = Self { cache, _claim: claim };
        machine.make_keys()?;
        fs::create_dir_all(machine.cache.join("hosts"))?;
        remove_empty_cgroups();
        Ok(machine)
    }

    /// Folder of a host. It contains the engine's data and outlives the lab, so that images are loaded only once.
    pub(crate) fn host_folder(&self, name: &str) -> PathBuf {
        self.cache.join("hosts").join(name)
    }

    /// File that is locked while processes of a host, or of the LAN, exist.
    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.cache.join("hosts").join(format!("{name}.lock"))
    }

    /// Private key that may log in to every host.
    pub(crate) fn client_key(&self) -> PathBuf {
        self.cache.join("keys/client")
    }

    /// Private host key of a host, the same in every run.
    pub(crate) fn host_key(&self, name: &str) -> PathBuf {
        self.cache.join("keys").join(name)
    }

    fn make_keys(&self) -> Result<()> {
        fs::create_dir_all(self.cache.join("keys"))?;
        for name in ["client", "alpha", "beta", "gamma"] {
            let path = self.host_key(name);
            if path.exists() {
                continue;
            }
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(&path)
                .status()?;
            ensure!(made.success(), "ssh-keygen cannot create {}", path.display());
        }
        Ok(())
    }
}

/// Removes the empty control groups that containers of killed labs leave behind.
fn remove_empty_cgroups() {
    let script = "find /sys/fs/cgroup -depth -type d -path '*/landfast-lab*' -exec rmdir {} + 2>/dev/null";
    Command::new("sh").args(["-c", script]).status().ok();
}
