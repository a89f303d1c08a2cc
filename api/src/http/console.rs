//! The console at /: a page for people, over the same API as every other client. Its files lie
//! in `assets/console`, as browsers read them.

use poem::{Endpoint, Request, Response, Result};

use super::files::{self, File, files};

/// Only its own scripts and styles, pictures of this origin and of files that were just chosen, and no text
/// that becomes markup: names come from outside.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

static FILES: [File; 25] = files!("console/" {
    "index.html" PAGE ALWAYS_ASK
    "style.css" STYLE ALWAYS_ASK
    "icon.svg" DRAWING ALWAYS_ASK
    "again.js" SCRIPT ALWAYS_ASK
    "api.js" SCRIPT ALWAYS_ASK
    "app.js" SCRIPT ALWAYS_ASK
    "class.js" SCRIPT ALWAYS_ASK
    "classes.js" SCRIPT ALWAYS_ASK
    "dashboard.js" SCRIPT ALWAYS_ASK
    "decide.js" SCRIPT ALWAYS_ASK
    "dom.js" SCRIPT ALWAYS_ASK
    "login.js" SCRIPT ALWAYS_ASK
    "outbox.js" SCRIPT ALWAYS_ASK
    "overlay.js" SCRIPT ALWAYS_ASK
    "own.js" SCRIPT ALWAYS_ASK
    "photos.js" SCRIPT ALWAYS_ASK
    "plots.js" SCRIPT ALWAYS_ASK
    "review.js" SCRIPT ALWAYS_ASK
    "roll.js" SCRIPT ALWAYS_ASK
    "session.js" SCRIPT ALWAYS_ASK
    "socket.js" SCRIPT ALWAYS_ASK
    "unsent.js" SCRIPT ALWAYS_ASK
    "uploads.js" SCRIPT ALWAYS_ASK
    "waiting.js" SCRIPT ALWAYS_ASK
    "words.js" SCRIPT ALWAYS_ASK
});

pub(super) struct Page;

impl Endpoint for Page {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        Ok(FILES[0].answer(&req, Some(POLICY)))
    }
}

pub(super) struct Asset;

impl Endpoint for Asset {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        Ok(files::named(&FILES, &req))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A module that is forgotten in the table is missing in the browser alone.
    #[test]
    fn every_file_of_the_folder_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/console");
        let here: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(here, listed);
        assert_eq!(FILES[0].name, "index.html");
    }
}
