//! The fault harness. Everything is in `tests/`: it walks every step of every operation on servers, lets each fail in every
//! way there is, lets the engine die at every write of the step log, and then compares the world with the records.
