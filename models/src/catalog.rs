//! The list of known models: where each is had, what its file must be, and how it wants to be fed.
//! A model of a known family is an entry in `catalog.toml`, never code.

mod file;

use std::collections::HashSet;

use serde::Deserialize;

/// The catalog that is built in.
const BUILT_IN: &str = include_str!("../catalog.toml");

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Finds faces and their landmarks.
    Detector,
    /// Turns an aligned face into a vector.
    Embedder,
    /// Tells a person from a picture of one.
    Liveness,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Embedder => "embedder",
            Self::Liveness => "liveness",
        })
    }
}

/// How a model's input is prepared and its output read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `YuNet`: outputs cls, obj, bbox and kps at strides 8, 16 and 32.
    Yunet,
    /// SCRFD as `InsightFace` exports it: scores, boxes and landmarks at strides 8, 16 and 32, told apart
    /// by their shapes.
    Scrfd,
    /// Everything fed a face aligned to the five `ArcFace` points.
    Arcface,
    /// `MiniFASNet`: a scaled crop of the face, three classes, of which the second is live.
    Minifasnet,
}

impl Family {
    const fn role(self) -> Role {
        match self {
            Self::Yunet | Self::Scrfd => Role::Detector,
            Self::Arcface => Role::Embedder,
            Self::Minifasnet => Role::Liveness,
        }
    }
}

/// Order of the colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What a model's file expects: planar samples, `(sample - mean) * scale` of 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels across; absent where any multiple of 32 will do.
    pub width: Option<u32>,
    /// Pixels down; absent where any multiple of 32 will do.
    pub height: Option<u32>,
    /// Order of the planes.
    pub colour: Colour,
    /// Taken from each sample.
    pub mean: f32,
    /// Then multiplied with it.
    pub scale: f32,
}

/// A detector's thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Least score of a face, 0 to 1.
    pub score: f32,
    /// Two boxes whose intersection over union exceeds this are one face.
    pub overlap: f32,
}

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// Cosine similarity, -1 to 1, larger is nearer.
    Cosine,
}

/// An embedder's output and thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Numbers in a vector.
    pub dimension: usize,
    /// How two are compared.
    pub distance: Distance,
    /// Similarity from which two faces count as one person.
    #[serde(rename = "match")]
    pub match_threshold: f32,
    /// Similarity from which a person should look.
    #[serde(rename = "review")]
    pub review_threshold: f32,
}

/// How a liveness model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liveness {
    /// How many times the face's box the model sees, at least 1.
    pub crop: f32,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name, unique in the catalog.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How it is run.
    pub family: Family,
    /// Name of its file.
    pub file: String,
    /// Addresses, tried in turn: http(s), or a file relative to the current folder.
    pub urls: Vec<String>,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Licence of the weights.
    pub licence: String,
    /// What it expects.
    pub input: Input,
    /// For a detector.
    pub detection: Option<Detection>,
    /// For an embedder.
    pub embedding: Option<Embedding>,
    /// For a liveness model.
    pub liveness: Option<Liveness>,
}

/// The known models, in order of preference.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    entries: Vec<Entry>,
}

/// A catalog that can't be used; the text names the entry and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model catalog is wrong: {0}")]
pub struct CatalogError(String);

/// Read first, so that a fault in an entry can be told with the entry's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    model: Vec<toml::Table>,
}

impl Catalog {
    /// The catalog that is built in.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::parse(BUILT_IN)
    }

    /// Reads a catalog; strict, so that a slip of the pen in a field's name isn't a default in
    /// silence.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let document: Document = toml::from_str(text).map_err(|error| CatalogError(one_line(error.message())))?;
        let mut names = HashSet::new();
        let mut entries = Vec::with_capacity(document.model.len());
        for (index, table) in document.model.into_iter().enumerate() {
            let name = table
                .get("name")
                .and_then(toml::Value::as_str)
                .map_or_else(|| format!("entry {}", index + 1), |name| format!("{name:?}"));
            let wrong = |text: String| CatalogError(format!("{name}: {text}"));
            let entry: Entry = toml::Value::Table(table)
                .try_into()
                .map_err(|error: toml::de::Error| wrong(one_line(&error.to_string())))?;
            entry.check().map_err(wrong)?;
            if !names.insert(entry.name.clone()) {
                return Err(wrong("name: stands twice".into()));
            }
            entries.push(entry);
        }
        let catalog = Self { entries };
        catalog.check_files()?;
        Ok(catalog)
    }

    /// Files of one name would take each other's place in the models folder.
    fn check_files(&self) -> Result<(), CatalogError> {
        for (place, entry) in self.entries.iter().enumerate() {
            let mut before = self.entries[..place].iter();
            if before.any(|other| other.file == entry.file && other.sha256 != entry.sha256) {
                return Err(CatalogError(format!(
                    "{:?}: file: another entry has a file named {} with another checksum; name this one otherwise",
                    entry.name, entry.file
                )));
            }
        }
        Ok(())
    }

    /// Every entry, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that role and name.
    pub fn find(&self, role: Role, name: &str) -> Option<&Entry> {
        self.of(role).find(|entry| entry.name == name)
    }

    /// The entries of a role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.role == role)
    }
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if !plain(&self.name) {
            return Err("name: letters, digits, '.', '_' and '-' only".into());
        }
        if !plain(&self.file) {
            return Err("file: a plain file name, not a path".into());
        }
        if self.role != self.family.role() {
            return Err(format!("family: is not one of a {}", self.role));
        }
        if self.sha256.len() != 64 || !self.sha256.chars().all(hexadecimal) {
            return Err("sha256: 64 lower-case hexadecimal digits".into());
        }
        if self.bytes == 0 {
            return Err("bytes: must be the file's size".into());
        }
        self.check_input()?;
        self.check_detection()?;
        self.check_embedding()?;
        self.check_liveness()
    }

    fn check_input(&self) -> Result<(), String> {
        let Input {
            width,
            height,
            mean,
            scale,
            ..
        } = self.input;
        if !mean.is_finite() || !scale.is_finite() || scale == 0.0 {
            return Err("input: mean and scale must be finite, and scale not 0".into());
        }
        let face = Some(crate::align::SIDE);
        match self.family {
            Family::Yunet | Family::Scrfd if width.is_some() || height.is_some() => {
                Err("input: this family takes any size, so give no width and height".into())
            }
            Family::Arcface if width != face || height != face => {
                Err("input: width and height of this family are 112".into())
            }
            Family::Minifasnet
                if [width, height]
                    .iter()
                    .any(|side| side.is_none_or(|side| !(1..=1024).contains(&side))) =>
            {
                Err("input: width and height are 1 to 1024".into())
            }
            _ => Ok(()),
        }
    }

    fn check_detection(&self) -> Result<(), String> {
        let share = |value: f32| (0.0..=1.0).contains(&value);
        match &self.detection {
            None if self.role == Role::Detector => Err("detection: is missing".into()),
            Some(_) if self.role != Role::Detector => Err("detection: only for a detector".into()),
            Some(at) if !share(at.score) => Err("detection.score: 0 to 1".into()),
            Some(at) if !share(at.overlap) => Err("detection.overlap: 0 to 1".into()),
            _ => Ok(()),
        }
    }

    fn check_embedding(&self) -> Result<(), String> {
        let cosine = |value: f32| (-1.0..=1.0).contains(&value);
        match &self.embedding {
            None if self.role == Role::Embedder => Err("embedding: is missing".into()),
            Some(_) if self.role != Role::Embedder => Err("embedding: only for an embedder".into()),
            Some(of) if of.dimension == 0 => Err("embedding.dimension: at least 1".into()),
            Some(of) if !cosine(of.match_threshold) => Err("embedding.match: -1 to 1".into()),
            Some(of) if !cosine(of.review_threshold) => Err("embedding.review: -1 to 1".into()),
            Some(of) if of.review_threshold > of.match_threshold => {
                Err("embedding.review: must not be above match".into())
            }
            _ => Ok(()),
        }
    }

    fn check_liveness(&self) -> Result<(), String> {
        match &self.liveness {
            None if self.role == Role::Liveness => Err("liveness: is missing".into()),
            Some(_) if self.role != Role::Liveness => Err("liveness: only for a liveness model".into()),
            Some(of) if !(of.crop.is_finite() && of.crop >= 1.0) => Err("liveness.crop: at least 1".into()),
            _ => Ok(()),
        }
    }
}

/// Errors of the parser span lines; ours are shown in one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalog_is_right() {
        let catalog = Catalog::built_in().unwrap();
        let names = |role| catalog.of(role).map(|entry| entry.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Role::Detector), ["face_detection_yunet_2023mar"]);
        assert_eq!(
            names(Role::Embedder),
            ["face_recognition_sface_2021dec", "mobilefacenet_arcface_128"]
        );
        assert_eq!(
            names(Role::Liveness),
            [
                "antispoof_minifasnet_v2_2.7_80x80",
                "antispoof_minifasnet_v1se_4.0_80x80"
            ]
        );
        assert!(catalog.find(Role::Detector, "mobilefacenet_arcface_128").is_none());
    }

    /// One change to the last entry, and the words that the complaint must hold.
    #[track_caller]
    fn complains(from: &str, to: &str, words: &[&str]) {
        let at = BUILT_IN.rfind(from).expect("the text to change");
        let text = format!("{}{to}{}", &BUILT_IN[..at], &BUILT_IN[at + from.len()..]);
        let error = Catalog::parse(&text).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
        assert!(!error.contains('\n'), "{error:?}");
    }

    #[test]
    fn a_fault_is_told_with_entry_and_field() {
        let name = "mobilefacenet_arcface_128";
        complains("licence =", "license =", &[name, "license"]);
        complains("bytes = 4132605\n", "", &[name, "bytes"]);
        complains("bytes = 4132605", "bytes = -1", &[name, "bytes"]);
        complains("266c46", "266C46", &[name, "sha256"]);
        complains("file = \"", "file = \"../", &[name, "file"]);
        complains("\"arcface\"", "\"resnet\"", &[name, "family"]);
        complains("\"arcface\"", "\"yunet\"", &[name, "family"]);
        complains("role = \"embedder\"", "role = \"oracle\"", &[name, "role"]);
        complains("review = 0.34", "review = 0.43", &[name, "review"]);
        complains("match = 0.42", "match = nan", &[name, "match"]);
        complains("dimension = 128", "dimension = 0", &[name, "dimension"]);
        complains("width = 112", "width = 111", &[name, "input"]);
        complains(
            "embedding =",
            "detection = { score = 0.5, overlap = 0.5 }\nembedding =",
            &[name, "detection"],
        );
        complains("name = \"mobilefacenet", "nom = \"mobilefacenet", &["entry 5", "nom"]);
    }

    #[test]
    fn a_liveness_model_says_how_much_it_sees() {
        let name = "antispoof_minifasnet_v1se_4.0_80x80";
        complains("liveness = { crop = 4.0 }\n", "", &[name, "liveness"]);
        complains("crop = 4.0", "crop = 0.5", &[name, "liveness.crop"]);
        complains("crop = 4.0", "crop = inf", &[name, "liveness.crop"]);
        complains(
            "embedding =",
            "liveness = { crop = 2.0 }\nembedding =",
            &["mobilefacenet_arcface_128", "liveness"],
        );
    }

    #[test]
    fn a_name_stands_once() {
        let taken = "face_recognition_sface_2021dec";
        complains(
            "name = \"mobilefacenet_arcface_128",
            &format!("name = \"{taken}"),
            &[taken, "name", "twice"],
        );
    }
}
