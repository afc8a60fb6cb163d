//! A file that a line is appended to for each change.

use std::{path::PathBuf, time::Instant};

use tokio::{
    fs::{OpenOptions, create_dir_all},
    io::AsyncWriteExt as _,
    sync::mpsc,
};
use tracing::{info, warn};

use super::Alert;
use crate::patience::Complaints;

/// Writes until there is nobody left to alert. The file is opened for each line, so that it can be
/// moved away at any time.
pub(super) async fn write(path: PathBuf, mut alerts: mpsc::Receiver<Alert>) {
    let mut complaints = Complaints::default();
    while let Some(alert) = alerts.recv().await {
        let line = alert.line() + "\n";
        let written = async {
            if let Some(directory) = path.parent() {
                create_dir_all(directory).await?;
            }
            let mut file = OpenOptions::new().append(true).create(true).open(&path).await?;
            file.write_all(line.as_bytes()).await?;
            file.flush().await
        };
        match written.await {
            Ok(()) if complaints.settle() => {
                info!(path = %path.display(), "alerts are written again")
            }
            Ok(()) => {}
            Err(error) if complaints.is_due(Instant::now()) => {
                warn!(path = %path.display(), %error, "can't write alerts to the file");
            }
            Err(_) => {}
        }
    }
}
