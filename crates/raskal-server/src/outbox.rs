//! What is to be said to a peer at the end of the turn.
//!
//! Start at [`Outbox::say`]. What nobody waits for is only mentioned ([`Outbox::mention`]): it goes along with what is said
//! next, since a frame of its own would wake the peer for nothing.
//! Invariant: messages leave in the order in which they came.

use bitcode::Encode;
use raskal_net::Sender;

/// More mentions than this are worth a frame.
const MENTIONS_MAX: usize = 1024;

/// Messages that wait.
pub(crate) struct Outbox<M> {
    said: Vec<M>,
    /// All of them came before those that are said.
    mentioned: Vec<M>,
}

impl<M> Default for Outbox<M> {
    fn default() -> Outbox<M> {
        Outbox { said: Vec::new(), mentioned: Vec::new() }
    }
}

impl<M> Outbox<M> {
    /// Leaves at the end of the turn.
    pub(crate) fn say(&mut self, message: M) {
        self.remind();
        self.said.push(message);
    }

    /// Leaves with what is said next, or at the next tick of the clock.
    pub(crate) fn mention(&mut self, message: M) {
        if !self.said.is_empty() {
            return self.said.push(message);
        }
        self.mentioned.push(message);
        if self.mentioned.len() > MENTIONS_MAX {
            self.remind();
        }
    }

    /// Says what was mentioned.
    pub(crate) fn remind(&mut self) {
        self.said.append(&mut self.mentioned);
    }
}

impl<M> Extend<M> for Outbox<M> {
    fn extend<I: IntoIterator<Item = M>>(&mut self, messages: I) {
        messages.into_iter().for_each(|message| self.say(message));
    }
}

impl<M: Encode> Outbox<M> {
    /// Hands what was said to the connection.
    pub(crate) fn flush(&mut self, sender: &Sender<M>) {
        if !self.said.is_empty() {
            // A connection that has ended says so to its reader, which tells us.
            let _ = sender.push(self.said.drain(..));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_wait_for_company_and_keep_their_order() {
        let mut outbox = Outbox::default();
        outbox.mention(1);
        assert!(outbox.said.is_empty());
        outbox.say(2);
        outbox.mention(3);
        outbox.extend([4]);
        assert_eq!(outbox.said, [1, 2, 3, 4]);
        assert!(outbox.mentioned.is_empty());
    }

    #[test]
    fn many_mentions_do_not_wait() {
        let mut outbox = Outbox::default();
        (0..=MENTIONS_MAX).for_each(|number| outbox.mention(number));
        assert_eq!(outbox.said.len(), MENTIONS_MAX + 1);
    }
}
