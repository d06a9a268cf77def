//! Small dense linear algebra and bounded least squares. Knows numbers only.

pub(crate) mod eigen;
pub(crate) mod levenberg;
pub(crate) mod matrix;
pub(crate) mod statistics;
