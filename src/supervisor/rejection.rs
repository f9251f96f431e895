//! A file that is not in force: said on the terminal, and remembered for those who ask later.

use tracing::error;

use super::{
    Event, Supervisor,
    admin::protocol::{Finding, Rejection},
    admin::report::now,
    apply::Refusal,
};

impl Supervisor<'_> {
    pub(super) fn reject(&mut self, findings: Vec<Finding>) {
        let count = findings.len();
        self.note_rejection(findings);
        self.tell_rejection(count);
    }

    pub(super) fn tell_rejection(&mut self, findings: usize) {
        (self.announce)(&Event::Rejected { generation: self.generation, findings });
    }

    /// Says why a plan is not in force, for the terminal and for those who ask.
    pub(super) fn tell_refusal(&mut self, refusal: &Refusal) -> Vec<Finding> {
        let (what, error): (_, &dyn std::error::Error) = match refusal {
            Refusal::Unbound(errors) => {
                (self.announce)(&Event::Unbound(errors));
                return errors.iter().map(Finding::unbound).collect();
            }
            Refusal::Binder(error) => ("cannot have sockets bound", error),
            Refusal::AccessLog(error) => ("cannot open the access log", error),
            Refusal::Workers(error) => ("cannot start workers", error),
        };
        error!(%error, "{what}; what runs stays");
        vec![Finding::error(format!("{what}: {error}"))]
    }

    /// Remembers why the file is not in force.
    pub(super) fn note_rejection(&mut self, findings: Vec<Finding>) {
        let (at, generation) = (now(), self.generation.0);
        self.rejected = Some(Rejection { at, generation, findings });
    }
}
