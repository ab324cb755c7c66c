//! What may go out and what comes back, over real sockets on loopback.

mod places;
mod redirects;
mod requests;
mod support;
mod tls;
