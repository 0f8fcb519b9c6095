//! Whether file events tell of everything that becomes of a folder: where its file system is the machine's own, and no other machine, host of
//! a virtual one or program writes to it past the kernel.

use std::path::Path;

/// Whether every change in `folder` comes through this kernel. In doubt it does not.
#[cfg(target_os = "linux")]
pub fn holds(folder: &Path) -> bool {
    let Ok(told) = rustix::fs::statfs(folder) else { return false };
    u64::try_from(told.f_type).is_ok_and(|kind| LOCAL.contains(&kind))
}

/// Whether every change in `folder` comes through this kernel: not known here, and file events come late and lumped together.
#[cfg(not(target_os = "linux"))]
pub fn holds(_: &Path) -> bool {
    false
}

/// As `statfs(2)` numbers them: ext2 to ext4, xfs, btrfs, bcachefs, f2fs, zfs, tmpfs, ramfs and overlays.
#[cfg(target_os = "linux")]
const LOCAL: [u64; 9] = [0xef53, 0x5846_5342, 0x9123_683e, 0xca45_1a4e, 0xf2f5_2010, 0x2fc1_2fc1, 0x0102_1994, 0x8584_58f6, 0x794c_7630];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_makes_up_or_is_not_there_is_no_disk() {
        assert!(!holds(Path::new("/proc")) && !holds(Path::new("/nowhere")));
        assert!(holds(Path::new("/dev/shm")));
    }
}
