//! What every native process reads from its environment.
