//! SVG, as text.

use std::fmt::{self, Write as _};

/// Colours by what they are for, on a light page and on a dark one.
const STYLE: &str = "
  .page { fill: #fcfcfb } .ink { fill: #0b0b0b } .faint { fill: #52514e }
  .grid { stroke: #e1e0d9 } .axis { stroke: #a5a39b } .range { stroke: #0b0b0b; stroke-width: 1.5 }
  .first { fill: #2a78d6 } .second { fill: #0f8f62 } .floor { fill: #8c8a83 }
  .line { stroke-width: 2; stroke-linejoin: round }
  .line.first { stroke: #2a78d6 } .line.second { stroke: #0f8f62 }
  .line.floor { stroke: #8c8a83; stroke-dasharray: 6 4 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #1a1a19 } .ink { fill: #ffffff } .faint { fill: #c3c2b7 }
    .grid { stroke: #2f2f2c } .axis { stroke: #6d6b64 } .range { stroke: #ffffff }
    .first { fill: #4a94ea } .second { fill: #25b383 } .floor { fill: #98968e }
    .line.first { stroke: #4a94ea } .line.second { stroke: #25b383 } .line.floor { stroke: #98968e }
  }
  .line.first, .line.second, .line.floor { fill: none }
  text { font-family: system-ui, sans-serif; font-size: 13px }
  .title { font-size: 16px; font-weight: 600 }
";

/// Where a text has its point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn.
pub(super) struct Svg(String);

impl Svg {
    pub(super) fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let mut svg = Self(String::new());
        svg.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
             <style>{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>",
            escaped(title),
        ));
        svg.text((20.0, 28.0), Anchor::Start, "ink title", title);
        svg.text((20.0, 48.0), Anchor::Start, "faint", subtitle);
        svg
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
            escaped(text),
        ));
    }

    pub(super) fn line(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), class: &str) {
        self.push(format_args!(
            "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{to_x:.1}\" y2=\"{to_y:.1}\" class=\"{class}\"/>",
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.push(format_args!("<polyline points=\"{points}\" class=\"line {class}\"/>"));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        self.push(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" class=\"{class}\"/>"));
    }

    /// A rectangle from its upper left corner.
    pub(super) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, class: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             class=\"{class}\"/>",
        ));
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    fn push(&mut self, element: fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes all text");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Marks for an axis from 0 to at least `most`, at round numbers.
pub(super) fn marks(most: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf(most.log10().floor());
    let step = [0.1, 0.2, 0.25, 0.5, 1.0].iter().map(|it| it * magnitude);
    let step = step.into_iter().find(|step| most / step <= 6.0).unwrap_or(magnitude * 2.0);
    (0..).map(|n| f64::from(n) * step).take_while(|mark| *mark < most + step).collect()
}
