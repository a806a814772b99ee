//! From the canonical tree to the typed project: the few forms that serde does not read by itself.
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::Loaded;
use crate::canonical::plain;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::load::PROJECT;
use crate::model::{
    Attachment, Contents, ExtraHost, FileObject, Locations, Origin, Project, Published, Restart, Tmpfs, Ulimit,
};
use crate::quantity::scalar_text;
use crate::schema::standing;
use crate::text::interpolate::{element, join};
use crate::text::node::Node;

impl Loaded {
    /// The typed project.
    ///
    /// # Errors
    /// What the files say and Landfast does not do, and values that no engine would take.
    pub fn project(&self) -> Result<Project, Diagnostics> {
        let mut mistakes = standing::refused(&self.tree, &PROJECT);
        mistakes.extend(nameless(&self.tree));
        let mut locations = Locations::default();
        locate(&self.tree, "", &mut locations);
        let project = Project {
            name: self.name.clone(),
            working_dir: self.working_dir.clone(),
            services: section(&self.tree, "services", &mut mistakes),
            networks: section(&self.tree, "networks", &mut mistakes),
            volumes: section(&self.tree, "volumes", &mut mistakes),
            secrets: self.files("secrets", &mut mistakes),
            configs: self.files("configs", &mut mistakes),
            locations,
        };
        Diagnostics::check(mistakes)?;
        Ok(named(project))
    }

    /// Secrets or configs, with what the variables hold that they come from.
    fn files(&self, name: &str, mistakes: &mut Vec<Diagnostic>) -> BTreeMap<String, FileObject> {
        let mut files: BTreeMap<String, FileObject> = section(&self.tree, name, mistakes);
        for file in files.values_mut() {
            if let Origin::Environment { variable, value } = &mut file.origin {
                *value = self.variables.get(variable).cloned();
            }
        }
        files
    }
}

/// What is built without a name of its own is named after project and service.
fn named(mut project: Project) -> Project {
    for (name, service) in &mut project.services {
        if service.image.is_none() && service.build.is_some() {
            service.image = Some(format!("{}-{name}", project.name));
        }
    }
    project
}

/// Resources whose name is a variable without a value: they print, but no engine can make them.
fn nameless(tree: &Node) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for section in ["networks", "volumes"] {
        for (key, resource) in tree.at_key(section).into_iter().flat_map(Node::entries) {
            if resource.at_key("name").is_none() {
                let mistake = Diagnostic::at(&resource.at, "the name is empty").key(format!("{section}.{key}.name"));
                mistakes.push(mistake.hint("take `name` out, or give the variable in it a value"));
            }
        }
    }
    mistakes
}

fn section<T: for<'de> Deserialize<'de>>(
    tree: &Node,
    name: &str,
    mistakes: &mut Vec<Diagnostic>,
) -> BTreeMap<String, T> {
    let mut typed = BTreeMap::new();
    for (key, node) in tree.at_key(name).into_iter().flat_map(Node::entries) {
        match T::deserialize(plain(node.clone())) {
            Ok(value) => {
                typed.insert(key.clone(), value);
            }
            Err(error) => mistakes.push(locate_mistake::<T>(node, &join(name, key), &error.to_string())),
        }
    }
    typed
}

/// The key that cannot be read by itself either, or else the whole.
fn locate_mistake<T: for<'de> Deserialize<'de>>(node: &Node, path: &str, message: &str) -> Diagnostic {
    let alone = |key: &str, child: &Node| T::deserialize(Value::from_iter([(key, plain(child.clone()))]));
    for (key, child) in node.entries() {
        if let Err(error) = alone(key, child)
            && error.to_string() == message
        {
            return Diagnostic::at(&child.at, message).key(join(path, key));
        }
    }
    Diagnostic::at(&node.at, message).key(path)
}

fn locate(node: &Node, path: &str, locations: &mut Locations) {
    if !path.is_empty() {
        locations.0.insert(path.to_owned(), node.at.clone());
    }
    for (key, child) in node.entries() {
        locate(child, &join(path, key), locations);
    }
    for (index, child) in node.items().enumerate() {
        locate(child, &element(path, index), locations);
    }
}

/// A network without options is null.
pub(crate) fn attachments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Attachment>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Attachment>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, attachment)| (key, attachment.unwrap_or_default())).collect())
}

/// Numbers and booleans are text to a driver.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, value)| (key, text_of(value))).collect())
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A number, or a text that says one.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    scalar_text(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// `"0440"` is octal text, 288 a number.
pub(crate) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => u32::from_str_radix(&text, 8).map(Some).map_err(D::Error::custom),
        Some(number) => u32::deserialize(number).map(Some).map_err(D::Error::custom),
    }
}

impl<'de> Deserialize<'de> for ExtraHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, address) =
            text.split_once('=').ok_or_else(|| D::Error::custom(format!("`{text}` is not name=address")))?;
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Published {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar_text(deserializer)?;
        let (start, end) = text.split_once('-').unwrap_or((&text, &text));
        match (start.parse(), end.parse()) {
            (Ok(start), Ok(end)) => Ok(Self { start, end }),
            _ => Err(D::Error::custom(format!("`{text}` is not a port"))),
        }
    }
}

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (policy, attempts) = text.split_once(':').unwrap_or((&text, "0"));
        match (policy, attempts.parse()) {
            ("no", _) => Ok(Self::No),
            ("always", _) => Ok(Self::Always),
            ("on-failure", Ok(attempts)) => Ok(Self::OnFailure(attempts)),
            ("unless-stopped", _) => Ok(Self::UnlessStopped),
            _ => Err(D::Error::custom(format!("`{text}` is not no, always, on-failure or unless-stopped"))),
        }
    }
}

impl<'de> Deserialize<'de> for Tmpfs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        Ok(Self { target: target.to_owned(), options: options.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Single(i64),
            Pair {
                #[serde(default)]
                soft: i64,
                #[serde(default)]
                hard: i64,
            },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Single(both) => Self { soft: both, hard: both },
            Form::Pair { soft, hard } => Self { soft, hard },
        })
    }
}

impl<'de> Deserialize<'de> for FileObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Form {
            name: String,
            file: Option<PathBuf>,
            environment: Option<String>,
            content: Option<String>,
            external: bool,
            labels: BTreeMap<String, String>,
        }
        let form = Form::deserialize(deserializer)?;
        let origin = match form {
            Form { external: true, .. } => Origin::External,
            Form { file: Some(file), .. } => Origin::File(file),
            Form { content: Some(content), .. } => Origin::Inline(Contents(content)),
            Form { environment: Some(variable), .. } => Origin::Environment { variable, value: None },
            _ => return Err(D::Error::custom("needs file, environment, content or external")),
        };
        Ok(Self { name: form.name, origin, labels: form.labels })
    }
}
