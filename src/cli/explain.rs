//! `gatepost explain`

mod story;
mod write;

use super::render::{self, Stream};
use super::sidecar::Sidecar;
use super::{DENY, ExplainArgs, FAILURE, SUCCESS, USAGE, authorize, check, line, print, print_error, refuse_settings};
use crate::engine::Query;
use crate::serve::{ExplainDocument, explain_document};
use write::{Look, markdown, text};

/// How an explanation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people, at a terminal.
    Text,
    /// For machines: the document that docs/explain.md describes.
    Json,
    /// For people, in an issue or a review.
    Markdown,
}

pub(super) fn run(args: &ExplainArgs) -> u8 {
    match document(args) {
        Ok(document) => {
            print(&shown(&document, args.format));
            if document.decision { SUCCESS } else { DENY }
        }
        Err(code) => code,
    }
}

/// The explanation, made from the files of a root or by a sidecar. What shows it needs nothing but the document. What
/// went wrong has been told already, and the exit code is left.
fn document(args: &ExplainArgs) -> Result<ExplainDocument, u8> {
    let settings = args.root.settings(&[]).map_err(|faults| refuse_settings(&faults))?;
    let depth_max = settings.serve.limits.json_depth_max;
    let told = |refused: authorize::Refused| {
        print_error(&refused.message);
        refused.code
    };
    if let Some(url) = &args.url {
        let fail = |message: String, code: u8| {
            print_error(&message);
            code
        };
        let address = line::address(url, line::Listener::Decisions).map_err(|message| fail(message, USAGE))?;
        let mut sidecar = Sidecar::new(address).map_err(|message| fail(message, FAILURE))?;
        return authorize::ask(&args.question, depth_max, |query| sidecar.explain(query)).map_err(told);
    }
    check::tell_built_in(&args.root.world());
    let snapshot = check::compile(&args.root, &settings).map_err(|faults| {
        faults.iter().for_each(|fault| super::print_drawn(&render::fault(fault, Stream::Error)));
        FAILURE
    })?;
    let explain = |query: &Query<'_>| explain_document(&snapshot, query);
    authorize::ask(&args.question, depth_max, explain).map_err(told)
}

fn shown(document: &ExplainDocument, format: Format) -> String {
    match format {
        Format::Json => render::shown_json(&serde_json::to_string_pretty(document).unwrap_or_default()),
        Format::Text => text(&story::tell(document), Look::of(Stream::Output)),
        Format::Markdown => markdown(&story::tell(document)),
    }
}
