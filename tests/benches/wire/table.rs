//! The results as a table, to be read in a terminal or in Markdown.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::results::{Results, Row, SWAP, spread};

#[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
pub(crate) fn print(results: &Results) {
    let versus = format!("/ {}", results.compared_with);
    println!("{}\n", place(results));
    println!(
        "{:<28} {:<14} {:>8} {:>8} {:>8} {:>7} {:>7} {versus:>7}  {:<14} {:>6}",
        "", "", "Mpps", "min", "max", "ns", "- swap", "goal", "lost"
    );
    for (traffic, row) in named(results) {
        let [min, median, max] = spread(row.rates.iter().map(|rate| rate / 1e6));
        println!(
            "{traffic:<28} {:<14} {median:>8.3} {min:>8.3} {max:>8.3} {:>7.0} {:>7.0} {:>7.2}  {:<14} {:>6}",
            row.contender,
            1000.0 / median,
            row.beyond_swap_ns,
            row.ratio,
            goal(row),
            row.lost(),
        );
    }
}

/// Replaces the table in a file.
pub(crate) fn write(results: &Results, file: &Path) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let begin = format!("<!-- cargo xtask bench {}: begin -->\n", results.benchmark);
    let end = format!("<!-- cargo xtask bench {}: end -->", results.benchmark);
    let new = replaced(&text, [&begin, &end], &markdown(results))
        .with_context(|| format!("there is no `{}` with its end", begin.trim()))?;
    Ok(fs::write(file, new)?)
}

fn replaced(text: &str, [begin, end]: [&str; 2], table: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some([before, begin, table, end, after].concat())
}

fn markdown(results: &Results) -> String {
    let mut text = format!("{}\n\n", place(results));
    text += &format!(
        "| | | million packets/s | min to max | ns | - {SWAP} | / {} | goal |\n",
        results.compared_with
    );
    text += "|---|---|--:|--:|--:|--:|--:|---|\n";
    for (traffic, row) in named(results) {
        let [min, median, max] = spread(row.rates.iter().map(|rate| rate / 1e6));
        text += &format!(
            "| {traffic} | {} | **{median:.3}** | {min:.3} to {max:.3} | {:.0} | {:.0} | {:.2} | {} |\n",
            row.contender,
            1000.0 / median,
            row.beyond_swap_ns,
            row.ratio,
            goal(row),
        );
    }
    text
}

/// The rows, each kind of packets named at the first.
fn named(results: &Results) -> impl Iterator<Item = (String, &Row)> {
    let mut last = None;
    results.rows.iter().map(move |row| {
        let is_new = last.replace(row.traffic) != Some(row.traffic);
        (if is_new { row.traffic.to_string() } else { String::new() }, row)
    })
}

/// Where, when and how.
fn place(results: &Results) -> String {
    let Results { machine, cpu, window_ms, batch, .. } = results;
    format!(
        "{}, Linux {}, {} ({}); all on CPU {cpu}, {batch} packets at a time, windows of {window_ms} ms",
        machine.processor,
        machine.kernel,
        machine.date,
        machine.mitigations.join(", "),
    )
}

fn goal(row: &Row) -> String {
    let word = |is_met| if is_met { "met" } else { "missed" };
    let goal = row.goal.zip(row.is_met());
    goal.map_or_else(String::new, |(goal, is_met)| format!(">= {goal:.2}: {}", word(is_met)))
}
