//! AdamW (Loshchilov and Hutter, 2019) with PyTorch's conventions, and clipping by the global norm, over
//! the flat buffers: a step is about ten kernels whatever the number of layers.

use crate::error::TrainError;
use crate::parameters::{Layout, zeros};
use tch::{Tensor, no_grad_guard};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

pub(crate) struct AdamW {
    /// Running mean of the gradient.
    pub first: Tensor,
    /// Running mean of its square.
    pub second: Tensor,
    scratch: Tensor,
    weight_decay: f64,
    numel_decaying: i64,
}

impl AdamW {
    pub fn new(
        layout: &Layout,
        weight_decay: f64,
        device: tch::Device,
    ) -> Result<AdamW, TrainError> {
        Ok(AdamW {
            first: zeros(layout, device)?,
            second: zeros(layout, device)?,
            scratch: zeros(layout, device)?,
            weight_decay,
            numel_decaying: layout.numel_decaying(),
        })
    }

    /// Updates `parameters` by `gradient`; `step` counts from 1.
    ///
    /// p <- p (1 - lr wd) - lr / c1 · m / (sqrt(v) / sqrt(c2) + eps) with c = 1 - beta^step. Written
    /// m / (a sqrt(v) + b) with the constants folded into a and b, so that one pass divides and adds.
    pub fn step(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        rate: f64,
        step: u64,
    ) -> Result<(), TrainError> {
        let _guard = no_grad_guard();
        let _ = self.first.f_lerp_(gradient, 1.0 - BETA_1)?;
        let _ = gradient.f_square_out(&self.scratch)?;
        let _ = self.second.f_lerp_(&self.scratch, 1.0 - BETA_2)?;
        if rate == 0.0 {
            return Ok(()); // the start of a warm-up: a and b would be infinite
        }
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let per_rate = correction(BETA_1) / rate;
        let _ = self.second.f_sqrt_out(&self.scratch)?;
        let _ = self.scratch.f_mul_scalar_(-per_rate / correction(BETA_2).sqrt())?;
        let _ = self.scratch.f_add_scalar_(-per_rate * EPSILON)?;
        if self.weight_decay > 0.0 {
            let mut decaying = parameters.f_narrow(0, 0, self.numel_decaying)?;
            let _ = decaying.f_mul_scalar_(1.0 - rate * self.weight_decay)?;
        }
        let _ = parameters.shallow_clone().f_addcdiv_(&self.first, &self.scratch)?;
        Ok(())
    }
}

/// Scales `gradient` down to global norm `limit` (0 for no limit); the norm before that.
pub(crate) fn clip(gradient: &mut Tensor, limit: f64) -> Result<f64, TrainError> {
    let _guard = no_grad_guard();
    let norm = gradient.f_norm()?.f_double_value(&[])?;
    if limit > 0.0 && norm > limit {
        let _ = gradient.f_mul_scalar_(limit / (norm + 1e-6))?;
    }
    Ok(norm)
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
            optimizer
                .step(&parameters, &Tensor::from_slice(&gradient), rate, step as u64)
                .expect("small");
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

    #[test]
    fn clipping_keeps_the_direction_and_reports_the_norm() {
        let check = |limit: f64, expected: [f32; 2]| {
            let mut gradient = Tensor::from_slice(&[3.0_f32, 4.0]);
            assert_eq!(clip(&mut gradient, limit).expect("small"), 5.0);
            for (found, wanted) in
                Vec::<f32>::try_from(&gradient).expect("floats").iter().zip(expected)
            {
                assert!((found - wanted).abs() < 1e-5, "{limit}: {found}");
            }
        };
        check(0.0, [3.0, 4.0]);
        check(10.0, [3.0, 4.0]);
        check(1.0, [0.6, 0.8]);
    }
}
