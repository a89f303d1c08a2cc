//! An operator's own entries, from a file, before those that are built in.

use std::path::Path;

use super::{Catalog, CatalogError, Entry};

impl Catalog {
    /// The built-in catalog, before it the entries of `file`, where one is given.
    ///
    /// An entry of a built-in name stands in its place, with other thresholds or addresses; but its file and how it
    /// is fed must be the same, because embeddings are kept with their model's name alone, and those of two
    /// models under one name would be compared.
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
                Some(entry) => {
                    if let Some(field) = entry.differs_in(&other) {
                        return Err(CatalogError(format!(
                            "{:?}: {field}: differs from the built-in entry's; give another model another name",
                            entry.name
                        )));
                    }
                }
            }
        }
        let catalog = Self { entries };
        catalog.check_files()?;
        Ok(catalog)
    }
}

impl Entry {
    /// What makes two entries of one name two models: their embeddings could not be compared.
    fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let dimension = |entry: &Self| entry.embedding.map(|of| of.dimension);
        let fields = [
            ("sha256", self.sha256 == other.sha256),
            ("role", self.role == other.role),
            ("family", self.family == other.family),
            ("input", self.input == other.input),
            ("embedding.dimension", dimension(self) == dimension(other)),
        ];
        fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
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
        let (before, embedder) = BUILT_IN.split_at(BUILT_IN.find("name = \"mobilefacenet").unwrap());
        for (from, to, field) in [
            ("266c46", "266c47", "sha256"),
            ("colour = \"rgb\"", "colour = \"bgr\"", "input"),
            ("mean = 0.0", "mean = 127.5", "input"),
            ("dimension = 128", "dimension = 512", "dimension"),
        ] {
            let text = format!("{before}{}", embedder.replacen(from, to, 1));
            let error = load(&text).unwrap_err().to_string();
            assert!(
                error.contains("mobilefacenet_arcface_128") && error.contains(field),
                "{error}"
            );
        }
    }

    #[test]
    fn no_two_models_share_a_file() {
        let text = example().replace("w600k_r50.onnx", "face_recognition_sface_2021dec.onnx");
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains("face_recognition_sface_2021dec.onnx"), "{error}");
    }

    #[test]
    fn a_fault_names_the_file() {
        let error = Catalog::load(Some(Path::new("no/such.toml"))).unwrap_err().to_string();
        assert!(error.contains("no/such.toml"), "{error}");
        let error = load("[[model]]\nname = \"x\"").unwrap_err().to_string();
        assert!(error.contains("\"x\"") && !error.contains('\n'), "{error}");
    }
}
