//! The kit over the example of a driver: what an author starts from keeps the rules. It has no console.

use driver_tests::kit;
use driver_tests::simulator::Simulator;

kit!(|_| Some(Simulator::of("paper", "servers", None)));
