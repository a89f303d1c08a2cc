//! Muster itself, with the vision that `MUSTER_TEST_VISION` names: `fake`, with the embedder that
//! `MUSTER_TEST_EMBEDDER` names, or the real one. Where `MUSTER_TEST_GATE` names a socket, the fake vision and the
//! media store ask there whether they may go on.

use std::process::ExitCode;
use std::sync::Arc;

use models::Vision;
use tests::fake::{EMBEDDERS, FakeVision};
use tests::gate::{Gate, GatedVision, gated};

fn main() -> ExitCode {
    if std::env::var("MUSTER_TEST_VISION").as_deref() != Ok("fake") {
        return muster::main_with(Arc::new(|settings| Ok(Arc::new(models::prepare(&settings)?))));
    }
    let embedder = std::env::var("MUSTER_TEST_EMBEDDER").unwrap_or_else(|_| EMBEDDERS[0].to_owned());
    let gate = Gate::of_environment();
    let eyes = gate.clone();
    muster::main_through(
        Arc::new(move |_| {
            let inner = FakeVision::with_embedder(&embedder);
            let vision: Arc<dyn Vision> = match eyes.clone() {
                Some(gate) => Arc::new(GatedVision { inner, gate }),
                None => Arc::new(inner),
            };
            Ok(vision)
        }),
        Arc::new(move |store| match gate.clone() {
            Some(gate) => gated(store, gate),
            None => store,
        }),
    )
}
