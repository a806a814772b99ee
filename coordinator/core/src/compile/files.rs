//! Secrets and configs of a service. A file of the bundle is mounted read-only; a value from a variable or from the compose file is
//! copied into the container before it starts.
use super::container_input::ContainerInput;
use super::mounts::Mounted;
use crate::bundle::{beneath, files_at};
use crate::container::{Mount, PlacedFile, Source};
use crate::findings::Findings;
use landfast_compose::cases;
use landfast_compose::model::{Contents, FileObject, FileReference, Origin};

/// Default mode of a file that is copied into a container.
const READABLE: u32 = 0o444;

pub(super) fn add(input: ContainerInput<'_>, mounted: &mut Mounted, findings: &mut Findings<'_>) {
    let (service, project) = (input.service(), input.compile.project);
    for (kind, folder, references, objects) in [
        ("secrets", "/run/secrets/", &service.secrets, &project.secrets),
        ("configs", "/", &service.configs, &project.configs),
    ] {
        for (at, reference) in references.iter().enumerate() {
            let path = input.path(&format!("{kind}[{at}]"));
            let target = reference.target.as_ref().unwrap_or(&reference.source);
            let target = if target.starts_with('/') { target.clone() } else { format!("{folder}{target}") };
            let request = FileRequest { input, reference, target, path, kind };
            match objects.get(&reference.source) {
                Some(object) => request.add(object, mounted, findings),
                None => drop(findings.refuse(request.path, format!("{} is not under {kind}", reference.source))),
            }
        }
    }
}

/// A reference of a service to a secret or config.
struct FileRequest<'a> {
    input: ContainerInput<'a>,
    reference: &'a FileReference,
    /// Absolute path in the container.
    target: String,
    /// Dotted path of the reference in the compose file.
    path: String,
    /// Section of the compose file: `secrets` or `configs`.
    kind: &'static str,
}

impl FileRequest<'_> {
    /// Dotted path of a key of the secret or config itself. An error there concerns all services that use it.
    fn at(&self, key: &str) -> String {
        format!("{}.{}.{key}", self.kind, self.reference.source)
    }

    fn user(&self) -> &str {
        &self.input.name.service
    }

    fn add(self, object: &FileObject, mounted: &mut Mounted, findings: &mut Findings<'_>) {
        let name = &self.reference.source;
        match &object.origin {
            Origin::File(file) => self.mount(file, mounted, findings),
            Origin::Inline(contents) => self.put(contents, mounted, findings),
            Origin::Environment { value: Some(contents), .. } => self.put(contents, mounted, findings),
            Origin::Environment { variable, value: None } => {
                let hint = format!("set it in the shell or in the env file: {variable}=…");
                let message = format!("{name} comes from the variable {variable}, which is not set");
                let path = self.at("environment");
                findings.refuse(path, message).needed_by(self.user()).hint = Some(hint);
            }
            Origin::External => {
                findings.case(self.at("external"), name, &cases::NO_STORE).needed_by(self.user());
            }
        }
    }

    fn mount(self, file: &std::path::Path, mounted: &mut Mounted, findings: &mut Findings<'_>) {
        let (input, at, name) = (self.input, self.at("file"), &self.reference.source);
        let Some(inner) = beneath(input.compile.root, file) else {
            let message = format!("{} is outside the stack's folder and would not be on the hosts", file.display());
            let hint = Some("move the file into the stack's folder".to_owned());
            findings.refuse(at, message).needed_by(self.user()).hint = hint;
            return;
        };
        let files = files_at(input.compile.manifest, &inner);
        if files.is_empty() {
            let message = format!("the file {inner} is not in the stack's folder, or is ignored");
            findings.refuse(at, message).needed_by(self.user());
            return;
        }
        let FileReference { uid, gid, mode, .. } = self.reference;
        if uid.is_some() || gid.is_some() || mode.is_some() {
            findings.case(self.path, name, &cases::MOUNTED_FILE);
        }
        mounted.files.extend(files);
        mounted.mounts.push(Mount { read_only: true, ..Mount::new(Source::Tree(inner), self.target) });
    }

    fn put(self, contents: &Contents, mounted: &mut Mounted, findings: &mut Findings<'_>) {
        let name = &self.reference.source;
        if self.input.service().read_only {
            findings.case(&self.path, name, &cases::READ_ONLY_FILE);
        }
        let hides = |folder: &str| self.target.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let memory = mounted.mounts.iter().filter(|mount| matches!(mount.source, Source::Memory { .. }));
        let mut fleeting = mounted.tmpfs.iter().map(|it| &it.target).chain(memory.map(|it| &it.target));
        if fleeting.any(|target| hides(target.trim_end_matches('/'))) {
            findings.case(&self.path, name, &cases::HIDDEN_FILE);
        }
        let mut id = |key: &str, text: &Option<String>| match text.as_deref().map(str::parse) {
            None => 0,
            Some(Ok(id)) => id,
            Some(Err(_)) => {
                let message = format!("{key} must be a number, not {:?}", text.as_deref().unwrap_or_default());
                findings.refuse(format!("{}.{key}", self.path), message);
                0
            }
        };
        let (uid, gid) = (id("uid", &self.reference.uid), id("gid", &self.reference.gid));
        let mode = self.reference.mode.unwrap_or(READABLE);
        let salt = self.salt(contents);
        mounted.put.push(PlacedFile { mode, uid, gid, ..PlacedFile::new(self.target, contents.clone(), salt) });
    }

    /// Returns the salt that the same contents had before, so that the container is not recreated unnecessarily.
    fn salt(&self, contents: &Contents) -> String {
        let input = self.input.compile;
        let held = input.held.values().find_map(|state| state.instance(self.input.name));
        let mut files = held.into_iter().flat_map(|held| &held.container.files);
        let same = files.find(|file| file.target == self.target && file.has(contents));
        same.map_or(input.salt, |file| &file.salt).to_owned()
    }
}
