//! What the kernel runs first: it loads what the root file system needs, and goes over to that.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{Kernel, guest, machine::TAG};

/// Modules of the way to the root file system. A kernel may have them built in.
const MODULES: [&str; 2] = ["virtio_pci", "virtiofs"];

/// Makes it in this directory.
pub(super) fn make(kernel: Kernel, directory: &Path) -> Result<PathBuf> {
    let tree = directory.join("initramfs");
    for name in ["dev", "root", "modules"] {
        fs::create_dir_all(tree.join(name))?;
    }
    let busybox = kernel.busybox();
    let copy = |from: &Path, to: &str| {
        fs::copy(from, tree.join(to)).with_context(|| format!("cannot copy {}", from.display()))
    };
    copy(&busybox, "busybox")?;
    let modules = kernel.modules().join(kernel.version()?);
    let dependencies = modules.join("modules.dep");
    let dependencies = fs::read_to_string(&dependencies)
        .with_context(|| format!("cannot read {}", dependencies.display()))?;
    let mut names = Vec::new();
    for (number, module) in in_order(&dependencies).into_iter().enumerate() {
        let name = format!("modules/{number}.ko");
        copy(&modules.join(module), &name)?;
        names.push(name);
    }
    fs::write(tree.join("init"), init(&names, &directory.join(guest::SCRIPT)))?;
    fs::set_permissions(tree.join("init"), fs::Permissions::from_mode(0o755))?;

    let archive = directory.join("initramfs.cpio");
    let find = Command::new("find").current_dir(&tree).stdout(Stdio::piped()).spawn()?;
    let files = find.stdout.context("find has no output")?;
    let mut cpio = Command::new(busybox);
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(&tree).stdin(files);
    let packed = cpio.stdout(fs::File::create(&archive)?).stderr(Stdio::null()).status()?;
    ensure!(packed.success(), "busybox cpio: {packed}");
    Ok(archive)
}

/// The files of [`MODULES`] and of all that they need, so that each comes after what it needs. From
/// `modules.dep`, where a module stands before what it needs (depmod's order).
fn in_order(dependencies: &str) -> Vec<&str> {
    let mut files = Vec::new();
    for wanted in MODULES {
        let line =
            dependencies.lines().filter_map(|line| line.split_once(':')).find(|(file, _)| {
                let name = file.rsplit('/').next().unwrap_or(file);
                name.split('.').next() == Some(wanted)
            });
        let Some((file, needs)) = line else { continue };
        for file in needs.split_whitespace().rev().chain([file]) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files
}

/// The first process. A kernel whose first process ends stops, and with it the machine.
fn init(modules: &[String], script: &Path) -> String {
    let insert: String = modules.iter().map(|it| format!("/busybox insmod /{it}\n")).collect();
    format!(
        "#!/busybox sh\n\
         {insert}\
         /busybox mount -t virtiofs {TAG} /root || exit 1\n\
         exec /busybox switch_root /root /bin/sh '{}'\n",
        script.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need() {
        let dependencies = "\
kernel/fs/fuse/virtiofs.ko: kernel/virtio.ko kernel/virtio_ring.ko kernel/fs/fuse/fuse.ko
kernel/virtio_pci_legacy.ko: kernel/virtio.ko
kernel/virtio_pci.ko: kernel/virtio_pci_legacy.ko kernel/virtio.ko kernel/virtio_ring.ko
kernel/virtio_ring.ko:
";
        let expected = [
            "kernel/virtio_ring.ko",
            "kernel/virtio.ko",
            "kernel/virtio_pci_legacy.ko",
            "kernel/virtio_pci.ko",
            "kernel/fs/fuse/fuse.ko",
            "kernel/fs/fuse/virtiofs.ko",
        ];
        assert_eq!(in_order(dependencies), expected);
        assert_eq!(in_order("kernel/drivers/net/veth.ko.xz:\n"), [""; 0], "all built in");
    }

    #[test]
    fn the_first_process_goes_over_to_the_script() {
        let expected = "\
#!/busybox sh
/busybox insmod /modules/0.ko
/busybox mount -t virtiofs root /root || exit 1
exec /busybox switch_root /root /bin/sh '/work/run/script'
";
        assert_eq!(init(&["modules/0.ko".to_owned()], Path::new("/work/run/script")), expected);
    }
}
