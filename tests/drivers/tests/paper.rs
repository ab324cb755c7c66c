//! The kit over the example of a driver: what an author starts from keeps the rules.

use driver_tests::checks;
use driver_tests::simulator::Simulator;

macro_rules! kit {
    ($($check:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $check() {
            checks::$check(&Simulator::of("paper", "servers", "on paper, this server is up")).await;
        })+
    };
}

kit!(
    life,
    console,
    removal_of_a_running_server,
    definition_without_disks,
    absence,
    list,
    list_of_what_has_only_disks,
    capacity,
    reload,
    at_once,
    hostile_names,
);
