//! Every step of every operation on servers, each fault: afterwards the hypervisor's world and the records agree.

mod attach;
mod checks;
mod fixture;
mod imports;
mod kill;
mod kinds;
mod knobs;
mod moving;
mod nics;
mod over_libvirt;
mod overlap;
mod points;
mod processes;
mod rebuilds;
mod reconcile;
mod volumes;
mod walk;
mod world;
