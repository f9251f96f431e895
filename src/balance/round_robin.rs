//! Smooth weighted round robin: shares exact over a cycle, and never a burst to one backend.

use crate::policy::Backend;

/// The turn of one worker at one group of backends.
///
/// Each backend has a credit. A pick gives every backend that may be used its weight as credit,
/// takes the one with the most, and makes that one pay what was given out. The credits of a
/// constant set always sum to zero, so over a cycle (as many picks as the weights add up to) each
/// is picked exactly as often as its weight says, spread out. This is nginx's method.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin {
    /// One credit per backend, in the order of the group; grown at the first pick.
    credits: Vec<i64>,
}

impl RoundRobin {
    /// A turn that begins as if `picks` had been made, so that workers do not all begin with the
    /// same backend.
    #[must_use]
    pub fn after(picks: usize, backends: &[Backend]) -> Self {
        let mut turn = Self::default();
        for _ in 0..picks {
            turn.pick(backends, |_| true);
        }
        turn
    }

    /// The position of the backend to use, of those that `usable` admits: a primary, and a backup
    /// only where no primary can be used.
    pub fn pick(&mut self, backends: &[Backend], usable: impl Fn(usize) -> bool) -> Option<usize> {
        self.credits.resize(backends.len(), 0);
        self.pick_among(backends, |at, backend| !backend.backup && usable(at))
            .or_else(|| self.pick_among(backends, |at, backend| backend.backup && usable(at)))
    }

    fn pick_among(
        &mut self,
        backends: &[Backend],
        eligible: impl Fn(usize, &Backend) -> bool,
    ) -> Option<usize> {
        let mut given = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, (backend, credit)) in backends.iter().zip(&mut self.credits).enumerate() {
            if !eligible(at, backend) {
                continue;
            }
            let weight = i64::from(backend.weight.get());
            *credit += weight;
            given += weight;
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((at, *credit));
            }
        }
        let (at, _) = best?;
        self.credits[at] -= given;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::BackendAddress;

    fn backends(weights: &[u16]) -> Vec<Backend> {
        weights.iter().map(|weight| backend(*weight, false)).collect()
    }

    fn backend(weight: u16, backup: bool) -> Backend {
        Backend {
            address: BackendAddress::Unix("/backend".into()),
            weight: NonZeroU16::new(weight).unwrap(),
            backup,
            max_connections: None,
        }
    }

    fn picks(turn: &mut RoundRobin, backends: &[Backend], count: usize) -> Vec<usize> {
        (0..count).map(|_| turn.pick(backends, |_| true).unwrap()).collect()
    }

    #[test]
    fn equal_backends_take_turns_in_the_order_of_the_file() {
        let backends = backends(&[1, 1, 1]);
        assert_eq!(picks(&mut RoundRobin::default(), &backends, 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_heavy_backend_is_spread_over_the_cycle() {
        let backends = backends(&[5, 1, 1]);
        assert_eq!(picks(&mut RoundRobin::default(), &backends, 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_second_worker_begins_one_further() {
        let backends = backends(&[1, 1, 1]);
        assert_eq!(picks(&mut RoundRobin::after(1, &backends), &backends, 3), [1, 2, 0]);
    }

    #[test]
    fn a_backup_is_picked_only_when_no_primary_can_be() {
        let backends = [backend(1, false), backend(9, true)];
        let mut turn = RoundRobin::default();
        assert_eq!(picks(&mut turn, &backends, 3), [0, 0, 0]);
        assert_eq!(turn.pick(&backends, |at| at != 0), Some(1));
        assert_eq!(turn.pick(&backends, |_| false), None);
        assert_eq!(turn.pick(&[], |_| true), None);
    }

    #[test]
    fn a_group_that_grew_or_shrank_is_picked_from_as_it_is_now() {
        let (long, short) = (backends(&[1, 1, 1]), backends(&[1]));
        let mut turn = RoundRobin::default();
        picks(&mut turn, &long, 2);
        assert_eq!(picks(&mut turn, &short, 2), [0, 0]);
        assert!(turn.pick(&long, |at| at == 2).is_some());
    }

    /// The same rule, told slowly: the credit of a backend is what it was given so far less what it
    /// paid.
    fn model(weights: &[u16], masks: &[u8]) -> Vec<Option<usize>> {
        let mut given = vec![0i64; weights.len()];
        let mut paid = vec![0i64; weights.len()];
        masks
            .iter()
            .map(|mask| {
                let usable: Vec<usize> =
                    (0..weights.len()).filter(|at| mask & (1 << at) != 0).collect();
                usable.iter().for_each(|at| given[*at] += i64::from(weights[*at]));
                let most = usable.iter().map(|at| given[*at] - paid[*at]).max()?;
                let at = usable.iter().copied().find(|at| given[*at] - paid[*at] == most)?;
                paid[at] += usable.iter().map(|at| i64::from(weights[*at])).sum::<i64>();
                Some(at)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_model(
            weights in prop::collection::vec(1u16..20, 1..7),
            masks in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let backends = backends(&weights);
            let mut turn = RoundRobin::default();
            let fast: Vec<_> =
                masks.iter().map(|mask| turn.pick(&backends, |at| mask & (1 << at) != 0)).collect();
            prop_assert_eq!(fast, model(&weights, &masks));
        }

        #[test]
        fn shares_are_exact_over_every_cycle(
            weights in prop::collection::vec(1u16..20, 1..7),
            cycles in 1usize..4,
        ) {
            let backends = backends(&weights);
            let cycle: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
            let picked = picks(&mut RoundRobin::default(), &backends, cycle * cycles);
            for (at, weight) in weights.iter().enumerate() {
                let times = picked.iter().filter(|pick| **pick == at).count();
                prop_assert_eq!(times, usize::from(*weight) * cycles);
            }
        }

        #[test]
        fn never_picks_what_may_not_be_used(
            weights in prop::collection::vec((1u16..20, any::<bool>()), 1..7),
            masks in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let backends: Vec<_> =
                weights.iter().map(|(weight, backup)| backend(*weight, *backup)).collect();
            let mut turn = RoundRobin::default();
            for mask in masks {
                let usable = |at: usize| mask & (1 << at) != 0;
                match turn.pick(&backends, usable) {
                    None => prop_assert!((0..backends.len()).all(|at| !usable(at))),
                    Some(at) => {
                        prop_assert!(usable(at));
                        let primary =
                            (0..backends.len()).any(|at| usable(at) && !backends[at].backup);
                        prop_assert_eq!(backends[at].backup, !primary);
                    }
                }
            }
        }
    }
}
