//! Changes under load: not one client may notice.

use crate::support::{Answering, LOOPBACK, Program, ServiceFile, load::under_load, one_listener};

/// A program over a backend on a path, which takes none of the ports that the clients need.
struct Rig {
    program: Program,
    _backends: [Answering; 2],
    paths: [String; 2],
}

impl Rig {
    fn new() -> Self {
        let service = ServiceFile::new("");
        let paths = ["a.sock", "b.sock"].map(|name| service.beside(name));
        let _backends = [Answering::unix("a", &paths[0]), Answering::unix("b", &paths[1])];
        let paths = paths.map(|path| path.to_str().unwrap().to_owned());
        service.replace(&file(&paths[0], "limits: {}", 2));
        Self { program: Program::serving_file(service), _backends, paths }
    }
}

fn file(backend: &str, line: &str, workers: usize) -> String {
    one_listener(&[LOOPBACK, line, &format!("forward: {{ unix: {backend} }}")])
        + &format!("runtime: {{ workers: {workers} }}\n")
}

#[test]
fn changes_of_fanout_and_workers_lose_no_client() {
    let mut rig = Rig::new();
    let web = rig.program.address("web");
    under_load(&[web], |load| {
        for (fanout, workers) in
            [("4", 2), ("none", 3), ("per_core", 4), ("2", 1), ("none", 1), ("4", 4), ("1", 2)]
        {
            let line = format!("fanout: {fanout}");
            rig.program.reload(&file(&rig.paths[0], &line, workers));
            load.comes_through();
        }
    });
}

#[test]
fn changes_of_backends_and_limits_lose_no_client() {
    let mut rig = Rig::new();
    let web = rig.program.address("web");
    under_load(&[web], |load| {
        for number in 0..20 {
            let line = format!("limits: {{ connections: {} }}", 1 + number % 5);
            rig.program.reload(&file(&rig.paths[number % 2], &line, 2));
            load.comes_through();
        }
    });
}

#[test]
fn other_listeners_come_and_go_without_a_client_noticing() {
    let mut rig = Rig::new();
    let web = rig.program.address("web");
    under_load(&[web], |load| {
        for number in 1..=10 {
            let others: String = (0..number * 7 % 40)
                .map(|other| format!("  l{other}:\n    {LOOPBACK}\n    serve: status\n"))
                .collect();
            let base = file(&rig.paths[0], "limits: {}", 2);
            rig.program.reload(&base.replace("  web:", &format!("{others}  web:")));
            load.comes_through();
        }
    });
}
