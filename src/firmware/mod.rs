//! Firmware on this side of the radio: what is offered, how it is fetched and kept, and whether it may be trusted.
//!
//! Nothing in this room speaks to a watch; that is the updater's work, and it takes only what this room lets pass.
