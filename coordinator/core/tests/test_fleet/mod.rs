//! A simulated fleet: it compiles compose files into plans, and applies a plan as if the hosts had carried it out.
#![allow(clippy::unwrap_used, dead_code)]
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfast_core::bundle::{Content, Entry, Manifest};
use landfast_core::compile::{self, Compiled, FoundImage, ImageCandidates, Profiles};
use landfast_core::deployment::{Deployment, InstanceName};
use landfast_core::desired::{DesiredInput, HostState, StartManifests, desired, number_incarnations, recreate_broken};
use landfast_core::fleet::Fleet;
use landfast_core::place::Abilities;
use landfast_core::plan::{Comparison, EngineVolume, Found, Plan, diff};
use landfast_core::platform::Platform;
use landfast_core::report::Report;

pub(crate) mod random;

pub(crate) const FLEET: &str = r#"
[fleet]
name = "home"
[networks.infra_net]
subnet = "172.19.0.0/16"
auto = "172.19.128.0/17"
gateways = "172.19.255.0/24"
[hosts.alpha]
address = "192.168.2.201"
labels = { disk = "ssd" }
[hosts.beta]
address = "192.168.2.202"
[hosts.gamma]
address = "192.168.2.203"
"#;

/// A fleet network in a compose file.
pub(crate) const NET: &str = "networks: {infra_net: {external: true, name: infra_net}}\n";

pub(crate) struct TestFleet {
    pub(crate) fleet: Fleet,
    pub(crate) held: BTreeMap<String, HostState>,
    pub(crate) before: BTreeMap<String, Deployment>,
    pub(crate) reports: BTreeMap<String, Report>,
    /// Bundles that containers were started with.
    pub(crate) started: StartManifests,
    /// Files of all stack folders: path to text.
    pub(crate) files: BTreeMap<String, String>,
    /// Fingerprints by image reference. Other references have a generated fingerprint.
    pub(crate) images: BTreeMap<String, String>,
    /// Image candidates by reference, where they differ from that.
    pub(crate) meanings: BTreeMap<String, ImageCandidates>,
    /// Of the hosts' engines.
    pub(crate) platforms: BTreeMap<String, Platform>,
    /// Image ids by host and fingerprint.
    pub(crate) image_ids: BTreeMap<String, BTreeMap<String, String>>,
    /// Environment variables of the user.
    pub(crate) environment: BTreeMap<String, String>,
    /// Of the hosts' engines.
    pub(crate) engines: BTreeMap<String, u32>,
    /// Resources of the engines by host.
    pub(crate) found: BTreeMap<String, Found>,
    /// Project names by stack. Other stacks have a project with their own name.
    pub(crate) projects: BTreeMap<String, String>,
    pub(crate) abilities: BTreeMap<String, Abilities>,
    /// Instances that run although their hosts hold no state of them.
    pub(crate) unmanaged: BTreeSet<InstanceName>,
    pub(crate) release: u64,
    pub(crate) salt: String,
}

/// The folder of a stack, beside its project.
#[derive(Clone, Copy)]
pub(crate) struct StackFolder<'a> {
    pub(crate) stack: &'a str,
    pub(crate) root: &'a Path,
    pub(crate) manifest: &'a Manifest,
    pub(crate) manifest_digest: &'a str,
    pub(crate) profiles: &'a Profiles,
    /// Stacks that are deployed together with this one.
    pub(crate) beside: &'a [Deployment],
}

/// Result of compiling and planning.
pub(crate) struct Proposal {
    pub(crate) plan: Plan,
    pub(crate) target: BTreeMap<String, HostState>,
    pub(crate) after: BTreeMap<String, Deployment>,
    pub(crate) warnings: String,
}

impl TestFleet {
    pub(crate) fn new(stacks: &str) -> Self {
        Self {
            fleet: Fleet::parse("landfast.toml", &format!("{FLEET}{stacks}")).unwrap(),
            held: BTreeMap::new(),
            before: BTreeMap::new(),
            reports: BTreeMap::new(),
            started: StartManifests::new(),
            files: BTreeMap::new(),
            images: BTreeMap::new(),
            meanings: BTreeMap::new(),
            platforms: BTreeMap::new(),
            image_ids: BTreeMap::new(),
            environment: BTreeMap::new(),
            engines: BTreeMap::new(),
            found: BTreeMap::new(),
            projects: BTreeMap::new(),
            abilities: BTreeMap::new(),
            unmanaged: BTreeSet::new(),
            release: 1,
            salt: "salt".into(),
        }
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Adds a volume to the engine of a host.
    pub(crate) fn has_volume(&mut self, host: &str, name: &str) {
        let volume = EngineVolume { name: name.into(), driver: "local".into(), ..EngineVolume::default() };
        self.found.entry(host.into()).or_default().volumes.push(volume);
    }

    /// Returns all warnings and errors of loading and compiling.
    pub(crate) fn everything_said(&self, stack: &str, yaml: &str) -> String {
        let mut said = match self.load(stack, yaml) {
            Ok(loaded) => loaded.warnings.iter().map(|it| format!("{it}\n")).collect(),
            Err(_) => String::new(),
        };
        match self.compile(stack, yaml) {
            Ok(compiled) => said.extend(compiled.warnings.iter().map(|it| format!("{it}\n"))),
            Err(mistakes) => said += &mistakes,
        }
        said
    }

    fn load(&self, stack: &str, yaml: &str) -> Result<landfast_compose::Loaded, String> {
        let root = PathBuf::from("/home/anna").join(stack);
        let input = landfast_compose::Input {
            files: vec![(root.join("compose.yaml"), yaml.to_owned())],
            project_name: Some(self.projects.get(stack).map_or(stack, String::as_str).to_owned()),
            working_dir: root.clone(),
            environment: self.environment.clone(),
            ..landfast_compose::Input::default()
        };
        landfast_compose::load(&input, &|path| Ok(self.read(&root, path))).map_err(|mistakes| mistakes.to_string())
    }

    fn read(&self, root: &Path, path: &Path) -> Option<String> {
        self.files.get(path.strip_prefix(root).ok()?.to_str()?).cloned()
    }

    pub(crate) fn compile(&self, stack: &str, yaml: &str) -> Result<Compiled, String> {
        self.compile_beside(&[], stack, yaml)
    }

    /// Compiles a stack that is deployed together with these ones.
    pub(crate) fn compile_beside(&self, beside: &[Deployment], stack: &str, yaml: &str) -> Result<Compiled, String> {
        let root = PathBuf::from("/home/anna").join(stack);
        let loaded = self.load(stack, yaml)?;
        let project = loaded.project().map_err(|mistakes| mistakes.to_string())?;
        let manifest = self.manifest();
        let digest = blake3::hash(format!("{:?}", manifest.entries).as_bytes()).to_hex().to_string();
        let profiles = compile::profiles(&project, &root, &root, &|path| Ok(self.read(&root, path)));
        let folder = StackFolder {
            stack,
            root: &root,
            manifest: &manifest,
            manifest_digest: &digest,
            profiles: &profiles,
            beside,
        };
        self.compile_project(folder, &project).map_err(|mistakes| mistakes.to_string().replace("/home/anna/", ""))
    }

    pub(crate) fn compile_project(
        &self,
        folder: StackFolder<'_>,
        project: &landfast_compose::Project,
    ) -> Result<Compiled, landfast_compose::Diagnostics> {
        let mut images: BTreeMap<String, String> =
            compile::images(project).into_iter().map(|it| (it.clone(), format!("fp:{it}"))).collect();
        images.extend(self.images.clone());
        let found = |fingerprint| vec![FoundImage { fingerprint, ..FoundImage::default() }];
        let mut images: BTreeMap<_, _> = images
            .into_iter()
            .map(|(name, it)| (name, ImageCandidates { found: found(it), ..ImageCandidates::default() }))
            .collect();
        images.extend(self.meanings.clone());
        compile::compile(compile::Input {
            fleet: &self.fleet,
            stack: folder.stack,
            env: None,
            root: folder.root,
            project,
            manifest: folder.manifest,
            manifest_digest: folder.manifest_digest,
            profiles: folder.profiles,
            images: &images,
            engines: &self.engines,
            platforms: &self.platforms,
            abilities: &self.abilities,
            held: &self.held,
            found: &self.found,
            beside: folder.beside,
            release: self.release,
            salt: &self.salt,
        })
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let entry = |(path, text): (&String, &String)| {
            let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
            let content = Content::File { digest, size: text.len() as u64 };
            (path.clone(), Entry { mode: 0o644, content })
        };
        Manifest { entries: self.files.iter().map(entry).collect() }
    }

    pub(crate) fn propose(&self, stack: &str, yaml: &str) -> Proposal {
        self.propose_compiled(self.compile(stack, yaml).unwrap())
    }

    pub(crate) fn propose_compiled(&self, compiled: Compiled) -> Proposal {
        let warnings = compiled.warnings.iter().map(|it| format!("{it}\n").replace("/home/anna/", "")).collect();
        let deployments = [compiled.deployment];
        let removed = BTreeSet::new();
        let input = DesiredInput {
            deployments: &deployments,
            removed: &removed,
            remove_volumes: false,
            unmanaged: &self.unmanaged,
        };
        self.propose_input(input, warnings)
    }

    /// Proposes several stacks in one plan.
    pub(crate) fn propose_all(&self, stacks: &[(&str, &str)]) -> Proposal {
        let mut deployments = Vec::new();
        for (stack, yaml) in stacks {
            deployments.push(self.compile_beside(&deployments, stack, yaml).unwrap().deployment);
        }
        let removed = BTreeSet::new();
        self.propose_input(
            DesiredInput {
                deployments: &deployments,
                removed: &removed,
                remove_volumes: false,
                unmanaged: &self.unmanaged,
            },
            String::new(),
        )
    }

    pub(crate) fn propose_down(&self, stack: &str, remove_volumes: bool) -> Proposal {
        let removed = BTreeSet::from([stack.to_owned()]);
        self.propose_input(
            DesiredInput { deployments: &[], removed: &removed, remove_volumes, unmanaged: &self.unmanaged },
            String::new(),
        )
    }

    pub(crate) fn propose_input(&self, input: DesiredInput<'_>, warnings: String) -> Proposal {
        let mut target = desired(&self.fleet, input, &self.held);
        recreate_broken(input.deployments, &self.reports, &self.started, &mut target);
        number_incarnations(input.deployments, &self.held, &self.reports, &mut target);
        let after: BTreeMap<_, _> = input.deployments.iter().map(|it| (it.stack.clone(), it.clone())).collect();
        let plan = diff(Comparison {
            current: &self.held,
            target: &target,
            before: &self.before,
            after: &after,
            reports: &self.reports,
            started: &self.started,
            now: 0,
            image_ids: &self.image_ids,
            force_recreate: false,
        });
        Proposal { plan, target, after, warnings }
    }

    /// Applies a proposal as if the hosts had carried it out.
    pub(crate) fn done(&mut self, proposal: Proposal) {
        self.held = proposal.target;
        self.before.extend(proposal.after);
        self.release += 1;
    }

    /// Proposes and applies a plan, and returns its printed form.
    pub(crate) fn up(&mut self, stack: &str, yaml: &str) -> String {
        let proposal = self.propose(stack, yaml);
        let text = proposal.plan.to_string();
        self.done(proposal);
        text
    }
}

/// Returns the address of an instance on a network.
pub(crate) fn address(held: &BTreeMap<String, HostState>, instance: &str, network: &str) -> String {
    let name = instance.parse().unwrap();
    let found = held.values().find_map(|state| state.instance(&name)).unwrap();
    found
        .container
        .networks
        .iter()
        .find(|end| end.network == network)
        .unwrap()
        .address
        .map(|address| address.to_string())
        .unwrap_or_default()
}

/// Returns the host of an instance.
pub(crate) fn host_of(held: &BTreeMap<String, HostState>, instance: &str) -> String {
    let name = instance.parse().unwrap();
    held.iter().find(|(_, state)| state.instance(&name).is_some()).unwrap().0.clone()
}
