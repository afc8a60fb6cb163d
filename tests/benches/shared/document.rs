//! Where the results of a benchmark are in a document, and in what words the machine is named there.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::machine::Machine;

/// Writes results as JSON and into a document, if they are wanted there.
pub(crate) fn write<T: serde::Serialize>(
    benchmark: &str,
    results: &T,
    markdown: &str,
    [json, document]: [Option<&Path>; 2],
) -> Result<()> {
    let cannot = |file: &Path| format!("cannot write {}", file.display());
    if let Some(file) = json {
        fs::write(file, serde_json::to_string_pretty(results)?).with_context(|| cannot(file))?;
    }
    if let Some(file) = document {
        replace(file, benchmark, markdown).with_context(|| cannot(file))?;
    }
    Ok(())
}

/// Puts the text into the place that a file has for it.
fn replace(file: &Path, benchmark: &str, markdown: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let begin = format!("<!-- cargo xtask bench {benchmark}: begin -->\n");
    let end = format!("<!-- cargo xtask bench {benchmark}: end -->");
    let place = || {
        let (before, rest) = text.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some([before, &begin, markdown, &end, after].concat())
    };
    let new = place().with_context(|| format!("there is no `{}` with its end", begin.trim()))?;
    Ok(fs::write(file, new)?)
}

/// Where and when.
pub(crate) fn place(machine: &Machine) -> String {
    let Machine { processor, kernel, date, mitigations } = machine;
    format!("{processor}, Linux {kernel}, {date} ({})", mitigations.join(", "))
}
