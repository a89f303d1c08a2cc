//! Any text as a catalog: taken or refused in one line, never a panic; and what is taken can be found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use models::catalog::Catalog;

fuzz_target!(|text: &str| {
    match Catalog::parse(text) {
        Ok(catalog) => {
            for entry in catalog.entries() {
                assert_eq!(catalog.find(entry.role, &entry.name), Some(entry));
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
