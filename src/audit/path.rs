//! The path sockets: those that are declared, and those that a process of ours has besides.

use super::{
    Declaration, Given,
    live::{Held, PathFile, PathSight},
    met::Whose,
    report::{Kind, Report, Row, Seen, Status, Verdict},
};
use crate::policy::{ListenerId, UnixSocket};

/// The permission bits of a file.
const PERMISSIONS: u32 = 0o777;

/// To connect is to write; what else the mode has matters to nobody.
const WRITE: u32 = 0o222;

/// What the admin socket goes by, which is no listener's name.
const ADMIN: &str = "runtime.admin";

/// Adds the rows of path sockets to the report.
pub(super) fn judge(given: &Given<'_>, report: &mut Report) {
    for declaration in given.declarations {
        for bind in declaration.plan.binds.values() {
            let Some(unix) = &bind.unix else { continue };
            let sight = given.live.paths.get(&unix.path).unwrap_or(&PathSight::Absent);
            report.rows.push(row(declaration, &bind.listener, unix, sight));
        }
        for unix in &declaration.admin {
            let sight = given.live.paths.get(&unix.path).unwrap_or(&PathSight::Absent);
            // Where nobody listens, it is at another of the places, or there is no process.
            if matches!(sight, PathSight::File(file) if file.listens.is_some()) {
                report.rows.push(row(declaration, &ListenerId::new(ADMIN), unix, sight));
            }
        }
    }
    // Every program has path sockets of its own, and who may open them is a matter of folders.
    for (path, held) in &given.live.other_paths {
        let ours = |it: &&Declaration| Whose::is(held, it) == Whose::Ours;
        let Some(declaration) = given.declarations.iter().find(ours) else { continue };
        let socket = format!("unix:{}", path.display());
        report.rows.push(Row {
            file: Some(declaration.file.clone()),
            listener: None,
            kind: Kind::Path,
            port: None,
            declared: Vec::new(),
            live: vec![Seen { socket, count: 1, held: held.clone() }],
            verdicts: vec![Verdict::of(Status::Undeclared, None)],
        });
    }
}

fn row(
    declaration: &Declaration,
    listener: &ListenerId,
    unix: &UnixSocket,
    sight: &PathSight,
) -> Row {
    let (live, verdicts) = declared(declaration, listener, unix, sight);
    let row = Row {
        file: Some(declaration.file.clone()),
        listener: Some(listener.to_string()),
        kind: Kind::Path,
        port: None,
        declared: vec![format!("unix:{}", unix.path.display())],
        live,
        verdicts,
    };
    row.sorted()
}

fn declared(
    declaration: &Declaration,
    listener: &ListenerId,
    unix: &UnixSocket,
    sight: &PathSight,
) -> (Vec<Seen>, Vec<Verdict>) {
    let absent = |why: &str| (Vec::new(), vec![Verdict::of(Status::Missing, [why.to_owned()])]);
    let file = match sight {
        PathSight::Absent => return absent("there is no such file"),
        PathSight::Unseen(why) => {
            return (Vec::new(), vec![Verdict::of(Status::Unknown, [why.clone()])]);
        }
        PathSight::File(file) => file,
    };
    let Some(held) = &file.listens else { return absent("nobody listens there") };
    let mut verdicts = Vec::new();
    match Whose::is(held, declaration) {
        Whose::Ours => {}
        Whose::Others => verdicts.push(Verdict::of(Status::Foreign, [format!("held by {held}")])),
        Whose::Unseen => {
            let why = "nobody in sight has it: run as root, or as the user who serves";
            verdicts.push(Verdict::of(Status::Unknown, [why.to_owned()]));
        }
    }
    verdicts.extend(permissions(unix, file));
    verdicts.extend(accounts(unix, file));
    let socket = format!("unix:{} mode {:04o}", unix.path.display(), file.mode & PERMISSIONS);
    let lapsed = declaration.lapsed.get(listener);
    verdicts.extend(lapsed.map(|why| Verdict::of(Status::Lapsed, [why.clone()])));
    (vec![Seen { socket, count: 1, held: Held::clone(held) }], verdicts)
}

/// Who may connect, by the mode alone.
fn permissions(unix: &UnixSocket, file: &PathFile) -> Option<Verdict> {
    let (is, meant) = (file.mode & WRITE, unix.mode & WRITE);
    let status = match (is & !meant, meant & !is) {
        (0, 0) => return None,
        (_, 0) => Status::Wider,
        (0, _) => Status::Narrower,
        _ => Status::Differs,
    };
    let (is, meant) = (file.mode & PERMISSIONS, unix.mode & PERMISSIONS);
    Some(Verdict::of(status, [format!("its mode is {is:04o}, and {meant:04o} is declared")]))
}

fn accounts(unix: &UnixSocket, file: &PathFile) -> Option<Verdict> {
    let pairs = [("owner", &unix.owner, &file.owner), ("group", &unix.group, &file.group)];
    let wrong = pairs.into_iter().filter_map(|(what, meant, is)| {
        let meant = meant.as_ref().filter(|meant| !is.is(meant))?;
        Some(format!("its {what} is {is}, and {meant} is declared"))
    });
    let says: Vec<_> = wrong.collect();
    (!says.is_empty()).then(|| Verdict::of(Status::Differs, says))
}
