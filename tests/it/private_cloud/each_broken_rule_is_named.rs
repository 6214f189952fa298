//! Errors come in the API's shape and name what is wrong, one message a fault.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::private_cloud::{EMAIL, Home, PASSWORD};

#[tokio::test(start_paused = true)]
async fn a_registration_hears_of_all_its_faults_at_once() {
    let home = Home::open();
    let user =
        json!({ "email": "no address", "password": "short", "first_name": "", "toc_accepted_at": "soon" });
    let answer = home.post("/v1/auth/register", &user).await;
    let told = answer.refused(StatusCode::BAD_REQUEST);
    for fault in [
        "email must be an e-mail address",
        "password must have 8 to 99",
        "password must contain an upper-case",
        "password must contain a digit",
        "password must contain a special",
        "first_name must have 1 to 150",
        "last_name must be a string",
        "toc_accepted_at must be a date-time",
        "privacy_policy_accepted_at must be a date-time",
    ] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
    assert_eq!(answer.json()["message"].as_array().unwrap().len(), 9, "{told}");
}

#[tokio::test(start_paused = true)]
async fn routes_methods_and_bodies_that_are_wrong() {
    let (home, token) = Home::with_user().await;
    let nowhere = home.get("/v1/nowhere", &token).await;
    assert_eq!(nowhere.refused(StatusCode::NOT_FOUND), "Cannot GET /v1/nowhere");
    assert_eq!(nowhere.json()["path"], "/v1/nowhere");
    let method = home.call(Method::PATCH, "/v1/user", &token).await;
    assert!(method.refused(StatusCode::METHOD_NOT_ALLOWED).contains("PATCH"));
    assert!(method.headers["allow"].to_str().unwrap().contains("GET"));

    let sent = |body: Vec<u8>| home.send(Request::post("/v2/auth/login").body(Body::from(body)).unwrap());
    assert!(sent(b"{".to_vec()).await.refused(StatusCode::BAD_REQUEST).contains("not JSON"));
    assert!(sent(b"[]".to_vec()).await.refused(StatusCode::BAD_REQUEST).contains("object"));
    let large = sent(vec![b' '; 64 * 1024 + 1]).await;
    assert!(large.refused(StatusCode::PAYLOAD_TOO_LARGE).contains("65536"));
}

#[tokio::test(start_paused = true)]
async fn without_a_good_bearer_token_nothing_is_shown() {
    let (home, _) = Home::with_user().await;
    for path in ["/v1/user", "/v1/user/settings", "/v1/measurement"] {
        let none = home.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert!(none.refused(StatusCode::UNAUTHORIZED).contains("bearer token is required"));
        assert_eq!(none.headers["www-authenticate"], "Bearer");
        assert!(home.get(path, "made-up").await.refused(StatusCode::UNAUTHORIZED).contains("unknown"));
    }
    assert!(home.upload("made-up", None, &[]).await.refused(StatusCode::UNAUTHORIZED).contains("unknown"));
}

#[tokio::test(start_paused = true)]
async fn where_an_x_auth_token_is_set_strangers_cannot_even_knock() {
    let mut home = Home::open();
    home.cloud.add_user(EMAIL, PASSWORD.into(), "Some", "One").await.unwrap();
    home.cloud = home.cloud.with_auth_token(&"c2VjcmV0K2NsaWVudA==".into());
    let login = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let with = |token: Option<&str>| {
        let request = Request::post("/v2/auth/login");
        let request = match token {
            Some(token) => request.header("x-auth-token", token),
            None => request,
        };
        home.send(request.body(Body::from(login.clone())).unwrap())
    };
    assert!(with(None).await.refused(StatusCode::UNAUTHORIZED).contains("required"));
    assert!(with(Some("other")).await.refused(StatusCode::UNAUTHORIZED).contains("wrong"));
    assert_eq!(with(Some("c2VjcmV0K2NsaWVudA==")).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_query_names_the_parameter_that_is_wrong() {
    let (home, token) = Home::with_user().await;
    let good =
        [("type", "HEART_RATE"), ("sort", "ASC"), ("start_day", "2023-01-01"), ("end_day", "2023-12-31")];
    for (name, wrong) in [
        ("type", "heart_rate"),
        ("sort", "asc"),
        ("start_day", "20230101"),
        ("end_day", "2023-02-30"),
        ("end_day", "2022-12-31"),
        ("end_day", "2024-01-02"),
    ] {
        let query =
            good.map(|(key, value)| format!("{key}={}", if key == name { wrong } else { value })).join("&");
        let told =
            home.get(&format!("/v1/measurement?{query}"), &token).await.refused(StatusCode::BAD_REQUEST);
        assert!(told.contains(name), "{query}: {told}");
    }
    let told = home.get("/v1/measurement", &token).await.refused(StatusCode::BAD_REQUEST);
    assert!(good.iter().all(|(name, _)| told.contains(name)), "{told}");
    let leap = "/v1/measurement?type=HEART_RATE&sort=ASC&start_day=2024-01-01&end_day=2024-12-31";
    assert_eq!(home.get(leap, &token).await.json(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn consent_is_off_until_somebody_turns_it_on() {
    let (home, token) = Home::with_user().await;
    let settings = home.get("/v1/user/settings", &token).await.json();
    assert_eq!(settings["settings"], json!({ "user_consent": { "data_sharing": false } }));
    assert_eq!(settings["createdAt"], "2023-01-02T00:00:00.000Z");

    let put = |body: serde_json::Value| {
        let request = Request::put("/v1/user/settings").header("authorization", format!("Bearer {token}"));
        home.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let told = put(json!({ "settings": { "user_consent": {} } })).await.refused(StatusCode::BAD_REQUEST);
    assert!(told.contains("data_sharing"), "{told}");
    put(
        json!({ "settings": { "user_consent": { "data_sharing": true }, "onboarding": { "intention": 3 } } }),
    )
    .await;
    home.cloud.set_consent(EMAIL, false).await.unwrap();
    assert_eq!(
        home.get("/v1/user/settings", &token).await.json()["settings"],
        json!({ "user_consent": { "data_sharing": false }, "onboarding": { "intention": 3 } })
    );
    assert!(home.cloud.set_consent("nobody@example.org", true).await.is_err());
}
