//! The same over a line with a round trip of 20 ms, where handshakes are always under way.

use super::{admin_of, broken, number_of, replaceable};
use crate::support::{arrivals::Arrivals, far::NEAR, handover::End, namespace::in_namespace};

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn upgrades_of_which_a_third_fails_lose_no_connection_over_a_line_with_a_delay() {
    let upgrades = number_of(super::UPGRADES, 6);
    in_namespace(
        "upgrade::far::upgrades_of_which_a_third_fails_lose_no_connection_over_a_line_with_a_delay",
        || {
            let clients = Arrivals::over_a_line();
            let text = format!(
                "portcullis: 1\nlisteners:\n  web:\n    expose: {{ private: {{ address: {NEAR} }} }}\n    \
                 port: 8080\n    fanout: 2\n    serve: status\nruntime: {{ drain: 1s }}\n"
            );
            let mut program = replaceable(&text);
            clients.begin();
            let scripts = broken::scripts();
            for number in 0..upgrades {
                match number % 6 {
                    2 => {
                        broken::replace(&program, &scripts[number / 6 % scripts.len()].0);
                        assert_eq!(program.told(&["upgrade"]).code, Some(4));
                        broken::replace(&program, "the program");
                    }
                    5 => drop({
                        let mut end = End::of(&admin_of(&program));
                        (end.take(), end)
                    }),
                    _ => program.upgrade(),
                }
                clients.come_through();
            }
            let served = clients.end();
            println!("counted: {upgrades} upgrades over 20 ms, {served} clients, none lost");
        },
    );
}
