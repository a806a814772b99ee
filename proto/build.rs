//! Compiles the `.proto` files without protoc and writes the method > least role table beside the generated code.
//! A method that names no role fails the build.

use std::fmt::Write as _;
use std::path::PathBuf;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

const FILES: [&str; 5] = ["options", "host_state", "report", "agent", "blobs"];

fn main() {
    println!("cargo::rerun-if-changed=landfast");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    let mut compiler = protox::Compiler::new(["."]).expect("the proto folder");
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        if let Err(error) = compiler.open_file(format!("landfast/v1/{file}.proto")) {
            panic!("{error:?}");
        }
    }

    let pool = compiler.descriptor_pool();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    std::fs::write(out.join("roles.rs"), roles(&pool, methods)).expect("OUT_DIR can be written");

    tonic_prost_build::configure()
        .bytes(".landfast.v1.PushRequest.data")
        .bytes(".landfast.v1.PullResponse.data")
        .bytes(".landfast.v1.LogsResponse.data")
        .btree_map(".")
        .compile_fds(compiler.file_descriptor_set())
        .expect("the descriptors generate");
}

/// `match` arms from a method's path to its least role.
fn roles(pool: &DescriptorPool, methods: impl Iterator<Item = MethodDescriptor>) -> String {
    let option = pool.get_extension_by_name("landfast.v1.least_role").expect("options.proto defines least_role");
    let mut arms = String::new();
    for method in methods {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let options = method.options();
        let number = match options.get_extension(&option).as_ref() {
            Value::EnumNumber(number) if *number != 0 => *number,
            _ => panic!("{path} names no least_role: say who may call it (proto/landfast/v1/options.proto)"),
        };
        writeln!(arms, "        \"{path}\" => Role::try_from({number}).ok(),").expect("a String takes all");
    }
    format!(
        "/// The least role that may call the method at `path`; none for a method that does not exist.\n\
         pub fn least_role(path: &str) -> Option<Role> {{\n    match path {{\n{arms}        _ => None,\n    }}\n}}\n\n\
         /// Every method's path.\npub const METHODS: &[&str] = &[{}];\n",
        arms.lines().filter_map(|arm| arm.trim().split(" =>").next()).collect::<Vec<_>>().join(", ")
    )
}
