//! Who is served: names of networks and blocks become one exact set.

use super::{Resolver, UNKNOWN_REFERENCE};
use crate::{
    address::{
        read::{self, Fault},
        set::AddressSet,
    },
    config::{self, Each, Spanned},
    diagnostic::{
        Diagnostic,
        text::{Shown, nearest},
    },
    source::Span,
};

impl Resolver<'_> {
    /// The addresses of one entry of `networks`.
    pub(super) fn network(&mut self, blocks: &Each<Spanned<String>>, span: Span) -> AddressSet {
        if blocks.0.is_empty() {
            self.bad(span, "this network has no addresses", "list its blocks, or remove it");
        }
        let mut read = Vec::new();
        for block in &blocks.0 {
            match read::block(&block.value) {
                Ok(block) => read.push(block),
                Err(fault) => self.client_fault(&block.value, block.span, &fault),
            }
        }
        AddressSet::of_blocks(read)
    }

    /// What `clients` admits; `None` is everyone.
    pub(super) fn clients(&mut self, clients: &config::Clients, span: Span) -> Option<AddressSet> {
        let from = self.findings.len();
        let allow = clients.allow.set().map(|(list, span)| {
            if list.0.is_empty() {
                let help = "list the clients, or leave `allow` out to serve everyone";
                self.bad(span, "an empty `allow` serves nobody", help);
            }
            self.set_of(list)
        });
        let deny = clients.deny.get().map(|list| self.set_of(list));
        let set = match (allow, deny) {
            (None, None) => return None,
            (allow, deny) => {
                allow.unwrap_or_else(AddressSet::all).difference(&deny.unwrap_or_default())
            }
        };
        let whole =
            self.findings.len() == from && !self.networks.values().any(AddressSet::is_empty);
        if set.is_empty() && whole {
            self.bad(span, "nobody is left to be served", "remove from `deny` what `allow` lists");
        }
        Some(set)
    }

    fn set_of(&mut self, list: &Each<Spanned<String>>) -> AddressSet {
        let mut set = AddressSet::default();
        for entry in &list.0 {
            set = set.union(&self.clients_of(&entry.value, entry.span));
        }
        set
    }

    /// The addresses of a network by its name, or of a block.
    pub(super) fn clients_of(&mut self, word: &str, span: Span) -> AddressSet {
        if let Some(network) = self.networks.get(word) {
            return network.clone();
        }
        if self.config.networks.contains(word) {
            return AddressSet::default();
        }
        match read::block(word) {
            Ok(block) => AddressSet::of_blocks([block]),
            Err(fault) => {
                self.client_fault(word, span, &fault);
                AddressSet::default()
            }
        }
    }

    /// A word that is no address was meant as the name of a network.
    fn client_fault(&mut self, text: &str, span: Span, fault: &Fault) {
        if !matches!(fault, Fault::Hostname | Fault::Nonsense) {
            return self.fault(text, span, fault, false);
        }
        let mut finding = Diagnostic::error(
            UNKNOWN_REFERENCE,
            span,
            format!("`{}` is neither a network nor a block", Shown(text)),
        );
        let names: Vec<_> =
            self.config.networks.iter().map(|entry| entry.name.value.as_str()).collect();
        finding = match nearest(text, &names) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => {
                finding.help("define it under `networks`, or write a block such as 10.20.0.0/16")
            }
        };
        self.report(finding);
    }
}
