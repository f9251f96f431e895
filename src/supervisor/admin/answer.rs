//! What the process does when it is asked something while it serves.

use std::time::Duration;

use super::{
    Question, Reply,
    protocol::{Answer, Command, State},
};
use crate::supervisor::{
    Supervisor,
    follow::{Asked, Following},
};

impl Supervisor<'_> {
    /// Does what somebody at the admin socket asks, and says what came of it.
    pub(in crate::supervisor) async fn answer(
        &mut self,
        question: Question,
        following: &mut Following,
    ) -> Option<Asked> {
        let Question { command, of_owner, answer } = question;
        let busy = self.giving.is_some();
        let reply = match command {
            Command::Status => {
                let state = if busy { State::HandingOver } else { State::Serving };
                Answer::Status(Box::new(self.report(state))).into()
            }
            Command::Drain => {
                // Whoever asked may be gone.
                drop(answer.send(Answer::Draining(self.draining()).into()));
                return Some(Asked::Stop);
            }
            _ if busy => Reply::refused("another process is taking over at this moment"),
            Command::Reload => {
                self.look(following, true).await;
                let generation = self.generation.0;
                let outcome = self.rejected.clone().map(Answer::Rejected);
                outcome.unwrap_or(Answer::Reloaded { generation }).into()
            }
            Command::Upgrade { within_ms } => {
                self.upgrade(Duration::from_millis(within_ms), answer);
                return None;
            }
            Command::TakeOver if of_owner => {
                self.offer(answer);
                return None;
            }
            Command::TakeOver => Reply::refused("only the user of the process may take over"),
        };
        drop(answer.send(reply));
        None
    }
}
