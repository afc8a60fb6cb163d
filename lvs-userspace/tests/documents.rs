//! The configurations that the documents show are good.

use std::{fs, path::Path};

use lvs_userspace::config::Config;

/// The TOML in a document.
fn shown(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = fs::read_to_string(path).expect("a document");
    let blocks = text.split("```toml\n").skip(1);
    blocks.filter_map(|it| it.split("```").next()).map(str::to_owned).collect()
}

/// A part of a file with what must stand before it, at the director of this name.
fn whole(shown: &str, name: &str) -> String {
    let named = format!("[director]\nname = {name:?}\n");
    if shown.starts_with("[director]") {
        return shown.replacen("[director]\n", &named, 1);
    }
    let failover =
        if shown.starts_with("[failover]") { "" } else { "[failover]\nvrid = 1\npriority = 1\n" };
    format!("{named}interfaces = [\"eth0\"]\n{failover}{shown}")
}

#[test]
fn every_configuration_is_good_at_both_directors() {
    for document in ["README.md", "docs/failover.md"] {
        let shown = shown(document);
        assert!(!shown.is_empty(), "{document}");
        for (shown, name) in shown.iter().flat_map(|it| [(it, "midas"), (it, "estepe")]) {
            let whole = whole(shown, name);
            let config =
                Config::parse(&whole, document).unwrap_or_else(|it| panic!("{it}\n{whole}"));
            assert!(config.failover.is_some(), "{document}");
        }
    }
}
