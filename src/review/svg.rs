//! A policy as a picture for a review: how far each listener reaches, and which backends stand
//! behind it.
//!
//! A bar grows from the listener to the left, from this host out to the internet: the longer, the
//! more exposed. No scripts, no fonts, no links; light and dark by the reader's choice.

use super::{Review, Version, approval::Footing, entry::members, escape::markup, text::put};
use crate::{
    address::set::AddressSet,
    exposure::{
        diff::{
            Level,
            cause::{expose, ports},
        },
        flows::Flows,
        vantage::{Extent, Vantage},
    },
    policy::{Action, Expose, Listener},
};

/// The most listeners that are drawn; a taller picture cannot be looked at.
const MAX_ROWS: usize = 80;

/// Far to near, as the bar shrinks.
const ZONES: [Vantage; 6] = [
    Vantage::Public6,
    Vantage::Public4,
    Vantage::Shared,
    Vantage::Private,
    Vantage::Link,
    Vantage::Host,
];

const ZONE_WIDTH: usize = 74;
const LEFT: usize = 24;
const LISTENER_AT: usize = LEFT + ZONES.len() * ZONE_WIDTH + 14;
const LISTENER_WIDTH: usize = 330;
const GROUP_AT: usize = LISTENER_AT + LISTENER_WIDTH + 70;
const GROUP_WIDTH: usize = 270;
const WIDTH: usize = GROUP_AT + GROUP_WIDTH + LEFT;
const TOP: usize = 92;
const ROW: usize = 74;
const BOX: usize = 58;

/// Signs of the monospaced font that fit a box.
const LISTENER_SIGNS: usize = 44;
const GROUP_SIGNS: usize = 34;

const STYLE: &str = "
    svg { --page: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --box: #f6f8fa;
          --reach: #0969da; --new: #bc4c00; --bad: #cf222e; --good: #1a7f37; background: var(--page); }
    @media (prefers-color-scheme: dark) {
      svg { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #3d444d; --box: #161b22;
            --reach: #4493f8; --new: #f0883e; --bad: #f85149; --good: #3fb950; }
    }
    text { font: 13px system-ui, sans-serif; fill: var(--ink); }
    .title { font-size: 17px; font-weight: 600; } .name { font-weight: 600; }
    .small { font: 11px ui-monospace, monospace; fill: var(--faint); }
    .page { fill: var(--page); } .box { fill: var(--box); stroke: var(--line); }
    .lane { stroke: var(--line); stroke-dasharray: 2 4; } .wire { fill: none; stroke: var(--faint); }
    .all { fill: var(--reach); } .some { fill: var(--reach); fill-opacity: .35; }
    .new { fill: var(--new); } .new.some { fill-opacity: .45; }
    .bad { fill: var(--bad); } .good { fill: var(--good); } .fresh { fill: var(--new); }
";

/// The picture of the new file, with what is new in it marked.
#[must_use]
pub fn render(review: &Review<'_>) -> String {
    let Some(version) = review.new else { return String::new() };
    let listeners: Vec<_> = version.policy.listeners.values().take(MAX_ROWS).collect();
    let groups = groups(version, &listeners);
    let rows = listeners.len().max(groups.len()).max(1);
    let height = TOP + rows * ROW + 44;
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">Who can reach what: {}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
            markup(version.source.path())
        ),
    );
    heading(&mut svg, version, height);
    for (group, (name, members, listeners)) in groups.iter().enumerate() {
        for row in listeners {
            wire(&mut svg, *row, group);
        }
        let top = TOP + group * ROW;
        frame(&mut svg, GROUP_AT, top, GROUP_WIDTH);
        line(&mut svg, GROUP_AT + 12, top + 25, "name", &cut(name, GROUP_SIGNS));
        if members != name {
            line(&mut svg, GROUP_AT + 12, top + 44, "small", &cut(members, GROUP_SIGNS));
        }
    }
    for (row, listener) in listeners.iter().enumerate() {
        reach(&mut svg, review, listener, row);
        door_frame(&mut svg, review, listener, row);
    }
    legend(&mut svg, review, height);
    svg.push_str("</svg>\n");
    svg
}

/// A listener in three lines: its name, where it is, on which ports.
pub(super) fn door(listener: &Listener) -> [String; 3] {
    let ports = match &listener.expose {
        Expose::Unix(_) => "a path on this host".to_owned(),
        Expose::Ip(_) => format!("tcp {}", ports(&listener.ports).unwrap_or_default()),
    };
    [listener.id.to_string(), ports, expose(&listener.expose)]
}

/// A group of backends: its name, its members, and the rows that lead to it.
type Group = (String, String, Vec<usize>);

/// In the order of the first listener that leads there, so that few wires cross.
fn groups(version: Version<'_>, listeners: &[&std::sync::Arc<Listener>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (row, listener) in listeners.iter().enumerate() {
        let (name, members) = match &listener.action {
            Action::Status => ("status".to_owned(), "the status page".to_owned()),
            Action::Forward(id) => (id.to_string(), members(version.policy, id)),
        };
        match groups.iter_mut().find(|(had, ..)| *had == name) {
            Some((_, _, rows)) => rows.push(row),
            None => groups.push((name, members, vec![row])),
        }
    }
    groups
}

fn heading(svg: &mut String, version: Version<'_>, height: usize) {
    let title = version.policy.service.as_deref().unwrap_or_else(|| version.source.path());
    line(svg, LEFT, 34, "title", &format!("Who can reach what: {}", cut(title, 80)));
    for (at, zone) in ZONES.iter().enumerate() {
        let x = LEFT + at * ZONE_WIDTH;
        line(svg, x + 6, 74, "small", zone.word());
        let bottom = height - 44;
        put(
            svg,
            format_args!(
                "<line class=\"lane\" x1=\"{x}\" y1=\"60\" x2=\"{x}\" y2=\"{bottom}\"/>\n"
            ),
        );
    }
    line(svg, LISTENER_AT, 74, "small", "listener");
    line(svg, GROUP_AT, 74, "small", "backends");
}

/// The bar: one segment for every zone that is served.
fn reach(svg: &mut String, review: &Review<'_>, listener: &Listener, row: usize) {
    let clients = review.reach.listener(&listener.id).served.clients();
    let new = newly_served(review, listener);
    for (at, zone) in ZONES.iter().enumerate() {
        let extent = match zone.extent(&clients) {
            Extent::None => continue,
            Extent::Some => "some",
            Extent::All => "all",
        };
        let fresh = if zone.extent(&new) == Extent::None { "" } else { " new" };
        let (x, y) = (LEFT + at * ZONE_WIDTH + 2, TOP + row * ROW + 19);
        let (width, what) =
            (ZONE_WIDTH - 4, markup(&format!("{}: {extent} of {zone}", listener.id)));
        put(
            svg,
            format_args!(
                "<rect class=\"{extent}{fresh}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"20\" \
             rx=\"3\"><title>{what}</title></rect>\n"
            ),
        );
    }
}

/// Who is served anew, or by another backend.
fn newly_served(review: &Review<'_>, listener: &Listener) -> AddressSet {
    let changes = review.diff.changes.iter().filter(|change| change.listener == listener.id);
    let parts =
        changes.flat_map(|change| &change.gained).filter(|part| part.level == Level::Served);
    Flows::union(parts.map(|part| &part.flows)).clients()
}

fn door_frame(svg: &mut String, review: &Review<'_>, listener: &Listener, row: usize) {
    let top = TOP + row * ROW;
    frame(svg, LISTENER_AT, top, LISTENER_WIDTH);
    let [name, ports, place] = door(listener);
    line(
        svg,
        LISTENER_AT + 12,
        top + 21,
        "name",
        &cut(&format!("{name} · {ports}"), LISTENER_SIGNS),
    );
    line(svg, LISTENER_AT + 12, top + 36, "small", &cut(&place, LISTENER_SIGNS));
    let signed = listener.allow.as_ref();
    let (class, words) = match (review.footing(listener), signed) {
        (Footing::Granted(ids), _) => ("small good", format!("grant {}", ids.join(", "))),
        (Footing::Missing(Some(_)), _) => ("small bad", "no grant holds this".to_owned()),
        (_, Some(allow)) if allow.expires.holds_on(review.today) => {
            ("small good", format!("signed: {}", allow.reason))
        }
        (_, Some(_)) => ("small bad", "its signature has expired".to_owned()),
        (Footing::Missing(None), None) => ("small bad", "nobody has signed for this".to_owned()),
        (Footing::Free, None) => ("small", "needs no signature".to_owned()),
    };
    line(svg, LISTENER_AT + 12, top + 51, class, &cut(&words, LISTENER_SIGNS));
}

fn wire(svg: &mut String, row: usize, group: usize) {
    let (x1, x2) = (LISTENER_AT + LISTENER_WIDTH, GROUP_AT);
    let (y1, y2) = (TOP + row * ROW + BOX / 2, TOP + group * ROW + BOX / 2);
    let middle = x1.midpoint(x2);
    put(
        svg,
        format_args!(
            "<path class=\"wire\" d=\"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}\"/>\n"
        ),
    );
}

fn frame(svg: &mut String, x: usize, y: usize, width: usize) {
    put(
        svg,
        format_args!(
            "<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"6\"/>\n"
        ),
    );
}

fn legend(svg: &mut String, review: &Review<'_>, height: usize) {
    let y = height - 18;
    let signs = [("all", "served: all of the zone"), ("some", "some of it"), ("all new", "new")];
    for (at, (class, words)) in signs.iter().enumerate() {
        let x = LEFT + at * 190;
        put(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"14\" height=\"12\" rx=\"3\"/>\n",
                y - 11
            ),
        );
        line(svg, x + 20, y, "small", words);
    }
    let listeners = review.new.map_or(0, |version| version.policy.listeners.len());
    let more = listeners.saturating_sub(MAX_ROWS);
    let more = if more > 0 { format!("and {more} more listeners; ") } else { String::new() };
    line(svg, LISTENER_AT, y, "small", &format!("{more}upper bounds: no firewall is looked at"));
}

fn line(svg: &mut String, x: usize, y: usize, class: &str, words: &str) {
    put(
        svg,
        format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", markup(words)),
    );
}

fn cut(text: &str, signs: usize) -> String {
    if text.chars().count() <= signs {
        return text.to_owned();
    }
    text.chars().take(signs - 1).chain(['…']).collect()
}
