//! Links `mixmake` at a fixed address, and gives `mixmake-trainer` a run path to libtorch, so that it starts without
//! `LD_LIBRARY_PATH`. Cargo passes link arguments only to the package that prints them, hence the likeness to the
//! train crate's.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    for variable in ["LIBTORCH", "LIBTORCH_LIB", "LIBTORCH_USE_PYTORCH", "VIRTUAL_ENV"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    // Half of the time of a start, and a tenth of that of a run with nothing to do, went into moving the program's tables
    // of pointers to a random address. What it parses, it parses in safe code.
    println!("cargo:rustc-link-arg-bin=mixmake=-no-pie");
    if env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return;
    }
    if let Some(folder) = libtorch_folder() {
        println!("cargo:rustc-link-arg-bin=mixmake-trainer=-Wl,-rpath,{}", folder.display());
        // A run path of the old kind also serves the libraries that libtorch loads in turn.
        println!("cargo:rustc-link-arg-bin=mixmake-trainer=-Wl,--disable-new-dtags");
    }
}

/// Where libtorch's libraries are, by the same variables and precedence that `torch-sys` uses.
fn libtorch_folder() -> Option<PathBuf> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return pytorch_folder();
    }
    let root = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH"))?;
    Some(PathBuf::from(root).join("lib"))
}

fn pytorch_folder() -> Option<PathBuf> {
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let script = "import torch, pathlib; print(pathlib.Path(torch.__file__).parent / 'lib')";
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}
