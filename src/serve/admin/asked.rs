//! The parameters of a request's query: each once, each known.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::call::Call;
use crate::serve::problem::ProblemDocument;

/// Parameters that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Asked(BTreeMap<String, String>);

impl Asked {
    /// # Errors
    /// A parameter comes twice, or is no UTF-8.
    pub(super) fn of(call: &Call) -> Result<Self, ProblemDocument> {
        let mut parameters = BTreeMap::new();
        for pair in call.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if parameters.insert(name.clone(), value).is_some() {
                return Err(ProblemDocument::bad_request(format!("the parameter `{name}` comes twice")));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ProblemDocument> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        found.map(Some).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            ProblemDocument::bad_request(format!("`{name}`: must be {}, not `{text}`", words.join(" or ")))
        })
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ProblemDocument> {
        self.one_of(name, &[("true", true), ("false", false)])
    }

    /// A whole number from 1.
    pub(super) fn number(&mut self, name: &str, max: usize) -> Result<Option<usize>, ProblemDocument> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse().ok().filter(|number| (1..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(ProblemDocument::bad_request(format!(
                "`{name}`: must be a whole number from 1 to {max}, not `{text}`"
            ))),
        }
    }

    /// What is left is a mistake: a filter that nobody knows must not let everything through.
    pub(super) fn finish(self, known: &str) -> Result<(), ProblemDocument> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(ProblemDocument::bad_request(format!(
                "there is no parameter `{name}` here; there {known}"
            ))),
        }
    }
}

fn decoded(text: &str) -> Result<String, ProblemDocument> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| ProblemDocument::bad_request("the query is not percent-encoded UTF-8"))
}
