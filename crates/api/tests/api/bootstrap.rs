use crate::world::{World, plan};
use talkif_api::bootstrap::{BootstrapError, WebhookPlan, bootstrap};
use talkif_model::Region;
use talkif_rules::secret;

#[tokio::test]
async fn setting_up_twice_changes_nothing_and_shows_no_secret_again() {
    let world = World::new().await;
    let mut plan = plan("helena", "+902125550100");
    plan.webhooks.push(WebhookPlan {
        url: "http://127.0.0.1:4040/".to_owned(),
        events: vec!["*".to_owned()],
        formerly: None,
        renew: false,
    });
    let first = world.bootstrap(plan.clone()).await;
    let second = world.bootstrap(plan).await;
    assert_eq!(first.account, second.account);
    assert!(first.api_key.is_some() && second.api_key.is_none());
    assert!(first.webhook_secrets[0].is_some() && second.webhook_secrets[0].is_none());
    for table in [
        "directory.accounts",
        "account_settings",
        "numbers",
        "flow_versions",
        "webhook_endpoints",
        "directory.api_keys",
    ] {
        assert_eq!(world.count(table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn lost_secrets_are_renewed() {
    let world = World::new().await;
    let mut plan = plan("helena", "+902125550100");
    let lost = world.bootstrap(plan.clone()).await.api_key.unwrap();
    plan.key.renew = true;
    let renewed = world.bootstrap(plan).await.api_key.unwrap();
    assert_eq!(world.get("/v1/calls", &renewed).send().await.status, 200);
    assert_eq!(world.get("/v1/calls", &lost).send().await.status, 401);
}

#[tokio::test]
async fn a_webhook_moves_with_its_deliveries_and_gets_a_new_secret() {
    let world = World::new().await;
    let mut plan = plan("helena", "+902125550100");
    let webhook = |url: &str, formerly: Option<&str>| WebhookPlan {
        url: url.to_owned(),
        events: vec!["*".to_owned()],
        formerly: formerly.map(str::to_owned),
        renew: true,
    };
    plan.webhooks = vec![webhook("http://127.0.0.1:4040/", None)];
    let first = world.bootstrap(plan.clone()).await;
    let before = world.text("select id::text from webhook_endpoints").await;
    plan.webhooks = vec![webhook("http://127.0.0.1:5050/", Some("http://127.0.0.1:4040/"))];
    let second = world.bootstrap(plan).await;
    assert_eq!(world.text("select id::text from webhook_endpoints").await, before);
    let url = world.text("select url from webhook_endpoints").await.unwrap();
    assert_eq!(url, "http://127.0.0.1:5050/");
    let sealed = world.text("select secret from webhook_endpoints").await.unwrap();
    let secret = secret::open(world.sealing_key(), &sealed).unwrap();
    assert_eq!(second.webhook_secrets[0].as_deref(), Some(secret.as_str()));
    assert_ne!(first.webhook_secrets, second.webhook_secrets);
}

#[tokio::test]
async fn the_trunks_password_is_sealed_at_rest() {
    let world = World::new().await;
    world.bootstrap(plan("helena", "+902125550100")).await;
    let sealed = world.text("select sip_password from numbers").await.unwrap();
    assert_eq!(secret::open(world.sealing_key(), &sealed).unwrap(), "secret password");
}

#[tokio::test]
async fn a_number_has_one_owner_and_an_account_one_home() {
    let world = World::new().await;
    world.bootstrap(plan("helena", "+902125550100")).await;
    let taken = bootstrap(&world.app, plan("other", "+902125550100")).await;
    assert!(matches!(taken, Err(BootstrapError::NumberTaken(_))));
    let mut moved = plan("helena", "+902125550100");
    moved.home = Region::TrIst;
    let moved = bootstrap(&world.app, moved).await;
    assert!(matches!(moved, Err(BootstrapError::LivesElsewhere(Region::EuWest))));
}

#[tokio::test]
async fn a_broken_flow_is_refused_with_its_mistakes() {
    let world = World::new().await;
    let mut broken = plan("helena", "+902125550100");
    broken.flows[0].source = "id: pricing".to_owned();
    let error = bootstrap(&world.app, broken).await.err().unwrap();
    assert!(error.to_string().starts_with("flow_structure_invalid: "), "{error}");
}
