//! The manifest that `mixmake init` writes.

/// A small commented manifest that runs as it is, on text that a Linux machine with a C compiler
/// and Python 3 already has.
#[must_use]
pub const fn init_template() -> &'static str {
    include_str!("init.toml")
}
