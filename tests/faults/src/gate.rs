//! A gate between the process and its libvirt: every call passes it, and at a chosen one it kills the process or cuts the
//! wire, before libvirt has the call or after it has done it. So the process dies inside of a driver's step, between two of
//! its effects, where no point of ours could stand.
//!
//! It speaks as much of libvirt's wire format as it takes to tell calls apart: a packet is its length, then program, version,
//! procedure, type, serial and status, each four bytes, big-endian.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use skyloom_jobs::faults::Moment;

const REMOTE_PROGRAM: u32 = 0x2000_8086;
const CALL: u32 = 0;
const REPLY: u32 = 1;
/// Beyond libvirt's own limit; something else is spoken then.
const LONGEST: usize = 64 << 20;

/// The calls that change something, as libvirt numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    Start = 9,
    Define = 11,
    Destroy = 12,
    Undefine = 231,
    UpdateNetwork = 291,
}

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL to the process.
    Kill,
    /// The connection breaks; the process lives.
    Cut,
}

/// The next such call is struck, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    pub procedure: Procedure,
    pub moment: Moment,
    pub act: Act,
}

#[derive(Debug, Default)]
struct Shared {
    armed: Mutex<Option<Strike>>,
    struck: AtomicBool,
    victim: AtomicU32,
}

/// Stands as long as the test runs.
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

impl Gate {
    /// Listens at `socket` and passes everything on to the daemon's own.
    pub fn open(socket: &Path, daemon: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket for the gate");
        let gate = Self { shared: Arc::default() };
        let (shared, daemon) = (gate.shared.clone(), daemon.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                pass(client, daemon.clone(), &shared);
            }
        });
        gate
    }

    /// Arms it against the process.
    pub fn arm(&self, strike: Strike, pid: u32) {
        self.shared.victim.store(pid, Ordering::SeqCst);
        self.shared.struck.store(false, Ordering::SeqCst);
        *self.armed() = Some(strike);
    }

    /// Disarms it; whether it has struck.
    pub fn disarm(&self) -> bool {
        *self.armed() = None;
        self.shared.struck.swap(false, Ordering::SeqCst)
    }

    fn armed(&self) -> std::sync::MutexGuard<'_, Option<Strike>> {
        self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Takes the strike that is armed for such a call at this moment.
    fn take(&self, procedure: u32, moment: Moment) -> Option<Strike> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.take_if(|strike| strike.procedure as u32 == procedure && strike.moment == moment)
    }

    fn strike(&self, strike: Strike) {
        if strike.act == Act::Kill {
            let pid = i32::try_from(self.victim.load(Ordering::SeqCst)).ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.expect("the victim's id");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the victim lives");
        }
        self.struck.store(true, Ordering::SeqCst);
    }
}

/// One connection: a thread for each direction; when one ends, both do.
fn pass(client: UnixStream, daemon: PathBuf, shared: &Arc<Shared>) {
    let Ok(server) = UnixStream::connect(daemon) else { return };
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
    // The call that is struck when its reply comes, by its serial.
    let waited: Arc<Mutex<Option<(u32, Strike)>>> = Arc::default();
    let (calls, replies) = (shared.clone(), shared.clone());
    let noted = waited.clone();
    std::thread::spawn(move || {
        let forward = |packet: &Packet| {
            if packet.kind() != CALL || packet.program() != REMOTE_PROGRAM {
                return true;
            }
            if let Some(strike) = calls.take(packet.procedure(), Moment::Before) {
                calls.strike(strike);
                return false;
            }
            if let Some(strike) = calls.take(packet.procedure(), Moment::After) {
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some((packet.serial(), strike));
            }
            true
        };
        copy(&client, &server, forward);
    });
    std::thread::spawn(move || {
        let forward = |packet: &Packet| {
            let mut waited = waited.lock().unwrap_or_else(PoisonError::into_inner);
            let hit = waited.take_if(|(serial, _)| packet.kind() == REPLY && *serial == packet.serial());
            hit.map(|(_, strike)| replies.strike(strike)).is_none()
        };
        copy(&server_too, &client_too, forward);
    });
}

/// Passes packets on until an end, or until one isn't to be passed on.
fn copy(mut from: &UnixStream, mut to: &UnixStream, forward: impl Fn(&Packet) -> bool) {
    while let Ok(packet) = Packet::read(&mut from) {
        if !forward(&packet) || to.write_all(&packet.0).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// One packet, its length included.
struct Packet(Vec<u8>);

impl Packet {
    fn read(from: &mut impl Read) -> std::io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let whole = u32::from_be_bytes(length) as usize;
        if !(28..=LONGEST).contains(&whole) {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; whole];
        bytes[..4].copy_from_slice(&length);
        from.read_exact(&mut bytes[4..])?;
        Ok(Self(bytes))
    }

    fn word(&self, index: usize) -> u32 {
        self.0[index * 4..][..4].try_into().map_or(0, u32::from_be_bytes)
    }

    fn program(&self) -> u32 {
        self.word(1)
    }

    fn procedure(&self) -> u32 {
        self.word(3)
    }

    fn kind(&self) -> u32 {
        self.word(4)
    }

    fn serial(&self) -> u32 {
        self.word(5)
    }
}
