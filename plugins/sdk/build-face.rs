//! The build script of faces that answer with lists (`build = "../../sdk/build-face.rs"`): the component starts with memory enough for
//! one, so that it grows rarely, and with a small stack.

fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_ARCH");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=2097152");
    }
}
