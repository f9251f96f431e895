//! Upgrade after upgrade while clients come without a pause, and a third of the new processes come
//! to nothing.

use super::{
    AT, UPGRADES, admin_of,
    broken::{replace, scripts},
    file, number_of, replaceable,
};
use crate::support::{
    Answering, ServiceFile, handover::End, load::under_load, namespace::in_namespace,
};

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn upgrades_of_which_a_third_fails_lose_no_client() {
    let upgrades = number_of(UPGRADES, 9);
    in_namespace("upgrade::load::upgrades_of_which_a_third_fails_lose_no_client", || {
        // On a path it takes none of the ports that the clients need.
        let folder = ServiceFile::new("");
        let path = folder.beside("b.sock");
        let _backend = Answering::unix("b", &path);
        let forward = format!("forward: {{ unix: {} }}", path.display());
        let mut program = replaceable(&file(&[&forward, "fanout: 2"], "drain: 1s"));
        let scripts = scripts();
        let served = under_load(&[AT.parse().unwrap()], |load| {
            for number in 0..upgrades {
                match number % 6 {
                    2 => {
                        let (script, why) = &scripts[number / 6 % scripts.len()];
                        replace(&program, script);
                        let failed = program.told(&["upgrade"]);
                        assert!(failed.err.contains(why), "{failed:?}");
                        replace(&program, "the program");
                    }
                    // It has everything, and ends right before it says that it serves.
                    5 => drop({
                        let mut end = End::of(&admin_of(&program));
                        (end.take(), end)
                    }),
                    _ => program.upgrade(),
                }
                load.comes_through();
            }
        });
        println!("counted: {upgrades} upgrades, {served} clients, none lost");
    });
}
