//! Collects the errors and warnings about a project, so that all are reported at once.
use landfast_compose::{Case, Project, Support};
use landfast_compose::{Diagnostic, Location};

/// Errors and warnings about one project.
pub(crate) struct Findings<'a> {
    project: &'a Project,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(project: &'a Project) -> Self {
        Self { project, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Location of the key at this dotted path.
    pub(crate) fn locate(&self, path: &str) -> Option<Location> {
        self.project.locate(path).cloned()
    }

    /// Adds an error, which prevents the deployment.
    pub(crate) fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.about(path.into(), message.into());
        push(&mut self.errors, diagnostic)
    }

    /// Adds a warning, which does not prevent the deployment.
    pub(crate) fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.about(path.into(), message.into());
        push(&mut self.warnings, diagnostic)
    }

    /// A value that is not supported, and the message about it.
    pub(crate) fn case(&mut self, path: impl Into<String>, message: &str, case: &Case) -> &mut Diagnostic {
        let message = |why| if message.is_empty() { str::to_owned(why) } else { format!("{message}: {why}") };
        match case.support {
            Support::Refused(why) => self.refuse(path, message(why)),
            Support::Ignored(why) => self.warn(path, message(why)),
            Support::Supported => unreachable!("a case is about a value that is not supported"),
        }
    }

    fn about(&self, path: String, message: String) -> Diagnostic {
        Diagnostic { location: self.locate(&path), path, message, hint: None, users: Box::default() }
    }
}

fn push(list: &mut Vec<Diagnostic>, diagnostic: Diagnostic) -> &mut Diagnostic {
    let at = list.len();
    list.push(diagnostic);
    &mut list[at]
}
