//! Hands the versions of the crates to the programs: Cargo knows them, code does not.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("Cargo.lock");
    let text = fs::read_to_string(lock).unwrap_or_default();
    for name in ["tokio", "rayon", "flume", "async-channel"] {
        let version = text
            .split(&format!("name = \"{name}\"\nversion = \""))
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or("?");
        let variable = name.to_uppercase().replace('-', "_");
        println!("cargo:rustc-env={variable}_VERSION={version}");
    }
}
