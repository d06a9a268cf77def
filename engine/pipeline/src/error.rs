//! Errors as users see them: the one place where a library's error becomes a message, a hint and
//! an exit code.

use mixmake_core::exec::Failure;
use mixmake_core::files::FileError;
use mixmake_core::lock::LockError;
use mixmake_core::plan::PlanError;
use mixmake_core::store::StoreError;
use mixmake_manifest::diagnostic::Diagnostics;

use crate::stage::StageError;

/// Exit codes: published in README.md, and frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Success = 0,
    /// An action failed.
    ActionFailed = 1,
    /// The command line or the manifest is wrong.
    Usage = 2,
    /// The environment or the program itself is at fault.
    Internal = 3,
    /// Changes are pending (`plan --exit-code`, `run --locked`).
    Pending = 4,
    /// Stopped by Ctrl-C: 128 + 2.
    Interrupted = 130,
    /// Stopped by SIGTERM: 128 + 15.
    Terminated = 143,
}

/// What ends a command.
#[derive(Debug)]
pub struct Error {
    pub message: String,
    pub hint: Option<String>,
    pub exit: Exit,
    /// Located errors, shown instead of the message.
    pub diagnostics: Option<Diagnostics>,
    /// What a program may want to know besides, in JSON.
    pub details: Option<Box<serde_json::Value>>,
}

/// Of a command.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit, diagnostics: None, details: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// As shown on standard error.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        if let Some(diagnostics) = &self.diagnostics {
            return diagnostics.render(color);
        }
        let mut text = format!("error: {}", self.message);
        if let Some(hint) = &self.hint {
            text.push_str("\nhelp: ");
            text.push_str(hint);
        }
        text
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "error": self.message,
            "hint": self.hint,
            "exit": self.exit as u8,
            "diagnostics": self.diagnostics.as_ref().map(Diagnostics::to_json),
        });
        if let Some(details) = &self.details {
            object["details"] = (**details).clone();
        }
        object
    }
}

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics: Some(diagnostics), ..Self::usage("the manifest has errors") }
    }
}

impl From<StageError> for Error {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Manifest(diagnostics) => diagnostics.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(error) => error.into(),
            StoreError::Format { .. } => Self::internal(error.to_string())
                .hint("use another `--store`, or the version of mixmake that wrote this one; if it was damaged, make its only line `mixmake-store 1` again"),
            StoreError::Encode(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        let hint = match error.source.kind() {
            _ if error.is_full() => Some(mixmake_core::exec::FULL_HINT),
            std::io::ErrorKind::PermissionDenied => Some("check who owns it and its permissions"),
            std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose a store that can be written with `--store DIR`")
            }
            _ => None,
        };
        // A full disk ends a run as a failed action does, wherever it is met first.
        let exit = if error.is_full() { Exit::ActionFailed } else { Exit::Internal };
        Self { hint: hint.map(ToOwned::to_owned), ..Self::new(exit, error.to_string()) }
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::File(error) => error.into(),
            PlanError::Store(error) => error.into(),
            PlanError::Encoding { .. } => Self::internal(error.to_string()),
        }
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => error.into(),
            LockError::Line { .. } => Self::usage(error.to_string())
                .hint("after a merge conflict, delete the lock file and run again: results are in the store"),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self { hint: failure.hint, ..Self::new(Exit::ActionFailed, failure.message) }
    }
}
