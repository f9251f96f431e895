use std::num::NonZeroU16;

use proptest::prelude::*;

use super::*;
use crate::{
    plan::{BindAddress, Plan},
    policy::ListenerId,
};

fn bind(address: &str, device: Option<&str>, sockets: u16) -> Bind {
    Bind {
        key: BindKey {
            address: BindAddress::Tcp(address.parse().unwrap()),
            device: device.map(str::to_owned),
            unnumbered: None,
        },
        listener: ListenerId::new("web"),
        sockets: NonZeroU16::new(sockets).unwrap(),
        backlog: 1024,
        link: None,
        unix: None,
        inherited: None,
    }
}

fn live(binds: &[Bind]) -> BTreeMap<BindKey, Bind> {
    binds.iter().map(|bind| (bind.key.clone(), bind.clone())).collect()
}

fn plan(binds: &[Bind]) -> Plan {
    Plan { binds: live(binds), ..Plan::default() }
}

#[test]
fn tells_the_ways_of_leaving_apart() {
    let (any, any6) = (bind("0.0.0.0:80", None, 1), bind("[::]:80", None, 1));
    let (one, pinned) = (bind("10.0.0.5:80", None, 1), bind("10.0.0.5:80", Some("eth0"), 1));
    let (device, other_port) = (bind("0.0.0.0:80", Some("eth0"), 1), bind("0.0.0.0:81", None, 1));
    let elsewhere = bind("10.0.0.5:80", Some("eth1"), 1);
    for (old, new, way) in [
        (&any, &one, Way::Narrowed),
        (&any, &pinned, Way::Narrowed),
        (&any, &device, Way::Narrowed),
        (&one, &pinned, Way::Narrowed),
        (&device, &one, Way::Narrowed),
        (&one, &any, Way::Absorbed),
        (&pinned, &any, Way::Absorbed),
        (&pinned, &one, Way::Absorbed),
        (&one, &device, Way::Absorbed),
        (&any, &other_port, Way::Gone),
        (&any, &any6, Way::Gone),
        (&pinned, &elsewhere, Way::Gone),
    ] {
        let delta = diff(&live(std::slice::from_ref(old)), &plan(std::slice::from_ref(new)));
        assert_eq!(
            delta.retire,
            [Retire { key: old.key.clone(), way }],
            "{} to {}",
            old.key,
            new.key
        );
        let beside = if way == Way::Gone { vec![] } else { vec![old.key.clone()] };
        assert_eq!(delta.add, [Add { bind: new.clone(), beside }]);
    }
}

#[test]
fn an_absorbed_socket_is_kept_when_its_plan_comes_back() {
    let (any, one) = (bind("0.0.0.0:80", None, 1), bind("10.0.0.5:80", None, 1));
    let delta = diff(&live(&[any.clone(), one.clone()]), &plan(std::slice::from_ref(&one)));
    assert_eq!(delta.keep, [one.key]);
    assert_eq!(delta.retire, [Retire { key: any.key, way: Way::Narrowed }]);
}

#[test]
fn a_change_of_fanout_updates_the_live_socket() {
    let wider = bind("10.0.0.5:80", None, 4);
    let delta = diff(&live(&[bind("10.0.0.5:80", None, 1)]), &plan(std::slice::from_ref(&wider)));
    assert_eq!(delta, Delta { update: vec![wider], ..Delta::default() });
}

fn binds() -> impl Strategy<Value = BTreeMap<BindKey, Bind>> {
    let address = prop_oneof![Just("0.0.0.0"), Just("[::]"), Just("10.0.0.5"), Just("[fd00::5]")];
    let device = prop_oneof![Just(None), Just(Some("eth0")), Just(Some("eth1"))];
    let one = (address, 80u16..82, device, 1u16..3).prop_map(|(address, port, device, sockets)| {
        bind(&format!("{address}:{port}"), device, sockets)
    });
    proptest::collection::vec(one, 0..8).prop_map(|binds| live(&binds))
}

proptest! {
    #[test]
    fn nothing_changes_between_equals(a in binds()) {
        let delta = diff(&a, &Plan { binds: a.clone(), ..Plan::default() });
        prop_assert_eq!(delta.keep.len(), a.len());
        prop_assert!(delta.update.is_empty() && delta.add.is_empty() && delta.retire.is_empty());
    }

    #[test]
    fn doing_it_yields_the_plan(a in binds(), b in binds()) {
        let delta = diff(&a, &Plan { binds: b.clone(), ..Plan::default() });
        let mut after = a;
        for retire in &delta.retire {
            prop_assert!(after.remove(&retire.key).is_some());
        }
        let kept = delta.keep.len() + delta.update.len();
        prop_assert_eq!(after.len(), kept, "what stays is kept or updated, and nothing else");
        for bind in delta.update.iter().chain(delta.add.iter().map(|add| &add.bind)) {
            after.insert(bind.key.clone(), bind.clone());
        }
        prop_assert_eq!(after, b);
    }

    #[test]
    fn overlap_is_symmetric_and_beside_is_complete(a in binds(), b in binds()) {
        for add in diff(&a, &Plan { binds: b, ..Plan::default() }).add {
            for key in a.keys() {
                prop_assert_eq!(key.overlaps(&add.bind.key), add.bind.key.overlaps(key));
                prop_assert_eq!(add.beside.contains(key), key.overlaps(&add.bind.key));
            }
        }
    }
}
