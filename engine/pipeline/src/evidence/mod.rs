//! Every loss that a store holds: measured by its trainings, and imported from outside tables.
//!
//! Knows results, artifacts and names; not how they are shown or fitted. The two kinds never mix on their own: whoever
//! wants both asks for both.

pub mod filter;
pub mod imported;
pub mod measured;
pub mod pool;
