//! Writes first inputs for the targets into their corpora. `cargo run --example seeds` within `fuzz/`.

mod files;
mod requests;
mod sockets;

use std::path::Path;
use std::{fs, io};

use muster_fuzz::with_world;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    files::pictures(&corpus.join("decode"))?;
    files::catalogs(&corpus.join("catalog"))?;
    with_world(|world| {
        write(&corpus.join("multipart"), &requests::multipart(world))?;
        write(&corpus.join("token"), &requests::tokens(world))?;
        write(&corpus.join("node_id"), &requests::ids(world))?;
        write(&corpus.join("cursor"), &requests::cursors(world))?;
        write(&corpus.join("socket"), &sockets::conversations(world))
    })
}

fn write(folder: &Path, inputs: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), input)?;
    }
    Ok(())
}
