//! Who sends a request: by a token, or by a signature. Nothing of a signed request is believed before its signature is checked, which
//! may need the body: until then it is nobody's.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method};
use skyloom_model::{Caller, Error};
use skyloom_runtime::manifest::BodyKind;

use crate::core::SigningKey;
use crate::credentials::after_scheme;
use crate::held::{Held, Whose};
use crate::incoming::{self, ClientBody};
use crate::mount::Mount;
use crate::refusal::{Refusal, Refused};
use crate::replays::Untaken;
use crate::routes::Route;
use crate::settings::millis;
use crate::shared::Shared;
use crate::signing::{Claim, Scheme, hash, refused};

pub(crate) struct Authentication<'g> {
    pub shared: &'g Shared,
    pub route: &'g Route,
    pub client: Option<IpAddr>,
}

/// Who sends it, and what is left to read of it.
pub(crate) struct Sender {
    /// None: nobody.
    pub caller: Option<Arc<Caller>>,
    pub body: ClientBody,
    /// The body is in memory, and so counted.
    pub held: Option<Held>,
    /// Bytes of a body at most.
    pub largest: Option<usize>,
}

impl Sender {
    fn unread(caller: Option<Arc<Caller>>, body: ClientBody) -> Self {
        Self { caller, body, held: None, largest: None }
    }
}

/// A request that names a key of this cloud, at a time that is right.
struct Signed<'r> {
    scheme: &'r Scheme,
    parts: &'r Parts,
    claim: Claim<'r>,
    key: Arc<SigningKey>,
}

impl Signed<'_> {
    /// Whether the request is what its key signed, with this as the payload's hash.
    fn check(&self, payload: &str) -> Result<bool, Refused> {
        Ok(self.key.verifies(&self.scheme.message(self.parts, &self.claim, payload)?, &self.claim.signature))
    }

    /// One of these was signed.
    fn prove(&self, payloads: &[&str]) -> Result<(), Refused> {
        for payload in payloads {
            if self.check(payload)? {
                return Ok(());
            }
        }
        Err(Refusal::BadSignature.into())
    }
}

impl<'g> Authentication<'g> {
    fn mount(&self) -> &'g Mount {
        &self.route.mount
    }

    /// Nobody where every operation of the route is open to anybody. A token wins over a signature.
    pub async fn sender(&self, request_id: &str, parts: &Parts, body: ClientBody) -> Result<Sender, Refused> {
        if self.route.choices.iter().all(|choice| choice.operation.is_open()) {
            return Ok(Sender::unread(None, body));
        }
        let failed = |error: Error| {
            if error.internal_text().is_some() {
                tracing::error!(request_id, error = error.for_log(), "a credential cannot be checked");
            }
            Refused { retry_after: error.retry_after, ..Refusal::from(error.code).into() }
        };
        if let Some(token) = token(&parts.headers, self.mount()) {
            let caller = self.shared.core.caller_of_token(token).await.map_err(failed)?;
            return Ok(Sender::unread(Some(caller), body));
        }
        let Some(scheme) = &self.mount().signing else { return Err(Refusal::Unauthenticated.into()) };
        let now = jiff::Timestamp::now().as_second();
        let claim = scheme.claim(&parts.headers, now)?.ok_or(Refusal::Unauthenticated)?;
        let key = self.shared.core.signing_key(claim.key).await.map_err(|error| match failed(error) {
            // Told as a wrong signature is: a key's name is nothing to guess.
            refused if refused.refusal == Refusal::Unauthenticated => Refusal::BadSignature.into(),
            refused => refused,
        })?;
        let signed = Signed { scheme, parts, claim, key };
        let sender = self.prove(&signed, body).await?;
        self.take_once(&signed)?;
        Ok(sender)
    }

    async fn prove(&self, signed: &Signed<'_>, body: ClientBody) -> Result<Sender, Refused> {
        let Signed { scheme, parts, key, .. } = signed;
        let caller = Some(key.caller.clone());
        let nothing = hash(b"");
        let said = scheme.said_payload(&parts.headers)?;
        let unsigned = said.filter(|said| scheme.unsigned_payload.as_deref() == Some(*said));
        let largest = scheme.max_body;
        let is_stream = self.route.choices.iter().all(|choice| choice.operation.body == BodyKind::Stream);
        let limit = if is_stream { largest } else { largest.min(self.mount().max_body) };
        let most = incoming::most(&parts.headers, &body, limit)?;
        if most == 0 {
            // Clients sign what the header says, or what there is.
            signed.prove(&[Some(nothing.as_str()), unsigned].into_iter().flatten().collect::<Vec<_>>())?;
            return Ok(Sender { largest: Some(largest), ..Sender::unread(caller, body) });
        }
        match (unsigned, said) {
            (Some(unsigned), _) if is_stream => {
                signed.prove(&[unsigned])?;
                return Ok(Sender { largest: Some(largest), ..Sender::unread(caller, body) });
            }
            (None, _) if is_stream => {
                return Err(refused("The body of this request is a stream, which is sent unsigned."));
            }
            (Some(_), _) => return Err(refused("The body of this request must be signed.")),
            // Before its body is read: then it is a caller's.
            (None, Some(said)) => signed.prove(&[said])?,
            (None, None) => {}
        }
        let own = || Whose::of(caller.as_deref(), self.client);
        let whose = said.map_or_else(|| Whose::unproven(self.client), |_| own());
        let mut held = self.shared.held.body(whose, most).await?;
        let whole = incoming::read(body, limit, millis(self.shared.settings.body_timeout_ms));
        let bytes = tokio::select! {
            whole = whole => whole?,
            // A drain waits for what callers are sending alone.
            () = self.shared.drained(), if said.is_none() => return Err(Refused::busy()),
        };
        match said {
            Some(said) if *said != hash(&bytes) => return Err(refused("The body is not the one that was signed.")),
            Some(_) => {}
            None => {
                signed.prove(&[&hash(&bytes)])?;
                held = self.shared.held.body(own(), bytes.len()).await?;
            }
        }
        Ok(Sender { caller, body: bytes.into(), held: Some(held), largest: Some(largest) })
    }

    /// Within the time that its date is good, a request that changes something comes once.
    fn take_once(&self, signed: &Signed<'_>) -> Result<(), Refused> {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(&signed.parts.method) {
            return Ok(());
        }
        // Its body may have taken long: what is remembered of the first time goes with the window.
        let now = jiff::Timestamp::now().as_second();
        let until = signed.scheme.until(&signed.claim, now)?;
        match self.shared.replays.take(&signed.key.caller.user.id, &signed.claim.signature, until, now) {
            Ok(()) => Ok(()),
            Err(Untaken::Again) => Err(refused("This signed request was taken before; sign it anew.")),
            Err(Untaken::Full) => Err(Refused::again(Refusal::RateLimited)),
        }
    }
}

fn token<'h>(headers: &'h HeaderMap, mount: &Mount) -> Option<&'h str> {
    let value = headers.get(&mount.token_header)?.to_str().ok()?;
    let token = match &mount.token_scheme {
        Some(scheme) => after_scheme(value, scheme)?,
        None => value,
    };
    (!token.is_empty()).then_some(token)
}
