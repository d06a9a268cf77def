//! Fuzzes `survive::lock`, which the ordinary tests run on the seeds.
#![no_main]

#[path = "../../../engine/core/tests/survive/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod survive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| survive::lock(data));
