//! A process's listening sockets, as the kernel lists them. The inode is the identity of a socket:
//! who sees the same one before and after knows that nobody touched it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The number of TCP_LISTEN in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Every listening socket of the process: address and inode.
pub(crate) fn listening(pid: u32) -> BTreeMap<u64, SocketAddr> {
    let own = inodes(pid);
    let mut found = BTreeMap::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let inode = fields[9].parse().unwrap();
            if fields[3] == LISTEN && own.contains(&inode) {
                found.insert(inode, address(fields[1]));
            }
        }
    }
    found
}

/// The inodes of the sockets that listen on this address.
pub(crate) fn on(pid: u32, address: SocketAddr) -> BTreeSet<u64> {
    let all = listening(pid).into_iter();
    all.filter(|(_, local)| *local == address).map(|(inode, _)| inode).collect()
}

/// Every descriptor of the process, and what it is: `socket:[1234]`, `pipe:[1234]`, a path.
pub(crate) fn descriptors(pid: u32) -> BTreeMap<String, String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(Result::ok);
    // One that is closed meanwhile has no name any more.
    let names = entries.filter_map(|entry| {
        let name = fs::read_link(entry.path()).ok()?;
        Some((entry.file_name().into_string().ok()?, name.to_str()?.to_owned()))
    });
    names.collect()
}

/// The inodes of every socket that the process has a descriptor of.
fn inodes(pid: u32) -> BTreeSet<u64> {
    let inode = |name: String| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    descriptors(pid).into_values().filter_map(inode).collect()
}

/// Reads `0100007F:1F90`: the address as words in the byte order of the host, and the port.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let port = u16::from_str_radix(port, 16).unwrap();
    let digits = ip.as_bytes().chunks_exact(8).map(|word| std::str::from_utf8(word).unwrap());
    let words: Vec<_> =
        digits.map(|word| u32::from_str_radix(word, 16).unwrap().to_ne_bytes()).collect();
    match words.as_slice() {
        [word] => (Ipv4Addr::from(*word), port).into(),
        words => {
            let bytes: [u8; 16] = words.concat().try_into().unwrap();
            (Ipv6Addr::from(bytes), port).into()
        }
    }
}

/// Bytes of a connection that its peer has not acknowledged yet; 0 as well when the connection is
/// gone.
pub(crate) fn unsent(local: SocketAddr, peer: SocketAddr) -> u64 {
    let text = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut of_it = rows.filter(|row| address(row[1]) == local && address(row[2]) == peer);
    let queue =
        |row: Vec<&str>| u64::from_str_radix(row[4].split_once(':').unwrap().0, 16).unwrap();
    of_it.next().map_or(0, queue)
}

/// The states of all connections, not listeners, whose local port this is, in this process's
/// network namespace.
pub(crate) fn states_on(port: u16) -> BTreeSet<u8> {
    let text = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let connections = rows.filter(|row| address(row[1]).port() == port && row[3] != LISTEN);
    connections.map(|row| u8::from_str_radix(row[3], 16).unwrap()).collect()
}

/// The source ports of the connections to this address, in this process's network namespace.
pub(crate) fn sources_to(peer: SocketAddr) -> Vec<u16> {
    let text = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_it = rows.filter(|row| address(row[2]) == peer);
    of_it.map(|row| address(row[1]).port()).collect()
}
