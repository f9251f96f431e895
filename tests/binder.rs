//! The process that binds, asked by hand: whoever has taken over the process that serves gets
//! nothing from it that the file and the guardrails do not grant.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::Path,
    process::{Child, Stdio},
};

use portcullis::{
    plan::{BindAddress, BindKey},
    policy::ListenerId,
    runtime::bind::FileId,
    supervisor::binder::message::{self, Answer, Beside, MAX_MESSAGE, Request, Subject, Wanted},
    sys::scm,
};
use socket2::Socket;

use crate::support::{
    ServiceFile, eventually, eventually_some,
    namespace::{in_namespace, in_namespace_with_users},
    portcullis,
    wait::DEADLINE,
};

/// A binder, and this end of its channel.
struct Binder {
    child: Child,
    channel: Socket,
    asked: u64,
}

impl Binder {
    fn of(file: &ServiceFile, options: &[&str]) -> Self {
        let (near, far) = scm::pair().unwrap();
        let mut command = portcullis();
        command.arg("binder").arg(file.path()).args(options).stdin(Stdio::from(far));
        let channel = Socket::from(near);
        channel.set_nonblocking(false).unwrap();
        channel.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { child: command.spawn().unwrap(), channel, asked: 0 }
    }

    fn ask_with(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> (Answer, Vec<OwnedFd>) {
        self.asked += 1;
        self.say(&message::write(&(self.asked, request)).unwrap(), fds);
        let (number, answer, fds) = self.hear();
        assert_eq!(number, self.asked);
        (answer, fds)
    }

    fn say(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        scm::send(self.channel.as_fd(), bytes, fds).unwrap();
    }

    fn hear(&self) -> (u64, Answer, Vec<OwnedFd>) {
        let mut buffer = vec![0; MAX_MESSAGE];
        let received = scm::receive(self.channel.as_fd(), &mut buffer).unwrap();
        let (number, answer) = message::read(&buffer[..received.length]).unwrap();
        (number, answer, received.descriptors)
    }

    fn ask(&mut self, request: &Request) -> Answer {
        self.ask_with(request, &[]).0
    }

    #[track_caller]
    fn judges(&mut self) {
        assert_eq!(self.ask(&Request::Judge { what: Subject::File }), Answer::Done);
    }

    /// Asks to open one socket: its ticket, or why not.
    #[track_caller]
    fn open(
        &mut self,
        key: BindKey,
        beside: Beside,
        fds: &[BorrowedFd<'_>],
    ) -> Result<u64, String> {
        let sockets = vec![Wanted { key, beside }];
        match self.ask_with(&Request::Open { sockets }, fds).0 {
            Answer::Opened { mut sockets } if sockets.len() == 1 => {
                sockets.pop().unwrap().map_err(|trouble| format!("{trouble:?}"))
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refuses(&mut self, request: &Request, why: &str) {
        let answer = self.ask(request);
        let Answer::Refused { reasons } = &answer else { panic!("{answer:?}") };
        assert!(reasons.iter().any(|reason| reason.contains(why)), "{reasons:?}");
    }
}

impl Drop for Binder {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn tcp(address: &str, device: Option<&str>) -> BindKey {
    let address = BindAddress::Tcp(address.parse().unwrap());
    BindKey { address, device: device.map(str::to_owned), unnumbered: None }
}

/// Loopback on one port.
fn page(port: u16) -> String {
    format!(
        "portcullis: 1\nlisteners:\n  web:\n    purpose: a test\n    expose: {{ loopback: {{ families: [v4] }} }}\n    port: {port}\n    serve: status\n"
    )
}

/// The same on every address, signed by its author alone.
fn wide(port: u16) -> String {
    page(port).replace("{ loopback: { families: [v4] } }", "{ any: { families: [v4] } }")
        + "    limits: { connections: 1000 }\n    timeouts: { idle: 5m }\n    allow: { reason: because I say so }\n"
}

#[test]
fn what_no_guardrail_grants_is_refused_though_it_is_asked_for_directly() {
    in_namespace(
        "binder::what_no_guardrail_grants_is_refused_though_it_is_asked_for_directly",
        || {
            let file = ServiceFile::new(&wide(443));
            let guardrail = file.beside("guardrail.yaml");
            let text = "portcullis_guardrails: 1\nname: tight\nmay_expose: [loopback]\n";
            fs::write(&guardrail, text).unwrap();
            let any = tcp("0.0.0.0:443", None);
            let mut without = Binder::of(&file, &[]);
            without.judges();
            without.open(any.clone(), Beside::Nothing, &[]).unwrap();
            let mut under = Binder::of(&file, &["--guardrails", guardrail.to_str().unwrap()]);
            under.refuses(&Request::Judge { what: Subject::File }, "PC0101");
            let why = under.open(any, Beside::Nothing, &[]).unwrap_err();
            assert!(why.contains("nothing was judged"), "{why}");
            under.refuses(&Request::Judge { what: Subject::Running }, "nothing runs yet");
        },
    );
}

#[test]
fn what_the_file_does_not_say_is_refused_and_what_it_says_is_handed_over() {
    in_namespace(
        "binder::what_the_file_does_not_say_is_refused_and_what_it_says_is_handed_over",
        || {
            let file = ServiceFile::new(&page(80));
            let mut binder = Binder::of(&file, &[]);
            let granted = tcp("127.0.0.1:80", Some("lo"));
            let why = binder.open(granted.clone(), Beside::Nothing, &[]).unwrap_err();
            assert!(why.contains("nothing was judged"), "{why}");
            binder.judges();
            for wanted in [
                tcp("0.0.0.0:80", None),
                tcp("127.0.0.1:443", Some("lo")),
                tcp("127.0.0.1:80", None),
            ] {
                for beside in [Beside::Nothing, Beside::Own] {
                    let why = binder.open(wanted.clone(), beside, &[]).unwrap_err();
                    assert!(why.contains("does not ask for this socket"), "{why}");
                }
            }
            // What was granted by an earlier file is so no more.
            file.replace("portcullis: 1\nlisteners: {}\n");
            binder.refuses(&Request::Judge { what: Subject::File }, "PC0007");
            assert!(binder.open(granted.clone(), Beside::Nothing, &[]).is_err());

            file.replace(&page(80));
            binder.judges();
            let ticket = binder.open(granted, Beside::Nothing, &[]).unwrap();
            let here: SocketAddr = "127.0.0.1:80".parse().unwrap();
            assert!(TcpStream::connect(here).is_err(), "it does not listen yet");
            let (answer, fds) =
                binder.ask_with(&Request::Listen { tickets: vec![ticket], more: false }, &[]);
            let is_one =
                matches!(&answer, Answer::Listening { sockets, more: false } if sockets.len() == 1);
            assert!(is_one, "{answer:?}");
            TcpStream::connect(here).unwrap();
            drop(fds);
            eventually("the binder holds none", || TcpStream::connect(here).is_err());
        },
    );
}

#[test]
fn a_group_grows_beside_a_socket_of_its_own_address_only() {
    in_namespace("binder::a_group_grows_beside_a_socket_of_its_own_address_only", || {
        let file = ServiceFile::new(&(page(8080) + "    fanout: 2\n"));
        let mut binder = Binder::of(&file, &[]);
        binder.judges();
        let key = tcp("127.0.0.1:8080", Some("lo"));
        let elsewhere = TcpListener::bind("127.0.0.1:8081").unwrap();
        let untied = TcpListener::bind("127.0.0.1:8080").unwrap();
        let none = scm::pair().unwrap().0;
        for live in [elsewhere.as_fd(), untied.as_fd(), none.as_fd()] {
            let why = binder.open(key.clone(), Beside::Joining(1), &[live]).unwrap_err();
            assert!(why.contains("not of this address"), "{why}");
        }
        assert!(binder.open(key.clone(), Beside::Joining(1), &[]).is_err(), "without any");
        drop(untied);
        let ticket = binder.open(key.clone(), Beside::Nothing, &[]).unwrap();
        let (_, fds) =
            binder.ask_with(&Request::Listen { tickets: vec![ticket], more: false }, &[]);
        assert!(binder.open(key.clone(), Beside::Joining(0), &[fds[0].as_fd()]).is_err());
        assert!(
            binder.open(key.clone(), Beside::Joining(2), &[fds[0].as_fd()]).is_err(),
            "more than the file has"
        );
        binder.open(key, Beside::Joining(1), &[fds[0].as_fd()]).unwrap();
    });
}

/// Who serves may change its own folders at any moment, and what binds is root.
#[test]
fn in_a_folder_of_who_serves_nothing_is_done_that_it_could_not_do_itself() {
    in_namespace_with_users(
        "binder::in_a_folder_of_who_serves_nothing_is_done_that_it_could_not_do_itself",
        || {
            let file = ServiceFile::new("");
            let [own, roots] = ["own", "roots"].map(|name| file.beside(name));
            fs::set_permissions(file.folder(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir_all(own.join("sub")).unwrap();
            fs::create_dir(&roots).unwrap();
            for folder in [&own, &own.join("sub")] {
                chown(folder, Some(65_534), Some(65_534)).unwrap();
            }
            let path = own.join("sub/x.sock");
            let expose =
                format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
            file.replace(&format!(
                "portcullis: 1\nlisteners:\n  web:\n    {expose}\n    serve: status\n"
            ));
            let mut binder = Binder::of(&file, &["--account", "65534:65534"]);
            binder.judges();
            let address = BindAddress::Unix(path.clone());
            let key = BindKey { address, device: None, unnumbered: None };
            let ticket = binder.open(key.clone(), Beside::Nothing, &[]).unwrap();
            let (answer, _fds) =
                binder.ask_with(&Request::Listen { tickets: vec![ticket], more: false }, &[]);
            let Answer::Listening { sockets, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(fs::metadata(&path).unwrap().uid(), 65_534);

            // The way to it leads to a folder of root all at once.
            fs::write(roots.join("x.sock"), "precious").unwrap();
            fs::rename(own.join("sub"), own.join("moved")).unwrap();
            symlink(&roots, own.join("sub")).unwrap();
            let found = fs::metadata(roots.join("x.sock")).unwrap();
            let id = FileId { device: found.dev(), inode: found.ino() };
            for file in [id, sockets[0].file.unwrap()] {
                // What is not there to be removed is no failure.
                binder.ask(&Request::Remove { path: path.clone(), file });
            }
            assert_eq!(fs::read_to_string(roots.join("x.sock")).unwrap(), "precious");
            fs::remove_file(roots.join("x.sock")).unwrap();
            binder.judges();
            let why = binder.open(key, Beside::Nothing, &[]).unwrap_err();
            assert!(why.contains("Ok(13)"), "EACCES: {why}");
            assert_eq!(fs::read_dir(&roots).unwrap().count(), 0);
        },
    );
}

#[test]
fn what_runs_is_held_against_guardrails_as_they_are_now() {
    in_namespace_with_users("binder::what_runs_is_held_against_guardrails_as_they_are_now", || {
        let file = ServiceFile::new(&page(8080));
        let guardrail = file.beside("guardrail.yaml");
        let limits = |may: &str| {
            fs::write(
                &guardrail,
                format!("portcullis_guardrails: 1\nname: g\nmay_expose: [{may}]\n"),
            )
            .unwrap();
        };
        limits("loopback");
        let mut binder = Binder::of(&file, &["--guardrails", guardrail.to_str().unwrap()]);
        let key = tcp("127.0.0.1:8080", Some("lo"));
        binder.judges();
        assert_eq!(binder.ask(&Request::Commit), Answer::Done);
        // The file may be anything by now.
        file.replace("nonsense");
        let running = Request::Judge { what: Subject::Running };
        assert_eq!(binder.ask(&running), Answer::Done);
        binder.open(key.clone(), Beside::Nothing, &[]).unwrap();
        let why = binder.open(key.clone(), Beside::Nothing, &[]).unwrap_err();
        assert!(why.contains("it is open"), "{why}");
        limits("unix");
        binder.refuses(&running, "PC0113");
        assert!(binder.open(key, Beside::Nothing, &[]).is_err());
    });
}

#[test]
fn only_a_file_of_a_path_that_it_has_had_is_removed() {
    let file = ServiceFile::new("");
    let (path, other) = (file.beside("x.sock"), file.beside("other.sock"));
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    file.replace(&format!("portcullis: 1\nlisteners:\n  web:\n    {expose}\n    serve: status\n"));
    let mut binder = Binder::of(&file, &[]);
    binder.judges();
    let key = BindKey { address: BindAddress::Unix(path.clone()), device: None, unnumbered: None };
    let ticket = binder.open(key, Beside::Nothing, &[]).unwrap();
    let (answer, _fds) =
        binder.ask_with(&Request::Listen { tickets: vec![ticket], more: false }, &[]);
    let Answer::Listening { sockets, .. } = answer else { panic!("{answer:?}") };
    let id = sockets[0].file.unwrap();
    fs::hard_link(&path, &other).unwrap();
    let remove = |path: &Path| Request::Remove { path: path.to_owned(), file: id };
    binder.refuses(&remove(&other), "no file that was judged good has this path");
    let beside = file.folder().join("./x.sock/../other.sock");
    binder.refuses(&remove(&beside), "no file that was judged good has this path");
    // Another file in its place is another's.
    fs::remove_file(&path).unwrap();
    symlink(&other, &path).unwrap();
    assert_eq!(binder.ask(&remove(&path)), Answer::Done);
    assert!(path.is_symlink() && other.exists());
    fs::remove_file(&path).unwrap();
    fs::hard_link(&other, &path).unwrap();
    assert_eq!(binder.ask(&remove(&path)), Answer::Done);
    assert!(!path.exists() && other.exists());
}

#[test]
fn what_makes_no_sense_is_refused_and_the_next_request_is_answered() {
    let file = ServiceFile::new(&page(8080));
    let mut binder = Binder::of(&file, &[]);
    let long = [b' '; MAX_MESSAGE + 1];
    for nonsense in [&b"{}"[..], b"[1]", b"[1, {\"ask\": \"dance\"}]", &[0xff; 300], &long] {
        binder.say(nonsense, &[]);
        let (number, answer, _) = binder.hear();
        assert!(number == 0 && matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    binder.refuses(&Request::Listen { tickets: vec![7], more: false }, "no such ticket");
    let some = Request::Listen { tickets: vec![8], more: true };
    assert_eq!(binder.ask(&some), Answer::Done);
    binder.refuses(&Request::Listen { tickets: Vec::new(), more: false }, "no such ticket");
    binder.refuses(&Request::Launch, "a descriptor");
    let key = tcp("127.0.0.1:8080", Some("lo"));
    let many = vec![Wanted { key, beside: Beside::Nothing }; message::MAX_BATCH + 1];
    binder.refuses(&Request::Open { sockets: many }, "too many");
    binder.say(&message::write(&(0, Request::Abandon { ticket: 7 })).unwrap(), &[]);
    let unnumbered = Some(ListenerId::new("web"));
    let key = BindKey { unnumbered, ..tcp("127.0.0.1:0", Some("lo")) };
    binder.judges();
    let why = binder.open(key, Beside::Nothing, &[]).unwrap_err();
    assert!(why.contains("does not ask for this socket"), "port 0 is another socket: {why}");
}

#[test]
fn it_ends_when_nobody_can_ask_it_any_more() {
    let file = ServiceFile::new(&page(8080));
    let mut binder = Binder::of(&file, &[]);
    binder.judges();
    binder.channel.shutdown(std::net::Shutdown::Both).unwrap();
    let status = eventually_some("its end", || binder.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
