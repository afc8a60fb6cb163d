//! What a packet of a known connection costs, by how many connections there are.

use super::svg::{Anchor, Svg, marks};
use crate::{results::Row, table::with_commas};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
/// Of the plane that the lines are in.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 344.0;

/// Rows by their names, what they are called here, and their colours.
const SERIES: [(&str, &str, &str); 3] = [
    ("known TCP connection", "IPv4", "first"),
    ("known TCP connection, IPv6", "IPv6", "second"),
    ("F: one LRU look-up", "F, the floor", "floor"),
];

/// Whether a row is a point of a line here.
pub(super) fn has(row: &Row) -> bool {
    row.flows.is_some() && SERIES.iter().any(|(name, ..)| *name == row.name)
}

pub(super) fn draw(rows: &[Row]) -> String {
    let shown: Vec<_> = rows.iter().filter(|row| has(row)).collect();
    let mut svg = Svg::new(
        WIDTH,
        HEIGHT,
        "A packet of a known TCP connection, by how many connections send",
        "ns on one CPU: the median, and from the least to the most",
    );
    let marks = marks(shown.iter().map(|row| row.max_ns).fold(1.0, f64::max));
    let top = marks.last().copied().unwrap_or(1.0);
    let most = shown.iter().filter_map(|row| row.flows).max().unwrap_or(1).max(2);
    let x = |flows: u64| {
        LEFT + 20.0 + (RIGHT - LEFT - 40.0) * (flows as f64).log2() / (most as f64).log2()
    };
    let y = |ns: f64| BOTTOM - (BOTTOM - TOP) * ns / top;

    for mark in marks {
        svg.line((LEFT, y(mark)), (RIGHT, y(mark)), if mark > 0.0 { "grid" } else { "axis" });
        svg.text((LEFT - 8.0, y(mark) + 4.0), Anchor::End, "faint", &format!("{mark:.0}"));
    }
    let mut flows: Vec<_> = shown.iter().filter_map(|row| row.flows).collect();
    flows.sort_unstable();
    flows.dedup();
    for flows in flows {
        svg.line((x(flows), BOTTOM), (x(flows), BOTTOM + 5.0), "axis");
        svg.text((x(flows), BOTTOM + 21.0), Anchor::Middle, "faint", &with_commas(flows));
    }
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 44.0), Anchor::Middle, "faint", "connections");

    let mut ends = Vec::new();
    for (name, label, class) in SERIES {
        let rows = shown.iter().filter(|row| row.name == name);
        let mut points = Vec::new();
        for row in rows {
            let x = x(row.flows.unwrap_or(1));
            svg.line((x, y(row.min_ns)), (x, y(row.max_ns)), "range");
            points.push((x, y(row.median_ns)));
        }
        svg.path(&points, class);
        for &point in &points {
            svg.dot(point, class);
        }
        ends.extend(points.last().map(|&(_, y)| (y, label, class)));
    }
    // One above the other, however close their lines end.
    ends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP;
    for (y, label, class) in ends {
        let y = y.max(free);
        free = y + 18.0;
        svg.dot((RIGHT + 16.0, y), class);
        svg.text((RIGHT + 28.0, y + 4.5), Anchor::Start, "ink", label);
    }
    svg.finish()
}
