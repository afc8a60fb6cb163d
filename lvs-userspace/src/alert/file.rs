//! A file that a line is appended to for each change.

use std::{io, path::Path, path::PathBuf, time::Instant};

use tokio::{
    fs::{OpenOptions, create_dir_all},
    io::AsyncWriteExt as _,
    sync::mpsc,
};
use tracing::{info, warn};

use super::Alert;
use crate::patience::Complaints;

/// So many lines are written at once.
const MANY: usize = 1024;

/// Writes until there is nobody left to alert. The file is opened each time, so that it can be moved away
/// at any time.
pub(super) async fn write(path: PathBuf, mut alerts: mpsc::Receiver<Alert>) {
    let mut complaints = Complaints::default();
    let (mut waiting, mut missing) = (Vec::new(), 0);
    while alerts.recv_many(&mut waiting, MANY).await > 0 {
        let lines: String =
            waiting.iter().flat_map(|alert| [alert.line(), "\n".to_owned()]).collect();
        match append(&path, &lines).await {
            Ok(()) if complaints.settle() => {
                info!(path = %path.display(), missing, "alerts are written again");
                missing = 0;
            }
            Ok(()) => {}
            Err(error) => {
                missing += waiting.len();
                if complaints.is_due(Instant::now()) {
                    warn!(path = %path.display(), %error, missing, "can't write alerts to the file");
                }
            }
        }
        waiting.clear();
    }
}

async fn append(path: &Path, lines: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        create_dir_all(directory).await?;
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path).await?;
    file.write_all(lines.as_bytes()).await?;
    file.flush().await
}
