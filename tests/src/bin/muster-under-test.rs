//! Muster itself, with the vision that `MUSTER_TEST_VISION` names: `fake`, or the real one.

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    if std::env::var("MUSTER_TEST_VISION").as_deref() == Ok("fake") {
        return muster::main_with(Arc::new(|_| Ok(Arc::new(tests::fake::FakeVision::default()))));
    }
    muster::main_with(Arc::new(|settings| Ok(Arc::new(models::prepare(&settings)?))))
}
