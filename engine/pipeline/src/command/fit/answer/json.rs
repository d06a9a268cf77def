//! An answer as JSON, for programs.

use serde_json::{Map, Value, json};

use super::super::laws::Answer;

impl Answer {
    pub fn to_json(&self) -> Value {
        let fit = &self.fit;
        let by_domain = |values: &[f64]| -> Map<String, Value> {
            fit.domains.iter().cloned().zip(values.iter().map(|value| json!(value))).collect()
        };
        json!({
            "source": {
                "title": self.table.title,
                "files": self.table.paths,
                "runs": self.observations.rows().len(),
                "domains": fit.domains,
                "validation": self.observations.validation(),
            },
            "objective": { "words": self.objective(), "goal": self.goal },
            "choice": self.choice.as_ref().map(|choice| json!({
                "best": choice.best,
                "table": choice.table,
            })),
            "cross-validation": self.validation,
            "law": {
                "name": fit.law,
                "formula": fit.law.formula(),
                "source": fit.law.source(),
                "scale": fit.scale,
                "units": fit.units,
                "targets": self.targets(),
            },
            "reference": { "weights": by_domain(&fit.reference.weights), "losses": self.reference_losses },
            "weights": by_domain(&self.optimum.weights),
            "optimum": self.optimum,
            "bounds": self.problem.bounds,
            "at": { "tokens": self.problem.tokens, "size": self.problem.size },
            "uncertainty": self.uncertainty,
            "forecasts": self.forecasts.as_ref().map(|[reference, optimum]| json!({
                "reference": reference,
                "optimum": optimum,
            })),
            "verdict": self.uncertainty.as_ref().map(|found| found.verdict),
            "best-measured": self.best.as_ref().map(|best| json!({
                "row": best.row,
                "value": best.value,
                "among": best.among,
            })),
            "suggestions": self.suggestions,
            "notes": self.all_notes(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let target = |target: &mixmake_fit::mixing::TargetFit| {
            json!({
                "target": target.target,
                "parameters": target.parameters,
                "rows": target.rows,
                "left-out": target.left_out,
                "rms": target.rms,
                "r2": target.r2,
                "degrees-of-freedom": target.degrees_of_freedom,
                "noise-sd": target.noise_sd,
                "points": target.points,
            })
        };
        self.fit.targets.iter().map(target).collect()
    }
}
