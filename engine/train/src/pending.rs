//! What steps have measured and nobody has read yet. Reading waits for the device, so it is done once
//! for many steps.

use crate::error::TrainError;
use crate::trainer::CurvePoint;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor, no_grad_guard};

/// What is known of a step when it is given to the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Launched {
    /// Steps given to the device, this one included.
    pub step: u64,
    /// Training tokens, this step's included.
    pub tokens: u64,
    pub learning_rate: f64,
}

/// Steps that were launched and not read.
pub(crate) struct Pending {
    steps: Vec<Launched>,
    /// Loss and gradient norm of each, on the device.
    measured: Vec<Tensor>,
    read_at: Instant,
    every: Duration,
}

/// So that a run that diverges is stopped soon, however short its steps are.
const MOST: usize = 64;

impl Pending {
    /// On a CPU every step is read at once: there is nothing to wait for.
    pub fn new(device: Device) -> Pending {
        let every = if device == Device::Cpu { 0 } else { 250 };
        Pending {
            steps: vec![],
            measured: vec![],
            read_at: Instant::now(),
            every: Duration::from_millis(every),
        }
    }

    /// Adds a step with its mean loss and gradient norm, scalars on the device.
    pub fn push(&mut self, step: Launched, loss: &Tensor, norm: &Tensor) -> Result<(), TrainError> {
        let _guard = no_grad_guard();
        self.measured.push(Tensor::f_stack(&[loss, &norm.f_to_kind(Kind::Double)?], 0)?);
        self.steps.push(step);
        Ok(())
    }

    /// Whether it is time to read.
    pub fn is_due(&self) -> bool {
        self.steps.len() >= MOST || self.read_at.elapsed() >= self.every
    }

    /// Waits for the steps launched so far and gives what they measured, in their order.
    pub fn read(&mut self) -> Result<Vec<CurvePoint>, TrainError> {
        self.read_at = Instant::now();
        let (steps, measured) =
            (std::mem::take(&mut self.steps), std::mem::take(&mut self.measured));
        if steps.is_empty() {
            return Ok(vec![]);
        }
        let numbers = Tensor::f_cat(&measured, 0)?.f_to_device(Device::Cpu)?;
        let numbers = Vec::<f64>::try_from(numbers)?;
        let point = |(launched, pair): (Launched, &[f64])| CurvePoint {
            step: launched.step,
            tokens: launched.tokens,
            loss: pair[0],
            learning_rate: launched.learning_rate,
            gradient_norm: pair[1],
        };
        Ok(steps.into_iter().zip(numbers.chunks_exact(2)).map(point).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_read_once_and_in_order() {
        let mut pending = Pending::new(Device::Cuda(0));
        for step in 1..=3 {
            let launched = Launched { step, tokens: 10 * step, learning_rate: 0.1 };
            let (loss, norm) = (Tensor::from(step as f64), Tensor::from(step as f32 / 2.0));
            pending.push(launched, &loss, &norm).expect("small");
        }
        assert!(!pending.is_due());
        let points = pending.read().expect("small");
        let found: Vec<_> =
            points.iter().map(|p| (p.step, p.tokens, p.loss, p.gradient_norm)).collect();
        assert_eq!(found, [(1, 10, 1.0, 0.5), (2, 20, 2.0, 1.0), (3, 30, 3.0, 1.5)]);
        assert!(pending.read().expect("nothing").is_empty());
        assert!(Pending::new(Device::Cpu).is_due());
    }
}
