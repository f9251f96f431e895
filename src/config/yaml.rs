//! YAML as a tree with byte spans: the parser's events, less everything the language leaves out.
//!
//! Aliases are not expanded, so a short file cannot become a large tree; what they would expand to
//! is counted against the same limits.

mod syntax;

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use granit_parser::{Event, Parser, ScalarStyle, options};

use super::{
    code,
    findings::Findings,
    scalar::{self, Scalar},
};
use crate::{
    diagnostic::{Diagnostic, text::Shown},
    source::{Source, Span},
};

/// How deep lists and mappings may nest, through aliases too. The language itself needs nine
/// levels; whoever reads the tree recurses this deep.
pub const MAX_DEPTH: usize = 32;

/// How many nodes a file may have, every alias counted as all it stands for. Ten thousand listeners
/// have about three hundred thousand.
pub const MAX_NODES: usize = 1_000_000;

/// A value and where it is written.
#[derive(Debug)]
pub(super) struct Node<'s> {
    /// From its first byte to its last; of an alias, the alias itself.
    pub(super) span: Span,
    pub(super) kind: Kind<'s>,
    /// Nodes in it, aliases counted as what they stand for.
    weight: usize,
    /// Levels in it, through aliases; a scalar has none.
    height: usize,
}

#[derive(Debug)]
pub(super) enum Kind<'s> {
    Scalar(Text<'s>),
    List(Vec<Rc<Node<'s>>>),
    Mapping(Vec<(Key<'s>, Rc<Node<'s>>)>),
    Alias(Rc<Node<'s>>),
    /// What has been reported already.
    Refused,
}

/// A scalar, its escapes resolved.
#[derive(Debug)]
pub(super) struct Text<'s> {
    pub(super) text: Cow<'s, str>,
    pub(super) notation: Notation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// Without quotes, so that it may be a number or a truth value.
    Plain,
    /// In quotes or as a block, so that it is text.
    Quoted,
    /// Without quotes, of two readings, and reported.
    Ambiguous,
}

/// A key of a mapping. Having one tells you that it is text.
#[derive(Debug)]
pub(super) struct Key<'s> {
    pub(super) span: Span,
    pub(super) text: Text<'s>,
}

impl<'s> Node<'s> {
    /// What a chain of aliases ends in.
    pub(super) fn target(&self) -> &Self {
        match &self.kind {
            Kind::Alias(target) => target.target(),
            _ => self,
        }
    }
}

/// Reads the tree. Without one, at least one finding says why.
pub(super) fn parse<'s>(source: &'s Source, findings: &Findings) -> Option<Rc<Node<'s>>> {
    let mut builder = Builder {
        findings,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        nodes: 0,
        documents: 0,
        end: 0,
        verbatim: Vec::new(),
    };
    let options = options! { disallow_directives: true, emit_unresolved_aliases: true };
    for event in Parser::new_from_str_with_options(source.text(), options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => builder.stop(syntax::explain(source, &error)),
        };
        if step.is_err() {
            return None;
        }
    }
    syntax::refuse_tabs(source, &builder.verbatim, findings);
    // A file of comments has no root, one of `---` alone has one of no length.
    let root = builder.root.filter(|root| root.span.start < root.span.end);
    if root.is_none() {
        let finding = syntax::error(Span::default(), "the file is empty");
        findings.push(finding.help("begin with `portcullis: 1`"));
    }
    root
}

struct Builder<'s, 'f> {
    findings: &'f Findings,
    /// The collections around the next event, outermost first.
    open: Vec<Open<'s>>,
    /// Finished nodes by the parser's number for their anchor; zero is none.
    anchors: HashMap<usize, Rc<Node<'s>>>,
    root: Option<Rc<Node<'s>>>,
    /// Nodes so far, aliases counted as what they stand for.
    nodes: usize,
    documents: usize,
    /// Where the last node ended: a block collection ends there, not where the next one begins.
    end: usize,
    /// Scalars in which a tab is only a character.
    verbatim: Vec<Span>,
}

/// The reading cannot go on, and why has been reported.
struct Stop;

/// A collection whose end has not come yet.
struct Open<'s> {
    start: usize,
    anchor: usize,
    /// `Builder::nodes` when it began.
    nodes_before: usize,
    height: usize,
    items: Items<'s>,
}

enum Items<'s> {
    List(Vec<Rc<Node<'s>>>),
    Mapping(Vec<(Key<'s>, Rc<Node<'s>>)>, Expects<'s>),
}

/// What comes next in a mapping.
enum Expects<'s> {
    Key,
    ValueOf(Key<'s>),
    /// The value of a key that has been reported.
    ValueOfNone,
}

impl<'s> Builder<'s, '_> {
    /// Takes one event.
    fn take(&mut self, event: Event<'s>, at: &granit_parser::Span) -> Result<(), Stop> {
        let span = Span::new(at.byte_range().unwrap_or_default());
        if let Some(tag) = at.tag_span().and_then(|tag| tag.byte_range()) {
            self.refuse(Span::new(tag), "tags are not part of the language", "remove the tag");
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here, and a file is one document";
                    let finding = syntax::error(span, message);
                    return self.stop(finding.help("move it to a file of its own"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let text = self.scalar(text, style, span);
                self.finish(span, Kind::Scalar(text), anchor, 0)?;
            }
            Event::Alias(anchor) => self.alias(anchor, span)?,
            Event::UnresolvedAlias(name) => {
                let name = Shown(&name).to_string();
                self.refuse(
                    span,
                    &format!("no anchor `&{name}` stands before this alias"),
                    &format!("write `\"*{name}\"` for the text, or define the anchor first"),
                );
                self.finish(span, Kind::Refused, 0, 0)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(span, anchor, Items::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(span, anchor, Items::Mapping(Vec::new(), Expects::Key))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'s, str>, style: ScalarStyle, span: Span) -> Text<'s> {
        if style != ScalarStyle::Plain {
            self.verbatim.push(span);
            return Text { text, notation: Notation::Quoted };
        }
        let Some(ambiguity) = scalar::ambiguity(&text) else {
            return Text { text, notation: Notation::Plain };
        };
        let message = format!("`{}` is {ambiguity}", Shown(&text));
        let finding = Diagnostic::error(code::YAML_AMBIGUOUS, span, message);
        self.findings.push(finding.help(ambiguity.cure(&Shown(&text).to_string())));
        Text { text, notation: Notation::Ambiguous }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            // The anchor is known to the parser but has not been finished.
            self.refuse(
                span,
                "this alias stands inside the value it refers to",
                "write the value out instead",
            );
            return self.finish(span, Kind::Refused, 0, 0);
        };
        let height = target.height;
        if self.open.len() + height > MAX_DEPTH {
            return self.stop(too_deep(span));
        }
        // `finish` counts one node more, the alias itself.
        self.nodes = self.nodes.saturating_add(target.weight);
        self.finish(span, Kind::Alias(target), 0, height)
    }

    fn begin(&mut self, span: Span, anchor: usize, items: Items<'s>) -> Result<(), Stop> {
        if self.open.len() == MAX_DEPTH {
            return self.stop(too_deep(span));
        }
        let start = span.start as usize;
        self.open.push(Open { start, anchor, nodes_before: self.nodes, height: 0, items });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        // The end of a block collection is an empty span behind all that follows it.
        let is_bracket = span.end > span.start;
        let end = if is_bracket { span.end as usize } else { self.end };
        let kind = match open.items {
            Items::List(items) => Kind::List(items),
            Items::Mapping(entries, _) => Kind::Mapping(entries),
        };
        let weight = self.nodes - open.nodes_before;
        let span = Span::new(open.start..end);
        self.place(Node { span, kind, weight, height: open.height + 1 }, open.anchor)
    }

    /// Places a node that is no collection.
    fn finish(
        &mut self,
        span: Span,
        kind: Kind<'s>,
        anchor: usize,
        height: usize,
    ) -> Result<(), Stop> {
        let weight = match &kind {
            Kind::Alias(target) => target.weight,
            _ => 0,
        };
        self.place(Node { span, kind, weight, height }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, mut node: Node<'s>, anchor: usize) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(1);
        node.weight = node.weight.saturating_add(1);
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, aliases counted as written out");
            let finding = Diagnostic::error(code::LIMIT_EXCEEDED, node.span, message);
            return self.stop(finding.help("split the file, or use fewer aliases"));
        }
        self.end = self.end.max(node.span.end as usize);
        if let Some(Open { items: Items::Mapping(_, expects @ Expects::Key), .. }) =
            self.open.last_mut()
        {
            *expects = key(node, anchor, self.findings);
            return Ok(());
        }
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.height = open.height.max(node.height);
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Mapping(entries, expects) => {
                if let Expects::ValueOf(key) = std::mem::replace(expects, Expects::Key) {
                    entries.push((key, node));
                }
            }
        }
        Ok(())
    }

    /// Reports what ends the reading.
    fn stop(&self, finding: Diagnostic) -> Result<(), Stop> {
        self.findings.push(finding);
        Err(Stop)
    }

    /// Reports what does not.
    fn refuse(&self, span: Span, message: &str, help: &str) {
        self.findings.push(syntax::error(span, message).help(help));
    }
}

/// Takes a finished node as a key, or reports that it is none.
fn key<'s>(node: Node<'s>, anchor: usize, findings: &Findings) -> Expects<'s> {
    let span = node.span;
    let (message, help) = match node.kind {
        _ if anchor != 0 => ("a key cannot have an anchor", "remove the anchor"),
        Kind::Scalar(text) if text.notation == Notation::Quoted => {
            return Expects::ValueOf(Key { span, text });
        }
        Kind::Scalar(text) if text.text == "<<" => {
            ("merge keys are not part of the language", "write the keys out")
        }
        Kind::Scalar(text) if scalar::read(&text.text) == Scalar::Nothing => {
            ("a value without a key", "write a key before the `:`")
        }
        Kind::Scalar(text) => return Expects::ValueOf(Key { span, text }),
        Kind::Refused => return Expects::ValueOfNone,
        Kind::Alias(_) => ("an alias cannot be a key", "write the key out"),
        Kind::List(_) | Kind::Mapping(_) => {
            ("a key must be text, not a list or a mapping", "quote the key if it is meant as text")
        }
    };
    findings.push(syntax::error(span, message).help(help));
    Expects::ValueOfNone
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("more than {MAX_DEPTH} lists and mappings inside each other");
    Diagnostic::error(code::LIMIT_EXCEEDED, span, message)
}
