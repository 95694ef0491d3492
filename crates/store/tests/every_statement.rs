//! Statements are plain text, so the compiler does not check them: Postgres does, here.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::{Executor, SqlSafeStr};
use std::collections::BTreeSet;
use talkif_embedded::testing;
use talkif_store::{ALL, Statement};

fn statements() -> impl Iterator<Item = &'static Statement> {
    ALL.iter().flat_map(|module| module.iter())
}

#[tokio::test]
async fn every_statement_prepares_against_a_migrated_database() {
    let region = testing::region().await;
    let mut broken = Vec::new();
    for statement in statements() {
        if let Err(error) = region.pool.prepare(statement.sql.into_sql_str()).await {
            broken.push(format!("{}: {error}", statement.name));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_statement_has_its_own_name() {
    let mut seen = BTreeSet::new();
    for statement in statements() {
        assert!(seen.insert(statement.name), "`{}` is used twice", statement.name);
        assert!(statement.name.contains('.'), "`{}` is not `table.verb`", statement.name);
    }
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let region = testing::region().await;
    talkif_store::native::migrate_directory(&region.url).await.unwrap();
    talkif_store::native::migrate_region(&region.url).await.unwrap();
}
