//! Builds the C++ shim against libtorch's headers, and gives this crate's tests and examples a run path
//! to libtorch, so that they start without `LD_LIBRARY_PATH`. Cargo passes link arguments only to the
//! package that prints them: a binary that links this crate carries the run path's half of this script.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    for variable in [
        "LIBTORCH",
        "LIBTORCH_LIB",
        "LIBTORCH_INCLUDE",
        "LIBTORCH_USE_PYTORCH",
        "LIBTORCH_CXX11_ABI",
        "VIRTUAL_ENV",
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=shim");
    let root = libtorch();
    shim(root.as_ref());
    if let (Ok("linux"), Some(root)) = (env::var("CARGO_CFG_TARGET_OS").as_deref(), &root) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", root.libraries.display());
        // A run path of the old kind also serves the libraries that libtorch loads in turn.
        println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags");
    }
}

fn shim(root: Option<&Libtorch>) {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true).warnings(false);
    build.file("shim/shim.cpp").file("shim/cpu.cpp");
    // For loops that are to become vector code; OpenMP's runtime is not linked.
    build.opt_level(3).flag_if_supported("-fopenmp-simd").flag_if_supported("-fno-math-errno");
    build.flag_if_supported("-fno-trapping-math");
    if let Some(root) = root {
        build.include(&root.headers).include(root.headers.join("torch/csrc/api/include"));
    }
    // PyTorch's wheels and libtorch's archives have used this ABI alone since 2.6.
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    build.define("_GLIBCXX_USE_CXX11_ABI", abi.as_str()).compile("mixmake_shim");
}

struct Libtorch {
    headers: PathBuf,
    libraries: PathBuf,
}

/// Where libtorch is, by the same variables and precedence that `torch-sys` uses.
fn libtorch() -> Option<Libtorch> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        let root = pytorch_folder()?;
        return Some(Libtorch { headers: root.join("include"), libraries: root.join("lib") });
    }
    let folder = |variable: &str, inside: &str| {
        let root = env::var_os(variable).or_else(|| env::var_os("LIBTORCH"))?;
        Some(PathBuf::from(root).join(inside))
    };
    Some(Libtorch {
        headers: folder("LIBTORCH_INCLUDE", "include")?,
        libraries: folder("LIBTORCH_LIB", "lib")?,
    })
}

fn pytorch_folder() -> Option<PathBuf> {
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let script = "import torch, pathlib; print(pathlib.Path(torch.__file__).parent)";
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}
