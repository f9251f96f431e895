//! What a running process is asked and told: one copy of it, its admin socket, `status`, `reload`,
//! `drain`.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
};

use crate::support::{
    Answering, Ended, LOOPBACK, Program, ServiceFile,
    client::{ask_over, connect, refused},
    eventually, one_listener, portcullis,
};

fn page() -> String {
    one_listener(&[LOOPBACK, "serve: status"])
}

/// Its private admin socket, and its lock.
fn own_files(program: &Program) -> Vec<PathBuf> {
    let entries = fs::read_dir(program.file.folder()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut own: Vec<_> = paths
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("service-"))
        .collect();
    own.sort();
    own
}

/// Runs the file of a running program once more.
fn second_copy(program: &Program) -> Ended {
    let mut command = portcullis();
    command.env("RUNTIME_DIRECTORY", program.file.folder());
    command.args(["run", "--allow-port-zero"]).arg(program.file.path());
    Ended::of(command)
}

#[test]
fn a_second_copy_says_who_runs_and_ends() {
    let mut program = Program::serving(&page());
    let second = second_copy(&program);
    assert_eq!(second.code, Some(4), "{second:?}");
    let who = format!("error: process {} runs this file since 2", program.pid());
    assert!(second.err.contains(&who), "{}", second.err);
    assert_eq!(second.out, "", "it has bound nothing");
    assert_eq!(program.status()["generation"], 1);
    program.stop();
    assert_eq!(own_files(&program), Vec::<PathBuf>::new(), "nothing is left");
}

#[test]
fn after_a_crash_nobody_has_the_lock() {
    let mut program = Program::serving(&page());
    program.kill();
    assert_eq!(own_files(&program).len(), 2, "nobody has cleaned up");
    let folder = program.file.folder().to_owned();
    let mut again = portcullis();
    again.env("RUNTIME_DIRECTORY", &folder);
    again.args(["run", "--allow-port-zero"]).arg(program.file.path());
    let mut child = again.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = [0; 5];
    child.stdout.take().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"READY");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn two_services_with_one_folder_do_not_know_each_other() {
    let first = Program::serving(&page());
    let other = ServiceFile::new(&page());
    let mut command = portcullis();
    command.env("RUNTIME_DIRECTORY", first.file.folder());
    let mut second = Program::started_in(command, other, &[]);
    assert_eq!(second.next("SERVING"), "SERVING generation=1");
    assert_eq!(own_files(&first).len(), 4);
}

#[test]
fn status_tells_what_was_asked_for_and_what_is() {
    let backend = Answering::tcp("b");
    let lines = [LOOPBACK, "fanout: 2", &format!("forward: {}", backend.address())];
    let text = format!("service: edge\n{}", one_listener(&lines))
        + "  later:\n    expose: { private: { address: 10.254.254.254 } }\n    port: 80\n    serve: status\n"
        + "runtime: { when_absent: wait, workers: 2 }\n";
    let program = Program::serving(
        &text.replace("service: edge\nportcullis: 1", "portcullis: 1\nservice: edge"),
    );
    let session = connect(program.address("web"));
    ask_over(&session, "?");
    let status = program.status();
    assert_eq!(status["state"], "serving");
    assert_eq!(status["service"], "edge");
    assert_eq!(status["pid"], program.pid());
    assert_eq!((&status["sessions"], &status["generation"]), (&1.into(), &1.into()));
    let web = &status["listeners"][1];
    assert_eq!(
        (&web["name"], &web["sessions"], &web["admitted"]),
        (&"web".into(), &1.into(), &1.into())
    );
    let sockets = status["sockets"].as_array().unwrap();
    assert_eq!(sockets.len(), 2);
    for socket in sockets {
        assert_eq!((&socket["listener"], &socket["purpose"]), (&"web".into(), &"planned".into()));
        assert_eq!(socket["asked"]["address"], "127.0.0.1:0");
        assert_eq!(socket["found"]["address"], program.address("web").to_string());
        for property in ["device", "reuse_port", "backlog"] {
            assert_eq!(socket["asked"][property], socket["found"][property], "{property}");
        }
        assert_eq!(
            (&socket["found"]["device"], &socket["found"]["reuse_port"]),
            (&"lo".into(), &true.into())
        );
    }
    assert_eq!(status["pending"][0]["listener"], "later");
    let text = program.told(&["status"]);
    assert!(text.out.starts_with("edge: serving generation 1 of "), "{}", text.out);
    assert!(text.out.contains("waiting: later: "), "{}", text.out);
}

#[test]
fn reload_waits_for_the_outcome_and_status_remembers_a_bad_one() {
    let program = Program::serving(&page());
    program.file.replace(&page().replace("serve: status", "forward: nobody"));
    let refused = program.told(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let place = format!(
        "error[PC0006]: there is no upstream `nobody`\n  --> {}:6:14\n",
        program.file.path().display()
    );
    assert!(refused.out.starts_with(&place), "{}", refused.out);
    assert!(refused.out.contains("generation 1 stays"), "{}", refused.out);
    let rejected = &program.status()["rejected"];
    assert_eq!(rejected["findings"][0]["code"], "PC0006");
    fs::remove_file(program.file.path()).unwrap();
    let socket = own_files(&program).pop().unwrap();
    let mut command = portcullis();
    command.args(["reload", "--socket"]).arg(socket);
    let gone = Ended::of(command);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.out.contains("the file cannot be read"), "{}", gone.out);
    program.file.replace(&page().replace("serve: status", "purpose: a page\n    serve: status"));
    let done = program.told(&["reload"]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "the file is in force as generation 2\n"));
    assert!(program.status()["rejected"].is_null());
}

#[test]
fn a_bind_that_fails_at_a_reload_is_told_with_its_holder() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let program = Program::serving(&page());
    program.file.replace(&page().replace("port: 0", &format!("port: {port}")));
    let refused = program.told(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("Address already in use"), "{}", refused.out);
    assert!(refused.out.contains("is held by"), "{}", refused.out);
}

#[test]
fn drain_ends_the_process_when_its_sessions_have_and_status_is_answered_until_then() {
    let backend = Answering::tcp("b");
    let text = one_listener(&[LOOPBACK, &format!("forward: {}", backend.address())]);
    let mut program = Program::serving(&(text + "runtime: { drain: 1h }\n"));
    let session = connect(program.address("web"));
    ask_over(&session, "?");
    let draining = program.told(&["drain"]);
    assert_eq!(draining.code, Some(0), "{draining:?}");
    assert_eq!(draining.out, "no more clients are taken; one session has 3600s to finish\n");
    refused(program.address("web"));
    let status = program.status();
    assert_eq!((&status["state"], &status["sessions"]), (&"draining".into(), &1.into()));
    assert_eq!(program.told(&["reload"]).code, Some(4), "there is nothing to reload");
    assert_eq!(ask_over(&session, "still"), "b: still");
    drop(session);
    assert_eq!(program.ended().code(), Some(0));
    assert_eq!(program.told(&["status"]).code, Some(3));
}

#[test]
fn the_admin_socket_is_where_the_file_says_and_moves_with_it() {
    let service = ServiceFile::new("");
    let with = |name: &str, mode: &str| {
        let path = service.beside(name).display().to_string();
        format!("{}runtime: {{ admin: {{ unix: {path}, mode: \"{mode}\" }} }}\n", page())
    };
    let (first, second, none) = (
        with("a.sock", "0660"),
        with("b.sock", "0600"),
        format!("{}runtime: {{ admin: none }}\n", page()),
    );
    let paths = ["a.sock", "b.sock"].map(|name| service.beside(name));
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    service.replace(&first);
    let mut program = Program::serving_file(service);
    assert_eq!(mode(&paths[0]), 0o660);
    assert_eq!(program.told(&["status"]).code, Some(0));
    program.reload(&second);
    assert_eq!((mode(&paths[1]), paths[0].exists()), (0o600, false));
    assert_eq!(program.told(&["status"]).code, Some(0));
    program.reload(&second.replace("0600", "0640"));
    assert_eq!(mode(&paths[1]), 0o640, "it is replaced in its place");
    assert_eq!(program.told(&["status"]).code, Some(0));
    program.reload(&none);
    assert!(!paths[1].exists());
    let nobody = program.told(&["status"]);
    assert_eq!((nobody.code, nobody.err.contains("admin: none")), (Some(2), true), "{nobody:?}");
}

#[test]
fn an_admin_socket_of_somebody_else_is_left_alone_and_the_start_fails() {
    let service = ServiceFile::new("");
    let path = service.beside("a.sock");
    let _somebody = std::os::unix::net::UnixListener::bind(&path).unwrap();
    service.replace(&format!("{}runtime: {{ admin: {{ unix: {} }} }}\n", page(), path.display()));
    let mut program = Program::started_by(portcullis(), service);
    assert_eq!(program.ended().code(), Some(4));
    assert!(program.errors().contains("a living socket is there"), "{}", program.errors());
    assert_eq!(own_files(&program), Vec::<PathBuf>::new(), "nothing is left");
}

#[test]
fn clients_that_say_nothing_or_nonsense_keep_nobody_waiting() {
    let mut program = Program::serving(&page());
    let socket = own_files(&program).pop().unwrap();
    let silent: Vec<_> = (0..40).map(|_| UnixStream::connect(&socket)).collect();
    // The supervisor has other things to do than to wait for them.
    assert_eq!(program.reload(&page().replace("serve", "purpose: p\n    serve")), 2);
    drop(silent);
    for (nonsense, told) in [
        ("status\n", "not understood"),
        ("{\"portcullis_admin\":9,\"command\":\"status\"}\n", "version 9"),
        ("{\"portcullis_admin\":1,\"command\":\"dance\"}\n", "not understood"),
        ("\n", "not understood"),
    ] {
        let mut client = UnixStream::connect(&socket).unwrap();
        client.write_all(nonsense.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("refused") && answer.contains(told), "{nonsense}: {answer}");
    }
    let mut endless = UnixStream::connect(&socket).unwrap();
    eventually("a request without end is cut", || endless.write_all(&[b'x'; 512]).is_err());
    assert_eq!(program.status()["generation"], 2);
}
