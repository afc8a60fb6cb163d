//! The results as a table, to be read in a terminal or in Markdown.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::results::{Results, Row};

/// In the file, the table is between these.
const BEGIN: &str = "<!-- cargo xtask bench packets: begin -->\n";
const END: &str = "<!-- cargo xtask bench packets: end -->";

#[expect(clippy::print_stdout, reason = "the results are for who has asked for them")]
pub(crate) fn print(results: &Results) {
    println!("{}\n", place(results));
    println!(
        "{:<42} {:>8} {:>8} {:>8} {:>8}  {:<12} {:>6}  goal",
        "ns for a packet", "flows", "median", "min", "max", "beside", "ratio"
    );
    for row in &results.rows {
        println!(
            "{:<42} {:>8} {:>8.0} {:>8.0} {:>8.0}  {:<12} {:>6}  {}",
            row.name,
            flows(row),
            row.median_ns,
            row.min_ns,
            row.max_ns,
            row.beside.as_deref().unwrap_or_default(),
            ratio(row),
            goal(row),
        );
    }
    let (goals, met) = results.goals();
    println!("\n{met} of {goals} goals are met");
}

/// Replaces the table in a file.
pub(crate) fn write(results: &Results, file: &Path) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let new = replaced(&text, &markdown(results))
        .with_context(|| format!("there is no `{}` with its end", BEGIN.trim()))?;
    Ok(fs::write(file, new)?)
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, table, END, after].concat())
}

fn markdown(results: &Results) -> String {
    let mut text = format!("{}\n\n", place(results));
    text +=
        "| | flows | ns for a packet | min to max | million packets/s | beside | ratio | goal |\n";
    text += "|---|--:|--:|--:|--:|---|--:|---|\n";
    for row in &results.rows {
        text += &format!(
            "| {} | {} | **{:.0}** | {:.0} to {:.0} | {:.1} | {} | {} | {} |\n",
            row.name,
            flows(row),
            row.median_ns,
            row.min_ns,
            row.max_ns,
            1000.0 / row.median_ns,
            row.beside.as_deref().unwrap_or_default(),
            ratio(row),
            goal(row),
        );
    }
    text
}

/// Where and when.
fn place(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "{}, Linux {}, {} ({}); one CPU, the median of {} rounds",
        machine.processor,
        machine.kernel,
        machine.date,
        machine.mitigations.join(", "),
        results.rounds,
    )
}

fn flows(row: &Row) -> String {
    row.flows.map_or_else(String::new, with_commas)
}

/// In groups of three.
pub(crate) fn with_commas(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", with_commas(number / 1000), number % 1000),
    }
}

fn ratio(row: &Row) -> String {
    row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

fn goal(row: &Row) -> String {
    let Some(goal) = row.goal else { return String::new() };
    format!("{goal}{}", if row.is_met == Some(true) { ": met" } else { ": missed" })
}
