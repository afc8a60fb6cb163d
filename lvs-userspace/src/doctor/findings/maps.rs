//! The maps, their pins, and how full they are.

use super::{Finding, Look, Name};
use crate::{
    dataplane::bpf::{PinFault, TableUse},
    doctor::{Evidence, Known},
};

/// A table that is so full, in percent of what it is made for, will soon be full.
const NEARLY: u64 = 90;

pub(super) fn looks(evidence: &Evidence) -> Vec<Look> {
    let Known { out_of_sync, no_bpffs, pin_faults, sizes_followed, tables, .. } = &evidence.known;
    let out_of_sync = out_of_sync.as_ref().map(|it| {
        Finding::problem(
            Name::MapsOutOfSync,
            "the maps are not what they should be: the program goes by old tables".into(),
            format!("{} (tried {} times)", it.reason, it.attempts),
            "see lvsd's log; it tries again by itself".into(),
        )
    });
    let no_bpffs = no_bpffs.as_ref().map(|why| {
        Finding::problem(
            Name::NoBpffs,
            "the next lvsd will not find what this one has pinned".into(),
            why.clone(),
            "mount it (mount -t bpf bpf /sys/fs/bpf), then `lvsd --detach-all` and start it again"
                .into(),
        )
    });
    let sizes = (!sizes_followed).then(|| {
        Finding::warning(
            Name::MapSizes,
            "the maps are not as large as the configuration says".into(),
            "those of an earlier lvsd were taken over, and keep their sizes".into(),
            "when connections may be lost: `lvsd --detach-all`, and start it again".into(),
        )
    });
    let mut looks = vec![out_of_sync, no_bpffs, sizes, about_pins(pin_faults)];
    looks.extend(tables.iter().map(about_table));
    looks
}

fn about_pins(faults: &[PinFault]) -> Look {
    let lines: Vec<_> = faults
        .iter()
        .map(|fault| match fault {
            PinFault::Missing(file) => format!("{} is missing", file.display()),
            PinFault::Other(file) => format!("{} is not what is in use", file.display()),
        })
        .collect();
    (!lines.is_empty()).then(|| {
        Finding::problem(
            Name::Pins,
            "what is pinned is not what is in use: the next lvsd will lose the connections".into(),
            lines.join(", "),
            "when connections may be lost: `lvsd --detach-all`, and start it again".into(),
        )
    })
}

/// Beyond the size that it is made for, a table has some places left, but connections in use begin
/// to be forgotten for want of one in the right bucket.
fn about_table(table: &TableUse) -> Look {
    let TableUse { of, key, used, size } = *table;
    (u64::from(used) * 100 >= u64::from(size) * NEARLY).then(|| {
        let evidence = format!("{used} connections, and it is made for {size}");
        let advice = format!(
            "a larger {key} in [connections]; that needs `lvsd --detach-all`, which loses them"
        );
        if used > size {
            let what = format!("the table of {of} is full: connections are forgotten");
            Finding::problem(Name::ConnectionTableFull, what, evidence, advice)
        } else {
            let what = format!("the table of {of} is nearly full");
            Finding::warning(Name::ConnectionTableFull, what, evidence, advice)
        }
    })
}
