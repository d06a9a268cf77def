//! The functions of libtorch that tch does not bind, through `shim/shim.cpp`. With `cpu.rs` and `device.rs` the
//! only modules of this crate with `unsafe`: every call passes tensors that live until it returns, and owns
//! what it is given back.
#![expect(unsafe_code, reason = "calls into the C++ shim beside libtorch")]

use crate::error::TrainError;
use std::ffi::{CStr, c_char, c_void};
use tch::{TchError, Tensor};

unsafe extern "C" {
    fn mixmake_free(message: *mut c_char);
    fn mixmake_fused_adamw(
        parameters: *const c_void,
        gradient: *const c_void,
        first: *const c_void,
        second: *const c_void,
        step: *const c_void,
        grad_scale: *const c_void,
        found_inf: *const c_void,
        rate: f64,
        beta_1: f64,
        beta_2: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
    fn mixmake_backward(
        root: *const c_void,
        gradient: *const c_void,
        inputs: *const *const c_void,
        count: usize,
        results: *mut *mut c_void,
    ) -> *mut c_char;
    fn mixmake_deterministic(on: bool);
    fn mixmake_device_memory(device: i8, bytes: *mut u64) -> *mut c_char;
    fn mixmake_empty_cache() -> *mut c_char;
}

/// AdamW's constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Betas {
    pub first: f64,
    pub second: f64,
    pub epsilon: f64,
}

/// What one fused AdamW step reads and writes: flat tensors of one length, and scalars beside them.
pub(crate) struct FusedStep<'a> {
    pub parameters: &'a Tensor,
    pub gradient: &'a Tensor,
    pub first: &'a Tensor,
    pub second: &'a Tensor,
    /// The number of this step, from 1.
    pub step: &'a Tensor,
    /// What the gradient is divided by.
    pub scale: &'a Tensor,
    /// 1 where nothing may change.
    pub skip: &'a Tensor,
}

/// PyTorch's `_fused_adamw_`: one pass over memory.
pub(crate) fn fused_adamw(
    tensors: &FusedStep,
    rate: f64,
    betas: Betas,
    weight_decay: f64,
) -> Result<(), TrainError> {
    let at = |tensor: &Tensor| tensor.as_ptr().cast::<c_void>();
    // SAFETY: all pointers are of tensors that outlive the call, which only borrows them.
    check(unsafe {
        mixmake_fused_adamw(
            at(tensors.parameters),
            at(tensors.gradient),
            at(tensors.first),
            at(tensors.second),
            at(tensors.step),
            at(tensors.scale),
            at(tensors.skip),
            rate,
            betas.first,
            betas.second,
            weight_decay,
            betas.epsilon,
        )
    })
}

/// The gradient of `root` to each of `inputs` where `gradient` comes into `root`; none for an input
/// that it does not depend on. The graph is used up.
pub(crate) fn backward(
    root: &Tensor,
    gradient: &Tensor,
    inputs: &[&Tensor],
) -> Result<Vec<Option<Tensor>>, TrainError> {
    let pointers: Vec<*const c_void> = inputs.iter().map(|tensor| tensor.as_ptr().cast()).collect();
    let mut results = vec![std::ptr::null_mut::<c_void>(); inputs.len()];
    // SAFETY: `pointers` and `results` have `inputs.len()` places; the tensors outlive the call.
    check(unsafe {
        mixmake_backward(
            root.as_ptr().cast(),
            gradient.as_ptr().cast(),
            pointers.as_ptr(),
            pointers.len(),
            results.as_mut_ptr(),
        )
    })?;
    // SAFETY: a result is null or a tensor made for us, which `Tensor` frees as libtorch's own.
    let own = |result: *mut c_void| {
        (!result.is_null()).then(|| unsafe { Tensor::from_ptr(result.cast()) })
    };
    Ok(results.into_iter().map(own).collect())
}

/// Asks libtorch for kernels that add up in a fixed order, for the whole process.
pub(crate) fn deterministic(on: bool) {
    // SAFETY: sets a flag of libtorch's context.
    unsafe { mixmake_deterministic(on) }
}

/// Bytes of a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceMemory {
    /// The most that tensors of this process ever held.
    pub peak: u64,
    pub free: u64,
    pub total: u64,
}

/// Memory of GPU number `device`.
pub(crate) fn device_memory(device: usize) -> Result<DeviceMemory, TrainError> {
    let mut bytes = [0_u64; 3];
    let device = i8::try_from(device).unwrap_or(0);
    // SAFETY: `bytes` has the three places that are written.
    check(unsafe { mixmake_device_memory(device, bytes.as_mut_ptr()) })?;
    Ok(DeviceMemory { peak: bytes[0], free: bytes[1], total: bytes[2] })
}

/// Gives memory that libtorch keeps for later allocations back to the GPU.
pub(crate) fn empty_cache() -> Result<(), TrainError> {
    // SAFETY: touches no tensor of ours.
    check(unsafe { mixmake_empty_cache() })
}

/// The shim's message as an error; null is none.
pub(crate) fn check(message: *mut c_char) -> Result<(), TrainError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message is a C string of the shim's, freed once, after it was copied.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        mixmake_free(message);
        text
    };
    Err(TchError::Torch(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_follows_the_chain_rule_and_says_what_is_unused() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0]).set_requires_grad(true);
        let unused = Tensor::from_slice(&[1.0_f32]).set_requires_grad(true);
        let root = &x * &x;
        let gradient = Tensor::from_slice(&[10.0_f32, 100.0]);
        let found = backward(&root, &gradient, &[&x, &unused]).expect("small");
        let to_x = found[0].as_ref().expect("used");
        assert_eq!(Vec::<f32>::try_from(to_x).expect("floats"), [20.0, 400.0]);
        assert!(found[1].is_none());
    }

    #[test]
    fn exceptions_become_errors() {
        let x = Tensor::from_slice(&[1.0_f32]);
        let error = backward(&x, &x, &[&x]).expect_err("needs no gradient").to_string();
        assert!(error.contains("grad"), "{error}");
    }
}
