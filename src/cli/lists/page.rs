//! The matrix as one page that needs nothing but itself: its own style and script, and no request to anybody.
//!
//! The page is well-formed XML too, so that any reader of XML can check it. The script works on the table that stands
//! there, so no name ever stands within a script; its hash is the only one that the page lets run.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use unicode_width::UnicodeWidthStr;

use super::matrix::Matrix;
use super::reach::Name;
use crate::cli::html::escaped;
use crate::cli::render::shown;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// The whole page.
pub(super) fn page(matrix: &Matrix) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    page.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n");
    add(
        &mut page,
        format_args!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'sha256-{hash}'\"/>\n<title>Access matrix</title>\n<style>\n{STYLE}"
        ),
    );
    tints(&mut page, matrix.marks.len());
    widths(&mut page, matrix);
    page.push_str("</style>\n</head>\n<body>\n<main>\n<h1>Access matrix</h1>\n");
    about(&mut page, matrix);
    controls(&mut page, matrix);
    page.push_str("<div class=\"wrap\">\n<table>\n");
    head(&mut page, matrix);
    rows(&mut page, matrix);
    page.push_str("</table>\n</div>\n<p id=\"told\"></p>\n<p id=\"shown\"></p>\n");
    legend(&mut page, matrix);
    notes(&mut page, matrix);
    add(
        &mut page,
        format_args!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"),
    );
    page
}

fn add(page: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = page.write_fmt(what);
}

fn safe(text: &str) -> String {
    escaped(&shown(text))
}

/// `Type id`, as a person reads it.
fn full((entity_type, id): &Name) -> String {
    safe(&format!("{entity_type} {id}"))
}

/// More access, more colour.
fn tints(page: &mut String, marks: usize) {
    for mark in 1..marks {
        let share = 12 + 58 * mark / (marks - 1).max(1);
        add(
            page,
            format_args!(".k{mark} {{ background: color-mix(in srgb, var(--bar) {share}%, var(--back)) }}\n"),
        );
    }
}

/// Columns as wide as what is in them: rows lay themselves out, and none knows the others.
fn widths(page: &mut String, matrix: &Matrix) {
    let wide = |text: &str| shown(text).width();
    let name = matrix.principals.iter().map(|(entity_type, id)| wide(entity_type) + wide(id) + 1).max();
    let label = matrix.marks.iter().map(|mark| wide(&mark.label)).max();
    add(
        page,
        format_args!(
            "table {{ --cell: calc({}ch + 1rem); --name: calc({}ch + 1rem) }}\n",
            label.unwrap_or(0).clamp(3, 24),
            name.unwrap_or(0).clamp(9, 60)
        ),
    );
}

fn about(page: &mut String, matrix: &Matrix) {
    page.push_str("<dl class=\"about\">\n");
    for (name, value) in [
        ("Of", matrix.source.as_str()),
        ("Revision", &matrix.revision),
        ("Made", matrix.made_at.as_deref().unwrap_or("at a time that was left out")),
        ("By", concat!("gatepost ", env!("CARGO_PKG_VERSION"))),
    ] {
        add(page, format_args!("<div><dt>{name}</dt><dd>{}</dd></div>\n", safe(value)));
    }
    page.push_str("</dl>\n");
}

/// Hidden until the script is there to make them work.
fn controls(page: &mut String, matrix: &Matrix) {
    page.push_str(
        "<div id=\"controls\" hidden=\"hidden\">\n\
         <label>Principals with<input id=\"who\" type=\"search\" placeholder=\"part of a type or an id\"/></label>\n\
         <label>Resources with<input id=\"what\" type=\"search\" placeholder=\"part of a type or an id\"/></label>\n\
         <label>Access<select id=\"level\"><option value=\"\">all, and none</option><option value=\"any\">any access</option>",
    );
    for (number, mark) in matrix.marks.iter().enumerate().skip(1) {
        add(page, format_args!("<option value=\"{number}\">{}</option>", safe(&mark.label)));
    }
    page.push_str("</select></label>\n</div>\n");
}

fn head(page: &mut String, matrix: &Matrix) {
    page.push_str("<thead>\n<tr><th class=\"corner\"></th>");
    for group in matrix.resources.chunk_by(|a, b| a.0 == b.0) {
        let (columns, name) = (group.len(), safe(&group[0].0));
        add(
            page,
            format_args!(
                "<th colspan=\"{columns}\" data-columns=\"{columns}\" style=\"--cells: {columns}\" scope=\"colgroup\"><span>{name}</span></th>"
            ),
        );
    }
    page.push_str("</tr>\n<tr><th class=\"corner\" scope=\"col\"><button type=\"button\">principal</button></th>");
    for resource in &matrix.resources {
        let (name, id) = (full(resource), safe(&resource.1));
        add(
            page,
            format_args!(
                "<th scope=\"col\" data-name=\"{name}\" title=\"{name}\"><button type=\"button\">{id}</button></th>"
            ),
        );
    }
    page.push_str("</tr>\n</thead>\n");
}

fn rows(page: &mut String, matrix: &Matrix) {
    let labels: Vec<String> = matrix.marks.iter().map(|mark| safe(&mark.label)).collect();
    page.push_str("<tbody>\n");
    for (row, principal) in matrix.principals.iter().enumerate() {
        let (name, entity_type, id) = (full(principal), safe(&principal.0), safe(&principal.1));
        add(
            page,
            format_args!("<tr><th scope=\"row\" data-name=\"{name}\"><span>{entity_type}</span> {id}</th>"),
        );
        for mark in matrix.numbers(row) {
            match mark {
                0 => page.push_str("<td></td>"),
                mark => add(page, format_args!("<td class=\"k{mark}\">{}</td>", labels[*mark as usize])),
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n");
}

fn legend(page: &mut String, matrix: &Matrix) {
    let mut counts = vec![0_usize; matrix.marks.len()];
    for row in 0..matrix.principals.len() {
        matrix.numbers(row).iter().for_each(|mark| counts[*mark as usize] += 1);
    }
    page.push_str("<h2>What the cells say</h2>\n<dl class=\"legend\">\n");
    for (number, (mark, count)) in matrix.marks.iter().zip(counts).enumerate().skip(1) {
        let (label, words) = (safe(&mark.label), safe(&mark.access.words()));
        let actions = safe(&mark.access.actions.join(", "));
        add(
            page,
            format_args!(
                "<dt class=\"k{number}\">{label}</dt><dd>{words} <span>({count} times; allowed: {actions})</span></dd>\n"
            ),
        );
    }
    page.push_str("</dl>\n<p>An empty cell is no access: every action that was asked is denied.</p>\n");
}

fn notes(page: &mut String, matrix: &Matrix) {
    if matrix.notes.is_empty() {
        return;
    }
    page.push_str("<h2>Notes</h2>\n<ul>\n");
    for note in &matrix.notes {
        add(page, format_args!("<li>{}</li>\n", safe(note)));
    }
    page.push_str("</ul>\n");
}
