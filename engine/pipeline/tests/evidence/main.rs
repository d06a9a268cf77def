//! Losses of a store: listed, filtered, exported, pooled, and imported beside. The store is written by hand, as
//! trainings of two manifests would have left it: nothing is trained.

mod imports;
mod measured;
mod store;
