//! A method without a least role fails the build (T6).

use std::path::Path;

use prost_reflect::DescriptorPool;

#[path = "../build/roles.rs"]
mod roles;

/// Compiles a service with one method that carries these options, together with the real `options.proto`.
fn pool(options: &str) -> DescriptorPool {
    let folder = tempfile::tempdir().expect("a folder");
    let source = format!(
        "syntax = \"proto3\"; package landfast.v1; import \"landfast/v1/options.proto\"; message Nothing {{}}\n\
         service Door {{ rpc Open(Nothing) returns (Nothing) {{ {options} }} }}"
    );
    std::fs::write(folder.path().join("door.proto"), source).expect("door.proto");
    let mut compiler =
        protox::Compiler::new([folder.path(), Path::new(env!("CARGO_MANIFEST_DIR"))]).expect("both folders");
    compiler.include_imports(true).open_file("door.proto").expect("door.proto compiles");
    compiler.descriptor_pool()
}

#[test]
fn t06_a_method_without_a_role_fails_the_build() {
    let error = roles::table(&pool("")).expect_err("no role");
    assert!(error.starts_with("/landfast.v1.Door/Open names no least_role"), "{error}");
}

#[test]
fn t06_a_method_whose_role_is_unspecified_fails_the_build() {
    assert!(roles::table(&pool("option (least_role) = ROLE_UNSPECIFIED;")).is_err());
}

#[test]
fn t06_a_method_with_a_role_is_in_the_table() {
    let table = roles::table(&pool("option (least_role) = ROLE_ADMIN;")).expect("a role");
    assert!(table.contains("\"/landfast.v1.Door/Open\" => Role::try_from(3).ok()"), "{table}");
}

#[test]
fn t06_the_role_of_agents_is_apart_from_those_of_operators() {
    let table = roles::table(&pool("option (least_role) = ROLE_PEER;")).expect("a role");
    assert!(table.contains("\"/landfast.v1.Door/Open\" => Role::try_from(4).ok()"), "{table}");
}
