//! What differs is said, and what is said is so: laws, tried on random files.

use portcullis::{
    address::{Date, set::AddressSet},
    compile::{Reading, read},
    exposure::{
        Exposure,
        diff::{Level, Part},
        reach::Reach,
    },
    policy::claim::Assume,
    review::{Review, Version, markdown, text},
    source::Source,
};
use proptest::prelude::*;

use crate::support::services::services;

/// A file with its meaning.
struct File(Source, Reading);

impl File {
    fn of(text: &str) -> Self {
        let source = Source::from_bytes("portcullis.yaml", text.as_bytes()).unwrap();
        let reading = read(&source).unwrap_or_else(|findings| panic!("{findings:#?}\n{text}"));
        Self(source, reading)
    }

    fn version(&self) -> Version<'_> {
        let Self(source, Reading { config, policy }) = self;
        Version { source, config, policy, guardrails: None }
    }

    fn reach(&self, assume: Assume) -> Reach {
        Reach::of(&self.1.policy, &Exposure::of(&self.1.policy), assume)
    }
}

fn review<'a>(old: &'a File, new: &'a File, assume: Assume) -> Review<'a> {
    let today = Date::read("2026-11-22").unwrap();
    Review::of(Some(old.version()), Some(new.version()), assume, today)
}

fn assume() -> impl Strategy<Value = Assume> {
    prop::sample::select(&[Assume::All, Assume::None][..])
}

proptest! {
    /// P3: a difference that is there is printed, with the listener and what it gains.
    #[test]
    fn a_difference_is_always_printed(old in services(), new in services(), assume in assume()) {
        let (old, new) = (File::of(&old), File::of(&new));
        let review = review(&old, &new, assume);
        let (text, markdown) = (text::render(&review), markdown::render(&review));
        for change in review.diff.changes.iter().filter(|change| !change.effect.passes()) {
            let name = &change.listener;
            prop_assert!(text.contains(&format!("listener {name} ")), "{name}: {text}");
            prop_assert!(markdown.contains(&format!("listener `{name}`")), "{name}: {markdown}");
            let is_shown = |part: &Part| text.contains(&part.witness.to_string());
            prop_assert!(change.gained.is_empty() || change.gained.iter().any(is_shown), "{text}");
        }
        let differs = new.reach(assume).targets().any(|target| {
            let before = old.reach(assume).backend(target).into_owned();
            !new.reach(assume).backend(target).less(&before).is_empty()
        });
        prop_assert!(!differs || !review.diff.changes.is_empty());
    }

    /// P9: the flow that is shown is one of those that are gained, whatever is assumed.
    #[test]
    fn a_witness_is_in_the_new_file_and_not_in_the_old(
        old in services(),
        new in services(),
        assume in assume(),
    ) {
        let (old, new) = (File::of(&old), File::of(&new));
        let review = review(&old, &new, assume);
        for part in review.diff.changes.iter().flat_map(|change| &change.gained) {
            let one = part.flows.at(part.witness.port);
            let one = one.from(&AddressSet::of_blocks([part.witness.client.into()]));
            prop_assert!(!one.is_empty(), "{part:#?}");
            if part.level == Level::Served {
                for target in &part.targets {
                    prop_assert!(one.less(&new.reach(assume).backend(target)).is_empty(), "{part:#?}");
                    let before = one.less(&old.reach(assume).backend(target));
                    prop_assert!(!before.is_empty(), "{part:#?}");
                }
            }
        }
    }
}
