//! Passwords: argon2id, few at a time, on threads that give way to those which serve requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{Output, PasswordHash, PasswordHasher as _, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use skyloom_model::{Error, Result};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Settings;

/// Longest password, in bytes.
const MAX_PASSWORD: usize = 1024;
/// Longest wait for a turn.
const TURN: Duration = Duration::from_secs(15);
/// Of the threads that hash for [`Share::Fair`].
const NICENESS: i32 = 10;
/// After one for [`Share::Rest`], so many times as long as it took, up to a longest time: what took long waited for requests.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_millis(200);

/// What hashing gets of the processors where requests want them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// A tenth.
    Fair,
    /// A quarter of one that nobody else wants, where too many passwords were wrong of late. All of it would keep the processors
    /// from ever resting, which slows whoever runs beside, on a machine that is itself a guest most of all.
    Rest,
}

pub(super) struct Passwords {
    fair: Hashers,
    rest: Hashers,
    hasher: Argon2<'static>,
    /// What a login is compared with where there is no hash, so that it takes the same time.
    dummy: Arc<str>,
}

/// The right to hash one password.
pub(super) struct Turn {
    work: UnboundedSender<Work>,
    held: OwnedSemaphorePermit,
}

impl Passwords {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        // 19 MiB, two passes, one lane: the least that OWASP's cheat sheet asks of argon2id.
        let (memory, passes) = if settings.insecure_test_password_cost { (8, 1) } else { (19 * 1024, 2) };
        let params = Params::new(memory, passes, 1, Some(32)).map_err(Error::internal)?;
        // No password is known to give these bytes.
        let dummy = format!("$argon2id$v=19$m={memory},t={passes},p=1$c2t5bG9vbWR1bW15c2FsdA${}", "A".repeat(43));
        PasswordHash::new(&dummy).map_err(Error::internal)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = settings.password_hashing.map_or((processors / 2).max(1), |count| count as usize);
        Ok(Self {
            fair: Hashers::start(Share::Fair, at_once)?,
            rest: Hashers::start(Share::Rest, 1)?,
            hasher: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            dummy: dummy.into(),
        })
    }

    /// Waits for a turn; `unavailable` when that takes too long.
    pub(super) async fn turn(&self, share: Share) -> Result<Turn> {
        let hashers = match share {
            Share::Fair => &self.fair,
            Share::Rest => &self.rest,
        };
        match tokio::time::timeout(TURN, hashers.turns.clone().acquire_owned()).await {
            Ok(Ok(held)) => Ok(Turn { work: hashers.work.clone(), held }),
            Ok(Err(error)) => Err(Error::internal(error)),
            Err(_) => Err(Error::unavailable("too many passwords to hash")),
        }
    }

    /// A new hash, as a PHC string.
    pub(super) async fn hash(&self, password: Arc<str>) -> Result<String> {
        let turn = self.turn(Share::Fair).await?;
        let hasher = self.hasher.clone();
        apart(turn, move |_| {
            let salt = SaltString::generate(&mut OsRng);
            hasher.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(Error::internal)
        })
        .await?
    }

    /// Whether the password is right. Without a hash it isn't, in the same time.
    pub(super) async fn verify(&self, turn: Turn, password: Arc<str>, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| self.dummy.clone(), Arc::from);
        let matches = apart(turn, move |memory| memory.matches(&password, &hash)).await??;
        Ok(matches && known)
    }
}

/// Gives what keeps the turn while the thread rests.
type Work = Box<dyn FnOnce(&mut Memory) -> OwnedSemaphorePermit + Send>;

/// Threads of one share, as many as there are turns. They stay: a new thread starts without the debt that this one has for what it
/// took of the processors, and would go before a request once more.
struct Hashers {
    turns: Arc<Semaphore>,
    work: UnboundedSender<Work>,
}

impl Hashers {
    fn start(share: Share, count: usize) -> Result<Self> {
        let (work, waiting) = unbounded_channel::<Work>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = waiting.clone();
            let hash = move || {
                give_way(share);
                let mut memory = Memory::default();
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(work) = next() {
                    let began = Instant::now();
                    // Who asked is told by the end of the channel; the thread goes on.
                    let Ok(_turn) = catch_unwind(AssertUnwindSafe(|| work(&mut memory))) else {
                        memory = Memory::default();
                        continue;
                    };
                    if share == Share::Rest {
                        std::thread::sleep((began.elapsed() * REST).min(LONGEST_REST));
                    }
                }
            };
            std::thread::Builder::new().name("password".to_owned()).spawn(hash).map_err(Error::internal)?;
        }
        Ok(Self { turns: Arc::new(Semaphore::new(count)), work })
    }
}

/// What verifying fills, kept from one turn to the next. New memory would come page by page under a lock that requests take as well,
/// and a thread that gives way keeps a lock for long.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn matches(&mut self, password: &str, hash: &str) -> Result<bool> {
        let parsed = PasswordHash::new(hash).map_err(Error::internal)?;
        let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
            return Err(Error::internal("a stored hash has no salt or no hash"));
        };
        let mut salt_bytes = [0; Salt::MAX_LENGTH];
        let salt = salt.decode_b64(&mut salt_bytes).map_err(Error::internal)?;
        let algorithm = Algorithm::try_from(parsed.algorithm).map_err(Error::internal)?;
        let version = parsed.version.map_or(Ok(Version::default()), Version::try_from).map_err(Error::internal)?;
        let hasher = Argon2::new(algorithm, version, Params::try_from(&parsed).map_err(Error::internal)?);
        let wanted = hasher.params().block_count();
        if self.0.len() < wanted {
            self.0.resize(wanted, Block::default());
        }
        let found = Output::init_with(expected.len(), |out| {
            Ok(hasher.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut self.0[..wanted])?)
        });
        // Their comparison takes the same time whatever differs.
        Ok(found.map_err(Error::internal)? == expected)
    }
}

/// On a thread of the turn's share. The turn lasts as long as the work and the rest after it, even when nobody waits any more.
async fn apart<T: Send + 'static>(turn: Turn, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
    let (tell, told) = oneshot::channel();
    let Turn { work: threads, held } = turn;
    let work = move |memory: &mut Memory| {
        let _ = tell.send(work(memory));
        held
    };
    threads.send(Box::new(work)).map_err(Error::internal)?;
    told.await.map_err(Error::internal)
}

/// Of this thread alone. Where it is refused, hashing competes with requests as an equal.
fn give_way(share: Share) {
    match share {
        Share::Fair => _ = rustix::process::setpriority_process(None, NICENESS),
        Share::Rest => {
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            let thread = thread_priority::thread_native_id();
            _ = thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, idle);
        }
    }
}

/// What a password must be.
pub(super) fn check(field: &str, password: &str) -> Result<()> {
    if password.is_empty() {
        return Err(Error::invalid(field, "The password must not be empty."));
    }
    if password.len() > MAX_PASSWORD {
        return Err(Error::invalid(field, format!("The password must have at most {MAX_PASSWORD} bytes.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let settings = Settings { insecure_test_password_cost: true, ..Settings::default() };
        let passwords = Passwords::new(&settings).expect("passwords");
        let hash = passwords.hash("right".into()).await.expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("right".into()).await.expect("hash"), "each hash has its own salt");
        for (password, hash, expected) in
            [("right", Some(hash.clone()), true), ("wrong", Some(hash), false), ("right", None, false)]
        {
            let turn = passwords.turn(Share::Rest).await.expect("turn");
            assert_eq!(passwords.verify(turn, password.into(), hash).await.expect("verify"), expected, "{password}");
        }
    }

    #[tokio::test]
    async fn the_default_cost_is_the_real_one_and_the_dummy_costs_the_same() {
        let passwords = Passwords::new(&Settings::default()).expect("passwords");
        let hash = passwords.hash("x".into()).await.expect("hash");
        let cost = "$argon2id$v=19$m=19456,t=2,p=1$";
        assert!(hash.starts_with(cost) && passwords.dummy.starts_with(cost));
        assert_eq!(
            hash.len() - hash.rfind('$').expect("$"),
            passwords.dummy.len() - passwords.dummy.rfind('$').expect("$")
        );
    }

    #[test]
    fn memory_of_another_cost_is_used_again_and_hashes_of_each_cost_are_known() {
        let mut memory = Memory::default();
        let hash_at = |cost: u32| {
            let params = Params::new(cost, 1, 1, Some(32)).expect("parameters");
            let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            hasher.hash_password(b"right", &SaltString::generate(&mut OsRng)).expect("hash").to_string()
        };
        for cost in [8, 32, 16] {
            let hash = hash_at(cost);
            assert_eq!(memory.matches("right", &hash), Ok(true), "{hash}");
            assert_eq!(memory.matches("wrong", &hash), Ok(false), "{hash}");
        }
        assert_eq!(memory.0.len(), 32, "of the largest size");
        assert!(memory.matches("right", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ").is_err(), "no hash in it");
    }

    #[tokio::test]
    async fn only_so_many_at_once() {
        let passwords =
            Passwords::new(&Settings { password_hashing: Some(1), ..Settings::default() }).expect("passwords");
        let turn = passwords.turn(Share::Fair).await.expect("turn");
        let slowed = passwords.turn(Share::Rest).await.expect("nobody waits for who guesses");
        assert_eq!((passwords.fair.turns.available_permits(), passwords.rest.turns.available_permits()), (0, 0));
        drop((turn, slowed));
        assert_eq!((passwords.fair.turns.available_permits(), passwords.rest.turns.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn who_guesses_gets_what_nobody_else_wants() {
        let passwords = Passwords::new(&Settings::default()).expect("passwords");
        let current = || thread_priority::thread_schedule_policy().expect("a policy");
        let before = current();
        let policy = move |_: &mut Memory| current();
        let turn = passwords.turn(Share::Rest).await.expect("turn");
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(apart(turn, policy).await.expect("a policy"), idle);
        let turn = passwords.turn(Share::Fair).await.expect("turn");
        assert_eq!(apart(turn, policy).await.expect("a policy"), before);
    }

    #[tokio::test]
    async fn a_panic_ends_neither_the_thread_nor_its_turns() {
        let passwords =
            Passwords::new(&Settings { insecure_test_password_cost: true, ..Settings::default() }).expect("passwords");
        for share in [Share::Fair, Share::Rest] {
            for _ in 0..3 {
                let turn = passwords.turn(share).await.expect("turn");
                assert!(apart(turn, |_| panic!("this test's own")).await.is_err());
                let turn = passwords.turn(share).await.expect("turn");
                assert_eq!(passwords.verify(turn, "x".into(), None).await, Ok(false));
            }
        }
    }

    #[tokio::test]
    async fn a_guess_keeps_its_turn_while_its_thread_rests() {
        let passwords = Passwords::new(&Settings::default()).expect("passwords");
        let turn = passwords.turn(Share::Rest).await.expect("turn");
        let worked = Duration::from_millis(20);
        let began = apart(turn, move |_| {
            let began = Instant::now();
            while began.elapsed() < worked {
                std::hint::spin_loop();
            }
            began
        });
        let began = began.await.expect("done");
        drop(passwords.turn(Share::Rest).await.expect("turn"));
        assert!(began.elapsed() >= worked * 4, "{:?}", began.elapsed());
    }
}
