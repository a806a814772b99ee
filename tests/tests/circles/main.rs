//! Files of a crate do not use each other in a circle, so each can be read after the files that it uses.
//!
//! A file uses another one when a path in its code leads to an item that the other file defines: in a `use`, or written
//! out. Three rules decide what counts:
//! - A re-export (`pub use child::Item`) leads to the file that defines the item. It is no use by itself, unless the
//!   re-exporting file also has the name elsewhere.
//! - A parent (`mod.rs`, `lib.rs`) that uses its children and defines items that they use is a circle too: neither file
//!   can be read first. The remedy is a file of its own for what the children share, or for what uses them. Parents with
//!   many children often define the types that these share, so a crate can be exempt from this rule with
//!   [`Parents::Exempt`]. It stays strict between siblings and between folders.
//! - Tests are left out: modules under `#[cfg(test)]`, files called `tests.rs`, and folders called `tests`.
//!
//! Method calls are not followed, because a path does not name the file of a method. A method therefore belongs in the file
//! of its type, or in a file that the type's file does not call.

mod graph;
mod lexer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use graph::{Graph, Parents};

/// Crates whose files have no circles.
const CRATES: [(&str, Parents); 2] = [("coordinator/compose", Parents::Count), ("coordinator/core", Parents::Exempt)];

/// Circles that are meant, as pairs of files: an included file is loaded as a project, and a project includes files.
const ALLOWED: [(&str, &str); 1] = [("coordinator/compose/src/include.rs", "coordinator/compose/src/load.rs")];

#[test]
fn files_do_not_use_each_other_in_a_circle() {
    let allowed: Vec<BTreeSet<String>> =
        ALLOWED.iter().map(|(one, other)| [*one, *other].map(str::to_owned).into()).collect();
    let graphs: Vec<Graph> = CRATES.iter().map(|(folder, parents)| Graph::of(&sources(folder), *parents)).collect();
    let circles = || graphs.iter().flat_map(|graph| graph.circles().into_iter().map(move |circle| (graph, circle)));
    let refused: Vec<String> = circles()
        .filter(|(_, circle)| !allowed.contains(circle))
        .map(|(graph, circle)| format!("these files use each other in a circle:\n{}", graph.arrows_within(&circle)))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let found: Vec<_> = circles().map(|(_, circle)| circle).collect();
    let stale: Vec<_> = allowed.iter().filter(|pair| !found.contains(pair)).collect();
    assert!(stale.is_empty(), "ALLOWED names circles that are gone: {stale:?}");
}

/// The sources of a crate by their path from the root of the checkout.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is one below the root");
    let mut sources = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("beneath the root").display().to_string();
                sources.insert(name, fs::read_to_string(&path).expect("a source is text"));
            }
        }
    }
    assert!(!sources.is_empty(), "{folder} has no sources");
    sources
}

/// The circles of a made-up crate, each as its arrows.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    circles_with(Parents::Count, files)
}

fn circles_with(parents: Parents, files: &[(&str, &str)]) -> Vec<String> {
    let sources = files.iter().map(|(file, text)| (format!("x/src/{file}"), (*text).to_owned())).collect();
    let graph = Graph::of(&sources, parents);
    graph.circles().iter().map(|circle| graph.arrows_within(circle)).collect()
}

#[test]
fn files_that_use_each_other_are_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "pub struct B; fn f() { let _ = format!(\"{:?}\", super::c::f()); }"),
        ("c.rs", "pub fn f() -> crate::a::A { crate::a::A }"),
    ]);
    assert_eq!(
        found,
        ["  x/src/a.rs uses B of x/src/b.rs\n  x/src/b.rs uses f of x/src/c.rs\n  x/src/c.rs uses A of x/src/a.rs"]
    );
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let parent = "mod one; mod two; pub use one::{One, first as begin}; pub(crate) use two::*;";
    let two = "use super::One; use super::begin; pub struct Two(One);";
    assert!(
        circles(&[("lib.rs", parent), ("one.rs", "pub struct One; pub fn first() {}"), ("two.rs", two)]).is_empty()
    );
    let one = "use crate::Two; pub struct One; pub fn first() {}";
    assert_eq!(circles(&[("lib.rs", parent), ("one.rs", one), ("two.rs", two)]).len(), 1);
}

#[test]
fn a_parent_that_uses_a_child_and_defines_what_the_child_uses_is_a_circle() {
    let child = "use super::Shape; pub fn area(_: Shape) {}";
    let parent = "mod area; pub struct Shape; fn f() { area::area(Shape) }";
    let files = [("lib.rs", "mod shape;"), ("shape/mod.rs", parent), ("shape/area.rs", child)];
    assert_eq!(circles(&files).len(), 1);
    assert!(circles_with(Parents::Exempt, &files).is_empty());
    let only_declares = "mod area; pub use area::area; pub struct Shape;";
    assert!(circles(&[("lib.rs", "mod shape;"), ("shape/mod.rs", only_declares), ("shape/area.rs", child)]).is_empty());
}

#[test]
fn tests_texts_and_comments_make_no_circle() {
    let a = "use crate::b::B; #[cfg(test)] mod checks; #[cfg(test)] mod more { use crate::c::C; }";
    let b = "// use crate::a::A;\n/* crate::a::A /* */ */ pub struct B; const T: &str = r#\"crate::a::A\"#; const C: char = '\"';";
    let c = "use crate::a::A; pub struct C;";
    let tests = "use crate::c::C;";
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", a),
        ("a/checks.rs", tests),
        ("b.rs", b),
        ("c.rs", c),
        ("b/tests.rs", c),
    ];
    assert!(circles(&files).is_empty(), "{:?}", circles(&files));
}
