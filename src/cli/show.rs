//! `show FILE`: who can reach what, as a table, as data or as a picture.

use std::io::{self, Write};

use super::{
    Error, Exit, args,
    diff::{Pair, Sides},
    governed::Governed,
};
use crate::{
    address::{read, set::AddressSet},
    policy::claim::Assume,
    review::{Review, from, json, mermaid, svg, text},
};

pub(super) fn show(args: &args::Show, out: &mut dyn Write) -> Result<Exit, Error> {
    let clients = args.from.as_deref().map(clients).transpose()?;
    let drawn = matches!(args.format, args::ShowFormat::Svg | args::ShowFormat::Mermaid);
    if clients.is_some() && drawn {
        return Err(Error::Usage("`--from` is answered as text or json".to_owned()));
    }
    let old = args.against.as_deref().unwrap_or(&args.file);
    let pair = Pair::of_files(old, &args.file)?;
    let governed = Governed::load(&args.governed)?;
    let sides = Sides { old: None, new: governed.in_force() };
    let Some((old, new)) = pair.versions(sides)? else { return Ok(Exit::CannotJudge) };
    let review = Review::of(old, new, Assume::All, governed.today);
    let version = review.new.expect("the new file is always there");
    match (args.format, &clients) {
        (args::ShowFormat::Text, None) => write!(out, "{}", text::table(&review))?,
        (args::ShowFormat::Text, Some(clients)) => {
            let accesses = from::accesses(version, &review.reach, clients);
            write!(out, "{}", from::table(clients, &accesses))?;
        }
        (args::ShowFormat::Json, clients) => {
            let accesses = clients
                .as_ref()
                .map(|clients| (clients, from::accesses(version, &review.reach, clients)));
            let shown = json::show(&review, accesses);
            serde_json::to_writer_pretty(&mut *out, &shown).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        (args::ShowFormat::Mermaid, _) => {
            write!(out, "{}", mermaid::render(version, &review.reach))?;
        }
        (args::ShowFormat::Svg, _) => write!(out, "{}", svg::render(&review))?,
    }
    Ok(Exit::Ok)
}

/// The clients that are asked about.
fn clients(text: &str) -> Result<AddressSet, Error> {
    let block = read::block(text);
    let block = block
        .map_err(|_| Error::Usage("`--from` takes a block, such as 10.20.0.0/16".to_owned()))?;
    Ok(AddressSet::of_blocks([block]))
}
