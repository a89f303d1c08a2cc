//! Files of the pages that the server brings along, inside the binary: they work without the
//! internet, and without a build step.

use std::sync::OnceLock;

use poem::http::header;
use poem::http::{HeaderValue, StatusCode};
use poem::{Body, Request, Response};
use sha2::{Digest, Sha256};

use super::error::Refusal;

/// A year: the names of such files carry their versions.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept, and asked for again each time: the answer is mostly that it is the same.
pub(super) const ALWAYS_ASK: &str = "no-cache";

pub(super) const PAGE: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const DRAWING: &str = "image/svg+xml";

/// Bytes of the tag: more than enough to tell the versions of one file apart.
const TAG_BYTES: usize = 12;

pub(super) struct File {
    pub name: &'static str,
    pub content_type: &'static str,
    pub cache: &'static str,
    pub bytes: &'static [u8],
    pub tag: OnceLock<String>,
}

/// `files!("folder/" { "name" TYPE CACHE … })`: an array of [`File`]s of a folder of `assets`.
macro_rules! files {
    ($folder:literal { $($name:literal $content_type:ident $cache:ident)+ }) => {
        [$($crate::http::files::File {
            name: $name,
            content_type: $crate::http::files::$content_type,
            cache: $crate::http::files::$cache,
            bytes: include_bytes!(concat!("../../assets/", $folder, $name)),
            tag: std::sync::OnceLock::new(),
        }),+]
    };
}
pub(super) use files;

impl File {
    /// The file, or that the client's copy still holds. `policy` is a page's, what it may load.
    pub(super) fn answer(&'static self, req: &Request, policy: Option<&'static str>) -> Response {
        let tag = self.tag.get_or_init(|| tag(self.bytes));
        let held = req.headers().get_all(header::IF_NONE_MATCH).iter();
        let same = held
            .filter_map(|value| value.to_str().ok())
            .any(|held| names(held, tag));
        // What stands here replaces what the client keeps beside its copy: the policy as well.
        let mut response = Response::builder()
            .header(header::CACHE_CONTROL, self.cache)
            .header(header::ETAG, tag);
        if let Some(policy) = policy {
            response = response.header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        if same {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
        response
            .content_type(self.content_type)
            .body(Body::from_bytes(bytes::Bytes::from_static(self.bytes)))
    }
}

/// The file of this name, or that there is none.
pub(super) fn named(files: &'static [File], req: &Request) -> Response {
    let name = req.raw_path_param("file").unwrap_or_default();
    match files.iter().find(|file| file.name == name && file.content_type != PAGE) {
        Some(file) => file.answer(req, None),
        None => Refusal::new("NOT_FOUND", "There is nothing at this address").into_response(),
    }
}

fn tag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..TAG_BYTES] {
        tag += &format!("{byte:02x}");
    }
    tag + "\""
}

/// Whether an `If-None-Match` names the tag; a proxy that compressed the file has made it a weak one.
fn names(held: &str, tag: &str) -> bool {
    held.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_among_others_and_made_weak() {
        let tag = tag(b"a");
        assert_ne!(tag, super::tag(b"b"));
        for held in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".into()] {
            assert!(names(&held, &tag), "{held}");
        }
        for held in ["", "\"x\"", tag.trim_matches('"')] {
            assert!(!names(held, &tag), "{held}");
        }
    }
}
