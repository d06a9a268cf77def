//! AdamW (Loshchilov and Hutter, 2019) as PyTorch's fused kernel computes it, with clipping by the
//! global norm inside, over the flat buffers: one pass over memory for what decays, one for the rest.
//!
//! Nothing here waits for the device: a step whose norm or loss is not finite changes nothing, and who
//! reads the norm later learns of it.

use crate::error::TrainError;
use crate::parameters::{Layout, zeros};
use crate::shim::{Betas, FusedStep, fused_adamw};
use tch::{Device, Kind, Tensor, no_grad_guard};

const BETAS: Betas = Betas { first: 0.9, second: 0.999, epsilon: 1e-8 };

pub(crate) struct AdamW {
    /// Running mean of the gradient.
    pub first: Tensor,
    /// Running mean of its square.
    pub second: Tensor,
    weight_decay: f64,
    numel_decaying: i64,
}

impl AdamW {
    pub fn new(layout: &Layout, weight_decay: f64, device: Device) -> Result<AdamW, TrainError> {
        Ok(AdamW {
            first: zeros(layout, device)?,
            second: zeros(layout, device)?,
            weight_decay,
            numel_decaying: layout.numel_decaying(),
        })
    }

    /// Updates `parameters` by `gradient`, which is divided by the scalar `scale` on the way; `step`
    /// counts from 1. Where the scalar `skip` is 1 nothing changes.
    ///
    /// m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g²;  with c = 1 - b^step:
    /// p <- p (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps)
    pub fn step(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        norm: &Norm,
        rate: f64,
        step: u64,
    ) -> Result<(), TrainError> {
        let count = Tensor::f_full([], step as f64, (Kind::Float, parameters.device()))?;
        let rest = parameters.numel() as i64 - self.numel_decaying;
        for (start, length, decay) in
            [(0, self.numel_decaying, self.weight_decay), (self.numel_decaying, rest, 0.0)]
        {
            if length == 0 {
                continue;
            }
            let part = |tensor: &Tensor| tensor.f_narrow(0, start, length);
            let tensors = FusedStep {
                parameters: &part(parameters)?,
                gradient: &part(gradient)?,
                first: &part(&self.first)?,
                second: &part(&self.second)?,
                step: &count,
                scale: &norm.scale,
                skip: &norm.skip,
            };
            fused_adamw(&tensors, rate, BETAS, decay)?;
        }
        Ok(())
    }
}

/// The global norm of a gradient and what follows from it, as fp32 scalars on the device.
pub(crate) struct Norm {
    /// Before clipping.
    pub norm: Tensor,
    /// What to divide the gradient by so that its norm is at most the limit; 1 for a smaller one.
    pub scale: Tensor,
    /// 1 where the norm or the loss is not finite, else 0.
    pub skip: Tensor,
}

impl Norm {
    /// Of `gradient` (flat), for clipping at `limit` (0 for no limit); `loss` is a scalar.
    pub fn new(gradient: &Tensor, limit: f64, loss: &Tensor) -> Result<Norm, TrainError> {
        let _guard = no_grad_guard();
        let norm = gradient.f_norm()?;
        let scale = if limit > 0.0 {
            norm.f_add_scalar(1e-6)?.f_div_scalar(limit)?.f_clamp_min(1.0)?
        } else {
            norm.f_ones_like()?
        };
        let finite = norm.f_isfinite()?.f_logical_and(&loss.f_isfinite()?)?;
        let skip = finite.f_logical_not()?.f_to_kind(Kind::Float)?;
        Ok(Norm { norm, scale, skip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Init;
    use tch::Device;

    /// AdamW as published, number by number in f64, against the kernels on the flat buffer.
    #[test]
    fn steps_follow_the_published_update() {
        let mut layout = Layout::default();
        layout.add("weight", &[2, 2], Init::Ones);
        layout.add("bias", &[2], Init::Ones);
        let parameters = layout.initialise(0).expect("small");
        let mut optimizer = AdamW::new(&layout, 0.1, Device::Cpu).expect("small");
        let (mut p, mut m, mut v) = ([1.0_f64; 6], [0.0_f64; 6], [0.0_f64; 6]);
        for step in 1..=5 {
            let rate = [0.0, 0.01, 0.02, 0.01, 0.005][step - 1];
            let gradient: [f32; 6] = std::array::from_fn(|i| (i as f32 - 2.5) * 0.3 / step as f32);
            let gradient_tensor = Tensor::from_slice(&gradient);
            let norm = Norm::new(&gradient_tensor, 0.0, &Tensor::from(1.0)).expect("small");
            optimizer.step(&parameters, &gradient_tensor, &norm, rate, step as u64).expect("small");
            for i in 0..6 {
                let g = f64::from(gradient[i]);
                let decay = if i < 4 { 0.1 } else { 0.0 };
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (c1, c2) = (1.0 - 0.9_f64.powi(step as i32), 1.0 - 0.999_f64.powi(step as i32));
                p[i] =
                    p[i] * (1.0 - rate * decay) - rate * (m[i] / c1) / ((v[i] / c2).sqrt() + 1e-8);
                let found = parameters.double_value(&[i as i64]);
                assert!((found - p[i]).abs() < 1e-6, "step {step}, {i}: {found} for {}", p[i]);
            }
        }
    }

    /// One step of plain descent's worth: what reaches the first moment is the clipped gradient.
    #[test]
    fn clipping_keeps_the_direction_and_reports_the_norm() {
        let mut layout = Layout::default();
        layout.add("bias", &[2], Init::Ones);
        let check = |limit: f64, expected: [f64; 2]| {
            let mut optimizer = AdamW::new(&layout, 0.0, Device::Cpu).expect("small");
            let gradient = Tensor::from_slice(&[3.0_f32, 4.0]);
            let norm = Norm::new(&gradient, limit, &Tensor::from(1.0)).expect("small");
            assert_eq!(norm.norm.double_value(&[]), 5.0);
            let parameters = layout.initialise(0).expect("small");
            optimizer.step(&parameters, &gradient, &norm, 0.1, 1).expect("small");
            for (index, wanted) in expected.into_iter().enumerate() {
                let found = optimizer.first.double_value(&[index as i64]) / 0.1;
                assert!((found - wanted).abs() < 1e-5, "{limit}: {found}");
            }
        };
        check(0.0, [3.0, 4.0]);
        check(10.0, [3.0, 4.0]);
        check(1.0, [0.6, 0.8]);
    }

    #[test]
    fn what_is_not_finite_changes_nothing() {
        let mut layout = Layout::default();
        layout.add("weight", &[2, 1], Init::Ones);
        layout.add("bias", &[2], Init::Ones);
        let check = |gradient: [f32; 4], loss: f64, changes: bool| {
            let mut optimizer = AdamW::new(&layout, 0.1, Device::Cpu).expect("small");
            let parameters = layout.initialise(0).expect("small");
            let gradient = Tensor::from_slice(&gradient);
            let norm = Norm::new(&gradient, 1.0, &Tensor::from(loss)).expect("small");
            optimizer.step(&parameters, &gradient, &norm, 0.1, 1).expect("small");
            let before = layout.initialise(0).expect("small");
            assert_eq!(parameters == before, !changes, "{gradient:?} {loss}");
            assert_eq!(optimizer.second.norm().double_value(&[]) > 0.0, changes);
        };
        check([1.0; 4], 1.0, true);
        check([1.0, f32::NAN, 1.0, 1.0], 1.0, false);
        check([1.0, f32::INFINITY, 1.0, 1.0], 1.0, false);
        check([1.0; 4], f64::NAN, false);
    }
}
