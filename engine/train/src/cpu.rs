//! Operators of a CPU in fp32 that are quicker than libtorch's own, through `shim/cpu.cpp`; everything else goes
//! through libtorch. With `shim.rs` and `device.rs` the only modules with `unsafe`.
#![expect(unsafe_code, reason = "calls into the C++ shim beside libtorch")]

use crate::error::TrainError;
use crate::model::Stored;
use crate::shim::check;
use std::ffi::{c_char, c_void};
use tch::{Device, Kind, Tensor};

unsafe extern "C" {
    fn mixmake_linear(
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        in_out: bool,
        result: *mut *mut c_void,
    ) -> *mut c_char;
    fn mixmake_gelu(x: *const c_void, tanh: bool, result: *mut *mut c_void) -> *mut c_char;
    fn mixmake_product(
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        result: *mut *mut c_void,
    ) -> *mut c_char;
    fn mixmake_cross_entropy(
        logits: *const c_void,
        targets: *const c_void,
        vocabulary: i64,
        sum: *mut f64,
    ) -> *mut c_char;
}

/// The two forms of gelu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gelu {
    /// By tanh: `gelu_new` of `transformers`.
    Tanh,
    /// By the error function.
    Erf,
}

/// Whether a tensor is one that these operators take.
pub(crate) fn suits(x: &Tensor) -> bool {
    x.device() == Device::Cpu && x.kind() == Kind::Float
}

/// Whether loops of our own are worth it: they run on one thread.
fn is_alone() -> bool {
    tch::get_num_threads() == 1
}

/// `x` [m, in] times `weight` plus `bias` [out], as [m, out].
pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    stored: Stored,
) -> Result<Tensor, TrainError> {
    let in_out = stored == Stored::InOut;
    if !suits(x) {
        let weight = if in_out { weight.shallow_clone() } else { weight.f_transpose(0, 1)? };
        return Ok(bias.f_addmm(x, &weight)?);
    }
    // SAFETY: the tensors outlive the call; `result` is set unless there is a message.
    made(|result| unsafe { mixmake_linear(at(x), at(weight), at(bias), in_out, result) })
}

/// `x` [m, k] times the transpose of `weight` [n, k], plus `bias` [n]; without a graph.
pub(crate) fn product(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, TrainError> {
    if !suits(x) {
        let weight = weight.f_transpose(0, 1)?;
        return Ok(match bias {
            Some(bias) => bias.f_addmm(x, &weight)?,
            None => x.f_mm(&weight)?,
        });
    }
    let bias = bias.map_or(std::ptr::null(), at);
    // SAFETY: as above; a null bias is none.
    made(|result| unsafe { mixmake_product(at(x), at(weight), bias, result) })
}

pub(crate) fn gelu(x: &Tensor, form: Gelu) -> Result<Tensor, TrainError> {
    let tanh = form == Gelu::Tanh;
    if !suits(x) || !is_alone() {
        return Ok(x.f_gelu(if tanh { "tanh" } else { "none" })?);
    }
    // SAFETY: as above.
    made(|result| unsafe { mixmake_gelu(at(x), tanh, result) })
}

/// Sum over rows of the cross-entropy in nats of `logits` [rows, width], of which the first `vocabulary` columns
/// count, at `targets` [rows]; the logits become softmax - onehot, 0 in the other columns. None where these tensors
/// are libtorch's to do.
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    vocabulary: i64,
) -> Result<Option<f64>, TrainError> {
    if !suits(logits) || !is_alone() {
        return Ok(None);
    }
    let mut sum = 0.0;
    // SAFETY: the tensors outlive the call, which checks their shapes before it writes; nobody else has the logits.
    check(unsafe { mixmake_cross_entropy(at(logits), at(targets), vocabulary, &raw mut sum) })?;
    Ok(Some(sum))
}

fn at(tensor: &Tensor) -> *const c_void {
    tensor.as_ptr().cast()
}

fn made(call: impl FnOnce(*mut *mut c_void) -> *mut c_char) -> Result<Tensor, TrainError> {
    let mut result = std::ptr::null_mut();
    check(call(&raw mut result))?;
    // SAFETY: without a message, the result is a tensor made for us, which `Tensor` frees as libtorch's own.
    Ok(unsafe { Tensor::from_ptr(result.cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::backward;
    use tch::no_grad_guard;

    fn random(shape: &[i64], scale: f64) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let seed = format!("{shape:?}");
        let values = crate::normals(1, &seed, 0, count);
        (Tensor::from_slice(&values).view(shape) * scale).to_kind(Kind::Float)
    }

    /// Largest difference, of the largest value.
    fn apart(found: &Tensor, expected: &Tensor) -> f64 {
        assert_eq!(found.size(), expected.size());
        let largest = |t: Tensor| t.abs().max().double_value(&[]);
        largest(found - expected) / largest(expected.shallow_clone()).max(1e-30)
    }

    /// Values and gradients of `ours` and `theirs` from the same inputs.
    fn compare(
        inputs: &[Tensor],
        ours: impl Fn(&[Tensor]) -> Tensor,
        theirs: impl Fn(&[Tensor]) -> Tensor,
        tolerance: f64,
    ) {
        let leaves = || -> Vec<Tensor> {
            inputs.iter().map(|t| t.detach().set_requires_grad(true)).collect()
        };
        let (a, b) = (leaves(), leaves());
        let (found, expected) = (ours(&a), theirs(&b));
        assert!(apart(&found.detach(), &expected.detach()) < tolerance);
        let gradient = random(&found.size(), 1.0);
        let back = |root: &Tensor, leaves: &[Tensor]| {
            backward(root, &gradient, &leaves.iter().collect::<Vec<_>>()).expect("differentiable")
        };
        for (found, expected) in back(&found, &a).into_iter().zip(back(&expected, &b)) {
            let _guard = no_grad_guard();
            let (found, expected) = (found.expect("used"), expected.expect("used"));
            assert!(apart(&found, &expected) < tolerance, "{}", apart(&found, &expected));
        }
    }

    #[test]
    fn products_are_those_of_libtorch() {
        tch::set_num_threads(1);
        for (m, k, n) in [(1, 1, 1), (5, 3, 7), (130, 64, 192), (64, 192, 64)] {
            for stored in [Stored::InOut, Stored::OutIn] {
                let shape = if stored == Stored::InOut { [k, n] } else { [n, k] };
                let inputs = [random(&[m, k], 1.0), random(&shape, 0.1), random(&[n], 1.0)];
                let theirs = |t: &[Tensor]| match stored {
                    Stored::InOut => t[2].addmm(&t[0], &t[1]),
                    Stored::OutIn => t[2].addmm(&t[0], &t[1].tr()),
                };
                let ours = |t: &[Tensor]| linear(&t[0], &t[1], &t[2], stored).expect("fits");
                compare(&inputs, ours, theirs, 2e-6);
            }
        }
    }

    #[test]
    fn gelus_are_those_of_libtorch() {
        tch::set_num_threads(1);
        for (form, name) in [(Gelu::Tanh, "tanh"), (Gelu::Erf, "none")] {
            for scale in [0.01, 1.0, 10.0] {
                let ours = |t: &[Tensor]| gelu(&t[0], form).expect("fits");
                compare(&[random(&[3, 1001], scale)], ours, |t| t[0].gelu(name), 1e-6);
            }
            let odd = Tensor::from_slice(&[f32::NAN, -200.0, 200.0, 0.0, -0.0]);
            let found = Vec::<f32>::try_from(gelu(&odd, form).expect("fits")).expect("floats");
            assert!(found[0].is_nan(), "{found:?}");
            assert!(found[1].abs() < 1e-30, "{found:?}");
            assert_eq!(found[2..], [200.0, 0.0, 0.0], "{form:?}");
        }
    }

    #[test]
    fn cross_entropy_and_its_gradient_are_those_of_libtorch() {
        tch::set_num_threads(1);
        let (rows, vocabulary, width) = (7, 50, 64);
        let logits = random(&[rows, width], 5.0);
        let targets = Tensor::from_slice(&[0_i64, 49, 3, 3, 20, 11, 7]);
        let real = logits.narrow(1, 0, vocabulary).detach().set_requires_grad(true);
        let expected =
            real.cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::Sum, -100, 0.0);
        let one = Tensor::from(1.0_f32);
        let gradient = backward(&expected, &one, &[&real]).expect("differentiable").remove(0);
        let sum = cross_entropy(&logits, &targets, vocabulary).expect("valid").expect("on a CPU");
        assert!((sum / expected.double_value(&[]) - 1.0).abs() < 1e-6);
        let found = logits.narrow(1, 0, vocabulary);
        assert!(apart(&found, &gradient.expect("used")) < 1e-6);
        assert_eq!(
            logits.narrow(1, vocabulary, width - vocabulary).abs().max().double_value(&[]),
            0.0
        );
        let error = cross_entropy(&logits, &(targets + 1), vocabulary).expect_err("50 is no token");
        assert!(error.to_string().contains("no token"), "{error}");
        let infinite = Tensor::from_slice(&[1.0_f32, f32::INFINITY]).view([1, 2]);
        let zero = Tensor::from_slice(&[0_i64]);
        assert!(cross_entropy(&infinite, &zero, 2).expect("valid").expect("on a CPU").is_nan());
    }
}
