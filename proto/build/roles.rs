//! Generates the table of least roles from the option that every method carries.

use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

/// Generates the source of `METHODS` and of `least_role`, which returns the least role that may call a method. Error:
/// the path of a method without a role.
pub(crate) fn table(pool: &DescriptorPool) -> Result<String, String> {
    let option = pool.get_extension_by_name("landfast.v1.least_role").ok_or("options.proto defines no least_role")?;
    let (mut arms, mut paths) = (String::new(), Vec::new());
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = path(&method);
        let number = match method.options().get_extension(&option).as_ref() {
            Value::EnumNumber(number) if *number != 0 => *number,
            _ => {
                return Err(format!(
                    "{path} names no least_role: add the option to the method (see landfast/v1/options.proto)"
                ));
            }
        };
        writeln!(arms, "        {path:?} => Role::try_from({number}).ok(),").map_err(|error| error.to_string())?;
        paths.push(format!("{path:?}"));
    }
    Ok(format!(
        "/// Returns the least role that may call the method at `path`; `None` for an unknown method.\n\
         pub fn least_role(path: &str) -> Option<Role> {{\n    match path {{\n{arms}        _ => None,\n    }}\n}}\n\n\
         /// Paths of all methods.\npub const METHODS: &[&str] = &[{}];\n",
        paths.join(", ")
    ))
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}
