//! How much a project may unfold to: what few files say can become very much by `include`, `extends` and ranges.
use super::diagnostic::Diagnostic;
use super::forms::ports;
use super::text::node::{Extent, Node};

/// Values of all files together, with all that is included and extended.
const MAX_VALUES: usize = 500_000;
/// Bytes of their texts.
const MAX_TEXT: usize = 64 << 20;
/// Ports of all services together: as many as one address has.
const MAX_PORTS: usize = 65_535;
/// Variables that the env files of all services bring together.
const MAX_VARIABLES: usize = 200_000;

/// What a project has become so far.
#[derive(Default)]
pub(super) struct Budget {
    values: usize,
    text: usize,
    variables: usize,
}

impl Budget {
    /// Counts what is added to the project.
    pub(super) fn add(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let Extent { values, text, .. } = Extent::of(node);
        self.values += values;
        self.text += text;
        if self.values <= MAX_VALUES && self.text <= MAX_TEXT {
            return Ok(());
        }
        Err(exceeded(node))
    }

    /// How many bytes of text variables may still become.
    pub(super) fn text_left(&self) -> usize {
        MAX_TEXT.saturating_sub(self.text)
    }

    /// Counts variables that env files bring to a service.
    pub(super) fn add_variables(&mut self, more: usize, files: &Node, path: &str) -> Result<(), Diagnostic> {
        self.variables += more;
        if self.variables <= MAX_VARIABLES {
            return Ok(());
        }
        let message = format!("env files bring more than {MAX_VARIABLES} variables");
        Err(Diagnostic::at(&files.at, message).key(path))
    }
}

/// Says that a project became too much at a place.
pub(super) fn exceeded(node: &Node) -> Diagnostic {
    let most = format!("{MAX_VALUES} values or {} MiB of text", MAX_TEXT >> 20);
    Diagnostic::at(&node.at, format!("the project unfolds into more than {most}"))
        .hint("what is included, extended and repeated by variables multiplies: write less of it")
}

/// Sees that the ranges of ports do not become too many, before they do.
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
