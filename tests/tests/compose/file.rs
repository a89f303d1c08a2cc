//! docker-compose.yml and the Dockerfile, as their readers understand them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the file, which its paths begin at.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The file with these variables set and no others.
pub fn read(variables: &[(&str, &str)]) -> Value {
    let mut file: Value = serde_saphyr::from_str(&text("docker-compose.yml")).unwrap();
    fill(&mut file, variables);
    file
}

fn fill(value: &mut Value, variables: &[(&str, &str)]) {
    match value {
        Value::String(text) => *text = filled(text, variables),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, variables)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, variables)),
        _ => {}
    }
}

/// `${NAME}`, `${NAME:-default}`, and `$$` for a dollar.
fn filled(text: &str, variables: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled += before;
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let (name, after) = after.strip_prefix('{').and_then(|a| a.split_once('}')).expect(text);
        let (name, default) = name.split_once(":-").unwrap_or((name, ""));
        assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{text}");
        let set = variables.iter().find(|(n, _)| *n == name);
        filled += set.map_or(default, |(_, value)| value);
        rest = after;
    }
    filled + rest
}

/// The words of a command, or of a list.
pub fn words(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|item| item.as_str().expect("a word").to_owned())
        .collect()
}

/// The environment of a service; numbers and switches are text there too.
pub fn environment(service: &Value) -> BTreeMap<String, String> {
    let fields = service["environment"].as_object();
    let fields = fields.into_iter().flatten();
    fields
        .map(|(name, value)| (name.clone(), value.as_str().expect(name).to_owned()))
        .collect()
}

/// What the image says besides: `ENV` of the stage that Muster's image is made of.
pub fn image_environment() -> BTreeMap<String, String> {
    let dockerfile = text("Dockerfile").replace("\\\n", " ");
    let stage = dockerfile
        .split("\nFROM ")
        .find(|stage| stage.lines().next().unwrap().ends_with(" AS base"));
    let env = stage.unwrap().lines().find_map(|line| line.strip_prefix("ENV "));
    env.unwrap()
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
