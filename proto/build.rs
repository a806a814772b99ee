//! Compiles the `.proto` files without protoc and writes the table of least roles beside the generated code.
//! A method that names no role fails the build.

use std::path::PathBuf;

#[path = "build/roles.rs"]
mod roles;

const FILES: [&str; 9] = ["options", "host_state", "unit", "release", "report", "agent", "blobs", "builder", "peer"];

fn main() {
    println!("cargo::rerun-if-changed=landfast");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    let mut compiler = protox::Compiler::new(["."]).expect("the proto folder");
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        if let Err(error) = compiler.open_file(format!("landfast/v1/{file}.proto")) {
            panic!("{error:?}");
        }
    }

    let table = match roles::table(&compiler.descriptor_pool()) {
        Ok(table) => table,
        Err(error) => panic!("{error}"),
    };
    std::fs::write(out.join("roles.rs"), table).expect("OUT_DIR can be written");

    tonic_prost_build::configure()
        .bytes(".landfast.v1.PushRequest.data")
        .bytes(".landfast.v1.PullResponse.data")
        .bytes(".landfast.v1.OpenRequest.data")
        .bytes(".landfast.v1.OpenResponse.data")
        .bytes(".landfast.v1.LogsResponse.data")
        .btree_map(".")
        .skip_debug(["landfast.v1.PlacedFile", "landfast.v1.Unit", "landfast.v1.Unit.contents"])
        .compile_fds(compiler.file_descriptor_set())
        .expect("the descriptors generate");
}
