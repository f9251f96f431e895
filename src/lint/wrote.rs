//! Where in the file a listener's words stand: rules decide on the meaning and point with these.

use crate::{
    address::Class,
    config::{self, Config, Field, Form},
    policy::{Family, ListenerId, UpstreamId},
    source::Span,
};

/// What was written of one listener. Each place falls back to the next wider one, so that there
/// always is something to point at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrote<'a> {
    name: Span,
    listener: Option<&'a config::Listener>,
}

impl<'a> Wrote<'a> {
    pub(super) fn new(config: &'a Config, id: &ListenerId) -> Self {
        let entry = config.listeners.get(id.as_str());
        Self {
            name: entry.map_or_else(Span::default, |entry| entry.name.span),
            listener: entry.map(|entry| &entry.value),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> Span {
        self.name
    }

    /// All that was written of it, if it could be read.
    pub(super) fn listener(self) -> Option<&'a config::Listener> {
        self.listener
    }

    /// Where it is exposed.
    pub(super) fn expose(self) -> Span {
        self.listener.and_then(|listener| listener.expose.span()).unwrap_or(self.name)
    }

    /// The long form of where it is exposed.
    pub(super) fn exposure(self) -> Option<&'a config::Expose> {
        match self.listener?.exposed()? {
            Form::Long(long) => Some(long),
            Form::Short(_) => None,
        }
    }

    /// The side of this family in the split form, or all of it.
    pub(super) fn side(self, family: Family) -> Span {
        let side = self.exposure().and_then(|long| side_of(long, family).span());
        side.unwrap_or_else(|| self.expose())
    }

    /// The address, block or interface of this family.
    pub(super) fn place(self, family: Family) -> Span {
        let Some(form) = self.form(family) else { return self.side(family) };
        let place = place_of(form).map(|(_, place)| place);
        let spans = [
            place.and_then(|place| place.address.span()),
            place.and_then(|place| place.subnet.span()),
            place.and_then(|place| place.interface.span()),
            form.interface.get().and_then(|interface| interface.name.span()),
        ];
        spans.into_iter().flatten().next().unwrap_or_else(|| self.side(family))
    }

    /// The class that the keyword of this family asserts of an address.
    pub(super) fn asserted(self, family: Family) -> Option<Class> {
        place_of(self.form(family)?).map(|(class, _)| class)
    }

    /// The long form for this family.
    fn form(self, family: Family) -> Option<&'a config::Expose> {
        let long = self.exposure()?;
        match side_of(long, family).get() {
            Some(side) => match &**side {
                Form::Long(side) => Some(side),
                Form::Short(_) => None,
            },
            None => Some(long),
        }
    }

    /// The port or range of ports that holds this one.
    pub(super) fn port(self, port: u16) -> Span {
        let Some(listener) = self.listener else { return self.name };
        let mut ranges = listener.ports.get().into_iter().flat_map(|ranges| &ranges.0);
        let range = ranges.find(|range| (range.value.first()..=range.value.last()).contains(&port));
        let spans = [range.map(|range| range.span), listener.port.span(), listener.ports.span()];
        spans.into_iter().flatten().next().unwrap_or(self.name)
    }

    /// The path of its unix socket.
    pub(super) fn path(self) -> Span {
        self.unix().and_then(|unix| unix.path.span()).unwrap_or_else(|| self.expose())
    }

    /// The mode of its unix socket.
    pub(super) fn mode(self) -> Span {
        self.unix().and_then(|unix| unix.mode.span()).unwrap_or_else(|| self.expose())
    }

    fn unix(self) -> Option<&'a config::Unix> {
        self.exposure()?.unix.get()
    }

    /// Who is served.
    pub(super) fn clients(self) -> Span {
        self.listener.and_then(|listener| listener.clients.span()).unwrap_or(self.name)
    }

    /// The list of those who are served, if there is one.
    pub(super) fn clients_allow(self) -> Option<Span> {
        self.listener?.clients.get()?.allow.span()
    }

    /// How long a connection may be idle, if that is said.
    pub(super) fn idle(self) -> Option<Span> {
        self.listener?.timeouts.get()?.idle.span()
    }

    /// How many connections it may have, if that is said.
    pub(super) fn connections(self) -> Span {
        let limits = self.listener.and_then(|listener| listener.limits.get());
        limits.and_then(|limits| limits.connections.span()).unwrap_or(self.name)
    }

    /// The last day of the signature, or the signature.
    pub(super) fn expires(self) -> Span {
        let Some(listener) = self.listener else { return self.name };
        let expires = listener.allow.get().and_then(|allow| allow.expires.span());
        let spans = [expires, listener.allow.span()];
        spans.into_iter().flatten().next().unwrap_or(self.name)
    }

    /// The signature.
    pub(super) fn allow(self) -> Span {
        self.listener.and_then(|listener| listener.allow.span()).unwrap_or(self.name)
    }

    /// The ticket of the signature, or the signature.
    pub(super) fn ticket(self) -> Span {
        let allow = self.listener.and_then(|listener| listener.allow.get());
        allow.and_then(|allow| allow.ticket.span()).unwrap_or_else(|| self.allow())
    }

    /// Where its connections go.
    pub(super) fn forward(self) -> Span {
        self.listener.and_then(|listener| listener.forward.span()).unwrap_or(self.name)
    }
}

/// Where the backend of this index of a named group stands; `None` for a group without a name.
pub(super) fn backend(config: &Config, upstream: &UpstreamId, index: usize) -> Option<Span> {
    let backends = config.upstreams.get(upstream.as_str())?.value.backends.get()?;
    backends.0.get(index).map(|backend| backend.span)
}

fn side_of(long: &config::Expose, family: Family) -> &Field<Box<Form<config::Expose>>> {
    match family {
        Family::V4 => &long.v4,
        Family::V6 => &long.v6,
    }
}

fn place_of(long: &config::Expose) -> Option<(Class, &config::Place)> {
    long.places().into_iter().find_map(|(class, place)| Some((class, place.get()?)))
}
