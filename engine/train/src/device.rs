//! The device that computes: finding libtorch's CUDA half, threads, precision, and what to report of
//! them. The one module with `unsafe`: loading a library runs its initialisers.

use crate::config::{Precision, TrainConfig};
use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Once;
use tch::{Device, Kind};

/// What may change the bits of a result besides configuration and data. It belongs in a receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Numerics {
    /// `cpu`, or `cuda` with the GPU's model.
    pub device: String,
    /// Never `auto`.
    pub precision: Precision,
    pub threads: u32,
    /// Version of libtorch.
    pub libtorch: String,
    /// Of the GPU; none on a CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether the same inputs on the same device model and library give the same bits.
    pub deterministic: bool,
}

/// Prepares libtorch for this process: loads its CUDA half where there is an NVIDIA driver, and fixes
/// the pool between operators at one thread. Must come before anything else asks libtorch for a GPU;
/// [`train`](crate::train()) calls it, a second call does nothing.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        load_cuda();
        tch::set_num_interop_threads(1);
    });
}

/// The linker drops libtorch_cuda because no symbol of it is named; loading it registers its kernels.
fn load_cuda() {
    if !Path::new("/proc/driver/nvidia/version").exists() {
        return;
    }
    let Some(library) = libtorch_folder().map(|folder| folder.join("libtorch_cuda.so")) else {
        return;
    };
    if !library.exists() {
        return;
    }
    match load(&library) {
        Ok(()) => tracing::debug!(library = %library.display(), "loaded the CUDA half of libtorch"),
        Err(error) => {
            tracing::warn!(%error, "a GPU is present but libtorch's CUDA half does not load; using the CPU")
        }
    }
}

#[expect(
    unsafe_code,
    reason = "dlopen runs initialisers; this library's only register its kernels with libtorch"
)]
fn load(library: &Path) -> Result<(), libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
    // SAFETY: libtorch_cuda.so belongs to the libtorch that this process already runs, of the same
    // build; its initialisers need nothing of us. It is never unloaded, so what it registers stays valid.
    let library = unsafe { Library::open(Some(library), RTLD_LAZY | RTLD_GLOBAL) }?;
    std::mem::forget(library);
    Ok(())
}

/// The folder of the libtorch_cpu that this process has mapped.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let library = path
        .map(Path::new)
        .find(|path| path.file_name().is_some_and(|name| name == "libtorch_cpu.so"))?;
    library.parent().map(Path::to_path_buf)
}

/// The version that libtorch's files state, else the one this crate is built for.
fn libtorch_version() -> String {
    let root = libtorch_folder().and_then(|folder| folder.parent().map(Path::to_path_buf));
    let read = |name: &str| std::fs::read_to_string(root.as_ref()?.join(name)).ok();
    let quoted = |text: String| {
        let line = text.lines().find(|line| line.starts_with("__version__"))?.to_owned();
        line.split('\'').nth(1).map(str::to_owned)
    };
    let version = read("build-version").map(|text| text.trim().to_owned());
    version.or_else(|| read("version.py").and_then(quoted)).unwrap_or_else(|| "2.11".to_owned())
}

/// Where and how a run computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Machine {
    pub device: Device,
    pub precision: Precision,
}

impl Machine {
    /// The first GPU where there is one, else the CPU; sets libtorch's threads.
    pub fn choose(config: &TrainConfig) -> Result<Machine, TrainError> {
        prepare();
        let threads = i32::try_from(config.threads)
            .map_err(|_| TrainError::Config { field: "threads", problem: "is too large" })?;
        tch::set_num_threads(threads);
        let device = Device::cuda_if_available();
        let precision = match (config.precision, device) {
            (Precision::Auto, Device::Cpu) => Precision::Fp32,
            (Precision::Auto, _) => Precision::Bf16,
            (asked, _) => asked,
        };
        Ok(Machine { device, precision })
    }

    /// What products are computed in.
    pub fn kind(self) -> Kind {
        if self.precision == Precision::Bf16 { Kind::BFloat16 } else { Kind::Float }
    }

    /// Tokens of one forward and backward pass where they fit. On a CPU activations of small passes stay
    /// in the cache; a GPU wants large ones.
    pub fn tokens_per_pass(self) -> u64 {
        if self.device == Device::Cpu { 1 << 11 } else { 1 << 16 }
    }

    /// What the shortest row of a group may lack of the longest: a CPU computes no padding, a GPU wants
    /// few kernels.
    pub fn slack(self) -> f64 {
        if self.device == Device::Cpu { 0.0 } else { 0.1 }
    }

    /// `deterministic`: whether sums of a fixed order were asked for.
    pub fn numerics(self, threads: u32, deterministic: bool) -> Numerics {
        let device = match self.device {
            Device::Cpu => "cpu".to_owned(),
            _ => format!("cuda {}", gpu_model().unwrap_or_default()).trim().to_owned(),
        };
        Numerics {
            device,
            precision: self.precision,
            threads,
            libtorch: libtorch_version(),
            driver: if self.device == Device::Cpu { None } else { driver() },
            deterministic: deterministic || self.device == Device::Cpu,
        }
    }
}

/// The version of NVIDIA's kernel module.
fn driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let line = text.lines().next()?;
    line.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// The model of the GPU as the driver states it, where that is one for all GPUs.
fn gpu_model() -> Option<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let mut models: Vec<String> = folders
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("information")).ok())
        .filter_map(|text| {
            Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned())
        })
        .collect();
    models.sort();
    models.dedup();
    (models.len() == 1).then(|| models.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_is_found_where_it_is_loaded_from() {
        prepare();
        prepare();
        assert!(tch::get_num_threads() > 0);
        let folder = libtorch_folder().expect("this process runs libtorch");
        assert!(folder.join("libtorch_cpu.so").exists());
        assert!(libtorch_version().starts_with("2.11"), "{}", libtorch_version());
    }
}
