//! The comparison itself, listener by listener, each against everything in the other file: so a
//! listener that is renamed, split or joined with another is no change of what can be reached.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use super::{Cause, Change, Effect, Level, Otherwise, Part, cause, control};
use crate::{
    address::set::AddressSet,
    exposure::{
        Device,
        by_port::ByPort,
        flows::{Flows, Rest},
        local::Local,
        reach::{Reach, Taken, Target, targets},
    },
    policy::{Action, Listener, ListenerId, Policy, PortRange, UpstreamId},
};

pub(super) fn changes(old: (&Policy, &Reach), new: (&Policy, &Reach)) -> Vec<Change> {
    let (old, new) = (Version::of(old.0, old.1), Version::of(new.0, new.1));
    let left = Cell::new(old.takers.len() + new.takers.len());
    let pairs = Pairs { old: &old, new: &new, left };
    let mut changes = Vec::new();
    for listener in new.policy.listeners.values() {
        let before = old.policy.listeners.get(&listener.id);
        if before.is_none_or(|before| !pairs.is_same(before, listener)) {
            changes.push(pairs.change(before.map(|before| &**before), Some(listener)));
        }
    }
    for listener in old.policy.listeners.values() {
        if !new.policy.listeners.contains_key(&listener.id) {
            changes.push(pairs.change(Some(listener), None));
        }
    }
    changes
}

/// A file with what follows from it.
struct Version<'a> {
    policy: &'a Policy,
    reach: &'a Reach,
    /// Of all listeners together.
    served: Flows,
    visible: Flows,
    accept: BTreeMap<Device, Flows>,
    /// Who comes to which port of all listeners, and of those before each backend.
    seen_by: ByPort,
    served_to: BTreeMap<Target, ByPort>,
    /// Up to which port which listener accepts at a place, by the first, for telling whose
    /// successor one is.
    takers: BTreeMap<(Local, u16), (u16, &'a ListenerId)>,
}

impl<'a> Version<'a> {
    fn of(policy: &'a Policy, reach: &'a Reach) -> Self {
        let served = Flows::union(reach.listeners().map(|(_, taken)| &taken.served));
        let visible = Flows::union(reach.listeners().map(|(_, taken)| &taken.visible));
        let mut by_device: BTreeMap<&Device, Vec<&Flows>> = BTreeMap::new();
        for (device, flows) in reach.listeners().flat_map(|(_, taken)| &taken.accept) {
            by_device.entry(device).or_default().push(flows);
        }
        let accept =
            by_device.into_iter().map(|(device, sets)| (device.clone(), Flows::union(sets)));
        let accept = accept.collect();
        let seen_by = visible.audience();
        let audience = |target: &Target| (target.clone(), reach.backend(target).audience());
        let served_to = reach.targets().map(audience).collect();
        let mut takers = BTreeMap::new();
        for id in policy.listeners.keys() {
            let ends = ends(reach, id);
            takers.extend(ends.map(|(local, ports)| ((local, ports.first), (ports.last, id))));
        }
        Self { policy, reach, served, visible, accept, seen_by, served_to, takers }
    }

    /// What of the flows over this device the kernel does not take, over it or over any.
    fn not_accepted(&self, flows: &Flows, device: &Device) -> Flows {
        let held = [&Device::Unbound, device].into_iter().filter_map(|over| self.accept.get(over));
        held.fold(flows.clone(), |left, held| left.minus(held).certain)
    }

    /// Who accepts at some of these ports of a place.
    fn takers<'v>(
        &'v self,
        local: &Local,
        ports: PortRange,
    ) -> impl Iterator<Item = &'a ListenerId> + use<'v, 'a> {
        let from = |port| (local.clone(), port);
        let before = self.takers.range(from(0)..from(ports.first)).next_back();
        let before = before.filter(|(_, (last, _))| *last >= ports.first);
        let inside = self.takers.range(from(ports.first)..=from(ports.last));
        before.into_iter().chain(inside).map(|(_, (_, id))| *id)
    }

    /// How far this flow gets, short of the backends it is asked about.
    fn otherwise(&self, flow: &Flows) -> Otherwise {
        let meets = |set: &Flows| !flow.within(set).is_empty();
        if meets(&self.served) {
            Otherwise::Elsewhere
        } else if meets(&self.visible) {
            Otherwise::Visible
        } else if self.accept.values().any(meets) {
            Otherwise::Accepted
        } else {
            Otherwise::Nothing
        }
    }
}

/// Every local end of a listener with every range of ports.
fn ends<'r>(
    reach: &'r Reach,
    id: &ListenerId,
) -> impl Iterator<Item = (Local, PortRange)> + use<'r> {
    reach
        .listener(id)
        .visible
        .iter()
        .flat_map(|(local, ports)| ports.iter().map(|(ports, _)| (local.clone(), ports)))
}

struct Pairs<'v, 'a> {
    old: &'v Version<'a>,
    new: &'v Version<'a>,
    /// How many predecessors may still be looked at. Ranges of ports that do not overlap in either
    /// file have no more than there are ranges; where they do, which no file may, a listener has
    /// one predecessor once these are used up.
    left: Cell<usize>,
}

impl Pairs<'_, '_> {
    /// Whether nothing about a listener has changed, and nothing about its backends.
    fn is_same(&self, before: &Listener, after: &Listener) -> bool {
        let group = |policy: &Policy, id: &UpstreamId| policy.upstreams.get(id).cloned();
        before == after
            && match &after.action {
                Action::Status => true,
                Action::Forward(id) => group(self.old.policy, id) == group(self.new.policy, id),
            }
    }

    fn change(&self, before: Option<&Listener>, after: Option<&Listener>) -> Change {
        let gained = after.map_or_else(Vec::new, |after| gains(after, self.new, self.old));
        let lost = before.map_or_else(Vec::new, |before| gains(before, self.old, self.new));
        let (loosened, tightened) =
            after.map_or_else(Default::default, |after| self.controls(before, after));
        let listener = after.or(before).expect("a change is of something");
        let mut change = Change {
            listener: listener.id.clone(),
            stays: after.is_some(),
            effect: Effect::Neutral,
            gained,
            lost,
            loosened,
            tightened,
            causes: cause::between((self.old.policy, before), (self.new.policy, after)),
            allow: after.and_then(|after| after.allow.clone()),
            needs_allow: after.is_some_and(Listener::needs_allow),
        };
        change.effect = effect(&change);
        change
    }

    /// What is loosened and what is tightened for the flows that a listener takes: one that takes
    /// the place of several holds each of them back as it held its own.
    fn controls(&self, before: Option<&Listener>, after: &Listener) -> (Vec<Cause>, Vec<Cause>) {
        let mut predecessors = self.predecessors(after);
        if predecessors.is_empty() {
            predecessors.extend(before);
        }
        let (mut loosened, mut tightened) = (Vec::new(), Vec::new());
        for before in predecessors {
            let (more, less) =
                control::compare((self.old.policy, before), (self.new.policy, after));
            for (all, some) in [(&mut loosened, more), (&mut tightened, less)] {
                for cause in some {
                    if !all.contains(&cause) {
                        all.push(cause);
                    }
                }
            }
        }
        (loosened, tightened)
    }

    /// The old listeners that took the flows which this one takes.
    fn predecessors(&self, after: &Listener) -> Vec<&Listener> {
        let ends = ends(self.new.reach, &after.id);
        let takers = ends.flat_map(|(local, ports)| self.old.takers(&local, ports));
        let most = self.left.get().max(1);
        let mut left = most;
        let takers: BTreeSet<_> = takers.take(most).inspect(|_| left -= 1).collect();
        self.left.set(left);
        let listeners = takers.into_iter().filter_map(|id| self.old.policy.listeners.get(id));
        listeners.map(|listener| &**listener).collect()
    }
}

/// What a listener of one file adds to another file. To what is lost it is the same question with
/// the files in turned order.
fn gains(listener: &Listener, here: &Version<'_>, there: &Version<'_>) -> Vec<Part> {
    let taken = here.reach.listener(&listener.id);
    let upstream = match &listener.action {
        Action::Forward(id) => Some(id.clone()),
        Action::Status => None,
    };
    // Backends that gain the same are told together: a group most often gains as one.
    let mut groups: Vec<(Rest, Flows, Vec<Target>)> = Vec::new();
    for target in targets(here.policy, listener) {
        let known = there.reach.backend(&target);
        let rest = taken.served.minus(&known);
        let newcomers = match there.served_to.get(&target) {
            Some(audience) => newcomers(&rest.certain, audience),
            None => newcomers(&rest.certain, &known.audience()),
        };
        match groups.iter_mut().find(|(other, had, _)| (other, had) == (&rest, &newcomers)) {
            Some((_, _, targets)) => targets.push(target),
            None => groups.push((rest, newcomers, vec![target])),
        }
    }
    let mut parts = Vec::new();
    for (rest, newcomers, targets) in groups {
        let elsewhere = rest.certain.within(&there.served);
        let fresh = newcomers.less(&elsewhere);
        let doors = rest.certain.less(&elsewhere).less(&fresh);
        let perhaps = rest.possible.less(&rest.certain);
        let to = |flows| Gain { upstream: upstream.clone(), targets: targets.clone(), flows };
        parts.extend(to(fresh).part(Level::Served, there));
        parts.extend(to(elsewhere).part(Level::Served, there));
        parts.extend(to(doors).part(Level::Served, there).map(Part::by_another_way));
        parts.extend(to(perhaps).part(Level::Served, there).map(|part| part.perhaps(there)));
    }
    parts.extend(sights(taken, &parts, there));
    if parts.is_empty() {
        for (device, flows) in &taken.accept {
            let accepted = there.not_accepted(flows, device);
            parts.extend(Gain::of(accepted).part(Level::Accepted, there));
        }
    }
    parts
}

/// What is seen of a listener beyond what the parts serve.
fn sights(taken: &Taken, parts: &[Part], there: &Version<'_>) -> Vec<Part> {
    let told = Flows::union(parts.iter().map(|part| &part.flows));
    let rest = taken.visible.minus(&there.visible);
    let fresh = newcomers(&rest.certain, &there.seen_by);
    let doors = rest.certain.less(&fresh);
    let perhaps = rest.possible.less(&rest.certain);
    // Told whole, or a reader gets the holes that the list of clients leaves.
    let part = |flows: Flows| {
        let untold = !flows.less(&told).is_empty();
        untold.then(|| Gain::of(flows).part(Level::Visible, there)).flatten()
    };
    let mut parts = Vec::new();
    parts.extend(part(fresh));
    parts.extend(part(doors).map(Part::by_another_way));
    parts.extend(part(perhaps).map(|part| part.perhaps(there)));
    parts
}

/// The flows of clients who are not in the audience of such a port.
fn newcomers(flows: &Flows, audience: &ByPort) -> Flows {
    flows.of_audience(&flows.audience().minus(audience))
}

/// Flows on their way to some backends.
struct Gain {
    upstream: Option<UpstreamId>,
    targets: Vec<Target>,
    flows: Flows,
}

impl Gain {
    /// Flows that get to none.
    fn of(flows: Flows) -> Self {
        Self { upstream: None, targets: Vec::new(), flows }
    }

    fn part(self, level: Level, there: &Version<'_>) -> Option<Part> {
        let Self { upstream, targets, flows } = self;
        let witness = flows.witness_outside(&there.visible)?;
        let one = flows.from(&AddressSet::of_blocks([witness.client.into()])).at(witness.port);
        Some(Part {
            level,
            by_another_way: false,
            otherwise: there.otherwise(&one),
            upstream,
            targets,
            flows,
            witness,
            certain: true,
            questions: Vec::new(),
        })
    }
}

impl Part {
    fn by_another_way(self) -> Self {
        Self { by_another_way: true, ..self }
    }

    /// With the questions that decide it.
    fn perhaps(self, there: &Version<'_>) -> Self {
        let pairs = self.flows.iter().flat_map(|(local, _)| {
            there.visible.may_be(local).map(|other| (local.clone(), other.clone()))
        });
        let questions = pairs.take(MAX_QUESTIONS).collect();
        Self { certain: false, questions, by_another_way: true, ..self }
    }
}

/// One answer may be enough to decide; nobody reads more than these.
const MAX_QUESTIONS: usize = 4;

/// The judgement, by who reaches a backend first, then by the ways there are.
fn effect(change: &Change) -> Effect {
    let moved = |part: &Part| part.level == Level::Served && part.otherwise == Otherwise::Elsewhere;
    let people = |part: &Part| {
        part.certain && part.level != Level::Accepted && !part.by_another_way && !moved(part)
    };
    let ways = |part: &Part| part.certain && part.level != Level::Accepted && part.by_another_way;
    let any = |parts: &[Part], what: &dyn Fn(&Part) -> bool| parts.iter().any(what);
    let fewer = any(&change.lost, &people);
    if any(&change.gained, &people) {
        return if fewer { Effect::Mixed } else { Effect::Widening };
    }
    if any(&change.gained, &|part| !part.certain) {
        return Effect::Unknown;
    }
    if any(&change.gained, &moved) {
        return Effect::Retarget;
    }
    if any(&change.gained, &ways) {
        let moved_in = any(&change.lost, &ways);
        match (fewer, moved_in) {
            // Those who are left have only moved with the listener: what holds them counts.
            (true, true) => {}
            (false, false) => return Effect::Widening,
            (true, false) | (false, true) => return Effect::Mixed,
        }
    }
    let held_less = any(&change.gained, &|part| part.level == Level::Accepted);
    if held_less || !change.loosened.is_empty() {
        return Effect::Weakening;
    }
    if !change.lost.is_empty() || !change.tightened.is_empty() {
        return Effect::Narrowing;
    }
    Effect::Neutral
}
