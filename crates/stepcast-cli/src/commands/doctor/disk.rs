//! What the file lies on.

use std::path::Path;

/// File systems that several machines may share: SQLite's locks do not hold there.
const NETWORK: [&str; 17] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "ncpfs",
    "beegfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.rclone",
];

/// The kind of file system that holds a file, where the system says.
pub(super) fn file_system(file: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let file = std::fs::canonicalize(file).ok()?;
    kind_of(&mounts, &file)
}

pub(super) fn is_network(kind: &str) -> bool {
    NETWORK.contains(&kind)
}

/// The last mount above a file, of those that are nearest to it.
fn kind_of(mounts: &str, file: &Path) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = unescaped(place.split(' ').nth(4)?);
        Some((point, kind.split(' ').next()?.to_owned()))
    });
    let above = mounted.filter(|(point, _)| file.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

/// Spaces and the like are written as octal numbers.
fn unescaped(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[3..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /home rw,relatime shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/my\\040disk rw - btrfs /dev/sdb1 rw
";

    #[test]
    fn the_nearest_mount_counts() {
        let kind = |file: &str| kind_of(MOUNTS, Path::new(file));
        assert_eq!(kind("/var/runs.db").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/ada/runs.db").as_deref(), Some("nfs4"));
        assert_eq!(kind("/homes/runs.db").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/my disk/runs.db").as_deref(), Some("btrfs"));
        assert_eq!(kind_of("nonsense\n - \n", Path::new("/a")), None);
        assert!(is_network("nfs4") && !is_network("ext4"));
    }
}
