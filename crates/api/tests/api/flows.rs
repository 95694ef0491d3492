use crate::world::{FLOW, World};
use serde_json::json;

#[tokio::test]
async fn the_same_source_is_the_same_version_and_another_one_the_next() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let publish = |source: String| {
        let call =
            world.call("POST", "/v1/flows?notes=shorter").key(&tenant.key).text("application/yaml", &source);
        async move { call.send().await }
    };
    let same = publish(FLOW.to_owned()).await;
    assert_eq!((same.status, &same.body["version"], &same.body["created"]), (200, &json!(1), &json!(false)));
    let next = publish(FLOW.replace("60s", "30s")).await;
    assert_eq!((next.status, &next.body["version"], &next.body["created"]), (201, &json!(2), &json!(true)));

    let flow = world.get("/v1/flows/flow_pricing_v3", &tenant.key).send().await;
    assert_eq!(flow.status, 200);
    assert_eq!(flow.body["version"], 2);
    assert_eq!(flow.body["source"], FLOW.replace("60s", "30s"));
    assert_eq!(flow.body["graph"]["call"]["within_s"], 30);
    let versions: Vec<_> =
        flow.body["versions"].as_array().unwrap().iter().map(|v| v["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 1]);
    assert_eq!(flow.body["versions"][0]["notes"], "shorter");
}

#[tokio::test]
async fn json_is_taken_too_and_flows_are_listed() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"id": "flow_recovery", "qualify": ["need"]});
    let answer = world.post("/v1/flows", &tenant.key, &body).send().await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let listed = world.get("/v1/flows?limit=1&offset=1", &tenant.key).send().await;
    assert_eq!(listed.body["meta"], json!({"total": 2, "limit": 1, "offset": 1}));
    assert_eq!(listed.body["flows"][0]["flow_id"], "flow_recovery");
}

#[tokio::test]
async fn mistakes_are_located_in_the_source() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let source = "id: flow_x\nqualify:\n  - need\ncall:\n  within: soon\n";
    let answer = world.call("POST", "/v1/flows").key(&tenant.key).text("text/yaml", source).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("flow_structure_invalid")));
    let error = &answer.body["errors"][0];
    assert_eq!((&error["field"], &error["line"]), (&json!("call.within"), &json!(5)));
    assert!(error["column"].is_u64() && error["code"].is_string() && error["message"].is_string());
    assert_eq!(world.count("flow_versions").await, 1);
}

#[tokio::test]
async fn a_source_of_another_kind_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let answer = world.call("POST", "/v1/flows").key(&tenant.key).text("text/html", "<p>").send().await;
    assert_eq!((answer.status, &answer.body["code"]), (415, &json!("unsupported_media_type")));
    let answer = world
        .call("POST", "/v1/flows")
        .key(&tenant.key)
        .text("application/json", "{\n  \"id\": ,")
        .send()
        .await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("invalid_json")), "{}", answer.body);
}

#[tokio::test]
async fn concurrent_versions_get_different_numbers() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let publish = |n: usize| {
        let source = FLOW.replace("60s", &format!("{}s", 30 + n));
        let call = world.call("POST", "/v1/flows").key(&tenant.key).text("application/yaml", &source);
        async move { call.send().await }
    };
    let answers = futures::future::join_all((0..8).map(publish)).await;
    let mut versions: Vec<_> =
        answers.iter().map(|answer| answer.body["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_source_that_spells_nul_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let source = format!("{FLOW}name: \"a\\0b\"\n");
    let answer =
        world.call("POST", "/v1/flows").key(&tenant.key).text("application/yaml", &source).send().await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}
