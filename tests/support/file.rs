//! A service file in a folder of its own, which vanishes with the test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A service file.
pub(crate) struct ServiceFile {
    folder: TempDir,
    path: PathBuf,
}

impl ServiceFile {
    /// A new folder with the file in it.
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.yaml");
        fs::write(&path, text).unwrap();
        Self { folder, path }
    }

    /// Gives the file leave to serve as whoever runs the tests.
    pub(crate) fn serving(self) -> Self {
        if let Ok(text) = fs::read_to_string(&self.path) {
            let told = as_whoever(&text);
            // One that needs no word stays the very file that it is.
            if told != text {
                fs::write(&self.path, told).unwrap();
            }
        }
        self
    }

    /// The same, and the program is to open it under another path in the folder.
    pub(crate) fn at(mut self, name: &str) -> Self {
        self.path = self.folder.path().join(name);
        self
    }

    /// What the program opens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, for whatever else the test needs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the file as a whole, as most editors and deployments do, with leave to serve as
    /// whoever runs the tests.
    pub(crate) fn replace(&self, text: &str) {
        let new = self.beside(".portcullis.yaml.new");
        fs::write(&new, as_whoever(text)).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }
}

/// A file with leave to serve as root, where that is who runs the tests: in most of their network
/// namespaces they are. What is no file yet stays none.
pub(crate) fn as_whoever(text: &str) -> String {
    let names_somebody = text.contains(" user: ");
    if !nix::unistd::geteuid().is_root() || names_somebody || !text.contains("\nlisteners:") {
        return text.to_owned();
    }
    match text.split_once("\nruntime: {") {
        Some((before, after)) => format!("{before}\nruntime: {{ user: root,{after}"),
        None => format!("{}\nruntime: {{ user: root }}\n", text.trim_end_matches('\n')),
    }
}

/// A listener on 127.0.0.1 at a port of the kernel's choice, to be put under its name.
pub(crate) const LOOPBACK: &str = "expose: { loopback: { families: [v4] } }\n    port: 0";

/// A file with one listener, `web`, of this exposure, port and so on.
pub(crate) fn one_listener(lines: &[&str]) -> String {
    format!("portcullis: 1\nlisteners:\n  web:\n    {}\n", lines.join("\n    "))
}

/// The same at port 8080 with what every exposure may ask for, so that one can follow another.
pub(crate) fn exposed_as(expose: &str, allow: &str, target: &str) -> String {
    one_listener(&[
        &format!("expose: {{ {expose} }}"),
        "port: 8080",
        allow,
        "timeouts: { idle: 5m }",
        "limits: { connections: 10000 }",
        target,
    ])
}
