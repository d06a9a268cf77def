//! A model with its parameters on a device: loss, gradients, logits, files.

use crate::batch::{Batch, DeviceBatch};
use crate::config::ModelConfig;
use crate::dropout::Chance;
use crate::error::TrainError;
use crate::loss::{Head, HeadGradients};
use crate::model::{Model, read_description};
use crate::parameters::{Layout, Views, zeros};
use crate::{shim, weights};
use std::ops::Range;
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

/// The parameters as the products read them, for one optimiser step: leaves of the graph that share
/// their memory with the parameters in fp32, and are copies in bf16.
pub(crate) struct Working(Views);

/// How a pass is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pass {
    pub dropout: Option<Chance>,
    /// Keep the activations between layers alone and compute those within a layer again on the way
    /// back: a third more work, a fraction of the memory, the same bits.
    pub recompute: bool,
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
        self.layout.parameters() as u64
    }

    /// Logits of each position that predicts, [`Batch::predictions`] rows of `vocabulary`.
    ///
    /// # Errors
    /// No memory.
    pub fn logits(&self, batch: &Batch) -> Result<Vec<f32>, TrainError> {
        let _guard = no_grad_guard();
        let views = self.frozen_views()?;
        let batch = batch.to_device(self.flat.device(), None)?;
        let features = self.features(&views, &batch)?;
        values(&Head::new(&views, &self.layout, self.model.output())?.logits(&features)?)
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
        let gradient = zeros(&self.layout, self.flat.device())?;
        let scale = 1.0 / predictions as f64;
        let working = self.working()?;
        let into = self.layout.views(&gradient)?;
        let loss = self.accumulate(&working, batch, scale, Pass::default(), &into)?;
        let loss = loss.f_double_value(&[])? * scale;
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
        Ok(Working(self.frozen_views()?.leaves()?))
    }

    /// Adds `scale` times the gradient of the batch's summed loss to `into` (views of the flat fp32
    /// gradient). That sum, in nats, as one f64 on the device: nothing waits for it.
    pub(crate) fn accumulate(
        &self,
        working: &Working,
        batch: &Batch,
        scale: f64,
        pass: Pass,
        into: &Views,
    ) -> Result<Tensor, TrainError> {
        let batch = batch.to_device(self.flat.device(), pass.dropout)?;
        let views = &working.0;
        let sections = views.sections();
        let segments: Vec<Range<usize>> = if pass.recompute {
            (0..sections).map(|section| section..section + 1).collect()
        } else {
            vec![0..sections; 1]
        };
        let inputs = self.inputs_of(&segments, views, &batch)?;
        let mut loss = None;
        let mut incoming = None;
        for (segment, input) in segments.into_iter().zip(inputs).rev() {
            let x = input.map(|x| x.f_set_requires_grad(true)).transpose()?;
            let output = self.model.run(segment.clone(), views, x.as_ref(), &batch)?;
            let gradient = match incoming.take() {
                Some(gradient) => gradient,
                None => {
                    let head = Head::new(views, &self.layout, self.model.output())?;
                    let mut to_head = HeadGradients::new(into, self.model.output());
                    let features = output.f_detach()?;
                    let (sum, to_features) =
                        head.loss_and_gradient(&features, &batch.targets, scale, &mut to_head)?;
                    loss = Some(sum);
                    to_features
                }
            };
            incoming = add_gradients(&output, &gradient, x.as_ref(), segment, (views, into))?;
        }
        loss.ok_or_else(|| TrainError::Torch { detail: "the model has no sections".into() })
    }

    /// What comes into each segment, computed without a graph; nothing into the first.
    fn inputs_of(
        &self,
        segments: &[Range<usize>],
        views: &Views,
        batch: &DeviceBatch,
    ) -> Result<Vec<Option<Tensor>>, TrainError> {
        let _guard = no_grad_guard();
        let mut inputs = vec![None];
        for segment in &segments[..segments.len() - 1] {
            let input = inputs.last().and_then(Option::as_ref);
            let output = self.model.run(segment.clone(), views, input, batch)?;
            inputs.push(Some(output));
        }
        Ok(inputs)
    }

    /// Features of the predicted positions, without dropout or gradient.
    fn features(&self, views: &Views, batch: &DeviceBatch) -> Result<Tensor, TrainError> {
        let _guard = no_grad_guard();
        self.model.run(0..views.sections(), views, None, batch)
    }

    /// Summed cross-entropy of a batch in nats, without dropout or gradient, as one f64 on the device.
    pub(crate) fn loss(&self, views: &Views, batch: &Batch) -> Result<Tensor, TrainError> {
        let batch = batch.to_device(self.flat.device(), None)?;
        let features = self.features(views, &batch)?;
        Head::new(views, &self.layout, self.model.output())?.loss(&features, &batch.targets)
    }

    /// Views of the parameters in the precision of the products.
    pub(crate) fn frozen_views(&self) -> Result<Views, TrainError> {
        let _guard = no_grad_guard();
        self.layout.views(&self.flat.f_to_kind(self.kind)?)
    }
}

/// Sends `gradient` back from `output` through the sections of `segment`: adds to what `views.1` holds
/// of the parameters `views.0`, and gives the gradient to the segment's input `x`.
fn add_gradients(
    output: &Tensor,
    gradient: &Tensor,
    x: Option<&Tensor>,
    segment: Range<usize>,
    views: (&Views, &Views),
) -> Result<Option<Tensor>, TrainError> {
    let mut leaves: Vec<&Tensor> = views.0.of_sections(segment.clone()).iter().collect();
    leaves.extend(x);
    let mut found = shim::backward(output, gradient, &leaves)?;
    let to_input = if x.is_some() { found.pop().flatten() } else { None };
    let _guard = no_grad_guard();
    for (gradient, sum) in found.into_iter().zip(views.1.of_sections(segment)) {
        if let Some(gradient) = gradient {
            let _ = sum.shallow_clone().f_add_(&gradient)?;
        }
    }
    Ok(to_input)
}

fn values(tensor: &Tensor) -> Result<Vec<f32>, TrainError> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_contiguous()?.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}
