//! A fleet's folder for tests. Commands run in it without any environment variables of this machine.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A fleet's folder. Secret values in these tests end with `-value`.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// Creates a folder with this `landfast.toml`.
    pub(crate) fn of(fleet: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("landfast.toml", fleet);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("beneath the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Runs a command and checks that no command except `config` prints a secret value.
    pub(crate) fn landfast(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfast"));
        command.args(arguments).current_dir(self.path()).env_clear().envs(variables.iter().copied());
        let output = command.output().expect("the command runs");
        let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(arguments[0] == "config" || !printed.contains("-value"), "a secret value was printed: {printed}");
        output
    }

    /// The command of the service, as `config` prints it.
    pub(crate) fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.landfast(&[&["config", "--format", "json"], arguments].concat(), variables);
        let config: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        config["services"]["app"]["command"].to_string()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}
