//! The live sockets of this network namespace, asked of the kernel: never of `/proc/net`, whose
//! tables show neither IPV6_V6ONLY nor devices.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    audit::{
        end::{End, Transport},
        live::{Account, Held, Live, PathFile, PathSight, Process, Socket},
    },
    facts::Facts,
    plan::LOOPBACK_DEVICE,
    sys::{
        netlink::{self, FileOnDevice, OpenSocket, PathSocket},
        process::{self, Holders},
        sysctl,
    },
};

/// What bears on who reaches what, and is shown with every audit.
const SETTINGS: [&str; 4] = [
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.tcp_l3mdev_accept",
    "net.ipv4.udp_l3mdev_accept",
    "net.ipv6.bindv6only",
];

/// The names of users, each asked for once.
type Names = BTreeMap<u32, Option<String>>;

/// Reads them.
///
/// # Errors
/// When the kernel does not tell its TCP sockets; what else it does not tell is noted.
pub(super) fn read(facts: &Facts, paths: &BTreeSet<&Path>) -> io::Result<Live> {
    let tcp = netlink::tcp_listeners()?;
    let mut unseen = Vec::new();
    let mut or_none = |what: &str, error: io::Error| unseen.push(format!("{what}: {error}"));
    let udp = netlink::udp_receivers().unwrap_or_else(|error| {
        or_none("the UDP sockets", error);
        Vec::new()
    });
    let on_paths = netlink::path_listeners().unwrap_or_else(|error| {
        or_none("the path sockets", error);
        Vec::new()
    });
    let inodes = tcp.iter().chain(&udp).map(|it| it.inode);
    let inodes = inodes.chain(on_paths.iter().map(|it| it.inode)).map(u64::from);
    let holders = process::holders_of(&inodes.filter(|inode| *inode != 0).collect())
        .unwrap_or_else(|error| {
            or_none("the processes", error);
            Holders::default()
        });
    let owners = Owners::of(holders);
    let mut names = Names::new();
    let mut sockets = Vec::new();
    for (transport, found) in [(Transport::Tcp, tcp), (Transport::Udp, udp)] {
        sockets.extend(found.iter().map(|it| socket(transport, it, facts, &owners, &mut names)));
    }
    let (paths, other_paths) = sights(paths, &on_paths, &owners);
    let settings =
        SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), sysctl::read(name).ok()?)));
    Ok(Live {
        namespace: process::network_namespace().ok(),
        sockets,
        paths,
        other_paths,
        route_localnet: route_localnet(facts),
        settings: settings.collect(),
        unseen,
    })
}

/// Who has which socket.
struct Owners(BTreeMap<u64, Vec<Process>>);

impl Owners {
    fn of(holders: Holders) -> Self {
        let mut owners: BTreeMap<u64, Vec<Process>> = BTreeMap::new();
        for it in holders.found {
            let process = Process { pid: it.pid, name: it.name, program: it.program };
            owners.entry(it.inode).or_default().push(process);
        }
        owners.values_mut().for_each(|processes| processes.sort_unstable());
        Self(owners)
    }

    fn held(&self, inode: u32, user: Option<String>) -> Held {
        let processes = self.0.get(&inode.into()).cloned().unwrap_or_default();
        Held { user, processes }
    }
}

fn socket(
    transport: Transport,
    found: &OpenSocket,
    facts: &Facts,
    owners: &Owners,
    names: &mut Names,
) -> Socket {
    let link = facts.links.iter().find(|link| link.index == found.device);
    // An interface that came after the facts were read, or is being removed, has no name yet or any
    // more.
    let name = || link.map_or_else(|| format!("#{}", found.device), |link| link.name.clone());
    let device = (found.device != 0).then(name);
    let user = names.entry(found.uid).or_insert_with(|| process::user_name(found.uid));
    let user = user.clone().unwrap_or_else(|| found.uid.to_string());
    Socket {
        end: End::of_socket(transport, found.local, found.only_v6, device),
        held: owners.held(found.inode, Some(user)),
    }
}

/// What is at the declared paths, and the listening path sockets that are at none of them.
fn sights(
    paths: &BTreeSet<&Path>,
    found: &[PathSocket],
    owners: &Owners,
) -> (BTreeMap<PathBuf, PathSight>, Vec<(PathBuf, Held)>) {
    let mut others: Vec<_> = found.iter().collect();
    let mut sights = BTreeMap::new();
    for path in paths {
        let file = FileOnDevice::at(path).ok();
        let is_it = |it: &&PathSocket| is_at(it, path, file);
        let listens = found.iter().find(is_it);
        let sight = sight(path, listens.map(|it| owners.held(it.inode, None)));
        others.retain(|it| listens.is_none_or(|listens| listens.inode != it.inode));
        sights.insert(path.to_path_buf(), sight);
    }
    let held = |it: &PathSocket| (it.bound_to.clone(), owners.held(it.inode, None));
    (sights, others.into_iter().map(held).collect())
}

/// Whether the socket is the file at the path. The name that it was bound to tells nothing once
/// another file has that name. Some file systems have a number of their own for the device; there
/// the folder tells, in which a file that was moved into place has been made.
fn is_at(socket: &PathSocket, path: &Path, file: Option<FileOnDevice>) -> bool {
    socket.file.zip(file).is_some_and(|(its, there)| {
        let is_near = socket.bound_to.parent() == path.parent();
        its.inode == there.inode && (its.device == there.device || is_near)
    })
}

fn sight(path: &Path, listens: Option<Held>) -> PathSight {
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return PathSight::Absent,
        Err(error) => return PathSight::Unseen(error.to_string()),
    };
    PathSight::File(PathFile {
        mode: file.mode(),
        owner: Account { id: file.uid(), name: process::user_name(file.uid()) },
        group: Account { id: file.gid(), name: process::group_name(file.gid()) },
        listens,
    })
}

/// The interfaces that let packets for loopback addresses in. The kernel lets them in where either
/// the interface says so or all do.
fn route_localnet(facts: &Facts) -> Vec<String> {
    let is_on = |name: &str| {
        sysctl::read_of_interface(name, "route_localnet").is_ok_and(|value| value != "0")
    };
    let all = is_on("all");
    let outside = facts.links.iter().filter(|link| link.name != LOOPBACK_DEVICE);
    outside.filter(|link| all || is_on(&link.name)).map(|link| link.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_where_its_file_is_now() {
        let file = |device, inode| Some(FileOnDevice { device: (0, device), inode });
        let bound = |bound_to: &str, file| PathSocket { inode: 1, bound_to: bound_to.into(), file };
        for (socket, there, expected) in [
            (bound("/run/a", file(1, 7)), file(1, 7), true),
            (bound("/old/b", file(1, 7)), file(1, 7), true),
            (bound("/run/.a.1", file(9, 7)), file(1, 7), true),
            (bound("/old/b", file(9, 7)), file(1, 7), false),
            // Another file has its name.
            (bound("/run/a", file(1, 8)), file(1, 7), false),
            (bound("/run/a", file(1, 7)), None, false),
            (bound("/run/a", None), file(1, 7), false),
        ] {
            assert_eq!(is_at(&socket, Path::new("/run/a"), there), expected, "{socket:?}");
        }
    }
}
