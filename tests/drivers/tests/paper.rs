//! The kit over the example of a driver: what an author starts from keeps the rules. It has no console.

use driver_tests::simulator::Simulator;
use driver_tests::{Bench, checks, kit};
use skyloom_model::ErrorCode;

kit!(|_| Some(Simulator::of("paper", "servers", None)));

/// What a driver doesn't export the host refuses in its place.
#[tokio::test]
async fn a_platform_that_cannot_pause_is_not_asked_to() {
    let bench = Simulator::of("paper", "servers", None);
    let (driver, spec) = (bench.load().await, bench.spec());
    checks::make(&bench, &*driver, &spec).await;
    checks::start(&bench, &*driver, &spec.server_id).await;
    for refused in [
        driver.pause(&checks::key("pause"), &spec.server_id).await,
        driver.unpause(&checks::key("unpause"), &spec.server_id).await,
        driver.suspend(&checks::key("suspend"), &spec.server_id).await,
        driver.resume(&checks::key("resume"), &spec.server_id).await,
    ] {
        assert_eq!(refused.expect_err("it cannot").code, ErrorCode::NotSupported);
    }
    checks::remove(&bench, &*driver, &spec).await;
}
