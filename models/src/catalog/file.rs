//! An operator's own entries, from a file, before those that are built in.

use std::path::Path;

use super::{Catalog, CatalogError};

impl Catalog {
    /// The built-in catalog, before it the entries of `file`, where one is given.
    ///
    /// An entry of a built-in name stands in its place, with other thresholds or addresses; but its `sha256` must
    /// be the same, because embeddings are kept with their model's name alone, and those of two files under
    /// one name would be compared.
    pub fn load(file: Option<&Path>) -> Result<Self, CatalogError> {
        let built_in = Self::built_in()?;
        let Some(file) = file else { return Ok(built_in) };
        let named = |text: &dyn std::fmt::Display| CatalogError(format!("{}: {text}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| named(&format!("it can't be read: {error}")))?;
        let own = Self::parse(&text).map_err(|CatalogError(text)| named(&text))?;
        own.before(built_in).map_err(|CatalogError(text)| named(&text))
    }

    fn before(self, others: Self) -> Result<Self, CatalogError> {
        let mut entries = self.entries;
        for other in others.entries {
            match entries.iter().find(|entry| entry.name == other.name) {
                None => entries.push(other),
                Some(entry) if entry.sha256 == other.sha256 => {}
                Some(entry) => {
                    return Err(CatalogError(format!(
                        "{:?}: sha256: differs from the built-in entry's; give another file another name",
                        entry.name
                    )));
                }
            }
        }
        Ok(Self { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{BUILT_IN, Role};

    /// The example of `docs/models.md`, so that it stays right.
    fn example() -> String {
        let page = include_str!("../../../docs/models.md");
        let start = page.find("```toml\n").unwrap() + 8;
        page[start..start + page[start..].find("```").unwrap()].to_owned()
    }

    fn load(text: &str) -> Result<Catalog, CatalogError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Catalog::load(Some(file.path()))
    }

    fn names(catalog: &Catalog, role: Role) -> Vec<&str> {
        catalog.of(role).map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn own_entries_come_first() {
        let catalog = load(&example()).unwrap();
        let built_in = Catalog::load(None).unwrap();
        assert_eq!(names(&catalog, Role::Detector)[0], "scrfd_10g_bnkps");
        assert_eq!(names(&catalog, Role::Detector)[1..], names(&built_in, Role::Detector));
        assert_eq!(names(&catalog, Role::Embedder)[0], "w600k_r50");
        assert_eq!(names(&catalog, Role::Embedder)[1..], names(&built_in, Role::Embedder));
    }

    #[test]
    fn a_built_in_name_keeps_its_file() {
        let changed = BUILT_IN.replace("score = 0.6", "score = 0.75");
        let catalog = load(&changed).unwrap();
        assert_eq!(catalog.entries().len(), Catalog::built_in().unwrap().entries().len());
        let detector = catalog.of(Role::Detector).next().unwrap();
        assert!(detector.detection.is_some_and(|of| of.score > 0.7));
        let error = load(&BUILT_IN.replace("266c46", "266c47")).unwrap_err().to_string();
        assert!(
            error.contains("mobilefacenet_arcface_128") && error.contains("sha256"),
            "{error}"
        );
    }

    #[test]
    fn a_fault_names_the_file() {
        let error = Catalog::load(Some(Path::new("no/such.toml"))).unwrap_err().to_string();
        assert!(error.contains("no/such.toml"), "{error}");
        let error = load("[[model]]\nname = \"x\"").unwrap_err().to_string();
        assert!(error.contains("\"x\"") && !error.contains('\n'), "{error}");
    }
}
