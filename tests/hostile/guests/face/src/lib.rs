//! A personality that misbehaves in the way that the operation names. The number `n` of the query says how much.

#![cfg(target_arch = "wasm32")]

use skyloom_sdk::{Body, Personality, Request, Response, cloud, host};

struct Face;

impl Personality for Face {
    fn handle(request: Request) -> Response {
        let n = number(&request);
        match request.operation.as_str() {
            "ok" => {}
            "loop" => spin(u64::MAX),
            "work" => spin(n),
            "loop-over-host-calls" => loop {
                host::clock::now();
            },
            "allocate" => drop(allocate(n)),
            "hold" => {
                let _held = allocate(n);
                return documents("stall");
            }
            "write-then-allocate" => {
                let answer = documents("written");
                drop(allocate(n));
                return answer;
            }
            "recurse" => return text(&recurse(n, &request.path).to_string()),
            "trap" => std::process::abort(),
            "panic" => panic!("on purpose {}", "x".repeat(n as usize)),
            "panic-within" => host::log::write(host::log::Level::Info, &Vec::<String>::new()[n as usize]),
            "log" => (0..n).for_each(|line| host::log::write(host::log::Level::Info, &format!("line {line}"))),
            "log-forged" => host::log::write(host::log::Level::Info, &format!("a\nERROR b{}", "x".repeat(n as usize))),
            "documents" => return documents(&request.path),
            "compute" => return text(&format!("{:?}", cloud::compute::get_server("s", &[]).map(|server| server.name))),
            "random" => return bytes(host::random::bytes(n as u32)),
            "config" => return text(&host::config::get()),
            "huge" => return bytes(vec![b'x'; n as usize]),
            "huge-header" => return with_header("X-Huge", &"x".repeat(n as usize)),
            "status" => return Response { status: n as u16, headers: Vec::new(), body: Body::Empty },
            "header-name" => return with_header("X-Bad\r\nSet-Cookie", "a"),
            "header-value" => return with_header("X-Bad", "a\r\nSet-Cookie: b"),
            "header" => return with_header("X-Good", "a b\tc é"),
            // The path names the bytes: of no call, of this call, of no call beside one of this call.
            "blob-guessed" => return with(Body::Blob(request.path)),
            "blob-opened" => return download(|blob| blob),
            "blob-beside" => return download(|_| request.path.clone()),
            "upload-made-up" => return with(Body::AcceptUpload(n)),
            "upload-begun" => return upload("image", n),
            "upload-refused" => return upload("another's", n),
            other => return text(&format!("no operation {other}")),
        }
        text("ok")
    }
}

fn number(request: &Request) -> u64 {
    let value = request.query.iter().find(|(name, _)| name == "n").map(|(_, value)| value.as_str());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn spin(rounds: u64) {
    let mut sum = 0_u64;
    for round in 0..rounds {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(round));
    }
}

/// In pieces of 1 MiB, touched; 0 is without end.
fn allocate(mebibytes: u64) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    while mebibytes == 0 || (kept.len() as u64) < mebibytes {
        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
    kept
}

/// Each level needs the stack, so that no compiler makes a loop of it.
fn recurse(depth: u64, text: &str) -> u64 {
    let level = std::hint::black_box([depth; 16]);
    if level[0] == 0 { text.len() as u64 } else { recurse(level[0] - 1, text).wrapping_add(level[15]) }
}

/// Writes and reads the document that the path names.
fn documents(id: &str) -> Response {
    if let Err(error) = host::documents::put("c", id, "{}", None) {
        return text(&error.message);
    }
    match host::documents::get("c", id) {
        Ok(Some(document)) => text(&format!("version {}", document.version)),
        Ok(None) => text("none"),
        Err(error) => text(&error.message),
    }
}

/// Opens the image's bytes and answers with the name that is made of theirs.
fn download(name: impl Fn(String) -> String) -> Response {
    match cloud::images::open_download("image") {
        Ok(Some(download)) => with(Body::Blob(name(download.blob))),
        other => text(&format!("{other:?}")),
    }
}

/// Begins an upload and asks for so many bytes, whatever the core said.
fn upload(image: &str, limit: u64) -> Response {
    drop(cloud::images::begin_upload(image));
    with(Body::AcceptUpload(limit))
}

fn with(body: Body) -> Response {
    Response { status: 200, headers: Vec::new(), body }
}

fn text(text: &str) -> Response {
    bytes(text.as_bytes().to_vec())
}

fn bytes(bytes: Vec<u8>) -> Response {
    with(Body::Bytes(bytes))
}

fn with_header(name: &str, value: &str) -> Response {
    Response { status: 200, headers: vec![(name.to_owned(), value.to_owned())], body: Body::Empty }
}

skyloom_sdk::personality!(Face);
