//! Writes the selected environment to the text of `landfast.toml`. The rest of the text is kept.

use landfast_core::fleet::Fleet;
use toml_edit::{DocumentMut, Item, Value};

/// Why the selection cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChoiceError {
    #[error("landfast.toml cannot be read as TOML")]
    NotToml(#[from] toml_edit::TomlError),
    #[error("cannot add env = {env:?} to [stacks.{stack}] in landfast.toml: add it by hand")]
    DoesNotFit { stack: String, env: String },
}

/// Returns the text with this environment selected for these stacks.
pub(super) fn with_env(text: &str, stacks: &[&str], env: &str) -> Result<String, ChoiceError> {
    let mut document: DocumentMut = text.parse()?;
    for stack in stacks {
        let does_not_fit = || ChoiceError::DoesNotFit { stack: (*stack).to_owned(), env: env.to_owned() };
        let table = document.get_mut("stacks").and_then(|stacks| stacks.get_mut(stack));
        let table = table.and_then(Item::as_table_like_mut).ok_or_else(does_not_fit)?;
        match table.get_mut("env").and_then(Item::as_value_mut) {
            Some(value) => {
                // The blanks and the comment around the value are kept.
                let decor = value.decor().clone();
                *value = Value::from(env);
                *value.decor_mut() = decor;
            }
            None => {
                table.insert("env", toml_edit::value(env));
            }
        }
    }
    let changed = document.to_string();
    // The result is parsed again to make sure that the selection takes effect.
    let read = Fleet::parse("landfast.toml", &changed);
    for stack in stacks {
        let as_written = |fleet: &Fleet| fleet.stacks.get(*stack).is_some_and(|it| it.env.as_deref() == Some(env));
        if !read.as_ref().is_ok_and(as_written) {
            return Err(ChoiceError::DoesNotFit { stack: (*stack).to_owned(), env: env.to_owned() });
        }
    }
    Ok(changed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# ours
[fleet]
name = \"home\"   # the house

[stacks.a]
path     = \"a\"
env      = 'dev'     # see a/README
profiles = [ \"x\",
             \"y\" ]

[stacks.b]
[stacks.b.publish]
web = \"lan\"
";

    #[test]
    fn only_the_value_of_env_changes() {
        let changed = with_env(TEXT, &["a"], "test").unwrap();
        assert_eq!(changed, TEXT.replace("'dev'", "\"test\""));
    }

    #[test]
    fn a_stack_without_env_gets_one() {
        let changed = with_env(TEXT, &["a", "b"], "test").unwrap();
        assert_eq!(changed, TEXT.replace("'dev'", "\"test\"").replace("[stacks.b]\n", "[stacks.b]\nenv = \"test\"\n"));
    }

    #[test]
    fn inline_tables_and_dotted_keys_are_written_too() {
        let inline = "fleet.name = \"home\"\nstacks = { a = { path = \"a\" } }\nhosts.b.address = \"10.0.0.1\"\n";
        let dotted = "fleet.name = \"home\"\nstacks.a.path = \"a\"\n";
        for text in [inline, dotted] {
            let changed = with_env(text, &["a"], "dev").unwrap();
            assert!(changed.contains("env = \"dev\"") && changed.contains("fleet.name = \"home\"\n"), "{changed}");
        }
    }

    #[test]
    fn a_selection_that_does_not_fit_is_refused() {
        assert!(matches!(with_env(TEXT, &["c"], "dev"), Err(ChoiceError::DoesNotFit { .. })));
        assert!(matches!(with_env(TEXT, &["a"], "../dev"), Err(ChoiceError::DoesNotFit { .. })));
        assert!(matches!(with_env("[fleet", &["a"], "dev"), Err(ChoiceError::NotToml(_))));
    }
}
