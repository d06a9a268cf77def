//! How much arithmetic a token of training costs, and how much a device can do.

use crate::config::ModelConfig;
use crate::model::Model;

/// Floating point operations of a training token, forward and backward: 6 N + 12 L d T, with N
/// parameters, L layers of width d and T tokens of context (PaLM, appendix B). What is computed twice
/// is counted once.
#[must_use]
pub fn flops_per_token(model: &ModelConfig) -> f64 {
    let (_, layout) = Model::new(model, None);
    let attention =
        12.0 * f64::from(model.layers) * f64::from(model.hidden) * f64::from(model.context);
    6.0 * layout.parameters() as f64 + attention
}

/// Operations a second of a GPU in bf16 with fp32 sums, dense, by NVIDIA's data sheets; none for a GPU
/// that is not listed.
#[must_use]
pub fn peak_flops(gpu: &str) -> Option<f64> {
    const PEAKS: [(&str, f64); 9] = [
        ("B200", 2250e12),
        ("H200", 989e12),
        ("H100 PCIe", 756e12),
        ("H100", 989e12),
        ("A100", 312e12),
        ("L40S", 362e12),
        ("RTX 4090", 165e12),
        ("A10G", 70e12),
        ("L4", 121e12),
    ];
    PEAKS.iter().find(|(name, _)| gpu.contains(name)).map(|&(_, peak)| peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Architecture;

    #[test]
    fn gpt2_large_costs_what_the_formula_says() {
        let large = ModelConfig {
            architecture: Architecture::Gpt2,
            vocabulary: 50257,
            context: 1024,
            layers: 36,
            hidden: 1280,
            heads: 20,
            dropout: 0.0,
        };
        // 774,030,080 parameters, as published.
        assert_eq!(flops_per_token(&large), 6.0 * 774_030_080.0 + 12.0 * 36.0 * 1280.0 * 1024.0);
        assert_eq!(peak_flops("cuda NVIDIA H200"), Some(989e12));
        assert_eq!(peak_flops("cuda NVIDIA L40S"), Some(362e12));
        assert_eq!(peak_flops("cpu"), None);
    }
}
