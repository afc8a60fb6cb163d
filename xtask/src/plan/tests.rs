//! The plan for one kind of machine after another.

use super::*;

/// A new Debian machine with rustup's stable, as root.
fn fresh_debian() -> Machine {
    Machine {
        root: true,
        sudo: false,
        apt: true,
        rustup: true,
        missing_tools: TOOLS.iter().map(|&(tool, _)| tool).collect(),
        debian_rust: false,
        debian_llvm: false,
        nightly: false,
        linker: false,
        bpffs: false,
        x86_64: true,
        missing_vm_tools: VM_TOOLS.iter().map(|&(tool, _)| tool).collect(),
        emulator: false,
        kernels: BTreeSet::new(),
    }
}

/// Nothing is missing, and the BPF program is built by Debian's Rust.
fn complete() -> Machine {
    Machine {
        missing_tools: BTreeSet::new(),
        debian_rust: true,
        debian_llvm: true,
        linker: true,
        bpffs: true,
        ..fresh_debian()
    }
}

fn planned(toolchain: Toolchain, steps: impl Into<Vec<Step>>) -> Result<Plan, Blocked> {
    Ok(Plan { toolchain, steps: steps.into() })
}

#[test]
fn a_fresh_debian_machine_gets_everything_in_an_order_that_works() {
    let Plan { toolchain, steps } = plan(&fresh_debian()).expect("Debian can do it");
    assert_eq!(toolchain, Toolchain::Debian);
    let [Step::Packages(packages), Step::Linker(Toolchain::Debian), Step::Bpffs] = &steps[..]
    else {
        panic!("{steps:?}");
    };
    for package in TOOLS.iter().map(|(_, package)| package).chain(&DEBIAN_RUST).chain(&DEBIAN_LLVM)
    {
        assert!(packages.contains(package), "{package} is not among {packages:?}");
    }
}

#[test]
fn only_what_is_missing_is_done() {
    use Toolchain::{Debian, Nightly};
    let nightly = Machine { debian_rust: false, debian_llvm: false, nightly: true, ..complete() };
    let cases = [
        ("complete", complete(), planned(Debian, [])),
        ("both toolchains", Machine { nightly: true, ..complete() }, planned(Debian, [])),
        ("nightly is complete", nightly.clone(), planned(Nightly, [])),
        (
            "nightly without apt-get",
            Machine { apt: false, ..nightly.clone() },
            planned(Nightly, []),
        ),
        (
            "an LLVM is only for building the linker",
            Machine { debian_llvm: false, ..complete() },
            planned(Debian, []),
        ),
        (
            "no linker",
            Machine { linker: false, ..complete() },
            planned(Debian, [Step::Linker(Debian)]),
        ),
        (
            "no linker and no LLVM",
            Machine { linker: false, debian_llvm: false, ..complete() },
            planned(
                Debian,
                [Step::Packages(vec!["libpolly-22-dev", "llvm-22-dev"]), Step::Linker(Debian)],
            ),
        ),
        (
            "one tool is missing, named otherwise than its package",
            Machine { missing_tools: ["ip"].into(), ..complete() },
            planned(Debian, [Step::Packages(vec!["iproute2"])]),
        ),
        (
            "rustup alone",
            Machine { apt: false, debian_rust: false, linker: false, ..complete() },
            planned(Nightly, [Step::Nightly, Step::Linker(Nightly)]),
        ),
        (
            "what needs no root is done without",
            Machine { root: false, linker: false, ..complete() },
            planned(Debian, [Step::Linker(Debian)]),
        ),
        (
            "sudo is as good as root",
            Machine { root: false, sudo: true, bpffs: false, ..complete() },
            planned(Debian, [Step::Bpffs]),
        ),
    ];
    for (name, machine, expected) in cases {
        assert_eq!(plan(&machine), expected, "{name}");
    }
}

#[test]
fn a_machine_that_cannot_be_set_up_is_told_what_a_person_can_do() {
    let cases = [
        (
            Machine { apt: false, missing_tools: ["nginx", "bpftool"].into(), ..complete() },
            "this machine has no apt-get, so these must be installed by hand: bpftool, nginx",
        ),
        (
            Machine { apt: false, rustup: false, debian_rust: false, ..complete() },
            "this machine has no apt-get, so these must be installed by hand: \
             rustup (with a nightly that has the component rust-src)",
        ),
        (
            Machine { root: false, bpffs: false, missing_tools: ["ethtool"].into(), ..complete() },
            "this needs root, and there is no sudo: install Debian's packages ethtool; \
             mount the BPF file system on /sys/fs/bpf; run `cargo xtask setup` as root once",
        ),
    ];
    for (machine, expected) in cases {
        assert_eq!(plan(&machine), Err(Blocked(expected.to_owned())));
    }
}

#[test]
fn a_virtual_machine_gets_what_it_lacks() {
    use Kernel::{V6_1, V6_12};
    let ready = Machine {
        missing_vm_tools: BTreeSet::new(),
        emulator: true,
        kernels: [V6_12].into(),
        ..complete()
    };
    let all = Step::Packages(vec!["ipvsadm", "kmod", "util-linux"]);
    let cases = [
        ("nothing is there", complete(), vec![all, Step::Emulator, Step::Kernel(V6_12)]),
        (
            "an emulator needs no root",
            Machine { root: false, emulator: false, ..ready.clone() },
            vec![Step::Emulator],
        ),
        ("all is there", ready.clone(), vec![]),
        ("and then no apt-get is needed", Machine { apt: false, ..ready.clone() }, vec![]),
        (
            "another kernel needs no root",
            Machine { root: false, kernels: [V6_1].into(), ..ready.clone() },
            vec![Step::Kernel(V6_12)],
        ),
        (
            "one tool is missing, named otherwise than its package",
            Machine { missing_vm_tools: ["modprobe"].into(), ..ready.clone() },
            vec![Step::Packages(vec!["kmod"])],
        ),
    ];
    for (name, machine, expected) in cases {
        assert_eq!(vm(&machine, V6_12), Ok(expected), "{name}");
    }
    let blocked = [
        (Machine { x86_64: false, ..ready.clone() }, "virtual machines need an x86-64: use one"),
        (
            Machine { apt: false, missing_vm_tools: ["modprobe"].into(), ..complete() },
            "this machine has no apt-get, so these must be installed by hand: modprobe, \
             QEMU for x86-64, with virtiofsd, a kernel (from Debian's packages: use a machine with apt-get)",
        ),
        (
            Machine { root: false, missing_vm_tools: ["ipvsadm"].into(), ..ready },
            "this needs root, and there is no sudo: install Debian's packages ipvsadm; \
             run `cargo xtask vm` as root once",
        ),
    ];
    for (machine, expected) in blocked {
        assert_eq!(vm(&machine, V6_12), Err(Blocked(expected.to_owned())));
    }
}

#[test]
fn building_does_not_pay_for_virtual_machines() {
    let steps =
        plan(&Machine { missing_tools: ["ip"].into(), ..complete() }).expect("it can").steps;
    assert_eq!(steps, [Step::Packages(vec!["iproute2"])]);
}
