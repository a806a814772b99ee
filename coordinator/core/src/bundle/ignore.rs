//! Which paths of a stack's folder stay behind.

/// Decides which paths stay behind.
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules;

impl IgnoreRules {
    /// From the texts of `.dockerignore` and `.landfastignore`, in this order, and the chosen environment.
    pub fn new(texts: &[&str], env: Option<&str>) -> Self {
        let _ = (texts, env);
        Self
    }

    /// Whether this path (relative, with `/`) stays behind. Folders are asked like files.
    pub fn matches(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Whether nothing beneath this folder can be in the bundle, so that it need not be walked.
    pub fn prunes(&self, folder: &str) -> bool {
        let _ = folder;
        false
    }
}
