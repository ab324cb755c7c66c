//! What one call of a plugin may use: the one table of defaults and ceilings.

use std::time::Duration;

use serde::Serialize;

use crate::manifest::LimitsTable;

/// One row: the value where nobody says anything, and the most that a plugin or a deployment may say.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub name: &'static str,
    pub default: u32,
    pub ceiling: u32,
    pub reason: &'static str,
}

pub const MEMORY_MIB: Bound = Bound {
    name: "memory-mib",
    default: 32,
    ceiling: 1024,
    reason: "a page of 1000 servers and its answer fit in 32 MiB; interpreters of other languages need more",
};
pub const CPU_MS: Bound = Bound {
    name: "cpu-ms",
    default: 1000,
    ceiling: 60_000,
    reason: "the largest list takes some 10 ms; a loop must end before its client gives up",
};
pub const WAIT_MS: Bound = Bound {
    name: "wait-ms",
    default: 30_000,
    ceiling: 600_000,
    reason: "clients wait for 60 s; a driver may wait for its platform",
};
pub const OUTPUT_KIB: Bound = Bound {
    name: "output-kib",
    default: 16_384,
    ceiling: 65_536,
    reason: "1000 servers in their widest form are about 3 MiB",
};
pub const LOG_LINES_PER_SECOND: Bound = Bound {
    name: "log-lines-per-second",
    default: 50,
    ceiling: 10_000,
    reason: "a flood must not fill the disk or hide other lines",
};

/// Longest log line in bytes.
pub const LOG_LINE_BYTES: usize = 4096;
/// Elements of all tables of a call's sandbox together; a large Rust guest has some thousands.
pub const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, memories and tables of a sandbox; componentised interpreters have some dozens of instances.
pub const CORE_INSTANCES: usize = 64;
pub const MEMORIES: usize = 8;
pub const TABLES: usize = 16;

/// The limits in force, smallest common form of asked, given and default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes.
    pub memory: usize,
    pub cpu: Duration,
    pub wait: Duration,
    /// Bytes.
    pub output: usize,
    pub log_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::from_numbers([
            MEMORY_MIB.default,
            CPU_MS.default,
            WAIT_MS.default,
            OUTPUT_KIB.default,
            LOG_LINES_PER_SECOND.default,
        ])
    }
}

impl Limits {
    /// What the deployment gives wins over what the manifest asks, that over the default. Err: all that is wrong: what is nothing or
    /// above a ceiling, and less memory than a component begins with, whose `memory` is in bytes.
    pub fn effective(asked: &LimitsTable, given: &LimitsTable, memory: u64) -> Result<Self, String> {
        let mut wrong = Vec::new();
        let mut pick = |bound: Bound, asked: Option<u32>, given: Option<u32>, least: u64| {
            let value = given.or(asked).unwrap_or(bound.default);
            if value == 0 {
                wrong.push(format!("limit {} must be at least 1", bound.name));
            } else if value > bound.ceiling {
                wrong.push(format!("limit {} = {value} is above the host's ceiling of {}", bound.name, bound.ceiling));
            } else if u64::from(value) < least {
                wrong.push(format!(
                    "limit {} = {value} is below the {least} that the component begins with",
                    bound.name
                ));
            }
            value
        };
        let numbers = [
            pick(MEMORY_MIB, asked.memory_mib, given.memory_mib, memory.div_ceil(1 << 20)),
            pick(CPU_MS, asked.cpu_ms, given.cpu_ms, 0),
            pick(WAIT_MS, asked.wait_ms, given.wait_ms, 0),
            pick(OUTPUT_KIB, asked.output_kib, given.output_kib, 0),
            pick(LOG_LINES_PER_SECOND, asked.log_lines_per_second, given.log_lines_per_second, 0),
        ];
        if wrong.is_empty() { Ok(Self::from_numbers(numbers)) } else { Err(wrong.join("; ")) }
    }

    fn from_numbers([memory_mib, cpu_ms, wait_ms, output_kib, log_lines_per_second]: [u32; 5]) -> Self {
        Self {
            memory: memory_mib as usize * 1024 * 1024,
            cpu: Duration::from_millis(cpu_ms.into()),
            wait: Duration::from_millis(wait_ms.into()),
            output: output_kib as usize * 1024,
            log_lines_per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_wins_and_the_ceiling_holds() {
        let asked = LimitsTable { memory_mib: Some(64), cpu_ms: Some(5), ..LimitsTable::default() };
        let given = LimitsTable { cpu_ms: Some(7), ..LimitsTable::default() };
        let limits = Limits::effective(&asked, &given, 0).unwrap();
        assert_eq!(limits.memory, 64 << 20);
        assert_eq!(limits.cpu, Duration::from_millis(7));
        assert_eq!(limits.wait, Limits::default().wait);
        let over = LimitsTable { memory_mib: Some(MEMORY_MIB.ceiling + 1), ..LimitsTable::default() };
        assert!(Limits::effective(&asked, &over, 0).unwrap_err().contains("memory-mib = 1025 is above"));
        let at = LimitsTable { memory_mib: Some(MEMORY_MIB.ceiling), ..LimitsTable::default() };
        assert!(Limits::effective(&asked, &at, 0).is_ok());
        let none = LimitsTable { wait_ms: Some(0), ..LimitsTable::default() };
        assert!(Limits::effective(&asked, &none, 0).is_err());
    }
    #[test]
    fn all_that_is_wrong_is_told() {
        let given = LimitsTable { memory_mib: Some(1), cpu_ms: Some(0), ..LimitsTable::default() };
        let said = Limits::effective(&LimitsTable::default(), &given, (1 << 20) + 1).unwrap_err();
        assert_eq!(
            said,
            "limit memory-mib = 1 is below the 2 that the component begins with; limit cpu-ms must be at least 1"
        );
        let given = LimitsTable { memory_mib: Some(1), ..LimitsTable::default() };
        assert!(Limits::effective(&LimitsTable::default(), &given, 1 << 20).is_ok());
    }
}
