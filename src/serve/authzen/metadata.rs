//! The metadata document (9).

use hyper::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{CONFIGURATION, EVALUATION, EVALUATIONS, SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT};

/// The document, as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    /// Where it is served, for a decision point with a path of its own.
    pub(crate) paths: Vec<String>,
}

impl Metadata {
    /// The metadata of a decision point at a base URL, which comes from a setting and never from a request.
    pub(crate) fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        // Members only for what there is (9.1).
        let document = json!({
            "policy_decision_point": base,
            "access_evaluation_endpoint": format!("{base}{EVALUATION}"),
            "access_evaluations_endpoint": format!("{base}{EVALUATIONS}"),
            "search_subject_endpoint": format!("{base}{SEARCH_SUBJECT}"),
            "search_resource_endpoint": format!("{base}{SEARCH_RESOURCE}"),
            "search_action_endpoint": format!("{base}{SEARCH_ACTION}"),
        });
        let body = document.to_string();
        let hash = Sha256::digest(body.as_bytes());
        let mut paths = vec![CONFIGURATION.to_owned()];
        // A path of the decision point goes behind the well-known one (9.2.1).
        let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
        if let Some((_, path)) = rest.split_once('/') {
            paths.push(format!("{CONFIGURATION}/{path}"));
        }
        Self {
            etag: format!("\"{:016x}\"", u64::from_be_bytes(hash[..8].try_into().unwrap_or_default())),
            body: body.into(),
            paths,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn a_decision_point_with_a_path_is_described_behind_the_well_known_one() {
        let metadata = Metadata::new("https://pdp.example.com/tenant-a/");
        assert_eq!(
            metadata.paths,
            [
                "/.well-known/authzen-configuration",
                "/.well-known/authzen-configuration/tenant-a"
            ]
        );
        let document: serde_json::Value = serde_json::from_slice(&metadata.body).expect("JSON");
        assert_eq!(
            document["access_evaluation_endpoint"],
            "https://pdp.example.com/tenant-a/access/v1/evaluation"
        );
    }
}
