//! The console in a headless Chromium, over the real server with the stand-in for the models.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod accounts;
mod cut;
mod kept;
mod lesson;
mod looks;
mod marking;
mod scene;
