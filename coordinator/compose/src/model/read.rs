//! Converts the canonical tree to the typed project.
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{FileObject, Locations, Origin, Project};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::loaded::Loaded;
use crate::schema::keys::PROJECT_SHAPE;
use crate::schema::unsupported;
use crate::text::interpolate::{element, join};
use crate::text::node::Node;

impl Loaded {
    /// Converts the project to its typed form.
    ///
    /// # Errors
    /// Returns the keys that Landfast refuses, and values that no engine accepts.
    pub fn project(&self) -> Result<Project, Diagnostics> {
        let mut mistakes = unsupported::refused(&self.tree, &PROJECT_SHAPE);
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

    /// Deserializes secrets or configs, with the values of their variables.
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

/// Names the images of services with `build` and without `image` after project and service.
fn named(mut project: Project) -> Project {
    for (name, service) in &mut project.services {
        if service.image.is_none() && service.build.is_some() {
            service.image = Some(format!("{}-{name}", project.name));
        }
    }
    project
}

/// Returns an error for each resource with an empty name, which can be printed but not created.
fn nameless(tree: &Node) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for section in ["networks", "volumes"] {
        for (key, resource) in tree.at_key(section).into_iter().flat_map(Node::entries) {
            if resource.at_key("name").is_none() {
                let mistake = Diagnostic::at(&resource.at, "the name is empty").key(format!("{section}.{key}.name"));
                mistakes.push(mistake.hint("remove `name`, or set the variable in it"));
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
        match T::deserialize(node.clone().into_json()) {
            Ok(value) => {
                typed.insert(key.clone(), value);
            }
            Err(error) => mistakes.push(locate_mistake::<T>(node, &join(name, key), &error.to_string())),
        }
    }
    typed
}

/// Finds the key of a value that cannot be deserialized. Falls back to the whole value.
fn locate_mistake<T: for<'de> Deserialize<'de>>(node: &Node, path: &str, message: &str) -> Diagnostic {
    let alone = |key: &str, child: &Node| T::deserialize(Value::from_iter([(key, child.clone().into_json())]));
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
