//! Transactions that stood in one another's way, so that the database broke one of them off.

use std::time::Duration;

use skyloom_model::Result;

/// How often a transaction is made at most.
const ATTEMPTS: u32 = 5;
/// The longest pause before the second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(10);

/// Makes a transaction, and anew where the database broke it off for another one's sake (a deadlock, or rows that could not be
/// seen in one order): nothing of that attempt is stored then. It must be all that is done. The pause before each attempt is
/// random, or the two would meet again.
pub async fn again<T, F>(transaction: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut longest = PAUSE;
    for _ in 1..ATTEMPTS {
        match transaction().await {
            Err(error) if error.is_collision() => {
                tracing::debug!(error = error.for_log(), "a transaction is made again");
                let share = uuid::Uuid::new_v4().as_u128() % 1000;
                tokio::time::sleep(longest * u32::try_from(share).unwrap_or_default() / 1000).await;
                longest *= 2;
            }
            ended => return ended,
        }
    }
    transaction().await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use skyloom_model::Error;
    use tokio::sync::Barrier;

    use super::*;
    use crate::{Db, args};

    /// Takes the two rows in this order, and waits between them for the other transaction to have its first one.
    async fn both(db: &Db, order: [&str; 2], met: &Barrier, attempts: &AtomicUsize) -> Result<()> {
        let mut tx = db.begin().await?;
        let sql = "UPDATE seeded SET seeded_at = seeded_at + 1 WHERE area = $1";
        tx.execute(sql, args![order[0]]).await?;
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            met.wait().await;
        }
        tx.execute(sql, args![order[1]]).await?;
        tx.commit().await
    }

    #[tokio::test]
    async fn what_collides_each_time_is_given_up_and_other_errors_at_once() {
        for (error, expected) in [(Error::collision("again"), 5), (Error::unavailable("gone"), 1)] {
            let attempts = AtomicUsize::new(0);
            let ended = again(|| async {
                attempts.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>(error.clone())
            });
            assert_eq!(ended.await.unwrap_err().is_collision(), error.is_collision());
            assert_eq!(attempts.load(Ordering::SeqCst), expected, "{}", error.for_log());
        }
    }

    #[tokio::test]
    async fn of_two_transactions_in_a_deadlock_both_are_made() {
        let Some(database) = crate::testing::postgres().await else { return };
        let db = &database.db;
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ('a', 0), ('b', 0)", &[]).await.unwrap();
        tx.commit().await.unwrap();
        let (met, counts) = (Barrier::new(2), [AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (one, other) = tokio::join!(
            again(|| both(db, ["a", "b"], &met, &counts[0])),
            again(|| both(db, ["b", "a"], &met, &counts[1])),
        );
        one.unwrap();
        other.unwrap();
        // Once at least; the second attempt may meet the other transaction again.
        assert!(counts[0].load(Ordering::SeqCst) + counts[1].load(Ordering::SeqCst) >= 3, "one was broken off");
        let sql = "SELECT seeded_at FROM seeded WHERE area IN ('a', 'b')";
        let sums = db.read().await.unwrap().all(sql, &[], |row| row.int(0)).await.unwrap();
        assert_eq!(sums, [2, 2], "each of them counted once");
    }
}
