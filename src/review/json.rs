//! A review for programs: one object, versioned, complete.

use serde::Serialize;

use super::{Review, Version, approval::Footing, from::Access};
use crate::{
    address::set::AddressSet,
    exposure::{
        diff::{Cause, Change, Level, Otherwise, Part},
        flows::Flows,
        matrix::{Matrix, Row},
        vantage::{Extent, Vantage},
        witness::Witness,
    },
};

/// The name of the form, which changes when a reader would have to.
pub const SCHEMA: &str = "portcullis.diff/1";

/// How many blocks of clients are listed for one range of ports: more than all public addresses
/// take.
const MAX_BLOCKS: usize = 512;

/// A review, to be serialized.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    tool: &'static str,
    exit: u8,
    effect: &'static str,
    assume: &'static str,
    inputs: Inputs<'a>,
    changes: Vec<ChangeForm<'a>>,
    unchanged: usize,
    governance: Vec<NoticeForm<'a>>,
    matrix: Vec<RowForm<'a>>,
}

#[derive(Debug, Serialize)]
struct NoticeForm<'a> {
    text: &'a str,
    loosens: bool,
}

#[derive(Debug, Serialize)]
struct Inputs<'a> {
    old: Option<&'a str>,
    new: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ChangeForm<'a> {
    listener: &'a str,
    removed: bool,
    effect: &'static str,
    gained: Vec<PartForm<'a>>,
    lost: Vec<PartForm<'a>>,
    loosened: Vec<CauseForm<'a>>,
    tightened: Vec<CauseForm<'a>>,
    causes: Vec<CauseForm<'a>>,
    allow: Option<AllowForm<'a>>,
    needs_allow: bool,
    granted: bool,
    approval: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PartForm<'a> {
    level: &'static str,
    otherwise: &'static str,
    certain: bool,
    upstream: Option<&'a str>,
    backends: Vec<String>,
    flows: Vec<FlowForm>,
    by_another_way: bool,
    witness: WitnessForm,
    questions: Vec<[String; 2]>,
}

#[derive(Debug, Serialize)]
struct FlowForm {
    local: String,
    protocol: &'static str,
    first_port: u16,
    last_port: u16,
    vantages: Vec<(&'static str, &'static str)>,
    clients: Vec<String>,
    clients_left_out: usize,
}

#[derive(Debug, Serialize)]
struct WitnessForm {
    origin: &'static str,
    client: String,
    local: String,
    address: Option<String>,
    port: u16,
}

#[derive(Debug, Serialize)]
struct CauseForm<'a> {
    key: &'static str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct AllowForm<'a> {
    reason: &'a str,
    owner: Option<&'a str>,
    ticket: Option<&'a str>,
    grant: Option<&'a str>,
    holds: bool,
}

/// One line of the matrix, in this form and in that of `show`.
#[derive(Debug, Serialize)]
pub struct RowForm<'a> {
    upstream: Option<&'a str>,
    listeners: Vec<&'a str>,
    entrances: &'a [String],
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    vantage: &'static str,
    extent: &'static str,
    grew: bool,
}

/// Who can reach what, to be serialized.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    schema: &'static str,
    tool: &'static str,
    input: Option<&'a str>,
    matrix: Vec<RowForm<'a>>,
    listeners: Vec<ListenerForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<FromForm>,
}

#[derive(Debug, Serialize)]
struct ListenerForm<'a> {
    name: &'a str,
    visible: Vec<FlowForm>,
    served: Vec<FlowForm>,
    rests_on: Vec<&'static str>,
    grants: Vec<&'a str>,
    refusals: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FromForm {
    clients: Vec<String>,
    reaches: Vec<Access>,
}

/// The new file of a review by itself, and what some clients reach.
#[must_use]
pub fn show<'a>(review: &'a Review<'a>, from: Option<(&AddressSet, Vec<Access>)>) -> Shown<'a> {
    let listener = |id| review.new.and_then(|version| version.policy.listeners.get(id));
    let listeners = review.reach.listeners().map(|(id, taken)| ListenerForm {
        name: id.as_str(),
        visible: flow_forms(&taken.visible),
        served: flow_forms(&taken.served),
        rests_on: taken.rests_on.iter().map(|assumption| assumption.name()).collect(),
        grants: match listener(id).map(|listener| review.footing(listener)) {
            Some(Footing::Granted(ids)) => ids,
            _ => Vec::new(),
        },
        refusals: listener(id).map_or_else(Vec::new, |listener| review.refusals(listener)),
    });
    Shown {
        schema: "portcullis.show/1",
        tool: concat!("portcullis ", env!("CARGO_PKG_VERSION")),
        input: review.new.map(|version| version.source.path()),
        matrix: rows(&review.matrix),
        listeners: listeners.collect(),
        from: from.map(|(clients, reaches)| FromForm {
            clients: clients.blocks().map(|block| block.to_string()).collect(),
            reaches,
        }),
    }
}

/// The review as data. `exit` is the code that the program ends with.
#[must_use]
pub fn report<'a>(review: &'a Review<'a>, exit: u8) -> Report<'a> {
    let path = |version: Option<Version<'a>>| version.map(|version| version.source.path());
    Report {
        schema: SCHEMA,
        tool: concat!("portcullis ", env!("CARGO_PKG_VERSION")),
        exit,
        effect: review.diff.effect().word(),
        assume: review.assume.word(),
        inputs: Inputs { old: path(review.old), new: path(review.new) },
        changes: review.diff.changes.iter().map(|change| change_form(review, change)).collect(),
        unchanged: review.diff.unchanged,
        governance: review
            .governance
            .iter()
            .map(|notice| NoticeForm { text: &notice.text, loosens: notice.loosens })
            .collect(),
        matrix: rows(&review.matrix),
    }
}

/// The lines of a matrix.
#[must_use]
pub fn rows(matrix: &Matrix) -> Vec<RowForm<'_>> {
    let cell = |row: &Row, vantage: Vantage| Cell {
        vantage: vantage.word(),
        extent: extent(row.cells[vantage as usize]),
        grew: row.grew[vantage as usize],
    };
    let rows = matrix.rows.iter().map(|row| RowForm {
        upstream: row.upstream.as_ref().map(|id| id.as_str()),
        listeners: row.listeners.iter().map(|id| id.as_str()).collect(),
        entrances: &row.entrances,
        cells: Vantage::ALL.into_iter().map(|vantage| cell(row, vantage)).collect(),
    });
    rows.collect()
}

fn change_form<'a>(review: &Review<'_>, change: &'a Change) -> ChangeForm<'a> {
    let causes = |causes: &'a [Cause]| causes.iter().map(cause_form).collect();
    let parts = |parts: &'a [Part]| parts.iter().map(part_form).collect();
    ChangeForm {
        listener: change.listener.as_str(),
        removed: !change.stays,
        effect: change.effect.word(),
        gained: parts(&change.gained),
        lost: parts(&change.lost),
        loosened: causes(&change.loosened),
        tightened: causes(&change.tightened),
        causes: causes(&change.causes),
        allow: change.allow.as_ref().map(|allow| AllowForm {
            reason: &allow.reason,
            owner: allow.owner.as_deref(),
            ticket: allow.ticket.as_deref(),
            grant: allow.grant.as_deref(),
            holds: allow.expires.holds_on(review.today),
        }),
        needs_allow: change.needs_allow,
        granted: review.is_granted(change),
        approval: if change.effect.passes() { Vec::new() } else { review.approval(change) },
    }
}

fn part_form(part: &Part) -> PartForm<'_> {
    PartForm {
        level: part.level.word(),
        otherwise: match part.otherwise {
            Otherwise::Nothing => "nothing",
            Otherwise::Accepted => Level::Accepted.word(),
            Otherwise::Visible => Level::Visible.word(),
            Otherwise::Elsewhere => "elsewhere",
        },
        certain: part.certain,
        upstream: part.upstream.as_ref().map(|id| id.as_str()),
        backends: part.targets.iter().map(ToString::to_string).collect(),
        flows: flow_forms(&part.flows),
        by_another_way: part.by_another_way,
        witness: witness_form(&part.witness),
        questions: part.questions.iter().map(|(a, b)| [a.to_string(), b.to_string()]).collect(),
    }
}

fn flow_forms(flows: &Flows) -> Vec<FlowForm> {
    let each = flows.iter().flat_map(|(local, ports)| ports.iter().map(move |one| (local, one)));
    each.map(|(local, (ports, clients))| {
        let here = Vantage::ALL.into_iter().map(|vantage| (vantage, vantage.extent(clients)));
        let here = here.filter(|(_, extent)| *extent != Extent::None);
        let mut blocks = clients.blocks();
        FlowForm {
            local: local.to_string(),
            protocol: if local.family().is_some() { "tcp" } else { "unix" },
            first_port: ports.first,
            last_port: ports.last,
            vantages: here.map(|(vantage, many)| (vantage.word(), extent(many))).collect(),
            clients: blocks.by_ref().take(MAX_BLOCKS).map(|block| block.to_string()).collect(),
            clients_left_out: blocks.count(),
        }
    })
    .collect()
}

fn witness_form(witness: &Witness) -> WitnessForm {
    WitnessForm {
        origin: witness.origin().word(),
        client: witness.client.to_string(),
        local: witness.local.to_string(),
        address: witness.address.map(|address| address.to_string()),
        port: witness.port,
    }
}

fn cause_form(cause: &Cause) -> CauseForm<'_> {
    CauseForm {
        key: cause.field.word(),
        before: cause.before.as_deref(),
        after: cause.after.as_deref(),
    }
}

fn extent(extent: Extent) -> &'static str {
    match extent {
        Extent::None => "none",
        Extent::Some => "some",
        Extent::All => "all",
    }
}
