//! Both databases have the same tables, and every migration is listed.

use super::{
    super::db::{POSTGRES, SQLITE, sql},
    *,
};
use std::collections::BTreeMap;

/// Kind and whether it may be absent, by table and column.
type Columns = BTreeMap<(String, String), (&'static str, bool)>;

/// What a type's values are to the store.
fn kind(declared: &str) -> &'static str {
    match declared.to_ascii_lowercase().as_str() {
        "bigint" | "integer" | "smallint" => "number",
        "boolean" => "truth",
        "text" => "text",
        "blob" | "bytea" => "bytes",
        _ => "unknown",
    }
}

async fn columns(store: &Store, text: &'static str) -> Columns {
    let mut columns = Columns::new();
    for row in sql(text).fetch_all(&mut store.reader.get().await.unwrap()).await.unwrap() {
        let text = |column| row.try_get::<String>(column).unwrap();
        let absent = row.try_get::<i64>("nullable").unwrap() != 0;
        columns.insert((text("of"), text("name")), (kind(&text("type")), absent));
    }
    columns
}

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let (_folder, store) = store().await;
    // A primary key that is a text may be absent by SQLite's rules, but never is.
    let sqlite = columns(
        &store,
        "SELECT sqlite_schema.name AS of, pragma.name AS name, pragma.type AS type,
         pragma.\"notnull\" = 0 AND pragma.pk = 0 AS nullable
         FROM sqlite_schema JOIN pragma_table_info(sqlite_schema.name) AS pragma
         WHERE sqlite_schema.type = 'table' AND sqlite_schema.name NOT LIKE '!_sqlx%' ESCAPE '!'
         AND sqlite_schema.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    )
    .await;
    let check = async {
        let (_place, store) = super::store().await;
        columns(
            &store,
            "SELECT table_name::TEXT AS of, column_name::TEXT AS name, data_type::TEXT AS type,
             CASE WHEN is_nullable = 'YES' THEN 1::BIGINT ELSE 0 END AS nullable
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
        )
        .await
    };
    let postgres = ON_SERVER.scope((), check).await;
    assert!(sqlite.len() > 80 && sqlite.values().all(|(kind, _)| *kind != "unknown"), "{sqlite:#?}");
    assert_eq!(sqlite, postgres);
}

#[test]
fn every_migration_is_listed_and_the_last_ones_have_the_same_number() {
    for (folder, listed) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut files: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".sql", ""))
            .collect();
        files.sort();
        assert_eq!(
            files,
            listed.iter().map(|(_, name, _)| (*name).to_owned()).collect::<Vec<_>>(),
            "{folder}"
        );
        for (number, name, _) in listed {
            assert!(name.starts_with(&format!("{number:04}_")), "{name}");
        }
    }
    assert_eq!(SQLITE.last().unwrap().0, POSTGRES.last().unwrap().0);
}
