//! A server in a process of its own, and what it takes.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Ends with its stdin, so that nothing is left when this process dies.
pub struct Server {
    child: Child,
    _stdin: ChildStdin,
    pub address: SocketAddr,
}

/// Compiling all plugins on a busy machine takes some seconds; longer means that it hangs.
const START_DEADLINE: Duration = Duration::from_mins(2);

impl Server {
    /// Starts a command that prints `listening ADDRESS` on stdout.
    pub async fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = child.stdin.take().context("stdin")?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
        let address = tokio::time::timeout(START_DEADLINE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix("listening ") {
                    return Ok(address.parse()?);
                }
            }
            bail!("the server ended before it listened")
        })
        .await??;
        Ok(Self { child, _stdin: stdin, address })
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }
}

/// CPU seconds of a process, user and system.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // Linux has counted in hundredths of a second since 2.6, whatever the kernel's own tick.
    Ok(ticks / 100.0)
}

/// Resident memory of a process in MiB.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}
