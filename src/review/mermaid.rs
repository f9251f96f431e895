//! A policy as a flow chart for pages that draw Mermaid.

use super::{Version, entry::members};
use crate::{
    exposure::{
        reach::Reach,
        vantage::{Extent, Vantage},
    },
    policy::Action,
};

/// The most listeners that are drawn: Mermaid gives up at 500 arrows, and eyes do before.
const MAX_LISTENERS: usize = 60;

/// The chart.
#[must_use]
pub fn render(version: Version<'_>, reach: &Reach) -> String {
    let mut chart = String::from("flowchart LR\n");
    for vantage in Vantage::ALL.into_iter().filter(|vantage| *vantage != Vantage::Special) {
        chart.push_str(&format!("  from_{vantage}([\"{vantage}\"])\n"));
    }
    let mut groups = Vec::new();
    for (number, listener) in version.policy.listeners.values().take(MAX_LISTENERS).enumerate() {
        let text = super::svg::door(listener);
        chart.push_str(&format!("  listener_{number}[\"{}\"]\n", label(&text.join(", "))));
        let clients = reach.listener(&listener.id).served.clients();
        for vantage in Vantage::ALL.into_iter().filter(|vantage| *vantage != Vantage::Special) {
            let arrow = match vantage.extent(&clients) {
                Extent::None => continue,
                Extent::Some => "-.->|some|",
                Extent::All => "-->",
            };
            chart.push_str(&format!("  from_{vantage} {arrow} listener_{number}\n"));
        }
        let group = match &listener.action {
            Action::Forward(id) => members_of(version, id),
            Action::Status => "the status page".to_owned(),
        };
        let at = groups.iter().position(|had| *had == group).unwrap_or_else(|| {
            chart.push_str(&format!("  group_{}[(\"{}\")]\n", groups.len(), label(&group)));
            groups.push(group);
            groups.len() - 1
        });
        chart.push_str(&format!("  listener_{number} --> group_{at}\n"));
    }
    if let Some(more @ 1..) = version.policy.listeners.len().checked_sub(MAX_LISTENERS) {
        chart.push_str(&format!("  more[\"and {more} more listeners\"]\n"));
    }
    chart
}

fn members_of(version: Version<'_>, id: &crate::policy::UpstreamId) -> String {
    let names = members(version.policy, id);
    if names == id.as_str() { names } else { format!("{id} ({names})") }
}

/// Text between quotes: every sign that means something to Mermaid or to the HTML that it makes is
/// written as its number.
fn label(text: &str) -> String {
    let mut safe = String::new();
    for sign in super::escape::plain(text).chars() {
        if sign.is_alphanumeric() || " .,:/_-()".contains(sign) {
            safe.push(sign);
        } else {
            safe.push_str(&format!("#{};", u32::from(sign)));
        }
    }
    safe
}
