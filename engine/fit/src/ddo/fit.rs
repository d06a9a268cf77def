//! One law per domain from its averaged points. Knows points; not how the laws are used.

use super::Options;
use super::evidence::{Group, Observed, mean};
use super::result::{DomainFit, FitPoint};
use crate::error::Domain;
use crate::power_law::{self, Fit, FitOptions, NotIdentified, Point};

/// Fits every domain; `noise` is the relative standard deviation of one run, where it is known.
pub(super) fn laws(observed: &Observed, options: &Options, noise: Option<f64>) -> Vec<DomainFit> {
    let fit_options = FitOptions { root: options.root, noise };
    (0..observed.groups.len()).map(|domain| law(observed, domain, &fit_options)).collect()
}

fn law(observed: &Observed, domain: usize, options: &FitOptions) -> DomainFit {
    let points = fit_points(observed, domain);
    let averaged: Vec<Point> = points.iter().map(average).collect();
    let fitted = if observed.groups[domain].is_empty() {
        Err(NotIdentified::NotPerturbed)
    } else {
        power_law::fit(&averaged, options)
    };
    let unfitted = DomainFit {
        domain: Domain(domain),
        points,
        law: None,
        exact: false,
        rms: None,
        alternative: None,
        not_identified: None,
    };
    match fitted {
        Ok(fit) => with_fit(unfitted, &fit),
        Err(reason) => DomainFit { not_identified: Some(reason), ..unfitted },
    }
}

fn average(point: &FitPoint) -> Point {
    Point { x: point.x, y: point.y, weight: point.runs as f64 }
}

fn fit_points(observed: &Observed, domain: usize) -> Vec<FitPoint> {
    let base = Group { x: 1.0, objectives: observed.base.clone() };
    let groups = &observed.groups[domain];
    let below = groups.partition_point(|group| group.x < 1.0);
    let ordered = groups[..below].iter().chain([&base]).chain(&groups[below..]);
    let point = |group: &Group| {
        let objective = mean(&group.objectives);
        FitPoint {
            x: group.x,
            amount: group.x * observed.base_amounts[domain],
            y: objective / observed.base_objective,
            objective,
            runs: group.objectives.len(),
            fitted: None,
            residual: None,
        }
    };
    ordered.map(point).collect()
}

fn with_fit(mut domain: DomainFit, fit: &Fit) -> DomainFit {
    for (point, residual) in domain.points.iter_mut().zip(&fit.residuals) {
        point.fitted = Some(fit.law.value(point.x));
        point.residual = Some(*residual);
    }
    domain.law = Some(fit.law);
    domain.exact = fit.exact;
    domain.rms = Some(fit.rms);
    domain.alternative = fit.alternative;
    domain
}
