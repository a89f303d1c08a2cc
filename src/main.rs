//! The `muster` command, with the real models. Everything it does is in the library beside it.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    muster::main_with(Arc::new(|settings| Ok(Arc::new(models::prepare(&settings)?))))
}
