use skyloom_sdk::{Body, Personality, Request, Response};
struct T;
impl Personality for T { fn handle(r: Request) -> Response { let _ = skyloom_sdk::cloud::compute::get_server(&r.path); Response { status: 200, headers: vec![], body: Body::Empty } } }
skyloom_sdk::personality!(T);
