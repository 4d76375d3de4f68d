//! The rules of a channel, one scenario each: how its floor is given and taken, what its timers end, who is in it.

mod drive;
mod floor;
mod guests;
mod precedence;
mod presence;
mod queue;
mod roster;
mod timers;
