//! What all other packets cost.

use super::{
    lines,
    svg::{Anchor, Svg, marks},
};
use crate::{results::Row, table::with_commas};

const WIDTH: f64 = 860.0;
/// Of the plane that the bars are in.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 780.0;
const TOP: f64 = 84.0;
/// From one bar to the next, and of a bar.
const STEP: f64 = 24.0;
const BAR: f64 = 14.0;

pub(super) fn draw(rows: &[Row]) -> String {
    let shown: Vec<_> = rows.iter().filter(|row| !lines::has(row)).collect();
    let bottom = TOP + STEP * shown.len() as f64;
    let mut svg = Svg::new(
        WIDTH,
        bottom + 50.0,
        "What a packet costs, by what it is",
        "ns on one CPU: the median, and from the least to the most; grey is what it is compared with",
    );
    let (marks, top) = scale(&shown);
    let x = |ns: f64| LEFT + (RIGHT - LEFT) * (ns / top).min(1.0);

    for mark in marks {
        let class = if mark > 0.0 { "grid" } else { "axis" };
        svg.line((x(mark), TOP - 6.0), (x(mark), bottom), class);
        svg.text((x(mark), bottom + 18.0), Anchor::Middle, "faint", &with_commas(mark as u64));
    }
    for (row, at) in shown.iter().zip(0..) {
        let middle = TOP + STEP * (f64::from(at) + 0.5);
        let class = if row.beside.is_some() { "first" } else { "floor" };
        svg.text((LEFT - 10.0, middle + 4.5), Anchor::End, "ink", &name(row));
        svg.bar((LEFT, middle - BAR / 2.0), x(row.median_ns) - LEFT, BAR, class);
        let mut end = x(row.max_ns);
        if row.median_ns > top {
            // It goes on beyond the edge.
            svg.bar((RIGHT - 24.0, middle - BAR / 2.0), 4.0, BAR, "page");
            svg.bar((RIGHT - 16.0, middle - BAR / 2.0), 4.0, BAR, "page");
            end = RIGHT;
        } else {
            svg.line((x(row.min_ns), middle), (end, middle), "range");
        }
        let ns = with_commas(row.median_ns.round() as u64);
        svg.text((end + 8.0, middle + 4.5), Anchor::Start, "faint", &ns);
    }
    svg.finish()
}

/// The axis ends where all bars but the longest do, if that is much longer than the rest.
fn scale(rows: &[&Row]) -> (Vec<f64>, f64) {
    let mut longest: Vec<_> = rows.iter().map(|row| row.max_ns).collect();
    longest.sort_unstable_by(f64::total_cmp);
    let last = longest.pop().unwrap_or(1.0);
    let most = longest.pop().map_or(last, |next| if last > 2.0 * next { next } else { last });
    let marks = marks(most);
    let top = marks.last().copied().unwrap_or(most);
    (marks, top)
}

fn name(row: &Row) -> String {
    let flows = row.flows.map(|flows| format!(" ({})", with_commas(flows)));
    format!("{}{}", row.name, flows.unwrap_or_default())
}
