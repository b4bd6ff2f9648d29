//! Asking the person while something is under way: what they have shown so far counts once, and to begin again would lose it.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use zeroize::Zeroizing;

/// What only the person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The line that a letter brings, which is on its way if anybody has that address and takes links.
    LetterLine {
        /// Seconds for which it counts.
        expires_in_s: u32,
    },
    /// The link that whoever runs the server has printed, which sends no letters.
    PrintedLink,
    /// A code of an authenticator app, or a recovery code.
    SecondFactor {
        /// Whether the one before was not right.
        again: bool,
    },
    /// Whether unlocking may take so much memory: any answer is a yes.
    KdfMemory {
        /// How much.
        mib: u32,
    },
    /// Whether to keep an account that is being deleted: any answer is a yes.
    KeepAccount {
        /// When everything will be gone, in ms since 1970.
        delete_at_ms: u64,
    },
}

/// Asks the person; nothing where nobody is there, or the answer is no.
pub type Ask = Rc<dyn Fn(Wanted) -> LocalBoxFuture<'static, Option<Zeroizing<String>>>>;

/// Whether the person agrees to something.
pub enum Agreement {
    /// They do not.
    No,
    /// They have agreed beforehand.
    Yes,
    /// They are asked once it comes to that.
    Ask(Ask),
}

impl Agreement {
    pub(crate) async fn to(&self, wanted: Wanted) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Ask(ask) => ask(wanted).await.is_some(),
        }
    }
}
