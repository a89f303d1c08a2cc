//! What the API shows, and to whose pages.

use super::{bad, given};
use crate::Failure;

pub(super) fn exposure(cors_origins: Option<String>, introspection: Option<&str>) -> Result<api::Exposure, Failure> {
    Ok(api::Exposure {
        cors_origins: origins(&cors_origins.unwrap_or_default())?,
        introspection: match introspection {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => return bad("MUSTER_INTROSPECTION", format!("{other:?} is neither on nor off")),
        },
    })
}

fn origins(text: &str) -> Result<Vec<api::WebOrigin>, Failure> {
    text.split(',')
        .filter_map(|origin| given(Some(origin.to_owned())))
        .map(|origin| {
            if origin.contains('*') {
                let problem = "an asterisk would let any page in the world call the API; list each origin";
                return bad("MUSTER_CORS_ORIGINS", problem);
            }
            origin
                .parse()
                .or_else(|error| bad("MUSTER_CORS_ORIGINS", format!("{origin:?}: {error}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cors_origins: &str, introspection: &str) -> Result<api::Exposure, Failure> {
        exposure(Some(cors_origins.to_owned()), Some(introspection))
    }

    #[test]
    fn the_api_shows_what_it_is_told_to() {
        let nothing_said = exposure(None, None).unwrap();
        assert!(nothing_said.introspection && nothing_said.cors_origins.is_empty());
        let exposure = read("https://a.org, http://B.org:3000,", "off").unwrap();
        let listed = ["https://a.org", "http://b.org:3000"].map(|text| text.parse().unwrap());
        assert!(!exposure.introspection);
        assert_eq!(exposure.cors_origins, listed);
        assert!(read("", "on").unwrap().introspection);
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_the_variable() {
        let origins = [
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org, null",
        ];
        let asterisks = ["*", "https://*.example.org", "https://a.org,*"];
        let switches = ["ON", "true", "0", "maybe"];
        for (given, variable, says) in origins
            .map(|text| (read(text, "on"), "MUSTER_CORS_ORIGINS: ", "no origin"))
            .into_iter()
            .chain(asterisks.map(|text| (read(text, "on"), "MUSTER_CORS_ORIGINS: ", "any page")))
            .chain(switches.map(|text| (read("", text), "MUSTER_INTROSPECTION: ", "on nor off")))
        {
            let Err(Failure::Usage(line)) = given else {
                panic!("{variable} takes a bad value");
            };
            assert!(line.starts_with(variable) && line.contains(says), "{line}");
        }
    }
}
