//! Limits on the size of a project, which `include`, `extends` and port ranges can multiply.
use super::diagnostic::Diagnostic;
use super::forms::ports;
use super::text::node::{Extent, Node};

/// Largest number of values in a project, including those that are included and extended.
const MAX_VALUES: usize = 500_000;
/// Largest size of all texts in bytes.
const MAX_TEXT: usize = 64 << 20;
/// Largest number of ports in a project: as many as one address has.
const MAX_PORTS: usize = 65_535;
/// Largest number of variables from env files, counted once for each service.
const MAX_VARIABLES: usize = 200_000;

/// The size of the project so far.
#[derive(Default)]
pub(super) struct Budget {
    values: usize,
    text: usize,
    variables: usize,
}

impl Budget {
    /// Counts a node that is added to the project.
    pub(super) fn add(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let Extent { values, text, .. } = Extent::of(node);
        self.values += values;
        self.text += text;
        if self.values <= MAX_VALUES && self.text <= MAX_TEXT {
            return Ok(());
        }
        Err(exceeded(node))
    }

    /// Size in bytes of the text that variables may still add.
    pub(super) fn text_left(&self) -> usize {
        MAX_TEXT.saturating_sub(self.text)
    }

    /// Counts the variables that a service gets from env files.
    pub(super) fn add_variables(&mut self, more: usize, files: &Node, path: &str) -> Result<(), Diagnostic> {
        self.variables += more;
        if self.variables <= MAX_VARIABLES {
            return Ok(());
        }
        let message = format!("env files set more than {MAX_VARIABLES} variables");
        Err(Diagnostic::at(&files.at, message).key(path))
    }
}

/// Returns the message that a project is too large.
pub(super) fn exceeded(node: &Node) -> Diagnostic {
    let most = format!("{MAX_VALUES} values or {} MiB of text", MAX_TEXT >> 20);
    Diagnostic::at(&node.at, format!("the project expands to more than {most}"))
        .hint("reduce repeated includes, extends and variables, which multiply")
}

/// Checks the number of ports before ranges are expanded.
pub(super) fn check_ports(project: &Node) -> Result<(), Diagnostic> {
    let mut all = 0;
    for (name, service) in project.at_key("services").into_iter().flat_map(Node::entries) {
        for port in service.at_key("ports").into_iter().flat_map(Node::items) {
            all += port.as_str().map_or(1, ports::width);
            if all > MAX_PORTS {
                let message = format!("the project has more than {MAX_PORTS} ports");
                return Err(Diagnostic::at(&port.at, message).key(format!("services.{name}.ports")));
            }
        }
    }
    Ok(())
}
