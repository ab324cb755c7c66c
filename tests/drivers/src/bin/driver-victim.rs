//! Makes and starts a simulated server, says so, and then waits to be killed.
//!
//!     driver-victim FOLDER SERVER OPERATION

use driver_tests::simulator::Simulator;
use driver_tests::{Bench, checks};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::StepKey;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, server, operation] = arguments.as_slice() else { panic!("FOLDER SERVER OPERATION") };
    let bench = Simulator::at(folder.as_ref());
    let (driver, spec) = (bench.load().await, Simulator::spec_of(server));
    let key = |step: &str| StepKey { operation: operation.clone(), step: step.to_owned() };
    checks::make_disks(&bench, &*driver, &spec.disks).await;
    let defined = driver.define(&key("define"), &spec, &SecretVault::default()).await;
    checks::finish(&bench, &*driver, &key("define"), defined).await;
    checks::finish(&bench, &*driver, &key("start"), driver.start(&key("start"), server).await).await;
    println!("started");
    // Its standard input never says anything; the end of it means that the test is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}
