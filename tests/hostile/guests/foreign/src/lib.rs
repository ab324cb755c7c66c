//! A personality that also wants to read files of the host, through an interface of its own making.

// The generated glue is the contract, not our style.
#![allow(unsafe_code)]
#![cfg(target_arch = "wasm32")]

#[allow(clippy::all, clippy::pedantic, unsafe_code)]
mod bindings {
    wit_bindgen::generate!({
        inline: r"
            package evil:plugin;
            interface files {
              read: func(path: string) -> list<u8>;
            }
            world face {
              import files;
              include skyloom:personality/personality@0.1.0;
            }
        ",
        path: [
            "../../../../wit/types/0.1.0", "../../../../wit/host/0.1.0", "../../../../wit/egress/0.1.0",
            "../../../../wit/cloud/0.1.0", "../../../../wit/personality/0.1.0",
        ],
        world: "evil:plugin/face",
        generate_all,
    });
}

use bindings::exports::skyloom::personality::handler::{Body, Guest, Request, Response};

struct Foreign;

impl Guest for Foreign {
    fn handle(request: Request) -> Response {
        Response {
            status: 200,
            headers: Vec::new(),
            body: Body::Bytes(bindings::evil::plugin::files::read(&request.path)),
        }
    }
}

bindings::export!(Foreign with_types_in bindings);
