//! Charts as SVG files that need nothing but themselves and are readable on light and on dark pages.

use std::fmt::Write as _;

const STYLE: &str = "\
svg{--back:#fcfcfb;--ink:#1c1e21;--soft:#5d646e;--line:#dcdfe3;--c0:#2f6fb3;--c1:#b3541e;--c2:#1d7a46;--c3:#7a4fb0}\
@media(prefers-color-scheme:dark){svg{--back:#16181b;--ink:#e7e9ec;--soft:#9aa2ad;--line:#33383f;--c0:#6aa9e9;\
--c1:#e8935a;--c2:#5cc48c;--c3:#b596e6}}\
";

// Colours for readers of SVG that know no variables come first, and are the light ones.
const RULES: &[(&str, &str, &str, &str)] = &[
    (".back", "fill", "#fcfcfb", "back"),
    ("text", "fill", "#5d646e", "soft"),
    (".title", "fill", "#1c1e21", "ink"),
    (".grid", "stroke", "#dcdfe3", "line"),
    (".axis", "stroke", "#5d646e", "soft"),
    (".s0", "stroke", "#2f6fb3", "c0"),
    (".s1", "stroke", "#b3541e", "c1"),
    (".s2", "stroke", "#1d7a46", "c2"),
    (".s3", "stroke", "#7a4fb0", "c3"),
    (".f0", "fill", "#2f6fb3", "c0"),
    (".f1", "fill", "#b3541e", "c1"),
    (".f2", "fill", "#1d7a46", "c2"),
    (".f3", "fill", "#7a4fb0", "c3"),
];

// In the units of the drawing.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 570.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 340.0;

/// The least distance of two labels' lines.
const LABEL: f64 = 16.0;

/// Curves over sizes, which are always on a log axis.
pub(crate) struct Curves<'c> {
    pub(crate) title: &'c str,
    pub(crate) x: &'c str,
    pub(crate) y: &'c str,
    pub(crate) scale: Scale,
    pub(crate) curves: Vec<Curve>,
}

/// How a vertical axis grows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten.
    Log,
}

/// Points from left to right.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart of bars from zero.
pub(crate) struct Bars<'b> {
    pub(crate) title: &'b str,
    pub(crate) x: &'b str,
    pub(crate) bars: Vec<(String, f64)>,
}

impl Curves<'_> {
    pub(crate) fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let xs = decades(points().map(|point| point.0));
        let ys = match self.scale {
            Scale::Log => decades(points().map(|point| point.1)),
            Scale::Linear => steps(points().map(|point| point.1).fold(0.0, f64::max)),
        };
        let x_of = |x: f64| LEFT + share(Scale::Log, &xs, x) * (RIGHT - LEFT);
        let y_of = |y: f64| BOTTOM - share(self.scale, &ys, y) * (BOTTOM - TOP);

        let mut svg = Drawing::new(self.title, HEIGHT);
        svg.text(LEFT - 56.0, 54.0, "", "start", self.y);
        svg.text(f64::midpoint(LEFT, RIGHT), BOTTOM + 44.0, "", "middle", self.x);
        for y in &ys {
            svg.line("grid", LEFT, y_of(*y), RIGHT, y_of(*y));
            svg.text(LEFT - 8.0, y_of(*y) + 4.0, "", "end", &number(*y));
        }
        svg.line("axis", LEFT, BOTTOM, RIGHT, BOTTOM);
        for x in &xs {
            svg.line("axis", x_of(*x), BOTTOM, x_of(*x), BOTTOM + 5.0);
            svg.text(x_of(*x), BOTTOM + 20.0, "", "middle", &number(*x));
        }
        let ends: Vec<f64> = self
            .curves
            .iter()
            .map(|curve| curve.points.last().map_or(BOTTOM, |last| y_of(last.1)))
            .collect();
        for ((place, curve), label) in self.curves.iter().enumerate().zip(apart(&ends)) {
            let drawn: Vec<(f64, f64)> = curve.points.iter().map(|(x, y)| (x_of(*x), y_of(*y))).collect();
            svg.path(place, &drawn);
            for (x, y) in &drawn {
                svg.dot(place, *x, *y);
            }
            if let (Some((x, _)), Some((_, last))) = (drawn.last(), curve.points.last()) {
                let text = format!("{}: {}", curve.name, number(*last));
                svg.text(x + 12.0, label + 4.0, &format!("f{}", place % 4), "start", &text);
            }
        }
        svg.end()
    }
}

impl Bars<'_> {
    pub(crate) fn svg(&self) -> String {
        const BAR: f64 = 26.0;
        const STEP: f64 = 40.0;
        const START: f64 = 230.0;
        const END: f64 = 700.0;
        let bottom = 56.0 + STEP * self.bars.len() as f64;
        let xs = steps(self.bars.iter().map(|bar| bar.1).fold(0.0, f64::max));
        let x_of = |x: f64| START + share(Scale::Linear, &xs, x) * (END - START);
        let mut svg = Drawing::new(self.title, bottom + 56.0);
        for x in &xs {
            svg.line("grid", x_of(*x), 50.0, x_of(*x), bottom);
            svg.text(x_of(*x), bottom + 18.0, "", "middle", &number(*x));
        }
        svg.text(f64::midpoint(START, END), bottom + 42.0, "", "middle", self.x);
        for (place, (name, value)) in self.bars.iter().enumerate() {
            let top = 60.0 + STEP * place as f64;
            svg.text(START - 10.0, top + BAR / 2.0 + 4.0, "", "end", name);
            svg.rect(place, START, top, x_of(*value) - START, BAR);
            svg.text(
                x_of(*value) + 8.0,
                top + BAR / 2.0 + 4.0,
                &format!("f{}", place % 4),
                "start",
                &number(*value),
            );
        }
        svg.line("axis", START, 50.0, START, bottom);
        svg.end()
    }
}

/// Where a value is between the first and the last tick, from 0 to 1.
fn share(scale: Scale, ticks: &[f64], value: f64) -> f64 {
    let of = |value: f64| match scale {
        Scale::Linear => value,
        Scale::Log => value.log10(),
    };
    match ticks {
        [first, .., last] => (of(value) - of(*first)) / (of(*last) - of(*first)),
        _ => 0.0,
    }
}

/// The powers of ten around some values, two at least.
fn decades(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
            (least.min(value), most.max(value))
        });
    let first = least.log10().floor() as i32;
    let last = (most.log10().ceil() as i32).max(first + 1);
    (first..=last).map(|power| 10_f64.powi(power)).collect()
}

/// Even steps from zero to at least a value.
fn steps(most: f64) -> Vec<f64> {
    let rough = most.max(1e-9) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let count = (most / step).ceil().max(1.0) as usize;
    (0..=count).map(|number| number as f64 * step).collect()
}

/// The places nearest to the wanted ones at which no two labels meet, downwards from the topmost.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut places = wanted.to_vec();
    let mut least = f64::MIN;
    for label in &order {
        places[*label] = places[*label].max(least);
        least = places[*label] + LABEL;
    }
    // Those that were pushed below the axis push back.
    let mut most = BOTTOM - 4.0;
    for label in order.iter().rev() {
        places[*label] = places[*label].min(most);
        most = places[*label] - LABEL;
    }
    places
}

/// A number as a person writes it: commas between thousands, three digits that count.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 1e-9 {
        return "0".to_owned();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.digits$}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match part.trim_end_matches('0') {
        "" => grouped,
        part => format!("{grouped}.{part}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An SVG that is being written. Writing to a string does not fail.
struct Drawing(String);

impl Drawing {
    fn new(title: &str, height: f64) -> Self {
        let title = escaped(title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" font-family=\"system-ui,sans-serif\" \
             font-size=\"12\">\n<title>{title}</title>\n<style>{STYLE}\n"
        );
        for (selector, property, light, variable) in RULES {
            let _ = writeln!(svg, "{selector}{{{property}:{light};{property}:var(--{variable})}}");
        }
        let _ = writeln!(svg, "</style>\n<rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>");
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"16\" y=\"30\" font-size=\"16\" font-weight=\"600\">{title}</text>"
        );
        Self(svg)
    }

    fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        let text = escaped(text);
        let _ = writeln!(
            self.0,
            "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn line(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn path(&mut self, place: usize, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.0,
            "<polyline class=\"s{}\" fill=\"none\" stroke-width=\"2\" points=\"{}\"/>",
            place % 4,
            points.join(" ")
        );
    }

    fn dot(&mut self, place: usize, x: f64, y: f64) {
        let _ = writeln!(
            self.0,
            "<circle class=\"f{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
            place % 4
        );
    }

    fn rect(&mut self, place: usize, x: f64, y: f64, width: f64, height: f64) {
        let _ = writeln!(
            self.0,
            "<rect class=\"f{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
            place % 4
        );
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
