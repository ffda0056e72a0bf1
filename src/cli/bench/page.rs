//! The report as one page that needs nothing but itself: no script, no fonts, no requests.

use std::fmt::Write;

use super::figures::{Bar, Quantile};
use super::measure::Point;
use super::report::{Report, Row};
use super::words;
use crate::cli::html::escaped;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fcfcfb;--ink:#1c1e21;--soft:#5d646e;--line:#dcdfe3;--bar:#2f6fb3;--other:#b3541e;\
--good:#1d7a46;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--back:#16181b;--ink:#e7e9ec;--soft:#9aa2ad;--line:#33383f;--bar:#6aa9e9;\
--other:#e8935a;--good:#5cc48c;--bad:#f2827b}}\
body{margin:0 auto;max-width:54rem;padding:2rem 1.25rem 4rem;background:var(--back);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2.5rem 0 .75rem}\
.key{display:flex;flex-wrap:wrap;gap:.75rem 2.5rem;margin:0 0 1rem}.key div{min-width:6rem}\
.key b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}.key span{color:var(--soft)}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:left;font-weight:400;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top;\
overflow-wrap:anywhere}\
tbody th,thead th{color:var(--soft)}.numbers td,.numbers th{text-align:right}\
.numbers th:first-child{text-align:left}\
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}\
svg text{fill:var(--soft)}.axis{stroke:var(--line)}.bar{fill:var(--bar)}.mark{stroke:var(--other);stroke-dasharray:3 3}\
svg .marked{fill:var(--other)}.one{stroke:var(--bar);fill:none;stroke-width:2}.two{stroke:var(--other);fill:none;\
stroke-width:2;stroke-dasharray:6 4}.dot1{fill:var(--bar)}.dot2{fill:var(--other)}svg .name1{fill:var(--bar)}\
svg .name2{fill:var(--other)}\
.met{color:var(--good)}.missed{color:var(--bad)}pre{overflow-x:auto;padding:.75rem;border:1px solid var(--line)}\
p,li{max-width:46rem;overflow-wrap:anywhere}";

// Of both charts, in the units of their drawings.
const WIDTH: f64 = 800.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 784.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 284.0;
const HEIGHT: f64 = 320.0;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = escaped(&report.target.title());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>gatepost bench: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>gatepost bench: {title}</h1>\n"
    );
    let figures = &report.figures;
    page.push_str("<div class=\"key\">");
    for (name, value) in [
        ("decisions a second", words::count(figures.per_second)),
        ("p50", words::time(figures.latency(Quantile::P50) as f64)),
        ("p99", words::time(figures.latency(Quantile::P99) as f64)),
        ("allowed", format!("{:.1} %", figures.allow_share() * 100.0)),
        ("errors", words::count(figures.errors as f64)),
    ] {
        add(
            &mut page,
            format_args!("<div><b>{}</b><span>{name}</span></div>", escaped(&value)),
        );
    }
    page.push_str("</div>\n");
    if !report.budgets.is_empty() {
        page.push_str("<h2>Budgets</h2>\n<ul>\n");
        for outcome in &report.budgets {
            let class = if outcome.is_met() { "met" } else { "missed" };
            let (text, verdict) = (escaped(outcome.text()), escaped(&outcome.verdict()));
            add(
                &mut page,
                format_args!("<li class=\"{class}\"><code>{text}</code> {verdict}</li>\n"),
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str("<h2>Latency</h2>\n");
    let marks = Quantile::ALL.map(|quantile| (quantile.name(), figures.latency(quantile) as f64));
    histogram(&mut page, &figures.bars(), &marks);
    page.push_str("<p>Answers by latency; both axes are logarithmic.</p>\n");
    if !report.growth.is_empty() {
        page.push_str("<h2>Growth: the cost of a decision by how many questions take turns</h2>\n");
        curve(&mut page, &report.growth);
        page.push_str("<p>Latency by questions in turns, which stand on a logarithmic axis.</p>\n");
        page.push_str(
            "<table class=\"numbers\"><thead><tr><th>questions in turns</th><th>p50</th><th>p99</th><th>a second</th></tr>\
             </thead><tbody>\n",
        );
        for [first, others @ ..] in report.growth_rows() {
            add(&mut page, format_args!("<tr><th>{first}</th>"));
            for cell in others {
                add(&mut page, format_args!("<td>{}</td>", escaped(&cell)));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody></table>\n");
    }
    page.push_str("<h2>Figures</h2>\n");
    table(&mut page, &report.results());
    page.push_str("<h2>What was measured</h2>\n");
    table(&mut page, &report.about());
    page.push_str("<h2>To be known</h2>\n<ul>\n");
    for note in report.notes() {
        add(&mut page, format_args!("<li>{}</li>\n", escaped(&note)));
    }
    add(
        &mut page,
        format_args!(
            "</ul>\n<h2>Command</h2>\n<pre>{}</pre>\n</main>\n</body>\n</html>\n",
            escaped(&report.command)
        ),
    );
    page
}

/// Writing to a string does not fail.
fn add(page: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(words);
}

fn table(page: &mut String, rows: &[Row]) {
    page.push_str("<table><tbody>\n");
    for (name, value) in rows {
        let (name, value) = (escaped(name), escaped(value));
        add(page, format_args!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    }
    page.push_str("</tbody></table>\n");
}

fn open(page: &mut String, what: &str) {
    add(
        page,
        format_args!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escaped(what)
        ),
    );
}

fn close(page: &mut String) {
    add(
        page,
        format_args!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{BOTTOM}\"/>\n</svg>\n"),
    );
}

fn label(page: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let text = escaped(text);
    add(
        page,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>\n"),
    );
}

/// A horizontal line of the grid, and what it stands for.
fn level(page: &mut String, y: f64, text: &str) {
    add(
        page,
        format_args!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\n"),
    );
    label(page, (LEFT - 6.0, y + 4.0), "end", "", text);
}

/// Where a number is on a log axis from the left edge to the right.
fn log_place(number: f64, from: f64, to: f64) -> f64 {
    let span = (to.max(1.0) / from.max(1.0)).ln();
    let share = if span > 0.0 {
        (number.max(1.0) / from.max(1.0)).ln() / span
    } else {
        0.5
    };
    LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
}

/// Bars over a log axis of latency. Their height is on a log axis too, or nothing would be seen of what is rare.
fn histogram(page: &mut String, bars: &[Bar], marks: &[(&str, f64)]) {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return };
    let place = |nanos: f64| log_place(nanos, first.from, last.to);
    let most = bars.iter().map(|bar| bar.answers).max().unwrap_or(1) as f64;
    // One answer is still to be seen.
    let up = |answers: f64| BOTTOM - (BOTTOM - TOP) * (answers * 2.0).ln() / (most * 2.0).ln();
    open(page, "Histogram of latencies: answers by latency, both on log axes");
    let step = if most > 1e4 { 2 } else { 1 };
    for answers in (0..12).step_by(step).map(|power| 10_f64.powi(power)).filter(|answers| *answers <= most) {
        level(page, up(answers), &words::count(answers));
    }
    for bar in bars.iter().filter(|bar| bar.answers > 0) {
        let (x, y, width) = (place(bar.from), up(bar.answers as f64), place(bar.to) - place(bar.from));
        let (from, to) = (words::time(bar.from), words::time(bar.to));
        let answers = words::count(bar.answers as f64);
        add(
            page,
            format_args!(
                "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\">\
                 <title>{from} to {to}: {answers}</title></rect>\n",
                (width - 0.5).max(0.5),
                BOTTOM - y
            ),
        );
    }
    // Powers of ten below the axis, with what lies between where there are few.
    let decades = (last.to / first.from).log10();
    let steps: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    for power in 0..=11 {
        for step in steps {
            let nanos = step * 10_f64.powi(power);
            if nanos >= first.from && nanos <= last.to {
                label(page, (place(nanos), BOTTOM + 18.0), "middle", "", &words::time(nanos));
            }
        }
    }
    // Each name has a row of its own, since neighbours may be near.
    for (number, (name, nanos)) in marks.iter().enumerate() {
        let (x, y) = (place(*nanos), 12.0 + 14.0 * number as f64);
        add(
            page,
            format_args!(
                "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>\n",
                y + 2.0
            ),
        );
        let (x, anchor) = if x > RIGHT - 90.0 {
            (x - 3.0, "end")
        } else {
            (x + 3.0, "start")
        };
        label(page, (x, y), anchor, "marked", &format!("{name} {}", words::time(*nanos)));
    }
    close(page);
}

/// The next of 1, 2, 5, 10, 20 and so on.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= least);
    step.unwrap_or(10.0) * power
}

/// p50 and p99 over a log axis of working sets.
fn curve(page: &mut String, points: &[Point]) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let latency = |point: &Point, quantile| point.figures.latency(quantile) as f64;
    let most = points.iter().map(|point| latency(point, Quantile::P99)).fold(1.0, f64::max) * 1.1;
    let across = |point: &Point| log_place(point.working_set as f64, first.working_set as f64, last.working_set as f64);
    let up = |nanos: f64| BOTTOM - (BOTTOM - TOP) * nanos / most;
    open(page, "p50 and p99 of decisions by working set");
    let step = round_step(most / 5.0);
    for nanos in (0..=5).map(|number| f64::from(number) * step).filter(|nanos| *nanos <= most) {
        level(page, up(nanos), &words::time(nanos));
    }
    for (quantile, line, dot, name) in [
        (Quantile::P50, "one", "dot1", "name1"),
        (Quantile::P99, "two", "dot2", "name2"),
    ] {
        let place = |point: &Point| (across(point), up(latency(point, quantile)));
        let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add(
            page,
            format_args!("<polyline class=\"{line}\" points=\"{}\"/>\n", path.join(" ")),
        );
        for point in points {
            let (x, y) = place(point);
            add(
                page,
                format_args!("<circle class=\"{dot}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>\n"),
            );
            let words = format!("{} {}", quantile.name(), words::time(latency(point, quantile)));
            let (x, anchor) = match x {
                x if x < LEFT + 40.0 => (x + 8.0, "start"),
                x if x > RIGHT - 40.0 => (x, "end"),
                x => (x, "middle"),
            };
            label(page, (x, y - 8.0), anchor, name, &words);
        }
    }
    for point in points {
        let (x, anchor) = (across(point), if across(point) > RIGHT - 40.0 { "end" } else { "middle" });
        label(page, (x, BOTTOM + 18.0), anchor, "", &words::count(point.working_set as f64));
    }
    close(page);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (240.0, 500.0),
            (501.0, 1000.0),
            (1e6, 1e6),
        ] {
            assert!((round_step(least) / step - 1.0).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn places_stay_within_the_chart() {
        for (number, from, to) in [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (5.0, 1.0, 10.0), (100.0, 1.0, 10.0)] {
            let place = log_place(number, from, to);
            assert!((LEFT..=RIGHT).contains(&place), "{number} {from} {to}: {place}");
        }
    }
}
