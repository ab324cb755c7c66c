//! Every step of every operation on servers, each fault: afterwards the hypervisor's world and the records agree.

mod check;
mod fixture;
mod kill;
mod points;
mod reconcile;
mod walk;
mod world;
