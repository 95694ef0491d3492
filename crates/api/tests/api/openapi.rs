use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;
use talkif_api::routes::{self, Door};

type Operation = (String, String, String);

fn documented(document: &Value) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            operations.insert((method.to_uppercase(), path.clone(), id));
        }
    }
    operations
}

async fn document() -> Value {
    World::new().await.call("GET", "/api/v1/openapi.json").send().await.body
}

#[tokio::test]
async fn the_document_has_exactly_the_routes_of_the_table() {
    let table: BTreeSet<Operation> = routes::all()
        .map(|route| (route.method.to_string(), route.path.to_owned(), route.operation.to_owned()))
        .collect();
    assert_eq!(table.len(), routes::all().count(), "operations are unique");
    assert_eq!(documented(&document().await), table);
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "https://api.example");
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn collect_references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            into.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, into)),
        _ => {}
    }
}

#[tokio::test]
async fn exactly_the_open_routes_ask_for_no_key() {
    let document = document().await;
    for route in routes::all() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let open = operation["security"] == serde_json::json!([{}]);
        assert_eq!(open, matches!(route.door, Door::Open(_)), "{}", route.operation);
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}
