//! A model with its parameters on a device: loss, gradients, logits, files.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::error::TrainError;
use crate::loss::{Head, HeadGradients};
use crate::model::{Model, read_description};
use crate::parameters::{Layout, Views, zeros};
use crate::weights;
use std::path::Path;
use tch::{Device, Kind, Tensor, no_grad_guard};

/// A model with its parameters.
pub struct Network {
    config: ModelConfig,
    model: Model,
    layout: Layout,
    /// All parameters, fp32.
    flat: Tensor,
    /// What products are computed in: fp32, or bf16 with `flat` as fp32 master.
    kind: Kind,
}

/// The mean loss of a batch and its gradient to each stored tensor, row-major.
pub struct Gradients {
    /// Mean cross-entropy in nats over `predictions` tokens.
    pub loss: f64,
    pub predictions: u64,
    /// (name, values) of each stored tensor.
    pub tensors: Vec<(String, Vec<f32>)>,
}

/// The parameters as the products read them, for one optimiser step.
pub(crate) struct Working {
    /// Flat, requires a gradient; shares its memory with the parameters in fp32.
    flat: Tensor,
}

impl Network {
    /// A fresh model whose parameters are a function of `config` and `seed`, on the CPU, in fp32.
    ///
    /// # Errors
    /// A shape that can't be built, or no memory for it.
    pub fn new(
        config: &ModelConfig,
        pad_token: Option<u32>,
        seed: u64,
    ) -> Result<Network, TrainError> {
        config.validate()?;
        let (model, layout) = Model::new(config, pad_token);
        let flat = layout.initialise(seed)?;
        Ok(Network { config: config.clone(), model, layout, flat, kind: Kind::Float })
    }

    /// Opens weights (`model.safetensors`) and shape (`config.json`) written by [`save`](Self::save) or
    /// by `transformers`, on the CPU, in fp32.
    ///
    /// # Errors
    /// A file that can't be read, or that holds another or a damaged model.
    pub fn open(weights: &Path, config: &Path) -> Result<Network, TrainError> {
        let (config, pad_token) = read_description(config)?;
        let (model, layout) = Model::new(&config, pad_token);
        let flat = weights::read(weights, &model, &layout)?;
        Ok(Network { config, model, layout, flat, kind: Kind::Float })
    }

    /// Writes weights and shape so that `transformers` opens them.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn save(&self, weights: &Path, config: &Path) -> Result<(), TrainError> {
        weights::write(weights, &self.layout, &self.flat)?;
        let text = format!("{:#}\n", self.model.describe(&self.config));
        std::fs::write(config, text).map_err(|source| TrainError::io(config, source))
    }

    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How many numbers are trained.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.layout.numel() as u64
    }

    /// Logits of each position that predicts, [`Batch::predictions`] rows of `vocabulary`.
    ///
    /// # Errors
    /// No memory.
    pub fn logits(&self, batch: &Batch) -> Result<Vec<f32>, TrainError> {
        let _guard = no_grad_guard();
        let views = self.layout.views(&self.working()?.flat)?;
        let batch = batch.to_device(self.flat.device())?;
        let features = self.model.features(&views, &batch, 0.0)?;
        values(&Head::new(&views, self.model.output())?.logits(&features)?)
    }

    /// Mean loss of a batch and its gradient, without dropout.
    ///
    /// # Errors
    /// No memory, or nothing to predict in the batch.
    pub fn gradients(&self, batch: &Batch) -> Result<Gradients, TrainError> {
        let predictions = batch.predictions();
        if predictions == 0 {
            return Err(TrainError::NothingToPredict { set: "batch".into() });
        }
        let mut gradient = zeros(&self.layout, self.flat.device())?;
        let scale = 1.0 / predictions as f64;
        let loss = self.accumulate(&self.working()?, batch, scale, 0.0, &mut gradient)? * scale;
        let all = values(&gradient)?;
        let slice =
            |offset: i64, count: i64| all[offset as usize..(offset + count) as usize].to_vec();
        let tensors = self.layout.slots().into_iter();
        let tensors =
            tensors.map(|slot| (slot.name.clone(), slice(slot.offset, slot.numel()))).collect();
        Ok(Gradients { loss, predictions, tensors })
    }

    pub(crate) fn place(&mut self, device: Device, kind: Kind) -> Result<(), TrainError> {
        self.flat = self.flat.f_to_device(device)?;
        self.kind = kind;
        Ok(())
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The parameters in the precision of the products: cast once, used by every batch of a step.
    pub(crate) fn working(&self) -> Result<Working, TrainError> {
        let flat = self.flat.f_detach()?.f_to_kind(self.kind)?.f_set_requires_grad(true)?;
        Ok(Working { flat })
    }

    /// Adds `scale` times the gradient of the batch's summed loss into `gradient` (flat, fp32) and
    /// returns that sum, in nats.
    pub(crate) fn accumulate(
        &self,
        working: &Working,
        batch: &Batch,
        scale: f64,
        dropout: f64,
        gradient: &mut Tensor,
    ) -> Result<f64, TrainError> {
        let batch = batch.to_device(self.flat.device())?;
        let views = self.layout.views(&working.flat)?;
        let output = self.model.output();
        let features = self.model.features(&views, &batch, dropout)?;
        let mut to_head = HeadGradients::new(&self.layout.views(gradient)?, output);
        let head = Head::new(&views, output)?;
        let (loss, to_features) =
            head.loss_and_gradient(&features.f_detach()?, &batch.targets, scale, &mut to_head)?;
        // Backward from the product: its gradient to the features is `to_features`.
        let root = features.f_mul(&to_features)?;
        for flat in Tensor::f_run_backward(&[root], &[&working.flat], false, false)? {
            let _guard = no_grad_guard();
            let _ = gradient.f_add_(&flat)?;
        }
        Ok(loss.f_double_value(&[])?)
    }

    /// Summed cross-entropy of a batch in nats, without dropout or gradient.
    pub(crate) fn loss(&self, views: &Views, batch: &Batch) -> Result<f64, TrainError> {
        let _guard = no_grad_guard();
        let batch = batch.to_device(self.flat.device())?;
        let features = self.model.features(views, &batch, 0.0)?;
        let loss = Head::new(views, self.model.output())?.loss(&features, &batch.targets)?;
        Ok(loss.f_double_value(&[])?)
    }

    /// Views for evaluation.
    pub(crate) fn frozen_views(&self) -> Result<Views, TrainError> {
        let _guard = no_grad_guard();
        self.layout.views(&self.flat.f_to_kind(self.kind)?)
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>, TrainError> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_contiguous()?.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}
