//! Muster itself, with the vision that `MUSTER_TEST_VISION` names: `fake`, with the embedder that
//! `MUSTER_TEST_EMBEDDER` names, or the real one.

use std::process::ExitCode;
use std::sync::Arc;

use tests::fake::{EMBEDDERS, FakeVision};

fn main() -> ExitCode {
    if std::env::var("MUSTER_TEST_VISION").as_deref() == Ok("fake") {
        let embedder = std::env::var("MUSTER_TEST_EMBEDDER").unwrap_or_else(|_| EMBEDDERS[0].to_owned());
        return muster::main_with(Arc::new(move |_| Ok(Arc::new(FakeVision::with_embedder(&embedder)))));
    }
    muster::main_with(Arc::new(|settings| Ok(Arc::new(models::prepare(&settings)?))))
}
