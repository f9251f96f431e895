//! A host at the other end of a line with a delay: a network namespace of its own, and between it
//! and this one a pair of TUN devices whose packets are carried by hand, each after its time.
//!
//! On loopback a handshake is over before anybody can disturb it; here one is always under way.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};

use super::{
    namespace::run,
    wait::{eventually, now},
};

/// Bytes of the largest packet: the devices have the usual MTU of 1500.
const PACKET: usize = 2048;

/// Packets that may be on the line.
const ON_THE_LINE: usize = 65_536;

/// The address of this side.
pub(crate) const NEAR: &str = "10.9.0.1";

/// Runs `body` on the other side of a line that takes this long in each direction. The devices and
/// what carries packets between them are there until the process ends.
#[track_caller]
pub(crate) fn on_the_far_side<T: Send + 'static>(
    delay: Duration,
    body: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let near = Arc::new(device("near", &format!("{NEAR}/24")));
    let (ready, set_up) = mpsc::channel();
    let far_side = thread::spawn(move || {
        // What this thread starts is there as well: programs and threads.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip link set lo up");
        let far = Arc::new(device("far", "10.9.0.2/24"));
        carry(Arc::clone(&near), Arc::clone(&far), delay);
        carry(far, near, delay);
        ready.send(()).unwrap();
        body()
    });
    set_up.recv().expect("the far side is set up");
    far_side
}

/// A device of this thread's network, which is up and has this address.
fn device(name: &str, address: &str) -> File {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    let file = file.unwrap_or_else(|error| panic!("this test needs /dev/net/tun: {error}"));
    attach(&file, name);
    run(&format!("ip addr add {address} dev {name}"));
    run(&format!("ip link set {name} up"));
    eventually("the device is up", || run(&format!("ip link show {name}")).contains("LOWER_UP"));
    file
}

/// Makes a device of this name, whose packets come and go by the file (TUNSETIFF).
#[expect(unsafe_code, reason = "no crate of ours has this ioctl, and only this test needs it")]
fn attach(file: &File, name: &str) {
    /// `TUNSETIFF` of `linux/if_tun.h`.
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    // SAFETY: an `ifreq` of zeros is one without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::try_from(from).unwrap();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
    // SAFETY: the request is a live `ifreq` with a name and flags, which is what TUNSETIFF reads.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) };
    assert_eq!(made, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
}

/// Carries packets from one device to the other, each after the delay.
fn carry(from: Arc<File>, to: Arc<File>, delay: Duration) {
    let (line, arriving) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ON_THE_LINE);
    thread::spawn(move || {
        let mut packet = vec![0; PACKET];
        while let Ok(length) = from.as_ref().read(&mut packet) {
            if line.send((now() + delay, packet[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, packet) in arriving {
            while let Some(left) = due.checked_duration_since(now()).filter(|left| !left.is_zero())
            {
                thread::park_timeout(left);
            }
            // A device that takes no more loses a packet, as a line may.
            let _lost = to.as_ref().write(&packet);
        }
    });
}
